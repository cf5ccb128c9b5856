#!/usr/bin/env python3
"""bench/run measures, and says what it found: a short run on two workloads."""

import json
import os
import subprocess
import sys

from harness import BUILD, LIMIT, SOURCE, case, check, equal, run


def bench(place, *options):
    return subprocess.run(
        [sys.executable, os.path.join(SOURCE, "bench", "run")] + list(options),
        cwd=place.folder, env=dict(os.environ, PEAL_BUILD=BUILD, PEAL_SRC=SOURCE),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", timeout=4 * LIMIT)


@case
def a_short_run_finds_what_a_delivery_costs_and_that_nothing_is_lost(place):
    for program in ("lighttpd", "php-cgi"):
        place.find(program)

    done = bench(place, "--quick", "--rounds", "2", "--rows", "fan-out-16,append",
                 "--servers", "lighttpd")

    equal(done.returncode, 0, "exit status (%s)" % done.stderr[-500:])
    check("16 in flight" in done.stdout and "peal, lighttpd" in done.stdout,
          "the table is %r", done.stdout)
    with open(place.path("bench-results.json")) as file:
        rows = {row["name"]: row["contenders"] for row in json.load(file)["rows"]}
    equal(sorted(rows), ["append", "fan-out-16"], "rows")
    equal(sorted(rows["append"]), ["four processes", "one process"], "who appended")
    fan_out = rows["fan-out-16"]["lighttpd"]
    equal(len(fan_out["rounds"]), 2, "rounds")
    for result in fan_out["rounds"]:
        equal(result["deliveries"], 100 * result["published"], "deliveries")
        equal(result["lost"], 0, "lost")
    for column in ("µs/delivery", "web", "peal", "deliveries/s", "last p50 ms"):
        check(fan_out["medians"][column] > 0, "%s: %r", column, fan_out["medians"])


@case
def a_workload_that_is_not_there_is_named(place):
    done = bench(place, "--rows", "nothing")

    equal(done.returncode, 2, "exit status")
    check("nothing: there are" in done.stderr, "it said %r", done.stderr)


if __name__ == "__main__":
    run()
