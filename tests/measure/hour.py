#!/usr/bin/env python3
"""An hour of streams that end by age every minute, in the browsers, behind two web servers.

Pages stay open in Chromium, Firefox and WebKitGTK, each with an EventSource and with peal.js,
and so do the clients of Node.js, behind lighttpd and behind nginx.  Events with running numbers are
published meanwhile, at random moments.  At the end each page must have each number once, and in
order.  Midway the browsers are stopped for a while with --sleep, as if the computer slept.

    hour.py [--minutes N] [--age TIME] [--sleep SECONDS] [--bytes N]    from a build folder
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from browser import ENGINES, borrowed  # noqa: E402
from eventsource import LIBRARIES, Library  # noqa: E402
from harness import HOST, LIMIT, Place, adopt_orphans, equal, wait_for  # noqa: E402
from test_peal_js import opened, write_page  # noqa: E402

PER_SECOND = 3.5


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--age", default="1m", help="--max-stream-age of peal.fcgi")
    parser.add_argument("--sleep", type=float, default=0, help="seconds that the browsers are stopped")
    parser.add_argument("--bytes", type=int, default=0, help="of padding in each event")
    return parser.parse_args()


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


class Viewer:
    """Somebody who counts: a tab's EventSource or its peal.js, or a library."""

    def __init__(self, name, numbers, streams):
        self.name, self.numbers, self.streams = name, numbers, streams

    def judge(self, count):
        """A line about what arrived, and whether that is everything."""
        got = self.numbers()
        lost = len(set(range(count)) - set(got))
        double = len(got) - len(set(got))
        disorder = sum(a >= b for a, b in zip(got, got[1:]))
        say("%-32s %d of %d events, %d streams, %d lost, %d double, %d out of order"
            % (self.name, len(got), count, self.streams(), lost, double, disorder))
        return got == list(range(count))


def in_tab(tab, front):
    tab.js("let opens = 0; window.opens = () => opens;"
           "(source => { source.onmessage = e => native.push(e.data);"
           " source.addEventListener('peal:open', () => opens++); })"
           "(new EventSource('/events?channel=a'))")
    tab.wait("peal.state === 'open' && opens() > 0", LIMIT * 4)
    parsed = ".map(d => parseInt(d))"
    yield Viewer("%s, %s, EventSource" % (front, tab.browser.name),
                 lambda: tab.js("native" + parsed), lambda: tab.js("opens()"))
    yield Viewer("%s, %s, peal.js" % (front, tab.browser.name),
                 lambda: tab.js("data()" + parsed),
                 lambda: tab.js("heard.filter(h => h[0] === 'open').length"))


def in_library(place, site, front, name):
    library = Library(place, name, "http://%s:%d/events?channel=a" % (HOST, site.port))

    def numbers():
        library.look()
        return [int(data.split()[0]) for kind, data, _ in library.events if kind == "message"]
    return library, Viewer("%s, %s" % (front, name), numbers, lambda: library.opens)


def publish(site, options, browsers):
    """Until the time is over; returns how many."""
    begin, count, slept = time.monotonic(), 0, options.sleep == 0
    end = begin + options.minutes * 60
    wake = None
    while time.monotonic() < end or wake:
        text = "%d %s" % (count, "x" * options.bytes)
        equal(site.post(text, "text/plain", "/publish?channel=a").status, 200, "status")
        count += 1
        time.sleep(random.expovariate(PER_SECOND))
        if not slept and time.monotonic() > (begin + end) / 2:
            say("the browsers sleep")
            slept, wake = True, time.monotonic() + options.sleep
            for browser in browsers:
                browser.signal(signal.SIGSTOP)
        if wake and time.monotonic() > wake:
            say("the browsers wake")
            wake = None
            for browser in browsers:
                browser.signal(signal.SIGCONT)
    return count


def main():
    options = arguments()
    adopt_orphans()
    with Place() as place:
        peal = place.start_peal("--max-stream-age", options.age)
        lighttpd = place.behind_lighttpd(peal=peal)
        nginx = place.behind_nginx(peal=peal)
        write_page(place)
        with contextlib.ExitStack() as stack:
            browsers = stack.enter_context(borrowed(place, *ENGINES))
            viewers = []
            for front, site in (("lighttpd", lighttpd), ("nginx", nginx)):
                for name in LIBRARIES:
                    library, viewer = in_library(place, site, front, name)
                    stack.enter_context(library)
                    viewers.append(viewer)
                for browser in browsers:
                    viewers.extend(in_tab(opened(browser, site, front), front))
            wait_for(lambda: all(viewer.streams() for viewer in viewers), "the streams", LIMIT * 4)
            say("%d viewers" % len(viewers))
            count = publish(lighttpd, options, browsers)
            time.sleep(LIMIT)
            good = [viewer.judge(count) for viewer in viewers]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
