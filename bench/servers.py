"""The servers that bench/run measures: peal behind each web server, and its peers.

Each is started by tests/e2e/harness.py, from the files in examples/ where these have what it
takes, and ended by it.  A contender is a name, how to start it, and what it needs.
"""

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
PEER_FILES = os.path.join(HERE, "peers")

NGINX_MODULES = "/usr/lib/nginx/modules"
APACHE_MODULES = "/usr/lib/apache2/modules"


def raise_descriptors():
    """Up to what we may have; all that we start inherits it.  Returns the number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Ground(harness.Place):
    """A Place whose run folder, with the arena in it, is in memory, as peal's own is."""

    program = None  # the peal.fcgi to measure, where it is not the build folder's

    def __enter__(self):
        super().__enter__()
        if self.program is not None:
            shutil.copy(self.program, self.peal_fcgi)
            os.chmod(self.peal_fcgi, 0o755)
        if os.path.isdir("/dev/shm"):
            self.run = tempfile.mkdtemp(prefix="peal-bench-", dir="/dev/shm")
            os.chmod(self.run, 0o755)
            if self.user is not None:
                os.chown(self.run, self.user, self.group)
            self.arena = os.path.join(self.run, "arena", "arena")
            self.socket = os.path.join(self.run, "peal.sock")
        self.descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return self

    def __exit__(self, kind, error, trace):
        self.stopped = kind is SystemExit
        try:
            super().__exit__(kind, error, trace)
        finally:
            shutil.rmtree(self.run, ignore_errors=True)

    def print_logs(self):
        """Not in the middle of the table, and not for a Ctrl-C."""
        if not self.stopped:
            with contextlib.redirect_stdout(sys.stderr):
                super().print_logs()

    def fill_in(self, template, port):
        """Write a configuration with its @NAME@s replaced; returns its path."""
        with open(template) as file:
            text = file.read()
        env = self.environment(port)
        values = {"PORT": port, "RUN": self.run, "USER": env["PEAL_USER"],
                  "GROUP": env["PEAL_GROUP"], "MODULES": NGINX_MODULES,
                  "DESCRIPTORS": self.descriptors, "CONNECTIONS": self.descriptors - 200}
        for name, value in values.items():
            text = text.replace("@%s@" % name, str(value))
        path = self.path(os.path.basename(template))
        with open(path, "w") as file:
            file.write(text)
        return path


class Running:
    """Where to subscribe and publish, and whose time and memory to count."""

    def __init__(self, base, watch, subscribe="/events?channel={}",
                 publish="/publish?channel={}", publish_json="/publish", resume=None):
        self.base = base
        self.watch = watch  # {"web": pid, "peal": pid}; "all" has "peal" in it
        self.subscribe = base + subscribe
        self.publish = base + publish
        self.publish_json = base + publish_json
        self.resume = resume  # asks for all that is kept


class Contender:
    """Something to measure.  start(ground, **setup) returns a Running."""

    def __init__(self, name, title, start, needs, packages):
        self.name = name
        self.title = title
        self.start = start
        self.needs = needs  # programs, or files where they begin with "/"
        self.packages = packages

    def missing(self):
        return [need for need in self.needs
                if not (os.path.exists(need) if need.startswith("/") else find(need))]


# The peers of peal: no peal.fcgi is in them.
PEERS = ("nchan", "node")


def split(contender):
    """The name of a contender, and its variant: "nginx, pinned" is nginx, in a variant."""
    name, comma, variant = contender.partition(", ")
    return name, comma + variant


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _base(port):
    return "http://%s:%d" % (harness.HOST, port)


def _peal(ground, workers, options):
    return ground.start_peal("--workers", str(workers), "--log", "error", *options)


def lighttpd(ground, workers=1, options=(), **_):
    """examples/lighttpd.conf, with room for the descriptors we may have."""
    config = ground.path("lighttpd.conf")
    with open(config, "w") as file:
        file.write('include "%s"\n' % os.path.join(harness.EXAMPLES, "lighttpd.conf"))
        file.write("server.max-fds := %d\n" % ground.descriptors)
        file.write("server.max-connections := %d\n" % (ground.descriptors // 2 - 200))
        file.write("server.max-keep-alive-requests = 65535\n")
    peal = _peal(ground, workers, options)
    site = ground._lighttpd(ground.find("lighttpd"), config, None)
    return Running(_base(site.port), {"web": site.server.pid, "peal": peal.pid},
                   resume="earliest")


def nginx(ground, workers=1, options=(), web_workers=1, **_):
    """examples/nginx.conf, with connections to peal that are kept."""
    peal = _peal(ground, workers, options)
    site = _nginx(ground, lambda port: _peals_nginx(ground, port, web_workers))
    return Running(_base(site.port), {"web": site.server.pid, "peal": peal.pid},
                   resume="earliest")


def _peals_nginx(ground, port, workers):
    """Our values in place of the file's own, which nginx cannot take from elsewhere."""
    with open(os.path.join(harness.EXAMPLES, "nginx.conf")) as file:
        text = file.read()
    env = ground.environment(port)
    for ours, its in (
            ("user %s %s;" % (env["PEAL_USER"], env["PEAL_GROUP"]), r"user +www-data;"),
            ("worker_processes %d;" % workers, r"worker_processes +auto;"),
            ("worker_rlimit_nofile %d;" % ground.descriptors, r"worker_rlimit_nofile +\d+;"),
            # A stream takes two connections.
            ("worker_connections %d;" % (ground.descriptors - 200),
             r"worker_connections +\d+;"),
            ("keepalive 64;", r"#keepalive +\d+;"),
            ("fastcgi_keep_conn on;", r"#fastcgi_keep_conn +on;"),
            ("listen %s:%d backlog=4096; keepalive_requests 1000000000;"
             % (harness.HOST, port), r"listen +80;"),
            (ground.run, r"/run/peal"), (ground.www, r"/var/www/html")):
        text, count = re.subn(its, lambda _: ours, text)
        harness.check(count, "examples/nginx.conf has no %s", its)
    path = ground.path("nginx.conf")
    with open(path, "w") as file:
        file.write(text)
    return path


def _nginx(ground, configure):
    def start(port):
        return ground.start("nginx", [
            ground.find("nginx"), "-e", ground.path("nginx.log"), "-g", "daemon off;",
            "-c", configure(port)], env=ground.environment(port))
    return ground._serve(start)


def proxy_fcgi(ground, workers=1, options=(), **_):
    """examples/apache-mod_proxy_fcgi.conf."""
    peal = _peal(ground, workers, options)
    config = os.path.join(harness.EXAMPLES, "apache-mod_proxy_fcgi.conf")

    # All its threads from the start: a child that has none left, or that is to go since there
    # are too many, closes the connections that publishers keep, also under a POST.
    more = ["ListenBackLog 4096", "MaxKeepAliveRequests 0", "KeepAliveTimeout 600",
            "StartServers 32", "MaxSpareThreads 2048"]

    def start(port):
        return ground.start("apache", [
            ground.find("apache2"), "-DFOREGROUND", "-f", config]
            + [word for line in more for word in ("-c", line)], env=ground.environment(port))
    site = ground._serve(start)
    return Running(_base(site.port), {"web": site.server.pid, "peal": peal.pid},
                   resume="earliest")


def mod_fcgid(ground, streams=400, **_):
    """examples/apache-mod_fcgid.conf."""
    site = ground.behind_apache(streams=streams)
    site.publish("warm", "up")
    # Its process manager starts all peals.
    peal = harness.programs(site.server.pid, "peal.fcgi")[0]
    manager = harness._stat(peal)[0]
    return Running(_base(site.port), {"all": site.server.pid, "peal": manager},
                   resume="earliest")


def nchan(ground, **_):
    template = os.path.join(PEER_FILES, "nchan.conf")
    site = _nginx(ground, lambda port: ground.fill_in(template, port))
    return Running(_base(site.port), {"web": site.server.pid}, resume="1:0")


def node(ground, **_):
    folder = node_folder()

    def start(port):
        env = dict(ground.environment(port), PORT=str(port), NODE_ENV="production")
        return ground.start("node", [ground.find("node"), os.path.join(folder, "server.js")],
                            env=env)
    site = ground._serve(start)
    return Running(_base(site.port), {"web": site.server.pid}, resume="0")


def node_folder():
    return os.path.join(harness.BUILD, "bench-node")


def install_node():
    """Have npm bring Fastify into the build folder.  Returns what went wrong, or None."""
    folder = node_folder()
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "server.js"):
        shutil.copyfile(os.path.join(PEER_FILES, "node", name), os.path.join(folder, name))
        os.chmod(os.path.join(folder, name), 0o644)
    if os.path.isdir(os.path.join(folder, "node_modules", "fastify")):
        return None
    npm = find("npm")
    if npm is None:
        return "npm is not installed"
    try:
        done = subprocess.run(
            [npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock",
             "--ignore-scripts"], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
            timeout=300)
    except subprocess.TimeoutExpired:
        return "npm install does not end"
    return None if done.returncode == 0 else "npm install: " + done.stdout.strip()[-300:]


CONTENDERS = {c.name: c for c in (
    Contender("lighttpd", "peal, lighttpd", lighttpd, ["lighttpd", "php-cgi"],
              ["lighttpd", "php-cgi"]),
    Contender("nginx", "peal, nginx", nginx, ["nginx"], ["nginx"]),
    Contender("proxy_fcgi", "peal, mod_proxy_fcgi", proxy_fcgi,
              ["apache2", APACHE_MODULES + "/mod_proxy_fcgi.so"], ["apache2"]),
    Contender("mod_fcgid", "peal, mod_fcgid", mod_fcgid,
              ["apache2", APACHE_MODULES + "/mod_fcgid.so"],
              ["apache2", "libapache2-mod-fcgid"]),
    Contender("nchan", "nchan in nginx", nchan, ["nginx", NGINX_MODULES + "/ngx_nchan_module.so"],
              ["nginx", "libnginx-mod-nchan"]),
    Contender("node", "Node, Fastify", node, ["node", "npm"], ["nodejs", "npm"]),
)}
