#!/usr/bin/env python3
"""Workers killed at random instants, while events are posted and subscribers come back.

Every subscriber must end with every acknowledged event of its channel, once and in
order.  A POST that failed with its worker may have been stored or not, but once.

PEAL_TEST_KILLS is the number of kills; a few hundred unless told otherwise.
"""

import http.client
import json
import os
import random
import signal
import threading
import time

from harness import HOST, LIMIT, SLOW, case, check, programs, run, wait_for
from load import Plan, Publisher, Subscriber, Swarm

KILLS = int(os.environ.get("PEAL_TEST_KILLS") or 300)
WORKERS = 3


class PatientPublisher(Publisher):
    """Posts one event after the other until told to stop, whatever becomes of each."""

    def __init__(self, port, plan):
        super().__init__(port, plan)
        self.numbers = [0] * plan.channels  # the next one, for each channel
        self.unsure = [set() for _ in range(plan.channels)]
        self.enough = threading.Event()

    def _publish(self):
        connection = None
        while not self.enough.is_set() and not self.stop:
            channel = self.chance.randrange(self.plan.channels)
            number = self.numbers[channel]
            body = json.dumps({"channel": "c%d" % channel, "data": {"n": number}})
            try:
                connection = connection or http.client.HTTPConnection(
                    HOST, self.port, timeout=LIMIT * 2)
                connection.request("POST", "/publish", body,
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                acknowledged = answer.status == 200
            except (OSError, http.client.HTTPException):
                acknowledged = False
                connection = None
            # Before the next event of the channel can arrive anywhere.
            if not acknowledged:
                self.unsure[channel].add(number)
            self.numbers[channel] = number + 1
            self.sent += 1


class PatientSubscriber(Subscriber):
    """Comes back whatever happens: a worker that is killed may cost it an error page."""

    def ready(self, mask):
        try:
            super().ready(mask)
        except OSError:
            self.leave(self.swarm.chance.random() * 0.05)

    def refused(self, status):
        self.leave(self.swarm.chance.random() * 0.05)

    def hung_up(self):
        pass

    def take(self, event):
        check(event.type != "peal:gap", "%s was told of a gap: %s", self, event.data)
        number = json.loads(event.data)["n"]
        check(number >= self.wanted, "%s got event %d again (id %s)", self, number, event.id)
        unsure = self.swarm.publisher.unsure[self.channel]
        lost = [n for n in range(self.wanted, number) if n not in unsure]
        check(not lost, "%s misses %r, which were acknowledged", self, lost)
        self.wanted = number + 1

    def complete(self):
        publisher = self.swarm.publisher
        rest = range(self.wanted, publisher.numbers[self.channel])
        return all(n in publisher.unsure[self.channel] for n in rest)


class Killer(threading.Thread):
    """Kills a worker now and then, and counts."""

    def __init__(self, supervisor, chance):
        super().__init__(daemon=True)
        self.supervisor = supervisor
        self.chance = chance
        self.kills = 0
        self.stop = False

    def run(self):
        while self.kills < KILLS and not self.stop:
            time.sleep(self.chance.random() * 0.05)
            workers = programs(self.supervisor, "peal.fcgi")
            if not workers:
                continue
            try:
                os.kill(self.chance.choice(workers), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass


@case
def every_acknowledged_event_arrives_once_though_workers_are_killed(place):
    site = place.behind_lighttpd("--workers", str(WORKERS))
    wait_for(lambda: len(programs(site.peal.pid, "peal.fcgi")) == WORKERS, "the workers")
    plan = Plan(subscribers=60, channels=10, events=1, cuts=0, seconds=60 + KILLS / 4)
    print("# seed %d (set PEAL_TEST_SEED to use it again), %d kills" % (plan.seed, KILLS),
          flush=True)
    swarm = Swarm(site.port, plan, PatientPublisher, PatientSubscriber)
    publisher = swarm.publisher
    killer = Killer(site.peal.pid, random.Random(plan.seed + 2))
    end = time.monotonic() + plan.seconds
    try:
        swarm.until(lambda: all(s.joined for s in swarm.subscribers), lambda: "joining", end)
        publisher.start()
        killer.start()
        swarm.until(lambda: killer.kills == KILLS,
                    lambda: "%d kills of %d" % (killer.kills, KILLS), end)
        publisher.enough.set()
        swarm.until(lambda: not publisher.is_alive()
                    and all(s.complete() for s in swarm.subscribers),
                    lambda: "%d subscribers miss some" % sum(
                        not s.complete() for s in swarm.subscribers), end + 30 * SLOW)
    finally:
        killer.stop = True
        killer.join()
        swarm.close()
    unsure = sum(len(u) for u in publisher.unsure)
    print("# %d kills, %d events, %d of them unsure, %d connections" % (
        killer.kills, publisher.sent, unsure, sum(s.connections for s in swarm.subscribers)))
    check(publisher.sent - unsure > KILLS, "hardly anything was acknowledged")
    verdict = place.pealctl("check")
    check(verdict.returncode == 0, "%s", verdict.stdout)


if __name__ == "__main__":
    run(limit=240 + KILLS / 2)
