#!/usr/bin/env python3
"""Coming back: exactly what was missed, and a gap event when, and only when, something is lost."""

import json
import os
import threading
import time

from harness import case, check, equal, run, wait_for


def publish_many(site, channel, numbers):
    """One batch; returns the ids."""
    body = "\n".join(json.dumps({"channel": channel, "data": n}) for n in numbers)
    answer = site.post(body, "application/x-ndjson")
    equal(answer.status, 200, "publishing a batch")
    return [e["id"] for e in answer.json()["events"]]


def data(events):
    return [e.data for e in events]


def only_these(site, stream, channel, wanted):
    """The stream brings these, and then what is published now: nothing else between."""
    site.publish(channel, "end")
    equal(data(stream.take(len(wanted) + 1)), wanted + ['"end"'], "events")


def is_gap(event, after):
    equal(event.type, "peal:gap", "the type of the first event (data %r)" % event.data)
    equal(json.loads(event.data)["after"], after, "the gap's after")
    return json.loads(event.data)["from"]


@case
def who_comes_back_gets_exactly_what_was_missed(place):
    site = place.behind_lighttpd("--workers", "2")
    stream = site.subscribe("a")
    site.publish("a", 1)
    site.publish("a", 2)
    stream.take(2)
    stream.close()
    publish_many(site, "a", [3, 4, 5])

    again = site.subscribe("a", since=stream.last_event_id)

    only_these(site, again, "a", ["3", "4", "5"])


@case
def an_own_id_is_a_resume_point(place):
    site = place.behind_lighttpd("--workers", "2")
    for n, own in enumerate(["x", "17", "\u00e9 / %20"]):
        site.post(json.dumps({"channel": ["a", "b"], "data": n, "id": own}))
    for n, own in enumerate(["x", "17", "\u00e9 / %20"]):
        wanted = [str(m) for m in range(n + 1, 3)]
        for channels in (["a"], ["b", "a"]):
            site.publish("c", 1)
            again = site.subscribe(*channels, since=own)
            equal(data(again.take(len(wanted))), wanted, "events after %s" % own)
            again = site.subscribe(*channels, lastEventId=own)
            equal(data(again.take(len(wanted))), wanted, "events after lastEventId=%s" % own)


@case
def an_own_id_that_is_not_kept_is_a_gap(place):
    site = place.behind_lighttpd("--max-events", "2")
    site.post(json.dumps({"channel": "a", "data": 0, "id": "x"}))
    publish_many(site, "a", [1, 2, 3])
    for own in ("x", "never published", "18"):
        again = site.subscribe("a", since=own)
        is_gap(again.next(), own)
        equal(data(again.take(2)), ["2", "3"], "events after %s" % own)


@case
def the_first_id_is_a_cursor_for_who_has_seen_no_event(place):
    site = place.behind_lighttpd()
    site.publish("a", "old")
    stream = site.subscribe("a")
    stream.close()
    check(stream.last_event_id, "no id in the first block: %r", stream.raw)
    site.publish("a", "missed")

    again = site.subscribe("a", since=stream.last_event_id)

    only_these(site, again, "a", ['"missed"'])


@case
def without_a_resume_point_it_is_live_only(place):
    site = place.behind_lighttpd()
    site.publish("a", "old")
    only_these(site, site.subscribe("a"), "a", [])


@case
def nothing_missed_is_nothing_replayed(place):
    site = place.behind_lighttpd()
    last = publish_many(site, "a", range(5))[-1]
    only_these(site, site.subscribe("a", since=last), "a", [])


@case
def every_spelling_of_the_resume_point_is_read(place):
    site = place.behind_lighttpd()
    first = site.publish("a", 1)["id"]
    site.publish("a", 2)
    for name in ("lastEventId", "last_event_id", "lastEventID", "Last-Event-ID", "lastEventTime"):
        stream = site.subscribe("a", **{name: first})
        equal(stream.next().data, "2", name)


@case
def the_header_is_found_before_the_query(place):
    site = place.behind_lighttpd()
    ids = publish_many(site, "a", [1, 2, 3])
    stream = site.subscribe("a", since=ids[1], lastEventId=ids[0])
    equal(stream.next().data, "3", "the first event")


@case
def a_bare_number_is_an_instant(place):
    site = place.behind_lighttpd()
    moment = int(site.publish("a", 1)["id"].split("-")[0])
    wait_for(lambda: time.time() * 1000 > moment + 2, "the clock to move on")
    site.publish("a", 2)
    for fields in ({"since": str(moment + 1)}, {"lastEventTime": str(moment + 1)},
                   {"lastEventTime": "%d.57" % (moment + 1)}):
        equal(site.subscribe("a", **fields).next().data, "2", "the first event after")
    equal(site.subscribe("a", since=str(moment)).next().data, "2",
          "the first event after its own millisecond")


@case
def earliest_asks_for_all_that_is_kept_without_a_gap(place):
    site = place.behind_lighttpd("--max-events", "10")
    publish_many(site, "a", range(30))
    for since in ("earliest", "0", "0-0"):
        stream = site.subscribe("a", since=since)
        equal(data(stream.take(10)), [str(n) for n in range(20, 30)], "all kept, by " + since)


@case
def an_unreadable_resume_point_is_earliest_with_a_gap(place):
    site = place.behind_lighttpd()
    ids = publish_many(site, "a", [1, 2])
    for since in ("garbage", "12-x", "-5", "1779525621000-", "99999999999999999999999-0", "\u00e9"):
        stream = site.subscribe("a", lastEventId=since)
        equal(is_gap(stream.next(), since), ids[0], "the gap's from, for %r" % since)
        equal(data(stream.take(2)), ["1", "2"], "what follows %r" % since)


@case
def a_time_in_seconds_is_a_gap_with_a_hint_and_one_line_in_the_log(place):
    site = place.behind_lighttpd()
    ids = publish_many(site, "a", [1, 2])
    for since in ("1779525621", "1779525621.0412", "99999999999"):
        stream = site.subscribe("a", lastEventTime=since)
        gap = stream.next()
        equal(is_gap(gap, since), ids[0], "the gap's from, for " + since)
        check("seconds" in json.loads(gap.data)["hint"], "no hint: %r", gap.data)
        equal(data(stream.take(2)), ["1", "2"], "what follows " + since)
    with open(site.peal.log) as log:
        lines = [line for line in log if "seconds" in line]
    equal(len(lines), 1, "lines in the log: %r" % lines)
    check("1779525621" in lines[0] and "warning" in lines[0], "the log says %r", lines)


@case
def more_than_max_events_is_a_gap(place):
    site = place.behind_lighttpd("--max-events", "10")
    first = publish_many(site, "a", [0])[0]
    ids = publish_many(site, "a", range(1, 12))

    stream = site.subscribe("a", since=first)

    equal(is_gap(stream.next(), first), ids[1], "the gap's from")
    only_these(site, stream, "a", [str(n) for n in range(2, 12)])


@case
def losing_what_was_seen_is_no_gap(place):
    site = place.behind_lighttpd("--max-events", "10")
    first = publish_many(site, "a", [0])[0]
    publish_many(site, "a", range(1, 11))

    stream = site.subscribe("a", since=first)

    only_these(site, stream, "a", [str(n) for n in range(1, 11)])


@case
def what_another_channel_loses_is_no_gap_here(place):
    site = place.behind_lighttpd("--max-events", "10")
    stream = site.subscribe("a")
    stream.close()
    publish_many(site, "b", range(50))
    site.publish("a", 1)

    again = site.subscribe("a", since=stream.last_event_id)

    only_these(site, again, "a", ["1"])


@case
def one_of_several_channels_with_a_loss_is_a_gap(place):
    site = place.behind_lighttpd("--max-events", "10")
    stream = site.subscribe("a", "b")
    stream.close()
    site.publish("a", "kept")
    publish_many(site, "b", range(11))

    again = site.subscribe("a", "b", since=stream.last_event_id)

    is_gap(again.next(), stream.last_event_id)
    only_these(site, again, "a", ['"kept"'] + [str(n) for n in range(1, 11)])


@case
def age_is_a_gap(place):
    site = place.behind_lighttpd("--max-age", "1s")
    first = site.publish("a", 1)["id"]
    old = site.publish("a", 2)["id"]

    def gap():
        stream = site.subscribe("a", since=first)
        site.publish("a", "new")
        event = stream.next()
        stream.close()
        return event.type == "peal:gap" and event
    event = wait_for(gap, "an event older than --max-age to be gone")

    begins = is_gap(event, first)
    check(tuple(map(int, begins.split("-"))) > tuple(map(int, old.split("-"))),
          "the gap's from %s is not after %s", begins, old)


@case
def a_gap_event_leaves_a_cursor_that_works(place):
    site = place.behind_lighttpd("--max-events", "5")
    first = publish_many(site, "a", [0])[0]
    publish_many(site, "a", range(1, 9))
    stream = site.subscribe("a", since=first)
    is_gap(stream.next(), first)
    stream.take(5)
    stream.close()
    site.publish("a", "missed")

    again = site.subscribe("a", since=stream.last_event_id)

    only_these(site, again, "a", ['"missed"'])


@case
def several_channels_are_replayed_in_one_order(place):
    site = place.behind_lighttpd()
    first = site.publish("a", "first")["id"]
    for n in range(30):
        site.publish("abc"[n % 3], n)

    stream = site.subscribe("c", "a", "b", since=first)

    equal(data(stream.take(30)), [str(n) for n in range(30)], "the order")


@case
def an_event_is_not_replayed_and_delivered_live_too(place):
    site = place.behind_lighttpd("--workers", "2", "--max-events", "5000")
    first = site.publish("a", -1)["id"]
    stop = threading.Event()
    sent = []

    def publisher():
        while not stop.is_set() and len(sent) < 4000:
            site.publish("a", len(sent))
            sent.append(None)
    thread = threading.Thread(target=publisher)
    thread.start()
    try:
        streams = []
        for n in range(30):
            # One joins at each step of the publisher, in the middle of its work.
            wait_for(lambda: len(sent) > n * 5, "the publisher to get on")
            streams.append(site.subscribe("a", since=first))
    finally:
        stop.set()
        thread.join()
    for stream in streams:
        equal(data(stream.take(len(sent))), [str(n) for n in range(len(sent))], "the order")
        equal(len(stream.events), len(sent), "events")


@case
def the_history_outlives_a_restart_of_peal(place):
    peal = place.direct()
    first = peal.publish("a", 1)["id"]
    second = peal.publish("a", 2)["id"]
    equal(peal.process.stop(), [], "left behind")

    peal = place.direct()

    stream = peal.subscribe("a", since=first)
    event = stream.next()
    equal((event.id, event.data), (second, "2"), "the first event")
    third = peal.publish("a", 3)["id"]
    check(tuple(map(int, third.split("-"))) > tuple(map(int, second.split("-"))),
          "ids do not rise over a restart: %s, %s", second, third)


@case
def a_new_arena_is_a_gap_for_older_resume_points(place):
    peal = place.direct()
    old = peal.publish("a", 1)["id"]
    equal(peal.process.stop(), [], "left behind")
    os.unlink(place.arena)
    peal = place.direct()

    stream = peal.subscribe("a", since=old)
    peal.publish("a", 2)

    is_gap(stream.next(), old)
    equal(stream.next().data, "2", "what follows")
    fresh = peal.subscribe("a", since="earliest")
    equal(fresh.next().data, "2", "earliest, without a gap")


@case
def a_replay_longer_than_all_buffers_is_exact(place):
    site = place.behind_lighttpd("--max-events", "2000")
    first = site.publish("a", "first")["id"]
    text = "y" * 10000
    for n in range(20):
        body = "\n".join(json.dumps({"channel": "a", "data": "%d %s" % (n * 50 + m, text)})
                         for m in range(50))
        equal(site.post(body, "application/x-ndjson").status, 200, "a batch")

    stream = site.subscribe("a", since=first)

    events = stream.take(1000)
    equal([int(json.loads(e.data).split()[0]) for e in events], list(range(1000)), "the order")


if __name__ == "__main__":
    run()
