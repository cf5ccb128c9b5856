#!/usr/bin/env python3
"""peal-bench counts what it publishes and gets, and tells what a bad service does."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading

from harness import HOST, LIMIT, Failed, case, check, equal, free_port, run
from screen import screen

USAGE = 64
UNAVAILABLE = 69

MEMBERS = {"streams", "open_seconds", "seconds", "published", "published_per_s", "deliveries",
           "deliveries_per_s", "latency_ms", "last_ms", "publish_ms", "lost", "duplicated",
           "disordered", "ended", "not_opened", "failed_posts", "processes"}
TIMES = {"p50", "p90", "p99", "max"}
PROCESS = {"cpu_s", "cpu_us_per_delivery", "cpu_us_per_event", "processes", "pss_before", "pss",
           "rss_peak", "pss_per_stream"}
FAULTS = ("lost", "duplicated", "disordered", "ended", "not_opened", "failed_posts")


def bench(place, *options, env=None):
    """Run peal-bench as whoever runs the test, who may look into the servers' memory."""
    try:
        return subprocess.run([place.bench_path] + [str(o) for o in options],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True,
                              timeout=4 * LIMIT, env=dict(place.environment(0), **(env or {})), cwd="/")
    except subprocess.TimeoutExpired:
        raise Failed("peal-bench does not end: %r" % (options,)) from None


def urls(port, kind="json"):
    publish = "/publish?channel={}" if kind == "raw" else "/publish"
    return ["--type", kind, "--publish", "http://%s:%d%s" % (HOST, port, publish),
            "http://%s:%d/events?channel={}" % (HOST, port)]


def read(result):
    try:
        return json.loads(result.stdout)
    except ValueError:
        raise Failed("not JSON: %r, %r" % (result.stdout[:300], result.stderr)) from None


def passes(place, port, *options, kind="json"):
    """A run in which nothing goes wrong; returns what it measured."""
    result = bench(place, "--json", *options, *urls(port, kind))
    equal((result.returncode, result.stderr), (0, ""), "exit status and standard error")
    got = read(result)
    equal({n: got[n] for n in FAULTS}, dict.fromkeys(FAULTS, 0), "faults")
    return got


def one_line(result, status, *words):
    equal(result.returncode, status, "exit status (%r)" % result.stderr)
    equal(result.stderr.count("\n"), 1, "lines on standard error (%r)" % result.stderr)
    check(result.stderr.startswith("peal-bench: "), "it begins with %r", result.stderr)
    equal(result.stdout, "", "standard output")
    for word in words:
        check(word in result.stderr, "%r is not in %r", word, result.stderr)


# ---- Against peal -----------------------------------------------------------

@case
def every_event_gets_to_every_subscriber_once(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 20, "--events", 200)

    equal((got["streams"], got["published"], got["deliveries"]), (20, 200, 4000), "counts")
    totals = site.status()["totals"]
    equal((totals["published"], totals["delivered"]), (200, 4000), "peal's own counts")


@case
def the_json_object_has_its_members_and_they_agree(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 5, "--events", 50)

    equal(set(got), MEMBERS, "members")
    for name in ("latency_ms", "last_ms", "publish_ms"):
        equal(set(got[name]), TIMES, "members of " + name)
        values = [got[name][n] for n in ("p50", "p90", "p99", "max")]
        check(0 < values[0] and values == sorted(values), "%s: %r", name, got[name])
    # Each event's last delivery is one of its deliveries.
    equal(got["last_ms"]["max"], got["latency_ms"]["max"], "the longest way")
    check(got["last_ms"]["p50"] >= got["latency_ms"]["p50"], "the last came first: %r", got)
    for name, rate in (("published", "published_per_s"), ("deliveries", "deliveries_per_s")):
        # The seconds are rounded to a microsecond.
        wanted = got[name] / got["seconds"]
        check(abs(got[rate] / wanted - 1) < 0.01, "%s: %r, not %r", rate, got[rate], wanted)
    equal(got["processes"], {}, "processes")


@case
def events_are_spread_over_the_channels(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 8, "--channels", 4, "--events", 100)
    # 25 events to each channel, which has two subscribers.
    equal((got["published"], got["deliveries"]), (100, 200), "counts")


@case
def raw_bodies_name_the_channel_in_the_url(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 4, "--channels", 2, "--events", 50,
                 "--payload", 5000, kind="raw")
    equal((got["published"], got["deliveries"]), (50, 100), "counts")


@case
def batches_are_published_as_ndjson_and_as_an_array(place):
    site = place.behind_lighttpd()
    for kind in ("ndjson", "array"):
        # The last batch is a short one.
        got = passes(place, site.port, "--subscribers", 3, "--events", 130, "--batch", 50,
                     kind=kind)
        equal((got["published"], got["deliveries"]), (130, 390), kind)


@case
def an_open_loop_keeps_its_rate(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 3, "--events", 40, "--rate", 50,
                 "--burst", 10)
    equal((got["published"], got["deliveries"]), (40, 120), "counts")
    # Bursts at 0, 0.2, 0.4 and 0.6 s.
    check(got["seconds"] >= 0.6, "faster than it should: %r s", got["seconds"])


@case
def a_duration_ends_a_load(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 3, "--rate", 100, "--duration", "500ms")
    check(got["seconds"] >= 0.5, "only %r s", got["seconds"])
    # Due at 0 to 490 ms; a busy machine sends them later, but neither more nor less.
    equal((got["published"], got["deliveries"]), (50, 150), "counts")


@case
def without_subscribers_it_only_publishes(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 0, "--events", 50)
    equal((got["streams"], got["published"], got["deliveries"]), (0, 50, 0), "counts")
    equal(site.status()["totals"]["published"], 50, "peal's own count")


@case
def a_replay_gives_everybody_all_there_is(place):
    site = place.behind_lighttpd()
    for _ in range(2):  # The second is not disturbed by what the first has left.
        got = passes(place, site.port, "--subscribers", 10, "--channels", 2, "--replay", 130,
                     "--resume", "earliest", "--batch", 50, kind="ndjson")
        equal((got["streams"], got["deliveries"]), (10, 1300), "counts")
        check(got["deliveries_per_s"] > 0, "no rate in %r", got)


@case
def a_replay_s_table_says_what_was_replayed(place):
    site = place.behind_lighttpd()
    result = bench(place, "--subscribers", 3, "--replay", 20, "--resume", "earliest",
                   *urls(site.port))
    equal((result.returncode, result.stderr), (0, ""), "exit status and standard error")
    check("20 events of each channel replayed in " in result.stdout
          and "published in" not in result.stdout, "it says %r", result.stdout)


@case
def stalled_readers_are_not_waited_for(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 10, "--stalled", 4, "--events", 50)
    equal((got["streams"], got["published"], got["deliveries"]), (10, 50, 300), "counts")


@case
def idle_streams_are_held_and_get_nothing(place):
    site = place.behind_lighttpd()
    got = passes(place, site.port, "--subscribers", 20, "--idle", "300ms",
                 "--watch", "peal=%d" % site.peal.pid)
    equal((got["streams"], got["published"], got["deliveries"]), (20, 0, 0), "counts")
    check(got["seconds"] >= 0.3, "only %r s", got["seconds"])
    check(got["processes"]["peal"]["pss"] > 0, "no memory in %r", got)


@case
def processes_are_watched_each_by_its_name(place):
    site = place.behind_lighttpd("--workers", "2")
    got = passes(place, site.port, "--subscribers", 20, "--events", 500,
                 "--watch", "web=%d:lighttpd" % site.server.pid,
                 "--watch", "peal=%d" % site.peal.pid,
                 "--watch", "both=%d,%d:!php-cgi" % (site.server.pid, site.peal.pid))

    seen = got["processes"]
    equal(set(seen), {"web", "peal", "both"}, "names")
    for name, one in seen.items():
        equal(set(one), PROCESS, "members of " + name)
        check(one["cpu_s"] > 0, "%s used no time: %r", name, one)
        for member in ("pss_before", "pss", "rss_peak"):
            check(one[member] > 100000, "%s: %s in %r", name, member, one)
        check(abs(one["cpu_us_per_delivery"] * got["deliveries"] / 1e6 - one["cpu_s"]) < 0.002,
              "%s: %r", name, one)
        check(abs(one["cpu_us_per_event"] * got["published"] / 1e6 - one["cpu_s"]) < 0.002,
              "%s: %r", name, one)
    equal((seen["web"]["processes"], seen["peal"]["processes"], seen["both"]["processes"]),
          (1, 3, 4), "processes")


@case
def headers_are_sent_along(place):
    place.write("keys", "a-key-of-17-bytes\n")
    site = place.behind_lighttpd("--publish-key-file", os.path.join(place.run, "keys"))
    url = ["--type", "json", "--publish", "http://%s:%d/events" % (HOST, site.port),
           "http://%s:%d/events?channel={}" % (HOST, site.port)]
    one_line(bench(place, "--json", *url), UNAVAILABLE, "status 40")
    result = bench(place, "--json", "--events", "10",
                   "--header", "Authorization: Bearer a-key-of-17-bytes", *url)
    equal(result.returncode, 0, "with the key: exit status (%r)" % result.stderr)


@case
def people_get_a_table(place):
    site = place.behind_lighttpd()
    result = bench(place, "--subscribers", 5, "--events", 50,
                   "--watch", "peal=%d" % site.peal.pid, *urls(site.port))
    equal(result.returncode, 0, "exit status")
    for line in ("5 streams, opened in ", "50 events published in ", "250 deliveries: ",
                 "published to last subscriber", "us/delivery",
                 "lost 0, duplicated 0, out of order 0, streams ended 0, not opened 0, "
                 "failed POSTs 0"):
        check(line in result.stdout, "%r is not in %r", line, result.stdout)


@case
def it_speaks_tls(place):
    site = place.behind_nginx(tls=True)
    origin = "https://localhost:%d" % site.port
    words = ["--json", "--type", "json", "--subscribers", "20", "--channels", "2", "--events", "100", "--publish",
             origin + "/publish", origin + "/events?channel={}"]

    result = bench(place, *words, env={"SSL_CERT_FILE": os.path.join(place.run, "cert.pem")})
    equal((result.returncode, result.stderr), (0, ""), "exit status and standard error")
    got = read(result)
    equal((got["streams"], got["published"], got["deliveries"]), (20, 100, 1000), "what came")

    result = bench(place, *words)
    check("self-signed certificate" in result.stderr, "it says %r", result.stderr)
    check(result.returncode != 0, "status %d", result.returncode)


# ---- What is wrong is told --------------------------------------------------

@case
def a_wrong_command_line_is_one_line_and_starts_nothing(place):
    url = "http://127.0.0.1:1/"
    for options, word in (
            ([], "URL"), (["--no-such", url], "--no-such"), ([url, url], "one URL"),
            ([url], "--publish"), (["--publish", url, "a"], "\"a\""),
            (["--publish", "ftp://a", url], "ftp://a"),
            (["--publish", url, "http://a/#b"], "fragment"),
            (["--subscribers", "x", "--publish", url, url], "--subscribers"),
            (["--channels", "0", "--publish", url, url], "--channels"),
            (["--type", "xml", "--publish", url, url], "xml"),
            (["--batch", "2", "--publish", url, url], "--batch"),
            (["--in-flight", "1", "--rate", "1", "--publish", url, url], "--rate"),
            (["--replay", "1", "--publish", url, url], "--resume"),
            (["--stalled", "9", "--subscribers", "8", "--publish", url, url], "--stalled"),
            (["--header", "none", "--publish", url, url], "none"),
            (["--header", "A: b\r\nC: d", "--publish", url, url], "header"),
            (["--watch", "a=b", "--publish", url, url], "a=b"),
            (["--watch", "a", "--publish", url, url], "NAME=PID")):
        one_line(bench(place, *options), USAGE, word)


@case
def where_nobody_listens_it_says_so_once(place):
    port = free_port()
    for options in ([], ["--subscribers", 0], ["--replay", "5", "--resume", "earliest"]):
        one_line(bench(place, *options, *urls(port)), UNAVAILABLE, "Connection refused")
    one_line(bench(place, "--idle", "1s", "http://%s:%d/" % (HOST, port)), UNAVAILABLE,
             "Connection refused")
    one_line(bench(place, "--idle", "1s", "http://a..b/"), UNAVAILABLE, "a..b")


@case
def a_wrong_path_or_process_is_told(place):
    site = place.behind_lighttpd()
    here = "http://%s:%d" % (HOST, site.port)
    one_line(bench(place, "--idle", "1s", here + "/nowhere"), UNAVAILABLE, "status 404")
    one_line(bench(place, "--publish", here + "/nowhere", here + "/events?channel={}"),
             UNAVAILABLE, "status 404")
    one_line(bench(place, "--publish", here + "/events", here + "/events?channel={}"),
             UNAVAILABLE, "status 403: {", 'the role \\"publish\\" is not granted here"}')
    one_line(bench(place, "--watch", "gone=%d:nobody" % site.peal.pid, *urls(site.port)),
             UNAVAILABLE, "--watch gone: ")
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([place.bench_path, "--idle", "100ms", here + "/events?channel={}"],
                                stdout=full, stderr=subprocess.PIPE, universal_newlines=True,
                                timeout=LIMIT)
    equal((result.returncode, result.stderr),
          (1, "peal-bench: standard output: No space left on device\n"), "of a full device")


# ---- Against services that do wrong -----------------------------------------

class Service:
    """A service in few lines: what POSTs bring goes to all streams, as faulty as told.

    fault(number, data, index) is asked for each event and stream, and gives the data that the
    stream is sent now; None ends the stream.  refuse(number): the POST is answered by 500.
    A connection is closed at its POST number so_many + 1, which is not taken.
    """

    def __init__(self, fault=lambda number, data, index: [data], refuse=lambda number: False,
                 so_many=1000000):
        self.fault = fault
        self.refuse = refuse
        self.so_many = so_many
        self.streams = []
        self.count = 0
        self.lock = threading.Lock()
        self.sockets = []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.sockets + [self.listener]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                sock = self.listener.accept()[0]
                self.sockets.append(sock)
                threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        posts = 0
        with contextlib.suppress(OSError), sock.makefile("rb") as file:
            while True:
                line = file.readline()
                length = 0
                for field in iter(file.readline, b"\r\n"):
                    if not field:
                        return
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                if line.startswith(b"GET"):
                    with self.lock:
                        sock.sendall(b"HTTP/1.1 200 OK\r\n"
                                     b"Content-Type: text/event-stream\r\n\r\n")
                        self.streams.append(sock)
                    continue
                data = file.read(length)
                posts += 1
                if posts > self.so_many:
                    sock.shutdown(socket.SHUT_RDWR)
                    return
                status = self.take(data)
                sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)

    def take(self, data):
        with self.lock:
            number, self.count = self.count, self.count + 1
            if self.refuse(number):
                return b"500 Internal Server Error"
            for index, sock in enumerate(self.streams):
                answer = self.fault(number, data, index)
                for one in answer or []:
                    sock.sendall(b"data: %s\n\n" % one)
                if answer is None:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
            return b"200 OK"


def fails(place, service, words, **wanted):
    """A run of 20 events to two streams that tells these faults, and no others."""
    with service:
        # One publisher, so that its order is that of all.
        result = bench(place, "--json", "--subscribers", 2, "--events", 20, "--in-flight", 4,
                       "--connections", 1, *urls(service.port, "raw"))
    equal(result.returncode, 1, "exit status (%r, %r)" % (result.stdout, result.stderr))
    got = read(result)
    faults = {n: got[n] for n in FAULTS if got[n]}
    deliveries = wanted.pop("deliveries")
    equal(faults, wanted, "faults")
    equal(got["deliveries"], deliveries, "deliveries")
    for word in words:
        check(word in result.stderr, "%r is not in %r", word, result.stderr)
    check(("given up" in result.stderr) == ("given up" in words), "%r", result.stderr)
    return got


@case
def a_good_service_in_few_lines_passes(place):
    with Service() as service:
        got = passes(place, service.port, "--subscribers", 2, "--events", 20, kind="raw")
    equal((got["published"], got["deliveries"]), (20, 40), "counts")


@case
def a_post_on_a_kept_connection_that_is_closed_is_sent_again(place):
    with Service(so_many=3) as service:
        got = passes(place, service.port, "--subscribers", 2, "--events", 20, "--connections", 1,
                     kind="raw")
    equal((got["published"], got["deliveries"]), (20, 40), "counts")


@case
def a_first_post_that_is_not_answered_has_failed(place):
    with Service(so_many=0) as service:
        result = bench(place, "--subscribers", 2, "--events", 20, *urls(service.port, "raw"))
    one_line(result, UNAVAILABLE, "the connection was closed")


@case
def an_event_that_is_dropped_is_lost(place):
    def fault(number, data, index):
        return [] if (number, index) == (7, 0) else [data]
    fails(place, Service(fault), ["given up"], lost=1, deliveries=39)


@case
def an_event_that_is_sent_twice_is_a_duplicate(place):
    def fault(number, data, index):
        return [data, data] if (number, index) == (7, 0) else [data]
    fails(place, Service(fault), [], duplicated=1, deliveries=41)


@case
def an_event_that_comes_behind_the_next_is_out_of_order(place):
    kept = []

    def fault(number, data, index):
        if index == 0 and number == 7:
            kept.append(data)
            return []
        return [data, kept.pop()] if index == 0 and kept else [data]
    fails(place, Service(fault), [], disordered=1, deliveries=40)


@case
def one_dropped_and_another_doubled_is_not_out_of_order(place):
    def fault(number, data, index):
        return [data] * {7: 0, 9: 2}.get(number, 1) if index == 0 else [data]
    fails(place, Service(fault), ["given up"], lost=1, duplicated=1, deliveries=40)


@case
def a_stream_that_ends_is_told_and_the_others_go_on(place):
    def fault(number, data, index):
        if index > 0 or number < 7:
            return [data]
        return None if number == 7 else []
    got = fails(place, Service(fault), ["a stream has ended"], ended=1, deliveries=27)
    equal(got["published"], 20, "published")


@case
def a_post_that_fails_is_told_and_its_event_missed(place):
    service = Service(refuse=lambda number: number == 7)
    got = fails(place, service, ["a POST failed: status 500"], failed_posts=1, lost=2,
                deliveries=38)
    equal(got["published"], 19, "published")


def progress(shown):
    """What was shown of it, each time; all on one line, which is wiped before the table."""
    before, wiped, _ = shown.text.rpartition("\r\x1b[K")
    check(wiped and "\n" not in before, "progress is not wiped: %r", shown.text)
    return [line.replace("\x1b[K", "") for line in before.split("\r")[1:]]


@case
def on_a_terminal_progress_tells_rate_and_time_left(place):
    site = place.behind_lighttpd()
    with screen(place, place.bench_path, "--subscribers", "3", "--rate", "50", "--duration", "3s",
                *urls(site.port)) as shown:
        equal(shown.ended(), 0, "exit status")
        check(any(re.match(r"running, [0-3] s left: 3 streams, \d+ published, \d+ delivered, \d+/s$",
                           line) for line in progress(shown)), "progress: %r", shown.text)


@case
def progress_stays_on_one_line_of_a_narrow_terminal(place):
    site = place.behind_lighttpd()
    with screen(place, place.bench_path, "--subscribers", "3", "--idle", "2s",
                "http://%s:%d/events?channel={}" % (HOST, site.port), columns=30) as shown:
        equal(shown.ended(), 0, "exit status")
        lines = progress(shown)
        check(any(line.startswith("running, ") for line in lines), "progress: %r", shown.text)
        check(all(len(line) < 30 for line in lines), "too wide: %r", lines)


@case
def quiet_shows_no_progress(place):
    site = place.behind_lighttpd()
    with screen(place, place.bench_path, "--quiet", "--subscribers", "3", "--idle", "2s",
                "http://%s:%d/events?channel={}" % (HOST, site.port)) as shown:
        equal(shown.ended(), 0, "exit status")
        check("\x1b" not in shown.text, "shown: %r", shown.text)


if __name__ == "__main__":
    run()
