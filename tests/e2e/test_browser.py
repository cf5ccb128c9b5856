#!/usr/bin/env python3
"""Chromium and the demo page, in front of lighttpd and Apache."""

import json
import os

from browser import ENGINES, Browser, borrowed
from harness import HOST, LIMIT, Skipped, case, check, equal, run, wait_for
from sse import EventParser
from streams import STREAMS, StreamServer

LIVE = "document.querySelector('#state').dataset.is === 'live'"

# What a page hears, in window.heard; "open" and "error" with it.
LISTEN = """
    window.heard = [];
    window.source = new EventSource(%s, {withCredentials: %s});
    source.onopen = () => heard.push('open');
    source.onerror = () => heard.push('error ' + source.readyState);
    for (const type of ['message', 't', 'peal:gap'])
        source.addEventListener(type, e => heard.push([e.type, e.data, e.lastEventId]));
    true
"""


def url(site, path="/"):
    return "http://%s:%d%s" % (HOST, site.port, path)


def listen(tab, address, credentials=False):
    tab.js(LISTEN % (json.dumps(address), json.dumps(credentials)))


def heard(tab, *kinds):
    """The data of the events a page has heard, of these types or all."""
    return [e[1] for e in tab.js("heard.filter(e => Array.isArray(e))")
            if not kinds or e[0] in kinds]


def another(place, name, *options):
    """A second site in the same place, with an arena of its own: another origin."""
    kept = place.run, place.socket, place.arena
    place.run = place.path(name)
    os.mkdir(place.run)
    if place.user is not None:
        os.chown(place.run, place.user, place.group)
    place.socket = os.path.join(place.run, "peal.sock")
    place.arena = os.path.join(place.run, "arena", "arena")
    try:
        return place.behind_lighttpd(*options)
    finally:
        place.run, place.socket, place.arena = kept


def blank(place):
    """A page with nothing in it."""
    with open(os.path.join(place.www, "blank.html"), "w") as file:
        file.write("<!DOCTYPE html><title>blank</title>")
    return "/blank.html"


# ---- The demo page ----------------------------------------------------------

def demo(place, start):
    site = start(place)
    with Browser(place) as browser:
        one = browser.open(url(site), "one")
        two = browser.open(url(site), "two")
        for tab in (one, two):
            tab.wait(LIVE)
        one.fill("#data", "<b>Hello</b>")
        one.click("#send")
        for tab in (one, two):
            tab.wait("document.querySelector('.event .data')?.textContent === '<b>Hello</b>'")
        one.wait("document.querySelector('#said').textContent === 'Sent to 2 listeners.'")
        id = site.publish("demo", {"n": 1}, "order")["id"]
        for tab in (one, two):
            tab.wait("document.querySelector('#last').textContent === '%s'" % id)
            tab.wait("document.querySelector('.event .topic').textContent === 'order'")

        # Another channel hears nothing of this one, and a tab's own drop is replayed.
        two.fill("#channel", "other")
        two.js("document.querySelector('#channel').dispatchEvent(new Event('change'))")
        two.wait("document.querySelector('#why').textContent.includes('other')")
        two.wait(LIVE)
        one.click("#drop")
        for n in range(3):
            site.publish("demo", {"missed": n}, "news")
        one.click("#drop")
        one.wait("document.querySelectorAll('.event.replayed').length === 3")
        equal(one.js("document.querySelector('#replayed').textContent"), "3", "replayed")
        equal(two.js("document.querySelector('#count').textContent"), "2", "events of the other tab")


@case
def two_tabs_of_the_demo_hear_each_other_behind_lighttpd(place):
    demo(place, lambda place: place.behind_lighttpd())


@case
def two_tabs_of_the_demo_hear_each_other_behind_apache(place):
    demo(place, lambda place: place.behind_apache())


def survives(place, start):
    """Kill the server while pages listen; what is published before they are back is replayed."""
    site = start(place)
    with Browser(place) as browser:
        tabs = [browser.open(url(site), name) for name in ("one", "two", "three")]
        for tab in tabs:
            tab.wait(LIVE)
        site.publish("demo", "before", "news")
        for tab in tabs:
            tab.wait("document.querySelector('#count').textContent === '1'")

        site.server.kill()

        for tab in tabs:
            tab.wait("!(%s)" % LIVE)
        # The history is there without the server.
        for n in range(10):
            done = place.pealctl("publish", "demo", "news", str(n))
            equal(done.returncode, 0, "pealctl: %s" % done.stderr)
        site.restart()
        for tab in tabs:
            tab.wait(LIVE, LIMIT * 2)
            tab.wait("document.querySelector('#replayed').textContent === '10'")
            got = tab.js("[...document.querySelectorAll('.event .data')].map(e => e.textContent)")
            equal(got, [str(n) for n in range(9, -1, -1)] + ['"before"'], "what the page shows")
            equal(tab.js("document.querySelectorAll('.gap').length"), 0, "gaps")
        site.publish("demo", "after", "news")
        for tab in tabs:
            tab.wait("document.querySelector('#count').textContent === '12'")


@case
def nothing_is_missed_when_lighttpd_is_killed_and_started_again(place):
    survives(place, lambda place: place.behind_lighttpd())


@case
def nothing_is_missed_when_apache_is_killed_and_started_again(place):
    survives(place, lambda place: place.behind_apache())


@case
def nothing_is_missed_when_peal_is_killed(place):
    site = place.behind_lighttpd()
    with Browser(place) as browser:
        tab = browser.open(url(site))
        tab.wait(LIVE)
        site.publish("demo", "before", "news")
        tab.wait("document.querySelector('#count').textContent === '1'")
        site.peal.kill()
        tab.wait("!(%s)" % LIVE)
        place.pealctl("publish", "demo", "news", "missed")
        site.peal = place.start_peal()
        tab.wait(LIVE, LIMIT * 2)
        tab.wait("document.querySelector('.replayed .data').textContent === 'missed'")


@case
def the_demo_shows_a_gap(place):
    site = place.behind_lighttpd("--max-events", "3")
    with Browser(place) as browser:
        tab = browser.open(url(site))
        tab.wait(LIVE)
        site.publish("demo", "before", "news")
        tab.wait("document.querySelector('#count').textContent === '1'")
        tab.click("#drop")
        for n in range(5):
            site.publish("demo", n, "news")
        tab.click("#drop")
        tab.wait("document.querySelector('.event.gap')")
        tab.wait("document.querySelectorAll('.event.replayed').length === 3")
        check("some events are gone" in tab.js("document.querySelector('.note').textContent"),
              "the note does not tell of the gap")


@case
def who_is_refused_politely_comes_back_by_itself(place):
    site = place.behind_lighttpd("--max-streams", "1", "--retry", "300ms")
    with Browser(place) as browser:
        tab = browser.open(url(site))
        tab.wait(LIVE)
        site.publish("demo", "before", "news")
        tab.wait("document.querySelector('#count').textContent === '1'")
        tab.click("#drop")
        wait_for(lambda: site.status()["workers"][0]["streams"] == 0, "its stream to be gone")
        first = site.subscribe("demo")

        tab.click("#drop")

        tab.wait("document.querySelector('#state-text').textContent.startsWith('Waiting for room')")
        site.publish("demo", "meanwhile", "news")
        wait_for(lambda: site.status()["totals"]["refused"] >= 2, "it to ask again")
        first.close()
        tab.wait("%s && document.querySelector('#count').textContent === '2'" % LIVE, LIMIT * 2)
        check("meanwhile" in tab.js("document.querySelector('.event.replayed .data').textContent"),
              "what was published meanwhile is missing")


@case
def a_page_that_is_cut_off_before_its_first_event_misses_nothing(place):
    site = place.behind_lighttpd("--retry", "300ms")
    with borrowed(place, *ENGINES) as browsers:
        tabs = [browser.open(url(site)) for browser in browsers]
        for tab in tabs:
            tab.wait(LIVE)
        site.server.kill()
        for tab in tabs:
            tab.wait("!(%s)" % LIVE)
        for n in range(3):
            place.pealctl("publish", "demo", "news", str(n))
        site.restart()
        for tab in tabs:
            tab.wait(LIVE, LIMIT * 2)
            tab.wait("document.querySelectorAll('.event.replayed').length === 3")
            check("3 missed events replayed" in tab.js("document.querySelector('.note').textContent"),
                  "%s: what the note says", tab.browser.name)


@case
def a_page_that_is_refused_at_first_gets_what_was_published_meanwhile(place):
    site = place.behind_lighttpd("--max-streams", "3", "--retry", "300ms")
    first = [site.subscribe("demo") for _ in range(3)]
    with borrowed(place, *ENGINES) as browsers:
        tabs = [browser.open(url(site)) for browser in browsers]
        for tab in tabs:
            tab.wait("document.querySelector('#state-text').textContent.startsWith('Waiting for room')")
        site.publish("demo", "meanwhile", "news")
        for stream in first:
            stream.close()
        for tab in tabs:
            tab.wait("%s && document.querySelector('#count').textContent === '1'" % LIVE, LIMIT * 2)
            equal(tab.js("document.querySelector('.event .data').textContent"), '"meanwhile"',
                  "what %s shows" % tab.browser.name)


@case
def eight_streams_of_one_browser_need_http2_or_one_stream_for_all(place):
    """The six connections that a browser allows: what peal(7) warns of is so."""
    site = place.behind_lighttpd()
    with Browser(place) as browser:
        tab = browser.open(url(site, blank(place)))
        for n in range(6):
            tab.js("window.s%d = new EventSource('/events?channel=%d'); "
                   "new Promise(r => s%d.onopen = () => r(true))" % (n, n, n))
        tab.js("window.s6 = new EventSource('/events?channel=6'); true")
        wait_for(lambda: sum(w["streams"] for w in site.status()["workers"]) == 6, "six streams")
        equal(tab.js("s6.readyState"), 0, "the seventh's state")
        tab.js("s0.close()")
        tab.wait("s6.readyState === 1")

        # One stream for all.
        tab.js("for (let n = 1; n < 7; n++) window['s' + n].close()")
        listen(tab, "/events?" + "&".join("channel=%d" % n for n in range(7)))
        tab.wait("heard[0] === 'open'")
        for n in range(7):
            site.publish(str(n), n)
        tab.wait("heard.length === 8")
        equal(heard(tab), [str(n) for n in range(7)], "events")


# ---- Other origins ----------------------------------------------------------

@case
def another_origin_hears_only_what_cors_allows(place):
    empty = blank(place)
    page = place.behind_lighttpd()
    origin = "http://%s:%d" % (HOST, page.port)
    allowing = another(place, "allowing", "--cors-origin", origin)
    anybody = another(place, "anybody", "--cors-origin", "*")
    with Browser(place) as browser:
        for name, site, credentials, good in (
                ("named", allowing, False, True), ("named, credentials", allowing, True, True),
                ("star", anybody, False, True), ("star, credentials", anybody, True, False),
                ("none", page, False, True)):
            tab = browser.open(origin + empty, name)
            listen(tab, url(site, "/events?channel=a"), credentials)
            tab.wait("heard.length > 0")
            equal(tab.js("heard[0]"), "open" if good else "error 2", name)
            if good:
                site.publish("a", name)
                tab.wait("heard.length > 1")
                equal(heard(tab), [json.dumps(name)], name)
            tab.close()
        tab = browser.open(url(anybody, empty), "elsewhere")
        listen(tab, url(allowing, "/events?channel=a"))
        tab.wait("heard.length > 0")
        equal(tab.js("heard[0]"), "error 2", "an origin that is not named")

        # With a header of its own, and so with a preflight.
        tab = browser.open(origin + empty, "fetch")
        elsewhere = browser.open(url(anybody, empty), "fetch elsewhere")
        for tab, site, good in ((tab, allowing, True), (tab, page, True), (tab, anybody, True),
                                (elsewhere, allowing, False), (elsewhere, page, False)):
            got = tab.js("""fetch(%s, {headers: {'Last-Event-ID': 'earliest', 'Authorization': 'x'}})
                .then(r => r.body.getReader().read()).then(c => new TextDecoder().decode(c.value))
                .catch(e => 'failed')""" % json.dumps(url(site, "/events?channel=a")))
            equal("retry:" in got, good, "a fetch with headers: %r" % got)


# ---- What the browser makes of what peal says -------------------------------

@case
def errors_end_the_browsers_trying_and_streams_that_end_do_not(place):
    """web-platform-tests, eventsource/event-data, request-status-error, eventsource-reconnect."""
    site = place.behind_lighttpd("--retry", "100ms", "--max-stream-age", "1s")
    with Browser(place) as browser:
        tab = browser.open(url(site, blank(place)))
        for path in ("/events", "/events/nothing", "/events?channel=%00", "/publish?channel=a"):
            listen(tab, path)
            tab.wait("heard.length > 0")
            equal(tab.js("heard"), ["error 2"], path)

        listen(tab, "/events?channel=a")
        tab.wait("heard[0] === 'open'")
        equal(tab.js("source.readyState"), 1, "readyState")
        ids = [site.publish("a", n, "t")["id"] for n in range(3)]
        tab.wait("heard.filter(h => h === 'open').length === 3")
        equal(tab.js("heard.filter(h => h !== 'open' && h !== 'error 0')"),
              [["t", str(n), ids[n]] for n in range(3)], "each event once, over three streams")
        tab.js("source.close()")
        equal(tab.js("source.readyState"), 2, "readyState")


# Text that is full of what means something in a stream.
# Source: web-platform-tests, eventsource/format-*, where it is the stream itself.
TEXTS = (
    "", " ", "  two spaces", "\ttab", ":", ":comment", "data:1", "data: 1\n\ndata: 2", "\n", "\n\n",
    "a\nb", "a\rb", "a\r\nb", "a\n\rb", "ends\n", "\nbegins", "id: 7", "id: 7\n\n", "event: x\ndata: y\n\n",
    "retry: 1", "retry: 1\n", "\ufeffmark", "a\ufeffb", "\u00e9\u2026\U0001f514", "\u0000", "a\u0000b", "\u0085",
    "\u2028\u2029", "Data:x", "data", "</script>", "x" * 60000)


@case
def any_text_arrives_as_it_was_but_for_line_ends(place):
    site = place.behind_lighttpd()
    with Browser(place) as browser:
        tab = browser.open(url(site, blank(place)))
        listen(tab, "/events?channel=a")
        tab.wait("heard[0] === 'open'")
        for text in TEXTS:
            equal(site.post(text, "text/plain", "/publish?channel=a").status, 200, repr(text[:40]))
        site.publish("a", "end", "t")
        tab.wait("heard.some(h => h[0] === 't')")
        got = heard(tab, "message")
        wanted = [t.replace("\r\n", "\n").replace("\r", "\n") for t in TEXTS]
        for text, arrived in zip(wanted, got):
            check(text == arrived, "%r arrived as %r", text[:60], arrived[:60])
        equal(len(got), len(TEXTS), "events")


@case
def any_topic_arrives_as_it_was(place):
    site = place.behind_lighttpd()
    topics = ["a b", "a:b", ": x", " lead", "trail ", "\u00e9\U0001f514", "opened", "Error", "__proto__",
              "x" * 255, "\ufeff", "event", "message"]
    with Browser(place) as browser:
        tab = browser.open(url(site, blank(place)))
        listen(tab, "/events?channel=a")
        tab.js("for (const t of %s) source.addEventListener(t, e => e.data && heard.push(['got', t === e.type && t]))"
               % json.dumps([t for t in topics if t != "message"]))
        tab.wait("heard[0] === 'open'")
        for topic in topics:
            site.publish("a", 1, topic)
        site.publish("a", 1, "t")
        tab.wait("heard.some(h => h[0] === 't')")
        equal(tab.js("heard.filter(h => h[0] === 'got').map(h => h[1])"),
              [t for t in topics if t != "message"], "topics")


# What a browser reads otherwise than the standard says; peal sends neither.
DIFFERENT = {
    ("firefox", "id with a null"): [("message", "a", "1")],
    ("firefox", "nothing but an id"): ["x"],
}


@case
def our_own_parser_reads_streams_as_browsers_do(place):
    """The rest of the end-to-end tests stand on sse.py: it is held to the browsers here."""
    for name, stream, wanted in STREAMS:
        wanted = [("message", w, "") if isinstance(w, str) else w for w in wanted]
        for cut in (1, 7, 100000):
            parser, raw, got = EventParser(), stream.encode(), []
            for at in range(0, len(raw), cut):
                got += parser.feed(raw[at:at + cut])
            equal([(e.type, e.data, e.id) for e in got], wanted, "%s, ours" % name)
    with StreamServer() as server, borrowed(place, *ENGINES) as browsers:
        for browser in browsers:
            tab = browser.open("http://%s:%d/" % (HOST, server.port))
            for number, (name, _, wanted) in enumerate(STREAMS):
                wanted = DIFFERENT.get((browser.name, name), wanted)
                wanted = [["message", w, ""] if isinstance(w, str) else list(w) for w in wanted]
                listen(tab, "/%d" % number)
                tab.wait("heard.some(h => String(h).startsWith('error'))")
                tab.js("source.close()")
                equal(tab.js("heard.filter(h => Array.isArray(h))"), wanted,
                      "%s, %s's" % (name, browser.name))


# ---- The notice board -------------------------------------------------------

def set_up_board(place):
    path = os.path.join(place.run, "notices")
    with open(os.path.join(place.www, "config.php"), "w") as file:
        file.write("<?php return array('file' => '%s');" % path)
    return path


def board(place, start):
    set_up_board(place)
    site = start(place)
    with Browser(place) as browser:
        reader = browser.open(url(site, "/board.php"), "reader")
        writer = browser.open(url(site, "/board.php"), "writer")
        reader.wait("state.textContent === 'live'")
        for text in ("first <i>", "second"):
            writer.fill("[name=name]", "Kim & co")
            writer.fill("[name=text]", text)
            writer.click("button")
            writer.wait("document.querySelector('li p')?.textContent === %s" % json.dumps(text))
            reader.wait("document.querySelector('li.new p')?.textContent === %s" % json.dumps(text))
        writer.wait("state.textContent === 'live'")
        for tab in (reader, writer):
            equal(tab.js("[...document.querySelectorAll('li')].map(e => e.innerText.replace(/\\s+/g, ' '))"),
                  ["Kim & co second", "Kim & co first <i>"], "the list")


@case
def the_notice_board_is_live_behind_lighttpd(place):
    board(place, lambda place: place.spawned_by_lighttpd())


@case
def the_notice_board_is_live_behind_apache(place):
    board(place, lambda place: place.behind_apache())


@case
def the_notice_board_fetches_its_list_after_a_gap_and_does_not_reload(place):
    if not os.path.exists("/usr/bin/php-cgi"):
        raise Skipped("php-cgi is not installed")
    path = set_up_board(place)
    site = place.behind_lighttpd("--retry", "100ms")
    texts = "[...document.querySelectorAll('li p')].map(e => e.textContent).join()"
    with Browser(place) as browser:
        tab = browser.open(url(site, "/board.php"))
        tab.wait("state.textContent === 'live'")
        tab.js("window.same = true; window.fetched = 0; const real = fetch; "
               "window.fetch = (url, how) => { fetched += url === location.pathname; return real(url, how); }; true")

        # Another arena, which knows nothing of what the page has seen.
        equal(site.peal.stop(), [], "left behind")
        os.remove(place.arena)
        with open(path, "w") as file:
            for number, text in ((1, "one"), (2, "two"), (3, "three")):
                file.write(json.dumps({"number": number, "time": 1, "name": "Kim", "text": text}) + "\n")
        site.peal = place.start_peal("--retry", "100ms")

        tab.wait("%s === 'three,two,one'" % texts, LIMIT * 2)
        place.pealctl("publish", "board", "notice",
                      '{"number": 2, "name": "Kim", "text": "two"}')
        place.pealctl("publish", "board", "notice",
                      '{"number": 4, "name": "Kim", "text": "four"}')
        tab.wait("%s === 'four,three,two,one'" % texts)
        equal(tab.js("[window.same, fetched]"), [True, 1], "the page, and how often it has fetched")


if __name__ == "__main__":
    run(300, quick=1)
