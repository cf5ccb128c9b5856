#!/usr/bin/env python3
"""The tests' own reading of event streams, HTTP and FastCGI: a wrong ruler measures wrong.

The cases of event streams follow web-platform-tests' eventsource/format-*.
"""

import random

import fastcgi
from harness import Failed, case, check, equal, run, wait_for
from sse import EventParser, HttpBody

# (what, bytes, [(id, type, data)], last event id, retry)
STREAMS = [
    ("one event", b"data: a\n\n", [("", "message", "a")], "", None),
    ("without its blank line", b"data: a\n", [], "", None),
    ("cr", b"data: a\rdata: b\r\r", [("", "message", "a\nb")], "", None),
    ("crlf", b"data: a\r\ndata: b\r\n\r\n", [("", "message", "a\nb")], "", None),
    ("mixed ends", b"data: a\r\ndata: b\ndata: c\r\n\ndata: d\r\r",
     [("", "message", "a\nb\nc"), ("", "message", "d")], "", None),
    ("byte order mark", b"\xef\xbb\xbfdata: a\n\n", [("", "message", "a")], "", None),
    ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", [], "", None),
    ("mark later", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", "message", "a")], "", None),
    ("one space goes", b"data:  a\ndata:b\n\n", [("", "message", " a\nb")], "", None),
    ("tab stays", b"data:\ta\n\n", [("", "message", "\ta")], "", None),
    ("field without colon", b"data\n\n", [("", "message", "")], "", None),
    ("two empty data", b"data\ndata\n\ndata:test\n\n",
     [("", "message", "\n"), ("", "message", "test")], "", None),
    ("comments", b":x\ndata: a\n: y\n:\ndata: b\n\n", [("", "message", "a\nb")], "", None),
    ("case counts", b"Data: a\nDATA: b\n\n", [], "", None),
    ("space before the name", b" data: a\n\n", [], "", None),
    ("type", b"event: t\ndata: a\n\ndata: b\n\n",
     [("", "t", "a"), ("", "message", "b")], "", None),
    ("type without data is lost", b"event: t\n\ndata: b\n\n", [("", "message", "b")], "", None),
    ("empty type", b"event: t\nevent:\ndata: a\n\n", [("", "message", "a")], "", None),
    ("id stays", b"id: 1\ndata: a\n\ndata: b\n\n",
     [("1", "message", "a"), ("1", "message", "b")], "1", None),
    ("id without data counts for few clients", b"id: 1\ndata\n\nid: 7\n\n",
     [("1", "message", "")], "1", None),
    ("id with empty data counts", b"id: 7\ndata\n\n", [("7", "message", "")], "7", None),
    ("id of an open block does not", b"id: 1\ndata\n\nid: 2\ndata: a\n",
     [("1", "message", "")], "1", None),
    ("id with NUL", b"id: 1\ndata\n\nid: 2\x003\ndata\n\n",
     [("1", "message", ""), ("1", "message", "")], "1", None),
    ("id emptied", b"id: 1\ndata: a\n\nid\ndata: b\n\n",
     [("1", "message", "a"), ("", "message", "b")], "", None),
    ("NUL in data", b"data: a\x00b\n\n", [("", "message", "a\x00b")], "", None),
    ("retry", b"retry: 3000\n\n", [], "", 3000),
    ("retry with letters", b"retry: 1000\nretry: 2000x\n\n", [], "", 1000),
    ("retry empty", b"retry\n\n", [], "", None),
    ("retry with other digits", "retry: \u0661\n\n".encode(), [], "", None),
    ("utf-8", "data: ok\u2026\U0001f600\n\n".encode(),
     [("", "message", "ok\u2026\U0001f600")], "", None),
    ("bad utf-8", b"data: \xff\n\n", [("", "message", "\ufffd")], "", None),
    ("other line breaks are data", "data: a\u2028b\x0bc\x85d\n\n".encode("utf-8"),
     [("", "message", "a\u2028b\x0bc\x85d")], "", None),
]


def parse(pieces):
    parser, events = EventParser(), []
    for piece in pieces:
        events += parser.feed(piece)
    return parser, [tuple(e) for e in events]


@case
def event_streams_are_read_as_the_standard_says():
    for what, raw, events, last, retry in STREAMS:
        parser, got = parse([raw])
        equal(got, events, what)
        equal(parser.last_event_id, last, what + ": last id")
        equal(parser.retry, retry, what + ": retry")


@case
def cuts_anywhere_change_nothing():
    for what, raw, events, last, _ in STREAMS:
        for at in range(len(raw) + 1):
            parser, got = parse([raw[:at], raw[at:]])
            equal(got, events, "%s, cut at %d" % (what, at))
            equal(parser.last_event_id, last, "%s, cut at %d: last id" % (what, at))
        equal(parse(raw[i:i + 1] for i in range(len(raw)))[1], events, what + ", by bytes")


@case
def comments_are_kept():
    equal(parse([b":\n: hi\ndata: :no\n\n"])[0].comments, ["", " hi"], "comments")


@case
def chunks_are_joined_however_they_are_cut():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\nA: 2\r\n\r\n"
    raw = head + b"3\r\nabc\r\na;x=y\r\n0123456789\r\n1\r\n\n\r\n0\r\n\r\n"
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(200):
        body, out, at = HttpBody(), b"", 0
        while at < len(raw):
            size = chance.randrange(1, 9)
            out += body.feed(raw[at:at + size])
            at += size
        equal((out, body.complete, body.status, body.headers["a"]),
              (b"abc0123456789\n", True, 200, "1, 2"), "seed %d" % seed)
    body = HttpBody()
    equal(body.feed(raw[:-5]), b"abc0123456789\n", "without the last chunk")
    check(not body.complete, "a cut response counts as complete")


@case
def content_length_ends_a_response():
    body = HttpBody()
    equal(body.feed(b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nab"), b"ab", "the body")
    check(not body.complete, "too early")
    equal(body.feed(b"c"), b"c", "the rest")
    check(body.complete, "too late")


@case
def fastcgi_replies_are_read():
    raw = (fastcgi.record(fastcgi.STDERR, b"oops")
           + fastcgi.record(fastcgi.STDOUT, b"Status: 404 Not Found\r\nX-Y: z\r")
           + fastcgi.record(fastcgi.STDOUT, b"\n\r\nbody") + fastcgi.record(fastcgi.STDOUT, b"")
           + fastcgi.record(fastcgi.END, bytes(8)))
    for step in (1, 7, len(raw)):
        body, out = fastcgi.FastcgiBody(), b""
        for at in range(0, len(raw), step):
            check(not body.complete, "complete too early")
            out += body.feed(raw[at:at + step])
        equal((out, body.status, body.headers, body.stderr, body.complete),
              (b"body", 404, {"x-y": "z"}, b"oops", True), "in steps of %d" % step)


@case
def long_variables_have_long_lengths():
    equal(fastcgi.pair(b"N", b"v" * 128)[:5], b"\x01\x80\x00\x00\x80", "lengths")


@case
def waiting_ends():
    try:
        wait_for(lambda: False, "nothing", 0.05)
    except Failed:
        return
    raise Failed("wait_for() came back")


if __name__ == "__main__":
    run()
