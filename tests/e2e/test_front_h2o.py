#!/usr/bin/env python3
"""examples/h2o.conf."""

from frontend import Front, suite
from harness import Place, case, check, equal, programs, run, wait_for

suite(Front(
    "h2o", Place.behind_h2o,
    heartbeats=1,
    tells_mount=False,
    closes_on_too_large=True,
    impatient={"fastcgi.timeout.io: 60000": "fastcgi.timeout.io: 1000"},
    compressing={"edits": {"limit-request-body": "compress: ON\nlimit-request-body"}}))

def memory(pid):
    with open("/proc/%d/status" % pid) as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) * 1024


@case
def what_a_viewer_does_not_read_h2o_keeps_in_memory(place):
    # Why the file warns of it.
    site = place.behind_h2o("--stall-timeout=1s", "--max-body=2M")
    viewer = site.dial()
    place.sockets.append(viewer)
    viewer.sendall(b"GET /events?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
    check(viewer.recv(12) == b"HTTP/1.1 200", "no stream")
    wait_for(lambda: site.streams() == 1, "the stream")
    h2o = programs(site.server.pid, "h2o")[0]
    before = memory(h2o)
    batch = '{"channel":"a","data":"%s"}\n' % ("x" * 50000) * 30
    for _ in range(20):
        equal(site.post(batch, "application/x-ndjson").status, 200, "a batch of 1.5 MB")
    # All 30 MB of it, less what the kernel's buffers hold.
    wait_for(lambda: memory(h2o) - before > 15e6, "H2O to take it into memory")
    status = site.status()
    equal([w["stalled"] for w in status["workers"]], [0], "streams that peal sees stalled")


if __name__ == "__main__":
    run()
