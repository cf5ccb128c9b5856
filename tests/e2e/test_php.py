#!/usr/bin/env python3
"""examples/publish.php, through PHP in both web servers."""

import os
import urllib.parse

from harness import Skipped, case, check, equal, run

FORM = "application/x-www-form-urlencoded"


def send(site, **fields):
    return site.post(urllib.parse.urlencode(fields), FORM, "/publish.php")


def sites(place):
    """Both servers, one after the other; each needs php-cgi."""
    if not os.path.exists("/usr/bin/php-cgi"):
        raise Skipped("php-cgi is not installed")
    return place.spawned_by_lighttpd(), place.behind_apache()


@case
def php_publishes_what_the_form_says(place):
    for site in sites(place):
        stream = site.subscribe("a b")

        answer = send(site, channel="a b", topic="t", data="1+1 = 2 & \u00e9\n\u4e16")

        equal(answer.status, 200, "status (%r)" % answer.body)
        event = stream.next()
        equal((event.type, event.data), ("t", "1+1 = 2 & \u00e9\n\u4e16"), "the event")
        equal(answer.json()["id"], event.id, "the id")
        check(answer.json()["subscribers"] >= 1, "subscribers: %r", answer.json())


@case
def both_servers_share_the_arena(place):
    lighttpd, apache = sites(place)
    streams = [lighttpd.subscribe("a"), apache.subscribe("a")]
    equal(send(lighttpd, channel="a", data="1").json()["subscribers"], 2, "subscribers")
    equal(send(apache, channel="a", data="2").json()["subscribers"], 2, "subscribers")
    for stream in streams:
        equal([(e.type, e.data) for e in stream.take(2)], [("message", "1"), ("message", "2")],
              "events")


@case
def php_says_what_is_wrong(place):
    for site in sites(place):
        for fields in ({"data": "1"}, {"channel": "a"}, {"channel": "", "data": "1"},
                       {"channel[]": "a", "data": "1"}, {"channel": "a", "data[]": "1"},
                       {"channel": "a\n", "data": "1"},
                       {"channel": "a", "topic": "peal:x", "data": "1"}):
            answer = send(site, **fields)
            equal(answer.status, 400, "status for %r (%r)" % (fields, answer.body))
            equal(answer.headers["content-type"], "application/json", "type")
            check(answer.json()["error"], "no error in %r", answer.body)
        answer = site.get("/publish.php")
        equal((answer.status, answer.headers.get("allow")), (405, "POST"), "a GET")


@case
def php_says_so_when_peal_is_away(place):
    if not os.path.exists("/usr/bin/php-cgi"):
        raise Skipped("php-cgi is not installed")
    site = place.behind_lighttpd()
    equal(send(site, channel="a", data="1").status, 200, "status while it is there")
    equal(site.peal.stop(), [], "left behind")

    answer = send(site, channel="a", data="1")

    equal(answer.status, 502, "status (%r)" % answer.body)
    check(answer.json()["error"], "no error in %r", answer.body)


@case
def the_demo_page_is_served(place):
    for site in sites(place):
        for path in ("/", "/demo.html"):
            answer = site.get(path)
            equal(answer.status, 200, path)
            check(b"EventSource" in answer.body, "%s is not the demo", path)


if __name__ == "__main__":
    run()
