#!/usr/bin/env python3
"""examples/apache-mod_proxy_fcgi.conf."""

import os
import signal

from frontend import ABOUT_THE_BACKEND, Front, suite
from harness import Http2Stream, Place, case, check, equal, query, run, wait_for

DEFLATE = {"TypesConfig ": "AddOutputFilterByType DEFLATE text/html text/event-stream\nTypesConfig "}
FACTS = {
    "impatient": {"ProxyTimeout 60": "ProxyTimeout 1"},
    "tells_mount": False,
    "http2": {"modules": ["http2"], "edits": {"Protocols http/1.1": "Protocols h2c http/1.1"}},
    "http2_streams": 6,
    "http2_replaces": False,
    "careless": {"SetEnv no-gzip 1": "", "SetEnv no-brotli 1": ""},
    "compressing": {"modules": ["filter", "deflate"], "edits": DEFLATE},
}
suite(Front("mod_proxy_fcgi", Place.behind_mod_proxy_fcgi, **FACTS))
suite(Front("mod_proxy_fcgi_reuse", Place.behind_mod_proxy_fcgi,
            more={"edits": {"enablereuse=off": "enablereuse=on"}}, **FACTS), *ABOUT_THE_BACKEND)


@case
def over_http2_the_seventh_request_waits_for_one_of_six_streams_to_end(place):
    # Why the file keeps to HTTP/1.1.
    site = place.behind_mod_proxy_fcgi("--heartbeat=300ms", **FACTS["http2"])
    connection = site.http2()
    streams = [site.http2_stream(connection, "a") for _ in range(6)]
    page = Http2Stream(connection, "/demo.html", {})
    late = Http2Stream(connection, query("/events", channel="a"), {})
    for n in range(3):
        equal(site.publish("a", n)["subscribers"], 6, "subscribers")
        for stream in streams:
            equal(stream.next().data, str(n), "the event")
    equal((page.status, late.status), (None, None), "status of a page and of a seventh stream")
    for stream in streams:
        stream.close()
    late.opened()
    check(page.status == 200, "the page: %s", page.status)


@case
def a_client_hears_at_once_that_its_stream_broke_off(place):
    # Not only when Apache would close an idle connection.
    site = place.behind_mod_proxy_fcgi(edits={"ProxyTimeout 60": "ProxyTimeout 60\nKeepAliveTimeout 900"})
    stream = site.subscribe("a")
    os.kill([w["pid"] for w in site.status()["workers"] if w["streams"]][0], signal.SIGKILL)
    stream.wait(lambda: stream.closed, "the end of the stream")
    check(not stream.complete, "it was ended properly")


@case
def peal_refuses_those_for_whom_apache_has_no_threads(place):
    site = place.behind_mod_proxy_fcgi("--max-streams=5", edits={
        "ThreadsPerChild      64": "ThreadsPerChild 7", "ServerLimit          32": "ServerLimit 1",
        "MaxRequestWorkers    2048": "MaxRequestWorkers 7"})
    streams = [site.subscribe("a") for _ in range(5)]
    wait_for(lambda: site.streams() == 5, "the streams")
    for _ in range(10):
        refused = site.stream("/events?channel=a")
        equal(refused.left(), ("peal:busy", "full"), "the refusal")
    equal(site.get("/demo.html").status, 200, "the rest of the site")
    equal(site.publish("a", 1)["subscribers"], 5, "subscribers")
    for stream in streams:
        equal(stream.next().data, "1", "the event")


if __name__ == "__main__":
    run()
