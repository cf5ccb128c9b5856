#!/usr/bin/env python3
"""What examples/PROXIES.md says to write, in front of a web server with peal."""

from frontend import KEY
from harness import case, check, equal, query, run, wait_for
from proxies import PROXIES, block, plain_nginx, replaced, squid

EVENT = '{"channel":"a","topic":"t","data":1}'

# ---- What is promised of all of them ----------------------------------------

def behind(place, proxy, *options):
    """The site as the proxy shows it; its inner one is the web server's own."""
    inner = place.behind_nginx(*options)
    site = proxy(place, inner)
    site.inner = inner
    return site


def events_arrive_at_once(place, proxy):
    site = behind(place, proxy)
    stream = site.subscribe("a")
    equal(stream.headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    for n in range(5):
        reply = site.inner.publish("a", n, "t")
        event = stream.next()
        equal((event.id, event.type, event.data), (reply["id"], "t", str(n)), "the event")


def who_comes_back_gets_what_was_missed(place, proxy):
    site = behind(place, proxy)
    stream = site.subscribe("a")
    site.inner.publish("a", 0)
    stream.take(1)
    stream.close()
    for n in range(1, 6):
        site.inner.publish("a", n)
    again = site.subscribe("a", since=stream.last_event_id)
    asked = site.subscribe("a", lastEventId=stream.last_event_id)
    for back in (again, asked):
        equal([e.data for e in back.take(5)], [str(n) for n in range(1, 6)], "events")


def publishing_with_a_key_works(place, proxy):
    keys = place.write("keys", KEY + "\n")
    site = behind(place, proxy, "--publish-key-file=" + keys)
    stream = site.subscribe("a")
    key = {"Authorization": "Bearer " + KEY}
    equal(site.post(EVENT, path="/events", headers=key).status, 200, "with the key")
    equal(stream.next().data, "1", "the event")
    answer = site.post(EVENT, path="/events")
    equal(answer.status, 401, "without")
    check(answer.headers["www-authenticate"].startswith("Bearer"), "not Bearer")
    large = '{"channel":"a","data":"%s"}\n' % ("x" * 50000) * 10
    equal(site.post(large, "application/x-ndjson", "/events", key).status, 200, "500 KB")
    stream.take(10)


def a_gone_client_is_noticed(place, proxy):
    site = behind(place, proxy, "--heartbeat=400ms")
    witness = site.inner.subscribe("b")
    gone = site.subscribe("a")
    wait_for(lambda: site.inner.streams() == 2, "both streams")
    gone.close()
    before = len(witness.parser.comments)
    wait_for(lambda: site.inner.streams() == 1, "the count to fall")
    passed = len(witness.parser.comments) - before
    check(passed <= 4, "noticed after %d heartbeats", passed)


def compressed_or_not_it_is_the_same(place, proxy):
    site = behind(place, proxy)
    stream = site.subscribe("a", headers={"Accept-Encoding": "gzip"})
    check("content-encoding" not in stream.headers, "the stream is compressed")
    site.inner.publish("a", 1)
    equal(stream.next().data, "1", "the event")


def enter(name, proxy, promise):
    def with_proxy(place):
        promise(place, proxy)
    with_proxy.__name__ = "%s__%s" % (name, promise.__name__)
    case(with_proxy)


for proxy_name, start_proxy in PROXIES.items():
    for promised in (events_arrive_at_once, who_comes_back_gets_what_was_missed,
                     publishing_with_a_key_works, a_gone_client_is_noticed,
                     compressed_or_not_it_is_the_same):
        enter(proxy_name, start_proxy, promised)

# ---- Why it has to be said --------------------------------------------------

def is_held_back(place, site):
    """What is published does not come, until there is much of it."""
    witness = site.inner.subscribe("a")
    stream = site.stream(query("/events", channel="a"))
    wait_for(lambda: site.inner.publish("a", 0)["subscribers"] == 2, "the stream")
    site.inner.publish("a", "last")
    wait_for(lambda: witness.next().data == '"last"', "the witness")
    equal(stream.raw, b"", "what has arrived")
    wait_for(lambda: site.inner.publish("a", "x" * 1000) and stream.raw, "the buffer to be full")


@case
def without_the_inner_nginx_s_line_events_are_held_back(place):
    inner = place.behind_nginx(edits={"fastcgi_pass_header X-Accel-Buffering;": "",
                                      "fastcgi_pass_header  X-Accel-Buffering;": ""})
    site = plain_nginx(place, inner)
    site.inner = inner
    is_held_back(place, site)


@case
def without_passthru_squid_keeps_the_key(place):
    keys = place.write("keys", KEY + "\n")
    text = replaced(block("Squid"), **{"login=PASSTHRU ": ""})
    site = behind(place, lambda p, inner: squid(p, inner, text), "--publish-key-file=" + keys)
    answer = site.post(EVENT, path="/events", headers={"Authorization": "Bearer " + KEY})
    equal(answer.status, 401, "with the key")


if __name__ == "__main__":
    run(600)
