#!/usr/bin/env python3
"""bench/run measures, and says what it found: short runs of few workloads."""

import json
import os
import shutil
import subprocess
import sys

from harness import BUILD, LIMIT, SOURCE, case, check, equal, run


def bench(place, *options):
    return subprocess.run(
        [sys.executable, os.path.join(SOURCE, "bench", "run")] + list(options),
        cwd=place.folder, env=dict(os.environ, PEAL_BUILD=BUILD, PEAL_SRC=SOURCE),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", timeout=4 * LIMIT)


def results(place):
    """What was measured, by row."""
    with open(place.path("bench-results.json")) as file:
        return {row["name"]: row["contenders"] for row in json.load(file)["rows"]}


@case
def a_short_run_finds_what_a_delivery_costs_and_that_nothing_is_lost(place):
    for program in ("lighttpd", "php-cgi"):
        place.find(program)

    done = bench(place, "--quick", "--rounds", "2", "--rows", "fan-out-16,append",
                 "--servers", "lighttpd")

    equal(done.returncode, 0, "exit status (%s)" % done.stderr[-500:])
    check("16 in flight" in done.stdout and "peal, lighttpd" in done.stdout,
          "the table is %r", done.stdout)
    rows = results(place)
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
def two_builds_are_measured_in_turn_bound_to_a_core_and_free(place):
    for program in ("lighttpd", "php-cgi"):
        place.find(program)
    other = place.path("peal.fcgi.other")
    shutil.copy(place.peal_fcgi, other)
    with open(place.path("used"), "w"):
        pass
    os.chmod(place.path("used"), 0o666)
    recorded = place.path("recorded")
    with open(recorded, "w") as file:
        file.write('#!/bin/sh\necho one >>"%s"\nexec "%s" "$@"\n' % (place.path("used"), other))
    os.chmod(recorded, 0o755)

    done = bench(place, "--quick", "--rows", "pinned-16", "--servers", "lighttpd",
                 "--against", recorded)

    equal(done.returncode, 0, "exit status (%s)" % done.stderr[-500:])
    names = ["lighttpd, %s%s" % (where, build) for where in ("free", "pinned")
             for build in ("", " (against)")]
    rows = results(place)
    equal(sorted(rows["pinned-16"]), names, "who was measured")
    for contender in rows["pinned-16"].values():
        check(contender["medians"]["peal"] > 0, "peal's share: %r", contender["medians"])
    with open(place.path("used")) as file:
        equal(file.read(), "one\n" * 2, "runs of the other program")
    check("x against" in done.stdout, "the table is %r", done.stdout)


@case
def answers_are_timed_beside_a_crowd_without_a_web_server(place):
    # A server that has no part in this row.
    done = bench(place, "--quick", "--rows", "ack", "--servers", "mod_fcgid")

    equal(done.returncode, 0, "exit status (%s)" % done.stderr[-500:])
    rows = results(place)
    equal(list(rows["ack"]), ["no web server"], "who was measured")
    check(rows["ack"]["no web server"]["medians"]["reply p99 ms"] > 0, "times: %r", rows)


@case
def a_workload_that_is_not_there_is_named(place):
    done = bench(place, "--rows", "nothing")

    equal(done.returncode, 2, "exit status")
    check("nothing: there are" in done.stderr, "it said %r", done.stderr)


if __name__ == "__main__":
    run()
