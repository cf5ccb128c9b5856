#!/usr/bin/env python3
"""pealctl works on the arena itself: every verb but doctor, for people and for programs."""

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios

from harness import LIMIT, Skipped, case, check, equal, run, wait_for
from screen import screen

UNAVAILABLE = 69
USAGE = 64


def done(result, what):
    equal(result.returncode, 0, "%s: exit status (%r)" % (what, result.stderr))
    return result.stdout


def on_terminal(place, *words, **size):
    return screen(place, place.pealctl_path, "--arena", place.arena, *words, **size)


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
def publish_gives_an_own_id_once(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    equal(done(place.pealctl("publish", "--id", "o-1", "a", "t", "1"), "publish"), "o-1 1\n",
          "what it says")
    equal(done(place.pealctl("publish", "--id", "o-1", "a", "t", "2"), "publish"),
          "o-1 1 duplicate\n", "what it says again")
    site.publish("a", 3)

    equal([(e.id if e.data == "1" else None, e.data) for e in stream.take(2)],
          [("o-1", "1"), (None, "3")], "events")
    equal(done(place.pealctl("history", "--since", "o-1", "--json", "a"), "history").count("data"),
          1, "events after it")
    tail = Tail(place, "--since", "o-1", "a")
    tail.has("data: 3")
    check("data: 1" not in tail.text(), "too early: %r", tail.text())
    for words in (["publish", "--id", "0", "a", "t", "1"], ["history", "--since", "o-2", "a"]):
        result = place.pealctl(*words)
        check(result.returncode == 64 and result.stderr, "%r: %r", words, result)


@case
def publish_refuses_what_http_refuses(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a", since="earliest")
    for words in (["publish", "a", "peal:x", "1"], ["publish", "a", "error", "1"],
                  ["publish", "a", "open", "1"], ["publish", "", "t", "1"],
                  ["publish", "a\nb", "t", "1"], ["publish", "x" * 1025, "t", "1"]):
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
def tail_ends_when_nobody_reads_it(place):
    site = place.behind_lighttpd()
    site.publish("a", 1)
    tail = subprocess.Popen([place.pealctl_path, "--arena", place.arena, "tail", "--since",
                             "earliest", "a"], stdout=subprocess.PIPE, **place.as_service())
    try:
        check(tail.stdout.readline().startswith(b"id: "), "no event")
        tail.stdout.close()
        # Without another event that it could not print.
        wait_for(lambda: tail.poll() is not None, "the end of tail")
        equal(tail.returncode, 0, "exit status")
    finally:
        tail.kill()
        tail.wait()


@case
def what_is_wrong_is_named(place):
    site = place.behind_lighttpd()
    site.publish("a", 1)
    for words, text, status, said in (
            (["tail", "--since", "yesterday", "a"], None, USAGE, "--since: "),
            (["tail", "--since", "1779525621", "a"], None, USAGE, "seconds"),
            (["history", "--since", "yesterday", "a"], None, USAGE, "--since: "),
            (["channels", "a"], None, USAGE, "usage: pealctl channels; try --help"),
            (["publish", "a", "t", b"\xff"], None, 1, "the data: is not UTF-8")):
        result = place.pealctl(*words, text=text)
        equal((result.returncode, result.stdout), (status, ""), "%r" % (words,))
        check(said in result.stderr, "%r is not said: %r", said, result.stderr)
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([place.pealctl_path, "--arena", place.arena, "tail", "--since",
                                 "earliest", "a"], stdout=full, stderr=subprocess.PIPE,
                                timeout=LIMIT, **place.as_service())
    equal((result.returncode, result.stderr),
          (1, b"pealctl: standard output: No space left on device\n"), "tail of a full device")


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
def an_arena_that_was_cut_is_told_with_what_to_do(place):
    peal = place.direct()
    equal(peal.process.stop(), [], "left behind")
    os.truncate(place.arena, 0)
    result = place.pealctl("status")
    equal(result.returncode, UNAVAILABLE, "exit status")
    check("peal.fcgi makes it anew when it starts" in result.stderr, "said: %r", result.stderr)
    # Which is true.
    place.direct()
    done(place.pealctl("check"), "check")


@case
def without_an_arena_it_says_so_and_makes_none(place):
    folder = os.path.dirname(place.arena)
    for named in (folder, place.arena):
        for words in (["status"], ["check"], ["publish", "a", "t", "1"], ["tail", "a"],
                      ["channels"], ["workers"], ["top"], ["history", "a"], ["purge", "a"]):
            result = place.pealctl(*words)
            equal(result.returncode, UNAVAILABLE, "exit status of %s" % words[0])
            check(named in result.stderr, "%s is not named: %r", named, result.stderr)
        check(not os.path.exists(place.arena), "it made an arena")
        # The second time, all that is missing is the file.
        if not os.path.exists(folder):
            os.mkdir(folder, 0o700)
            os.chown(folder, place.user or os.getuid(), place.group or os.getgid())


def as_tester(place, *words, **more):
    """pealctl with the rights of who runs this test: root, or the service's user."""
    return subprocess.run([place.pealctl_path, "--arena", place.arena, *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=LIMIT, **more)


@case
def root_works_on_an_arena_as_its_owner(place):
    if os.getuid() != 0:
        raise Skipped("only root can become somebody")
    site = place.behind_lighttpd()
    stream = site.subscribe("a")

    done(as_tester(place, "publish", "a", "t", "2"), "publish")

    equal(stream.next().data, "2", "the data")
    equal(done(as_tester(place, "history", "a"), "history").count("id: "), 1, "events kept")
    done(as_tester(place, "check"), "check")
    folder = os.path.dirname(place.arena)
    equal({os.stat(os.path.join(folder, name)).st_uid for name in os.listdir(folder)},
          {place.user}, "owners of the files in the arena's folder")


@case
def who_may_not_open_an_arena_is_told_who_may(place):
    if os.getuid() != 0:
        raise Skipped("only root can be somebody else")
    place.behind_lighttpd()

    for verb in (["status"], ["publish", "a", "t", "1"], ["check"]):
        result = as_tester(place, *verb, user=65533, group=65533, extra_groups=[])
        equal(result.returncode, UNAVAILABLE, "exit status of %s" % verb[0])
        check(os.path.dirname(place.arena) in result.stderr and "as root" in result.stderr,
              "it says %r", result.stderr)


@case
def a_wrong_verb_or_option_is_an_error(place):
    for words in (["nonsense"], ["status", "--nonsense"], ["publish"], ["tail"], []):
        result = place.pealctl(*words)
        equal(result.returncode, USAGE, "exit status of %r" % words)
        check(result.stderr.strip(), "%r: nothing is said", words)
    for word in ("--help", "--version"):
        out = done(place.command(place.pealctl_path, word), word)
        check("pealctl" in out, "%s says %r", word, out)


@case
def channels_are_listed_with_streams_and_events(place):
    site = place.behind_lighttpd()
    site.subscribe("a b")
    site.subscribe("a b")
    ids = [site.publish("\u00e4", n)["id"] for n in range(3)]

    rows = [line.split("\t") for line in done(place.pealctl("channels"), "channels").splitlines()]
    equal(rows, [["a b", "2", "0", "-", "-"], ["\u00e4", "0", "3", ids[0], ids[2]]], "rows")
    equal(json.loads(done(place.pealctl("channels", "--json"), "channels --json")),
          [{"channel": "a b", "subscribers": 2, "events": 0, "oldest": None, "newest": None},
           {"channel": "\u00e4", "subscribers": 0, "events": 3, "oldest": ids[0],
            "newest": ids[2]}], "JSON")
    with on_terminal(place, "channels", columns=40) as shown:
        equal(shown.ended(), 0, "exit status")
        shown.shows(r"\033\[1m +STREAMS +EVENTS .*CHANNEL\033\[0m")
        shown.shows(r"\n +2 +0 +- +-  a b\r\n +0 +3 +\d+s +\d+s  \u00e4\r\n")


@case
def ten_thousand_channels_are_all_listed(place):
    peal = place.direct()
    count = 10000
    for n in range(0, count, 1000):
        batch = "\n".join(json.dumps({"channel": "c%d" % i, "data": i})
                          for i in range(n, n + 1000))
        answer = peal.ask("POST", batch, CONTENT_TYPE="application/x-ndjson",
                          PEAL_ROLES="publish")
        equal(answer.status, 200, "publishing")
    lines = done(place.pealctl("channels"), "channels").splitlines()
    equal(sorted(line.split("\t")[0] for line in lines),
          sorted("c%d" % n for n in range(count)), "channels")


@case
def workers_are_listed_with_their_streams(place):
    site = place.behind_lighttpd("--workers", "2")
    for _ in range(3):
        site.subscribe("a")
    site.publish("a", 1)
    # The two that are compared below must not be taken before and after a delivery.
    wait_for(lambda: sum(w["delivered"] for w in json.loads(
        done(place.pealctl("workers", "--json"), "workers --json"))) == 3, "the deliveries")
    rows = [line.split("\t") for line in done(place.pealctl("workers"), "workers").splitlines()]
    workers = json.loads(done(place.pealctl("workers", "--json"), "workers --json"))
    equal(sorted(int(r[0]) for r in rows), sorted(w["pid"] for w in workers), "ids")
    equal(sum(int(r[1]) for r in rows), 3, "streams")
    members = ("pid", "streams", "since", "published", "delivered", "gaps", "stalled", "refused")
    equal(sorted([int(f) for f in r] for r in rows), sorted([w[m] for m in members] for w in workers),
          "the fields")
    equal(sum(w["published"] for w in workers), 1, "published")
    for worker in workers:
        os.kill(worker["pid"], 0)
    with on_terminal(place, "workers") as shown:
        equal(shown.ended(), 0, "exit status")
        shown.shows(r"PID +STREAMS +UPTIME +PUBLISHED +DELIVERED +GAPS +STALLED +REFUSED")


@case
def status_is_lines_of_names_and_numbers(place):
    site = place.behind_lighttpd()
    site.subscribe("a")
    site.publish("a", 1)
    facts = dict(line.split("\t") for line in done(place.pealctl("status"), "status").splitlines())
    status = json.loads(done(place.pealctl("status", "--json"), "status --json"))
    wanted = {"%s.%s" % (group, member): str(value) for group in ("arena", "totals")
              for member, value in status[group].items() if member != "last_id"}
    check(int(facts.pop("uptime")) <= status["uptime"], "uptime")
    equal(facts, {**wanted, "streams": "1", "workers": "1"}, "the lines")
    with on_terminal(place, "status") as shown:
        equal(shown.ended(), 0, "exit status")
        shown.shows(r"size +64\.0M\r\n")
        shown.shows(r"(?s)peak +\d.*expired +0\r\ntrimmed +0\r\nevicted +0\r\n")


@case
def colours_are_for_who_wants_them(place):
    place.direct()
    for more, wanted in (({}, True), ({"NO_COLOR": "1"}, False)):
        place.more_environment = more
        with on_terminal(place, "channels") as shown:
            equal(shown.ended(), 0, "exit status")
            shown.shows("CHANNEL")
            equal("\033" in shown.text, wanted, "colours with %r" % more)
    place.more_environment = {}
    check("\033" not in done(place.pealctl("channels"), "channels"), "colours in a pipe")


@case
def history_prints_what_is_kept(place):
    site = place.behind_lighttpd("--max-events", "3")
    ids = [site.publish("a", "n%d" % n, "t")["id"] for n in range(5)]

    def history(*words):
        out = done(place.pealctl("history", "a", "--json", *words), "history")
        return [e["data"] for e in json.loads(out)]
    equal(history(), ['"n2"', '"n3"', '"n4"'], "all")
    equal(history("--limit=2"), ['"n3"', '"n4"'], "the newest two")
    equal(history("--since", ids[2]), ['"n3"', '"n4"'], "after an ID")
    equal(history("--since", ids[2], "--limit", "1"), ['"n4"'], "the newest after an ID")
    equal(history("--since", "earliest"), ['"n2"', '"n3"', '"n4"'], "earliest")
    events = json.loads(done(place.pealctl("history", "a", "--json", "--limit=1"), "history"))
    equal(events, [{"id": ids[4], "topic": "t", "data": '"n4"'}], "an event")
    equal(done(place.pealctl("history", "a", "--limit=1"), "history"),
          'id: %s\nevent: t\ndata: "n4"\n\n' % ids[4], "text is as on the wire")
    equal(done(place.pealctl("history", "nothing"), "history"), "", "another channel")
    equal(site.publish("a", 1)["subscribers"], 0, "subscribers after all that")
    gap = place.pealctl("history", "a", "--since", ids[0])
    check("not all" in gap.stderr, "nothing is said of what was lost: %r", gap.stderr)
    whole = place.pealctl("history", "a", "--since", ids[3])
    equal(whole.stderr, "", "what is said where nothing was lost")
    equal(place.pealctl("history", "a", "--since", "yesterday").returncode, USAGE, "exit status")


@case
def history_on_a_terminal_is_a_table_that_cannot_command_it(place):
    site = place.behind_lighttpd()
    site.post("one\x1b[2J two", "text/plain", "/publish?channel=a&topic=greeting")
    with on_terminal(place, "history", "a", columns=100) as shown:
        equal(shown.ended(), 0, "exit status")
        shown.shows(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +greeting +one\.\[2J two\r\n")


@case
def tail_on_a_terminal_cannot_command_it_either(place):
    site = place.behind_lighttpd()
    site.post("one\x1b[2J two", "text/plain", "/publish?channel=a")
    with on_terminal(place, "tail", "--since=earliest", "a") as shown:
        shown.shows(r"data: one\.\[2J two\r\n\r\n")
        shown.signal(signal.SIGINT)
        equal(shown.ended(), 0, "exit status")


@case
def long_history_comes_whole_in_pages(place):
    peal = place.direct("--max-events", "5000")
    for n in range(0, 3000, 500):
        batch = "\n".join(json.dumps({"channel": "a", "data": "%d " % i + "x" * 100})
                          for i in range(n, n + 500))
        answer = peal.ask("POST", batch, CONTENT_TYPE="application/x-ndjson",
                          PEAL_ROLES="publish")
        equal(answer.status, 200, "publishing")
    peal.publish("a", "y" * 60000)
    events = json.loads(done(place.pealctl("history", "a", "--json"), "history"))
    equal([e["data"].split(" ")[0] for e in events[:-1]],
          ['"%d' % n for n in range(3000)], "events")
    equal(len(events[-1]["data"]), 60002, "the large one")


@case
def purge_removes_events_and_who_was_behind_is_told(place):
    site = place.behind_lighttpd()
    ids = [site.publish("a", n)["id"] for n in range(3)]
    site.publish("b", "kept")
    listening = site.subscribe("a")

    equal(done(place.pealctl("purge", "a"), "purge"), "3 events removed\n", "what purge says")

    equal(done(place.pealctl("history", "a"), "history"), "", "the history")
    check("kept" in done(place.pealctl("history", "b"), "history"), "another channel's is gone")
    behind = site.subscribe("a", since=ids[0])
    equal(behind.next().type, "peal:gap", "what who was behind gets")
    site.publish("a", 9)
    for stream in (behind, listening):
        equal(stream.next().data, "9", "the next event")
    result = place.pealctl("purge", "nothing")
    equal(result.returncode, 1, "exit status")
    check('"nothing"' in result.stderr and "channels" in result.stderr, "%r", result.stderr)


@case
def top_prints_a_line_for_each_interval(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    site.publish("a", 1)
    stream.next()
    lines = done(place.pealctl("top", "--interval=50ms", "--rounds=3"), "top").splitlines()
    equal(len(lines), 3, "lines")
    for line in lines:
        when, *facts = line.split(" ")
        check(when.isdigit(), "no time: %r", line)
        facts = dict(fact.split("=") for fact in facts)
        equal(set(facts), {"published", "delivered", "streams", "channels", "events", "used"},
              "facts")
        equal((facts["streams"], facts["channels"], facts["events"]), ("1", "1", "1"), "numbers")


@case
def top_shows_rates_and_the_busiest_channel_first(place):
    site = place.behind_lighttpd()
    for _ in range(2):
        site.subscribe("quiet")
    site.subscribe("busy")
    with on_terminal(place, "top", "--interval=200ms") as shown:
        shown.shows(r"3 streams")
        # Subscribers count where nothing moves.
        shown.shows(r"(?s)CHANNEL.*quiet.*busy.*q ends")

        def is_busy():
            site.publish("busy", 1)
            shown.read()
            last = shown.text.rpartition("\033[H")[0].rpartition("\033[H")[2]
            return re.search(r"(?s)[1-9]\d* published/s +[1-9]\d* delivered/s.*"
                             r"\n +[1-9]\d* +1 .*busy.*quiet", last)
        wait_for(is_busy, "the busy channel to be first: %r" % shown.text[-500:])
        shown.press(b"q")
        equal(shown.ended(), 0, "exit status")
        shown.is_restored()


@case
def top_gives_the_terminal_back_however_it_ends(place):
    site = place.behind_lighttpd()
    site.subscribe("a")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with on_terminal(place, "top") as shown:
            shown.shows("q ends")
            shown.signal(number)
            equal(shown.ended(), 0, "exit status")
            shown.is_restored()


@case
def top_follows_the_size_of_its_terminal(place):
    peal = place.direct()
    for n in range(40):
        peal.publish("channel-%02d" % n, 1)
    with on_terminal(place, "top", "--interval=1h", lines=12) as shown:
        shown.shows("q ends")
        equal(len(set(re.findall(r"channel-\d\d", shown.text))), 5, "channels in 12 lines")
        fcntl.ioctl(shown.master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))
        shown.signal(signal.SIGWINCH)
        shown.shows(r"(?s)q ends.*q ends")
        equal(len(set(re.findall(r"channel-\d\d", shown.text))), 13, "channels in 20 lines")


@case
def top_ends_when_its_arena_is_removed(place):
    place.direct()
    with on_terminal(place, "top", "--interval=50ms") as shown:
        shown.shows("q ends")
        os.unlink(place.arena)
        equal(shown.ended(), UNAVAILABLE, "exit status")
        shown.shows("the arena was removed")
        shown.is_restored()


@case
def an_option_is_for_its_verb(place):
    place.direct()
    for words in (["status", "--limit=1"], ["history", "a", "--limit=0"], ["channels", "--since=1"],
                  ["purge", "a", "--json"], ["top", "--interval=x"],
                  ["history", "a", "--limit=1", "--limit=2"]):
        result = place.pealctl(*words)
        equal(result.returncode, USAGE, "exit status of %r" % words)
        check("--" in result.stderr, "%r: the option is not named: %r", words, result.stderr)
    # Behind "--" nothing is an option.
    done(place.pealctl("publish", "--", "a", "t", "--json"), "publish")
    check("data: --json\n" in done(place.pealctl("history", "a"), "history"), "not published")


if __name__ == "__main__":
    run()
