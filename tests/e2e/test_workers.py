#!/usr/bin/env python3
"""Several processes are one peal; they come and go without anybody noticing."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time

from fastcgi import FastcgiBody, request as fastcgi_request
from harness import (LIMIT, SLOW, Direct, accepts, alive, case, check, connect, equal, free_port, programs, run,
                     wait_for)

WORKER = "peal.fcgi"

# What INTERFACE promises for SIGTERM is 2 s; the rest is for a busy machine.
END_LIMIT = 2 * SLOW + 2


def workers(process):
    return programs(process.pid, WORKER)


@case
def two_processes_hear_each_others_broadcasts(place):
    one = place.direct(listen=place.path("run", "one.sock"), name="one")
    two = place.direct(listen=place.path("run", "two.sock"), name="two")
    streams = [one.subscribe("a"), two.subscribe("a")]

    for n, peal in enumerate([one, two, one]):
        equal(peal.publish("a", n)["subscribers"], 2, "subscribers")

    for stream in streams:
        equal([e.data for e in stream.take(3)], ["0", "1", "2"], "events")


@case
def subscribers_are_counted_over_all_workers(place):
    site = place.behind_lighttpd("--workers", "3")
    wait_for(lambda: len(site.status()["workers"]) == 3, "three workers in the status")
    streams = [site.subscribe("a", "c%d" % (n % 2)) for n in range(30)]

    equal(site.publish("a", 1)["subscribers"], 30, "subscribers of a")
    equal(site.publish("c0", 2)["subscribers"], 15, "subscribers of c0")

    for stream in streams:
        equal(stream.next().data, "1", "the event")
    equal(sum(w["streams"] for w in site.status()["workers"]), 30, "streams in the status")


@case
def lighttpd_spawns_two_that_hear_each_other(place):
    site = place.spawned_by_lighttpd()
    wait_for(lambda: len(workers(site.server)) == 2, "two processes")
    streams = [site.subscribe("a") for _ in range(12)]
    streams_of = [w["streams"] for w in site.status()["workers"]]
    check(len(streams_of) == 2 and all(streams_of), "streams of the workers: %r", streams_of)

    for n in range(20):
        equal(site.publish("a", n)["subscribers"], 12, "subscribers")

    for stream in streams:
        equal([e.data for e in stream.take(20)], [str(n) for n in range(20)], "events")


@case
def lighttpd_replaces_a_killed_process(place):
    site = place.spawned_by_lighttpd()
    before = wait_for(lambda: len(workers(site.server)) == 2 and workers(site.server),
                      "two processes")
    site.subscribe("a")
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    def replaced():
        now = workers(site.server)
        return len(now) == 2 and not set(now) & set(before)
    wait_for(replaced, "two new processes")

    def works():
        answer = site.post('{"channel":"a","data":1}')
        return answer.status == 200
    wait_for(works, "publishing to work again")


@case
def a_killed_worker_is_replaced_and_nothing_is_lost(place):
    site = place.behind_lighttpd("--workers", "2")
    streams = [site.subscribe("a") for _ in range(8)]
    first = site.publish("a", 0)["id"]
    before = wait_for(lambda: len(workers(site.peal)) == 2 and workers(site.peal), "two workers")

    os.kill(before[0], signal.SIGKILL)

    wait_for(lambda: len(workers(site.peal)) == 2 and before[0] not in workers(site.peal),
             "a new worker")
    check(before[1] in workers(site.peal), "the other worker has gone, too")
    reply = site.publish("a", 1)
    wait_for(lambda: any(s.closed for s in streams) or reply["subscribers"] == 8,
             "the dead worker's streams to end")
    wait_for(lambda: site.publish("a", 2)["subscribers"] == sum(not s.closed for s in streams),
             "the count to be that of the living")
    stream = site.subscribe("a", since=first)
    equal(stream.next().data, "1", "the first event after coming back")


@case
def every_worker_can_die(place):
    site = place.behind_lighttpd("--workers", "2")
    first = site.publish("a", 0)["id"]
    for pid in workers(site.peal):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.post('{"channel":"a","data":1}').status == 200,
             "publishing to work again")
    equal(site.subscribe("a", since=first).next().data, "1", "the history")


@case
def sigterm_ends_everything_in_two_seconds(place):
    peal = place.direct("--workers", "2")
    streams = [peal.subscribe("a") for _ in range(50)]
    wait_for(lambda: len(workers(peal.process)) == 2, "two workers")
    pids = [peal.process.pid] + workers(peal.process)
    begin = time.monotonic()

    peal.process.signal(signal.SIGTERM)

    equal(peal.process.wait(END_LIMIT), 0, "exit status")
    took = time.monotonic() - begin
    check(took < END_LIMIT, "it took %.1f s", took)
    check(not any(alive(p) for p in pids), "a worker lives on")
    for stream in streams:
        equal(stream.left(), ("peal:end", "stopping"), "the end")


@case
def a_single_worker_ends_on_sigterm_as_well(place):
    peal = place.direct("--workers", "1")
    stream = peal.subscribe("a")
    peal.process.signal(signal.SIGTERM)
    equal(peal.process.wait(END_LIMIT), 0, "exit status")
    stream.ended()


@case
def streams_end_politely_behind_lighttpd(place):
    site = place.behind_lighttpd("--workers", "2")
    streams = [site.subscribe("a") for _ in range(20)]
    site.peal.signal(signal.SIGTERM)
    for stream in streams:
        equal(stream.left(), ("peal:end", "stopping"), "the end")


@case
def it_listens_on_tcp(place):
    peal = place.direct(listen="127.0.0.1:%d" % free_port())
    stream = peal.subscribe("a")
    peal.publish("a", 1)
    equal(stream.next().data, "1", "the event")


def can_connect(host, port):
    try:
        socket.create_connection((host, port), LIMIT).close()
    except OSError:
        return False
    return True


@case
def on_tcp_only_the_web_servers_it_was_told_of_get_in(place):
    cases = [("127.0.0.1", "10.1.2.3,127.0.0.1", True), ("127.0.0.1", "10.1.2.3", False),
             ("127.0.0.1", "127.0.0.0/8", True), ("127.0.0.1", "::ffff:127.0.0.1", True),
             ("127.0.0.1", "::1", False), ("::1", "10.9.9.9", False), ("::1", "10.9.9.9, ::1", True)]
    for n, (host, addresses, let_in) in enumerate(cases):
        port = free_port()
        listen = "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)
        argv = [place.peal_fcgi, "--listen", listen, "--arena", place.arena]
        env = dict(place.environment(0), FCGI_WEB_SERVER_ADDRS=addresses)
        process = place.start("peal%d" % n, argv, env=env, **place.as_service())
        wait_for(lambda: can_connect(host, port), "peal")
        with socket.create_connection((host, port), LIMIT) as sock:
            sock.sendall(fastcgi_request(Direct.variables(query_string="channel=a")))
            try:
                answer = sock.recv(65536)
            except ConnectionResetError:
                answer = b""
        equal(b"200 OK" in answer, let_in, "%s let in with %s" % (host, addresses))
        process.stop()


@case
def a_web_server_that_cannot_be_read_is_named(place):
    env = dict(place.environment(0), FCGI_WEB_SERVER_ADDRS="127.0.0.1,10.0.0.0/33")
    done = subprocess.run([place.peal_fcgi, "--listen", place.socket, "--arena", place.arena], env=env,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=LIMIT)
    equal((done.returncode, done.stderr),
          (78, 'peal.fcgi: FCGI_WEB_SERVER_ADDRS: "10.0.0.0/33" is no IPv4 or IPv6 address, or prefix of one\n'),
          "exit status and message")


@case
def its_socket_is_private(place):
    place.start_peal()
    equal(stat.S_IMODE(os.stat(place.socket).st_mode), 0o660, "the socket's mode")
    other = place.path("run", "other.sock")
    place.start_peal("--socket-mode", "0600", listen=other, name="other")
    equal(stat.S_IMODE(os.stat(other).st_mode), 0o600, "the mode that was asked for")


@case
def its_arena_is_private(place):
    place.start_peal()
    wait_for(lambda: os.path.exists(place.arena), "the arena")
    equal(stat.S_IMODE(os.stat(os.path.dirname(place.arena)).st_mode), 0o700, "the folder's mode")
    equal(stat.S_IMODE(os.stat(place.arena).st_mode) & 0o077, 0, "others' rights")


@case
def a_socket_left_behind_is_taken_over(place):
    peal = place.direct()
    pids = wait_for(lambda: workers(peal.process), "the worker")
    # In this order: a killed worker would be replaced.
    peal.process.signal(signal.SIGKILL)
    peal.process.wait()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # A process that is a zombie may still have threads, and they its socket.
    wait_for(lambda: not accepts(place.socket), "the worker to let go of the socket")
    check(os.path.exists(place.socket), "the test needs a stale socket")
    peal = place.direct()
    equal(peal.publish("a", 1)["subscribers"], 0, "it works")


@case
def a_successor_waits_for_the_workers_of_a_killed_supervisor(place):
    peal = place.direct("--workers", "2")
    for _ in range(20):
        peal.subscribe("a")
    wait_for(lambda: len(workers(peal.process)) == 2, "two workers")
    peal.process.signal(signal.SIGKILL)
    peal.process.wait()
    after = place.start("after", [place.peal_fcgi, "--listen", place.socket, "--arena",
                                  place.arena], env=place.environment(0), **place.as_service())
    wait_for(lambda: workers(after), "the successor's worker")
    check(after.running(), "the successor has given up")


@case
def a_socket_in_use_is_not_taken_over(place):
    peal = place.direct()
    result = place.peal("--listen", place.socket, "--arena", place.arena)
    check(result.returncode != 0, "a second one started")
    check(place.socket in result.stderr, "the socket is not named: %r", result.stderr)
    equal(peal.publish("a", 1)["subscribers"], 0, "the first one works")


def listener(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    os.chmod(path, 0o666)
    sock.listen(128)
    return sock


# Puts a descriptor where it is wanted, as a service manager does, and becomes peal.
LAUNCH = ("import os, sys\n"
          "here, there = int(sys.argv[1]), int(sys.argv[2])\n"
          "if here != there: os.dup2(here, there)\n"
          "os.set_inheritable(there, True)\n"
          "if there == 3: os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
          "os.execv(sys.argv[3], sys.argv[3:])\n")


def with_descriptor(place, number, *options):
    path = place.path("run", "given.sock")
    with listener(path) as sock:
        argv = [sys.executable, "-c", LAUNCH, str(sock.fileno()), str(number),
                place.peal_fcgi, "--arena", place.arena] + list(options)
        process = place.start("peal", argv, env=place.environment(0),
                              pass_fds=[sock.fileno()])
    return Direct(place, path, process)


def works(peal):
    stream = peal.subscribe("a")
    equal(peal.publish("a", 1)["subscribers"], 1, "subscribers")
    equal(stream.next().data, "1", "the event")
    equal(peal.process.stop(), [], "left behind")
    stream.ended()


@case
def it_takes_a_service_managers_socket(place):
    works(with_descriptor(place, 3))


@case
def it_takes_a_service_managers_socket_for_several_workers(place):
    works(with_descriptor(place, 3, "--workers", "2"))


@case
def it_takes_descriptor_0_as_web_servers_give_it(place):
    works(with_descriptor(place, 0))


@case
def it_takes_a_numbered_descriptor(place):
    works(with_descriptor(place, 7, "--listen", "fd:7"))


@case
def a_kept_connection_serves_request_after_request(place):
    peal = place.direct()
    params = Direct.variables(path="/events/status", PEAL_ROLES="status")
    with connect(peal.address) as sock:
        for _ in range(3):
            answer = FastcgiBody()
            sock.sendall(fastcgi_request(params, keep=True))
            while not answer.complete:
                raw = sock.recv(65536)
                check(raw, "the connection was closed")
                answer.feed(raw)
            equal(answer.status, 200, "status")


@case
def garbage_on_the_socket_disturbs_nobody(place):
    peal = place.direct("--workers", "1")
    stream = peal.subscribe("a")
    pids = workers(peal.process)
    good = fastcgi_request(Direct.variables(query_string="channel=a"))
    for raw in (b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\xff" * 5000, good[:40], good[:-8],
                good.replace(b"\x0e\x03REQUEST", b"\xff\xff\xff\xfeREQUEST")):
        with connect(peal.address) as sock:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(1)
            try:
                while sock.recv(65536):
                    pass
            except OSError:
                pass
    peal.publish("a", 1)
    equal(stream.next().data, "1", "the event")
    equal(workers(peal.process), pids, "the workers")


@case
def a_gone_client_is_noticed_at_once(place):
    peal = place.direct("--heartbeat", "600s")
    stays, goes = peal.subscribe("a"), peal.subscribe("a")
    goes.close()
    wait_for(lambda: peal.publish("a", 1)["subscribers"] == 1, "the count to fall")
    equal(stays.next().data, "1", "who stays")


if __name__ == "__main__":
    run()
