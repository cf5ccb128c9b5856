#!/usr/bin/env python3
"""Subscribers whose network goes away: no FIN, no RST, just silence.

Behind lighttpd three limits end such a stream.  Where events back up, peal's
--stall-timeout ends it, and lighttpd's max-write-idle its half; where there is little to
say, so that it all fits into the socket, the kernel gives up after tcp_retries2 tries.
"""

import contextlib
import socket
import struct

from harness import (LIMIT, Stream, case, check, equal, programs, query, run,
                     wait_for)
from network import CLIENT, ELSEWHERE, SERVER, Cable, separate, set_here
from sse import HttpBody

GONE = 20
RST_ON_CLOSE = struct.pack("ii", 1, 0)
# What peal's processes may grow by for all who are gone, and lighttpd, which has buffers for each:
# far less than the 48 MB that are published past them.
GROWTH = 2 << 20
LIGHTTPD_GROWTH = 8 << 20


@contextlib.contextmanager
def two_ends(place, *options, config=""):
    """A site that is reached by a cable, and the cable; config is added to lighttpd's."""
    cable = Cable(place)
    try:
        place.bind = "0.0.0.0"
        path = place.write("vanish.conf", 'include "%s"\n%s\n' % (
            place.example("lighttpd.conf"), config))
        yield place.behind_lighttpd(*options, config=path), cable
    finally:
        for stream in place.streams:
            stream.close()
        cable.close()


def subscribe_from(place, site, cable, address, since=None):
    """A stream whose client is at the far end."""
    with cable.at_the_far_end():
        sock = socket.create_connection((SERVER, site.port), timeout=LIMIT,
                                        source_address=(address, 0))
    since = "Last-Event-ID: %s\r\n" % since if since else ""
    head = "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (query("/events", channel="a"), since)
    stream = Stream(sock, head.encode(), HttpBody())
    place.streams.append(stream)
    return stream


def lose(streams):
    """Their computer is switched off: what would say so to the other side goes nowhere."""
    for stream in streams:
        stream._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        stream.close()


def own_memory(pid):
    """What a process has for itself alone, in bytes."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return 1024 * sum(int(line.split()[1]) for line in file
                          if line.startswith("Anonymous:"))


def servers(site):
    return programs(site.peal.pid, "peal.fcgi") + [site.server.pid]


def connections_to(address):
    """How many connections lighttpd still has to it."""
    raw = socket.inet_aton(address)[::-1].hex().upper()
    with open("/proc/net/tcp") as file:
        return sum(line.split()[2].startswith(raw + ":") and line.split()[3] == "01"
                   for line in file.readlines()[1:])


def streams_of(site):
    return sum(w["streams"] for w in site.status()["workers"])


def numbers(stream, count):
    return [int(e.data.strip('"').split()[0]) for e in stream.take(count)]


def come_back(place, site, cable, last, first, end):
    """Half of them with the address they had, half with another: each gets what it missed."""
    cable.join()
    cable.add(ELSEWHERE)
    back = [subscribe_from(place, site, cable, (CLIENT, ELSEWHERE)[n % 2], since)
            for n, since in enumerate(last)]
    reply = site.publish("a", "%d live" % end)
    for stream in back:
        equal(numbers(stream.opened(), end - first + 1), list(range(first, end + 1)),
              "what was missed, and the next one")
        check(all(e.type != "peal:gap" for e in stream.events), "a gap was told")
    check(reply["subscribers"] <= len(back) + 5, "more subscribers than there are: %r", reply)


@case
def vanished_streams_that_back_up_are_ended_as_stalled(place):
    with two_ends(place, "--workers", "2", "--stall-timeout", "2s", "--heartbeat", "1s",
                  config="server.max-write-idle = 3") as (site, cable):
        healthy = [site.subscribe("a") for _ in range(5)]
        gone = [subscribe_from(place, site, cable, CLIENT).opened() for _ in range(GONE)]
        site.publish("a", "0 before")
        for stream in healthy + gone:
            equal(numbers(stream, 1), [0], "before")
        last = [s.last_event_id for s in gone]
        equal(connections_to(CLIENT), GONE, "connections to the far end")
        before = {pid: own_memory(pid) for pid in servers(site)}

        cable.cut()
        lose(gone)
        filling = "x" * 8000
        for n in range(1, 301):
            site.publish("a", "%d %s" % (n, filling))
            if n % 50 == 0:
                for stream in healthy:
                    equal(numbers(stream, 50), list(range(n - 49, n + 1)), "the healthy ones'")
        for pid, bytes_before in before.items():
            grown = own_memory(pid) - bytes_before
            print("# process %d grew by %d KiB" % (pid, grown >> 10))
            most = LIGHTTPD_GROWTH if pid == site.server.pid else GROWTH
            check(grown < most or place.is_sanitized(), "process %d grew by %d bytes", pid, grown)

        wait_for(lambda: streams_of(site) == len(healthy), "their streams to be ended")
        equal(site.status()["totals"]["stalled"], GONE, "streams that were ended as stalled")
        equal(site.publish("a", "301 x")["subscribers"], len(healthy), "subscribers")
        wait_for(lambda: connections_to(CLIENT) == 0, "lighttpd to let go of them")
        for stream in healthy:
            equal(numbers(stream, 1), [301], "the healthy ones'")
        come_back(place, site, cable, last, 1, 302)


@case
def vanished_streams_with_little_to_say_are_ended_by_the_kernel(place):
    """Heartbeats alone: they fit into the socket, so that nothing seems to stall."""
    set_here("tcp_retries2", 15)
    with two_ends(place, "--workers", "2", "--heartbeat", "1s") as (site, cable):
        healthy = [site.subscribe("a") for _ in range(5)]
        gone = [subscribe_from(place, site, cable, CLIENT).opened() for _ in range(GONE)]
        site.publish("a", 0)
        for stream in healthy + gone:
            equal(numbers(stream, 1), [0], "before")
        last = [s.last_event_id for s in gone]

        cable.cut()
        lose(gone)
        site.publish("a", 1)
        equal(streams_of(site), len(healthy) + GONE, "streams that peal believes in")

        set_here("tcp_retries2", 3)
        wait_for(lambda: streams_of(site) == len(healthy), "their streams to be ended", LIMIT * 2)
        equal(site.status()["totals"]["stalled"], 0, "streams that were ended as stalled")
        equal(site.publish("a", 2)["subscribers"], len(healthy), "subscribers")
        for stream in healthy:
            equal(numbers(stream, 2), [1, 2], "the healthy ones'")
        come_back(place, site, cable, last, 1, 3)


@case
def who_returns_before_anybody_noticed_misses_nothing(place):
    with two_ends(place, "--workers", "2") as (site, cable):
        gone = [subscribe_from(place, site, cable, CLIENT).opened() for _ in range(GONE)]
        site.publish("a", 0)
        for stream in gone:
            equal(numbers(stream, 1), [0], "before")
        last = [s.last_event_id for s in gone]
        cable.cut()
        lose(gone)
        for n in range(1, 40):
            site.publish("a", n)
        equal(streams_of(site), GONE, "streams that peal believes in")
        cable.join()
        cable.add(ELSEWHERE)
        back = [subscribe_from(place, site, cable, (CLIENT, ELSEWHERE)[n % 2], since)
                for n, since in enumerate(last)]
        site.publish("a", 40)
        for stream in back:
            equal(numbers(stream.opened(), 40), list(range(1, 41)), "what was missed, and the next")
        # Whose address is in use again is refused there, and its old stream ended.
        wait_for(lambda: streams_of(site) == GONE, "the old streams to be ended", LIMIT * 2)


if __name__ == "__main__":
    separate()
    run()
