#!/usr/bin/env python3
"""examples/peal.js in Chromium, Firefox and WebKitGTK, each case in all three at once."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading

from browser import ENGINES, borrowed
from harness import EXAMPLES, HOST, LIMIT, Failed, case, check, descendants, equal, run, wait_for
from node import MODULES, command
from router import Router
from streams import STREAMS

PAGE = """<!DOCTYPE html>
<title>peal</title>
<script src="/peal.js"></script>
<script>
/* What happens, in order: [type, data, lastEventId] of events, ['open'], ['gap', ...]. */
const heard = [], states = [];
let peal;
function listen(options = {}) {
	peal = new Peal('/events', {
		channels: ['a'], silence: 20000,
		onevent: e => heard.push([e.type, e.data, e.lastEventId]),
		onopen: ({ first }) => { heard.push(['open', first]); },
		ongap: gap => { heard.push(['gap', gap.after, gap.from]); },
		onstate: (state, detail) => states.push([state, detail.reason, detail.status]),
		...options,
	});
	return true;
}
/* The browser's own, to compare. */
const native = [];
function listenNatively() {
	const source = new EventSource('/events?channel=a');
	source.onmessage = e => native.push(e.data);
	return new Promise(resolve => source.addEventListener('peal:open', () => resolve(true)));
}
const data = () => heard.filter(h => h[0] === 'message').map(h => h[1]);
addEventListener('pageshow', e => { if (e.persisted) heard.push(['persisted']); });
</script>
"""


def url(site, path="/page.html"):
    return "http://%s:%d%s" % (HOST, site.port, path)


@contextlib.contextmanager
def pages(place, site, options="{}", engines=ENGINES):
    """A tab in each browser, with the page that listens, if there are options; a list.

    WebKit's is hidden, and so leads from there.
    """
    write_page(place)
    with borrowed(place, *engines) as browsers:
        yield [opened(browser, site, "first", options, hidden=True) for browser in browsers]


def write_page(place):
    for name, text in (("page.html", PAGE), ("blank.html", "<!DOCTYPE html><title>blank</title>")):
        with open(os.path.join(place.www, name), "w") as file:
            file.write(text)


def opened(browser, site, name, options="{}", **more):
    tab = browser.open(url(site), name, **more)
    if options:
        tab.js("listen(%s)" % options)
    return tab


def are_open(tabs):
    for tab in tabs:
        tab.wait("peal.state === 'open'", LIMIT * 2)


def have(tabs, *wanted):
    """Each tab has had the data of these events, in order, and no other."""
    for tab in tabs:
        try:
            tab.wait("data().length >= %d" % len(wanted), LIMIT * 2)
        except Failed as why:
            raise Failed("%s; %r" % (why, tab.js("[peal._role, states, heard]"))) from None
        equal(tab.js("data()"), list(wanted), "%s: events" % tab.browser.name)


def publish(place, *data):
    """Without the web server."""
    for text in data:
        done = place.pealctl("publish", "a", "message", text)
        equal(done.returncode, 0, "pealctl: %s" % done.stderr)


def processes(process):
    return [process.pid] + descendants(process.pid)


def to_all(pids, number):
    for pid in pids:
        os.kill(pid, number)


# ---- Nobody who waits loses -------------------------------------------------

@case
def a_stream_that_is_cut_before_its_first_event_loses_nothing(place):
    site = place.behind_lighttpd("--retry", "300ms")
    with pages(place, site) as tabs:
        are_open(tabs)
        site.server.kill()
        for tab in tabs:
            tab.wait("states.some(s => s[0] === 'waiting' && s[1] === 'lost')")
        publish(place, "1", "2")
        site.restart()
        have(tabs, "1", "2")
        site.publish("a", 3)
        have(tabs, "1", "2", "3")
        equal([tab.js("heard.filter(h => h[0] === 'open').map(h => h[1])") for tab in tabs],
              [[True, False]] * 3, "onopen's first")


@case
def who_is_refused_gets_what_was_published_meanwhile(place):
    site = place.behind_lighttpd("--retry", "300ms", "--max-streams", "3")
    first = [site.subscribe("b") for _ in range(3)]
    with pages(place, site) as tabs:
        for tab in tabs:
            tab.wait("states.some(s => s[0] === 'waiting' && s[1] === 'full')")
        site.publish("a", 1)
        for stream in first:
            stream.close()
        have(tabs, "1")


@case
def a_page_that_meets_503_at_first_gets_what_was_published_meanwhile(place):
    site = place.behind_lighttpd("--retry", "300ms")
    equal(site.peal.stop(), [], "left behind")
    with pages(place, site) as tabs:
        for tab in tabs:
            tab.wait("states.some(s => s[1] === 'refused' && s[2] === 503)")
            # By the server's clock, which is ours here; its Date has whole seconds.
            late = tab.js("peal._born - peal._time")
            check(0 <= late < 60000, "it starts %d ms before its first try", late)
        publish(place, "1")
        site.peal = place.start_peal()
        have(tabs, "1")


@case
def a_page_that_meets_no_server_at_first_gets_what_was_published_meanwhile(place):
    site = place.behind_lighttpd("--retry", "300ms")
    with pages(place, site, None) as tabs:
        site.server.kill()
        for tab in tabs:
            tab.js("listen()")
            tab.wait("states.some(s => s[0] === 'waiting')")
        publish(place, "1")
        site.restart()
        have(tabs, "1")
        site.publish("a", 2)
        have(tabs, "1", "2")


@case
def a_page_of_another_origin_gets_what_was_published_meanwhile(place):
    """It cannot see the Date, and web servers say 503 without CORS headers."""
    site = place.behind_lighttpd("--retry", "300ms", "--cors-origin", "*")
    equal(site.peal.stop(), [], "left behind")
    with pages(place, site, None) as tabs:
        for tab in tabs:
            tab.go("http://localhost:%d/page.html" % site.port)
            tab.js("heard.length = 0; const At = Peal; Peal = function(u, o) { return new At('%s', o); }; listen()"
                   % url(site, "/events"))
            tab.wait("states.some(s => s[0] === 'waiting')")
        publish(place, "1")
        site.peal = place.start_peal("--cors-origin", "*")
        have(tabs, "1")


@case
def it_comes_back_after_503(place):
    site = place.behind_lighttpd("--retry", "300ms")
    with pages(place, site) as tabs:
        are_open(tabs)
        site.publish("a", 1)
        have(tabs, "1")
        equal(site.peal.stop(), [], "left behind")
        for tab in tabs:
            tab.wait("states.some(s => s[2] === 503)")
        publish(place, "2")
        site.peal = place.start_peal()
        have(tabs, "1", "2")


@case
def streams_that_age_lose_nothing(place):
    site = place.behind_lighttpd("--retry", "50ms", "--max-stream-age", "1s")
    with pages(place, site) as tabs:
        are_open(tabs)
        count = 0
        while not all(tab.js("heard.filter(h => h[0] === 'open').length > 3") for tab in tabs):
            site.publish("a", count)
            count += 1
        have(tabs, *[str(n) for n in range(count)])
        for tab in tabs:
            check(tab.js("states.some(s => s[1] === 'age')"), "no age: %r", tab.js("states"))


# ---- Streams that are dead --------------------------------------------------

@case
def a_peal_that_stands_still_is_noticed(place):
    site = place.behind_lighttpd("--heartbeat", "500ms", "--retry", "300ms")
    with pages(place, site, "{silence: 2000}") as tabs:
        are_open(tabs)
        site.publish("a", 1)
        have(tabs, "1")
        pids = processes(site.peal)
        to_all(pids, signal.SIGSTOP)
        try:
            for tab in tabs:
                tab.wait("states.some(s => s[1] === 'silent')")
        finally:
            to_all(pids, signal.SIGCONT)
        are_open(tabs)
        site.publish("a", 2)
        have(tabs, "1", "2")


@case
def a_quiet_stream_is_kept(place):
    site = place.behind_lighttpd("--heartbeat", "300ms")
    with pages(place, site, "{silence: 1500}") as tabs:
        are_open(tabs)
        witness = site.subscribe("b")
        witness.wait(lambda: len(witness.parser.comments) >= 15, "heartbeats")
        for tab in tabs:
            equal(tab.js("[states.length, heard.length]"), [1, 1], tab.browser.name)


@case
def a_connection_that_a_router_has_forgotten_is_replaced(place):
    site = place.behind_lighttpd("--heartbeat", "500ms", "--retry", "300ms")
    with contextlib.closing(Router(site.port)) as router:
        direct, site.port = site.port, router.port
        with pages(place, site, "{silence: 2000}") as tabs:
            are_open(tabs)
            site.port = direct
            site.publish("a", 1)
            have(tabs, "1")
            router.forget()
            site.publish("a", 2)
            have(tabs, "1", "2")
            for tab in tabs:
                check(tab.js("states.some(s => s[1] === 'silent')"), "%r", tab.js("states"))


@case
def a_computer_that_sleeps_misses_nothing(place):
    """What two minutes of sleep bring: peal ends the stream, with more on the way than buffers hold."""
    site = place.behind_lighttpd("--heartbeat", "500ms", "--stall-timeout", "1s", "--retry", "300ms")
    with pages(place, site, "{silence: 2000}") as tabs:
        are_open(tabs)
        for tab in tabs:
            tab.js("listenNatively()")
        for tab in tabs:
            tab.browser.signal(signal.SIGSTOP)
        try:
            for n in range(150):
                equal(site.post("%d %s" % (n, "x" * 60000), "text/plain", "/publish?channel=a").status, 200, "status")
            wait_for(lambda: site.streams() == 0, "the streams to be ended", LIMIT * 2)
        finally:
            for tab in tabs:
                tab.browser.signal(signal.SIGCONT)
        for tab in tabs:
            tab.wait("data().length >= 150 && native.length >= 150", LIMIT * 3)
            for heard in ("data()", "native"):
                equal(tab.js(heard + ".map(d => parseInt(d))"), list(range(150)),
                      "%s, %s" % (tab.browser.name, heard))
            equal(tab.js("heard.filter(h => h[0] === 'gap')"), [], "gaps")


# ---- One stream for all tabs ------------------------------------------------

@case
def tabs_share_one_stream(place):
    site = place.behind_lighttpd("--retry", "300ms")
    with pages(place, site) as first:
        are_open(first)
        for tab in first:
            tabs = [tab] + [opened(tab.browser, site, name) for name in ("second", "third")]
            tab.tabs = tabs
            are_open(tabs)
        wait_for(lambda: site.streams() == 3, "a stream for each browser")
        for n in range(3):
            site.publish("a", n)
        for tab in first:
            have(tab.tabs, "0", "1", "2")

        # Its leader goes, and nobody misses anything.
        for tab in first:
            tab.js("peal.close()")
            site.publish("a", "x")
            tab.close()
        rest = [t for tab in first for t in tab.tabs[1:]]
        site.publish("a", 4)
        have(rest, "0", "1", "2", '"x"', '"x"', '"x"', "4")
        wait_for(lambda: site.streams() == 3, "a stream for each browser")
        equal([tab.js("heard.filter(h => h[0] === 'gap')") for tab in rest], [[]] * 6, "gaps")


@case
def a_tab_that_joins_gets_what_it_asks_for(place):
    site = place.behind_lighttpd("--retry", "300ms", "--heartbeat", "500ms")
    ids = [site.publish("a", n)["id"] for n in range(4)]
    with pages(place, site, "{lastEventId: %s}" % json.dumps(ids[1])) as first:
        have(first, "2", "3")
        for tab in first:
            # The leader has kept it.
            second = opened(tab.browser, site, "second", "{lastEventId: %s}" % json.dumps(ids[2]))
            have([second], "3")
            # It has not; then a stream of its own is closed as soon as it is not needed.
            third = opened(tab.browser, site, "third", "{lastEventTime: %s}" % (int(ids[0].split("-")[0]) - 1))
            have([third], "0", "1", "2", "3")
            tab.tabs = [tab, second, third]
        wait_for(lambda: site.streams() == 3, "a stream for each browser")
        site.publish("a", 4)
        for tab in first:
            for one, wanted in zip(tab.tabs, (2, 3, 0)):
                have([one], *[str(n) for n in range(wanted, 5)])


@case
def a_tab_that_has_fallen_behind_catches_up_without_a_leaders_events(place):
    """The leader has begun later, and there was nothing since: a heartbeat tells that all is there."""
    site = place.behind_lighttpd("--heartbeat", "500ms")
    ids = [site.publish("a", n)["id"] for n in range(2)]
    with pages(place, site) as first:
        are_open(first)
        for tab in first:
            tab.late = opened(tab.browser, site, "late", "{lastEventId: %s}" % json.dumps(ids[0]))
            have([tab.late], "1")
        wait_for(lambda: site.streams() == 3, "a stream for each browser")
        site.publish("a", 2)
        have(first, "2")
        for tab in first:
            have([tab.late], "1", "2")


@case
def a_leader_that_does_not_answer_is_replaced(place):
    """As if it were put to sleep: it hears nothing, and nothing of it is heard."""
    site = place.behind_lighttpd("--heartbeat", "500ms")
    with pages(place, site, "{silence: 2000}") as first:
        are_open(first)
        for tab in first:
            tab.other = opened(tab.browser, site, "other", "{silence: 2000}")
            are_open([tab.other])
            tab.js("peal._channel.onmessage = null; peal._channel.postMessage = () => {}; 1")
        site.publish("a", 1)
        for tab in first:
            tab.other.wait("peal._role === 'leading'")
        site.publish("a", 2)
        have(first + [tab.other for tab in first], "1", "2")
        for tab in first:
            tab.wait("peal._role === 'following'")
        wait_for(lambda: site.streams() == 3, "a stream for each browser")


@case
def tabs_of_different_users_do_not_share(place):
    site = place.behind_lighttpd()
    with pages(place, site, "{shared: 'kim'}") as tabs:
        are_open(tabs)
        for tab in tabs:
            tab.other = opened(tab.browser, site, "other", "{shared: 'sam'}")
            are_open([tab.other])
        equal(site.streams(), 6, "streams")


@case
def who_cannot_share_closes_its_stream_while_hidden(place):
    """Without locks, which browsers have over https alone."""
    site = place.behind_lighttpd()
    with pages(place, site, None) as tabs:
        for tab in tabs:
            tab.js("""
                Object.defineProperty(navigator, 'locks', {value: undefined});
                window.seen = 'visible';
                Object.defineProperty(document, 'visibilityState', {get: () => seen});
                window.look = how => { seen = how; document.dispatchEvent(new Event('visibilitychange')); };
                listen({hidden: 100})""")
        are_open(tabs)
        for tab in tabs:
            tab.js("look('hidden')")
        wait_for(lambda: site.streams() == 0, "the streams to be closed")
        site.publish("a", 1)
        for tab in tabs:
            equal(tab.js("peal.state"), "waiting", "state")
            tab.js("look('visible')")
        have(tabs, "1")


# ---- The page ---------------------------------------------------------------

def go_back(tab, site):
    """To the page before; returns whether it came out of the browser's cache, as it was."""
    tab.back()
    tab.wait("typeof heard !== 'undefined'")
    return tab.wait("heard.some(h => h[0] === 'persisted') ? 'yes' : document.readyState === 'complete' &&"
                    " !window.wasHere && 'no'") == "yes"


@case
def the_back_button_misses_nothing(place):
    """Firefox keeps no page with a stream in its cache: there it is the page anew."""
    site = place.behind_lighttpd("--retry", "300ms")
    with pages(place, site) as tabs:
        are_open(tabs)
        for tab in tabs:
            tab.native = opened(tab.browser, site, "native", None)
            tab.native.js("listenNatively()")
            for one in (tab, tab.native):
                one.js("window.wasHere = true")
        site.publish("a", 1)
        have(tabs, "1")
        for tab in tabs:
            tab.native.wait("native.length === 1")
            for one in (tab, tab.native):
                one.go(url(site, "/blank.html"))
        # Chromium goes on with the stream of a page that it keeps, until something comes.
        wait_for(lambda: site.streams() <= 1, "the streams to be closed")
        site.publish("a", 2)

        kept = [tab for tab in tabs if go_back(tab, site)]
        native = [tab.native for tab in tabs if go_back(tab.native, site)]

        equal([tab.browser.name for tab in kept], ["chromium", "webkit"], "pages kept, with peal.js")
        check("webkit" in [tab.browser.name for tab in native], "WebKit does not keep a page with EventSource")
        site.publish("a", 3)
        have(kept, "1", "2", "3")
        for tab in native:
            tab.wait("native.join() === '1,2,3'", LIMIT * 2)


@case
def a_reload_after_a_gap_ends(place):
    site = place.behind_lighttpd("--max-events", "2")
    for n in range(5):
        site.publish("a", n)
    page = PAGE + """<script>
        sessionStorage.setItem('loads', 1 + Number(sessionStorage.getItem('loads')));
        listen({lastEventTime: 1, ongap: () => location.reload()});</script>"""
    with pages(place, site, None) as tabs:
        with open(os.path.join(place.www, "reloads.html"), "w") as file:
            file.write(page)
        for tab in tabs:
            tab.go(url(site, "/reloads.html"))
            tab.wait("sessionStorage.getItem('loads') > 1 && data().length === 2")
        site.publish("a", 5)
        for tab in tabs:
            tab.wait("data().length === 3")
            equal(tab.js("[sessionStorage.getItem('loads'), data().join(' ')]"), ["2", "3 4 5"], tab.browser.name)


@case
def events_wait_for_the_state_that_is_loaded(place):
    site = place.behind_lighttpd("--max-events", "2", "--retry", "300ms")
    options = """{
        onopen: ({first}) => first && new Promise(r => window.loaded = r).then(() => heard.push(['loaded'])),
        ongap: () => { heard.push(['gap']); return Promise.reject(new Error('meant')); }}"""
    with pages(place, site, options) as tabs:
        are_open(tabs)
        site.publish("a", 1)
        for tab in tabs:
            tab.wait("peal.lastEventId === %s" % json.dumps(site.publish("a", 2)["id"]))
            equal(tab.js("heard"), [], "heard")
            tab.js("loaded()")
            tab.wait("heard.length >= 3")
        site.server.kill()
        publish(place, *"3456789")
        site.restart()
        for tab in tabs:
            tab.wait("data().includes('9')", LIMIT * 2)
            equal(tab.js("heard.map(h => h[1] || h[0]).slice(-3)"), ["gap", "8", "9"], tab.browser.name)
            check(tab.js("heard[0][0] === 'loaded' && data()[0] === '1'"), "%r", tab.js("heard"))


@case
def listeners_are_called_until_they_are_removed(place):
    site = place.behind_lighttpd()
    with pages(place, site) as tabs:
        are_open(tabs)
        for tab in tabs:
            tab.js("""
                window.got = [];
                peal.on('t', () => { throw new Error('meant'); });
                const off = peal.on('t', e => got.push(e.data));
                peal.on('u', e => { got.push(e.data); off(); }); 1""")
        for topic in ("t", "u", "t", "__proto__", "v"):
            site.publish("a", topic, topic)
        for tab in tabs:
            tab.wait("heard.some(h => h[0] === 'v')")
            equal(tab.js("got"), ['"t"', '"u"'], "what listeners had")
            tab.js("peal.close()")
        wait_for(lambda: site.streams() == 0, "the streams to be closed")
        equal([tab.js("states.pop()[0]") for tab in tabs], ["closed"] * 3, "the last state")


# ---- The stream -------------------------------------------------------------

# In place of the network, a stream in pieces of so many bytes.
IN_PIECES = """
    heard.length = states.length = 0;
    window.fetch = async () => {
        const bytes = new TextEncoder().encode(%s);
        const body = new ReadableStream({ start(to) {
            for (let at = 0; at < bytes.length; at += %d) to.enqueue(bytes.slice(at, at + %d));
            to.close();
        } });
        return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    };
    listen({ shared: false })"""


@case
def it_reads_streams_as_the_standard_says(place):
    site = place.behind_lighttpd()
    with pages(place, site, None) as tabs:
        for tab in tabs:
            for name, stream, wanted in STREAMS:
                wanted = [["message", w, ""] if isinstance(w, str) else list(w) for w in wanted]
                for size in (1, 7, 100000):
                    tab.js(IN_PIECES % (json.dumps(stream), size, size))
                    tab.wait("states.some(s => s[0] === 'waiting')")
                    tab.js("peal.close()")
                    equal(tab.js("heard"), wanted, "%s, %s, in pieces of %d" % (tab.browser.name, name, size))


# ---- Tokens -----------------------------------------------------------------

class TokenServer:
    """What a peal with tokens answers: a stream for the tokens 1 and 3, and 2 has expired."""

    def __init__(self, place):
        self.posts = 0
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                if path in ("/page.html", "/peal.js"):
                    with open(os.path.join(place.www, path[1:]), "rb") as file:
                        return self.say(200, "text/html" if "html" in path else "text/javascript", file.read())
                if path != "/events":
                    return self.say(404, "text/plain", b"")
                # Cookies are for all ports.
                cookies = dict(part.split("=") for part in (self.headers.get("Cookie") or "").split("; ") if part)
                token = cookies.get("token-%d" % outer.port, "")
                outer.asked.append((token, query))
                stream = {
                    "1": "retry: 100\nid: 1-0\nevent: peal:open\ndata: {}\n\nid: 2-0\ndata: one\n\n"
                         "event: peal:token\ndata: {\"reason\":\"expires\",\"in\":60}\n\n",
                    "2": "retry: 100\nevent: peal:token\ndata: {\"reason\":\"expired\"}\n\n",
                    "3": "id: 2-0\nevent: peal:open\ndata: {}\n\nid: 3-0\ndata: two\n\n"}.get(token)
                if not stream:
                    return self.say(401, "application/problem+json", b"{}")
                return self.say(200, "text/event-stream", stream.encode(), token != "2")

            def do_POST(self):
                outer.posts += 1
                self.say(200, "text/plain", b"", cookie="token-%d=%d" % (outer.port, outer.posts))

            def say(self, status, kind, body, open_ended=False, cookie=None):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if cookie:
                    self.send_header("Set-Cookie", cookie + "; HttpOnly")
                if not open_ended:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                if open_ended:
                    self.rfile.read(1)  # until the client goes

            def log_message(self, *_):
                pass
        self._server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@case
def a_token_is_renewed_and_the_stream_goes_on(place):
    write_page(place)
    with borrowed(place, *ENGINES) as browsers:
        for browser in browsers:
            with contextlib.closing(TokenServer(place)) as server:
                tab = opened(browser, server, "first", """{shared: false, tokenUrl: '/token',
                    ontoken: detail => { heard.push(['token', detail.reason]); }}""")
                tab.wait("data().includes('two')")
                equal(tab.js("heard.filter(h => h[0] === 'token').map(h => h[1])"),
                      ["refused", "expires", "expired"], browser.name)
                equal(tab.js("data()"), ["one", "two"], browser.name)
                equal(server.posts, 3, "new tokens")
                equal({token for token, _ in server.asked}, {"", "1", "2", "3"}, "tokens")
                check(server.asked[-1][1].endswith("lastEventId=2-0"), "%r", server.asked)
                tab.close()


@case
def a_page_that_renews_nothing_is_not_asked_in_vain(place):
    write_page(place)
    with borrowed(place, ENGINES[0]) as (browser,), contextlib.closing(TokenServer(place)) as server:
        tab = opened(browser, server, "first", "{shared: false, tokenUrl: '/token', ontoken: () => false}")
        tab.wait("states.some(s => s[0] === 'waiting' && s[2] === 401)")
        equal(server.posts, 0, "new tokens")


# ---- Script, module, types --------------------------------------------------

@case
def it_is_a_script_and_a_module(place):
    site = place.behind_lighttpd()
    with open(os.path.join(place.www, "module.html"), "w") as file:
        file.write("""<!DOCTYPE html><title>module</title><script type="module">
            import Default, { Peal } from '/peal.module.js';
            window.same = Peal === Default && Peal === window.Peal;
            window.got = [];
            window.peal = new Peal('/events', { channels: ['a', 'b'], onevent: e => got.push(e.data) });
            </script>""")
    with borrowed(place, *ENGINES) as browsers:
        for browser in browsers:
            tab = browser.open(url(site, "/module.html"))
            tab.wait("window.peal && peal.state === 'open'")
            site.publish("b", 1)
            tab.wait("got.join() === '1'")
            check(tab.js("same"), "another Peal")
    code = "process.stdout.write(String(require(%s) === globalThis.Peal))" % json.dumps(
        os.path.join(EXAMPLES, "peal.js"))
    argv, env = command("browser.js")
    done = subprocess.run([argv[0], "-e", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    equal(done.stdout, "true", "CommonJS")


USE = """
const peal = new Peal('/events', {
	channels: ['a'], lastEventTime: Date.now(), shared: 'kim', silence: 45000,
	onevent: event => { const text: string = event.data + event.type + event.lastEventId; console.log(text); },
	onopen: ({ first }) => first ? Promise.resolve(1) : undefined,
	ongap: async gap => { console.log(gap.after, gap.from); },
	onstate(state, detail) { if (state === 'waiting' && detail.reason === 'refused') console.log(detail.status); },
	tokenUrl: '/token', ontoken: detail => detail.reason === 'expires',
});
const off: () => void = peal.on('t', event => console.log(event.data));
off();
const state: 'connecting' | 'open' | 'waiting' | 'closed' = peal.state;
const options: Peal.Options = { lastEventId: peal.lastEventId };
console.log(state, options);
// @ts-expect-error
peal.state = 'open';
// @ts-expect-error
new Peal('/events', { chanels: ['a'] });
// @ts-expect-error
peal.on('t', event => event.id);
peal.close();
"""


@case
def its_types_are_right(place):
    argv, env = command("browser.js")
    for name in ("peal.js", "peal.d.ts", "peal.module.js", "peal.module.d.ts"):
        shutil.copy(os.path.join(EXAMPLES, name), place.folder)
    uses = {"script.ts": "/// <reference path='./peal.d.ts' />\n" + USE,
            "module.ts": "import { Peal } from './peal.module.js';\n" + USE + "export {};\n",
            "common.cts": "import Peal = require('./peal.js');\n" + USE}
    for name, text in uses.items():
        with open(place.path(name), "w") as file:
            file.write(text)
    # Each by itself: the script's are global.
    for name in uses:
        done = subprocess.run(
            [argv[0], os.path.join(MODULES, "typescript", "bin", "tsc"), "--noEmit", "--strict", "--target",
             "es2020", "--lib", "es2020,dom", "--module", "nodenext",
             "--moduleDetection", "legacy", name],
            cwd=place.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        equal((done.returncode, done.stdout), (0, ""), name)


if __name__ == "__main__":
    run(600, quick=2)
