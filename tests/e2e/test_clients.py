#!/usr/bin/env python3
"""Clients from elsewhere: npm's eventsource and fetch-event-source, and curl.

Python by plain sockets is what all other tests use, and Chromium has test_browser.py.
"""

import json
import os
import queue
import select
import subprocess
import threading

from harness import HOST, LIMIT, Failed, basic, case, check, equal, query, run, wait_for
from node import command
from sse import OWN, EventParser

KINDS = ("eventsource", "fetch-event-source")


def url(site, path="/events", **fields):
    return "http://%s:%d%s" % (HOST, site.port, query(path, **fields))


class Client:
    """A client as a process; what happens to it comes as objects, in order."""

    def __init__(self, kind, address, headers=None):
        argv, env = command("eventsource.js", kind, address, json.dumps(headers or {}))
        self.kind = kind
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, universal_newlines=True)
        self._said = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._said.put(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def until(self, key, what):
        """The next that has this key; all before it is passed over but events."""
        while True:
            try:
                said = self._said.get(timeout=LIMIT * 2)
            except queue.Empty:
                raise Failed("%s: waited for %s" % (self.kind, what)) from None
            if key in said:
                return said
            check("type" not in said, "%s: %r before %s", self.kind, said, what)

    def opened(self):
        return self.until("open", "the stream to open")

    def next(self):
        said = self.until("type", "an event")
        return said["type"], said["data"], said["id"]


def survives(place, start):
    site = start(place)
    for kind in KINDS:
        with Client(kind, url(site, channel="a")) as client:
            client.opened()
            id = site.publish("a", {"n": 1}, "t")["id"]
            equal(client.next(), ("t", '{"n":1}', id), kind)

            site.server.kill()
            client.until("error", "the loss to be noticed")
            for n in range(5):
                place.pealctl("publish", "a", "t", str(n))
            site.restart()

            equal([client.next()[1] for _ in range(5)], [str(n) for n in range(5)], kind)
            site.publish("a", "end", "t")
            equal(client.next()[1], '"end"', kind)


@case
def npm_clients_miss_nothing_when_lighttpd_is_killed(place):
    survives(place, lambda place: place.behind_lighttpd("--retry", "200ms"))


@case
def npm_clients_miss_nothing_when_apache_is_killed(place):
    survives(place, lambda place: place.behind_apache())


@case
def npm_clients_come_back_when_a_stream_ends(place):
    site = place.behind_lighttpd("--retry", "100ms", "--max-stream-age", "1s")
    for kind in KINDS:
        with Client(kind, url(site, channel=kind)) as client:
            client.opened()
            site.publish(kind, 0, "t")
            equal(client.next()[1], "0", kind)
            client.until("error", "the end of the stream")
            site.publish(kind, 1, "t")
            equal(client.next()[1], "1", kind)


@case
def npm_clients_that_are_cut_before_their_first_event_miss_nothing(place):
    site = place.behind_lighttpd("--retry", "200ms", "--heartbeat", "1s")
    for kind in KINDS:
        with Client(kind, url(site, channel=kind)) as client:
            client.opened()
            beating = site.subscribe("beating")
            beating.wait(lambda: len(beating.parser.comments) >= 2, "heartbeats meanwhile")
            site.server.kill()
            client.until("error", "the loss to be noticed")
            for n in range(2):
                place.pealctl("publish", kind, "t", str(n))
            site.restart()
            equal([client.next()[1] for _ in range(2)], ["0", "1"], kind)


@case
def npm_clients_that_are_refused_and_then_let_in_miss_nothing(place):
    site = place.behind_lighttpd("--retry", "200ms", "--max-streams", "1")
    for kind in KINDS:
        first = site.subscribe("other")
        refused = site.status()["totals"]["refused"]
        with Client(kind, url(site, channel=kind)) as client:
            wait_for(lambda: site.status()["totals"]["refused"] > refused, "the refusal")
            site.publish(kind, "meanwhile", "t")
            first.close()
            equal(client.next()[:2], ("t", '"meanwhile"'), kind)
        wait_for(lambda: site.streams() == 0, "its stream to be gone")


@case
def npm_clients_hear_of_a_gap(place):
    site = place.behind_lighttpd("--retry", "100ms", "--max-events", "2")
    for kind in KINDS:
        with Client(kind, url(site, channel=kind)) as client:
            client.opened()
            after = site.publish(kind, "before", "t")["id"]
            client.next()
            site.server.kill()
            client.until("error", "the loss to be noticed")
            for n in range(4):
                place.pealctl("publish", kind, "t", str(n))
            site.restart()
            gap = client.next()
            equal((gap[0], json.loads(gap[1])["after"]), ("peal:gap", after), kind)
            equal([client.next()[1] for _ in range(2)], ["2", "3"], kind)


@case
def fetch_event_source_sends_an_authorization_header(place):
    place.add_user("alice", "wonder")
    for site in (place.behind_lighttpd(), place.behind_apache()):
        address = url(site, "/mine")
        with Client("fetch-event-source", address, basic("alice", "wonder")) as client:
            client.opened()
            site.publish("user-bob", 1, "t")
            site.publish("user-alice", 2, "t")
            equal(client.next()[:2], ("t", "2"), "the event")
        with Client("fetch-event-source", address, basic("alice", "wrong")) as client:
            equal(client.until("error", "an error")["error"], 401, "a wrong password")
            client.until("closed", "the end of its trying")


@case
def curl_prints_events_as_they_come_and_can_resume(place):
    curl = place.find("curl")
    for number, site in enumerate((place.behind_lighttpd(), place.behind_apache())):
        for way in ("header", "query"):
            channel = "%s-%d" % (way, number)
            first = site.publish(channel, 1, "t")["id"]
            site.publish(channel, 2, "t")
            words = ["-H", "Last-Event-ID: " + first, url(site, channel=channel)] \
                if way == "header" else [url(site, channel=channel, lastEventId=first)]
            process = subprocess.Popen([curl, "-sN", *words], stdout=subprocess.PIPE)
            try:
                equal(printed(process, 1), ["2"], "the replay")
                site.publish(channel, 3, "t")
                equal(printed(process, 1), ["3"], "live")
            finally:
                process.kill()
                process.wait()


def printed(process, count):
    """The data of the next events that a program prints."""
    parser, events = EventParser(), []
    while len(events) < count:
        ready, _, _ = select.select([process.stdout], [], [], LIMIT)
        piece = os.read(process.stdout.fileno(), 65536) if ready else b""
        check(piece, "nothing more is printed")
        events += [e for e in parser.feed(piece) if e.type not in OWN]
    return [e.data for e in events]


if __name__ == "__main__":
    run(quick=1)
