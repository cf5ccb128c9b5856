#!/usr/bin/env python3
"""pealctl works on the arena itself: publish, tail, status, check."""

import json
import os
import re
import signal

from harness import case, check, equal, run, wait_for

UNAVAILABLE = 69
USAGE = 64


def done(result, what):
    equal(result.returncode, 0, "%s: exit status (%r)" % (what, result.stderr))
    return result.stdout


class Tail:
    """pealctl tail, with what it has printed so far."""

    def __init__(self, place, *words):
        self.process = place.start("tail", [place.pealctl_path, "--arena", place.arena, "tail"]
                                   + list(words), env=place.environment(0), **place.as_service())

    def text(self):
        with open(self.process.log, encoding="utf-8") as file:
            return file.read()

    def has(self, *words):
        wait_for(lambda: all(w in self.text() for w in words),
                 "%r from tail, which says %r" % (words, self.text()))


@case
def publish_reaches_subscribers(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    out = done(place.pealctl("publish", "a", "t", "some text"), "publish")

    event = stream.next()
    equal((event.type, event.data), ("t", "some text"), "the event")
    check(event.id in out, "the id %s is not in %r", event.id, out)


@case
def publish_reads_standard_input(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    done(place.pealctl("publish", "a", text="one\ntwo"), "publish")
    done(place.pealctl("publish", "a", "t", text="three"), "publish")

    events = stream.take(2)
    equal([(e.type, e.data) for e in events], [("message", "one\ntwo"), ("t", "three")], "events")


@case
def publish_refuses_what_http_refuses(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a", since="earliest")
    for words in (["publish", "a", "peal:x", "1"], ["publish", "", "t", "1"],
                  ["publish", "a\nb", "t", "1"], ["publish", "x" * 256, "t", "1"]):
        result = place.pealctl(*words)
        check(result.returncode not in (0, -6, -11), "%r: exit status %d", words[:3],
              result.returncode)
        check(result.stderr.strip(), "%r: nothing is said", words[:3])
    site.publish("a", "end")
    equal(stream.next().data, '"end"', "the first event")


@case
def tail_prints_events_as_they_come(place):
    site = place.behind_lighttpd()
    old = site.publish("a", "before")["id"]
    tail = Tail(place, "a", "b")
    wait_for(lambda: site.publish("a", "ping") and "ping" in tail.text(), "tail to follow")

    ids = [site.publish("a", "alpha", "t")["id"], site.publish("b", "beta")["id"]]
    site.publish("c", "gamma")
    ids.append(site.publish("a", "omega")["id"])

    tail.has("alpha", "beta", "omega", *ids)
    check("gamma" not in tail.text(), "another channel's event: %r", tail.text())
    check(old not in tail.text(), "an older event: %r", tail.text())
    tail.process.signal(signal.SIGTERM)
    tail.process.wait()
    wait_for(lambda: site.publish("a", 1)["subscribers"] == 0, "tail to be gone")


@case
def tail_since_begins_in_the_past(place):
    site = place.behind_lighttpd()
    ids = [site.publish("a", word)["id"] for word in ("alpha", "beta", "gamma")]
    tail = Tail(place, "--since", ids[0], "a")
    tail.has("beta", "gamma", ids[1], ids[2])
    check("alpha" not in tail.text(), "too early: %r", tail.text())


@case
def status_is_json_when_asked(place):
    site = place.behind_lighttpd("--workers", "2")
    for _ in range(3):
        site.subscribe("a")
    site.publish("a", 1)

    status = json.loads(done(place.pealctl("status", "--json"), "status --json"))

    equal(sum(w["streams"] for w in status["workers"]), 3, "streams")
    check("arena" in status, "no arena in %r", status)
    check(re.search(r"\d", done(place.pealctl("status"), "status")), "status says nothing")


@case
def check_finds_nothing_in_a_good_arena(place):
    site = place.behind_lighttpd("--workers", "2", "--max-events", "10")
    streams = [site.subscribe("a", "c%d" % n) for n in range(20)]
    for n in range(100):
        site.publish("c%d" % (n % 20), "x" * n * 20)
    streams[0].close()
    done(place.pealctl("check"), "check")


@case
def check_finds_a_garbled_arena(place):
    peal = place.direct()
    for n in range(50):
        peal.publish("c%d" % n, "x" * 200)
    equal(peal.process.stop(), [], "left behind")
    done(place.pealctl("check"), "check before")
    size = os.path.getsize(place.arena)
    with open(place.arena, "r+b") as file:
        # All but the header: whatever is kept where, some of it is now wrong.
        file.seek(65536)
        file.write(b"\xa5" * min(size - 65536, 1 << 20))
    result = place.pealctl("check")
    check(result.returncode > 0, "exit status %d", result.returncode)
    check((result.stdout + result.stderr).strip(), "nothing is said")


@case
def without_an_arena_it_says_so_and_makes_none(place):
    folder = os.path.dirname(place.arena)
    for named in (folder, place.arena):
        for words in (["status"], ["check"], ["publish", "a", "t", "1"], ["tail", "a"]):
            result = place.pealctl(*words)
            equal(result.returncode, UNAVAILABLE, "exit status of %s" % words[0])
            check(named in result.stderr, "%s is not named: %r", named, result.stderr)
        check(not os.path.exists(place.arena), "it made an arena")
        # The second time, all that is missing is the file.
        if not os.path.exists(folder):
            os.mkdir(folder, 0o700)
            os.chown(folder, place.user or os.getuid(), place.group or os.getgid())


@case
def a_wrong_verb_or_option_is_an_error(place):
    for words in (["nonsense"], ["status", "--nonsense"], ["publish"], ["tail"], []):
        result = place.pealctl(*words)
        equal(result.returncode, USAGE, "exit status of %r" % words)
        check(result.stderr.strip(), "%r: nothing is said", words)
    for word in ("--help", "--version"):
        out = done(place.command(place.pealctl_path, word), word)
        check("pealctl" in out, "%s says %r", word, out)


if __name__ == "__main__":
    run()
