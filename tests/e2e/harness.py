"""Real web servers, real peal, real clients: what the end-to-end tests stand on.

A test program is a list of cases and run():

    @case
    def event_reaches_its_subscriber(place):
        site = place.behind_lighttpd()
        stream = site.subscribe("a")
        ...
        check(event.data == "1", "data is %r", event.data)

    if __name__ == "__main__":
        run()

Each case gets a Place: a temporary folder, servers started from the files in
examples/, all ended by their ids when the case is over, however it ends.  What goes
wrong raises; on failure the tails of the logs are printed.

Environment: PEAL_BUILD, the folder of our programs (default: the current
one); PEAL_SRC or srcdir, the source's top folder; PEAL_TEST_STRICT, a missing server is
a failure and not a skip; PEAL_TEST_SLOW, a factor for every time limit; PEAL_TEST_QUICK,
run less.

Started by root, the servers and peal run as www-data, as they do in service.
"""

import base64
import contextlib
import ctypes
import hashlib
import http.client
import inspect
import json
import os
import re
import pwd
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

from fastcgi import FastcgiBody, request as fastcgi_request
from sse import OWN, EventParser, HttpBody

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.environ.get("PEAL_SRC") or os.environ.get("srcdir")
                         or os.path.join(HERE, "..", ".."))
BUILD = os.path.abspath(os.environ.get("PEAL_BUILD") or os.getcwd())
EXAMPLES = os.path.join(SOURCE, "examples")
STRICT = bool(os.environ.get("PEAL_TEST_STRICT"))
SLOW = float(os.environ.get("PEAL_TEST_SLOW") or 1)

# Long enough for a busy machine; a test that passes never waits it out.
LIMIT = 15 * SLOW

HOST = "127.0.0.1"


class Failed(Exception):
    """What a case expected did not come true."""


class Skipped(Exception):
    """A server is not installed."""


def check(fact, why, *values):
    if not fact:
        raise Failed(why % values if values else why)


def equal(got, wanted, what):
    check(got == wanted, "%s: %r, not %r", what, got, wanted)


def wait_for(condition, what, seconds=LIMIT):
    """Return the condition's first true value; it is asked again and again."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("waited %.0f s for: %s" % (seconds, what))
        time.sleep(0.01)


def is_problem(answer, status, what, kind=None):
    """The answer is an error as RFC 9457 has it, of the type "#kind"; returns its object."""
    equal(answer.status, status, "%s: status (%r)" % (what, answer.body[:200]))
    equal(answer.headers.get("content-type"), "application/problem+json", what + ": type")
    problem = answer.json()
    equal(problem.get("status"), status, what + ": the problem's status")
    for member in ("type", "title", "detail"):
        check(isinstance(problem.get(member), str) and problem[member],
              "%s: no %s in %r", what, member, problem)
    check(re.fullmatch("#[a-z0-9-]+", problem["type"]), "%s: the type is %r", what, problem["type"])
    if kind:
        equal(problem["type"], "#" + kind, what + ": the problem's type")
    check("\n" not in problem["detail"], "%s: detail is not one sentence: %r", what, problem)
    return problem


# ---- Cases ------------------------------------------------------------------

_cases = []
_at_end = []


def case(function):
    """Mark a test; its name is the sentence it proves."""
    _cases.append(function)
    return function


def at_end(function):
    """Call this when all cases are over."""
    _at_end.append(function)


def run(limit=240, quick=None):
    """Run the program's cases and exit as automake wants.

    Arguments name the cases to run; none: all, or where PEAL_TEST_QUICK is set, since they
    have been run before, the first so many.  limit is for the whole program, in seconds.
    """
    names = sys.argv[1:]
    if not names and quick and os.environ.get("PEAL_TEST_QUICK"):
        names = [f.__name__ for f in _cases[:quick]]
    unknown = set(names) - {f.__name__ for f in _cases}
    if unknown:
        sys.exit("no such case: " + ", ".join(sorted(unknown)))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, _stopped)
    signal.alarm(int(limit * SLOW))
    adopt_orphans()
    try:
        failed, skipped = _run_all(names)
    finally:
        for function in _at_end:
            function()
    signal.alarm(0)
    if failed:
        sys.exit(1)
    sys.exit(77 if skipped else 0)


def _run_all(names):
    failed = skipped = 0
    for function in _cases:
        if names and function.__name__ not in names:
            continue
        title = function.__name__.replace("__", ": ").replace("_", " ")
        try:
            _run_one(function)
        except Skipped as why:
            if STRICT:
                failed += 1
                print("FAIL %s: %s" % (title, why))
            else:
                skipped += 1
                print("skip %s: %s" % (title, why))
        except Exception as error:
            failed += 1
            print("FAIL %s: %s" % (title, _why(error)))
        else:
            print("ok %s" % title)
        sys.stdout.flush()
    return failed, skipped


def _run_one(function):
    if not inspect.signature(function).parameters:
        function()
        return
    with Place() as place:
        function(place)


def _why(error):
    if isinstance(error, Failed):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return "%s: %s (%s:%d)" % (type(error).__name__, error,
                               os.path.basename(frame.filename), frame.lineno)


class _Stopped(BaseException):
    pass


def _stopped(number, _frame):
    # A second signal must not interrupt the cleaning up.
    for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        signal.signal(other, signal.SIG_IGN)
    print("FAIL stopped by %s" % signal.Signals(number).name, flush=True)
    raise _Stopped(signal.Signals(number).name)


# ---- Processes --------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans():
    """Become the parent of what our servers leave behind, so that it can be ended."""
    PR_SET_CHILD_SUBREAPER = 36
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid):
    """(parent, state, name), or None when the process is gone."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            text = file.read()
    except OSError:
        return None
    before, _, after = text.rpartition(")")
    fields = after.split()
    return int(fields[1]), fields[0], before.partition("(")[2]


def alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[1] not in "ZX"


def descendants(pid):
    """The ids of all living processes below pid, nearest first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(int(entry))
            if stat and stat[1] not in "ZX":
                children.setdefault(stat[0], []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return found


# Programs that outlive a case, by their ids; who enters one ends it, with at_end().
lasting = set()


def _leftovers():
    """The ids of all living processes below us that are to be gone at the end of a case."""
    kept = set(lasting)
    for pid in lasting:
        kept.update(descendants(pid))
    return [pid for pid in descendants(os.getpid()) if pid not in kept]


def programs(pid, name):
    """The ids below pid whose program is called so."""
    return [p for p in descendants(pid) if (_stat(p) or (0, "", ""))[2] == name]


def _reap():
    """Take the orphans' exit statuses; subprocess takes its own children's."""
    for entry in os.listdir("/proc"):
        stat = _stat(int(entry)) if entry.isdigit() else None
        if stat and stat[0] == os.getpid() and stat[1] == "Z" \
                and int(entry) not in Process.ours:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(entry), os.WNOHANG)


class Process:
    """A program we started, with its standard error in a log."""

    ours = {}

    def __init__(self, name, argv, log, env=None, out=None, given=None, **more):
        """given: what it finds on descriptor 0."""
        self.name = name
        self.log = log
        with open(log, "ab") as file:
            self.popen = subprocess.Popen(
                argv, stdin=given or subprocess.DEVNULL, stdout=out or file, stderr=file, env=env,
                start_new_session=True, cwd=os.path.dirname(log), **more)
        self.pid = self.popen.pid
        Process.ours[self.pid] = self

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self):
        """SIGKILL, to it and to all below it, none of which hears of another's death first."""
        pids = [self.pid] + descendants(self.pid)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.popen.wait()
        wait_for(lambda: _reap() or not any(alive(p) for p in pids), self.name + " to be dead")

    def wait(self, seconds=LIMIT):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed("%s does not end" % self.name) from None

    def stop(self, seconds=LIMIT):
        """SIGTERM, then wait for it and all below it.  Returns the stragglers' names."""
        below = descendants(self.pid) if self.running() else []
        self.signal(signal.SIGTERM)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _reap()
            if not self.running() and not any(alive(p) for p in below):
                break
            time.sleep(0.01)
        late = [p for p in [self.pid] + below if alive(p)]
        names = ["%s (%d)" % (_stat(p)[2], p) for p in late if _stat(p)]
        for pid in late:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait()
        Process.ours.pop(self.pid, None)
        return names


# ---- Ports ------------------------------------------------------------------

# Below the range the kernel takes for outgoing connections, so that none of our own
# clients can sit on a port between our choice and the server's bind.
_ports = random.Random(os.getpid() ^ int(time.time() * 1000))


def free_port():
    for _ in range(200):
        port = _ports.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise Failed("no free port")


def connect(address):
    """address: a port on loopback, or a path."""
    if isinstance(address, int):
        return socket.create_connection((HOST, address), timeout=LIMIT)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(LIMIT)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _tls():
    """A client that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def accepts(address):
    try:
        connect(address).close()
        return True
    except OSError:
        return False


# ---- Clients ----------------------------------------------------------------

class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed("not JSON: %r" % self.body[:200]) from None


def query(path, **fields):
    """A path with a query string; a list repeats its field, "_" in a name is "-"."""
    pairs = [(n, v) for n, values in fields.items()
             for v in (values if isinstance(values, (list, tuple)) else [values])]
    return path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")


def basic(name, password):
    text = ("%s:%s" % (name, password)).encode()
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


class Stream:
    """One subscriber: a thread that reads a response as it comes.

    The thread only reads, so that a test can ask for what has arrived by now and
    wait for what it expects next.  events are what a page wants to hear; own is what
    peal says of the stream.
    """

    def __init__(self, sock, request, body):
        self._prepare(body)
        self._sock = sock
        sock.sendall(request)
        sock.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _prepare(self, body):
        self.parser = EventParser()
        self.events = []
        self.own = []
        self.raw = b""
        self.closed = False  # the other side closed, or we did
        self.body = body
        self._taken = 0
        self._changed = threading.Condition()

    status = property(lambda self: self.body.status)
    headers = property(lambda self: self.body.headers)
    complete = property(lambda self: self.body.complete)
    last_event_id = property(lambda self: self.parser.last_event_id)

    def _read(self):
        while not self.closed:
            try:
                raw = self._sock.recv(65536)
            except OSError:
                raw = b""
            self.arrived(raw, not raw)

    def arrived(self, raw, closed):
        with self._changed:
            if raw:
                body = self.body.feed(raw)
                self.raw += body
                for event in self.parser.feed(body):
                    (self.own if event.type in OWN else self.events).append(event)
            if closed or self.body.complete:
                self.closed = True
            self._changed.notify_all()

    def wait(self, condition, what, seconds=LIMIT):
        """Wait until condition() holds; it is asked whenever something arrives."""
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise Failed("waited %.0f s for: %s; status %s, closed %s, arrived: %r"
                             % (seconds, what, self.status, self.closed, self.raw[-300:]))

    def opened(self):
        """Wait for the head and the first block, so that the join is done.  Returns self."""
        self.wait(lambda: self.parser.blocks or self.closed, "the first block")
        equal(self.status, 200, "the status of a subscription")
        check(self.own and self.own[0].type == "peal:open", "the stream begins with %r", self.raw)
        return self

    def left(self):
        """Wait for the end; it must be a polite one.  Returns its type and reason."""
        self.ended()
        equal(self.status, 200, "status")
        check(self.own and self.own[-1].type in ("peal:busy", "peal:end"), "the end is %r",
              self.raw[-300:])
        check(self.parser.retry, "no retry: %r", self.raw)
        return self.own[-1].type, json.loads(self.own[-1].data)["reason"]

    def next(self, seconds=LIMIT):
        """The next event, in order."""
        self.wait(lambda: len(self.events) > self._taken or self.closed, "an event", seconds)
        check(len(self.events) > self._taken, "the stream ended, no event came: %r",
              self.raw[-300:])
        self._taken += 1
        return self.events[self._taken - 1]

    def take(self, count, seconds=LIMIT):
        return [self.next(seconds) for _ in range(count)]

    def ended(self, seconds=LIMIT):
        """Wait for the end; it must be a proper one."""
        self.wait(lambda: self.closed, "the end of the stream", seconds)
        check(self.complete, "the stream was cut, not ended")

    def close(self):
        """Hang up, as a client does that loses its network."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(LIMIT)
        self._sock.close()


class Http2Stream(Stream):
    """One of the streams of a connection."""

    def __init__(self, connection, path, headers):
        self._prepare(connection.body())
        self._connection = connection
        self._number = connection.get(path, headers, self)

    def close(self):
        self._connection.reset(self._number)


class Site:
    """A peal as its clients see it, through a web server."""

    def __init__(self, place, port, server, start, secure=False):
        self.place = place
        self.port = port
        self.server = server  # the web server's Process
        self._start = start   # makes it, for a port
        self.secure = secure  # it speaks TLS, with place.certificate()
        self.reload = None    # has it read its configuration again, while it serves

    def dial(self, protocol="http/1.1"):
        sock = connect(self.port)
        if not self.secure:
            return sock
        context = _tls()
        context.set_alpn_protocols([protocol])
        return context.wrap_socket(sock, server_hostname="localhost")

    def restart(self):
        """Start the web server again at its port, after it has ended."""
        self.server = self._start(self.port)
        self.place.ready(self.server, self.port)

    def ask(self, method, path, body=None, headers=None):
        """One request, with its whole response."""
        if self.secure:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=LIMIT,
                                                     context=_tls())
        else:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=LIMIT)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            fields = {}
            for name, value in answer.getheaders():
                name = name.lower()
                fields[name] = fields[name] + ", " + value if name in fields else value
            return Response(answer.status, fields, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, body, kind="application/json", path="/publish", headers=None):
        if isinstance(body, str):
            body = body.encode()
        fields = dict(headers or {})
        if kind is not None:
            fields["Content-Type"] = kind
        return self.ask("POST", path, body, fields)

    def publish(self, channel, data, topic=None):
        """Publish data as JSON; returns the reply's object."""
        event = {"channel": channel, "data": data}
        if topic is not None:
            event["topic"] = topic
        answer = self.post(json.dumps(event))
        check(answer.status == 200, "publishing: %s %r", answer.status, answer.body[:300])
        return answer.json()

    def stream(self, path, headers=None, http="1.1", body=None):
        """GET a path as a stream, whatever it answers."""
        lines = ["GET %s HTTP/%s" % (path, http), "Host: localhost",
                 "Accept: text/event-stream"]
        lines += ["%s: %s" % pair for pair in (headers or {}).items()]
        stream = Stream(self.dial(), ("\r\n".join(lines) + "\r\n\r\n").encode(),
                        body or HttpBody())
        self.place.streams.append(stream)
        return stream

    def subscribe(self, *channels, since=None, headers=None, path="/events", **fields):
        """A stream that has joined; since is sent as Last-Event-ID."""
        headers = dict(headers or {})
        if since is not None:
            headers["Last-Event-ID"] = since
        if channels:
            fields["channel"] = channels
        return self.stream(query(path, **fields), headers).opened()

    def http2(self):
        """A connection that speaks HTTP/2; what it carries is for http2_stream()."""
        try:
            import http2
        except ImportError:
            raise Skipped("python3-h2 is not installed") from None
        sock = self.dial("h2")
        self.place.sockets.append(sock)
        return http2.Connection(sock, "https" if self.secure else "http", Http2Stream.arrived)

    def http2_stream(self, connection, *channels, since=None):
        headers = {} if since is None else {"Last-Event-ID": since}
        return Http2Stream(connection, query("/events", channel=channels), headers).opened()

    def streams(self):
        """How many streams peal holds, by its status."""
        return sum(worker["streams"] for worker in self.status()["workers"])

    def status(self):
        answer = self.get("/events/status")
        equal(answer.status, 200, "GET /events/status")
        return answer.json()


class Direct:
    """A peal spoken to in FastCGI, as any web server might."""

    def __init__(self, place, address, process=None):
        self.place = place
        self.address = address
        self.process = process

    @staticmethod
    def variables(method="GET", path="/events", query_string="", **others):
        params = {
            "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "test", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
            "REMOTE_ADDR": HOST, "REQUEST_METHOD": method, "QUERY_STRING": query_string,
            "SCRIPT_NAME": path, "PATH_INFO": "",
            "REQUEST_URI": path + ("?" + query_string if query_string else ""),
        }
        params.update(others)
        return {n: v for n, v in params.items() if v is not None}

    def stream(self, query_string="", **variables):
        params = self.variables("GET", query_string=query_string, **variables)
        stream = Stream(connect(self.address), fastcgi_request(params), FastcgiBody())
        self.place.streams.append(stream)
        return stream

    def subscribe(self, *channels, since=None, **variables):
        if since is not None:
            variables["HTTP_LAST_EVENT_ID"] = since
        pairs = [("channel", c) for c in channels]
        return self.stream(urllib.parse.urlencode(pairs), **variables).opened()

    def ask(self, method="GET", body=b"", **variables):
        if isinstance(body, str):
            body = body.encode()
        if method == "POST":
            variables.setdefault("CONTENT_LENGTH", str(len(body)))
        params = self.variables(method, **variables)
        decoder, out = FastcgiBody(), b""
        with connect(self.address) as sock:
            sock.sendall(fastcgi_request(params, body))
            while not decoder.complete:
                raw = sock.recv(65536)
                check(raw, "the connection was cut before FCGI_END_REQUEST")
                out += decoder.feed(raw)
        return Response(decoder.status, decoder.headers, out)

    def publish(self, channel, data, topic=None, **variables):
        event = {"channel": channel, "data": data}
        if topic is not None:
            event["topic"] = topic
        variables.setdefault("PEAL_ROLES", "publish")
        answer = self.ask("POST", json.dumps(event), CONTENT_TYPE="application/json",
                          **variables)
        check(answer.status == 200, "publishing: %s %r", answer.status, answer.body[:300])
        return answer.json()

    def status(self):
        answer = self.ask(path="/events/status", PEAL_ROLES="status")
        equal(answer.status, 200, "status")
        return answer.json()


# ---- Places -----------------------------------------------------------------

class Place:
    """A temporary folder and everything that was started in it."""

    def __init__(self):
        self.streams = []
        self.sockets = []
        self.processes = []
        self.before_end = []  # what is called before the processes are ended
        self.logs = []
        self.users = []  # whom add_user() has added
        self.bind = HOST  # where the web server listens
        self.more_environment = {}  # for all programs
        self.peal_environment = {}  # for peal alone

    def __enter__(self):
        # Not $TMPDIR: a unix socket's path is 107 bytes at most.
        self.folder = tempfile.mkdtemp(prefix="peal-test-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.run = self.path("run")
        self.www = self.path("www")
        self.bin = self.path("bin")
        for folder in (self.run, self.www, self.bin):
            os.mkdir(folder)
        self.user, self.group = None, None
        if os.getuid() == 0:
            owner = pwd.getpwnam("www-data")
            self.user, self.group = owner.pw_uid, owner.pw_gid
            os.chown(self.run, self.user, self.group)
        for name in ("demo.html", "peal.js", "peal.module.js", "php/Peal.php", "php/publish.php",
                     "php/board.php"):
            shutil.copyfile(os.path.join(EXAMPLES, name),
                            os.path.join(self.www, os.path.basename(name)))
        # Copied, since the build folder need not be open to www-data.
        for name in ("peal.fcgi", "pealctl", "peal-bench"):
            built = os.path.join(BUILD, name)
            if os.path.exists(built):
                shutil.copy(built, self.bin)
                os.chmod(os.path.join(self.bin, name), 0o755)
        self.peal_fcgi = os.path.join(self.bin, "peal.fcgi")
        self.pealctl_path = os.path.join(self.bin, "pealctl")
        self.bench_path = os.path.join(self.bin, "peal-bench")
        self.arena = os.path.join(self.run, "arena", "arena")
        self.socket = os.path.join(self.run, "peal.sock")
        check(os.path.exists(self.peal_fcgi), "no peal.fcgi in %s: build it, or set PEAL_BUILD",
              BUILD)
        return self

    def __exit__(self, kind, error, _trace):
        for stream in self.streams:
            stream.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for prepare in self.before_end:
            prepare()
        late = []
        for process in reversed(self.processes):
            late += process.stop()
        for pid in _leftovers():  # orphans, now ours
            late.append("%s (%d)" % ((_stat(pid) or (0, "", "?"))[2], pid))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        faults = self.sanitizers_words()
        if faults or late or kind is not None and not issubclass(kind, Skipped):
            self.print_logs()
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:
            check(not late, "did not end on SIGTERM: %s", ", ".join(late))
            check(not faults, "%s", faults)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def logs_lines(self):
        """The name and the lines of each log."""
        for folder, _, names in os.walk(self.folder):
            for name in sorted(names):
                if name.endswith(".log"):
                    with open(os.path.join(folder, name), "rb") as file:
                        yield name, file.read().decode("utf-8", "replace").splitlines()

    def print_logs(self):
        for name, lines in self.logs_lines():
            if lines:
                print("---- %s" % name)
                print("\n".join("  | " + line for line in lines[-25:]))
        sys.stdout.flush()

    def sanitizers_words(self):
        """What a sanitizer has found: a worker that it ended is replaced, and nobody else tells."""
        for name, lines in self.logs_lines():
            for line in lines:
                if "Sanitizer: " in line or ": runtime error: " in line:
                    return "%s: %s" % (name, line.strip())
        return ""

    def is_sanitized(self):
        """A sanitizer takes terabytes of addresses, and keeps memory that was freed."""
        with open(self.peal_fcgi, "rb") as file:
            program = file.read()
        return b"__asan_init" in program or b"__tsan_init" in program

    def find(self, name):
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not path:
            raise Skipped("%s is not installed" % name)
        return path

    def as_service(self):
        """What makes subprocess run a program as who runs the service."""
        if self.user is None:
            return {"umask": 0o022}
        return {"user": self.user, "group": self.group, "extra_groups": [], "umask": 0o022}

    def start(self, name, argv, env=None, **more):
        process = Process(name, argv, self.path(name + ".log"), env, **more)
        self.processes.append(process)
        return process

    def environment(self, port, options=()):
        """What the files in examples/ take from the environment.

        options are for the peal.fcgi that a web server starts; none may have a space in it.
        """
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
               "PEAL_PORT": str(port), "PEAL_BIND": self.bind, "PEAL_RUN": self.run,
               "PEAL_WWW": self.www,
               "PEAL_FCGI": " ".join((self.peal_fcgi,) + tuple(options)),
               "PEAL_USER": pwd.getpwuid(self.user or os.getuid()).pw_name,
               "PEAL_GROUP": "www-data"}
        # Sanitizers and the like are told through the environment.
        env.update({n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")})
        env.update(self.more_environment)
        return env

    # peal by itself

    def start_peal(self, *options, listen=None, arena=True, name="peal", **more):
        """peal.fcgi --listen, ready for connections."""
        listen = listen or self.socket
        argv = [self.peal_fcgi, "--listen", listen]
        if arena:
            argv += ["--arena", self.arena]
        process = self.start(name, argv + list(options),
                             env=dict(self.environment(0), **self.peal_environment),
                             **self.as_service(), **more)
        process.listen = listen
        address = int(listen.rpartition(":")[2]) if ":" in listen else listen
        self.ready(process, address)
        return process

    def start_worker(self, *options, under=()):
        """peal.fcgi as a web server spawns it: one worker, its listening socket on descriptor 0.

        under is the program that runs it, and that program's options.
        """
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.socket)
            os.chmod(self.socket, 0o666)
            listener.listen(128)
            return self.start("peal", list(under) + [self.peal_fcgi, "--arena", self.arena]
                              + list(options), env=self.environment(0), given=listener,
                              **self.as_service())

    def ready(self, process, address):
        def answers():
            check(process.running(), "%s ended with %s", process.name, process.popen.poll())
            return accepts(address)
        wait_for(answers, "%s to listen at %s" % (process.name, address))

    def direct(self, *options, **more):
        """peal.fcgi --listen, spoken to in FastCGI."""
        process = self.start_peal(*options, **more)
        listen = more.get("listen") or self.socket
        address = int(listen.rpartition(":")[2]) if ":" in listen else listen
        return Direct(self, address, process)

    # peal behind a web server

    def behind_lighttpd(self, *options, config="lighttpd.conf", edits=None, php=True, peal=None):
        """examples/lighttpd.conf, and peal.fcgi --listen with these options.

        Or this peal, which runs already.  Without php the edits have seen to it that lighttpd
        does not start it.
        """
        lighttpd = self.find("lighttpd")
        peal = peal or self.start_peal(*options)
        site = self._lighttpd(lighttpd, config, edits, php=php)
        site.peal = peal
        return site

    def spawned_by_lighttpd(self, *options, edits=None):
        """examples/lighttpd-spawned.conf, which starts peal.fcgi with these options."""
        return self._lighttpd(self.find("lighttpd"), "lighttpd-spawned.conf", edits, options)

    def _lighttpd(self, program, config, edits, options=(), php=True):
        self.find("php-cgi")
        config = self.example(config, edits)

        def start(port):
            return self.start("lighttpd", [program, "-D", "-f", config],
                              env=self.environment(port, options))
        site = self._serve(start)
        # It listens before it spawns, and a SIGTERM between its fork() and the program's own
        # handlers is lost.  Three php-cgi are the one lighttpd knows and the two that serve.
        wait_for(lambda: len(programs(site.server.pid, "php-cgi")) == (3 if php else 0)
                 and not programs(site.server.pid, "lighttpd"), "lighttpd's programs to be ready")
        site.reload = lambda: site.server.signal(signal.SIGUSR1)
        return site

    def behind_apache(self, *options, streams=None, modules=(), edits=None):
        """examples/apache-mod_fcgid.conf, which starts peal.fcgi with these options.

        streams is the subscribers' class's limit.
        """
        defines = ["Define PEAL_STREAMS %d" % streams] if streams else []
        site = self._apache("apache-mod_fcgid.conf", ("fcgid",) + tuple(modules), defines, edits,
                            options)

        def hurry():
            # mod_fcgid has three seconds of patience with processes that are busy.
            if site.server.running():
                for pid in programs(site.server.pid, "peal.fcgi"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
        self.before_end.append(hurry)
        return site

    def behind_mod_proxy_fcgi(self, *options, modules=(), edits=None, php=False, peal=None):
        """examples/apache-mod_proxy_fcgi.conf, and peal.fcgi --listen with these options.

        Or this peal, which runs already.
        """
        self.find("apache2")
        peal = peal or self.start_peal(*options)
        if php:
            self.start_php()
        site = self._apache("apache-mod_proxy_fcgi.conf", modules, [], edits)
        site.peal = peal
        self._end_first(peal)
        return site

    def _apache(self, config, modules, defines, edits, options=()):
        program = self.find("apache2")
        config = self.example(config, edits)
        lines = list(defines)
        for name in modules:
            path = "/usr/lib/apache2/modules/mod_%s.so" % name
            if not os.path.exists(path):
                raise Skipped("mod_%s is not installed" % name)
            if name != "fcgid":
                lines.append("LoadModule %s_module %s" % (name, path))
        argv = [program] + [word for line in lines for word in ("-C", line)]

        def start(port):
            return self.start("apache", argv + ["-DFOREGROUND", "-f", config],
                              env=self.environment(port, options))
        site = self._serve(start)
        site.reload = lambda: site.server.signal(signal.SIGUSR1)
        return site

    def behind_nginx(self, *options, tcp=False, keepalive=False, tls=False, edits=None,
                     php=False, peal=None):
        """examples/nginx.conf, and peal.fcgi --listen with these options.

        Or this peal, which runs already.  tcp and keepalive are about nginx's connections to
        peal, tls about its clients'.
        """
        program = self.find("nginx")
        listen = "%s:%d" % (HOST, free_port()) if tcp else self.socket
        peal = peal or self.start_peal(*options, listen=listen)
        if php:
            self.start_php()
        def start(port):
            # nginx cannot read the environment: these are the places its head names.
            places = {"/run/php/php-fpm.sock": os.path.join(self.run, "php.sock"),
                      "/run/peal": self.run, "/var/www/html": self.www,
                      "listen 80;": "listen %s:%d;" % (self.bind, port),
                      "127.0.0.1:80/": "127.0.0.1:%d/" % port}
            if tcp:
                places["server unix:/run/peal/peal.sock;"] = ""
                places["#server 127.0.0.1:9000;"] = "server %s;" % listen
            if keepalive:
                places["#keepalive "] = "keepalive "
                places["#fastcgi_keep_conn "] = "fastcgi_keep_conn "
            if tls:
                self.certificate()
                places["listen 80;"] = ""
                places["#listen 443 "] = "listen %s:%d " % (self.bind, port)
                places["#ssl_certificate"] = "ssl_certificate"
            config = self.example("nginx.conf", dict(edits or {}, **places))
            return self.start("nginx", [program, "-e", self.path("nginx-start.log"), "-c", config,
                                        "-g", "daemon off;"], env=self.environment(port))
        site = self._serve(start, tls)
        site.peal = peal
        site.reload = lambda: site.server.signal(signal.SIGHUP)
        return site

    def behind_caddy(self, *options, tls=False, edits=None, php=False):
        """examples/Caddyfile, and peal.fcgi --listen with these options."""
        program = self.find("caddy")
        peal = self.start_peal(*options)
        if php:
            self.start_php()
        admin = "unix/" + os.path.join(self.run, "caddy.sock")
        if not os.path.exists(os.path.join(self.run, "users")):
            self.add_user("somebody", "or other")  # Caddy insists
        edits = dict(edits or {})
        edits["\tgrace_period "] = "\tdefault_bind %s\n\tgrace_period " % self.bind
        if tls:
            self.certificate()
            edits["\troute {"] = "\ttls %s/cert.pem %s/key.pem\n\troute {" % (self.run, self.run)
        config = self.example("Caddyfile", edits)
        argv = [program, "run", "--config", config, "--adapter", "caddyfile"]

        def environment(port):
            site = "https://localhost:%d" if tls else "http://:%d"
            return dict(self.environment(port), PEAL_SITE=site % port, PEAL_ADMIN=admin,
                        PEAL_PHP=os.path.join(self.run, "php.sock"),
                        PEAL_HTTP_PORT=str(free_port()), PEAL_HTTPS_PORT=str(free_port()),
                        XDG_DATA_HOME=self.run, XDG_CONFIG_HOME=self.run)

        def reload():
            done = self.command(program, "reload", "--force", "--config", config,
                                "--adapter", "caddyfile", "--address", admin,
                                env=environment(site.port))
            equal(done.returncode, 0, "caddy reload: " + done.stderr)

        # Not as root: Caddy would have the machine trust certificates of its own.
        site = self._serve(lambda port: self.start("caddy", argv, env=environment(port),
                                                   **self.as_service()), tls)
        site.peal = peal
        site.reload = reload
        self._end_first(peal)
        return site

    def behind_haproxy(self, *options, tls=False, edits=None, php=False):
        """examples/haproxy.cfg, and peal.fcgi --listen with these options."""
        program = self.find("haproxy")
        peal = self.start_peal(*options)
        if php:
            self.start_php()
        edits = dict(edits or {})
        if self.users:
            edits["    user somebody password *"] = "\n".join(
                "    user %s password %s" % (name, self.crypted(password))
                for name, password in self.users)
        if tls:
            self.certificate()
            pem = "".join(open(os.path.join(self.run, name)).read()
                          for name in ("cert.pem", "key.pem"))
            edits['    bind "${PEAL_BIND}:${PEAL_PORT}"'] = ""
            edits['#bind "${PEAL_BIND}:443" ssl crt /etc/haproxy/site.pem'] = \
                'bind "${PEAL_BIND}":"${PEAL_PORT}" ssl crt ' + self.write("site.pem", pem)
        config = self.example("haproxy.cfg", edits)
        away = self.example("haproxy-away.http")

        def start(port):
            env = dict(self.environment(port), PEAL_AWAY=away,
                       PEAL_PHP=os.path.join(self.run, "php.sock"))
            return self.start("haproxy", [program, "-W", "-f", config], env=env)
        site = self._serve(start, tls)
        site.peal = peal

        def loaded():
            with open(site.server.log) as file:
                return file.read().count("Loading success")

        def reload():
            before = wait_for(loaded, "HAProxy to be ready")
            end = time.monotonic() + LIMIT
            while loaded() == before:
                check(time.monotonic() < end, "HAProxy does not read its file again")
                # Its master misses a signal that comes while it starts.
                site.server.signal(signal.SIGUSR2)
                with contextlib.suppress(Failed):
                    wait_for(lambda: loaded() > before, "", 1)
        site.reload = reload
        return site

    def behind_h2o(self, *options, tls=False, edits=None, php=False):
        """examples/h2o.conf, and peal.fcgi --listen with these options."""
        program = self.find("h2o")
        peal = self.start_peal(*options)
        if php:
            self.start_php()

        def start(port):
            # H2O cannot read the environment: these are the places its head names.
            listen = "host: %s\n  port: %d" % (self.bind, port)
            places = {"/run/php/php-fpm.sock": os.path.join(self.run, "php.sock"),
                      "/run/peal": self.run, "/var/www/html": self.www,
                      "user: www-data": "user: " + self.environment(0)["PEAL_USER"],
                      "listen:\n  port: 80\n": "listen:\n  %s\n" % listen,
                      "127.0.0.1:80/": "127.0.0.1:%d/" % port}
            if tls:
                self.certificate()
                places["listen:\n  port: 80\n"] = ""
                places["#listen:\n#  port: 443\n#  ssl:\n#    certificate"] = \
                    "listen:\n  %s\n  ssl:\n    certificate" % listen
                places["#    key-file"] = "    key-file"
            config = self.example("h2o.conf", dict(edits or {}, **places))
            return self.start("h2o", [program, "-m", "master", "-c", config],
                              env=self.environment(port))
        site = self._serve(start, tls)
        site.peal = peal
        site.reload = lambda: site.server.signal(signal.SIGHUP)
        self._end_first(peal)
        return site

    def crypted(self, password):
        """As crypt(3) wants it."""
        done = self.command(self.find("openssl"), "passwd", "-6", "-stdin", text=password)
        equal(done.returncode, 0, "openssl: " + done.stderr)
        return done.stdout.strip()

    def _end_first(self, peal):
        """Where the web server waits for its streams to end, seconds can be saved."""
        self.processes.remove(peal)
        self.processes.append(peal)

    def start_php(self):
        """PHP at the socket where the examples look for it, unless the server starts it."""
        path = os.path.join(self.run, "php.sock")
        process = self.start("php", [self.find("php-cgi"), "-b", path],
                             env=dict(self.environment(0), PHP_FCGI_CHILDREN="2"),
                             **self.as_service())
        self.ready(process, path)

    def certificate(self):
        """A key and a certificate that it signed itself, for localhost."""
        cert, key = (os.path.join(self.run, name) for name in ("cert.pem", "key.pem"))
        if not os.path.exists(cert):
            done = self.command(self.find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                                "-subj", "/CN=peal's test", "-addext",
                                "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert)
            equal(done.returncode, 0, "openssl: " + done.stderr)

    def example(self, name, edits=None):
        """The path of a copy of a file in examples/, with each key replaced by its value.

        Copied, since lighttpd reads it again as www-data.  A key that is not there is an error,
        else an edit could come to do nothing.  What is no example stays where it is.
        """
        if os.path.isabs(name):
            check(not edits, "%s is no example", name)
            return name
        with open(os.path.join(EXAMPLES, name)) as file:
            text = file.read()
        edits = edits or {}
        # The longest first: one place may be the beginning of another.
        for old in sorted(edits, key=len, reverse=True):
            check(old in text, "examples/%s has no %r", name, old)
            text = text.replace(old, edits[old])
        copy = self.path(name)
        with open(copy, "w") as file:
            file.write(text)
        os.chmod(copy, 0o644)
        return copy

    def _serve(self, start, secure=False):
        """Start a web server; where somebody was faster at its port, at another one."""
        for attempt in range(3):
            port = free_port()
            server = start(port)
            wait_for(lambda: accepts(port) or not server.running(), server.name + " to listen")
            if server.running():
                return Site(self, port, server, start, secure)
            if attempt == 2:
                raise Failed("%s ended with %s" % (server.name, server.popen.poll()))

    def add_user(self, name, password):
        """Into the file that /mine checks against."""
        self.users.append((name, password))
        digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
        with open(os.path.join(self.run, "htpasswd"), "a") as file:
            file.write("%s:{SHA}%s\n" % (name, digest))
        if shutil.which("htpasswd"):
            # Caddy knows no other hash.
            hashed = subprocess.run(["htpasswd", "-nbBC", "4", name, password], check=True,
                                    stdout=subprocess.PIPE, universal_newlines=True).stdout
            with open(os.path.join(self.run, "users"), "a") as file:
                file.write(hashed.strip().replace(":", " ") + "\n")

    # programs that end

    def command(self, *argv, text=None, env=None, seconds=LIMIT):
        """Run a program as the service's user; returns its CompletedProcess, with text."""
        try:
            return subprocess.run(
                argv, input=text, stdin=None if text is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                timeout=seconds, cwd="/", env=dict(self.environment(0), **(env or {})),
                **self.as_service())
        except subprocess.TimeoutExpired:
            raise Failed("%s does not end" % " ".join(argv)) from None

    def peal(self, *options, **more):
        return self.command(self.peal_fcgi, *options, **more)

    def pealctl(self, *words, arena=None, **more):
        return self.command(self.pealctl_path, "--arena", arena or self.arena, *words, **more)

    def write(self, name, text, mode=0o600):
        """A file in the run folder, owned by the service's user."""
        path = os.path.join(self.run, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        if self.user is not None:
            os.chown(path, self.user, self.group)
        return path
