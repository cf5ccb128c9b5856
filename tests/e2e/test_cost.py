#!/usr/bin/env python3
"""What a POST costs the responder, counted and not timed: its instructions and system calls.

valgrind's callgrind counts the instructions of peal.fcgi and its libraries, without the
kernel's; strace counts the system calls.  A figure is the difference between a run of few and a
run of many POSTs, divided by the POSTs that the second has more: what a process does at its
start and its end does not count.

POSTs come one at a time: the next one is sent when the last is answered, its event has arrived
at the subscriber, if there is one, and all threads of the worker sleep.  All programs share one
processor, as batch jobs: the kernel does not interrupt one of them when another becomes ready.
Otherwise peal might find a connection of lighttpd's before lighttpd has sent the request, and
read twice.  So the figures depend neither on how fast the machine is nor on how busy.  With
several POSTs in flight each costs less, since they share the calls that wait.
"""

import os
import re

from harness import Place, Skipped, case, check, connect, equal, run, wait_for
from sse import HttpBody

# The most that a POST of 200 bytes may cost.  The instructions are those of a build with -O2;
# they differ by some per cent between compilers and processors.
LIMITS = {
    "instructions, nginx": 15000,
    "system calls, nginx": 4.4,
    "system calls, lighttpd": 6.2,
    "system calls, nginx, one subscriber": 5.7,
}

# Fewer than nginx puts on a connection to peal before it makes another one.
FEW, MANY = 100, 900
# And so many on one of ours: a web server closes it at a number of its own.
KEPT = 50
DATA = "x" * 200
POST = ("POST /publish?channel=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        "Content-Length: %d\r\n\r\n%s" % (len(DATA), DATA)).encode()


class Callgrind:
    """Runs a program and counts its instructions."""

    def __init__(self, place):
        self.path = os.path.join(place.run, "callgrind.out")
        # Without vgdb, which would leave pipes in /tmp.
        self.argv = [place.find("valgrind"), "--tool=callgrind", "--quiet", "--vgdb=no",
                     "--callgrind-out-file=" + self.path]

    def counts(self):
        with open(self.path) as file:
            totals = re.search(r"^totals: (\d+)$", file.read(), re.M)
        check(totals, "callgrind has not said how many instructions it counted")
        return {"total": int(totals.group(1))}


class Strace:
    """Runs a program and counts the system calls of all its threads.

    fstat(2) is left out: peal asks once a millisecond whether the arena's file is still there,
    which is once in many POSTs, or once in each where the machine is slow.
    """

    def __init__(self, place):
        self.path = os.path.join(place.run, "strace.out")
        # As a grandchild, so that the program is the process that is started and ended.
        strace = place.find("strace")
        self.argv = [strace, "-D", "-f", "-c", "-U", "calls,name", "-e", "trace=!%fstat",
                     "-o", self.path]
        if place.command(strace, "-o", os.devnull, "true").returncode != 0:
            raise Skipped("strace may not trace here")

    def counts(self):
        return wait_for(self._table, "strace to say what it counted")

    def _table(self):
        """By call, and their total; None until the table is there, which ends with the total."""
        with open(self.path) as file:
            calls = {name: int(count) for count, name
                     in re.findall(r"^ *(\d+) +(\w+)$", file.read(), re.M)}
        return calls if "total" in calls else None


def nginx(place, peal):
    return place.behind_nginx(keepalive=True, peal=peal,
                              edits={"worker_processes auto;": "worker_processes 1;"})


def lighttpd(place, peal):
    return place.behind_lighttpd(peal=peal)


def rests(pid):
    """Whether all threads of a process sleep."""
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/stat" % (pid, task)) as file:
            if file.read().rpartition(")")[2].split()[0] != "S":
                return False
    return True


def publish(sock):
    """POST DATA, and wait for the answer."""
    answer, body = HttpBody(), b""
    sock.sendall(POST)
    while not answer.complete:
        raw = sock.recv(65536)
        check(raw, "the web server closed the publisher's connection")
        body += answer.feed(raw)
    equal(answer.status, 200, "the status of a POST (%r)" % body)


def counts(tool, server, subscriber, posts):
    """What a worker takes from its start to its end, with so many POSTs."""
    with Place() as place:
        counter = tool(place)
        # Without heartbeats: how many there are depends on the time.
        peal = place.start_worker("--heartbeat", "0", under=counter.argv)
        site = server(place, peal)
        stream = site.subscribe("a") if subscriber else None
        for _ in range(posts // KEPT):
            with connect(site.port) as sock:
                for _ in range(KEPT):
                    publish(sock)
                    if stream:
                        equal(stream.next().data, DATA, "the event")
                    wait_for(lambda: rests(peal.pid), "the worker to rest")
        for process in (site.server, peal):
            equal(process.stop(), [], "processes left behind")
        return counter.counts()


def cost(tool, server, subscriber):
    """Of one POST, by call."""
    few, many = (counts(tool, server, subscriber, posts) for posts in (FEW, MANY))
    return {name: (many[name] - few.get(name, 0)) / (MANY - FEW) for name in many}


def costs_at_most(place, what, tool, server, subscriber=False):
    if place.is_sanitized():
        return
    calls = cost(tool, server, subscriber)
    total, parts = calls.pop("total"), ""
    for name, value in sorted(calls.items(), key=lambda item: -item[1]):
        parts += ", %s %.2f" % (name, value) if value >= 0.01 else ""
    print("# %s: %.*f for a POST, at most %g%s"
          % (what, 2 if total < 100 else 0, total, LIMITS[what], parts), flush=True)
    check(total <= LIMITS[what], "%s: %.2f for a POST, more than %g%s", what, total,
          LIMITS[what], parts)


@case
def instructions_of_a_post_behind_nginx_are_within_their_limit(place):
    costs_at_most(place, "instructions, nginx", Callgrind, nginx)


@case
def system_calls_of_a_post_behind_nginx_are_within_their_limit(place):
    costs_at_most(place, "system calls, nginx", Strace, nginx)


@case
def system_calls_of_a_post_behind_lighttpd_are_within_their_limit(place):
    costs_at_most(place, "system calls, lighttpd", Strace, lighttpd)


@case
def system_calls_of_a_post_with_one_subscriber_behind_nginx_are_within_their_limit(place):
    costs_at_most(place, "system calls, nginx, one subscriber", Strace, nginx, subscriber=True)


def take_turns():
    """Ourselves and all that we start, on one processor."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    take_turns()
    run()
