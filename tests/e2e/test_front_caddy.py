#!/usr/bin/env python3
"""examples/Caddyfile."""

from frontend import Front, suite
from harness import Place, case, equal, run

suite(Front(
    "caddy", Place.behind_caddy,
    tells_mount=False,
    hands_on_no_type=False,
    heartbeats=4,
    http2={"tls": True},
    compressing={"edits": {"\troute {": "\tencode gzip\n\n\troute {"}},
    away={"edits": {"lb_try_duration 5s": "lb_try_duration 200ms"}},
    when_away="come back"))


@case
def caddy_stops_in_time_with_streams_open(place):
    site = place.behind_caddy(edits={"grace_period 3s": "grace_period 1s"})
    stream = site.subscribe("a")
    equal(site.server.stop(), [], "left behind")
    stream.wait(lambda: stream.closed, "the stream to be cut")


if __name__ == "__main__":
    run()
