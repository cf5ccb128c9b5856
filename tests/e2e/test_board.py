#!/usr/bin/env python3
"""examples/php/board.php, a site with a form, a file and a list, in both web servers."""

import json
import os
import re
import threading
import urllib.parse

from harness import Skipped, case, check, equal, run

FORM = "application/x-www-form-urlencoded"


def set_up(place):
    """The board's file is where its PHP may write."""
    if not os.path.exists("/usr/bin/php-cgi"):
        raise Skipped("php-cgi is not installed")
    path = os.path.join(place.run, "notices")
    with open(os.path.join(place.www, "config.php"), "w") as file:
        file.write("<?php return array('file' => '%s');" % path)
    return path


def servers(place):
    set_up(place)
    return place.spawned_by_lighttpd(), place.behind_apache()


def pin(site, name, text, **headers):
    return site.post(urllib.parse.urlencode({"name": name, "text": text}), FORM, "/board.php",
                     headers)


def page(site):
    answer = site.get("/board.php")
    equal(answer.status, 200, "the page")
    return answer.body.decode()


def since(html):
    return re.search(r"lastEventTime: (\d+)", html).group(1)


@case
def a_notice_is_saved_broadcast_and_on_the_page(place):
    for number, site in enumerate(servers(place), 1):
        stream = site.subscribe("board")

        answer = pin(site, "Kim <b>", "Caf\u00e9 & \"cake\"\nat 4")

        equal((answer.status, answer.headers["location"]), (303, "board.php"), "the answer")
        event = stream.next()
        notice = json.loads(event.data)
        equal((event.type, notice["number"], notice["name"], notice["text"]),
              ("notice", number, "Kim <b>", "Caf\u00e9 & \"cake\"\nat 4"), "the event")
        html = page(site)
        check('data-number="%d"' % number in html, "not on the page: %s", html)
        check("Kim &lt;b&gt;" in html and "<b>Kim <b>" not in html, "not escaped: %s", html)


@case
def what_is_pinned_after_the_page_was_made_reaches_it(place):
    set_up(place)
    site = place.spawned_by_lighttpd()
    html = page(site)
    pin(site, "Kim", "between the page and its stream")

    stream = site.subscribe("board", lastEventTime=since(html))

    equal(json.loads(stream.next().data)["text"], "between the page and its stream", "the event")


@case
def many_at_once_arrive_in_the_order_of_their_numbers(place):
    for site in servers(place):
        stream = site.subscribe("board")
        threads = [threading.Thread(target=pin, args=(site, "Kim", str(n))) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        numbers = [json.loads(e.data)["number"] for e in stream.take(20)]
        equal(numbers, list(range(numbers[0], numbers[0] + 20)), "numbers")


@case
def a_notice_is_kept_when_peal_is_away(place):
    path = set_up(place)
    site = place.behind_lighttpd()
    equal(site.peal.stop(), [], "left behind")

    answer = pin(site, "Kim", "still here")

    equal(answer.status, 303, "status")
    check("still here" in page(site), "not on the page")
    with open(path) as file:
        equal(len(file.readlines()), 1, "lines in the file")


@case
def a_form_that_is_empty_or_from_another_site_is_refused(place):
    set_up(place)
    site = place.spawned_by_lighttpd()
    stream = site.subscribe("board")
    equal(pin(site, "", "x").status, 400, "without a name")
    equal(pin(site, "Kim", "  ").status, 400, "without text")
    equal(pin(site, "Kim", "x" * 1001).status, 400, "too long")
    equal(pin(site, "Kim", "x", Origin="http://evil.example").status, 403, "of another site")
    own = "http://127.0.0.1:%d" % site.port
    equal(pin(site, "Kim", "own", Origin=own).status, 303, "of this site")
    equal(json.loads(stream.next().data)["text"], "own", "the only event")


if __name__ == "__main__":
    run(quick=1)
