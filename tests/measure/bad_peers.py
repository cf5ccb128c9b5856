#!/usr/bin/env python3
"""What each kind of bad peer costs everybody else: a table of publish-to-delivery times.

A healthy publisher posts 100 events a second to a healthy subscriber, through lighttpd to one
worker, which a bad peer shares with them.  Rounds with and without the bad peer
alternate, and of the rounds of a kind the median is shown, so that what else the machine does
falls on both.  An event's time runs from the moment it was due, so that one which is
held up shows in those behind it.

    bad_peers.py [PEER...]      from a build folder; no names: all

Environment: PEAL_MEASURE_SECONDS of a round (4), PEAL_MEASURE_ROUNDS of each kind (5), and
what tests/e2e/harness.py takes.
"""

import contextlib
import http.client
import json
import os
import random
import resource
import select
import signal
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import harness  # noqa: E402
import network  # noqa: E402
from fastcgi import ABORT, BEGIN, PARAMS, pair, record, request as fastcgi_request  # noqa: E402
from harness import HOST, Direct, Place, Process, connect, query  # noqa: E402
from sse import EventParser, HttpBody  # noqa: E402

SECONDS = float(os.environ.get("PEAL_MEASURE_SECONDS") or 4)
ROUNDS = int(os.environ.get("PEAL_MEASURE_ROUNDS") or 5)
PER_SECOND = 100
BOUND_MS = 50

_peers = {}


def peer(function):
    """A bad peer: run in a process of its own, a generator that yields once when all is
    set up and does its harm from then on.  With bad=False it leaves out the harm alone."""
    _peers[function.__name__.replace("_", "-")] = function
    return function


# ---- What the peers have in common ------------------------------------------

def http_stream(port, channel, since=None, host=HOST, buffer=None, source=None):
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    if source:
        sock.bind((source, 0))
    sock.connect((host, port))
    since = "Last-Event-ID: %s\r\n" % since if since else ""
    sock.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (
        query("/events", channel=channel), since)).encode())
    return sock


def good_request(method="GET", body=b"", **variables):
    variables.setdefault("query_string", "channel=other")
    if body:
        variables.setdefault("CONTENT_LENGTH", str(len(body)))
        variables.setdefault("CONTENT_TYPE", "text/plain")
        variables.setdefault("PEAL_ROLES", "publish")
    return fastcgi_request(Direct.variables(method, **variables), body)


def sockets(place, count):
    return [connect(place.socket) for _ in range(count)]


def drain(readers):
    """Read what there is; returns those that have not ended."""
    ended = set()
    while True:
        ready = select.select([s for s in readers if s not in ended], [], [], 0)[0] \
            if len(readers) < 500 else _poll(readers, ended)
        if not ready:
            return [s for s in readers if s not in ended]
        for sock in ready:
            try:
                raw = sock.recv(1 << 18)
            except OSError:
                raw = b""
            if not raw:
                ended.add(sock)
        return [s for s in readers if s not in ended]


def _poll(readers, ended):
    poll = select.poll()
    by_number = {}
    for sock in readers:
        if sock not in ended:
            poll.register(sock, select.POLLIN)
            by_number[sock.fileno()] = sock
    return [by_number[number] for number, _ in poll.poll(0)]


class Poster:
    """Posts to a channel so often, when asked whether it is time."""

    def __init__(self, site, channel, size, per_second):
        self.connection = http.client.HTTPConnection(HOST, site.port, timeout=30)
        self.body = json.dumps({"channel": channel, "data": "x" * size})
        self.pause = 1 / per_second
        self.due = time.monotonic()

    def turn(self):
        if time.monotonic() < self.due:
            time.sleep(0.001)
            return
        self.due += self.pause
        self.connection.request("POST", "/publish", self.body,
                                {"Content-Type": "application/json"})
        self.connection.getresponse().read()


# ---- The peers ----------------------------------------------------------------

@peer
def never_reading(place, site, bad):
    """50 subscribers that read 200 events/s of 8 KB, and 50 that never do"""
    readers = [http_stream(site.port, "big") for _ in range(50)]
    stalled = [http_stream(site.port, "big", buffer=4096) for _ in range(50 if bad else 0)]
    poster = Poster(site, "big", 8000, 200)
    yield
    while stalled or readers:
        poster.turn()
        readers = drain(readers)


@peer
def vanished(place, site, bad):
    """50 subscribers of 200 events/s of 8 KB whose network goes away"""
    poster = Poster(site, "big", 8000, 200)
    gone = []
    if bad:
        with place.cable.at_the_far_end():
            gone = [http_stream(site.port, "big", host=network.SERVER) for _ in range(50)]
        for sock in gone:
            sock.recv(4096)
        place.cable.cut()
    yield
    while True:
        poster.turn()


@peer
def returning_storm(place, site, bad):
    """1,000 subscribers who come back at once with old ids, again and again"""
    direct = Direct(place, place.socket)
    ids = [direct.publish("old", "x" * 100)["id"] for _ in range(200)]
    yield
    while True:
        crowd = []
        for n in range(1000 if bad else 0):
            with contextlib.suppress(OSError):
                crowd.append(http_stream(site.port, "old", since=ids[n % 200]))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            crowd = drain(crowd)
            time.sleep(0.01)
        for sock in crowd:
            sock.close()


@peer
def many_channels(place, site, bad):
    """100 subscribers of 64 channels each, in which 100 events/s are published"""
    channels = [["%d-%d" % (n % 4, c) for c in range(64)] for n in range(100)]
    crowd = [http_stream(site.port, names) for names in (channels if bad else [])]
    poster = Poster(site, "0-0", 100, 100)
    yield
    while True:
        poster.body = json.dumps({"channel": "%d-%d" % (random.randrange(4), random.randrange(64)),
                                  "data": 1})
        poster.turn()
        crowd = drain(crowd)


@peer
def half_sent(place, site, bad):
    """400 connections with half a request each"""
    whole = good_request("POST", b"hello")
    crowd = sockets(place, 400 if bad else 0)
    for n, sock in enumerate(crowd):
        sock.sendall(whole[:n % len(whole)])
    yield
    while True:
        time.sleep(1)


@peer
def byte_by_byte(place, site, bad):
    """50 connections that send their requests a byte at a time"""
    whole = good_request("POST", b"hello")
    yield
    while True:
        crowd = sockets(place, 50 if bad else 0)
        for at in range(len(whole)):
            for sock in crowd:
                with contextlib.suppress(OSError):
                    sock.sendall(whole[at:at + 1])
            time.sleep(0.001)
        for sock in crowd:
            sock.close()


def again_and_again(place, bad, make):
    """Connections one after the other, each with what make() returns."""
    yield
    while True:
        if not bad:
            time.sleep(1)
            continue
        with contextlib.suppress(OSError), connect(place.socket) as sock:
            sock.settimeout(0.01)
            sock.sendall(make())
            sock.recv(4096)
        time.sleep(0.001)


@peer
def wrong_types(place, site, bad):
    """records of wrong types, lengths, roles, ids and versions, as fast as they are taken"""
    good = good_request()
    get_values = record(9, b"".join(pair(n, b"") for n in (
        b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS", b"FCGI_MAX_CONNS")), 0)

    def make():
        kind = random.randrange(6)
        if kind == 0:
            return bytes(random.randrange(256) for _ in range(200))
        if kind == 1:
            return get_values + good
        if kind == 2:
            return record(BEGIN, bytes([0, random.randrange(2, 9), 0, 0, 0, 0, 0, 0]))
        if kind == 3:
            return record(random.randrange(12, 256), b"x" * 50) + good
        if kind == 4:
            return good[:16] + record(BEGIN, bytes([0, 1, 0, 0, 0, 0, 0, 0]), 2) + good[16:]
        return b"\2" + good[1:]
    return again_and_again(place, bad, make)


@peer
def huge_params(place, site, bad):
    """PARAMS that claim 2 GiB, or go on and on, as fast as they are taken"""
    begin = good_request()[:16]

    def make():
        if random.random() < 0.5:
            return begin + record(PARAMS, b"\xff\xff\xff\xfe\1Ab")
        return begin + record(PARAMS, pair(b"X", b"y" * 60000)) * 20
    return again_and_again(place, bad, make)


@peer
def aborts(place, site, bad):
    """subscriptions that are given up by FCGI_ABORT_REQUEST, before and after they began"""
    good = good_request()

    def make():
        at = random.choice((16, len(good) - 8, len(good)))
        return good[:at] + record(ABORT, b"")
    return again_and_again(place, bad, make)


@peer
def trickling_posts(place, site, bad):
    """50 POSTs that trickle through Apache's mod_proxy_fcgi, a byte each 10 ms"""
    crowd = []
    for _ in range(50 if bad else 0):
        sock = socket.create_connection((HOST, place.apache.port))
        sock.sendall(b"POST /publish?channel=slow HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Type: text/plain\r\nContent-Length: 100000\r\n\r\n")
        crowd.append(sock)
    yield
    while True:
        for sock in crowd:
            with contextlib.suppress(OSError):
                sock.sendall(b"x")
        time.sleep(0.01)


@peer
def silent(place, site, bad):
    """500 connections that say nothing"""
    crowd = sockets(place, 500 if bad else 0)
    yield
    while crowd or not bad:
        time.sleep(1)


@peer
def no_descriptors(place, site, bad):
    """60 streams and 140 silent connections to a worker that has 100 descriptors"""
    crowd = []
    for n in range(200 if bad else 0):
        sock = connect(place.socket)
        crowd.append(sock)
        if n < 60:
            sock.sendall(good_request())
            sock.recv(4096)
    yield
    while crowd or not bad:
        time.sleep(1)


@peer
def unread_answers(place, site, bad):
    """batches of 10,000 events whose long answers are never read"""
    body = b"\n".join([b'{"channel":"batch","data":1}'] * 10000)
    whole = good_request("POST", body, CONTENT_TYPE="application/x-ndjson")
    yield
    while True:
        if bad:
            with contextlib.suppress(OSError), connect(place.socket) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                sock.sendall(whole)
                time.sleep(0.4)
        time.sleep(0.1)


# ---- The healthy --------------------------------------------------------------

def measure(site, seconds):
    """Each event's time from when it was due to its arrival, in milliseconds."""
    stream = http_stream(site.port, "healthy")
    body, parser = HttpBody(), EventParser()
    while not parser.blocks:
        parser.feed(body.feed(stream.recv(65536)))
    publisher = socket.create_connection((HOST, site.port))
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    poll.register(publisher, select.POLLIN)
    times = []
    total = int(seconds * PER_SECOND)
    begin = time.monotonic()
    sent, answered, answer = 0, 0, HttpBody()
    give_up = begin + seconds + 30
    while len(times) < total:
        now = time.monotonic()
        harness.check(now < give_up, "%d of %d events after %.0f s", len(times), total, now - begin)
        due = begin + sent / PER_SECOND
        if sent < total and sent == answered and now >= due:
            text = json.dumps({"channel": "healthy", "data": sent}).encode()
            publisher.sendall(b"POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: "
                              b"application/json\r\nContent-Length: %d\r\n\r\n%s"
                              % (len(text), text))
            sent += 1
            continue
        wait = max(0, due - now) * 1000 if sent == answered and sent < total else 1000
        for number, _ in poll.poll(wait):
            if number == stream.fileno():
                raw = stream.recv(65536)
                harness.check(raw, "the healthy stream was cut")
                now = time.monotonic()
                for event in parser.feed(body.feed(raw)):
                    harness.equal(int(event.data), len(times), "the next event")
                    times.append((now - begin - len(times) / PER_SECOND) * 1000)
            else:
                raw = publisher.recv(65536)
                harness.check(raw, "the publisher was hung up on")
                answer.feed(raw)
                if answer.complete:
                    if answer.status != 200:
                        print("# a publisher got %d" % answer.status)
                        publisher.close()
                        raise harness.Failed("publishing: %s" % answer.status)
                    answered, answer = answered + 1, HttpBody()
    publisher.close()
    stream.close()
    return times


@contextlib.contextmanager
def service(name):
    """A place with one worker behind lighttpd, and what the peer needs besides."""
    with Place() as place:
        place.cable = network.Cable(place)
        place.bind = "0.0.0.0"
        if name == "no-descriptors":
            place.peal_fcgi = place.write("peal-with-few", '#!/bin/sh\nulimit -n 100\nexec "%s" "$@"\n'
                                          % place.peal_fcgi, 0o755)
        site = place.behind_lighttpd("--workers", "1")
        if name == "trickling-posts":
            place.apache = place.behind_mod_proxy_fcgi(peal=site.peal)
        try:
            yield place, site
        finally:
            place.cable.close()


def one_round(name, bad):
    with service(name) as (place, site):
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                harm = _peers[name](place, site, bad)
                next(harm)
                os.write(tell, b"!")
                next(harm)
            except BaseException as why:
                os.write(2, ("# %s: %r\n" % (name, why)).encode())
            finally:
                os._exit(status)
        Process.ours[pid] = None
        os.close(tell)
        try:
            harness.check(os.read(ready, 1), "%s could not be set up", name)
            return measure(site, SECONDS)
        finally:
            os.close(ready)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            Process.ours.pop(pid)


def at(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    harness.adopt_orphans()
    names = sys.argv[1:] or list(_peers)
    unknown = set(names) - set(_peers)
    if unknown:
        sys.exit("no such peer: %s; there are: %s" % (", ".join(unknown), " ".join(_peers)))
    late = []
    print("%-16s %27s   %27s   %s" % ("milliseconds", "without: p50    p99     max",
                                      "with: p50    p99     max", "ratio: p50  p99  max"))
    for name in names:
        rounds = [[], []]
        for _ in range(ROUNDS):
            for kind in (False, True):
                times = one_round(name, kind)
                rounds[kind].append([at(times, part) for part in (0.5, 0.99, 1)])
        figures = [[statistics.median(column) for column in zip(*kind)] for kind in rounds]
        print("%-16s %11.2f %7.2f %7.2f   %11.2f %7.2f %7.2f   %9.2f %5.2f %5.2f" % (
            (name,) + tuple(figures[0]) + tuple(figures[1])
            + tuple(b / a for a, b in zip(*figures))), flush=True)
        if figures[1][2] - figures[0][2] > BOUND_MS:
            late.append(name)
    if late:
        print("more than %d ms later: %s" % (BOUND_MS, ", ".join(late)))


if __name__ == "__main__":
    network.separate()
    main()
