#!/usr/bin/env python3
"""Under Apache's mod_fcgid, where a process holds one stream."""

import json
import os
import signal

from harness import basic, case, check, equal, is_problem, programs, query, run, wait_for

EVENT = '{"channel":"a","topic":"t","data":1}'


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
def the_headers_and_each_event_leave_at_once(place):
    site = place.behind_apache()
    stream = site.subscribe("a")
    equal(stream.headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    for n in range(5):
        site.publish("a", n)
        equal(stream.next().data, str(n), "the event")


@case
def who_comes_back_gets_what_was_missed(place):
    site = place.behind_apache()
    stream = site.subscribe("a")
    site.publish("a", 0)
    stream.take(1)
    stream.close()
    for n in range(1, 6):
        site.publish("a", n)

    again = site.subscribe("a", since=stream.last_event_id)

    site.publish("a", 6)
    equal([e.data for e in again.take(6)], [str(n) for n in range(1, 7)], "events")


@case
def publishing_works_while_the_subscribers_class_is_full(place):
    site = place.behind_apache(streams=4)
    streams = [site.subscribe("a") for _ in range(4)]
    late = site.stream("/events?channel=a")

    for n in range(3):
        equal(site.publish("a", n)["subscribers"], 4, "subscribers")

    for stream in streams:
        equal([e.data for e in stream.take(3)], ["0", "1", "2"], "events")
    equal(sum(w["streams"] for w in site.status()["workers"]), 4, "streams in the status")
    check(late.status is None, "the class was not full: the fifth got %s", late.status)


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
def errors_come_through(place):
    site = place.behind_apache()
    for answer, status in ((site.get("/events"), 400), (site.post("{"), 400),
                           (site.post(EVENT, path="/events"), 403),
                           (site.get("/publish?channel=a"), 403),
                           (site.get("/events/nothing"), 404),
                           (site.ask("DELETE", "/events"), 405)):
        is_problem(answer, status, "through Apache")


@case
def every_kind_of_body_is_taken(place):
    site = place.behind_apache()
    stream = site.subscribe("a")
    form = "application/x-www-form-urlencoded"
    for body, kind, path in (
            (EVENT, "application/json", "/publish"), (EVENT, "application/x-ndjson", "/publish"),
            ("channel=a&topic=t&data=1", form, "/publish"),
            ("1", "text/plain", "/publish?channel=a&topic=t")):
        equal(site.post(body, kind, path).status, 200, kind)
        event = stream.next()
        equal((event.type, event.data), ("t", "1"), kind)


@case
def the_status_and_the_metrics_are_there(place):
    site = place.behind_apache()
    site.subscribe("a")
    equal(sum(w["streams"] for w in site.status()["workers"]), 1, "streams")
    equal(site.get(query("/events/metrics")).status, 200, "the metrics")


@case
def everybody_has_a_channel_of_their_own_at_mine(place):
    place.add_user("alice", "wonder")
    place.add_user("bob", "builder")
    site = place.behind_apache()
    equal(site.get("/mine").status, 401, "without a name")
    alice = site.subscribe("user-bob", path="/mine", headers=basic("alice", "wonder"))
    bob = site.subscribe(path="/mine", headers=basic("bob", "builder"))
    for name in ("alice", "bob"):
        equal(site.publish("user-" + name, name)["subscribers"], 1, "subscribers of " + name)
    equal(json.loads(alice.next().data), "alice", "what alice gets")
    equal(json.loads(bob.next().data), "bob", "what bob gets")


@case
def a_header_cannot_set_what_the_configuration_sets(place):
    site = place.behind_apache()
    for name in ("PEAL_ROLES", "Peal-Roles"):
        answer = site.post(EVENT, path="/events", headers={name: "publish"})
        equal(answer.status, 403, "status with the header " + name)


@case
def apache_stops_and_nothing_is_left(place):
    site = place.behind_apache()
    for _ in range(5):
        site.subscribe("a")
    site.publish("a", 1)
    equal(len(processes(site)), 6, "processes")
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


if __name__ == "__main__":
    run()
