"""Many subscribers who lose their connection at random moments while somebody publishes.

One thread holds all subscribers (non-blocking sockets and a selector), another one publishes.
Every event carries its number within its channel, so each subscriber sees at
once what is missing, doubled or out of order.
"""

import errno
import http.client
import json
import os
import random
import selectors
import socket
import struct
import threading
import time

from harness import HOST, LIMIT, SLOW, Failed, check, query
from sse import OWN, EventParser, HttpBody

RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Plan:
    """What a load test does.  cuts is for each subscriber; seconds is for all of it."""

    def __init__(self, subscribers, channels, events, cuts=4, seconds=90):
        self.subscribers = subscribers
        self.channels = channels
        self.events = events
        self.cuts = cuts
        self.seconds = seconds * SLOW
        self.seed = int(os.environ.get("PEAL_TEST_SEED") or random.randrange(1 << 32))
        # A shorter run of the same, where the long one has been done already.
        if os.environ.get("PEAL_TEST_QUICK"):
            self.events = max(2000, events // 5)
            self.cuts = 2


class Publisher(threading.Thread):
    """Posts all events, in batches and one by one; sent tells how far it is."""

    def __init__(self, port, plan):
        super().__init__(daemon=True)
        self.port = port
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.sent = 0
        self.error = None
        self.stop = False

    def run(self):
        try:
            self._publish()
        except Exception as error:
            self.error = "publishing: %s: %s" % (type(error).__name__, error)

    def _publish(self):
        chance, plan = self.chance, self.plan
        order = [n % plan.channels for n in range(plan.events)]
        chance.shuffle(order)
        numbers = [0] * plan.channels
        connection = http.client.HTTPConnection(HOST, self.port, timeout=LIMIT * 2)
        at = 0
        while at < len(order) and not self.stop:
            size = 1 if chance.random() < 0.9 else chance.randrange(2, 60)
            lines = []
            for channel in order[at:at + size]:
                event = {"channel": "c%d" % channel,
                         "data": {"n": numbers[channel], "x": "x" * chance.randrange(200)}}
                if chance.random() < 0.5:
                    event["topic"] = "t"
                numbers[channel] += 1
                lines.append(json.dumps(event))
            kind = "application/json" if len(lines) == 1 else "application/x-ndjson"
            connection.request("POST", "/publish", "\n".join(lines), {"Content-Type": kind})
            answer = connection.getresponse()
            body = answer.read()
            check(answer.status == 200, "%d %r", answer.status, body[:200])
            at += len(lines)
            self.sent = at
        connection.close()


class Subscriber:
    """One client, which is cut when the publisher reaches each of its moments."""

    def __init__(self, swarm, number):
        self.swarm = swarm
        self.number = number
        self.channel = number % swarm.plan.channels
        self.wanted = 0  # the number of the next event
        self.last_event_id = ""
        self.connections = 0
        self.joined = False
        self.sock = None
        self.again = 0.0  # when to come back
        moments = range(swarm.plan.events)
        self.moments = sorted(swarm.chance.sample(moments, swarm.plan.cuts), reverse=True)

    def connect(self):
        headers = "Last-Event-ID: %s\r\n" % self.last_event_id if self.last_event_id else ""
        path = query("/events", channel="c%d" % self.channel)
        self.unsent = ("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, headers)).encode()
        self.body, self.parser = HttpBody(), EventParser()
        self.connections += 1
        self.sock = socket.socket()
        self.sock.setblocking(False)
        code = self.sock.connect_ex((HOST, self.swarm.port))
        if code not in (0, errno.EINPROGRESS):
            raise Failed("connect: " + os.strerror(code))
        self.swarm.selector.register(self.sock, selectors.EVENT_WRITE, self)

    def cut(self):
        """Hang up in the middle of whatever comes, now with FIN, now with RST."""
        if self.swarm.chance.random() < 0.5:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.leave(self.swarm.chance.random() * 0.3)

    def leave(self, seconds):
        self.swarm.selector.unregister(self.sock)
        self.sock.close()
        self.sock = None
        self.again = time.monotonic() + seconds

    def ready(self, mask):
        if mask & selectors.EVENT_WRITE:
            self.unsent = self.unsent[self.sock.send(self.unsent):]
            if not self.unsent:
                self.swarm.selector.modify(self.sock, selectors.EVENT_READ, self)
            return
        try:
            raw = self.sock.recv(65536)
        except BlockingIOError:
            return
        events = self.parser.feed(self.body.feed(raw)) if raw else ()
        if self.body.status not in (None, 200):
            self.refused(self.body.status)
            return
        for event in events:
            if event.type not in OWN:
                self.take(event)
        if self.parser.blocks:
            self.joined = True
            self.last_event_id = self.parser.last_event_id
        if not raw or self.body.complete:
            self.hung_up()
            self.leave(self.swarm.chance.random() * 0.1)

    def refused(self, status):
        raise Failed("%s got %d: a browser would never come back" % (self, status))

    def hung_up(self):
        check(self.body.status == 200, "%s was hung up on without an answer", self)

    def take(self, event):
        check(event.type != "peal:gap", "%s was told of a gap: %s", self, event.data)
        number = json.loads(event.data)["n"]
        check(number == self.wanted, "%s got event %d of its channel instead of %d (id %s, "
              "connection %d, which began after %r)", self, number, self.wanted, event.id,
              self.connections, self.last_event_id)
        self.wanted += 1

    def __str__(self):
        return "subscriber %d of channel %d" % (self.number, self.channel)


class Swarm:
    """All subscribers, and the loop that runs them."""

    def __init__(self, port, plan, publisher=Publisher, subscriber=Subscriber):
        self.port = port
        self.plan = plan
        self.chance = random.Random(plan.seed + 1)
        self.selector = selectors.DefaultSelector()
        self.publisher = publisher(port, plan)
        self.subscribers = [subscriber(self, n) for n in range(plan.subscribers)]

    def turn(self):
        """Take what has arrived, and whoever waits to come back."""
        for key, mask in self.selector.select(0.01):
            if key.data.sock is key.fileobj:
                try:
                    key.data.ready(mask)
                except ConnectionError as error:
                    raise Failed("%s: %s" % (key.data, error)) from None
        now, sent = time.monotonic(), self.publisher.sent
        for subscriber in self.subscribers:
            if subscriber.sock is None:
                if now >= subscriber.again:
                    subscriber.connect()
            elif subscriber.moments and subscriber.moments[-1] < sent:
                subscriber.moments.pop()
                subscriber.cut()
        check(not self.publisher.error, "%s", self.publisher.error)

    def until(self, condition, what, end):
        while not condition():
            if time.monotonic() > end:
                raise Failed("not in time: " + what())
            self.turn()

    def behind(self):
        """Who still misses something, or has to come back from its last cut."""
        plan = self.plan
        return [s for s in self.subscribers if s.moments or s.sock is None or s.wanted < len(
            range(s.channel, plan.events, plan.channels))]

    def close(self):
        self.publisher.stop = True
        if self.publisher.ident:
            self.publisher.join()
        for subscriber in self.subscribers:
            if subscriber.sock:
                subscriber.sock.close()
        self.selector.close()


def run_load(site, plan):
    """Do it all.  Raises Failed, with the seed, at the first thing that is wrong."""
    print("# seed %d (set PEAL_TEST_SEED to use it again): %d subscribers on %d channels, "
          "%d events, %d cuts each" % (plan.seed, plan.subscribers, plan.channels, plan.events,
                                       plan.cuts), flush=True)
    swarm = Swarm(site.port, plan)
    begin = time.monotonic()
    end = begin + plan.seconds
    try:
        swarm.until(lambda: all(s.joined for s in swarm.subscribers),
                    lambda: "%d have not joined" % sum(not s.joined for s in swarm.subscribers),
                    end)
        swarm.publisher.start()
        swarm.until(lambda: not swarm.publisher.is_alive() and not swarm.behind(),
                    lambda: "%d events sent, %d subscribers miss some, such as %s, who waits for %d"
                    % (swarm.publisher.sent, len(swarm.behind()), (swarm.behind() or "?")[0],
                       swarm.behind()[0].wanted if swarm.behind() else 0), end)
    except Failed as why:
        raise Failed("seed %d: %s" % (plan.seed, why)) from None
    finally:
        swarm.close()
    connections = sum(s.connections for s in swarm.subscribers)
    check(connections >= plan.subscribers * (plan.cuts + 1), "only %d connections", connections)
    print("# %.1f s, %d connections, %d events delivered" % (
        time.monotonic() - begin, connections, sum(s.wanted for s in swarm.subscribers)))
