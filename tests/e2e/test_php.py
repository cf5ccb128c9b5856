#!/usr/bin/env python3
"""examples/php/Peal.php and publish.php, in PHP of several ages and both web servers."""

import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from harness import EXAMPLES, HOST, Failed, Skipped, case, check, equal, run
from node import node

FORM = "application/x-www-form-urlencoded"
KEY = "correct-horse-battery"
TRANSPORTS = ("curl", "sockets")
PEAL_PHP = os.path.join(EXAMPLES, "php", "Peal.php")

# Answers with JSON, what was thrown included.
PROBE = r"""
require %(file)s;
error_reporting(-1);
ini_set('display_errors', '1');
$started = microtime(true);
try {
    $peal = new Peal(%(url)s, json_decode(%(options)s, true));
    $answer = call_user_func_array(array($peal, %(method)s), json_decode(%(arguments)s, true));
    $said = array('answer' => $answer);
} catch (PealException $e) {
    $said = array('status' => $e->getStatus(), 'code' => $e->getCode(),
        'detail' => $e->getDetail(), 'message' => $e->getMessage());
} catch (InvalidArgumentException $e) {
    $said = array('invalid' => $e->getMessage());
}
$said['seconds'] = microtime(true) - $started;
$said['version'] = PHP_VERSION;
echo json_encode($said);
"""


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def probe(file, url, options, method, arguments):
    return PROBE % {"file": quoted(file), "url": quoted(url), "options": quoted(json.dumps(options)),
                    "method": quoted(method), "arguments": quoted(json.dumps(arguments))}


def said(text):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed("PHP says: %s" % text) from None


def has_curl(place):
    if not hasattr(has_curl, "answer"):
        has_curl.answer = "curl" in place.command("/usr/bin/php-cgi", "-m").stdout.split()
    return has_curl.answer


def call(place, url, method, *arguments, settings=(), **options):
    """Call a method of class Peal in Debian's PHP; returns what the probe said."""
    if not os.path.exists("/usr/bin/php-cgi"):
        raise Skipped("php-cgi is not installed")
    if options.get("transport") == "curl" and not has_curl(place):
        raise Skipped("php-curl is not installed")
    path = place.path("probe.php")
    with open(path, "w") as file:
        file.write("<?php" + probe(os.path.join(place.www, "Peal.php"), url, options, method,
                                   arguments))
    more = [word for setting in settings for word in ("-d", setting)]
    return said(place.command("/usr/bin/php-cgi", "-q", *more, "-f", path).stdout)


def publish_url(site, path="/publish"):
    return "http://%s:%d%s" % (HOST, site.port, path)


# ---- The class --------------------------------------------------------------

@case
def one_event_arrives_as_json_by_curl_and_by_sockets(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    for transport in TRANSPORTS:
        for data in ({"n": 1, "e": "\u00e9 / \u4e16", "deep": [[], None, 1.5]}, "text", None, []):
            got = call(place, publish_url(site), "publish", "a", "t", data, transport=transport)
            event = stream.next()
            equal((event.type, json.loads(event.data)), ("t", data), transport)
            equal(got.get("answer"), {"id": event.id, "subscribers": 1}, "the answer: %r" % got)
        equal(call(place, publish_url(site), "publish", "a", "", 1, transport=transport)
              ["answer"]["subscribers"], 1, "without a topic")
        equal(stream.next().type, "message", "the type of no topic")


@case
def text_arrives_as_it_is(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a b&c")
    for transport in TRANSPORTS:
        text = "1+1 = 2 & \u00e9%20\nsecond \"line\""
        call(place, publish_url(site), "publishText", ["a b&c"], "t", text, transport=transport)
        equal(stream.next()[1:], ("t", text), transport)


@case
def several_channels_and_a_batch_are_one_request_each(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a", "b")
    for transport in TRANSPORTS:
        got = call(place, publish_url(site), "publish", ["a", "b"], "t", 1, transport=transport)
        event = stream.next()
        equal([(e["channel"], e["id"]) for e in got["answer"]["events"]],
              [("a", event.id), ("b", event.id)], "the answer")

        batch = [{"channel": "a", "topic": "x", "data": {"n": n}} for n in range(50)] \
            + [{"channel": ["a", "b"], "data": None}]
        got = call(place, publish_url(site), "publishMany", batch, transport=transport)
        events = stream.take(51)
        equal([e["id"] for e in got["answer"]["events"]],
              [e.id for e in events] + [events[-1].id], "ids")
        equal([(e.type, json.loads(e.data)) for e in events],
              [("x", {"n": n}) for n in range(50)] + [("message", None)], "events")
        equal(call(place, publish_url(site), "publishMany", [], transport=transport)["answer"],
              {"events": []}, "an empty batch")


@case
def an_own_id_makes_a_retry_safe(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    for transport in TRANSPORTS:
        own = "order 17 by %s" % transport
        calls = [("publish", ["a", "t", 1, own]), ("publishText", ["a", "t", "2", own + "/text"])]
        for method, arguments in calls:
            for duplicate in (False, True):
                got = call(place, publish_url(site), method, *arguments, transport=transport)
                wanted = {"id": arguments[3], "subscribers": 1}
                if duplicate:
                    wanted["duplicate"] = True
                equal(got.get("answer"), wanted, "the answer: %r" % got)
        batch = [{"channel": "a", "data": 3, "id": own}, {"channel": "a", "data": 4, "id": own + "/4"}]
        got = call(place, publish_url(site), "publishMany", batch, transport=transport)
        equal([e.get("duplicate") for e in got["answer"]["events"]], [True, None], "of the batch")
        equal([(e.id, e.data) for e in stream.take(3)],
              [(own, "1"), (own + "/text", "2"), (own + "/4", "4")], "events")


@case
def the_key_is_sent_and_a_wrong_one_told(place):
    keys = place.write("keys", KEY + "\n")
    site = place.behind_lighttpd("--publish-key-file", keys)
    for transport in TRANSPORTS:
        url = publish_url(site, "/events")
        got = call(place, url, "publish", "a", "t", 1, transport=transport, key=KEY)
        check(got.get("answer"), "with the key: %r", got)
        for options in ({"key": KEY + "x"}, {}):
            got = call(place, url, "publish", "a", "t", 1, transport=transport, **options)
            equal((got["status"], got["code"]), (401, 401), "status of %r" % options)
            check(got["detail"] and got["message"] == got["detail"], "no detail: %r", got)


@case
def an_exception_has_the_status_and_peals_own_sentence(place):
    site = place.behind_lighttpd()
    good = {"channel": "a", "data": 1}
    for transport in TRANSPORTS:
        for method, arguments, path, status, words in (
                ("publish", ("a", "peal:x", 1), "/publish", 400, "peal:"),
                ("publish", ("a", "error", 1), "/publish", 400, "EventSource"),
                ("publishText", ("a", "open", "1"), "/publish", 400, "EventSource"),
                ("publish", ("a\n", "", 1), "/publish", 400, "channel"),
                ("publishMany", ([good, {"channel": "", "data": 1}],), "/publish", 400, "1"),
                ("publish", ("a", "", 1), "/events", 403, ""),
                ("publish", ("a", "", "x" * 70000), "/publish", 413, ""),
                ("publishMany", ([dict(good, data="x" * 60000)] * 20,), "/publish", 413, "")):
            got = call(place, publish_url(site, path), method, *arguments, transport=transport)
            equal(got.get("status"), status, "%s %r: %r" % (transport, method, got))
            check(got["detail"] and words in got["detail"], "the detail: %r", got)
    equal(site.status()["arena"]["events"], 0, "events that were stored")


@case
def what_is_wrong_before_it_is_sent_is_told_at_once(place):
    url = "http://127.0.0.1:1/publish"
    for where, method, arguments, options in (
            ("ftp://x/", "publish", ("a", "", 1), {}), ("/publish", "publish", ("a", "", 1), {}),
            ("http://x/a b", "publish", ("a", "", 1), {}),
            (url, "publish", ("a", "", 1), {"key": "with\nbreak"}),
            (url, "publish", ("a", "", 1), {"transport": "pigeon"}),
            (url, "publish", ("a", "", 1), {"timeOut": 1}),
            (url, "publishMany", ([{"channel": "a"}],), {}), (url, "publishMany", (["a"],), {})):
        got = call(place, where, method, *arguments, **options)
        check(got.get("invalid"), "%r %r: %r", where, options, got)


class Listener:
    """A server that a publisher should not meet: it takes one request at a time and
    serve(connection) does the rest."""

    def __init__(self, serve, context=None):
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self._serve, self._context = serve, context
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                connection.settimeout(10)
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536) or b"\r\n\r\n"
                self._serve(connection)
            except OSError:
                pass
            finally:
                connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A close alone does not wake the accept.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def silent(connection):
    connection.recv(65536)
    time.sleep(4)


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(40):
        connection.sendall(b" ")
        time.sleep(0.1)


def page(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>")


def moved(connection):
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def nonsense(connection):
    connection.sendall(b"hello\r\n\r\n")


@case
def no_answer_is_status_0_within_the_time_limit(place):
    for transport in TRANSPORTS:
        for serve in (silent, trickle):
            with Listener(serve) as server:
                got = call(place, "http://%s:%d/" % (HOST, server.port), "publish", "a", "", 1,
                           transport=transport, timeout=0.5)
                equal(got.get("status"), 0, "%s, %s: %r" % (transport, serve.__name__, got))
                # It would be 4 s without the limit.
                check(0.4 < got["seconds"] < 3, "%s, %s: %r", transport, serve.__name__, got)
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            got = call(place, "http://%s:%d/" % (HOST, unused.getsockname()[1]), "publish", "a", "",
                       1, transport=transport)
            equal(got.get("status"), 0, "refused: %r" % got)
            check("connect" in got["message"].lower() or "refused" in got["message"].lower(),
                  "the message: %r", got)


@case
def an_answer_that_is_not_peals_is_told(place):
    for transport in TRANSPORTS:
        for serve, status in ((page, 200), (moved, 302), (nonsense, 0)):
            with Listener(serve) as server:
                got = call(place, "http://%s:%d/" % (HOST, server.port), "publish", "a", "", 1,
                           transport=transport)
                equal((got.get("status"), got.get("detail")), (status, ""),
                      "%s, %s: %r" % (transport, serve.__name__, got))


@case
def the_certificate_of_https_is_checked(place):
    key, certificate = place.path("key.pem"), place.path("certificate.pem")
    subprocess.run([place.find("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\nConnection: close\r\n\r\n"
                           b'{"id":"1-0","subscribers":0}')
    with Listener(answer, context) as server:
        for transport in TRANSPORTS:
            for host, trusted, good in (("localhost", True, True), ("localhost", False, False),
                                        (HOST, True, False)):
                settings = ["curl.cainfo=" + certificate, "openssl.cafile=" + certificate] \
                    if trusted else []
                got = call(place, "https://%s:%d/publish" % (host, server.port), "publish", "a", "",
                           1, transport=transport, settings=settings)
                equal("answer" in got, good, "%s, %s, trusted %s: %r"
                      % (transport, host, trusted, got))


@case
def it_publishes_from_php_5_6_to_8(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("a")
    calls = (("publish", ("a", "t", {"n": 1.5, "e": "\u00e9"})),
             ("publishMany", ([{"channel": "a", "topic": "t", "data": "x"}],)),
             ("publishText", ("a", "t", "1\n2")),
             ("publish", ("a", "peal:x", 1)))
    codes = ["<?php" + probe("/Peal.php", publish_url(site), {}, *call) for call in calls]
    for version in ("5.6", "7.0", "7.4", "8.0"):
        output = node(place, "php.js", version, PEAL_PHP, *codes).split("\n")
        one, many, text, error = [said(line) for line in output]
        check(one["version"].startswith(version), "the version: %r", one)
        events = stream.take(3)
        equal([e.type for e in events], ["t"] * 3, "types")
        equal([e.data for e in events], ['{"n":1.5,"e":"\u00e9"}', '"x"', "1\n2"], "data")
        equal([one.get("answer", {}).get("id"), many["answer"]["events"][0]["id"],
               text["answer"]["id"]], [e.id for e in events], "ids from PHP " + version)
        check(error["status"] == 400 and error["detail"], "an error in PHP %s: %r", version, error)


@case
def the_php_files_are_php_5_6(place):
    def errors(source):
        # Behind a return it is parsed and not run.
        return node(place, "php.js", "5.6", PEAL_PHP, "<?php return; ?>" + source)
    for name in ("Peal.php", "publish.php", "board.php"):
        with open(os.path.join(EXAMPLES, "php", name)) as file:
            equal(errors(file.read()), "", name)
    check("syntax error" in errors("<?php $a ?? 1;"), "PHP 5.6 takes what is newer")


# ---- publish.php ------------------------------------------------------------

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
            check(b"new Peal(" in answer.body, "%s is not the demo", path)


if __name__ == "__main__":
    run(quick=2)
