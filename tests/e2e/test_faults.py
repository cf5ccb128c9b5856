#!/usr/bin/env python3
"""The whole service in trouble: what is acknowledged is not lost, and nobody is stuck."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

from fastcgi import FastcgiBody, request as fastcgi_request
from harness import (Direct, Failed, accepts, alive, case, check, connect, equal, programs,
                     run, wait_for)
from steady import nothing_is_lost_over

WORKER = "peal.fcgi"
EX_CONFIG = 78


def workers(process):
    return programs(process.pid, WORKER)


def numbers(stream, count):
    return [int(e.data) for e in stream.take(count)]


# ---- Processes that die -----------------------------------------------------

@case
def workers_end_with_a_killed_supervisor_and_its_successor_goes_on(place):
    peal = place.direct("--workers", "2")
    streams = [peal.subscribe("a") for _ in range(6)]
    first = peal.publish("a", 0)["id"]
    pids = workers(peal.process)
    peal.process.signal(signal.SIGKILL)
    peal.process.wait()
    wait_for(lambda: not any(alive(p) for p in pids), "the workers to end")
    wait_for(lambda: not accepts(place.socket), "the workers to let go of the socket")
    for stream in streams:
        stream.ended()

    peal = place.direct("--workers", "2", name="next")

    peal.publish("a", 1)
    equal(numbers(peal.subscribe("a", since=first), 1), [1], "what was missed")


@case
def all_workers_may_be_killed_at_once_again_and_again(place):
    peal = place.direct("--workers", "3")
    last = peal.publish("a", 0)["id"]
    for n in range(1, 6):
        for pid in workers(peal.process):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(workers(peal.process)) == 3, "three new workers")
        stream = peal.subscribe("a", since=last)
        last = peal.publish("a", n)["id"]
        equal(numbers(stream, 1), [n], "the event")
    equal(numbers(peal.subscribe("a", since="earliest"), 6), list(range(6)), "the history")
    equal(place.pealctl("check").returncode, 0, "pealctl check")


@case
def a_stopped_worker_delays_only_its_own_streams(place):
    one = place.direct(listen=place.path("run", "one.sock"), name="one")
    two = place.direct(listen=place.path("run", "two.sock"), name="two")
    stays, waits = one.subscribe("a"), two.subscribe("a")
    stopped = workers(two.process)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        for n in range(50):
            one.publish("a", n)
        equal(numbers(stays, 50), list(range(50)), "who is not stopped")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    equal(numbers(waits, 50), list(range(50)), "who was stopped")


@case
def apache_reloads_gracefully_and_nothing_is_missed(place):
    site = place.behind_apache()
    nothing_is_lost_over(place, site, lambda s: s.server.signal(signal.SIGUSR1))


def restart_lighttpd(place):
    """Ends it, and starts it again at the same port."""
    def again(site):
        site.server.stop()
        argv = [place.find("lighttpd"), "-D", "-f", place.example("lighttpd.conf")]
        site.server = place.start("lighttpd-again", argv, env=place.environment(site.port))
        wait_for(lambda: accepts(site.port), "lighttpd to listen again")
    return again


@case
def lighttpd_is_restarted_and_nothing_is_missed(place):
    site = place.behind_lighttpd("--workers", "2")
    nothing_is_lost_over(place, site, restart_lighttpd(place))


@case
def lighttpd_reloads_gracefully_and_nothing_is_missed(place):
    """SIGUSR1: it reads its configuration anew, once its requests have ended."""
    site = place.behind_lighttpd("--workers", "2", "--max-stream-age", "1s")
    nothing_is_lost_over(place, site, lambda s: s.server.signal(signal.SIGUSR1))


@case
def peal_is_replaced_behind_a_socket_that_is_held(place):
    """An upgrade: whoever knocks in between waits, and is let in by the new one."""
    path = place.path("run", "held.sock")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    os.chmod(path, 0o666)
    sock.listen(128)
    argv = [place.peal_fcgi, "--listen", "fd:%d" % sock.fileno(), "--workers", "2",
            "--arena", place.arena]

    def start(name):
        return Direct(place, path, place.start(name, argv, env=place.environment(0),
                                               pass_fds=[sock.fileno()]))

    with sock:
        old = start("old")
        stream = old.subscribe("a")
        last = old.publish("a", 0)["id"]
        old.process.stop()
        stream.ended()
        waiting = connect(path)
        waiting.sendall(fastcgi_request(Direct.variables(query_string="channel=a",
                                                         HTTP_LAST_EVENT_ID=last)))

        new = start("new")

        new.publish("a", 1)
        raw = b""
        while b"data: 1\n" not in raw:
            more = waiting.recv(65536)
            check(more, "who knocked in between was refused: %r", raw)
            raw += more
        waiting.close()


# ---- The arena's file -------------------------------------------------------

@case
def an_arena_that_is_removed_is_made_anew_and_the_gap_is_told(place):
    peal = place.direct("--workers", "2", "--heartbeat", "1s")
    stream = peal.subscribe("a")
    first = peal.publish("a", 0)["id"]
    equal(numbers(stream, 1), [0], "the event")

    for name in os.listdir(os.path.dirname(place.arena)):
        os.unlink(os.path.join(os.path.dirname(place.arena), name))

    def works():
        answer = peal.ask("POST", "1", QUERY_STRING="channel=a", CONTENT_TYPE="text/plain",
                          PEAL_ROLES="publish")
        return answer.status == 200
    wait_for(works, "publishing to work again")

    def gap_is_told():
        """A worker that has just noticed sends who comes back away once more, politely."""
        try:
            return peal.subscribe("a", since=first).next()
        except (Failed, OSError):
            return None
    event = wait_for(gap_is_told, "an event for who comes back")
    equal(event.type, "peal:gap", "the first event of who comes back")


@case
def an_arena_that_is_cut_while_it_is_used_is_made_anew(place):
    peal = place.direct("--workers", "2", "--heartbeat", "1s")
    peal.subscribe("a")
    peal.publish("a", 0)
    os.truncate(place.arena, 4096)

    def works():
        try:
            answer = peal.ask("POST", "1", QUERY_STRING="channel=a",
                              CONTENT_TYPE="text/plain", PEAL_ROLES="publish")
        except (Failed, OSError):
            return False
        return answer.status == 200
    wait_for(works, "publishing to work again")
    equal(peal.subscribe("a", since="earliest").next().type, "message", "an event")
    equal(place.pealctl("check").returncode, 0, "pealctl check")


def garble(path, chance, count, begin=0):
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        for _ in range(count):
            file.seek(begin + chance.randrange(size - begin))
            file.write(bytes([chance.randrange(256)]))


@case
def a_garbled_arena_is_repaired_or_refused_when_it_is_opened(place):
    seed = random.randrange(1 << 32)
    print("# seed %d" % seed)
    chance = random.Random(seed)
    for n in range(12):
        peal = place.direct("--arena-size", "1M", name="peal%d" % n)
        for i in range(40):
            peal.publish("c%d" % (i % 7), "x" * chance.randrange(600))
        peal.process.stop()
        # At first anywhere but in the header, which is what makes it an arena.
        garble(place.arena, chance, 1 + 40 * n, begin=4096)
        if n % 3 == 2:
            garble(place.arena, chance, 40)
            with open(place.arena, "r+b") as file:
                file.seek(8)
                file.write(bytes(chance.randrange(256) for _ in range(200)))
        peal = place.direct("--arena-size", "1M", name="again%d" % n)
        reply = peal.publish("c1", "after")
        stream = peal.subscribe("c1", since="earliest")
        wait_for(lambda: stream.next().id == reply["id"], "the event published last")
        verdict = place.pealctl("check")
        equal(verdict.returncode, 0, "pealctl check: %s" % verdict.stdout)
        peal.process.stop()


@case
def a_stream_whose_registration_went_bad_is_ended_and_comes_back(place):
    peal = place.direct("--workers", "1", "--heartbeat", "600s")
    stream = peal.subscribe("a")
    last = peal.publish("a", 0)["id"]
    equal(numbers(stream, 1), [0], "the event")
    kind = (0x4c73546e).to_bytes(4, sys.byteorder)  # a registration's, in layout.h
    with open(place.arena, "r+b") as file:
        raw = file.read()
        places = [at for at in range(0, len(raw), 256) if raw[at:at + 4] == kind]
        equal(len(places), 1, "registrations in the arena")
        file.seek(places[0])
        file.write(b"\xa5\xa5\xa5\xa5")

    peal.publish("a", 1)

    stream.ended()
    equal(numbers(peal.subscribe("a", since=last), 1), [1], "what was missed")


@case
def a_file_that_is_no_arena_is_left_alone(place):
    os.mkdir(os.path.dirname(place.arena), 0o700)
    if place.user is not None:
        os.chown(os.path.dirname(place.arena), place.user, place.group)
    precious = place.write("arena/arena", "a love letter\n" * 400)
    result = place.peal("--listen", place.socket, "--arena", place.arena)
    equal(result.returncode, EX_CONFIG, "status")
    check(place.arena in result.stderr, "the file is not named: %r", result.stderr)
    with open(place.arena) as file:
        equal(file.read(), "a love letter\n" * 400, "the file")
    del precious


@case
def links_and_foreign_folders_are_refused(place):
    real = place.path("run", "real")
    os.mkdir(real, 0o700)
    if place.user is not None:
        os.chown(real, place.user, place.group)
    os.symlink(real, place.path("run", "link"))
    os.symlink("/etc/hostname", os.path.join(real, "arena"))
    open_to_all = place.path("run", "open")
    os.mkdir(open_to_all)
    os.chmod(open_to_all, 0o777)
    for path in (place.path("run", "link", "other"), os.path.join(real, "arena"),
                 os.path.join(open_to_all, "arena")):
        result = place.peal("--listen", place.socket, "--arena", path)
        equal(result.returncode, EX_CONFIG, path)
        equal(result.stderr.count("\n"), 1, "lines for " + path)
        check(place.path("run") in result.stderr, "the path is not named: %r", result.stderr)


@case
def another_size_waits_until_the_last_worker_is_gone(place):
    first = place.direct("--arena-size", "2M", listen=place.path("run", "one.sock"), name="one")
    last = first.publish("a", 0)["id"]
    second = place.direct("--arena-size", "4M", listen=place.path("run", "two.sock"), name="two")
    equal(os.path.getsize(place.arena), 2 << 20, "the size while workers use it")
    equal(numbers(second.subscribe("a", since="earliest"), 1), [0], "the history")
    with open(place.path("two.log")) as log:
        check("2097152" in log.read(), "the log does not say so")
    second.process.stop()
    first.process.stop()
    third = place.direct("--arena-size", "4M", name="three")
    # It listens before it opens its arena.
    wait_for(lambda: os.path.getsize(place.arena) == 4 << 20, "the new size")
    equal(third.subscribe("a", since=last).next().type, "peal:gap", "the gap")


@case
def a_full_file_system_is_told_at_once(place):
    """In a mount namespace of its own, with a file system of 2 MiB."""
    folder = place.path("run", "small")
    os.mkdir(folder, 0o700)
    script = ("mount -t tmpfs -o size=2m,mode=0700 small '%s' || exit 99; '%s' --listen '%s' "
              "--arena '%s/arena' --arena-size 16M; status=$?; umount '%s'; exit $status"
              % (folder, place.peal_fcgi, place.socket, folder, folder))
    flags = [] if os.getuid() == 0 else ["--map-root-user"]
    # Where the root is no mount point, as in a chroot, its propagation cannot be changed.
    for more in ([], ["--propagation", "unchanged"]):
        result = subprocess.run(["unshare", "--mount"] + flags + more + ["sh", "-c", script],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                universal_newlines=True, timeout=60)
        if "propagation" not in result.stderr:
            break
    equal(result.returncode, EX_CONFIG, "status (%s)" % result.stderr)
    check("small/arena" in result.stderr, "the file is not named: %r", result.stderr)
    check("room" in result.stderr, "the reason is not told: %r", result.stderr)


# ---- Bad peers --------------------------------------------------------------

@case
def crowds_that_want_64_channels_each_are_served(place):
    peal = place.direct("--workers", "2")
    streams = [peal.stream("&".join("channel=%d-%d" % (n % 4, c) for c in range(64)))
               for n in range(100)]
    for stream in streams:
        stream.opened()
    for n in range(4):
        for c in (0, 31, 63):
            equal(peal.publish("%d-%d" % (n, c), c)["subscribers"], 25, "subscribers")
    for stream in streams:
        equal(numbers(stream, 3), [0, 31, 63], "events")


@case
def a_storm_of_returning_clients_is_served(place):
    peal = place.direct("--workers", "2")
    ids = [peal.publish("a", n)["id"] for n in range(100)]
    streams = []
    for n in range(1000):
        streams.append(peal.stream("channel=a", HTTP_LAST_EVENT_ID=ids[n % 100]))
    reply = peal.publish("a", 100)
    for n, stream in enumerate(streams):
        equal(numbers(stream.opened(), 100 - n % 100), list(range(n % 100 + 1, 101)), "events")
    check(reply["subscribers"] <= 1000, "more subscribers than there are")


@case
def stalled_readers_are_ended_and_told_of_the_gap(place):
    peal = place.direct("--workers", "1", "--stall-timeout", "2s", "--max-events", "100")
    healthy = peal.subscribe("a")
    stalled = [connect(peal.address) for _ in range(20)]
    for sock in stalled:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(fastcgi_request(Direct.variables(query_string="channel=a")))
    wait_for(lambda: peal.publish("a", "-1")["subscribers"] == 21, "all to join")
    while healthy.next().data != '"-1"':
        pass
    data = "x" * 8000
    got = -1
    for n in range(300):
        peal.publish("a", "%d %s" % (n, data))
        # It keeps up, with half of the history as slack; the machine may be slow.
        while got < (n - 50 if n < 299 else n):
            event = healthy.next()
            if event.data != '"-1"':
                equal(int(event.data[1:].split()[0]), got + 1, "the next event")
                got += 1
    wait_for(lambda: peal.publish("b", 1) and peal.status()["totals"]["stalled"] == 20,
             "the stalled to be ended", 30)
    equal(peal.publish("a", "end")["subscribers"], 1, "subscribers left")
    for sock in stalled:
        sock.close()


@case
def answers_that_are_not_read_hold_up_nobody_and_wait(place):
    """Each is longer than what the sockets hold.  Who asks meanwhile is answered first."""
    peal = place.direct("--workers", "1")
    stream = peal.subscribe("a")
    body = b"\n".join([b'{"channel":"batch","data":1}'] * 10000)
    whole = fastcgi_request(Direct.variables(
        "POST", CONTENT_TYPE="application/x-ndjson", PEAL_ROLES="publish",
        CONTENT_LENGTH=str(len(body))), body)
    crowd = []
    for n in range(1, 6):
        sock = connect(peal.address)
        sock.sendall(whole)
        crowd.append(sock)
        wait_for(lambda: peal.status()["totals"]["published"] >= 10001 * n - 1,
                 "the batch to be stored")
        peal.publish("a", n)
    equal(numbers(stream, 5), [1, 2, 3, 4, 5], "events")
    for sock in crowd:
        decoder, answer = FastcgiBody(), b""
        while not decoder.complete:
            raw = sock.recv(65536)
            check(raw, "an answer was cut after %d bytes", len(answer))
            answer += decoder.feed(raw)
        equal(len(json.loads(answer)["events"]), 10000, "events of the answer")
        sock.close()


@case
def a_peer_that_says_no_more_is_told_the_end(place):
    """lighttpd shuts its direction down when a client has gone, and listens on."""
    peal = place.direct("--workers", "1")
    stream = peal.subscribe("a")

    stream._sock.shutdown(socket.SHUT_WR)

    stream.wait(lambda: stream.closed, "the end of the stream")
    check(stream.complete, "the connection was cut before FCGI_END_REQUEST")
    wait_for(lambda: peal.publish("a", 1)["subscribers"] == 0, "the stream to be forgotten")


@case
def silent_and_half_sent_connections_keep_nobody_out(place):
    peal = place.direct("--workers", "1")
    stream = peal.subscribe("a")
    whole = fastcgi_request(Direct.variables("POST", CONTENT_LENGTH="5",
                                             QUERY_STRING="channel=a"), b"hello")
    others = []
    for n in range(400):
        sock = connect(peal.address)
        sock.sendall(whole[:n % len(whole)])
        others.append(sock)
    for n in range(20):
        peal.publish("a", n)
    equal(numbers(stream, 20), list(range(20)), "events")
    for sock in others:
        sock.close()


@case
def a_body_that_trickles_delays_nobody(place):
    peal = place.direct("--workers", "1")
    stream = peal.subscribe("a")
    body = b"0123456789" * 3
    whole = fastcgi_request(Direct.variables(
        "POST", query_string="channel=slow", CONTENT_TYPE="text/plain", PEAL_ROLES="publish",
        CONTENT_LENGTH=str(len(body))), body)
    with connect(peal.address) as slow:
        for n, byte in enumerate(whole):
            slow.sendall(bytes([byte]))
            if n % 8 == 0:
                peal.publish("a", n)
                equal(numbers(stream, 1), [n], "the event")
        answer = slow.recv(65536)
        check(b"Status: 200" in answer, "the slow one: %r", answer)
    equal(peal.subscribe("slow", since="earliest").next().data, body.decode(), "its event")


def with_few_descriptors(place, count):
    argv = ["sh", "-c", 'ulimit -n "$1" && shift && exec "$@"', "sh", str(count), place.peal_fcgi,
            "--listen", place.socket, "--workers", "1", "--arena", place.arena]
    process = place.start("peal", argv, env=place.environment(0), **place.as_service())
    place.ready(process, place.socket)
    return Direct(place, place.socket, process)


@case
def posts_that_trickle_through_mod_proxy_fcgi_delay_nobody(place):
    """PEAL_TEST_TRICKLE is for how many seconds; over a minute, peal hangs up on them."""
    seconds = float(os.environ.get("PEAL_TEST_TRICKLE") or 3)
    site = place.behind_mod_proxy_fcgi("--workers", "1")
    stream = site.subscribe("a", path="/events")
    length = int(seconds * 20)
    crowd = []
    for _ in range(10):
        sock = connect(site.port)
        sock.sendall(b"POST /publish?channel=slow HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % length)
        crowd.append(sock)
    for n in range(length):
        for sock in crowd:
            with contextlib.suppress(OSError):
                sock.sendall(b"x")
        site.publish("a", n)
        equal(numbers(stream, 1), [n], "the event")
        time.sleep(0.05)  # it is what trickling is
    for sock in crowd:
        head = sock.recv(65536).split(b"\r\n")[0]
        check(b" 200 " in head if seconds < 50 else b" 50" in head, "a slow one: %r", head)
        sock.close()
    if seconds < 50:
        slow = site.subscribe("slow", path="/events", since="earliest")
        equal([e.data for e in slow.take(10)], ["x" * length] * 10, "the slow ones' events")


@case
def silent_connections_keep_nobody_out_though_descriptors_ran_out(place):
    """Whoever has nothing to say makes room, long before the minute a request may take."""
    peal = with_few_descriptors(place, 64)
    streams = [peal.subscribe("a") for _ in range(40)]
    crowd = [connect(place.socket) for _ in range(200)]
    for n in range(20):
        equal(peal.publish("a", n)["subscribers"], 40, "subscribers")
    for stream in streams:
        equal(numbers(stream, 20), list(range(20)), "events")
    for sock in crowd:
        sock.close()


@case
def kept_connections_keep_nobody_out_though_descriptors_ran_out(place):
    """A web server that keeps its connections must not be its own ruin."""
    peal = with_few_descriptors(place, 64)
    stream = peal.subscribe("a")
    crowd = []
    for _ in range(200):
        sock = connect(place.socket)
        sock.sendall(fastcgi_request(Direct.variables("OPTIONS"), keep=True))
        check(sock.recv(65536), "a request that keeps its connection is not answered")
        crowd.append(sock)
    peal.publish("a", 1)
    equal(numbers(stream, 1), [1], "the event")
    for sock in crowd:
        sock.close()


@case
def without_descriptors_it_rests_and_recovers(place):
    peal = with_few_descriptors(place, 64)
    process = peal.process
    crowd = []
    for _ in range(200):
        sock = connect(place.socket)
        # Who has said nothing yet makes room for who comes next: it may be hung up on already.
        with contextlib.suppress(OSError):
            sock.sendall(fastcgi_request(Direct.variables(query_string="channel=a")))
        crowd.append(sock)
    (worker,) = wait_for(lambda: workers(process), "the worker")

    def ticks():
        with open("/proc/%d/stat" % worker) as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    time.sleep(0.5)  # let it come to rest: what is measured is that it does
    before = ticks()
    time.sleep(1)
    check(ticks() - before < 30, "it spins: %d ticks in a second", ticks() - before)
    for sock in crowd:
        sock.close()

    def works():
        try:
            return peal.publish("a", 1)["subscribers"] == 0
        except (Failed, OSError):
            return False
    wait_for(works, "it to recover")
    equal(workers(process), [worker], "the worker")


if __name__ == "__main__":
    run(limit=400)
