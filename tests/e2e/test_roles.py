#!/usr/bin/env python3
"""Who may do what: the web server's configuration says so, and nobody else."""

import re
import urllib.parse

from fastcgi import FastcgiBody, request
from harness import Direct, Stream, basic, case, check, connect, equal, is_problem, query, run

EVENT = '{"channel":"a","data":1}'
KEY = "0123456789abcdef-first"
OTHER = "fedcba9876543210-second"


@case
def nothing_can_be_published_unless_it_was_allowed(place):
    site = place.behind_lighttpd()
    is_problem(site.post(EVENT, path="/events"), 403, "a POST to /events")
    peal = place.direct(listen=place.path("run", "other.sock"), name="other")
    is_problem(peal.ask("POST", EVENT, CONTENT_TYPE="application/json"),
               403, "a POST without PEAL_ROLES")
    stream = site.subscribe("a", since="earliest")
    site.publish("a", "allowed")
    equal(stream.next().data, '"allowed"', "the first event")


@case
def the_option_roles_says_what_is_allowed_without_the_variable(place):
    peal = place.direct("--roles", "publish status")
    equal(peal.ask("POST", EVENT, CONTENT_TYPE="application/json").status, 200, "publishing")
    equal(peal.ask(path="/events/status").status, 200, "the status")
    is_problem(peal.ask(query_string="channel=a"), 403, "subscribing", "no-role")


@case
def the_variable_replaces_the_option(place):
    peal = place.direct("--roles", "subscribe publish status")
    for roles in ("status", "", "nonsense"):
        is_problem(peal.ask("POST", EVENT, CONTENT_TYPE="application/json", PEAL_ROLES=roles),
                   403, "publishing as %r" % roles)
        is_problem(peal.ask(query_string="channel=a", PEAL_ROLES=roles),
                   403, "subscribing as %r" % roles)
    is_problem(peal.ask(path="/events/status", PEAL_ROLES="subscribe publish"), 403, "the status")
    is_problem(peal.ask(path="/events/metrics", PEAL_ROLES="subscribe publish"), 403, "the metrics")


@case
def a_publishing_location_is_for_publishing_only(place):
    site = place.behind_lighttpd()
    equal(site.post(EVENT).status, 200, "publishing")
    is_problem(site.get("/publish?channel=a"), 403, "subscribing")
    is_problem(site.get("/publish/status"), 403, "the status")


def headers_change_nothing(place, site):
    place.add_user("alice", "wonder")
    everything = "subscribe publish status"
    roles = ("PEAL_ROLES", "Peal-Roles", "PEAL-ROLES", "peal.roles", "HTTP_PEAL_ROLES",
             "REDIRECT_PEAL_ROLES", "Env-PEAL_ROLES", "X-Peal_Roles", "Proxy", "FCGI_ROLE")
    is_problem(site.post(EVENT, path="/events", headers=dict.fromkeys(roles, everything)),
               403, "publishing with all headers")
    for name in roles:
        is_problem(site.post(EVENT, path="/events", headers={name: everything}),
                   403, "publishing with the header " + name)
    is_problem(site.get("/publish/status", **dict.fromkeys(roles, everything)),
               403, "the status with all headers")
    names = dict.fromkeys(("PEAL_CHANNEL", "Peal-Channel", "PEAL-CHANNEL", "HTTP_PEAL_CHANNEL",
                           "REMOTE_USER", "Remote-User", "Proxy"), "b")
    plain = site.subscribe("a", headers=names)
    mine = site.subscribe("b", path="/mine", headers=dict(names, **basic("alice", "wonder")))
    for channel in ("b", "user-b"):
        equal(site.publish(channel, "wrong")["subscribers"], 0, "subscribers of " + channel)
    for stream, channel in ((plain, "a"), (mine, "user-alice")):
        site.publish(channel, "right")
        equal(stream.next().data, '"right"', "the first event of " + channel)


@case
def a_header_cannot_set_what_the_configuration_sets(place):
    headers_change_nothing(place, place.behind_lighttpd())


@case
def nor_can_it_under_apache(place):
    site = place.behind_apache()
    # There /publish has its roles from an option, and no variable replaces that.
    headers_change_nothing(place, site)


EVIL = ["\r\nX-Evil: 1", "\nX-Evil: 1", "\rX-Evil: 1", "\n\nid: 1\ndata: evil", "\0", "\x7f",
        "\x85", "\u2028\nevent: evil"]
NO_UTF8 = [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xc0\x8a"]


def quoted_evil():
    return ([urllib.parse.quote("a" + text) for text in EVIL]
            + [urllib.parse.quote(b"a" + raw) for raw in NO_UTF8])


def no_evil(answer, what):
    check("x-evil" not in answer.headers and answer.status in (400, 403), "%s: %d %r", what,
          answer.status, answer.headers)


@case
def bad_bytes_in_names_are_refused_and_reach_no_header(place):
    site = place.behind_lighttpd()
    peal = Direct(place, place.socket)
    for text in quoted_evil():
        # lighttpd refuses some of them itself.
        no_evil(site.get("/events?channel=" + text), "subscribing to " + text)
        answer = peal.ask(query_string="channel=" + text)
        is_problem(answer, 400, text)
        no_evil(answer, text)
        for field in ("channel=%s&data=1", "channel=a&data=1&topic=%s"):
            no_evil(site.post(field % text, kind="application/x-www-form-urlencoded"), field % text)
        no_evil(site.post("1", kind="text/plain", path="/publish?channel=" + text), text)
        no_evil(site.post("1", kind="text/plain", path="/publish?channel=a&topic=" + text), text)


@case
def bad_bytes_in_a_variable_are_no_channel(place):
    peal = place.direct()
    for text in EVIL:
        if "\0" not in text:
            no_evil(peal.ask(PEAL_CHANNEL="user-{REMOTE_USER}", REMOTE_USER="a" + text), repr(text))
    for raw in NO_UTF8:
        sent = request(peal.variables(PEAL_CHANNEL="{REMOTE_USER}", REMOTE_USER="#" * len(raw)))
        stream = Stream(connect(peal.address), sent.replace(b"#" * len(raw), raw), FastcgiBody())
        place.streams.append(stream)
        stream.wait(lambda: stream.closed, "an answer")
        equal(stream.status, 403, "status for %r" % raw)
    with connect(peal.address) as sock:
        sock.sendall(request(peal.variables("GET", REMOTE_USER="a\0b",
                                            PEAL_CHANNEL="{REMOTE_USER}")))
        equal(sock.recv(100), b"", "what a variable with a NUL is answered")


@case
def a_resume_point_cannot_write_lines_of_its_own(place):
    peal = place.direct()
    asked = [{"query_string": "channel=a&lastEventId=" + text} for text in quoted_evil()]
    asked += [{"query_string": "channel=a", "HTTP_LAST_EVENT_ID": "a" + text}
              for text in EVIL if "\0" not in text]
    for variables in asked:
        text = repr(variables)
        stream = peal.stream(**variables).opened()
        event = stream.next()
        equal(event.type, "peal:gap", "the first event after " + text)
        check(b"\nid: 1\n" not in stream.raw and b"\nevent: evil" not in stream.raw
              and b"\r" not in stream.raw and b"\0" not in stream.raw, "%r", stream.raw)
        stream.raw.decode("utf-8")
        check("x-evil" not in stream.headers, "headers: %r", stream.headers)


@case
def data_cannot_write_lines_of_its_own(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    for end in ("\n", "\r", "\r\n"):
        text = end.join(("1", "id: 1", "event: evil", "", "retry: 1", ": x"))
        answer = site.post(text, kind="text/plain", path="/publish?channel=a&topic=t")
        equal(answer.status, 200, "publishing %r" % text)
        event = stream.next()
        equal((event.id, event.type, event.data),
              (answer.json()["id"], "t", text.replace(end, "\n")), "the event")
    equal(stream.parser.retry, 3000, "the retry time")


@case
def an_origin_cannot_write_headers(place):
    peal = place.direct("--cors-origin", "https://shop.example")
    for origin in ("https://shop.example\r\nX-Evil: 1", "https://shop.example\n", "\r\nX-Evil: 1"):
        answer = peal.ask(HTTP_ORIGIN=origin, PEAL_ROLES="")
        no_evil(answer, repr(origin))
        check("access-control-allow-origin" not in answer.headers, "%r", answer.headers)


@case
def a_key_may_publish_wherever_the_mount_is(place):
    keys = place.write("keys", "# ours\n%s\n\n%s\n" % (KEY, OTHER))
    site = place.behind_lighttpd("--publish-key-file", keys)
    stream = site.subscribe("a")
    for key in (KEY, OTHER):
        answer = site.post(EVENT, path="/events", headers={"Authorization": "Bearer " + key})
        equal(answer.status, 200, "with a key")
        equal(stream.next().data, "1", "the event")


@case
def a_wrong_key_is_401_and_says_how_to_ask(place):
    keys = place.write("keys", KEY + "\n")
    site = place.behind_lighttpd("--publish-key-file", keys)
    stream = site.subscribe("a")

    def has_key(value):
        return bool(re.match("Bearer +[^ ]", value or ""))
    wrong = [None, "Bearer " + KEY[:-1], "Bearer " + KEY + "x", "Bearer ", "Bearer", KEY,
             "Basic " + KEY, "Bearer # ours", "Bearer " + KEY.upper()]
    for value in wrong:
        headers = {} if value is None else {"Authorization": value}
        answer = site.post(EVENT, path="/events", headers=headers)
        is_problem(answer, 401, repr(value), "key-wrong" if has_key(value) else "key-missing")
        check(answer.headers.get("www-authenticate", "").startswith("Bearer"),
              "WWW-Authenticate: %r", answer.headers.get("www-authenticate"))
    site.publish("a", "end")
    equal(stream.next().data, '"end"', "the first event")


@case
def a_key_is_for_publishing_only(place):
    keys = place.write("keys", KEY + "\n")
    peal = place.direct("--publish-key-file", keys)
    is_problem(peal.ask(path="/events/status", HTTP_AUTHORIZATION="Bearer " + KEY),
               403, "the status")


@case
def everybody_has_a_channel_of_their_own_at_mine(place):
    place.add_user("alice", "wonder")
    place.add_user("bob", "builder")
    site = place.behind_lighttpd()
    equal(site.get("/mine").status, 401, "without a name")
    equal(site.ask("GET", "/mine", headers=basic("alice", "wrong")).status, 401, "wrong password")

    alice = site.subscribe("user-bob", path="/mine", headers=basic("alice", "wonder"))
    bob = site.subscribe(path="/mine", headers=basic("bob", "builder"))

    for name in ("alice", "bob"):
        equal(site.publish("user-" + name, name)["subscribers"], 1, "subscribers of " + name)
    equal(alice.next().data, '"alice"', "what alice gets")
    equal(bob.next().data, '"bob"', "what bob gets")


@case
def nobody_may_publish_at_mine(place):
    place.add_user("alice", "wonder")
    site = place.behind_lighttpd()
    is_problem(site.post(EVENT, path="/mine", headers=basic("alice", "wonder")), 403, "publishing")


@case
def a_channel_without_its_variable_is_403(place):
    peal = place.direct()
    for variables in ({}, {"REMOTE_USER": ""}):
        answer = peal.ask(query_string="channel=a", PEAL_CHANNEL="user-{REMOTE_USER}",
                          **variables)
        is_problem(answer, 403, repr(variables), "channel-variable")
    for template in ("", "user-{REMOTE_USER", "{}", "   "):
        is_problem(peal.ask(query_string="channel=a", PEAL_CHANNEL=template, REMOTE_USER="x"),
                   403, repr(template), "channel-variable")


@case
def the_variable_names_several_channels_and_a_value_adds_none(place):
    peal = place.direct()
    stream = peal.stream("channel=z", PEAL_CHANNEL="all user-{REMOTE_USER} {A}{B}",
                         REMOTE_USER="x admin", A="1", B="2").opened()
    wanted = {"all": 1, "user-x admin": 1, "12": 1, "z": 0, "admin": 0, "user-x": 0, "{A}{B}": 0}
    for name, count in wanted.items():
        equal(peal.publish(name, name)["subscribers"], count, "subscribers of %r" % name)
    equal([e.data for e in stream.take(3)], ['"all"', '"user-x admin"', '"12"'], "events")


@case
def the_status_is_for_its_role(place):
    site = place.behind_lighttpd()
    site.subscribe("a")
    status = site.status()
    for member in ("version", "uptime", "arena", "workers", "totals"):
        check(member in status, "the status has no %r: %r", member, status)
    equal(sum(w["streams"] for w in status["workers"]), 1, "streams")
    answer = site.get(query("/events/metrics"))
    equal(answer.status, 200, "the metrics")
    check(b"# TYPE peal_" in answer.body and b"# HELP peal_" in answer.body,
          "not Prometheus' format: %r", answer.body[:200])


if __name__ == "__main__":
    run()
