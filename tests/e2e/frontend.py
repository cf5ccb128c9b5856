"""What peal promises behind any web server: one suite, run for each of them.

A program for one server says how it is started and where it differs, as a Front:

    suite(Front("nginx", Place.behind_nginx, ...))
    run()

so that the matrix of servers and cases is the list of what these programs print.
"""

import contextlib
import json
import os
import signal
import threading
import urllib.parse
import zlib

from harness import basic, case, check, equal, is_problem, query, wait_for
from sse import HttpBody

MAX_BODY = 1024 * 1024
EVENT = '{"channel":"a","topic":"t","data":1}'
KEY = "0123456789abcdef-key"
FORM = "application/x-www-form-urlencoded"


class Front:
    """A web server and where it differs from the others.

    start(place, *options, **more) gives a Site; options are peal's.
    """

    def __init__(self, name, start, **facts):
        self.name = name
        self._start = start
        # peal is the server's child: it cannot be stopped and started by itself.
        self.spawned = False
        # It says where the mount ends, so that peal can tell an unknown path below it.
        self.tells_mount = True
        # It hands on a body without Content-Type as such, and not as a form.
        self.hands_on_no_type = True
        # What else start() is given, always.
        self.more = {}
        # Heartbeats that go out to a client that has gone before it is noticed; 0: at once.
        self.heartbeats = 2
        # What the server says to a body of 3 MiB.
        self.too_large = 413
        # And closes in its midst, so that a client may miss the answer.
        self.closes_on_too_large = False
        # And to one of 200,000 bytes in chunks; None: it hands it on.
        self.large_chunks = None
        # Edits of its file that shorten the longest silence it bears; None: it bears any.
        self.impatient = None
        # For start(): HTTP/2, and how many streams of a connection it serves at a time.
        self.http2 = {}
        self.http2_streams = 20
        # It takes on others when one of those has been closed.
        self.http2_replaces = True
        # For start(): with text/event-stream compressed wherever the file does not forbid it.
        self.compressing = {}
        # A page that it compresses then.
        self.page = "/demo.html"
        # Edits with which the file does not forbid it; None: it need not.
        self.careless = None
        # Edits with which no stream outlives a reload of the server; None: they do.
        self.reload_cuts = None
        # For start(): peal does not answer, and what a subscriber is told then.
        self.away = {}
        self.when_away = (502, 503, 504)
        self.php = {"php": True}
        # It serves files.
        self.files = True
        # For start(): streams end themselves after a second.
        self.aging = None
        for fact, value in facts.items():
            check(hasattr(self, fact), "no such fact: %s", fact)
            setattr(self, fact, value)

    def start(self, place, *options, **more):
        return self._start(place, *options, **self.merge(self.more, more))

    @staticmethod
    def merge(ours, more):
        merged = dict(ours, **more)
        edits = dict(ours.get("edits") or {}, **(more.get("edits") or {}))
        if edits:
            merged["edits"] = edits
        return merged


_shared = []


def shared(function):
    """A case that every server has to pass."""
    _shared.append((function, lambda front: True))
    return function


def where(applies):
    """A case for those servers of whom applies(front) holds."""
    def mark(function):
        _shared.append((function, applies))
        return function
    return mark


def suite(front, *names):
    """Enter the shared cases for this server: those named, or all."""
    unknown = set(names) - {function.__name__ for function, _ in _shared}
    check(not unknown, "no such shared case: %s", ", ".join(unknown))
    for function, applies in _shared:
        if applies(front) and (not names or function.__name__ in names):
            case(_for(front, function))


def _for(front, function):
    def with_front(place):
        function(place, front)
    with_front.__name__ = "%s__%s" % (front.name, function.__name__)
    return with_front


# The cases that a different way from the server to peal may change.
ABOUT_THE_BACKEND = (
    "events_arrive_at_once", "a_gone_client_is_noticed", "bodies_of_every_length_arrive",
    "a_body_in_chunks_arrives", "a_killed_process_costs_nobody_an_event",
    "a_restart_of_peal_costs_nobody_an_event", "peal_is_found_again_after_it_was_away")


class Viewer:
    """A browser's EventSource: it comes back with its last id, as long as it is not refused.

    Where a browser would give up for ever, at a status other than 200, so does this.
    """

    def __init__(self, site, channel):
        self.events = []
        self.connections = 0
        self.refused = None
        self.may_return = threading.Event()
        self.may_return.set()
        self._site = site
        self._channel = channel
        self._last_id = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        retry = 3
        while not self._over.is_set():
            headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
            try:
                stream = self._site.stream(query("/events", channel=self._channel), headers)
            except OSError:
                self._over.wait(0.05)  # nobody listens: a browser tries again
                continue
            taken = 0
            while not stream.closed and not self._over.wait(0.01):
                taken = self._take(stream, taken)
            self._take(stream, taken)
            if stream.closed and stream.status not in (None, 200):
                self.refused = stream.status
                return
            if stream.parser.retry is not None:
                retry = stream.parser.retry / 1000
            self._last_id = stream.last_event_id or self._last_id
            stream.close()
            if not self._over.is_set():
                self._over.wait(min(retry, 1))
                self.may_return.wait()

    def _take(self, stream, taken):
        if stream.status == 200 and not taken and stream.parser.blocks:
            self.connections += 1
            taken = 1
        new = stream.events[taken - 1:] if taken else []
        self.events += new
        return taken + len(new)

    def close(self):
        self._over.set()
        self.may_return.set()
        self._thread.join()


@contextlib.contextmanager
def viewers(site, count, channel="a"):
    ours = [Viewer(site, channel) for _ in range(count)]
    try:
        wait_for(lambda: all(v.connections for v in ours), "the viewers' streams")
        yield ours
    finally:
        for viewer in ours:
            viewer.close()


class Speaker:
    """Publishes numbers, again where it got no answer, as a careful application would."""

    def __init__(self, site, channel="a"):
        self.ids = []
        self._site = site
        self._channel = channel

    def say(self, count):
        for _ in range(count):
            wait_for(self._once, "a broadcast to be taken")

    def _once(self):
        event = {"channel": self._channel, "data": len(self.ids)}
        try:
            answer = self._site.post(json.dumps(event))
        except OSError:
            return False
        if answer.status == 200:
            self.ids.append(answer.json()["id"])
        return answer.status == 200


def nothing_missed(speaker, watching):
    """Each viewer has had each acknowledged event, once and in order."""
    for viewer in watching:
        check(viewer.refused is None, "a viewer was refused with %s", viewer.refused)
        wait_for(lambda v=viewer: speaker.ids[-1] in [e.id for e in v.events] or v.refused,
                 "the last event")
        check(viewer.refused is None, "a viewer was refused with %s", viewer.refused)
        check(not any(e.type == "peal:gap" for e in viewer.events), "a gap was reported")
        ids = [e.id for e in viewer.events]
        equal(len(set(ids)), len(ids), "different events")
        known = set(speaker.ids)
        equal([i for i in ids if i in known], speaker.ids, "the events that were acknowledged")


# ---- Streams ----------------------------------------------------------------

@shared
def events_arrive_at_once(place, front):
    site = front.start(place)
    stream = site.subscribe("a")
    equal(stream.headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    equal(stream.headers["cache-control"], "no-cache, no-transform", "Cache-Control")
    check(stream.last_event_id, "no resume point in the first block: %r", stream.raw)
    for n in range(5):
        reply = site.publish("a", n, "t")
        event = stream.next()
        equal((event.id, event.type, event.data), (reply["id"], "t", str(n)), "the event")


@shared
def who_comes_back_gets_what_was_missed(place, front):
    site = front.start(place)
    stream = site.subscribe("a")
    site.publish("a", 0)
    stream.take(1)
    stream.close()
    for n in range(1, 6):
        site.publish("a", n)

    again = site.subscribe("a", since=stream.last_event_id)
    asked = site.subscribe("a", lastEventId=stream.last_event_id)

    site.publish("a", 6)
    for back in (again, asked):
        equal([e.data for e in back.take(6)], [str(n) for n in range(1, 7)], "events")


@shared
def a_gone_client_is_noticed(place, front):
    site = front.start(place, "--heartbeat=400ms")
    witness = site.subscribe("b")
    gone = site.subscribe("a")
    wait_for(lambda: site.streams() == 2, "both streams")

    gone.close()
    before = len(witness.parser.comments)

    wait_for(lambda: site.streams() == 1, "the count to fall")
    passed = len(witness.parser.comments) - before
    # The two streams' beats are not in step, and the question takes its time.
    check(passed <= front.heartbeats + 1, "noticed after %d heartbeats", passed)
    check(not witness.closed, "the other stream has ended")


@where(lambda front: front.impatient)
def a_stream_without_heartbeats_is_cut(place, front):
    site = front.start(place, "--heartbeat=0", edits=front.impatient)
    stream = site.subscribe("a")
    stream.wait(lambda: stream.closed, "the server to lose patience with a silent stream")


@where(lambda front: front.impatient)
def heartbeats_keep_a_silent_stream_open(place, front):
    site = front.start(place, "--heartbeat=250ms", edits=front.impatient)
    stream = site.subscribe("a")
    stream.wait(lambda: len(stream.parser.comments) >= 10 or stream.closed, "ten heartbeats")
    check(not stream.closed, "the stream was ended: %r", stream.raw)


@shared
def a_stream_ends_politely_at_its_age(place, front):
    if front.aging:
        site = front.start(place, **front.aging)
    else:
        site = front.start(place, "--max-stream-age=1s")
    stream = site.subscribe("a")
    site.publish("a", 1)
    equal(stream.left(), ("peal:end", "age"), "the end")
    equal([e.data for e in stream.events], ["1"], "events")
    check(b"<" not in stream.raw, "an error page in the stream: %r", stream.raw)
    site.publish("a", 2)
    again = site.subscribe("a", since=stream.last_event_id)
    equal(again.next().data, "2", "the event meanwhile")


# ---- Who may do what --------------------------------------------------------

@shared
def roles_go_by_location(place, front):
    site = front.start(place)
    equal(site.post(EVENT).status, 200, "publishing at /publish")
    is_problem(site.post(EVENT, path="/events"), 403, "publishing at /events")
    is_problem(site.get("/publish?channel=a"), 403, "subscribing at /publish")
    is_problem(site.get("/publish/status"), 403, "the status at /publish")
    site.subscribe("a")
    # Nor can a header change that.
    names = ("PEAL_ROLES", "Peal-Roles", "HTTP_PEAL_ROLES", "Env-PEAL_ROLES", "X-Peal_Roles")
    for name in names:
        is_problem(site.post(EVENT, path="/events", headers={name: "publish"}), 403, name)
    stream = site.subscribe("a", headers=dict.fromkeys(("PEAL_CHANNEL", "Peal-Channel"), "b"))
    equal(site.publish("b", 1)["subscribers"], 0, "subscribers of b")
    site.publish("a", 2)
    equal(stream.next().data, "2", "the event")


@shared
def everybody_has_a_channel_of_their_own_at_mine(place, front):
    place.add_user("alice", "wonder")
    place.add_user("bob", "builder")
    site = front.start(place)
    for headers in ({}, basic("alice", "wrong"), {"Remote-User": "alice"}):
        answer = site.ask("GET", "/mine", headers=headers)
        equal(answer.status, 401, "status with %r" % headers)
        check(answer.headers["www-authenticate"].lower().startswith("basic"), "not Basic")
    alice = site.subscribe("user-bob", path="/mine", headers=basic("alice", "wonder"))
    bob = site.subscribe(path="/mine",
                         headers=dict(basic("bob", "builder"), **{"Remote-User": "alice"}))
    for name in ("alice", "bob"):
        equal(site.publish("user-" + name, name)["subscribers"], 1, "subscribers of " + name)
    equal(alice.next().data, '"alice"', "what alice gets")
    equal(bob.next().data, '"bob"', "what bob gets")


@shared
def a_key_arrives(place, front):
    keys = place.write("keys", KEY + "\n")
    site = front.start(place, "--publish-key-file=" + keys)
    stream = site.subscribe("a")
    answer = site.post(EVENT, path="/events", headers={"Authorization": "Bearer " + KEY})
    equal(answer.status, 200, "with the key")
    equal(stream.next().data, "1", "the event")
    for headers in ({}, {"Authorization": "Bearer x" + KEY}):
        answer = site.post(EVENT, path="/events", headers=headers)
        is_problem(answer, 401, "with %r" % headers)
        check(answer.headers["www-authenticate"].startswith("Bearer"), "not Bearer")


@shared
def the_status_page_and_its_stream_are_there(place, front):
    site = front.start(place)
    page = site.get("/events/status", Accept="text/html,*/*;q=0.8")
    equal(page.status, 200, "the page")
    equal(page.headers["content-type"], "text/html; charset=utf-8", "its type")
    check(page.body.startswith(b"<!DOCTYPE html>"), "the page: %r", page.body[:80])
    check("default-src 'none'" in page.headers["content-security-policy"], "its policy")
    check("accept" in page.headers["vary"].lower(), "Vary: %r", page.headers)

    stream = site.stream("/events/status").opened()
    site.publish("a", 1)
    while json.loads(stream.next().data)["totals"]["published"] == 0:
        pass
    equal({e.type for e in stream.events}, {"status"}, "types")
    equal(site.status()["totals"]["published"], 1, "the JSON, after both")


@shared
def the_status_and_the_metrics_are_there(place, front):
    site = front.start(place)
    site.subscribe("a")
    wait_for(lambda: site.streams() == 1, "the stream in the status")
    answer = site.get("/events/metrics")
    equal(answer.status, 200, "the metrics")
    check(b"# TYPE peal_" in answer.body, "no metrics: %r", answer.body[:200])
    answer = site.get("/events/health")
    equal((answer.status, answer.body), (200, b"ok"), "the health")


# ---- Requests ---------------------------------------------------------------

@shared
def errors_come_through(place, front):
    site = front.start(place)
    for answer, status in ((site.get("/events"), 400), (site.post("{"), 400),
                           (site.get("/events/nothing"), 404 if front.tells_mount else 400),
                           (site.post(EVENT, "multipart/form-data"), 415)):
        is_problem(answer, status, "through " + front.name)
    answer = site.ask("DELETE", "/events")
    is_problem(answer, 405, "DELETE")
    check("GET" in answer.headers["allow"], "Allow: %r", answer.headers["allow"])


@shared
def every_kind_of_body_is_taken(place, front):
    site = front.start(place)
    stream = site.subscribe("a")
    for body, kind, path in (
            (EVENT, "application/json", "/publish"), (EVENT, "application/x-ndjson", "/publish"),
            ("channel=a&topic=t&data=1", FORM, "/publish"),
            ("1", "text/plain", "/publish?channel=a&topic=t"),
            ("1", None, "/publish?channel=a&topic=t")):
        if kind is None and not front.hands_on_no_type:
            is_problem(site.post(body, kind, path), 400, "no Content-Type")
            continue
        equal(site.post(body, kind, path).status, 200, kind)
        event = stream.next()
        equal((event.type, event.data), ("t", "1"), kind)


def batch(length):
    """A batch of so many bytes, in lines that are each an event."""
    lines = []
    left = length
    while left:
        size = min(left, 60000)
        if 0 < left - size < 100:
            size -= 100  # what is left must be an event, too
        lines.append('{"channel":"a","data":"%s"}\n' % ("x" * (size - 26)))
        left -= size
    return "".join(lines).encode(), len(lines)


@shared
def bodies_of_every_length_arrive(place, front):
    site = front.start(place)
    for length in (100, 8184, 65536, 200000, MAX_BODY):
        body, count = batch(length)
        answer = site.post(body, "application/x-ndjson")
        equal(answer.status, 200, "%d bytes (%r)" % (length, answer.body[:200]))
        equal(len(answer.json().get("events", [1])), count, "events in %d bytes" % length)
    is_problem(site.post(body + b"\n", "application/x-ndjson"), 413, "a byte too many")
    try:
        answer = site.post(b" " * (3 * MAX_BODY), "application/x-ndjson")
        equal(answer.status, front.too_large, "3 MiB")
    except (BrokenPipeError, ConnectionResetError):
        check(front.closes_on_too_large, "closed in the midst of 3 MiB")
    equal(site.post(EVENT).status, 200, "afterwards")


def send_chunks(site, pieces, path="/publish", kind="application/json"):
    return site.ask("POST", path, iter(pieces), {"Content-Type": kind})


@shared
def a_body_in_chunks_arrives(place, front):
    site = front.start(place)
    stream = site.subscribe("a")
    half = len(EVENT) // 2
    answer = send_chunks(site, [EVENT[:half].encode(), EVENT[half:].encode()])
    equal(answer.status, 200, "status (%r)" % answer.body)
    equal(stream.next().data, "1", "the event")
    body, count = batch(200000)
    pieces = [body[at:at + 7000] for at in range(0, len(body), 7000)]
    if front.large_chunks:
        # Who refuses it may close before all of it is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            answer = send_chunks(site, pieces, kind="application/x-ndjson")
            equal(answer.status, front.large_chunks, "status of a large one")
        equal(site.publish("a", 2)["subscribers"], 1, "subscribers")
        equal(stream.next().data, "2", "the next event")
        return
    answer = send_chunks(site, pieces, kind="application/x-ndjson")
    equal(answer.status, 200, "status of a large one (%r)" % answer.body[:200])
    stream.take(count)
    is_problem(send_chunks(site, [b" " * 65536] * 17), 413, "17 times 64 KiB")


@shared
def a_slow_sender_holds_up_nobody(place, front):
    site = front.start(place)
    stream = site.subscribe("a")
    slow = site.dial()
    place.sockets.append(slow)
    slow.sendall(b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
                 % (len(EVENT), EVENT[:5].encode()))
    for n in range(3):
        site.publish("a", n)
        equal(stream.next().data, str(n), "the event")
    slow.sendall(EVENT[5:].encode())
    equal(stream.next().data, "1", "the slow sender's event")
    check(slow.recv(100).startswith(b"HTTP/1.1 200"), "the slow sender's answer")


@shared
def head_is_the_headers_alone(place, front):
    site = front.start(place)
    answer = site.ask("HEAD", "/events?channel=a")
    equal(answer.status, 200, "status")
    equal(answer.headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    equal(answer.body, b"", "the body")


@shared
def other_origins_are_answered(place, front):
    origin = "https://shop.example"
    site = front.start(place, "--cors-origin=" + origin)
    answer = site.ask("OPTIONS", "/events", headers={
        "Origin": origin, "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "last-event-id"})
    equal(answer.status, 204, "status of the preflight")
    equal(answer.headers["access-control-allow-origin"], origin, "the origin allowed")
    check("last-event-id" in answer.headers["access-control-allow-headers"].lower(),
          "headers allowed: %r", answer.headers["access-control-allow-headers"])
    stream = site.subscribe("a", headers={"Origin": origin})
    equal(stream.headers["access-control-allow-origin"], origin, "the stream's")
    other = site.subscribe("a", headers={"Origin": "https://else.example"})
    check("access-control-allow-origin" not in other.headers, "another origin is allowed")


@shared
def php_publishes(place, front):
    site = front.start(place, **front.php)
    stream = site.subscribe("a b")
    answer = site.post(urllib.parse.urlencode({"channel": "a b", "topic": "t", "data": "1+1 & \u00e9"}),
                       FORM, "/publish.php")
    equal(answer.status, 200, "status (%r)" % answer.body)
    event = stream.next()
    equal((event.id, event.type, event.data), (answer.json()["id"], "t", "1+1 & \u00e9"), "the event")


@where(lambda front: front.files)
def the_demo_and_its_script_are_served(place, front):
    site = front.start(place)
    answer = site.get("/")
    check(answer.status == 200 and b"new Peal(" in answer.body, "the demo is not at /")
    # A browser takes nothing else for a module.
    for path in ("/peal.js", "/peal.module.js"):
        kind = site.get(path).headers.get("content-type", "none")
        check("javascript" in kind, "%s is %s", path, kind)


# ---- Restarts ---------------------------------------------------------------

@shared
def a_reload_of_the_server_costs_nobody_an_event(place, front):
    site = front.start(place, "--retry=500ms", edits=front.reload_cuts)
    speaker = Speaker(site)
    with viewers(site, 3) as watching:
        speaker.say(5)
        site.reload()
        speaker.say(20)
        if front.reload_cuts is not None:
            wait_for(lambda: all(v.connections > 1 or v.refused for v in watching),
                     "the viewers to come back")
        with viewers(site, 1) as late:
            first = len(speaker.ids)
            speaker.say(10)
            wait_for(lambda: late[0].events and late[0].events[-1].id == speaker.ids[-1],
                     "who comes after the reload to hear")
            equal([e.id for e in late[0].events], speaker.ids[first:], "what it hears")
        nothing_missed(speaker, watching)


@shared
def a_killed_process_costs_nobody_an_event(place, front):
    site = front.start(place, "--retry=500ms")
    speaker = Speaker(site)
    with viewers(site, 3) as watching:
        speaker.say(5)
        victim = [w["pid"] for w in site.status()["workers"] if w["streams"]][0]
        os.kill(victim, signal.SIGKILL)
        speaker.say(10)
        wait_for(lambda: any(v.connections > 1 or v.refused for v in watching),
                 "the viewers to come back")
        speaker.say(5)
        nothing_missed(speaker, watching)


@where(lambda front: not front.spawned)
def a_restart_of_peal_costs_nobody_an_event(place, front):
    site = front.start(place, "--retry=500ms")
    speaker = Speaker(site)
    with viewers(site, 3) as watching:
        speaker.say(5)
        for viewer in watching:
            viewer.may_return.clear()
        equal(site.peal.stop(), [], "left behind")
        site.peal = place.start_peal("--retry=500ms", listen=site.peal.listen, name="again")
        speaker.say(5)
        for viewer in watching:
            viewer.may_return.set()
        speaker.say(5)
        nothing_missed(speaker, watching)


@where(lambda front: not front.spawned)
def peal_is_found_again_after_it_was_away(place, front):
    site = front.start(place, **front.away)
    site.subscribe("a")
    equal(site.peal.stop(), [], "left behind")
    answer = site.get("/events?channel=a")
    if front.when_away == "come back":
        equal(answer.status, 200, "what a subscriber is told")
        equal(answer.headers["content-type"].split(";")[0], "text/event-stream", "as what")
        equal(answer.body.decode(),
              'retry: 5000\nevent: peal:busy\ndata: {"reason":"stopping"}\n\n', "the answer")
    else:
        check(answer.status in front.when_away, "a subscriber is told %d", answer.status)
    for path in ("/publish", "/events", "/mine"):
        answer = site.post(EVENT, path=path)
        check(answer.status >= 400, "a broadcast to %s is answered %d", path, answer.status)

    place.start_peal(listen=site.peal.listen, name="again")

    wait_for(lambda: site.post(EVENT).status == 200, "a broadcast to be taken again")
    wait_for(lambda: site.ask("HEAD", "/events?channel=a").status == 200, "a stream again")
    stream = site.subscribe("a")
    site.publish("a", 2)
    equal(stream.next().data, "2", "the event")


# ---- What else may come between ---------------------------------------------

@shared
def http2_carries_many_streams_on_one_connection(place, front):
    site = front.start(place, "--heartbeat=500ms", **front.http2)
    connection = site.http2()
    count = front.http2_streams
    streams = [site.http2_stream(connection, "c%d" % n) for n in range(count)]
    wait_for(lambda: site.streams() == count, "all streams in the status")
    for n, stream in enumerate(streams):
        site.publish("c%d" % n, n)
        equal(stream.next().data, str(n), "the event")
    site.publish(["c%d" % n for n in range(count)], "all")
    for stream in streams:
        equal(stream.next().data, '"all"', "the event for all")

    streams[0].close()

    wait_for(lambda: site.streams() == count - 1, "a closed one to be noticed")
    site.publish("c1", "on")
    equal(streams[1].next().data, '"on"', "another's event")
    if not front.http2_replaces:
        return
    again = site.http2_stream(connection, "c1", since=streams[1].events[-2].id)
    equal(again.next().data, '"on"', "what was missed")


@shared
def compression_is_kept_out_of_streams(place, front):
    site = front.start(place, **front.compressing)
    page = site.ask("GET", front.page, headers={"Accept-Encoding": "gzip", "Accept": "text/html"})
    equal(page.headers.get("content-encoding"), "gzip", "the page's encoding")
    stream = site.subscribe("a", headers={"Accept-Encoding": "gzip"})
    check("content-encoding" not in stream.headers, "the stream is compressed")
    for n in range(5):
        site.publish("a", n)
        equal(stream.next().data, str(n), "the event")


class Unzipped:
    """A body, uncompressed as far as it has come."""

    def __init__(self, body):
        self._body = body
        self._zip = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def __getattr__(self, name):
        return getattr(self._body, name)

    def feed(self, raw):
        return self._zip.decompress(self._body.feed(raw))


@where(lambda front: front.careless)
def compressed_streams_arrive_at_once_all_the_same(place, front):
    site = front.start(place, **front.merge(front.compressing, {"edits": front.careless}))
    stream = site.stream("/events?channel=a", {"Accept-Encoding": "gzip"},
                         body=Unzipped(HttpBody())).opened()
    equal(stream.headers.get("content-encoding"), "gzip", "the stream's encoding")
    for n in range(5):
        site.publish("a", n)
        equal(stream.next().data, str(n), "the event")
