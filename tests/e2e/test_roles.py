#!/usr/bin/env python3
"""Who may do what: the web server's configuration says so, and nobody else."""

from harness import basic, case, check, equal, is_problem, query, run

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
    is_problem(peal.ask(query_string="channel=a"), 403, "subscribing")


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


@case
def a_header_cannot_set_what_the_configuration_sets(place):
    site = place.behind_lighttpd()
    for name in ("PEAL_ROLES", "Peal-Roles", "HTTP_PEAL_ROLES"):
        is_problem(site.post(EVENT, path="/events", headers={name: "publish"}),
                   403, "with the header " + name)
    for name in ("PEAL_CHANNEL", "Peal-Channel"):
        stream = site.subscribe("a", headers={name: "b"})
        site.publish("b", "wrong")
        site.publish("a", "right")
        equal(stream.next().data, '"right"', "the first event with the header " + name)


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
    wrong = [None, "Bearer " + KEY[:-1], "Bearer " + KEY + "x", "Bearer ", "Bearer", KEY,
             "Basic " + KEY, "Bearer # ours", "Bearer " + KEY.upper()]
    for value in wrong:
        headers = {} if value is None else {"Authorization": value}
        answer = site.post(EVENT, path="/events", headers=headers)
        is_problem(answer, 401, repr(value))
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
        is_problem(answer, 403, repr(variables))
    for template in ("", "user-{REMOTE_USER", "{}", "   "):
        is_problem(peal.ask(query_string="channel=a", PEAL_CHANNEL=template, REMOTE_USER="x"),
                   403, repr(template))


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
