#!/usr/bin/env python3
"""Publishing through lighttpd: every kind of body, and what the reply says."""

import json
import re

from harness import case, check, connect, equal, run
from sse import HttpBody


def first_after(site, channel):
    """The channel's oldest event."""
    return site.subscribe(channel, since="earliest").next()


@case
def the_reply_names_the_id_and_counts_the_subscribers(place):
    site = place.behind_lighttpd()
    site.subscribe("a")
    site.subscribe("a", "b")

    answer = site.post('{"channel":"a","topic":"t","data":1}')

    equal(answer.status, 200, "status")
    equal(answer.headers["content-type"].split(";")[0], "application/json", "type")
    reply = answer.json()
    equal(sorted(reply), ["id", "subscribers"], "members")
    check(re.fullmatch(r"\d+-\d+", reply["id"]), "the id is %r", reply["id"])
    equal(reply["subscribers"], 2, "subscribers")


@case
def ids_rise_strictly(place):
    site = place.behind_lighttpd("--workers", "2")
    ids = [site.publish("ab"[n % 2], n)["id"] for n in range(100)]
    keys = [tuple(map(int, i.split("-"))) for i in ids]
    check(all(a < b for a, b in zip(keys, keys[1:])), "ids do not rise: %r", ids)


@case
def json_data_goes_through_byte_for_byte(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    table = [
        (r"1.0", r"1.0"), (r"1e400", r"1e400"), (r"-0", r"-0"), (r"1E+2", r"1E+2"),
        (r"12345678901234567890123", r"12345678901234567890123"),
        (r"0.1000000000000000055511151231257827", r"0.1000000000000000055511151231257827"),
        (r'"\u00e9"', r'"\u00e9"'), (r'"\/"', r'"\/"'), (r'"a  b"', r'"a  b"'),
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"'), ('"\u00e9"', '"\u00e9"'),
        (r'"a\n\r\tb"', r'"a\n\r\tb"'), (r"null", r"null"), (r"true", r"true"), (r'""', r'""'),
        ('{ "b" : [ 1 , 2.50 ],\r\n\t"a" : { } }', '{"b":[1,2.50],"a":{}}'),
        (r'{"k":1,"k":2}', r'{"k":1,"k":2}'), (r"[ ]", r"[]"),
        (r'{"channel":"x","data":"y"}', r'{"channel":"x","data":"y"}'),
        (r'"\" : { , \\"', r'"\" : { , \\"'),
    ]
    for sent, wanted in table:
        for body in ('{"channel":"a","data":%s}', ' { "data" : %s , "channel" : "a" } '):
            answer = site.post(body % sent)
            equal(answer.status, 200, "status for %s: %r" % (sent, answer.body))
            equal(stream.next().data, wanted, "data %s" % sent)


@case
def unknown_members_are_ignored_and_the_last_duplicate_counts(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    answer = site.post('{"x":[{}],"data":1,"channel":"b","data":2,"channel":"a","z":null}')

    equal(answer.status, 200, "status")
    equal(stream.next().data, "2", "the event")


@case
def a_missing_topic_and_null_are_no_topic(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    for topic in ("", ',"topic":null'):
        equal(site.post('{"channel":"a","data":1%s}' % topic).status, 200, "status")
        equal(stream.next().type, "message", "the type")
    check(b"event:" not in stream.raw.split(b"\n\n", 1)[1], "there is an event line: %r", stream.raw)


@case
def several_channels_get_a_list_in_their_order(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("b")

    reply = site.publish(["c", "b", "a"], {"n": 1}, "t")

    equal([(e["channel"], e["subscribers"]) for e in reply["events"]],
          [("c", 0), ("b", 1), ("a", 0)], "events")
    event = stream.next()
    equal((event.id, event.type, event.data), (reply["events"][1]["id"], "t", '{"n":1}'),
          "the event")


@case
def an_array_is_a_batch(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a", "b")

    answer = site.post('[{"channel":"a","data":1}, {"channel":["b","a"],"topic":"t","data":2}]')

    events = answer.json()["events"]
    equal([e["channel"] for e in events], ["a", "b", "a"], "the reply")
    check(events[0]["id"] != events[1]["id"] == events[2]["id"], "the IDs: %r", events)
    equal([(e.type, e.data) for e in stream.take(2)], [("message", "1"), ("t", "2")], "events")


@case
def an_event_of_two_channels_comes_once_to_who_follows_both(place):
    site = place.behind_lighttpd("--workers", "2")
    both, one = site.subscribe("a", "b"), site.subscribe("b")
    first = site.publish(["a", "b"], 1)["events"]
    equal(first[0]["id"], first[1]["id"], "the ID in b")
    equal([e["subscribers"] for e in first], [1, 2], "subscribers")
    site.publish("a", 2)
    site.publish(["b", "a"], 3)
    equal([e.data for e in both.take(3)], ["1", "2", "3"], "events of both")
    equal([e.data for e in one.take(2)], ["1", "3"], "events of one")

    again = site.subscribe("b", "a", since="earliest")
    site.publish("a", 4)
    equal([e.data for e in again.take(4)], ["1", "2", "3", "4"], "events of the history")


@case
def an_own_id_is_what_subscribers_get(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    bodies = [('{"channel":"a","data":1,"id":"o-1"}', "application/json", "/publish"),
              ('{"channel":"a","data":1,"id":"o-2"}', "application/x-ndjson", "/publish"),
              ("channel=a&data=1&id=o-%C3%A9", "application/x-www-form-urlencoded", "/publish"),
              ("1", "text/plain", "/publish?channel=a&id=o+4")]
    for (body, kind, path), own in zip(bodies, ("o-1", "o-2", "o-\u00e9", "o 4")):
        reply = site.post(body, kind, path).json()
        reply = reply["events"][0] if "events" in reply else reply
        equal(reply["id"], own, "the reply to " + kind)
        event = stream.next()
        equal((event.id, event.data), (own, "1"), "the event of " + kind)


@case
def an_own_id_that_is_kept_is_answered_and_not_stored_again(place):
    site = place.behind_lighttpd("--workers", "2")
    stream = site.subscribe("a")
    body = '{"channel":["a","b"],"data":1,"id":"o-1"}'
    first = site.post(body).json()
    for _ in range(3):
        again = site.post(body).json()
        equal(again, {"events": [dict(e, duplicate=True) for e in first["events"]]}, "the reply")
    alone = site.post('{"channel":"a","data":2,"id":"o-1"}').json()
    equal(alone, {"id": "o-1", "subscribers": 1, "duplicate": True}, "the reply of one channel")

    batch = site.post('[{"channel":"a","data":3},{"channel":"a","data":4,"id":"o-1"}]').json()
    equal(["duplicate" in e for e in batch["events"]], [False, True], "duplicates of the batch")
    equal([e.data for e in stream.take(2)], ["1", "3"], "events")
    equal(place.pealctl("purge", "a").returncode, 0, "purge")
    equal(place.pealctl("purge", "b").returncode, 0, "purge")
    equal(site.post('{"channel":"a","data":5,"id":"o-1"}').json(),
          {"id": "o-1", "subscribers": 1}, "the reply once it is gone")
    equal(stream.next().data, "5", "the event")


@case
def an_own_id_that_means_something_else_is_refused(place):
    site = place.behind_lighttpd()
    for own in ('"earliest"', '"0"', '"1779525621000"', '"1779525621000-0"', '"#x"', '""',
                '" x"', '"a\\nb"', "17", '"%s"' % ("x" * 256)):
        answer = site.post('{"channel":"a","data":1,"id":%s}' % own)
        equal(answer.status, 400, "the status of %s" % own)
        check("id" in answer.json()["detail"], "%s: %r", own, answer.body)
    equal(site.post('{"channel":"a","data":1,"id":"17"}').status, 200, "the status of 17")


@case
def a_batch_of_one_is_answered_as_a_batch(place):
    site = place.behind_lighttpd()
    reply = site.post('[{"channel":"a","data":1}]').json()
    equal([e["channel"] for e in reply["events"]], ["a"], "the reply")


@case
def ndjson_is_a_batch_by_lines(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    answer = site.post('{"channel":"a","data":1}\r\n\n {"channel":"a", "data":[2, 3]}\n'
                       '{"channel":"a","data":"x"}', "application/x-ndjson")

    equal(len(answer.json()["events"]), 3, "events in the reply")
    equal([e.data for e in stream.take(3)], ["1", "[2,3]", '"x"'], "events")


@case
def a_form_publishes_text(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a b")

    answer = site.post("topic=t&channel=a+b&data=1%2B1+%3D%0A%C3%A9%26",
                       "application/x-www-form-urlencoded")

    equal(sorted(answer.json()), ["id", "subscribers"], "members of the reply")
    event = stream.next()
    equal((event.type, event.data), ("t", "1+1 =\n\u00e9&"), "the event")


@case
def a_form_may_repeat_its_channel_in_both_spellings(place):
    site = place.behind_lighttpd()
    for field in ("channel", "channel[]", "channel%5B%5D"):
        answer = site.post("%s=a&data=x&%s=b" % (field, field),
                           "application/x-www-form-urlencoded")
        equal([e["channel"] for e in answer.json()["events"]], ["a", "b"], field)


@case
def an_empty_field_is_data(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    equal(site.post("channel=a&data=", "application/x-www-form-urlencoded").status, 200, "status")
    equal(stream.next().data, "", "the data")


@case
def any_other_body_is_the_data_as_it_is(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    for kind in ("text/plain", "text/plain; charset=utf-8", None, "application/xml"):
        answer = site.post('{"x": 1}  ', kind, "/publish?channel=a&topic=raw")
        equal(answer.status, 200, "status of %s" % kind)
        event = stream.next()
        equal((event.type, event.data), ("raw", '{"x": 1}  '), "the event of %s" % kind)


@case
def a_raw_body_goes_to_several_channels(place):
    site = place.behind_lighttpd()
    answer = site.post("x", "text/plain", "/publish?channel=a&channel=b")
    equal([e["channel"] for e in answer.json()["events"]], ["a", "b"], "the reply")


@case
def the_content_type_is_read_as_http_has_it(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    for kind in ("Application/JSON", "application/json; charset=utf-8", "application/json;x=y"):
        equal(site.post('{"channel":"a","data": 1}', kind).status, 200, kind)
        equal(stream.next().data, "1", kind)


@case
def a_chunked_post_is_read_to_its_end(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    head = (b"POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    decoder, body = HttpBody(), b""
    with connect(site.port) as sock:
        for piece in (head, b"c\r\n{\"channel\":\"\r\n", b"c\r\na\",\"data\":1}\r\n", b"0\r\n\r\n"):
            sock.sendall(piece)
        while not decoder.complete:
            raw = sock.recv(65536)
            check(raw, "no answer")
            body += decoder.feed(raw)
    equal(decoder.status, 200, "status: %r" % body)
    equal(stream.next().data, "1", "the event")


@case
def lengths_that_servers_do_not_know_are_no_lengths(place):
    peal = place.direct()
    stream = peal.subscribe("a")
    for length in (None, "", "-1"):
        answer = peal.ask("POST", '{"channel":"a","data":1}', PEAL_ROLES="publish",
                          CONTENT_TYPE="application/json", CONTENT_LENGTH=length)
        equal(answer.status, 200, "CONTENT_LENGTH=%r: %r" % (length, answer.body))
        equal(stream.next().data, "1", "CONTENT_LENGTH=%r" % length)


@case
def what_is_acknowledged_is_in_the_history(place):
    site = place.behind_lighttpd("--workers", "2")
    for n in range(20):
        name = "c%d" % n
        reply = site.publish(name, n)
        event = first_after(site, name)
        equal((event.id, event.data), (reply["id"], str(n)), "the first event of " + name)


@case
def a_batch_of_a_thousand_is_answered_for_each(place):
    site = place.behind_lighttpd()
    body = "\n".join(json.dumps({"channel": "c%d" % (n % 7), "data": n}) for n in range(1000))
    events = site.post(body, "application/x-ndjson").json()["events"]
    equal([e["channel"] for e in events], ["c%d" % (n % 7) for n in range(1000)], "channels")
    equal(len({e["id"] for e in events}), 1000, "different ids")


if __name__ == "__main__":
    run()
