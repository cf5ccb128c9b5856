#!/usr/bin/env python3
"""The service without memory or threads: it refuses clearly, rests, and recovers.

libfcgi aborts where its own malloc() fails; then the supervisor replaces the worker.
"""

import contextlib
import os
import subprocess
import time

from fastcgi import FastcgiBody, request as fastcgi_request
from harness import (Direct, Failed, alive, case, check, connect, equal, programs, run,
                     wait_for)

WORKER = "peal.fcgi"


def workers(process):
    return programs(process.pid, WORKER)


def start(place, *options, **more):
    """A peal with one worker, not waited for."""
    argv = [place.peal_fcgi, "--listen", place.socket, "--workers", "1", "--arena", place.arena,
            "--arena-size", "1M"]
    return place.start("peal", argv + list(options), env=place.environment(0),
                       **place.as_service(), **more)


def log_of(place):
    with open(place.path("peal.log")) as file:
        return file.read()


def worker_of(process):
    return wait_for(lambda: workers(process), "a worker")[0]


def size_of(pid):
    """The address space of a process, in bytes; 0 when it is gone."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/statm" % pid) as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    return 0


def ticks(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def publishes(peal, channel, data):
    """The id of an event that was acknowledged, or None."""
    try:
        return peal.publish(channel, data)["id"]
    except (Failed, OSError):
        return None


def check_rest(process):
    """Whoever serves now does not spin."""
    time.sleep(0.5)  # let it come to rest: what is measured is that it does
    pid = worker_of(process)
    before = ticks(pid)
    time.sleep(1)
    check(not alive(pid) or ticks(pid) - before < 30, "it spins")


def check_history(peal, channel, wanted):
    """All that was acknowledged is kept, in order."""
    stream = peal.subscribe(channel, since="earliest")
    got = []
    while not got or got[-1] != wanted[-1]:
        got.append(stream.next().id)
    equal([i for i in got if i in set(wanted)], wanted, "the history")
    stream.close()


def set_limit(place, pid, what, limit, **who):
    """Of somebody's own process: root may lack the right where it is confined."""
    subprocess.run([place.find("prlimit"), "--pid=%d" % pid, "--%s=%s:" % (what, limit)],
                   check=True, **who)


def scarce(place, headroom, *options):
    """A peal whose worker may take so many more bytes than it has now."""
    process = start(place, *options)
    place.ready(process, place.socket)
    peal = Direct(place, place.socket, process)
    wait_for(lambda: publishes(peal, "first", 0), "it to serve")
    limit = size_of(worker_of(process)) + headroom
    # The supervisor too, so that successors have it no better.
    for pid in [process.pid] + workers(process):
        set_limit(place, pid, "as", limit, **place.as_service())
    return peal


@case
def many_streams_exhaust_memory_and_it_recovers(place):
    if place.is_sanitized():
        return
    peal = scarce(place, 1 << 20)
    process = peal.process
    ids = [publishes(peal, "a", n) for n in range(5)]
    query = "&".join("channel=c%d" % n for n in range(60))
    crowd = []
    outcomes = {"refused": 0, "cut": 0}
    for _ in range(900):
        sock = connect(place.socket)
        crowd.append(sock)
        outcome = outcome_of(sock, query)
        if outcome in outcomes:
            outcomes[outcome] += 1
        if outcomes["refused"] == 20 or outcomes["cut"] == 2:
            break
    print("# %d streams, %r, %s" % (len(crowd), outcomes, log_of(place).splitlines()[-1:]))
    check(sum(outcomes.values()) > 0, "memory was not exhausted by %d streams", len(crowd))
    check_rest(process)
    for sock in crowd:
        sock.close()

    ids.append(wait_for(lambda: publishes(peal, "a", 9), "it to recover"))
    check_history(peal, "a", ids)
    stream = peal.subscribe("a")
    wait_for(lambda: publishes(peal, "a", 10), "an event to be published")
    equal(stream.next().data, "10", "the event")
    check_rest(process)
    check("memory" in log_of(place) or "ended by signal" in log_of(place), "nobody is told why")
    equal(place.pealctl("check").returncode, 0, "pealctl check")


def outcome_of(sock, query):
    """What becomes of a subscriber: "open", "refused" politely, or "cut"."""
    decoder, out = FastcgiBody(), b""
    sock.sendall(fastcgi_request(Direct.variables(query_string=query)))
    while not decoder.complete and out.count(b"\n\n") == 0:
        try:
            raw = sock.recv(65536)
        except OSError:
            raw = b""
        if not raw:
            return "cut"
        out += decoder.feed(raw)
    if b"\nevent: peal:open\n" in out:
        return "open"
    check(decoder.status in (200, 503), "status %s: %r", decoder.status, out)
    check(decoder.status == 503 or b"\nevent: peal:busy\n" in out, "the refusal: %r", out)
    return "refused"


@case
def large_bodies_exhaust_memory_and_it_recovers(place):
    if place.is_sanitized():
        return
    peal = scarce(place, 6 << 20, "--max-body", "64M", "--max-event-size", "64K")
    process = peal.process
    ids = [publishes(peal, "a", n) for n in range(5)]
    answers = []
    size = 256 << 10
    while size <= 32 << 20:
        body = b'[{"channel":"a","data":1},' + b" " * size + b'{"channel":"a","data":2}]'
        try:
            answer = peal.ask("POST", body, CONTENT_TYPE="application/json",
                              PEAL_ROLES="publish")
            answers.append(answer.status)
            if answer.status == 200:
                ids += [e["id"] for e in answer.json()["events"]]
        except (Failed, OSError):
            answers.append(0)
        size *= 2
    equal(answers[0], 200, "the answer to the smallest")
    check(set(answers) <= {200, 503, 0}, "answers: %r", answers)
    check(answers[-1] != 200, "memory was not exhausted: %r", answers)

    ids.append(wait_for(lambda: publishes(peal, "a", 9), "it to recover"))
    check_history(peal, "a", ids)
    check_rest(process)
    check("memory" in log_of(place) or 503 in answers, "nobody is told why")


@case
def many_half_sent_bodies_exhaust_memory_and_it_recovers(place):
    if place.is_sanitized():
        return
    peal = scarce(place, 4 << 20)
    process = peal.process
    ids = [publishes(peal, "a", n) for n in range(5)]
    whole = fastcgi_request(Direct.variables(
        "POST", query_string="channel=half", CONTENT_TYPE="text/plain", PEAL_ROLES="publish",
        CONTENT_LENGTH=str(1 << 19)), b"x" * (1 << 19))
    crowd = []
    for _ in range(40):
        with contextlib.suppress(OSError):
            sock = connect(place.socket)
            crowd.append(sock)
            sock.settimeout(0.2)
            sock.sendall(whole[:-100])
    check_rest(process)
    check("memory" in log_of(place), "nobody is told why: %s", log_of(place)[-300:])
    for sock in crowd:
        sock.close()

    ids.append(wait_for(lambda: publishes(peal, "a", 9), "it to recover"))
    check_history(peal, "a", ids)


@case
def a_worker_that_cannot_start_for_want_of_memory_says_so(place):
    if place.is_sanitized():
        return
    argv = [place.peal_fcgi, "--listen", place.socket, "--workers", "1", "--arena", place.arena,
            "--arena-size", "64M"]
    process = place.start("peal", ["sh", "-c", 'ulimit -v 60000 && exec "$@"', "sh"] + argv,
                          env=place.environment(0), **place.as_service())
    equal(process.wait(), 78, "status")
    lines = log_of(place).splitlines()
    equal(len(lines), 1, "lines: %r" % lines)
    check("memory" in lines[0] and place.arena in lines[0], "what it says: %r", lines)


if __name__ == "__main__":
    run()
