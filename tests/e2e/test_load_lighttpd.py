#!/usr/bin/env python3
"""200 subscribers on 20 channels over 2 workers, cut and back while 10,000 events are posted."""

import resource

from harness import case, programs, run, wait_for
from load import Plan, run_load


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


@case
def each_subscriber_has_every_event_once_and_in_order_behind_lighttpd(place):
    allow_descriptors(1024)
    site = place.spawned_by_lighttpd()
    wait_for(lambda: len(programs(site.server.pid, "peal.fcgi")) == 2, "two workers")
    run_load(site, Plan(subscribers=200, channels=20, events=10000, cuts=4))


@case
def the_same_with_peals_own_supervisor(place):
    allow_descriptors(1024)
    site = place.behind_lighttpd("--workers", "2")
    run_load(site, Plan(subscribers=200, channels=20, events=3000, cuts=3))


if __name__ == "__main__":
    run()
