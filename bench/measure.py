"""How bench/run measures: one function for each kind of row.

Each takes (row, contender, scale), starts what it needs, and returns peal-bench's JSON or an
object of its own; whatever goes wrong raises.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import harness
import servers
from fastcgi import request as fastcgi_request

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
        if "--batch" in options and not contender_is_peal(contender):
            at = options.index("--batch")
            options[at + 1] = 1
            options[options.index("--type") + 1] = "raw"
        return load(running, options)


def contender_is_peal(name):
    return name not in ("nchan", "node")


def workers(row, contender, scale):
    with servers.Ground() as ground:
        running = servers.nginx(ground, workers=1 if contender == "one worker" else 2,
                                web_workers=2)
        return load(running, row.options(scale))


# ---- mod_fcgid's processes, idle --------------------------------------------

HEARTBEAT = 15  # seconds; peal's own

def fcgid_idle(row, contender, scale):
    """How often a process that holds a stream wakes up, and what memory it takes."""
    seconds = scale.seconds(2 * HEARTBEAT, HEARTBEAT)
    options = list(row.options(scale))
    count = int(options[options.index("--subscribers") + 1])
    with servers.Ground() as ground:
        running = servers.CONTENDERS[contender].start(ground, **row.setup)
        child = start_load(running, options + ["--idle", "%ds" % (seconds + 10)])
        try:
            manager = running.watch["peal"]
            harness.wait_for(lambda: len(holders(manager)) >= count or child.poll() is not None,
                             "%d processes" % count, 90)
            time.sleep(3)  # until the last of them has its stream, and nothing more to do
            pids = holders(manager)
            before = activity(pids)
            time.sleep(seconds)
            after = activity(pids)
        except BaseException:
            child.kill()
            child.communicate()
            raise
        result = end_load(child)
    wakeups = sum(after[p][0] - before[p][0] for p in pids)
    cpu_ns = sum(after[p][1] - before[p][1] for p in pids)
    share = len(pids) * seconds / HEARTBEAT
    result.update(wakeups=wakeups / share, cpu_us=cpu_ns / 1000 / share)
    return result


def holders(manager):
    return harness.programs(manager, "peal.fcgi")


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
