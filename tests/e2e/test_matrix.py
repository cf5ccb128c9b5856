#!/usr/bin/env python3
"""Every client against every case in which a stream is more than a stream of events.

All clients go through a case at once, each through a Router of its own.  What a client cannot
do is in LIMITS, with the reason; where it can do it after all, that is a failure, too.
At the end there is a table, client by case.
"""

import contextlib
import json
import time

from browser import ENGINES, borrowed
from eventsource import LIBRARIES, PAGES, Library, Page, provide_polyfill
from harness import HOST, LIMIT, at_end, case, check, equal, run
from router import Router

# Why a client fails in a case.
STANDARD = "gives up for good after a status other than 200, as the standard demands"
BLANK = "drops empty lines at the beginning of an event's data"
INSIDE = "keeps them to itself, and replaces the stream when they stay out"
LIMITS = {
    ("Chromium", "away"): STANDARD,
    ("Firefox", "away"): STANDARD,
    ("WebKitGTK", "away"): STANDARD,
    ("Firefox, event-source-polyfill", "away"): STANDARD,
    ("event-source-polyfill", "away"): STANDARD,
    ("eventsource 3", "away"): STANDARD,
    ("eventsource 4", "away"): STANDARD,
    ("eventsource 5", "away"): STANDARD,
    ("undici", "away"): STANDARD,
    ("undici", "restart"): "gives up for good when it finds no server to reconnect to",
    ("extended-eventsource", "away"): STANDARD,
    ("extended-eventsource", "blank"): BLANK,
    ("fetch-event-source", "blank"): BLANK,
    ("Chromium, peal.js", "beat"): INSIDE,
    ("Firefox, peal.js", "beat"): INSIDE,
    ("WebKitGTK, peal.js", "beat"): INSIDE,
    ("peal.js", "beat"): INSIDE,
}

CLIENTS = [name for name, *_ in PAGES] + list(LIBRARIES)
CASES = []
results = {}


class Entry:
    """A client in a case."""

    def __init__(self, name, router, client):
        self.name, self.router, self.client = name, router, client
        self.failure = None


class Group:
    """All clients in a case; one that has failed is left out from then on."""

    def __init__(self, name, entries):
        self.name, self.entries = name, entries

    def then(self, name):
        """Go on with another case, in which all take part again."""
        self.end()
        self.name = name
        for entry in self.entries:
            entry.failure = None

    def end(self):
        for entry in self.entries:
            results[entry.name, self.name] = entry.failure

    def forget_events(self):
        for entry in self.entries:
            entry.client.look()
            entry.client.events.clear()

    def cut(self):
        for entry in self.entries:
            entry.router.cut()

    def join(self):
        for entry in self.entries:
            entry.router.join()

    def wait(self, condition, what, seconds=LIMIT * 2):
        """Wait until the condition holds for each client."""
        end = time.monotonic() + seconds
        left = [entry for entry in self.entries if not entry.failure]
        while left:
            for entry in left:
                entry.client.look()
            left = [entry for entry in left if not condition(entry)]
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        for entry in left:
            entry.failure = "waited for %s; opened %d times, errors %r, events %s" % (
                what, entry.client.opens, entry.client.errors, short(entry.client.events))

    def are_open(self):
        self.wait(lambda entry: entry.client.opens and entry.router.count(b"event: peal:open"), "the stream")

    def have(self, *wanted):
        """Each has had the data of these events, in order and once, and no others."""
        self.wait(lambda entry: len(entry.client.events) >= len(wanted), "%d events" % len(wanted))
        for entry in self.entries:
            got = tuple(data for _, data, _ in entry.client.events)
            if not entry.failure and got != wanted:
                entry.failure = "has %s" % short(entry.client.events)


def short(events):
    return "[%s]" % ", ".join("%s %.40r" % (kind, data) for kind, data, _ in events)


def scenario(*options, before=None, query="", more=()):
    """A case for all clients: function(place, site, group).

    before(site) is what happens before the clients are started, and its value goes to the
    function, too.  more are cases that it goes on with.
    """
    def enter(function):
        names = (function.__name__,) + more
        CASES.extend(names)

        def all_clients(place):
            extra = [option % {"clients": len(CLIENTS)} for option in options]
            site = place.behind_lighttpd("--retry", "200ms", *extra)
            context = [before(site)] if before else []
            with started(place, site, names[0], query) as group:
                function(place, site, group, *context)
                group.end()
            judge(names)
        all_clients.__name__ = "every_client__" + function.__doc__.rstrip(".").replace(" ", "_")
        return case(all_clients)
    return enter


def judge(names):
    wrong = []
    for key in [(client, name) for name in names for client in CLIENTS]:
        failure, reason = results[key], LIMITS.get(key)
        if failure and not reason:
            wrong.append("%s, %s: %s" % (*key, failure))
        elif reason and not failure:
            wrong.append("%s, %s: passes, though it %s" % (*key, reason))
    check(not wrong, "%s", "\n    ".join([""] + wrong))


@contextlib.contextmanager
def started(place, site, name, query):
    provide_polyfill(place)
    path = "/events?channel=a" + query
    with contextlib.ExitStack() as stack:
        entries = []

        def route():
            router = Router(site.port)
            stack.callback(router.close)
            return router
        for library in LIBRARIES:
            router = route()
            url = "http://%s:%d%s" % (HOST, router.port, path)
            entries.append(Entry(library, router, stack.enter_context(Library(place, library, url))))
        browsers = dict(zip(ENGINES, stack.enter_context(borrowed(place, *ENGINES))))
        for title, engine, script, start in PAGES:
            router = route()
            page = Page(place, browsers[engine], title, router.port, script, start, path)
            entries.append(Entry(title, router, page))
        yield Group(name, entries)


def publish(place, *data):
    """Without the web server."""
    for text in data:
        done = place.pealctl("publish", "a", "t", text)
        equal(done.returncode, 0, "pealctl: %s" % done.stderr)


# ---- The cases --------------------------------------------------------------

@scenario()
def cut(place, site, group):
    """a stream that is cut before its first event loses nothing."""
    group.are_open()
    group.cut()
    for n in (1, 2):
        site.publish("a", n, "t")
    group.join()
    group.have("1", "2")
    site.publish("a", 3, "t")
    group.have("1", "2", "3")


@scenario("--heartbeat", "1s")
def quiet(place, site, group):
    """heartbeats alone are no events and keep a stream open."""
    group.are_open()
    group.wait(lambda entry: entry.router.count(b"\n:\n") >= 3, "heartbeats")
    site.publish("a", 1, "t")
    group.have("1")
    for entry in group.entries:
        if not entry.failure and (entry.client.opens, entry.client.errors) != (1, []):
            entry.failure = "opened %d times, errors %r" % (entry.client.opens, entry.client.errors)


@scenario("--heartbeat", "500ms", query="&beat")
def beat(place, site, group):
    """heartbeats come as events where a client asks for them."""
    group.are_open()
    group.wait(lambda entry: entry.router.count(b"event: peal:beat") >= 3, "heartbeats")
    site.publish("a", 1, "t")
    group.have("1")
    group.wait(lambda entry: entry.client.beats >= 3, "beats", LIMIT / 3)


TEXTS = (
    "x" * 65536,
    "\u00e9\u2026\U0001f514" * 7000,
    "a\nb", "a\rb", "a\r\nb", "a\n\n\nb", "ends\n\n", " leading", "\ttab", "",
    "\n".join("line %d: data: id: 7" % n for n in range(2500)),
    "retry: 1\n\nid: 7\n\ndata: x", "{\"a\": [1, \"\\u0000\"]}")
BLANK_FIRST = ("\n", "\n\n", "\nbegins", "\n\n{}")


def all_arrive(site, group, texts):
    for text in texts:
        equal(site.post(text.encode(), "text/plain", "/publish?channel=a&topic=t").status, 200, "status")
    group.have(*[text.replace("\r\n", "\n").replace("\r", "\n") for text in texts])


@scenario(more=("blank",))
def large(place, site, group):
    """data of 64 KB and of many lines arrives as it was."""
    group.are_open()
    all_arrive(site, group, TEXTS)
    group.then("blank")
    group.forget_events()
    all_arrive(site, group, BLANK_FIRST)


@scenario("--max-streams", "%(clients)d",
          before=lambda site: [site.subscribe("b") for _ in CLIENTS])
def refused(place, site, group, first):
    """who is refused at first gets what was published meanwhile."""
    group.wait(lambda entry: entry.router.count(b"event: peal:busy"), "the refusal")
    publish(place, "1")
    for stream in first:
        stream.close()
    group.have("1")
    publish(place, "2")
    group.have("1", "2")


@scenario("--max-events", "2")
def gap(place, site, group):
    """what is missing is reported before what is left."""
    group.are_open()
    after = site.publish("a", 1, "t")["id"]
    group.have("1")
    group.cut()
    for n in range(2, 7):
        site.publish("a", n, "t")
    group.join()
    group.wait(lambda entry: len(entry.client.events) >= 4, "a gap and two events")
    for entry in group.entries:
        got = [(kind, json.loads(data)["after"] if kind == "peal:gap" else data)
               for kind, data, _ in entry.client.events[1:]]
        if not entry.failure and got != [("peal:gap", after), ("t", "5"), ("t", "6")]:
            entry.failure = "has %s" % short(entry.client.events)


@scenario()
def restart(place, site, group):
    """a restart of the web server and of peal costs nobody an event."""
    group.are_open()
    site.publish("a", 1, "t")
    group.have("1")
    site.server.kill()
    publish(place, "2")
    group.wait(lambda entry: entry.router.failures >= 2, "it to try again")
    equal(site.peal.stop(), [], "left behind")
    publish(place, "3")
    site.peal = place.start_peal("--retry", "200ms")
    site.restart()
    group.have("1", "2", "3")
    site.publish("a", 4, "t")
    group.have("1", "2", "3", "4")


@scenario("--max-stream-age", "1s")
def age(place, site, group):
    """streams that end at their age lose nothing."""
    group.are_open()
    sent = []
    end = time.monotonic() + LIMIT * 2

    def has_ended(entry):
        if len(sent) < 900 and time.monotonic() < end:
            site.publish("a", len(sent), "t")
            sent.append(str(len(sent)))
        return entry.router.count(b"event: peal:end") >= 2 and entry.client.opens >= 3
    group.wait(has_ended, "three streams")
    group.have(*sent)


@scenario()
def away(place, site, group):
    """the web server answers 503 for a while."""
    group.are_open()
    equal(site.peal.stop(), [], "left behind")
    group.wait(lambda entry: entry.router.count(b"HTTP/1.1 503"), "503")
    publish(place, "1")
    site.peal = place.start_peal("--retry", "200ms")
    group.have("1")


# ---- The table --------------------------------------------------------------

def print_table():
    ran = [name for name in CASES if any(key[1] == name for key in results)]
    if not ran:
        return
    width = max(map(len, CLIENTS)) + 2
    print("\n" + " " * width + "".join("%-9s" % name for name in ran))
    for client in CLIENTS:
        cells = ["limit" if LIMITS.get((client, name)) and results.get((client, name)) else
                 "FAIL" if results.get((client, name), "not run") else "ok" for name in ran]
        print("%-*s" % (width, client) + "".join("%-9s" % cell for cell in cells))
    for (client, name), reason in sorted(LIMITS.items()):
        if name in ran:
            print("limit: %s, %s: %s" % (client, name, reason))


if __name__ == "__main__":
    at_end(print_table)
    run(600, quick=1)
