"""Chromium, driven through clients/browser.js."""

import json
import queue
import subprocess
import threading

from harness import LIMIT, Failed
from node import command


class Browser:
    """A browser with an empty profile; use it with "with", so that it is ended."""

    def __init__(self, place):
        argv, env = command("browser.js", place.find("chromium"))
        self.log = place.path("browser.log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                argv, env=env, cwd=place.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, universal_newlines=True)
        self._answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put({"error": "the browser has ended"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def do(self, what, **fields):
        self.process.stdin.write(json.dumps(dict(fields, do=what)) + "\n")
        self.process.stdin.flush()
        try:
            answer = self._answers.get(timeout=LIMIT * 4)
        except queue.Empty:
            raise Failed("the browser does not answer to: %s" % what) from None
        if "error" in answer:
            raise Failed("%s: %s" % (what, answer["error"]))
        return answer.get("value")

    def open(self, url, tab="a", **options):
        self.do("open", tab=tab, url=url, **options)
        return Tab(self, tab)


class Tab:
    def __init__(self, browser, name):
        self._browser, self.name = browser, name

    def js(self, code):
        """The value of an expression, a promise's value included."""
        return self._browser.do("evaluate", tab=self.name, js=code)

    def wait(self, code, seconds=LIMIT):
        """Wait until an expression is true; returns its value."""
        try:
            return self._browser.do("wait", tab=self.name, js=code, ms=seconds * 1000)
        except Failed as why:
            text = self.js("document.body.innerText.slice(0, 600)")
            raise Failed("%s; the page says: %r" % (why, text)) from None

    def click(self, selector):
        self._browser.do("click", tab=self.name, selector=selector)

    def fill(self, selector, text):
        self._browser.do("fill", tab=self.name, selector=selector, text=text)

    def shot(self, path):
        self._browser.do("shot", tab=self.name, path=path)

    def close(self):
        self._browser.do("close", tab=self.name)
