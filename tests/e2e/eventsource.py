"""Clients from elsewhere, each with one interface: npm's libraries, and pages in browsers.

What a client has said by now is in opens, errors, beats and events, which are (type, data, id).
"""

import json
import os
import subprocess
import threading

from browser import CHROMIUM, FIREFOX, WEBKIT
from harness import LIMIT, wait_for
from node import MODULES, command

# As eventsource.js names them.
LIBRARIES = (
    "eventsource 1", "eventsource 2", "eventsource 3", "eventsource 4", "eventsource 5",
    "event-source-polyfill", "eventsource-client", "launchdarkly-eventsource",
    "reconnecting-eventsource", "undici", "extended-eventsource", "fetch-event-source", "peal.js")

# In a page: the name, the browser, what the page loads, and what it makes of a URL.
NATIVE = "listen(new EventSource(%s))"
PEAL = """new Peal(%s, {
    onevent: e => /^(message|t)$/.test(e.type) && hear(e), onopen: () => say({open: true}),
    ongap: gap => say({type: 'peal:gap', data: JSON.stringify(gap), id: ''}),
    onstate: (state, detail) => state === 'waiting' && say({error: detail.status || 0})})"""
PAGES = (
    ("Chromium", CHROMIUM, None, NATIVE),
    ("Firefox", FIREFOX, None, NATIVE),
    ("WebKitGTK", WEBKIT, None, NATIVE),
    ("Chromium, peal.js", CHROMIUM, "peal.js", PEAL),
    ("Firefox, peal.js", FIREFOX, "peal.js", PEAL),
    ("WebKitGTK, peal.js", WEBKIT, "peal.js", PEAL),
    ("Firefox, event-source-polyfill", FIREFOX, "polyfill.js", "listen(new EventSourcePolyfill(%s))"),
)

PAGE = """<!DOCTYPE html>
<title>client</title>
<link rel="icon" href="data:,">
<script>
const said = [];
const say = what => { said.push(what); };
const hear = e => say(e.type === 'peal:beat' ? {beat: true} : {type: e.type, data: e.data, id: e.lastEventId});
function listen(source) {
    source.onopen = () => say({open: true});
    source.onerror = e => say({error: e.status || 0});
    for (const type of ['message', 't', 'peal:gap', 'peal:beat']) source.addEventListener(type, hear);
}
</script>
"""


class Client:
    def __init__(self, name):
        self.name = name
        self.opens = 0
        self.beats = 0
        self.closed = False
        self.errors = []
        self.events = []

    def _take(self, said):
        if "type" in said:
            self.events.append((said["type"], said["data"], said["id"]))
        elif "open" in said:
            self.opens += 1
        elif "beat" in said:
            self.beats += 1
        elif "closed" in said:
            self.closed = True
        elif "error" in said:
            self.errors.append(said["error"])

    def look(self):
        """Take in what it has said since."""

    def wait(self, condition, what, seconds=LIMIT * 2):
        def holds():
            self.look()
            return condition()
        wait_for(holds, "%s: %s" % (self.name, what), seconds)


class Library(Client):
    """A library of npm's, as a process; use it with "with"."""

    def __init__(self, place, name, url, headers=None):
        super().__init__(name)
        argv, env = command("eventsource.js", name, url, json.dumps(headers or {}))
        with open(place.path(name.replace(" ", "-") + ".log"), "ab") as log:
            self._process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stderr=log,
                                             stdout=subprocess.PIPE, universal_newlines=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self._take(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Page(Client):
    """A page in a browser, which comes from the server that has the stream."""

    def __init__(self, place, browser, name, port, script, start, path):
        super().__init__(name)
        page = name.replace(" ", "-").replace(",", "") + ".html"
        with open(os.path.join(place.www, page), "w") as file:
            file.write(PAGE)
            if script:
                file.write('<script src="/%s"></script>\n' % script)
        self.tab = browser.open("http://127.0.0.1:%d/%s" % (port, page), name)
        self.tab.js(start % json.dumps(path) + "; 1")

    def look(self):
        for said in self.tab.js("said.splice(0)"):
            self._take(said)


def provide_polyfill(place):
    """Where the pages look for it."""
    path = os.path.join(MODULES, "event-source-polyfill", "src", "eventsource.js")
    with open(path) as source, open(os.path.join(place.www, "polyfill.js"), "w") as file:
        file.write(source.read())
