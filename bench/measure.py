"""How bench/run measures: one function for each kind of row.

Each takes (row, contender, scale), starts what it needs, and returns peal-bench's JSON or an
object of its own; whatever goes wrong raises.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

import direct
import harness
import servers
from fastcgi import request as fastcgi_request

# What peal-bench counts of things that went wrong.
FAULTS = ("lost", "duplicated", "disordered", "ended", "failed_posts")

# Longest run of peal-bench, over its own duration: a peer that hangs ends here.
PATIENCE = 180


def load(running, options):
    """Run peal-bench; returns its JSON."""
    return end_load(start_load(running, options))


def start_load(running, options):
    options = [str(option) for option in options]
    argv = [os.path.join(harness.BUILD, "peal-bench"), "--json", "--quiet"]
    batch = "--type" in options and options[options.index("--type") + 1] != "raw"
    argv += ["--publish", running.publish_json if batch else running.publish]
    for name, pid in running.watch.items():
        argv += ["--watch", "%s=%d" % (name, pid)]
    argv += options + [running.subscribe]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, universal_newlines=True)


@contextlib.contextmanager
def loaded(running, options):
    """peal-bench, for end_load(); it is killed where something goes wrong meanwhile."""
    child = start_load(running, options)
    try:
        yield child
    except BaseException:
        child.kill()
        child.communicate()
        raise


def end_load(child):
    try:
        out, words = child.communicate(timeout=PATIENCE)
    except BaseException as error:
        child.kill()
        child.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise harness.Failed("peal-bench does not end") from None
        raise
    try:
        result = json.loads(out)
    except ValueError:
        raise harness.Failed("peal-bench: %s" % (words.strip()[-300:] or child.returncode)) \
            from None
    split_all(result.get("processes", {}))
    return result


def split_all(groups):
    """Where peal runs below the web server, "web" is what is left of "all"."""
    whole, part = groups.pop("all", None), groups.get("peal", {})
    if whole is not None:
        groups["web"] = {name: value - (part.get(name) or 0) for name, value in whole.items()
                         if isinstance(value, (int, float))}


def http(row, contender, scale):
    """A row that is peal-bench's options and nothing else."""
    with servers.Ground() as ground:
        running = servers.CONTENDERS[contender].start(ground, **row.setup)
        options = list(row.options(scale))
        if "--replay" in options:
            options += ["--resume", running.resume]
        if "--batch" in options and contender in servers.PEERS:
            at = options.index("--batch")
            options[at + 1] = 1
            options[options.index("--type") + 1] = "raw"
        return load(running, options)


@contextlib.contextmanager
def cores(chosen):
    """What is started meanwhile stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pinned(row, contender, scale):
    """All servers on one core and the load on the others, or all of them where they like."""
    name, variant = servers.split(contender)
    ours = theirs = os.sched_getaffinity(0)
    if variant == ", pinned":
        harness.check(len(ours) > 1, "the load needs a second core")
        theirs = {min(ours)}
        ours = ours - theirs
    with servers.Ground() as ground:
        with cores(theirs):
            running = servers.CONTENDERS[name].start(ground, **row.setup)
        with cores(ours):
            return load(running, row.options(scale))


def workers(row, contender, scale):
    with servers.Ground() as ground:
        running = servers.nginx(ground, workers=1 if contender == "one worker" else 2,
                                web_workers=2)
        return load(running, row.options(scale))


# ---- Answers while others are served ----------------------------------------

# Events a second to the crowd, which leave time between them also where servers and load share
# two cores, and POSTs a second to a channel that nobody listens to.
CROWDS, OURS = 5, 200


def acknowledged(row, contender, scale):
    """How soon a POST is answered while events go out to a crowd."""
    crowd, seconds = scale.count(5000), scale.seconds(10, 2)
    if contender == "no web server":
        with servers.Ground() as ground:
            return direct.acknowledged(ground, crowd, CROWDS, OURS, seconds)
    with servers.Ground() as ground:
        running = servers.CONTENDERS[contender].start(ground)
        # Its events are to begin before ours, and to end after them.
        with loaded(running, ["--subscribers", crowd, "--rate", CROWDS,
                              "--duration", "%ds" % (seconds + 5)]) as child:
            who = running.watch.get("peal", running.watch["web"])
            harness.wait_for(lambda: descriptors(who) >= crowd or child.poll() is not None,
                             "%d streams" % crowd, 90)
            result = load(running, ["--subscribers", 0, "--rate", OURS, "--connections", 4,
                                    "--duration", "%ds" % seconds])
            return beside(result, end_load(child))


def beside(result, other):
    """result, with what went wrong in a load beside it, and how fast that one was."""
    for fault in FAULTS:
        result[fault] += other[fault]
    result["beside"] = {"published_per_s": other["published_per_s"], "last_ms": other["last_ms"]}
    return result


def descriptors(pid):
    """How many a process and those below it have."""
    count = 0
    for one in [pid] + harness.descendants(pid):
        with contextlib.suppress(OSError):
            count += len(os.listdir("/proc/%d/fd" % one))
    return count


# ---- mod_fcgid's processes, idle --------------------------------------------

HEARTBEAT = 15  # seconds; peal's own
CHANNEL = "one"


def fcgid_idle(row, contender, scale):
    """How often a process that holds a stream wakes up, and what memory it takes."""
    seconds = scale.seconds(2 * HEARTBEAT, HEARTBEAT)
    with fcgid_streams(row, contender, scale, seconds) as (pids, end, _):
        before = activity(pids)
        time.sleep(seconds)
        after = activity(pids)
        result = end()
    wakeups = sum(after[p][0] - before[p][0] for p in pids)
    cpu_ns = sum(after[p][1] - before[p][1] for p in pids)
    share = len(pids) * seconds / HEARTBEAT
    result.update(wakeups=wakeups / share, cpu_us=cpu_ns / 1000 / share)
    return result


def fcgid_memory(row, contender, scale):
    """What a process with its stream has for itself: the middle of them all."""
    with fcgid_streams(row, contender, scale, 5) as (pids, end, running):
        before = statistics.median(private_memory(pid) for pid in pids)
        publish_to_all(running)
        time.sleep(1)  # until all of them have sent it
        after = statistics.median(private_memory(pid) for pid in pids)
        result = end()
    result.update(private_bytes=before, private_bytes_later=after)
    return result


@contextlib.contextmanager
def fcgid_streams(row, contender, scale, seconds):
    """Idle streams of one channel for so long.

    Their processes, what ends the load and says its result, and where they are.
    """
    options = list(row.options(scale))
    count = int(options[options.index("--subscribers") + 1])
    with servers.Ground() as ground:
        running = servers.CONTENDERS[contender].start(ground, **row.setup)
        running.subscribe = running.subscribe.replace("{}", CHANNEL)
        with loaded(running, options + ["--idle", "%ds" % (seconds + 10)]) as child:
            manager = running.watch["peal"]
            harness.wait_for(lambda: len(holders(manager)) >= count or child.poll() is not None,
                             "%d processes" % count, 90)
            time.sleep(3)  # until the last of them has its stream, and nothing more to do
            yield holders(manager), lambda: end_load(child), running


def holders(manager):
    return harness.programs(manager, "peal.fcgi")


def publish_to_all(running):
    """An event to the streams of fcgid_streams()."""
    request = urllib.request.Request(running.publish.replace("{}", CHANNEL), b"x" * 200,
                                     {"Content-Type": "text/plain"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        harness.equal(answer.status, 200, "the status of a POST")


def private_memory(pid):
    """The bytes of memory that no other process has."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def activity(pids):
    """For each process, how often it has gone to sleep, and its nanoseconds of CPU."""
    found = {}
    for pid in pids:
        sleeps = spent = 0
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/status" % (pid, task)) as file:
                sleeps += next(int(line.split()[1]) for line in file
                               if line.startswith("voluntary_ctxt_switches"))
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as file:
                spent += int(file.read().split()[0])
        found[pid] = (sleeps, spent)
    return found


# ---- The arena alone --------------------------------------------------------

def run_append(*options):
    folder = tempfile.mkdtemp(prefix="peal-bench-",
                              dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        done = subprocess.run(
            [os.path.join(harness.BUILD, "bench", "append")] + [str(o) for o in options]
            + [os.path.join(folder, "arena")], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
            timeout=PATIENCE)
        harness.check(done.returncode == 0, "bench/append: %s", done.stderr.strip())
        result = json.loads(done.stdout)
        result["published_per_s"] = result["events_per_s"]
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def append(row, contender, scale):
    processes = 1 if contender == "one process" else 4
    return run_append("--processes", processes, "--events", scale.count(1000000) // processes)


# ---- A process's start ------------------------------------------------------

def start(row, contender, scale):
    """peal.fcgi with its listening socket on descriptor 0, to the first byte of a stream."""
    times = []
    with servers.Ground() as ground:
        folder = tempfile.mkdtemp(prefix="start-", dir=ground.run)
        arena = os.path.join(folder, "arena", "arena")
        keeper = None
        if contender == "beside others":
            keeper = Started(ground, folder, "keeper", arena)
            keeper.first_byte()
        try:
            for number in range(scale.seconds(100, 10)):
                process = Started(ground, folder, "one", arena)
                try:
                    times.append(process.first_byte())
                finally:
                    process.end()
        finally:
            if keeper:
                keeper.end()
    times.sort()
    return {"first_byte_ms": {"p50": times[len(times) // 2],
                              "p99": times[len(times) * 99 // 100], "max": times[-1]}}


class Started:
    """A peal.fcgi as mod_fcgid starts it."""

    def __init__(self, ground, folder, name, arena):
        path = os.path.join(folder, name + ".sock")
        request = fastcgi_request(harness.Direct.variables(query_string="channel=a"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(5)
            self.began = time.perf_counter()
            self.pid = os.posix_spawn(
                ground.peal_fcgi, [ground.peal_fcgi, "--arena", arena], {},
                file_actions=[(os.POSIX_SPAWN_DUP2, listener.fileno(), 0),
                              (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                              (os.POSIX_SPAWN_OPEN, 2, ground.path("peal.log"),
                               os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)])
        self.sock = harness.connect(path)
        self.sock.sendall(request)
        os.unlink(path)

    def first_byte(self):
        """Milliseconds since its start."""
        harness.check(self.sock.recv(1), "peal.fcgi said nothing")
        return (time.perf_counter() - self.began) * 1000

    def end(self):
        self.sock.close()
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


# ---- Growth -----------------------------------------------------------------

# Bytes of an arena that holds 100,000 channels with some events each.
LARGE = "256M"
# How many events of 200 bytes it holds: two blocks of 256 bytes each.
LARGE_EVENTS = 256 * 1024 * 1024 // 512


def grow_channels(row, contender, scale):
    what, channels = contender.split(", ")
    if what == "arena":
        return run_append("--channels", channels, "--arena-size", LARGE, "--fill", 100,
                          "--events", scale.count(1000000))
    return grown(scale, int(channels), max(int(channels), 1000))


def grow_history(row, contender, scale):
    what, percent = contender.split(", ")
    if what == "arena":
        return run_append("--fill", percent, "--arena-size", LARGE, "--channels", 1000,
                          "--events", scale.count(200000) // 4)
    # A tenth more, so that it is surely full.
    return grown(scale, 1000, LARGE_EVENTS * int(percent) // 100 * 11 // 10)


def grown(scale, channels, before):
    """peal's CPU for a POST, after so many events on so many channels."""
    with servers.Ground() as ground:
        running = servers.nginx(ground, options=["--arena-size", LARGE])
        common = ["--subscribers", 0, "--channels", channels, "--in-flight", 4,
                  "--connections", 4]
        if before:
            load(running, common + ["--type", "ndjson", "--batch", 100, "--events", before])
        result = load(running, common + ["--events", scale.count(40000)])
    result["cpu_us_per_event"] = result["processes"]["peal"]["cpu_us_per_event"]
    return result


def grow_subscribers(row, contender, scale):
    what, count = contender.split(", ")
    with servers.Ground() as ground:
        running = servers.CONTENDERS[what].start(ground)
        return load(running, ["--subscribers", count, "--in-flight", 16,
                              "--duration", scale.time(3)])
