"""Chromium, Firefox and WebKitGTK, driven through clients/browser.js."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading

from harness import LIMIT, Failed, adopt_orphans, alive, at_end, descendants, lasting, wait_for
from node import command

# The engine's file in clients/, and the program that it starts.
CHROMIUM = ("chromium", "chromium")
FIREFOX = ("firefox", "firefox-esr")
WEBKIT = ("webkit", "WebKitWebDriver")
ENGINES = (CHROMIUM, FIREFOX, WEBKIT)


class Browser:
    """A browser with an empty profile; use it with "with", so that it is ended.

    folder is for what it keeps, if not the place's.
    """

    def __init__(self, place, engine=CHROMIUM, folder=None):
        self.name, program = engine
        if engine is WEBKIT:
            place.find("Xvfb")
        folder = folder or place.folder
        profile = os.path.join(folder, self.name)
        os.makedirs(profile, mode=0o700)
        argv, env = command("browser.js", self.name, place.find(program), profile)
        self.log = os.path.join(folder, self.name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                argv, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, universal_newlines=True, preexec_fn=adopt_orphans)
        self._tabs = 0
        self._answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put({"error": "the browser has ended"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        below = descendants(self.process.pid)
        self.process.stdin.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # WebKit's processes outlive their browser, for a moment or for good.
        with contextlib.suppress(Failed):
            wait_for(lambda: not any(alive(pid) for pid in below), self.name + " to be gone", LIMIT / 3)
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def do(self, what, **fields):
        self.process.stdin.write(json.dumps(dict(fields, do=what)) + "\n")
        self.process.stdin.flush()
        try:
            answer = self._answers.get(timeout=LIMIT * 4)
        except queue.Empty:
            raise Failed("%s does not answer to: %s" % (self.name, what)) from None
        if "error" in answer:
            raise Failed("%s, %s: %s" % (self.name, what, answer["error"]))
        return answer.get("value")

    def open(self, url, name="a", **options):
        self._tabs += 1
        tab = Tab(self, "%s-%d" % (name, self._tabs))
        self.do("open", tab=tab.name, url=url, **options)
        return tab

    def signal(self, number):
        """To all processes of the browser, and not to the one that drives it."""
        for pid in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


_lent = {}


@contextlib.contextmanager
def borrowed(place, *engines):
    """These browsers, as a list; they are started at once, and only once for all cases.

    The tabs that a case opens are closed at its end.
    """
    missing = [engine for engine in engines if engine not in _lent]
    for engine in missing:
        if not _lent:
            at_end(_end_lent)
        folder = tempfile.mkdtemp(prefix="peal-browser-", dir="/tmp")
        _lent[engine] = browser = Browser(place, engine, folder)
        lasting.add(browser.process.pid)
    browsers = [_lent[engine] for engine in engines]
    try:
        yield browsers
    except Exception:
        for engine in engines:
            _end_one(engine, tell=True)
        raise
    for browser in browsers:
        browser.do("close all")


def _end_one(engine, tell=False):
    """End it; where something went wrong, nobody knows in which state it is."""
    browser = _lent.pop(engine)
    if tell:
        with open(browser.log, errors="replace") as log:
            print("---- %s.log\n%s" % (browser.name, "".join(log.readlines()[-25:])))
    browser.__exit__()
    lasting.discard(browser.process.pid)
    shutil.rmtree(os.path.dirname(browser.log), ignore_errors=True)


def _end_lent():
    for engine in list(_lent):
        _end_one(engine)


class Tab:
    def __init__(self, browser, name):
        self.browser, self.name = browser, name

    def js(self, code):
        """The value of an expression, a promise's value included."""
        return self.browser.do("evaluate", tab=self.name, js=code)

    def wait(self, code, seconds=LIMIT):
        """Wait until an expression is true; returns its value."""
        try:
            return self.browser.do("wait", tab=self.name, js=code, ms=seconds * 1000)
        except Failed as why:
            text = self.js("document.body.innerText.slice(0, 600)")
            raise Failed("%s; the page says: %r" % (why, text)) from None

    def go(self, url):
        self.browser.do("go", tab=self.name, url=url)

    def back(self):
        """The Back button; returns at once, so that a test has to wait for the page."""
        self.browser.do("back", tab=self.name)

    def click(self, selector):
        self.browser.do("click", tab=self.name, selector=selector)

    def fill(self, selector, text):
        self.browser.do("fill", tab=self.name, selector=selector, text=text)

    def shot(self, path):
        self.browser.do("shot", tab=self.name, path=path)

    def close(self):
        self.browser.do("close", tab=self.name)
