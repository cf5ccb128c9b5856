#!/usr/bin/env python3
"""examples/apache-mod_fcgid.conf, where a process holds one stream."""

import os
import signal

from frontend import Front, suite
from harness import Place, case, check, equal, programs, run, wait_for

suite(Front(
    "mod_fcgid", Place.behind_apache,
    spawned=True,
    php={},
    too_large=500,
    impatient={"FcgidIOTimeout 60": "FcgidIOTimeout 1"},
    reload_cuts={},
    aging={"edits": {"FcgidBusyTimeout 300": "FcgidBusyTimeout 3\nFcgidBusyScanInterval 1",
                     "--max-stream-age 280s": "--max-stream-age 1s"}},
    http2={"modules": ["http2"], "edits": {"Protocols http/1.1": "Protocols h2c http/1.1"}},
    http2_streams=6,
    http2_replaces=False,
    careless={"SetEnv no-gzip 1": "", "SetEnv no-brotli 1": ""},
    compressing={"modules": ["filter", "deflate"], "edits": {
        "TypesConfig ": "AddOutputFilterByType DEFLATE text/html text/event-stream\nTypesConfig "}}))


def processes(site):
    return programs(site.server.pid, "peal.fcgi")


@case
def two_processes_hear_each_others_broadcasts(place):
    site = place.behind_apache()
    streams = [site.subscribe("a"), site.subscribe("a")]
    # One for each stream; the publisher comes third.
    equal(len(processes(site)), 2, "processes")

    reply = site.publish("a", {"n": 1}, "t")

    equal(reply["subscribers"], 2, "subscribers")
    for stream in streams:
        event = stream.next()
        equal((event.id, event.type, event.data), (reply["id"], "t", '{"n":1}'), "the event")
    equal(len(processes(site)), 3, "processes")


@case
def publishing_works_while_the_subscribers_class_is_full(place):
    site = place.behind_apache("--heartbeat=300ms", streams=3)
    streams = [site.subscribe("a") for _ in range(3)]
    late = site.stream("/events?channel=a")

    for n in range(3):
        equal(site.publish("a", n)["subscribers"], 3, "subscribers")

    for stream in streams:
        equal([e.data for e in stream.take(3)], ["0", "1", "2"], "events")
    equal(site.streams(), 3, "streams in the status")
    check(late.status is None, "the class was not full: the fourth got %s", late.status)
    streams[0].close()
    late.opened()


@case
def a_process_serves_the_next_stream_when_its_first_has_gone(place):
    site = place.behind_apache(streams=2)
    first, second = site.subscribe("a"), site.subscribe("a")
    first.close()
    # Apache notices that a client has gone when it writes to it.
    wait_for(lambda: site.publish("a", 1)["subscribers"] == 1, "the first to be noticed as gone")

    third = site.subscribe("a")

    equal(site.publish("a", 2)["subscribers"], 2, "subscribers")
    equal(third.next().data, "2", "the event")
    check(not second.closed, "the second has lost its stream")


@case
def apache_stops_and_nothing_is_left(place):
    site = place.behind_apache()
    for _ in range(2):
        site.subscribe("a")
    site.publish("a", 1)
    equal(len(processes(site)), 3, "processes")
    equal(site.server.stop(30), [], "left behind")


@case
def a_killed_process_takes_only_its_own_stream(place):
    site = place.behind_apache()
    streams = [site.subscribe("a") for _ in range(3)]
    site.publish("a", 0)
    for stream in streams:
        stream.take(1)
    victim = [w["pid"] for w in site.status()["workers"] if w["streams"] == 1][0]

    os.kill(victim, signal.SIGKILL)

    wait_for(lambda: any(s.closed for s in streams), "its stream to end")
    wait_for(lambda: site.publish("a", 1)["subscribers"] == 2, "the count to fall")
    equal(sum(s.closed for s in streams), 1, "streams that ended")
    for stream in streams:
        if not stream.closed:
            equal(stream.next().data, "1", "the event")


@case
def a_stream_that_outlives_busytimeout_is_ended_politely_too(place):
    # mod_fcgid puts an error page into the stream of a program that dies of its SIGTERM.
    site = place.behind_apache("--heartbeat=300ms", edits={
        "FcgidBusyTimeout 300": "FcgidBusyTimeout 1\nFcgidBusyScanInterval 1",
        "--max-stream-age 280s": ""})
    stream = site.subscribe("a")
    equal(stream.left(), ("peal:end", "stopping"), "the end")
    check(b"<" not in stream.raw, "an error page in the stream: %r", stream.raw)


if __name__ == "__main__":
    run()
