#!/usr/bin/env python3
"""Bad input: a clear sentence, the right status, and nothing stored."""

import gzip
import json
import urllib.parse

from harness import case, check, equal, is_problem, run

FORM = "application/x-www-form-urlencoded"
NDJSON = "application/x-ndjson"


def nothing_stored(site, *channels):
    """The oldest event of these channels is one that is published now."""
    stream = site.subscribe(*channels, since="earliest")
    site.publish(channels[0], "end")
    equal(stream.next().data, '"end"', "the oldest event")


BAD_JSON = [
    "", " ", "{", '{"channel":"a","data":1', '{"channel":"a","data":1}}',
    '{"channel":"a","data":1} x', '{"channel":"a","data":1},', '{"channel":"a","data":1}{}',
    "{'channel':'a','data':1}", '{"channel":"a","data":NaN}', '{"channel":"a","data":Infinity}',
    '{"channel":"a","data":-Infinity}', '{"channel":"a","data":undefined}',
    '{"channel":"a",/* c */"data":1}', '// c\n{"channel":"a","data":1}',
    '{"channel":"a","data":1,}', '{"channel":"a","data":[1,]}', '{"channel":"a","data":01}',
    '{"channel":"a","data":+1}', '{"channel":"a","data":.5}', '{"channel":"a","data":1.}',
    '{"channel":"a","data":0x10}', '{"channel":"a","data":True}', '{channel:"a","data":1}',
    '{"channel":"a","data":"a\nb"}', '{"channel":"a","data":"a\x01b"}',
    '{"channel":"a","data":"\\x41"}', '{"channel":"a","data":"\\u12"}',
    '{"channel":"a" "data":1}', '{"channel":"a","data"}', '{"channel":"a","data":}',
    '{"channel":"a","data":' + "[" * 100 + "]" * 100 + "}",
    b'{"channel":"a","data":"\xff"}', b'{"channel":"a","data":"\xc0\xaf"}',
    b'{"channel":"a","data":"\xed\xa0\x80"}',
    # JSON, but not an event
    "null", "1", '"a"', "[]", "[1]", "[[]]", "{}",
    '{"channel":"a"}', '{"data":1}', '{"channel":1,"data":1}', '{"channel":null,"data":1}',
    '{"channel":[],"data":1}', '{"channel":[1],"data":1}', '{"channel":["a",""],"data":1}',
    '{"channel":{},"data":1}', '{"channel":"","data":1}', '{"channel":"a\\u0000b","data":1}',
    '{"channel":"a\\nb","data":1}', '{"channel":"\\u007f","data":1}',
    '{"channel":"%s","data":1}' % ("a" * 1025), '{"channel":"\\ud800","data":1}',
    '{"channel":"a","topic":1,"data":1}', '{"channel":"a","topic":"a\\nb","data":1}',
    '{"channel":"a","topic":"a\\rb","data":1}', '{"channel":"a","topic":"peal:gap","data":1}',
    '{"channel":"a","topic":"peal:","data":1}', '{"channel":"a","topic":"error","data":1}',
    '{"channel":"a","topic":"op\\u0065n","data":1}', '{"channel":"a","topic":[],"data":1}',
    '[{"channel":"a","data":1},{"channel":"a"}]',
]


@case
def bad_json_is_400_and_stores_nothing(place):
    site = place.behind_lighttpd()
    for body in BAD_JSON:
        is_problem(site.post(body), 400, "%r" % body[:70])
    nothing_stored(site, "a")


@case
def a_type_says_what_is_wrong(place):
    site = place.behind_lighttpd()
    table = [
        ("{", "bad-json"), ('"a"', "bad-event"), ("[7]", "bad-event"), ("[]", "no-event"),
        ('{"data":1}', "no-channel"), ('{"channel":"","data":1}', "bad-channel"),
        ('{"channel":1,"data":1}', "bad-channel"), ('{"channel":"a"}', "no-data"),
        ('{"channel":"a","topic":1,"data":1}', "bad-topic"),
        ('[{"channel":"a","topic":"peal:x","data":1}]', "bad-topic"),
    ]
    for body, kind in table:
        is_problem(site.post(body), 400, body, kind)
    is_problem(site.post(b"\xff", "text/plain", "/publish?channel=a"), 400, "a byte", "not-utf8")
    is_problem(site.post("x", "multipart/form-data"), 415, "multipart", "media-type")
    is_problem(site.get("/events"), 400, "nothing", "no-channel")
    many = "&".join("channel=c%d" % n for n in range(65))
    is_problem(site.get("/events?" + many), 400, "65", "too-many-channels")


@case
def a_bad_event_spoils_its_batch_and_is_named(place):
    site = place.behind_lighttpd()
    good = '{"channel":"a","data":1}'
    for bad in ('{"channel":"a"}', '{"channel":"","data":1}', "7"):
        problem = is_problem(site.post("[%s,%s,%s,%s]" % (good, good, bad, good)), 400, bad)
        check("2" in problem["detail"], "the index 2 is not named: %r", problem["detail"])
        problem = is_problem(site.post("\n".join([good, good, bad, good]), NDJSON), 400, bad)
        check("2" in problem["detail"], "the index 2 is not named: %r", problem["detail"])
    for body in ('%s\n{"channel":"a","data":' % good, good + "\n}", "%s %s" % (good, good),
                 "\n\n", "[%s]" % good):
        is_problem(site.post(body, NDJSON), 400, "%r as NDJSON" % body)
    nothing_stored(site, "a")


@case
def bad_forms_and_raw_bodies_store_nothing(place):
    site = place.behind_lighttpd()
    table = [
        (FORM, "/publish", "", 400), (FORM, "/publish", "channel=a", 400),
        (FORM, "/publish", "data=1", 400), (FORM, "/publish", "channel=&data=1", 400),
        (FORM, "/publish", "channel=a&channel=&data=1", 400),
        (FORM, "/publish", "channel=a%00&data=1", 400),
        (FORM, "/publish", "channel=a&data=%ff", 400),
        (FORM, "/publish", "channel=%c3%28&data=1", 400),
        (FORM, "/publish", "channel=a&topic=x%0Ay&data=1", 400),
        (FORM, "/publish", "channel=a&topic=peal:x&data=1", 400),
        (FORM, "/publish", "channel=a&topic=open&data=1", 400),
        (FORM, "/publish", "channel=%s&data=1" % ("a" * 1025), 400),
        ("text/plain", "/publish", "x", 400), ("text/plain", "/publish?channel=", "x", 400),
        ("text/plain", "/publish?channel=a&topic=peal:x", "x", 400),
        ("text/plain", "/publish?channel=a&topic=error", "x", 400),
        ("text/plain", "/publish?channel=a", b"\xff", 400),
        ("text/plain", "/publish?channel=a", b"\xe2\x82", 400),
        ("multipart/form-data; boundary=x", "/publish?channel=a",
         '--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n1\r\n--x--\r\n', 415),
    ]
    for kind, path, body, status in table:
        is_problem(site.post(body, kind, path), status, "%r to %s as %s" % (body[:60], path, kind))
    nothing_stored(site, "a")


@case
def a_compressed_body_is_415_and_stores_nothing(place):
    site = place.behind_lighttpd()
    event = '{"channel":"a","data":1}'
    for coding in ("gzip", "identity, br"):
        answer = site.post(gzip.compress(event.encode()), "application/json",
                           headers={"Content-Encoding": coding})
        is_problem(answer, 415, coding)
        check(coding.split()[-1] in answer.json()["detail"], "the coding is not named: %r", answer.body)
        equal(answer.headers.get("accept-encoding"), "identity", "Accept-Encoding")
    nothing_stored(site, "a")
    answer = site.post(event, "application/json", headers={"Content-Encoding": "identity"})
    equal(answer.status, 200, "the status of identity")


@case
def what_is_too_large_is_413(place):
    site = place.behind_lighttpd("--max-event-size", "1000", "--max-body", "4K")
    fits, too_large = "x" * 998, "x" * 999
    is_problem(site.post(json.dumps({"channel": "a", "data": too_large})), 413, "a string",
               "event-too-large")
    is_problem(site.post("x" * 1001, "text/plain", "/publish?channel=a"), 413, "a raw body")
    is_problem(site.post("channel=a&data=" + "x" * 1001, FORM), 413, "a form")
    is_problem(site.post("x" * 4097, "text/plain", "/publish?channel=a"), 413, "a body", "too-large")
    is_problem(site.post(" " * 4097 + '{"channel":"a","data":1}'), 413, "a padded body")
    batch = [{"channel": "a", "data": 1}, {"channel": "a", "data": too_large}]
    is_problem(site.post(json.dumps(batch)), 413, "a batch")
    nothing_stored(site, "a")
    site.publish("b", fits)


@case
def a_body_over_the_limit_is_413_also_when_its_length_is_not_told(place):
    peal = place.direct("--max-body", "2K")
    for length in (None, "-1", "10000"):
        answer = peal.ask("POST", "x" * 10000, query_string="channel=a", PEAL_ROLES="publish",
                          CONTENT_TYPE="text/plain", CONTENT_LENGTH=length)
        is_problem(answer, 413, "CONTENT_LENGTH=%r" % length)
    nothing_stored(peal, "a")


@case
def a_body_shorter_than_its_length_stores_nothing(place):
    peal = place.direct()
    answer = peal.ask("POST", '{"channel":"a","data":1}', PEAL_ROLES="publish",
                      CONTENT_TYPE="application/json", CONTENT_LENGTH="100")
    is_problem(answer, 400, "a body that was cut", "incomplete-body")
    nothing_stored(peal, "a")


@case
def bad_subscriptions_are_400(place):
    site = place.behind_lighttpd()
    many = "&".join("channel=c%d" % n for n in range(65))
    table = ["", "channel", "channel=", "Channel=a", "x=a", "channel=a&channel=", many,
             "channel=" + "a" * 1025, "channel=" + urllib.parse.quote("\u00e9" * 513)]
    for text in table:
        is_problem(site.get("/events" + ("?" + text if text else "")), 400, "%r" % text[:60])


@case
def control_characters_and_bad_utf8_in_the_query_are_400(place):
    # lighttpd refuses them itself; other servers do not.
    peal = place.direct()
    for text in ("a%00b", "a%0Ab", "%7F", "%1F", "%0D", "%FF", "%C3%28", "%ED%A0%80"):
        is_problem(peal.ask(query_string="channel=" + text), 400, text)
        for fields in ("channel=%s", "channel=a&topic=%s"):
            answer = peal.ask("POST", "x", query_string=fields % text, CONTENT_TYPE="text/plain",
                              PEAL_ROLES="publish")
            is_problem(answer, 400, fields % text)
    nothing_stored(peal, "a")


@case
def an_unknown_path_is_404(place):
    site = place.behind_lighttpd()
    for path in ("/events/nothing", "/events/status/x", "/publish/x", "/events/x?channel=a"):
        is_problem(site.get(path), 404, path, "not-found")


@case
def an_unknown_method_is_405_and_says_what_is_allowed(place):
    site = place.behind_lighttpd()
    for method in ("PUT", "DELETE", "PATCH"):
        for path in ("/events?channel=a", "/publish"):
            answer = site.ask(method, path, b"x" if method != "DELETE" else None)
            is_problem(answer, 405, method, "method")
            allowed = {word.strip() for word in answer.headers.get("allow", "").split(",")}
            check({"GET", "POST"} <= allowed, "Allow: %r", answer.headers.get("allow"))
    nothing_stored(site, "a")


@case
def below_the_mount_nobody_is_told_to_post(place):
    site = place.behind_lighttpd()
    for path in ("/publish/status", "/publish/metrics"):
        refused = site.ask("POST", path, b"x")
        is_problem(refused, 405, path)
        for answer in (refused, site.ask("OPTIONS", path)):
            equal(answer.headers.get("allow"), "GET, HEAD, OPTIONS", "Allow of " + path)


@case
def a_post_to_the_status_is_not_published(place):
    site = place.behind_lighttpd()
    answer = site.post('{"channel":"a","data":1}', path="/publish/status")
    check(answer.status in (403, 404, 405), "status %d", answer.status)
    nothing_stored(site, "a")


@case
def what_the_client_sent_cannot_break_the_problem(place):
    site = place.behind_lighttpd()
    for name in ('"', "\\", "</script>", "\u00e9", "a" * 300):
        body = json.dumps({"channel": "a", "topic": "peal:" + name, "data": 1}, ensure_ascii=False)
        is_problem(site.post(body), 400, repr(name))
        is_problem(site.get("/events/" + urllib.parse.quote(name)), 404, repr(name))


if __name__ == "__main__":
    run()
