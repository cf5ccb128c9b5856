"""Somebody publishes all the time and somebody reads, while a test disturbs them.

The reader comes back whenever its stream ends, as a browser does, and must have every
acknowledged event once and in order at the end.
"""

import json
import threading
import time

from harness import Failed, check, equal, wait_for


class Steady(threading.Thread):
    """Publishes numbers one after the other; those that were acknowledged are kept."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.acknowledged = []
        self.stop = False

    def run(self):
        n = 0
        while not self.stop:
            try:
                if self.site.post(json.dumps({"channel": "a", "data": n})).status == 200:
                    self.acknowledged.append(n)
            except OSError:
                pass
            n += 1
            time.sleep(0.002)


def come_back(site, until, got, last):
    """Read the channel as a browser does, coming back whenever the stream ends."""
    while until not in got:
        try:
            stream = site.subscribe("a", since=last)
        except (Failed, OSError):
            time.sleep(0.05)
            continue
        try:
            while until not in got:
                event = stream.next()
                check(event.type != "peal:gap", "a gap was told")
                got.append(int(event.data))
                last = event.id
        except (Failed, OSError):
            stream.close()
    return last


def nothing_is_lost_over(place, site, again):
    """again(site) disturbs the web server while a publisher and a subscriber are at work."""
    last = site.publish("a", -1)["id"]
    got = []
    steady = Steady(site)
    steady.start()
    try:
        for _ in range(3):
            wait_for(lambda: len(steady.acknowledged) > 20, "events to be acknowledged")
            last = come_back(site, steady.acknowledged[-1], got, last)
            again(site)
            mark = len(steady.acknowledged)
            wait_for(lambda: len(steady.acknowledged) > mark + 20, "publishing to go on")
    finally:
        steady.stop = True
        steady.join()
    come_back(site, steady.acknowledged[-1], got, last)
    equal(got, sorted(set(got)), "order")
    equal(sorted(set(steady.acknowledged) - set(got)), [], "lost")
    place.pealctl("check")
