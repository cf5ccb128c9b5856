#!/usr/bin/env python3
"""examples/lighttpd.conf."""

from frontend import Front, Speaker, nothing_missed, suite, viewers
from harness import Place, case, check, equal, run, wait_for

suite(Front(
    "lighttpd", Place.behind_lighttpd,
    heartbeats=0,
    php={},
    http2_streams=8,
    impatient={"server.max-fds ": "server.max-write-idle = 1\nserver.max-fds "},
    reload_cuts={'timeout" => 2': 'timeout" => 1'},
    compressing={"edits": {
        '"mod_setenv",': '"mod_deflate", "mod_setenv",',
        "server.max-fds ": 'deflate.mimetypes = ("text/html", "text/event-stream")\n'
                           'deflate.allowed-encodings = ("gzip")\nserver.max-fds '}}))


@case
def a_reload_makes_nobody_wait_where_lighttpd_starts_no_program(place):
    site = place.behind_lighttpd(php=False, edits={
        '"bin-path"  => "/usr/bin/php-cgi",': "", 'timeout" => 2': 'timeout" => 3600'})
    speaker = Speaker(site)
    with viewers(site, 2) as watching:
        speaker.say(3)
        site.reload()
        speaker.say(10)
        new = site.subscribe("a")
        speaker.say(1)
        equal(new.next().id, speaker.ids[-1], "the event for who came after the reload")
        # Most times the old process also keeps its streams; lighttpd does not promise it.
        nothing_missed(speaker, watching)


@case
def a_client_that_leaves_is_nothing_to_complain_of(place):
    site = place.behind_lighttpd()
    for _ in range(10):
        site.subscribe("a").close()
    wait_for(lambda: site.publish("a", 1)["subscribers"] == 0, "all to be forgotten")

    with open(site.server.log.replace("lighttpd.log", "run/lighttpd-error.log")) as log:
        said = [line for line in log if "mod_fastcgi.c" in line]
    check(not said, "lighttpd says %r", said)


if __name__ == "__main__":
    run()
