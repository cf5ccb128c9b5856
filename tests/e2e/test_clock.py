#!/usr/bin/env python3
"""The wall clock is stepped by hours, back and forth, under a running service.

shifted_clock.so does it to peal and its children, and where a case says so to lighttpd.  Ages,
heartbeats and time limits go by the boot clock, which never steps.
"""

import ctypes
import json
import mmap
import os
import struct
import threading
import time

from harness import BUILD, Failed, alive, case, check, equal, programs, run, wait_for
from steady import nothing_is_lost_over

HOUR = 3600 * 1000
# Back below where it began, and far ahead; the last one stays in the past.
STEPS = [5 * HOUR, -9 * HOUR, 30 * HOUR, -30 * HOUR, 24 * HOUR, -1, -48 * HOUR]
# The lock's, in src/arena/layout.h; a test below notices when it is not there.
MUTEX = 256
LOCK_SECONDS = 2


class Clock:
    """What the service's clock is off by."""

    def __init__(self, place):
        library = os.path.join(BUILD, "tests", "e2e", "shifted_clock.so")
        check(os.path.exists(library), "no %s: make check builds it", library)
        self.path = place.path("clock")
        self.shift = 0
        with open(self.path, "wb") as file:
            file.write(struct.pack("q", 0))
        os.chmod(self.path, 0o644)
        copy = place.path("bin", "shifted_clock.so")
        with open(library, "rb") as built, open(copy, "wb") as file:
            file.write(built.read())
        os.chmod(copy, 0o755)
        place.peal_environment = {
            "LD_PRELOAD": copy, "PEAL_TEST_CLOCK": self.path,
            # Its runtime wants to be the first library of all.
            "ASAN_OPTIONS": ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"),
                                                   "verify_asan_link_order=0"]))}

    def step(self, ms):
        self.shift += ms
        # One store of eight bytes: nobody sees half of it.
        with open(self.path, "r+b", buffering=0) as file:
            file.write(struct.pack("q", self.shift))

    def is_shown_by(self, event_id):
        """The id was made by the clock as it stands now, within half an hour."""
        ms = int(event_id.partition("-")[0])
        return abs(ms - (time.time() * 1000 + self.shift)) < HOUR / 2


def parts(event_id):
    return tuple(int(p) for p in event_id.split("-"))


def numbers(stream, count):
    return [int(e.data) for e in stream.take(count)]


class Witness(threading.Thread):
    """Publishes numbers until told to stop, and keeps their ids."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.ids = []
        self.fault = None
        self.stop = False

    def run(self):
        try:
            while not self.stop:
                self.ids.append(self.site.publish("a", len(self.ids))["id"])
        except (Failed, OSError) as fault:
            self.fault = fault


@case
def ids_rise_and_nothing_is_lost_or_doubled(place):
    clock = Clock(place)
    site = place.behind_lighttpd("--workers", "2", "--max-events", "100000")
    stays = site.subscribe("a")
    returns, got, last = site.subscribe("a"), [], None
    witness = Witness(site)
    witness.start()
    try:
        highest = 0
        for ms in STEPS:
            clock.step(ms)
            mark = len(witness.ids)
            wait_for(lambda: len(witness.ids) > mark + 30 or witness.fault, "publishing to go on")
            check(witness.fault is None, "publishing: %s", witness.fault)
            if clock.shift > highest:
                highest = clock.shift
                check(clock.is_shown_by(witness.ids[-1]), "the step is not seen: %s",
                      witness.ids[-1])
            # Somebody reads up to here, goes away, and comes back behind the step.
            while len(got) <= mark:
                event = returns.next()
                check(event.type == "message", "a gap was told: %s", event.data)
                got.append(int(event.data))
                last = event.id
            returns.close()
            returns = site.subscribe("a", since=last)
    finally:
        witness.stop = True
        witness.join()
    ids = witness.ids
    equal(ids, sorted(set(ids), key=parts), "ids rise")
    equal(numbers(stays, len(ids)), list(range(len(ids))), "who stayed")
    equal([e.id for e in stays.events], ids, "the ids of who stayed")
    got += numbers(returns, len(ids) - len(got))
    equal(got, list(range(len(ids))), "who came and went")
    history = site.subscribe("a", since="earliest")
    equal(numbers(history, len(ids)), list(range(len(ids))), "the history")
    equal(place.pealctl("check").returncode, 0, "pealctl check")
    print("# %d events over %d steps" % (len(ids), len(STEPS)))


@case
def lighttpd_that_restarts_over_a_step_loses_nothing(place):
    """Set back by much, lighttpd restarts itself gracefully, once its streams have ended."""
    clock = Clock(place)
    place.more_environment = place.peal_environment
    site = place.behind_lighttpd("--workers", "2", "--max-events", "100000",
                                 "--max-stream-age", "1s")
    steps = iter([5 * HOUR, -30 * HOUR, 48 * HOUR])

    def step(_site):
        clock.step(next(steps))

    def restarted():
        with open(site.server.log.replace("lighttpd.log", "run/lighttpd-error.log")) as log:
            return log.read().count("server started") > 1
    nothing_is_lost_over(place, site, step)
    wait_for(restarted, "lighttpd to restart")
    site.publish("a", "after")


@case
def workers_that_are_replaced_after_a_step_go_on_with_the_ids(place):
    clock = Clock(place)
    peal = place.direct("--workers", "2")
    ids = [peal.publish("a", 0)["id"]]
    for n, ms in enumerate(STEPS, 1):
        clock.step(ms)
        old = programs(peal.process.pid, "peal.fcgi")
        for pid in old:
            os.kill(pid, 9)
        wait_for(lambda: not any(alive(p) for p in old)
                 and len(programs(peal.process.pid, "peal.fcgi")) == 2, "new workers")
        ids.append(peal.publish("a", n)["id"])
    equal(ids, sorted(set(ids), key=parts), "ids rise")
    stream = peal.subscribe("a", since=ids[0])
    equal(numbers(stream, len(STEPS)), list(range(1, len(STEPS) + 1)), "what came after the first")
    check(all(e.type == "message" for e in stream.events), "a gap was told")


def kept(peal):
    """How many events the history holds; whoever asks lets go of those that are too old."""
    return peal.status()["arena"]["events"]


@case
def history_is_not_let_go_of_early(place):
    clock = Clock(place)
    peal = place.direct("--workers", "2", "--max-age", "20m")
    last = peal.publish("a", 0)["id"]
    peal.publish("a", 1)
    for ms in STEPS:
        clock.step(ms)
        equal(kept(peal), 2, "events after a step to %+d h" % (clock.shift // HOUR))
        equal(numbers(peal.subscribe("a", since=last), 1), [1], "what is after the first")


@case
def history_is_not_kept_for_hours(place):
    clock = Clock(place)
    peal = place.direct("--workers", "2", "--max-age", "1s")
    for ms in STEPS:
        last = peal.publish("a", 0)["id"]
        peal.publish("a", 1)
        clock.step(ms)
        wait_for(lambda: kept(peal) == 0, "the history to be let go of")
        equal(peal.subscribe("a", since=last).next().type, "peal:gap", "who missed it is told")


@case
def heartbeats_and_the_end_of_a_stream_keep_their_times(place):
    clock = Clock(place)
    begin = time.monotonic()
    lives = place.direct("--heartbeat", "1s", "--max-stream-age", "1h", name="lives",
                         listen=place.path("run", "lives.sock")).subscribe("a")
    for ms in STEPS:
        clock.step(ms)
        ends = place.direct("--max-stream-age", "1s", name="ends%d" % clock.shift,
                            listen=place.path("run", "ends%d.sock" % clock.shift))
        stream = ends.subscribe("a")
        clock.step(-5 * HOUR)
        stream.ended()
        ends.process.stop()
        mark = len(lives.parser.comments)
        lives.wait(lambda: len(lives.parser.comments) > mark or lives.closed, "a heartbeat")
        check(not lives.closed, "a stream was ended by a step to %+d h", clock.shift // HOUR)
    beats = len(lives.parser.comments)
    check(beats <= time.monotonic() - begin + 1, "%d heartbeats, more than one a second", beats)


@case
def the_time_limit_of_the_lock_is_kept(place):
    clock = Clock(place)
    peal = place.direct("--workers", "1")
    peal.publish("a", 0)
    with open(place.arena, "r+b") as file:
        memory = mmap.mmap(file.fileno(), 4096)
    mutex = ctypes.c_char.from_buffer(memory, MUTEX)
    libc = ctypes.CDLL(None, use_errno=True)
    for ms in (5 * HOUR, -9 * HOUR):
        equal(libc.pthread_mutex_lock(ctypes.byref(mutex)), 0, "taking the lock")
        try:
            begin = time.monotonic()
            answers = []
            asker = threading.Thread(target=lambda: answers.append(
                peal.ask("POST", json.dumps({"channel": "a", "data": 1}), PEAL_ROLES="publish",
                         CONTENT_TYPE="application/json")), daemon=True)
            asker.start()
            clock.step(ms)
            wait_for(lambda: answers, "an answer although the lock is held")
            equal(answers[0].status, 503, "status")
            check(time.monotonic() - begin >= LOCK_SECONDS, "it did not wait for the lock")
        finally:
            equal(libc.pthread_mutex_unlock(ctypes.byref(mutex)), 0, "giving it back")
        equal(peal.publish("a", 2)["subscribers"], 0, "subscribers")
    del mutex
    memory.close()


if __name__ == "__main__":
    run()
