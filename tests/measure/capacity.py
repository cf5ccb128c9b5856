#!/usr/bin/env python3
"""What a thousand idle streams cost behind each server, with the files of examples/.

    cd build/gcc && python3 ../../tests/measure/capacity.py [STREAMS [SERVER ...]]

Memory is PSS, by peal-bench --idle, before the first stream and with all of them open: what
processes have for themselves, and their share of what they have in common.  The kernel's
memory for sockets is not in it.  mod_fcgid gets three hundred streams at most.
"""

import contextlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from harness import HOST, Place, programs  # noqa: E402

IDLE = "5s"
WORKERS = ("--workers", "2", "--arena-size", "64M")
SERVERS = {
    "lighttpd": (lambda p, n: p.behind_lighttpd(*WORKERS), "lighttpd"),
    "lighttpd, spawned": (lambda p, n: p.spawned_by_lighttpd(), "lighttpd"),
    "nginx": (lambda p, n: p.behind_nginx(*WORKERS), "nginx"),
    "Caddy": (lambda p, n: p.behind_caddy(*WORKERS), "caddy"),
    "HAProxy": (lambda p, n: p.behind_haproxy(*WORKERS), "haproxy"),
    "H2O": (lambda p, n: p.behind_h2o(*WORKERS), "h2o"),
    "mod_proxy_fcgi": (lambda p, n: p.behind_mod_proxy_fcgi(*WORKERS), "apache2"),
    "mod_fcgid": (lambda p, n: p.behind_apache(streams=n + 20), "apache2"),
}


def threads(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open("/proc/%d/status" % pid) as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Threads:"))
    return total


def measure(name, streams):
    start, program = SERVERS[name]
    with Place() as place:
        site = start(place, streams)
        peal = getattr(site, "peal", site.server).pid
        done = subprocess.Popen(
            [place.bench_path, "--json", "--subscribers", str(streams), "--idle", IDLE,
             "--watch", "web=%d:%s" % (site.server.pid, program),
             "--watch", "peal=%d:peal.fcgi" % peal,
             "http://%s:%d/events?channel={}" % (HOST, site.port)],
            stdout=subprocess.PIPE, universal_newlines=True)
        most = {"web": 0, "peal": 0}
        while done.poll() is None:
            for part, name in (("web", program), ("peal", "peal.fcgi")):
                most[part] = max(most[part], threads(programs(os.getpid(), name)))
            with contextlib.suppress(subprocess.TimeoutExpired):
                done.wait(0.5)
        return json.loads(done.stdout.read()), most


def main():
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    names = sys.argv[2:] or list(SERVERS)
    print("%-18s %7s  %-34s  %-34s" % ("", "", "web server", "peal.fcgi"))
    print("%-18s %7s %s %s" % ("server", "streams", *[
        " %9s %9s %6s %8s" % ("before MB", "open MB", "KB/str", "proc/thr") for _ in range(2)]))
    for name in names:
        count = min(streams, 300) if name == "mod_fcgid" else streams
        got, most = measure(name, count)
        cells = ""
        for part in ("web", "peal"):
            p = got["processes"][part]
            cells += "  %9.1f %9.1f %6.1f %3d/%-4d" % (
                p["pss_before"] / 1e6, p["pss"] / 1e6, p["pss_per_stream"] / 1e3, p["processes"], most[part])
        print("%-18s %7d %s" % (name, got["streams"], cells), flush=True)
        if got["streams"] != count or got["ended"] or got["not_opened"]:
            print("  not as planned: %r" % {n: got[n] for n in ("streams", "ended", "not_opened")})


if __name__ == "__main__":
    main()
