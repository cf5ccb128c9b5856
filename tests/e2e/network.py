"""A network that can be cut: the servers at one end of a cable, clients at the other.

A program that calls separate() before run() goes on in a network namespace of its own, and
so does all that it starts; loopback works there as ever.  A Cable adds a second namespace, which
one process holds: both are gone when their processes are, and so is the cable.

Without root it takes a user namespace too, and stays who it was in there.
"""

import contextlib
import ctypes
import os
import subprocess
import sys

from harness import Failed, check, wait_for

CLONE_NEWNET = 0x40000000
MARK = "PEAL_TEST_NETWORK"

# From the range for documentation, so that nobody's own network is meant.
SERVER = "192.0.2.1"
CLIENT = "192.0.2.2"
ELSEWHERE = "192.0.2.3"


def separate():
    """Start this program again in a network of its own."""
    here = os.readlink("/proc/self/ns/net")
    if os.environ.get(MARK) in (None, here):
        os.environ[MARK] = here
        who = [] if os.getuid() == 0 else ["--map-current-user", "--keep-caps"]
        argv = ["unshare", "--net"] + who + [sys.executable] + sys.argv
        os.execvp(argv[0], argv)


def _ip(place, *words, within=None):
    argv = [place.find("ip")] + list(words)
    if within:
        argv = [place.find("nsenter"), "--target", str(within), "--net"] + argv
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True, timeout=60)
    check(result.returncode == 0, "%s: %s", " ".join(argv), result.stdout)
    return result.stdout


class Cable:
    """Between SERVER, where we are, and a namespace that has the address CLIENT."""

    def __init__(self, place):
        self.place = place
        _ip(place, "link", "set", "lo", "up")
        self.far = place.start("far", ["unshare", "--net", "sleep", "infinity"])
        self._own = open("/proc/self/ns/net")
        wait_for(lambda: self._name(self.far.pid) != self._name("self"), "the namespace")
        self._theirs = open("/proc/%d/ns/net" % self.far.pid)
        _ip(place, "link", "add", "near", "type", "veth", "peer", "name", "far",
            "netns", str(self.far.pid))
        _ip(place, "address", "add", SERVER + "/24", "dev", "near")
        _ip(place, "link", "set", "near", "up")
        self.join()
        self.add(CLIENT)

    @staticmethod
    def _name(pid):
        try:
            return os.readlink("/proc/%s/ns/net" % pid)
        except OSError:
            raise Failed("the namespace is gone") from None

    def add(self, address):
        _ip(self.place, "address", "add", address + "/24", "dev", "far", within=self.far.pid)

    def remove(self, address):
        _ip(self.place, "address", "del", address + "/24", "dev", "far", within=self.far.pid)

    def cut(self):
        """From now on no packet passes, and nobody is told."""
        _ip(self.place, "link", "set", "far", "down", within=self.far.pid)

    def join(self):
        _ip(self.place, "link", "set", "far", "up", within=self.far.pid)

    @contextlib.contextmanager
    def at_the_far_end(self):
        """Sockets that this thread makes meanwhile belong to the client's end, for good."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(namespace):
            check(libc.setns(namespace.fileno(), CLONE_NEWNET) == 0, "setns: %s",
                  os.strerror(ctypes.get_errno()))
        enter(self._theirs)
        try:
            yield
        finally:
            enter(self._own)

    def close(self):
        """The program's own end goes with the other one."""
        self._own.close()
        self._theirs.close()
        _ip(self.place, "link", "del", "near")


def set_here(name, value):
    """A setting of net/ipv4, of this namespace alone."""
    with open("/proc/sys/net/ipv4/" + name, "w") as file:
        file.write(str(value))
