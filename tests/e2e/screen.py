"""Programs on a terminal of their own, for tests of what people see."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from harness import check, equal, wait_for


class Screen:
    """A program on a terminal of its own: what it shows, and keys for it."""

    def __init__(self, place, *words, columns=80, lines=24):
        self.master, slave = pty.openpty()
        self._slave = slave
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        if place.user is not None:
            os.fchown(slave, place.user, place.group)
        self.text = ""
        self.popen = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, cwd="/",
            env=dict(place.environment(0), TERM="xterm"), start_new_session=True,
            **place.as_service())

    def read(self):
        """Take in what it has printed by now."""
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")

    def shows(self, pattern):
        """Wait until the pattern is among what it has printed; returns the match."""
        def found():
            self.read()
            return re.search(pattern, self.text)
        return wait_for(found, "%r on the screen: %r" % (pattern, self.text[-600:]))

    def press(self, key):
        os.write(self.master, key)

    def signal(self, number):
        self.popen.send_signal(number)

    def ended(self):
        """Wait for its end; returns the exit status."""
        def over():
            self.read()
            return self.popen.poll() is not None
        wait_for(over, "the end of the program")
        self.read()
        return self.popen.returncode

    def is_restored(self):
        equal(termios.tcgetattr(self._slave), self.before, "the terminal's settings")
        for on, off in (("\033[?1049h", "\033[?1049l"), ("\033[?25l", "\033[?25h"),
                        ("\033[?7l", "\033[?7h")):
            check(on in self.text, "%r is not shown", on)
            check(self.text.rfind(off) > self.text.rfind(on), "%r is missing at the end", off)

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        os.close(self.master)
        os.close(self._slave)


@contextlib.contextmanager
def screen(place, *words, **size):
    shown = Screen(place, *words, **size)
    try:
        yield shown
    finally:
        shown.close()
