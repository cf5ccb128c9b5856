#!/usr/bin/env python3
"""examples/haproxy.cfg."""

from frontend import ABOUT_THE_BACKEND, Front, suite
from harness import Place, basic, case, check, equal, query, run

FACTS = {
    "heartbeats": 1,
    "impatient": {"timeout server 60s": "timeout server 1s"},
    "reload_cuts": {},
    "when_away": "come back",
    # More than its buffer holds, and FastCGI wants to know the length first.
    "large_chunks": 400,
    "compressing": {"edits": {"timeout connect 5s": "timeout connect 5s\n"
                              "    compression algo gzip\n"
                              "    compression type text/html text/event-stream"}},
    "files": False,
    # It compresses no page of its own.
    "page": "/events/status",
}
# HAProxy asks what peal can do, and shares connections as far as it may.
SHARING = {
    "    set-param PEAL_ROLES %": "    option mpxs-conns\n    set-param PEAL_ROLES %",
    "    use-fcgi-app peal\n": "    use-fcgi-app peal\n    http-reuse always\n"}
ASKING = dict(SHARING, **{"    pass-header": "    option get-values\n    pass-header"})
# Several requests on one connection; one thread, so that they meet there.
MULTIPLEXING = {
    "    maxconn 8192": "    nbthread 1\n    maxconn 8192",
    "    set-param PEAL_ROLES %": "    option mpxs-conns\n    option max-reqs 100\n"
                                  "    set-param PEAL_ROLES %"}

suite(Front("haproxy", Place.behind_haproxy, **FACTS))
suite(Front("haproxy_that_asks", Place.behind_haproxy, more={"edits": ASKING}, **FACTS),
      *ABOUT_THE_BACKEND)


@case
def haproxy_that_asks_gives_each_stream_a_connection(place):
    site = place.behind_haproxy(edits=dict(ASKING, **MULTIPLEXING))
    streams = [site.subscribe("a") for _ in range(5)]
    equal(site.publish("a", 1)["subscribers"], 5, "subscribers")
    for stream in streams:
        equal(stream.next().data, "1", "the event")


@case
def a_second_request_on_its_connection_does_not_end_a_stream(place):
    site = place.behind_haproxy("--heartbeat=300ms", edits=dict(
        SHARING, **MULTIPLEXING, **{"timeout server 60s": "timeout server 2s"}))
    stream = site.subscribe("a")
    late = site.stream(query("/events", channel="a"))
    # HAProxy does not hear that peal has refused it.
    late.wait(lambda: late.closed, "the second to be told to come back")
    check(late.status == 200 and late.raw.startswith(b"retry: "), "it is told %r", late.raw)
    equal(site.publish("a", 1)["subscribers"], 1, "subscribers")
    equal(stream.next().data, "1", "the event")


@case
def without_http_auth_any_name_is_believed(place):
    # Why the file says to keep it together with PEAL_CHANNEL.
    place.add_user("alice", "wonder")
    site = place.behind_haproxy(edits={
        "http-request auth realm peal if mine !{ http_auth(peal) }": ""})
    site.subscribe(path="/mine", headers=basic("alice", "anything"))
    equal(site.publish("user-alice", 1)["subscribers"], 1, "subscribers of alice's channel")


if __name__ == "__main__":
    run()
