#!/usr/bin/env python3
"""Options of peal.fcgi: what is wrong is named in one line, and nothing is started."""

import os

from harness import accepts, case, check, equal, run, wait_for

USAGE = 64
CONFIG = 78
KEY = "0123456789abcdef"


def refuses(place, status, named, *options):
    """One line that names it, the status, and nothing started."""
    words = ["--arena", place.arena]
    if "--listen" not in options:
        words += ["--listen", place.socket]
    result = place.peal(*words, *options)
    equal(result.returncode, status, "%r: exit status (%r)" % (options, result.stderr))
    lines = result.stderr.strip().splitlines()
    equal(len(lines), 1, "%r: lines said: %r" % (options, lines))
    check(named in lines[0], "%r: %r does not name %r", options, lines[0], named)
    check(not os.path.exists(place.socket) or not accepts(place.socket), "it listens")


@case
def a_wrong_option_is_64(place):
    for options, named in ((["--nonsense"], "nonsense"), (["--workers"], "workers"),
                           (["-Q"], "Q"), (["stray"], "stray")):
        refuses(place, USAGE, named, *options)


@case
def without_a_socket_is_64_and_says_what_to_do(place):
    result = place.peal("--arena", place.arena)
    equal(result.returncode, USAGE, "exit status (%r)" % result.stderr)
    equal(result.stderr, "peal.fcgi: descriptor 0: is no listening socket; "
          "say --listen, or let a web server start it\n", "what is said")
    check(not os.path.exists(place.arena), "there is an arena")


@case
def a_wrong_value_is_78(place):
    for option, values in {
            "--workers": ["0", "-1", "x", "", "1x"],
            "--arena-size": ["1", "x", "-1M", "10X", "99999999999G"],
            "--max-age": ["x", "-1s", "5y", ""],
            "--max-events": ["0", "x", "-5"],
            "--max-event-size": ["0", "x", "-1"],
            "--max-body": ["0", "x"],
            "--retry": ["x", "-1"],
            "--heartbeat": ["x", "-1s"],
            "--stall-timeout": ["x"],
            "--max-stream-age": ["x"],
            "--max-streams": ["x", "-1"],
            "--channel-param": [""],
            "--roles": ["nonsense", "publish nonsense"],
            "--cors-origin": [""],
            "--log": ["nonsense"],
            "--socket-mode": ["9", "x", "7777777"]}.items():
        for value in values:
            refuses(place, CONFIG, option.lstrip("-"), option, value)


@case
def a_wrong_address_is_78(place):
    for address in ("nonsense:port", "127.0.0.1:99999", "fd:x", "fd:-1", "127.0.0.1:",
                    "/nowhere/at/all.sock", "/" + "x" * 200):
        refuses(place, CONFIG, address, "--listen", address)
        refuses(place, CONFIG, "--listen: ", "--listen", address)


@case
def a_folder_for_an_arena_is_78_and_names_the_option(place):
    folder = place.path("run", "folder")
    os.mkdir(folder, 0o755)
    result = place.peal("--listen", place.socket, "--arena", folder)
    equal((result.returncode, result.stderr),
          (CONFIG, "peal.fcgi: --arena: %s: is not a file\n" % folder), "what is said")
    check(not os.path.exists(folder + ".lock"), "a lock's file was made")


@case
def a_wrong_file_is_78(place):
    missing = place.path("run", "missing")
    refuses(place, CONFIG, missing, "--config", missing)
    refuses(place, CONFIG, missing, "--publish-key-file", missing)
    for name, text, mode in (("short", "tooshort\n", 0o600), ("open", KEY + "\n", 0o644),
                             ("empty", "# nothing\n", 0o600)):
        path = place.write(name, text, mode)
        refuses(place, CONFIG, path, "--publish-key-file", path)


@case
def a_fault_in_the_file_is_named_with_its_line(place):
    for text, named in (("max-age 5m\nnonsense 1\n", "nonsense"),
                        ("# c\n\nmax-events x\n", "max-events"), ("workers\n", "workers"),
                        ("roles publish nonsense\n", "roles")):
        path = place.write("peal.conf", text)
        refuses(place, CONFIG, named, "--config", path)
        refuses(place, CONFIG, str(len(text.splitlines())), "--config", path)


@case
def a_line_of_another_kind_of_file_is_told_how_ours_are(place):
    for text, advice in (("workers=2\n", 'without "="'), ("--workers 2\n", "no dashes"),
                         ("nonsense 1\n", "--help")):
        path = place.write("peal.conf", text)
        refuses(place, CONFIG, advice, "--config", path)


@case
def a_byte_order_mark_does_not_matter(place):
    path = place.write("peal.conf", "\ufeffmax-age 5m\r\nretry 1s\r\n")
    equal(place.peal("--check", "--config", path).returncode, 0, "exit status")
    path = place.write("peal.conf", "\ufeffnonsense 1\n")
    refuses(place, CONFIG, "nonsense", "--config", path)


@case
def a_folder_that_is_not_ours_is_refused(place):
    loose = place.path("run", "link")
    os.symlink(place.path("www"), loose)
    result = place.peal("--listen", place.socket, "--arena", os.path.join(loose, "arena"))
    check(result.returncode != 0, "a link was taken")
    check(loose in result.stderr, "the folder is not named: %r", result.stderr)
    if os.getuid() == 0:
        foreign = place.path("foreign")
        os.mkdir(foreign, 0o777)
        os.chmod(foreign, 0o777)
        result = place.peal("--listen", place.socket, "--arena", os.path.join(foreign, "arena"))
        check(result.returncode != 0, "a folder of somebody else was taken")
        check(foreign in result.stderr, "the folder is not named: %r", result.stderr)
    check(not os.path.exists(place.path("www", "arena")), "an arena was made")


@case
def check_reads_everything_and_starts_nothing(place):
    good = place.write("peal.conf", "# ours\nmax-age 5m\n\nroles subscribe publish\n"
                       "cors-origin https://a.example\ncors-origin https://b.example\n")
    result = place.peal("--check", "--config", good, "--listen", place.socket,
                        "--arena", place.arena)
    equal(result.returncode, 0, "exit status (%r)" % result.stderr)
    check(not os.path.exists(place.arena) and not os.path.exists(place.socket),
          "--check made something")
    refuses(place, CONFIG, "max-age", "--check", "--max-age", "x")
    refuses(place, USAGE, "nonsense", "--check", "--nonsense")


@case
def the_command_line_wins_over_the_file(place):
    path = place.write("peal.conf", "retry 1000ms\nchannel-param from-file\nheartbeat 600s\n")
    peal = place.direct("--config", path, "--retry", "2000ms")
    stream = peal.stream("from-file=a").opened()
    equal(stream.parser.retry, 2000, "retry")
    peal.publish("a", 1)
    equal(stream.next().data, "1", "the event")


@case
def help_and_version_say_so(place):
    for word, named in (("--help", "--max-stream-age"), ("--version", "0.")):
        result = place.peal(word)
        equal(result.returncode, 0, "exit status of " + word)
        check(named in result.stdout, "%s says %r", word, result.stdout)


@case
def the_default_arena_is_in_the_runtime_directory(place):
    folder = place.path("run", "runtime")
    os.mkdir(folder, 0o700)
    if place.user is not None:
        os.chown(folder, place.user, place.group)
    env = dict(place.environment(0), RUNTIME_DIRECTORY=folder)
    process = place.start("peal", [place.peal_fcgi, "--listen", place.socket], env=env,
                          **place.as_service())
    place.ready(process, place.socket)
    # It listens before its workers are there.
    wait_for(lambda: os.path.exists(os.path.join(folder, "arena")),
             "an arena in $RUNTIME_DIRECTORY")


if __name__ == "__main__":
    run()
