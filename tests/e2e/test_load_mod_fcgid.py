#!/usr/bin/env python3
"""40 subscribers under mod_fcgid, a process for each, cut and back while events are posted."""

from harness import case, run
from load import Plan, run_load


@case
def each_subscriber_has_every_event_once_and_in_order_under_mod_fcgid(place):
    site = place.behind_apache()
    run_load(site, Plan(subscribers=40, channels=20, events=10000, cuts=4))


if __name__ == "__main__":
    run()
