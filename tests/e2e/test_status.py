#!/usr/bin/env python3
"""The status: for people, for programs, and as a stream; and what is made of the metrics."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

from browser import Browser
from harness import (EXAMPLES, HOST, LIMIT, Failed, Skipped, case, check, equal, is_problem, run,
                     wait_for)

STATUS = "/events/status"
JSON, HTML, STREAM = "application/json", "text/html; charset=utf-8", "text/event-stream"
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


# ---- Which of them ----------------------------------------------------------

@case
def accept_decides_and_json_is_the_default(place):
    peal = place.direct()
    for accept, wanted in ((None, JSON), ("*/*", JSON), ("", JSON), ("image/png", JSON),
                           ("application/json, text/html", JSON), (CHROMIUM, HTML),
                           ("text/html", HTML), ("text/html;q=0.1", HTML),
                           ("text/html;q=0", JSON)):
        answer = peal.ask(path=STATUS, PEAL_ROLES="status", HTTP_ACCEPT=accept)
        equal((answer.status, answer.headers["content-type"]), (200, wanted), repr(accept))
        equal(answer.headers["vary"], "Accept", "Vary")
        equal(int(answer.headers["content-length"]), len(answer.body), "the length")
        equal("content-security-policy" in answer.headers, wanted == HTML, "a policy")
        if wanted == JSON:
            answer.json()
    for accept, wanted in ((None, JSON), (CHROMIUM, HTML), (STREAM, STREAM)):
        answer = peal.ask("HEAD", path=STATUS, PEAL_ROLES="status", HTTP_ACCEPT=accept)
        equal((answer.status, answer.headers["content-type"], answer.body), (200, wanted, b""),
              "HEAD with %r" % accept)
    for accept in (None, CHROMIUM, STREAM):
        answer = peal.ask(path="/events/metrics", PEAL_ROLES="status", HTTP_ACCEPT=accept)
        check(answer.headers["content-type"].startswith("text/plain; version=0.0.4"),
              "the metrics for %r: %r", accept, answer.headers)


@case
def none_of_them_without_the_role(place):
    peal = place.direct()
    for accept in (None, CHROMIUM, STREAM):
        for roles in (None, "", "subscribe publish"):
            answer = peal.ask(path=STATUS, PEAL_ROLES=roles, HTTP_ACCEPT=accept)
            is_problem(answer, 403, "%r with the roles %r" % (accept, roles))
    equal(peal.status()["workers"][0]["streams"], 0, "streams")


@case
def health_is_for_everybody(place):
    peal = place.direct()
    for variables in ({}, {"PEAL_ROLES": ""}, {"HTTP_ACCEPT": STREAM}):
        answer = peal.ask(path="/events/health", **variables)
        equal((answer.status, answer.headers["content-type"], answer.body),
              (200, "text/plain", b"ok"), "the health for %r" % variables)
    answer = peal.ask("HEAD", path="/events/health")
    equal((answer.status, answer.body), (200, b""), "HEAD")
    answer = peal.ask("POST", path="/events/health", PEAL_ROLES="publish")
    equal((answer.status, answer.headers["allow"]), (405, "GET, HEAD, OPTIONS"), "POST")


@case
def without_its_arena_peal_is_not_healthy(place):
    peal = place.direct()
    peal.publish("a", 1)  # its worker has opened the arena
    os.remove(place.arena)
    answer = peal.ask(path="/events/health")
    equal((answer.status, answer.headers["content-type"]), (503, "text/plain"), "the health")
    check(b"arena" in answer.body, "it says %r", answer.body)


@case
def cors_and_accept_are_both_told(place):
    peal = place.direct("--cors-origin", "http://a.example")
    answer = peal.ask(path=STATUS, PEAL_ROLES="status", HTTP_ORIGIN="http://a.example")
    equal(sorted(answer.headers["vary"].split(", ")), ["Accept", "Origin"], "Vary")


# ---- The stream -------------------------------------------------------------

def look_on(peal, **variables):
    return peal.stream(path=STATUS, REQUEST_URI=STATUS, HTTP_ACCEPT=STREAM, PEAL_ROLES="status",
                       **variables)


@case
def stream_tells_what_the_json_says(place):
    peal = place.direct()
    stream = look_on(peal).opened()
    reader = peal.subscribe("a")
    for n in range(3):
        peal.publish("a", n)
    reader.take(3)

    def calm(status):
        status.pop("uptime")
        return status
    got = {}
    while got.get("totals", {}).get("delivered") != 3:
        event = stream.next()
        equal((event.type, event.id), ("status", ""), "type and id")
        got = json.loads(event.data)
    equal(calm(got), calm(peal.status()), "the status")
    equal(got["workers"][0]["streams"], 2, "streams, this one among them")


@case
def stream_is_ended_politely_and_refused_politely(place):
    peal = place.direct("--max-streams", "2", "--retry", "1000ms")
    streams = [look_on(peal).opened() for _ in range(2)]
    refused = look_on(peal)
    equal(refused.left(), ("peal:busy", "full"), "the third")
    equal(refused.events, [], "events of the third")
    check(b"\nid:" not in refused.raw, "the third got %r", refused.raw)
    for stream in streams:
        stream.next()
    equal(peal.status()["totals"]["refused"], 1, "refused")

    peal.process.signal(signal.SIGTERM)

    for stream in streams:
        equal(stream.left(), ("peal:end", "stopping"), "the end")
    peal.process.wait()


@case
def stream_has_an_age_too(place):
    peal = place.direct("--max-stream-age", "1s")
    stream = look_on(peal).opened()
    equal(stream.left(), ("peal:end", "age"), "the end")


def switches(pid):
    """How often the threads of a process have gone to sleep."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as file:
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
    return total


@case
def nobody_who_looks_wakes_nobody(place):
    peal = place.direct("--heartbeat", "0")
    peal.subscribe("a")
    stream = look_on(peal).opened()
    worker = peal.status()["workers"][0]["pid"]
    stream.take(2)
    stream.close()
    wait_for(lambda: peal.status()["workers"][0]["streams"] == 1, "it to be gone")
    if place.is_sanitized():
        return  # ThreadSanitizer has a thread of its own that gets up.

    # Threads may still be on their way to sleep; two looks without a change, a tick apart.
    before = switches(worker)

    def asleep():
        nonlocal before
        time.sleep(2.5)
        was, before = before, switches(worker)
        return was == before
    wait_for(asleep, "a worker that sleeps")


# ---- The metrics ------------------------------------------------------------

# The gauges of the JSON's "arena" and what they are called there; everything else is a counter.
GAUGES = {"size": "arena_size_bytes", "used": "arena_used_bytes", "peak": "arena_peak_bytes",
          "channels": "channels", "events": "events"}
# What the JSON says of the arena and neither metrics nor the page's numbers do.
NOT_MEASURED = {"max_age_ms", "max_events", "last_id"}


def figures(status):
    """The figures of the JSON's "arena" and "totals", by their name: no two share one."""
    parts = [{n: v for n, v in status[p].items() if n not in NOT_MEASURED} for p in ("arena", "totals")]
    equal(set(parts[0]) & set(parts[1]), set(), "names in both")
    return {**parts[0], **parts[1]}


def busy(place):
    """A site that has something to tell."""
    site = place.behind_lighttpd("--max-events", "5", "--workers", "2")
    streams = [site.subscribe("a") for _ in range(3)]
    for n in range(12):
        site.publish("a", n)
        # Each at once: a stream whose worker is slow would lose what is trimmed, and end.
        for stream in streams:
            stream.take(1)
    # The gap event, and all that is kept: what is counted later must not change any more.
    site.subscribe("a", since="1-0").take(6)
    return site


def metrics(site):
    answer = site.get("/events/metrics")
    equal(answer.status, 200, "the metrics")
    return answer.body.decode("ascii")


def values(text):
    return {name: int(value) for name, value in re.findall(r"^peal_(\w+) (\d+)$", text, re.M)}


@case
def metrics_and_json_agree(place):
    site = busy(place)
    status, got = site.status(), values(metrics(site))
    uptime = got.pop("uptime_seconds")
    check(status["uptime"] <= uptime < status["uptime"] + LIMIT, "uptime %r, %r in JSON", uptime,
          status["uptime"])
    wanted = {GAUGES.get(n, n + "_total"): v for n, v in figures(status).items()}
    equal(got, {**wanted, "workers": len(status["workers"]), "streams": 4}, "the metrics")
    equal((got["published_total"], got["trimmed_total"], got["gaps_total"]), (12, 7, 1),
          "published, trimmed, gaps")


def promtool(*words, text=""):
    program = os.environ.get("PEAL_PROMTOOL") or shutil.which("promtool")
    if not program:
        raise Skipped("promtool is not installed")
    return subprocess.run([program, *words], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=LIMIT)


@case
def metrics_are_prometheus_text(place):
    text = metrics(busy(place))
    done = promtool("check", "metrics", text=text)
    equal((done.returncode, done.stdout), (0, ""), "what promtool says")
    done = promtool("check", "metrics", text=text.replace("_total", ""))
    check(done.returncode != 0, "promtool finds nothing wrong at all")


@case
def dashboard_asks_in_promql(place):
    with open(os.path.join(EXAMPLES, "grafana-dashboard.json")) as file:
        asked = re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', file.read())
    check(len(asked) > 10, "only %d questions", len(asked))
    # Grafana puts a duration, and words for a pattern, in the place of its variables.
    words = [re.sub(r"\$\w+", "a", json.loads(e).replace("$__rate_interval", "1m")) for e in asked]

    def judge(expressions):
        rules = place.path("rules.yml")
        with open(rules, "w") as file:
            json.dump({"groups": [{"name": "a", "rules": [
                {"record": "r%d" % n, "expr": e} for n, e in enumerate(expressions)]}]}, file)
        return promtool("check", "rules", rules)
    done = judge(words)
    check(done.returncode == 0, "promtool says: %s", done.stdout)
    check(judge(words + ["sum(rate(peal_events)"]).returncode != 0, "promtool takes anything")


@case
def dashboard_shows_every_metric_and_no_other(place):
    with open(os.path.join(EXAMPLES, "grafana-dashboard.json")) as file:
        text = file.read()
    dashboard = json.loads(text)
    used = set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    equal(len(set(ids)), len(ids), "different IDs of panels")
    for panel in dashboard["panels"]:
        equal(panel["datasource"]["uid"], "${datasource}", "the data source of " + panel["title"])
        check(panel["targets"], "%s asks for nothing", panel["title"])
        for target in panel["targets"]:
            equal(target["datasource"]["uid"], "${datasource}", "the data source")
            used |= set(re.findall(r"\bpeal_(\w+)", target["expr"]))
            for rated in re.findall(r"rate\(peal_(\w+)", target["expr"]):
                check(rated.endswith("_total"), "the rate of a gauge: %s", rated)
    equal([v["name"] for v in dashboard["templating"]["list"] if v["type"] == "datasource"],
          ["datasource"], "variables for the data source")
    equal(used, set(values(metrics(busy(place)))), "metrics")
    # No panel lies on another.
    cells = [(x, y) for p in dashboard["panels"] for g in [p["gridPos"]]
             for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
    equal(len(set(cells)), len(cells), "cells of the grid")
    check(max(x for x, _ in cells) < 24, "a panel is out of the grid")


# ---- The page ---------------------------------------------------------------

ALL_NUMBERS = "Object.fromEntries([...document.querySelectorAll('data[id]')].map(e => [e.id, +e.value]))"
ROWS = "[...document.querySelectorAll('#workers tr')].map(r => [...r.cells].map(c => c.textContent))"
LINES = "[...document.querySelectorAll('polyline')].map(p => p.getAttribute('points'))"


def until(tab, code):
    """Tab.wait() has the page evaluate a string, which this page's policy forbids."""
    try:
        wait_for(lambda: tab.js(code), code, 2 * LIMIT)
    except Failed as why:
        raise Failed("%s; the page says: %r" % (why, tab.js("document.body.innerText"))) from None


def as_the_json(tab, site):
    """Does the page show what the JSON says, and nothing else?"""
    status = site.status()
    shown, rows = tab.js("[%s, %s]" % (ALL_NUMBERS, ROWS))
    wanted = figures(status)
    wanted["streams"] = sum(w["streams"] for w in status["workers"])
    wanted["worker_count"] = len(status["workers"])
    wanted["published_s"] = wanted["delivered_s"] = 0
    table = sorted([str(w["pid"])] + ["{:,}".format(w[n]) for n in (
        "streams", "published", "delivered", "gaps", "stalled", "refused")]
        for w in status["workers"])
    as_json = shown == wanted and sorted(r[:2] + r[3:] for r in rows) == table
    if not as_json:
        as_the_json.last = {n: (shown.get(n), v) for n, v in wanted.items() if shown.get(n) != v}
    return as_json


def page(place, start, subscribers):
    site = start(place)
    address = "http://%s:%d%s" % (HOST, site.port, STATUS)
    with Browser(place) as browser:
        tab = browser.open(address)
        until(tab, "document.querySelector('#state').textContent === 'Live'")
        equal(tab.js(LINES + ".every(p => !!p)"), False, "plots of rates, from one status")
        log = place.path("bench.log")
        bench = place.start("bench", [
            place.bench_path, "--subscribers", str(subscribers), "--rate", "100", "--duration", "6s",
            "--type", "json", "--publish", "http://%s:%d/publish" % (HOST, site.port),
            "http://%s:%d/events?channel={}" % (HOST, site.port)])
        # The rates are of a second or so, in which a busy machine may do less than it should.
        until(tab, "+document.querySelector('#streams').value === %d" % (subscribers + 1))
        until(tab, "+document.querySelector('#published_s').value > 10")
        until(tab, "+document.querySelector('#delivered_s').value > %d" % (10 * subscribers))
        equal(tab.js(LINES + ".length"), 4, "plots")
        before = tab.js(LINES)
        until(tab, "%s.every((p, i) => p !== %s[i])" % (LINES, json.dumps(before)))
        equal(bench.wait(4 * LIMIT), 0, "peal-bench's status")
        with open(log) as file:
            check("lost" in file.read(), "no result in %s", log)

        try:
            wait_for(lambda: as_the_json(tab, site), "the page to show what the JSON says", 2 * LIMIT)
        except Failed as why:
            raise Failed("%s: shown, and said: %r" % (why, as_the_json.last)) from None
        equal(tab.js("+document.querySelector('#published').value"), 600, "published")
        equal(tab.js("+document.querySelector('#delivered').value"), 600 * subscribers, "delivered")
        equal(tab.js("document.querySelector('#delivered_more').textContent"),
              "+{:,}".format(600 * subscribers), "delivered since it was opened")
        check(tab.js("[...performance.getEntriesByType('resource')].every(e => e.name === location.href)"),
              "the page loads something else")

        # Pausing gives the stream back.
        tab.click("#pause")
        wait_for(lambda: site.streams() == 0, "no stream")
        equal(tab.js("document.querySelector('#state').textContent"), "Paused", "the state")
        tab.click("#pause")
        until(tab, "document.querySelector('#state').textContent === 'Live'")

        # Who has a narrow screen moves nothing but the table.
        narrow = browser.open(address, "narrow", profile="narrow",
                              viewport={"width": 360, "height": 740})
        until(narrow, "document.querySelector('#workers').rows.length > 0")
        equal(narrow.js("document.documentElement.scrollWidth"), 360, "the page's width")
        with open(browser.log) as file:
            equal(file.read(), "", "what the browser complains of")
    return site


@case
def page_shows_a_load_behind_lighttpd(place):
    page(place, lambda place: place.behind_lighttpd("--workers", "2"), 40)


@case
def page_shows_a_load_behind_mod_fcgid(place):
    # mod_fcgid notices by a write that a client has gone.
    page(place, lambda place: place.behind_apache("--heartbeat", "1s"), 20)


@case
def page_comes_back_after_a_restart(place):
    site = place.behind_lighttpd("--retry", "200ms")
    with Browser(place) as browser:
        tab = browser.open("http://%s:%d%s" % (HOST, site.port, STATUS))
        until(tab, "document.querySelector('#state').textContent === 'Live'")
        site.peal.stop()
        until(tab, "document.querySelector('#state').textContent !== 'Live'")
        site.peal = place.start_peal("--retry", "200ms", name="again")
        until(tab, "document.querySelector('#state').textContent === 'Live'")


if __name__ == "__main__":
    run(300, quick=8)
