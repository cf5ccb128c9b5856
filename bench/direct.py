"""peal.fcgi's socket without a web server: its share in how soon a POST is answered.

A crowd of streams, and a publisher of its events, in a process of their own; beside them
somebody who publishes to another channel, and times the answers.
"""

import os
import select
import signal
import time

import harness
from fastcgi import FastcgiBody, request as fastcgi_request

DATA = b"x" * 200


class Publisher:
    """Publishes to a channel so often, one event at a time, on a connection that it keeps."""

    def __init__(self, path, channel, per_second):
        self.request = fastcgi_request(harness.Direct.variables(
            "POST", query_string="channel=" + channel, CONTENT_TYPE="text/plain",
            CONTENT_LENGTH=str(len(DATA)), PEAL_ROLES="publish"), DATA, keep=True)
        self.sock = harness.connect(path)
        self.pause = 1 / per_second
        self.due = time.perf_counter()
        self.answer = None  # of the POST under way

    def wait_s(self):
        """Seconds until the next event is due; None while a POST is under way."""
        return None if self.answer else max(0, self.due - time.perf_counter())

    def turn(self):
        """Send the next event if it is due."""
        if self.answer is None and time.perf_counter() >= self.due:
            self.sock.sendall(self.request)
            self.answer = FastcgiBody()

    def read(self):
        """Seconds from when the event was due to its answer; None while that is not whole."""
        raw = self.sock.recv(65536)
        harness.check(raw, "peal closed the connection of a publisher")
        self.answer.feed(raw)
        if not self.answer.complete:
            return None
        harness.equal(self.answer.status, 200, "the status of a POST")
        took = time.perf_counter() - self.due
        self.answer = None
        self.due += self.pause
        return took


def publish(publisher, seconds):
    """Publish for so long.  Returns the seconds to each answer."""
    times = []
    end = time.perf_counter() + seconds
    while publisher.answer or publisher.due < end:
        publisher.turn()
        # Not poll(), whose milliseconds would be rounded up and counted.
        if select.select([publisher.sock], [], [], publisher.wait_s())[0]:
            took = publisher.read()
            if took is not None:
                times.append(took)
    return times


def open_streams(path, count):
    """So many subscribers of the channel "crowd", one after the other: the backlog is short."""
    request = fastcgi_request(harness.Direct.variables(query_string="channel=crowd"))
    streams = []
    for _ in range(count):
        streams.append(harness.connect(path))
        streams[-1].sendall(request)
        harness.check(streams[-1].recv(65536), "peal refused a stream")
    return streams


def crowd(path, count, per_second, ready):
    """Streams that read, and a publisher of what they read, until the process is ended."""
    streams = {stream.fileno(): stream for stream in open_streams(path, count)}
    publisher = Publisher(path, "crowd", per_second)
    poll = select.epoll()
    for number in [publisher.sock.fileno()] + list(streams):
        poll.register(number, select.EPOLLIN)
    os.write(ready, b"!")
    while True:
        publisher.turn()
        for number, _ in poll.poll(publisher.wait_s()):
            if number == publisher.sock.fileno():
                publisher.read()
            else:
                harness.check(streams[number].recv(65536), "peal ended a stream")


def start_crowd(*arguments):
    """crowd() in a process of its own.  Returns its id, when all its streams are open."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            crowd(*arguments, tell)
        except BaseException as why:
            os.write(2, ("the crowd: %s\n" % why).encode())
        finally:
            os._exit(1)
    harness.Process.ours[pid] = None
    os.close(tell)
    try:
        harness.check(os.read(ready, 1), "the crowd's streams could not be opened")
    except BaseException:
        end_crowd(pid)
        raise
    finally:
        os.close(ready)
    return pid


def end_crowd(pid):
    """Returns whether it went well until now."""
    well = os.waitpid(pid, os.WNOHANG) == (0, 0)
    if well:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    harness.Process.ours.pop(pid)
    return well


def acknowledged(ground, streams, crowds, ours, seconds):
    """Times of answers to so many POSTs a second, beside so many events a second to streams."""
    ground.start_peal("--workers", "1", "--log", "error")
    pid = start_crowd(ground.socket, streams, crowds)
    well = False
    try:
        times = publish(Publisher(ground.socket, "ours", ours), seconds)
    finally:
        well = end_crowd(pid)
    harness.check(well, "the crowd ended")
    times.sort()

    def at(part):
        return times[min(len(times) - 1, int(len(times) * part))] * 1000
    return {"publish_ms": {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1)}}
