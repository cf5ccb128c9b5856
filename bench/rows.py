"""The workloads that bench/run measures, each a row: what is run, on whom, what counts.

A row's first column is the one that is compared.  Its goals are what peal is to reach; each
is a contender's name, a column's heading or "x" and a peer's name, and a bound.
"""

import measure
import servers


class Scale:
    """How much of everything: in full, or just enough to see that it works."""

    def __init__(self, quick):
        self.quick = quick

    def time(self, seconds):
        return "%gs" % (1 if self.quick else seconds)

    def seconds(self, full, quick):
        return quick if self.quick else full

    def count(self, full):
        return max(min(full, 100), full // 10) if self.quick else full


class Column:
    def __init__(self, heading, value, digits=2, low=True):
        self.heading = heading
        self.value = value  # of a result; None where it has none
        self.digits = digits
        self.low = low  # less is better


class Row:
    def __init__(self, name, title, contenders, columns, options=None, setup=None, goals=(),
                 run=None, note=None, arena=False):
        self.name = name
        self.title = title
        self.contenders = contenders
        self.columns = columns
        self.options = options  # of peal-bench, from a Scale
        self.setup = setup or {}
        self.goals = goals
        self.run = run or measure.http
        self.note = note
        self.arena = arena  # the arena alone: no peal.fcgi is in it

    def runs_peal(self, contender):
        """Whether a peal.fcgi is what the contender measures."""
        name = servers.split(contender)[0]
        return not self.arena and name != "arena" and name not in servers.PEERS


# ---- What counts ------------------------------------------------------------

def at(*keys):
    """The value at result[key][key]..., or None."""
    def value(result):
        for key in keys:
            if not isinstance(result, dict) or result.get(key) is None:
                return None
            result = result[key]
        return result
    return value


def share(field, *names):
    """The sum of a field of these groups of processes; with no names, of all."""
    def value(result):
        groups = result.get("processes", {})
        found = [group.get(field) for name, group in groups.items()
                 if not names or name in names]
        found = [number for number in found if number is not None]
        return sum(found) if found else None
    return value


def scaled(value, factor):
    def divided(result):
        number = value(result)
        return None if number is None else number / factor
    return divided


KIB, MIB = 1024.0, 1048576.0

PER_DELIVERY = [
    Column("µs/delivery", share("cpu_us_per_delivery")),
    Column("web", share("cpu_us_per_delivery", "web")),
    Column("peal", share("cpu_us_per_delivery", "peal")),
]
PER_EVENT = [
    Column("µs/event", share("cpu_us_per_event"), 1),
    Column("web", share("cpu_us_per_event", "web"), 1),
    Column("peal", share("cpu_us_per_event", "peal"), 1),
]
DELIVERIES = Column("deliveries/s", at("deliveries_per_s"), 0, low=False)
EVENTS = Column("events/s", at("published_per_s"), 0, low=False)
LAST = [Column("last p50 ms", at("last_ms", "p50")), Column("p99", at("last_ms", "p99"))]
EACH = [Column("each p50 ms", at("latency_ms", "p50")), Column("p99", at("latency_ms", "p99")),
        Column("max", at("latency_ms", "max"))]
REPLY = [Column("reply p50 ms", at("publish_ms", "p50")), Column("p99", at("publish_ms", "p99"))]

ALL = ["lighttpd", "nginx", "proxy_fcgi", "nchan", "node"]
# Apache has a thread for each stream: some thousands are too many.
MANY = ["lighttpd", "nginx", "nchan", "node"]


def fan_out(in_flight, goals=()):
    return Row("fan-out-%d" % in_flight,
               "1,000 subscribers of one channel, %d in flight" % in_flight, ALL,
               PER_DELIVERY + [DELIVERIES] + LAST,
               lambda s: ["--subscribers", s.count(1000), "--in-flight", in_flight,
                          "--duration", s.time(5)], goals=goals)


def pinned(in_flight, goals=()):
    return Row("pinned-%d" % in_flight,
               "1,000 subscribers of one channel, %d in flight, all servers on one core (pinned)"
               % in_flight,
               ["%s, %s" % (name, where) for name in ("lighttpd", "nginx", "nchan")
                for where in ("pinned", "free")],
               PER_DELIVERY + [DELIVERIES] + LAST,
               lambda s: ["--subscribers", s.count(1000), "--in-flight", in_flight,
                          "--duration", s.time(5)],
               goals=goals, run=measure.pinned)


def batches(kind, title):
    return Row("batch-" + kind, "publishing alone, 100 events a POST (%s)" % title,
               ["lighttpd", "nginx", "proxy_fcgi", "nchan", "node"],
               [EVENTS] + PER_EVENT + REPLY,
               lambda s: ["--subscribers", 0, "--type", kind, "--batch", 100, "--in-flight", 4,
                          "--connections", 4, "--duration", s.time(5)],
               goals=[("lighttpd", "events/s", ">=", 500e3), ("nginx", "events/s", ">=", 500e3)],
               note="nchan and Node know no batches: for them it is one event a POST")


ROWS = [
    fan_out(1),
    fan_out(4, [("lighttpd", "µs/delivery", "<=", 2.3), ("lighttpd", "x nchan", ">=", 1.5)]),
    fan_out(16, [("lighttpd", "µs/delivery", "<=", 0.9), ("lighttpd", "x nchan", ">=", 3.5)]),
    fan_out(64),
    pinned(4, [("lighttpd, pinned", "µs/delivery", "<=", 3.6),
               ("nginx, pinned", "µs/delivery", "<=", 4.0)]),
    pinned(16, [("lighttpd, pinned", "µs/delivery", "<=", 1.15),
                ("nginx, pinned", "µs/delivery", "<=", 1.4)]),
    Row("even", "1,000 subscribers of one channel, 100 events/s, even", ALL,
        PER_DELIVERY + LAST,
        lambda s: ["--subscribers", s.count(1000), "--rate", 100, "--duration", s.time(10)],
        goals=[("lighttpd", "µs/delivery", "<=", 6.3), ("lighttpd", "peal", "<=", 1.3)]),
    Row("bursts", "1,000 subscribers of one channel, 100 events/s in bursts of 10", ALL,
        PER_DELIVERY + LAST,
        lambda s: ["--subscribers", s.count(1000), "--rate", 100, "--burst", 10,
                   "--duration", s.time(10)],
        goals=[("lighttpd", "µs/delivery", "<=", 4.4)]),
    Row("last-of-5000", "5,000 subscribers of one channel, 10 events/s", MANY,
        LAST + PER_DELIVERY,
        lambda s: ["--subscribers", s.count(5000), "--rate", 10, "--duration", s.time(10)],
        goals=[("lighttpd", "last p50 ms", "<=", 38)]),
    Row("ack", "POSTs, 200 a second, beside 5 events/s to 5,000 subscribers of another channel",
        ["no web server", "lighttpd", "nginx", "nchan"],
        [Column("reply p99 ms", at("publish_ms", "p99")),
         Column("p50", at("publish_ms", "p50")), Column("max", at("publish_ms", "max")),
         Column("crowd: last p50 ms", at("beside", "last_ms", "p50")),
         Column("events/s", at("beside", "published_per_s"), 1)],
        run=measure.acknowledged),
    Row("channels", "2,000 channels of one subscriber each, 4 publishers", ALL,
        PER_EVENT + [EVENTS] + LAST,
        lambda s: ["--subscribers", s.count(2000), "--channels", s.count(2000),
                   "--in-flight", 4, "--connections", 4, "--duration", s.time(5)],
        goals=[("lighttpd", "peal", "<=", 13), ("nginx", "peal", "<=", 9)]),
    Row("publish", "publishing alone, one event a POST, 4 publishers", ALL,
        PER_EVENT + [EVENTS] + REPLY,
        lambda s: ["--subscribers", 0, "--in-flight", 4, "--connections", 4,
                   "--duration", s.time(5)],
        goals=[("lighttpd", "peal", "<=", 9.5), ("nginx", "peal", "<=", 6)]),
    batches("ndjson", "NDJSON"),
    batches("array", "a JSON array"),
    Row("replay", "replay: 1,000 subscribers come back for 1,000 events each", MANY,
        [DELIVERIES] + PER_DELIVERY + [Column("seconds", at("seconds"))],
        lambda s: ["--replay", s.count(1000), "--subscribers", s.count(1000)],
        goals=[("lighttpd", "deliveries/s", ">=", 1.0e6), ("nginx", "deliveries/s", ">=", 2.0e6)]),
    Row("idle", "memory of 8,000 idle streams", MANY,
        [Column("KiB/stream", scaled(share("pss_per_stream"), KIB)),
         Column("web", scaled(share("pss_per_stream", "web"), KIB)),
         Column("peal", scaled(share("pss_per_stream", "peal"), KIB), 3)],
        lambda s: ["--subscribers", s.count(8000), "--idle", s.time(5)],
        goals=[("lighttpd", "peal", "<=", 0.25), ("nginx", "peal", "<=", 0.25),
               ("lighttpd", "KiB/stream", "<=", 4.9)]),
    Row("stalled", "50 of 100 readers stalled, 200 events/s of 8 KB: the healthy ones", ALL,
        EACH[1:] + [Column("p50", at("latency_ms", "p50")),
                    Column("web MiB", scaled(share("rss_peak", "web"), MIB), 0),
                    Column("peal MiB", scaled(share("rss_peak", "peal"), MIB), 0)],
        lambda s: ["--subscribers", 100, "--stalled", 50, "--rate", 200, "--payload", 8192,
                   "--duration", s.time(15)],
        goals=[("lighttpd", "p99", "<=", 3), ("nginx", "p99", "<=", 3)]),
    Row("mod_fcgid", "mod_fcgid: 500 processes on one channel, 5 events/s", ["mod_fcgid"],
        LAST + PER_DELIVERY,
        lambda s: ["--subscribers", s.count(500), "--rate", 5, "--duration", s.time(10)],
        setup={"streams": 520},
        goals=[("mod_fcgid", "last p50 ms", "<=", 60)]),
    Row("mod_fcgid-idle", "mod_fcgid: 500 idle processes, each over the time of a heartbeat",
        ["mod_fcgid"],
        [Column("wake-ups", at("wakeups"), 2), Column("CPU µs", at("cpu_us"), 0),
         Column("peal KiB/stream", scaled(share("pss_per_stream", "peal"), KIB), 0)],
        lambda s: ["--subscribers", s.count(500)], setup={"streams": 520},
        run=measure.fcgid_idle),
    Row("mod_fcgid-memory", "mod_fcgid: memory that each of 100 idle processes has for itself",
        ["mod_fcgid"],
        [Column("private KiB", scaled(at("private_bytes"), KIB), 0),
         Column("after an event", scaled(at("private_bytes_later"), KIB), 0)],
        lambda s: ["--subscribers", s.count(100)], setup={"streams": 120},
        goals=[("mod_fcgid", "private KiB", "<=", 200)], run=measure.fcgid_memory),
    Row("workers", "5,000 subscribers of one channel, 16 in flight, two nginx workers",
        ["one worker", "two workers"], [DELIVERIES] + PER_DELIVERY + LAST,
        lambda s: ["--subscribers", s.count(5000), "--in-flight", 16, "--duration", s.time(5)],
        goals=[("two workers", "x one worker", ">=", 1.5)],
        run=measure.workers,
        note="the load generator and nginx need cores of their own: the goal wants four"),
    Row("append", "the arena alone: appending 1,000,000 events, one at a time",
        ["one process", "four processes"],
        [EVENTS, Column("CPU µs/event", at("cpu_us_per_event"))],
        goals=[("one process", "events/s", ">=", 1.5e6),
               ("four processes", "x one process", ">=", 0.7)],
        run=measure.append, arena=True),
    Row("start", "a process as mod_fcgid starts it, to its first byte",
        ["first of all", "beside others"],
        [Column("p50 ms", at("first_byte_ms", "p50")), Column("p99", at("first_byte_ms", "p99")),
         Column("max", at("first_byte_ms", "max"))],
        goals=[("beside others", "p50 ms", "<=", 5), ("first of all", "p50 ms", "<=", 5)],
        run=measure.start),
    Row("grow-channels", "an event's cost, by number of channels",
        ["%s, %d" % (what, n) for n in (10, 100, 1000, 10000, 100000)
         for what in ("arena", "peal")],
        [Column("µs/event", at("cpu_us_per_event"), 3)], run=measure.grow_channels,
        note="arena: appending alone; peal: its share of a POST through nginx"),
    Row("grow-history", "an event's cost, by per cent of the history in use",
        ["%s, %d" % (what, n) for n in (0, 25, 50, 75, 100) for what in ("arena", "peal")],
        [Column("µs/event", at("cpu_us_per_event"), 3)], run=measure.grow_history,
        note="at 100 each event pushes out the oldest"),
    Row("grow-subscribers", "a delivery's cost, by number of subscribers, 16 in flight",
        ["%s, %d" % (what, n) for n in (100, 300, 1000, 3000) for what in ("lighttpd", "nginx")],
        PER_DELIVERY + [DELIVERIES], run=measure.grow_subscribers,
        note="each write carries what is pending, so fewer streams mean shorter passes"),
]
