#!/usr/bin/env python3
"""What surrounds the events: headers, first bytes, heartbeats, polite ends."""

import re

from harness import case, check, equal, run, wait_for

FIRST = re.compile(rb"retry: (\d+)\nid: (\d+-\d+)\nevent: peal:open\ndata: {}\n\n")
BUSY = rb"retry: \d+\n%sevent: peal:busy\ndata: {\"reason\":\"%s\"}\n\n"
SHOP = "https://shop.example"


@case
def a_stream_has_its_headers(place):
    site = place.behind_lighttpd()
    headers = site.subscribe("a").headers
    equal(headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    equal(headers["cache-control"], "no-cache, no-transform", "Cache-Control")
    equal(headers["x-accel-buffering"], "no", "X-Accel-Buffering")
    cors = [name for name in headers if name.startswith("access-control-")]
    equal(cors, [], "CORS headers, without being asked for")


@case
def the_first_block_is_an_event_with_retry_and_id(place):
    site = place.behind_lighttpd()
    first = FIRST.fullmatch(site.subscribe("a").raw)
    check(first, "not as promised")
    equal(first.group(1), b"3000", "retry")


@case
def retry_can_be_set(place):
    site = place.behind_lighttpd("--retry", "1500ms")
    equal(site.subscribe("a").parser.retry, 1500, "retry")


@case
def silence_is_broken_by_heartbeats(place):
    site = place.behind_lighttpd("--heartbeat", "1s")
    stream = site.subscribe("a")
    stream.wait(lambda: len(stream.parser.comments) >= 3, "three heartbeats")
    check(re.fullmatch(rb"(:\n){3,}", stream.raw.split(b"\n\n", 1)[1]), "heartbeats are %r",
          stream.raw)
    site.publish("a", 1)
    equal(stream.next().data, "1", "the event after")


@case
def a_page_can_ask_for_heartbeats_that_it_sees(place):
    site = place.behind_lighttpd("--heartbeat", "1s")
    last = site.publish("a", 1)["id"]
    for fields in ({"beat": "1"}, {"beat": ""}):
        stream = site.subscribe("a", since=last, **fields)
        stream.wait(lambda: len(stream.own) >= 4, "three beats")
        check(re.fullmatch(rb"(event: peal:beat\ndata: {}\n\n){3,}",
                           stream.raw.split(b"\n\n", 1)[1]), "beats are %r", stream.raw)
        equal(stream.last_event_id, last, "the resume point after them")


@case
def head_has_the_headers_alone(place):
    site = place.behind_lighttpd()
    answer = site.ask("HEAD", "/events?channel=a")
    equal(answer.status, 200, "status")
    equal(answer.headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    equal(answer.body, b"", "the body")
    equal(site.publish("a", 1)["subscribers"], 0, "subscribers")
    equal(site.ask("HEAD", "/events").status, 400, "status without a channel")


@case
def options_is_204_and_allows_what_is_needed(place):
    site = place.behind_lighttpd("--cors-origin", SHOP)
    answer = site.ask("OPTIONS", "/events?channel=a", headers={
        "Origin": SHOP, "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "last-event-id"})
    equal(answer.status, 204, "status")
    equal(answer.body, b"", "the body")
    equal(answer.headers.get("access-control-allow-origin"), SHOP, "the origin")
    allowed = {w.strip().lower() for w in
               answer.headers.get("access-control-allow-headers", "").split(",")}
    check({"last-event-id", "authorization", "content-type"} <= allowed, "allowed: %r", allowed)
    methods = answer.headers.get("access-control-allow-methods", "")
    check("GET" in methods and "POST" in methods, "methods: %r", methods)
    stranger = site.ask("OPTIONS", "/events", headers={"Origin": "https://evil.example"})
    equal(stranger.status, 204, "a stranger's status")
    check("access-control-allow-origin" not in stranger.headers, "a stranger is allowed")


@case
def a_named_origin_may_read_with_credentials(place):
    site = place.behind_lighttpd("--cors-origin", SHOP, "--cors-origin", "https://b.example")
    for origin in (SHOP, "https://b.example"):
        headers = site.subscribe("a", headers={"Origin": origin}).headers
        equal(headers.get("access-control-allow-origin"), origin, "the origin")
        equal(headers.get("access-control-allow-credentials"), "true", "credentials")
        check("origin" in headers.get("vary", "").lower(), "Vary: %r", headers.get("vary"))
    for origin in ("https://evil.example", SHOP + ".evil.example", "null", SHOP + ":444"):
        headers = site.subscribe("a", headers={"Origin": origin}).headers
        check("access-control-allow-origin" not in headers, "%s is allowed", origin)
        check("access-control-allow-credentials" not in headers, "%s has credentials", origin)


@case
def any_origin_may_read_but_never_with_credentials(place):
    site = place.behind_lighttpd("--cors-origin", "*")
    headers = site.subscribe("a", headers={"Origin": SHOP}).headers
    equal(headers.get("access-control-allow-origin"), "*", "the origin")
    check("access-control-allow-credentials" not in headers, "credentials with *")
    error = site.ask("GET", "/events", headers={"Origin": SHOP})
    equal((error.status, error.headers.get("access-control-allow-origin")), (400, "*"),
          "an error can be read, too")


@case
def too_many_streams_are_refused_politely(place):
    site = place.behind_lighttpd("--max-streams", "2")
    first = site.subscribe("a")
    site.subscribe("a")

    last = site.publish("a", 0)["id"]

    refused = site.stream("/events?channel=a")

    equal(refused.left(), ("peal:busy", "full"), "the refusal")
    check(re.fullmatch(BUSY % (b"id: %s\n" % last.encode(), b"full"), refused.raw), "it is %r",
          refused.raw)
    check(refused.headers["content-type"].startswith("text/event-stream"), "the type is %r",
          refused.headers["content-type"])
    for asked in ({"headers": {"Last-Event-ID": last}}, {"path": "/events?channel=a&lastEventTime=1"}):
        other = site.stream(**{"path": "/events?channel=a", **asked})
        equal(other.left(), ("peal:busy", "full"), "the refusal")
        check(re.fullmatch(BUSY % (b"", b"full"), other.raw), "it is %r", other.raw)
    equal(site.publish("a", 1)["subscribers"], 2, "subscribers")
    first.close()
    wait_for(lambda: site.publish("b", 0) and site.streams() == 1, "the first to be noticed as gone")

    # Who had no resume point was given one, and has missed nothing while it waited.
    again = site.subscribe("a", since=refused.last_event_id)
    equal(again.next().data, "1", "what was published meanwhile")
    site.publish("a", 2)
    equal(again.next().data, "2", "the event after")


@case
def a_stream_ends_politely_at_its_age(place):
    site = place.behind_lighttpd("--max-stream-age", "2s")
    stream = site.subscribe("a")
    site.publish("a", 1)
    stream.take(1)

    equal(stream.left(), ("peal:end", "age"), "the end")

    site.publish("a", 2)
    equal(site.subscribe("a", since=stream.last_event_id).next().data, "2", "after coming back")


@case
def the_retries_of_an_ending_are_jittered(place):
    peal = place.direct()
    streams = [peal.subscribe("a") for _ in range(20)]

    peal.process.signal(15)

    for stream in streams:
        equal(stream.left(), ("peal:end", "stopping"), "the end")
    check(len({s.parser.retry for s in streams}) > 1, "all come back at the same moment: %r",
          streams[0].parser.retry)


@case
def the_web_server_may_ask_without_request_uri(place):
    peal = place.direct()
    stream = peal.subscribe("a", REQUEST_URI=None)
    equal(peal.ask(path="/events", PATH_INFO="/status", REQUEST_URI=None,
                   PEAL_ROLES="status").status, 200, "the status")
    peal.publish("a", 1, REQUEST_URI=None)
    equal(stream.next().data, "1", "the event")


if __name__ == "__main__":
    run()
