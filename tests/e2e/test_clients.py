#!/usr/bin/env python3
"""What test_matrix.py does not ask of clients: Apache, a header of their own, and curl."""

import os
import select
import subprocess

from eventsource import Library
from harness import HOST, LIMIT, basic, case, check, equal, query, run
from sse import OWN, EventParser


def url(site, path="/events", **fields):
    return "http://%s:%d%s" % (HOST, site.port, query(path, **fields))


@case
def npm_clients_miss_nothing_when_apache_is_killed(place):
    site = place.behind_apache()
    for name in ("eventsource 3", "fetch-event-source"):
        with Library(place, name, url(site, channel="a")) as client:
            client.wait(lambda: client.opens, "the stream")
            id = site.publish("a", {"n": 1}, "t")["id"]
            client.wait(lambda: client.events, "an event")
            equal(client.events, [("t", '{"n":1}', id)], name)

            site.server.kill()
            client.wait(lambda: client.errors, "the loss to be noticed")
            for n in range(5):
                place.pealctl("publish", "a", "t", str(n))
            site.restart()
            site.publish("a", "end", "t")

            client.wait(lambda: len(client.events) >= 7, "six more")
            equal([data for _, data, _ in client.events[1:]], ["0", "1", "2", "3", "4", '"end"'], name)


@case
def fetch_event_source_sends_an_authorization_header(place):
    place.add_user("alice", "wonder")
    for site in (place.behind_lighttpd(), place.behind_apache()):
        address = url(site, "/mine")
        with Library(place, "fetch-event-source", address, basic("alice", "wonder")) as client:
            client.wait(lambda: client.opens, "the stream")
            site.publish("user-bob", 1, "t")
            site.publish("user-alice", 2, "t")
            client.wait(lambda: client.events, "an event")
            equal(client.events[0][:2], ("t", "2"), "the event")
        with Library(place, "fetch-event-source", address, basic("alice", "wrong")) as client:
            client.wait(lambda: client.closed, "the end of its trying")
            equal(client.errors, [401], "a wrong password")


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
