#!/usr/bin/env python3
"""Subscribing through lighttpd: who gets what, in which bytes."""

import json
import re
import socket
import urllib.parse

from harness import case, check, connect, equal, run, wait_for

ID = r"\d{13}-\d+"


@case
def an_event_reaches_its_subscriber(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    reply = site.publish("a", {"n": 1}, "invitation-created")

    event = stream.next()
    equal((event.type, event.data), ("invitation-created", '{"n":1}'), "the event")
    equal(event.id, reply["id"], "its id")


@case
def an_event_is_one_block_with_its_fields_in_order(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    before = len(stream.raw)

    ids = [site.publish("a", 1, "t")["id"], site.publish("a", 2)["id"]]

    stream.take(2)
    wanted = "id: %s\nevent: t\ndata: 1\n\nid: %s\ndata: 2\n\n" % tuple(ids)
    equal(stream.raw[before:].decode(), wanted, "the bytes")


@case
def only_its_own_channels_reach_a_subscriber(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    equal(site.publish("b", 1)["subscribers"], 0, "subscribers of b")
    site.publish("a", 2)

    equal(stream.next().data, "2", "the first event")


@case
def every_subscriber_gets_the_event(place):
    site = place.behind_lighttpd()
    streams = [site.subscribe("a") for _ in range(25)]

    equal(site.publish("a", "x")["subscribers"], 25, "subscribers")

    equal({s.next().data for s in streams}, {'"x"'}, "what they got")


@case
def several_channels_are_one_stream_in_one_order(place):
    site = place.behind_lighttpd("--workers", "2")
    stream = site.subscribe("a", "b", "c")

    for n in range(60):
        site.publish("abc"[n % 3], n)

    events = stream.take(60)
    equal([int(e.data) for e in events], list(range(60)), "the order")
    keys = [tuple(map(int, e.id.split("-"))) for e in events]
    check(all(a < b for a, b in zip(keys, keys[1:])), "ids do not rise: %r", keys)


@case
def an_event_for_two_channels_of_a_stream_arrives_once(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a", "b")

    ids = {event["id"] for event in site.publish(["a", "b"], 1)["events"]}
    site.publish("a", 2)

    equal([e.data for e in stream.take(2)], ["1", "2"], "events")
    equal(len(ids), 1, "ids of the event")


@case
def a_channel_named_twice_counts_once(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a", "a")

    equal(site.publish("a", 1)["subscribers"], 1, "subscribers")
    site.publish("a", 2)

    equal([e.data for e in stream.take(2)], ["1", "2"], "events")


@case
def sixty_four_channels_are_taken(place):
    site = place.behind_lighttpd()
    names = ["c%d" % n for n in range(64)]
    stream = site.subscribe(*names)

    for name in names:
        site.publish(name, name)

    equal([json.loads(e.data) for e in stream.take(64)], names, "events")


@case
def data_with_line_breaks_is_a_data_line_each(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    before = len(stream.raw)

    answer = site.post(b"one\r\ntwo\rthree\n\nfive", "text/plain", "/publish?channel=a")

    equal(stream.next().data, "one\ntwo\nthree\n\nfive", "the data")
    equal(stream.raw[before:].decode(), "id: %s\ndata: one\ndata: two\ndata: three\n"
          "data: \ndata: five\n\n" % answer.json()["id"], "the bytes")


@case
def channel_names_are_any_utf8_up_to_1024_bytes(place):
    site = place.behind_lighttpd()
    for name in ("\u00e9\u4e16\U0001f514", "with space", "a&b=c%?#/+", "{x}", "n" * 1024,
                 "\u00e9" * 512):
        stream = site.subscribe(name)

        equal(site.publish(name, name)["subscribers"], 1, "subscribers of %r" % name)

        equal(json.loads(stream.next().data), name, "the event of %r" % name)


@case
def channels_may_be_a_list_as_php_writes_it(place):
    site = place.behind_lighttpd()
    for query in ("channel[]=a&channel[]=b", "channel%5B0%5D=a&channel%5B1%5D=b"):
        stream = site.stream("/events?" + query).opened()
        for name in "ab":
            equal(site.publish(name, name)["subscribers"], 1, "subscribers of " + name)
        equal([e.data for e in stream.take(2)], ['"a"', '"b"'], "events of " + query)
        stream.close()
        wait_for(lambda: site.publish("a", 0)["subscribers"] == 0, "the stream to be gone")


@case
def the_channel_parameter_can_be_renamed(place):
    site = place.behind_lighttpd("--channel-param", "invitationIdentifier")
    stream = site.subscribe(invitationIdentifier="i-1", channel="other")

    site.publish("other", 0)
    site.publish("i-1", 1)

    equal(stream.next().data, "1", "the first event")


@case
def events_come_while_the_request_is_http_1_0(place):
    site = place.behind_lighttpd()
    stream = site.stream("/events?channel=a", http="1.0").opened()

    site.publish("a", 1)

    equal(stream.next().data, "1", "the event")


@case
def a_large_event_arrives_whole(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    # Its letters outside ASCII are six bytes each in JSON; 64 KiB is the limit.
    text = "\u00fc0123456789" * 4000

    site.publish("a", text)

    equal(json.loads(stream.next().data), text, "the data")


@case
def a_burst_arrives_in_order(place):
    site = place.behind_lighttpd("--max-events", "10000", "--workers", "2")
    streams = [site.subscribe("a") for _ in range(4)]

    lines = [json.dumps({"channel": "a", "data": n}) for n in range(5000)]
    for at in range(0, 5000, 1000):
        answer = site.post("\n".join(lines[at:at + 1000]), "application/x-ndjson")
        equal(answer.status, 200, "a batch")

    for stream in streams:
        equal([int(e.data) for e in stream.take(5000)], list(range(5000)), "the order")


@case
def a_subscriber_who_never_reads_delays_nobody_and_is_ended(place):
    site = place.behind_lighttpd("--stall-timeout", "2s")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", site.port))
    with deaf:
        deaf.sendall(b"GET /events?channel=a HTTP/1.1\r\nHost: x\r\n\r\n")
        check(deaf.recv(1), "no answer")
        stream = site.subscribe("a")
        equal(site.publish("a", "first")["subscribers"], 2, "subscribers")
        text = "x" * 60000

        # More than all buffers on the way can hold.
        for _ in range(250):
            site.publish("a", text)

        stream.take(251)
        wait_for(lambda: site.publish("a", "?")["subscribers"] == 1, "the deaf one to be ended")


@case
def a_subscriber_who_has_gone_is_not_counted(place):
    site = place.behind_lighttpd()
    stays, goes = site.subscribe("a"), site.subscribe("a")
    equal(site.publish("a", 1)["subscribers"], 2, "subscribers")

    goes.close()

    wait_for(lambda: site.publish("a", 2)["subscribers"] == 1, "the count to fall")
    equal([e.data for e in stays.take(2)], ["1", "2"], "who stays")


@case
def nobody_is_disturbed_by_a_half_sent_request(place):
    site = place.behind_lighttpd()
    with connect(site.place.socket) as half:
        half.sendall(b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01\x04")
        stream = site.subscribe("a")

        site.publish("a", 1)

        equal(stream.next().data, "1", "the event")


@case
def an_id_is_milliseconds_and_a_counter(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    site.publish("a", 1)

    event = stream.next()
    check(re.fullmatch(ID, event.id), "the id is %r", event.id)


@case
def the_query_is_decoded(place):
    site = place.behind_lighttpd()
    stream = site.stream("/events?x=1&channel=" + urllib.parse.quote("a b/\u00e9")
                         + "&channel=c+d&y").opened()

    site.publish("a b/\u00e9", 1)
    site.publish("c d", 2)

    equal([e.data for e in stream.take(2)], ["1", "2"], "events")


if __name__ == "__main__":
    run()
