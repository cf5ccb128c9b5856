#!/usr/bin/env python3
"""pealctl doctor finds what is really wrong in front of peal, and nothing else."""

import os
import re
import signal
import socket
import subprocess

import proxies
from frontend import KEY
from harness import (HOST, LIMIT, Place, Skipped, case, check, equal, free_port, programs, run,
                     wait_for)
from screen import screen

USAGE = 64
NO_INPUT = 66


class Doctor:
    """What it says: the exit status, and the findings' codes with their lines."""

    def __init__(self, place, site, *options, path="/events", publish="/publish", origin=None,
                 env=None, root=False):
        origin = origin or "http://%s:%d" % (HOST, site.port)
        words = [place.pealctl_path, "doctor", origin + path]
        if publish:
            words.append("--publish-url=" + origin + publish)
        if root:
            if os.getuid() != 0:
                raise Skipped("only root may look at others' processes")
            result = subprocess.run(words + list(options), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    universal_newlines=True, timeout=8 * LIMIT,
                                    env=dict(place.environment(0), **(env or {})))
        else:
            result = place.command(*words, *options, seconds=8 * LIMIT, env=env)
        self.status = result.returncode
        self.text = result.stdout
        self.errors = result.stderr
        self.findings = {}
        for line in self.text.splitlines():
            found = re.match(r"([a-z0-9-]+): (.*)", line)
            if found and found.group(1) not in ("server", "via", "note"):
                self.findings[found.group(1)] = last = [found.group(2)]
            elif line.startswith("    "):
                last.append(line.strip())

    def well(self):
        equal((self.status, self.findings), (0, {}), "doctor, who says:\n%s%s"
              % (self.text, self.errors))
        check("all well\n" in self.text, "not all well: %r", self.text)

    def finds(self, code, *words):
        """This and nothing else, with these words in what is said of it."""
        equal((self.status, sorted(self.findings)), (1, [code]), "doctor, who says:\n%s%s"
              % (self.text, self.errors))
        said = "\n".join(self.findings[code])
        for word in words:
            check(word in said, "%r is not said: %s", word, said)


class Nobody:
    """A site that is not there."""
    port = free_port()


def address_of_this_machine():
    """One that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.99", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


# Late is what has not come by then; where nothing ever comes, that may be soon.
SOON = "--timeout=2s"
BRIEFLY = "--patience=100ms"
FEW = "--streams=3"


# ---- The examples -----------------------------------------------------------

def well(name, start, **more):
    def all_is_well(place):
        site = start(place, "--heartbeat=1s", **more)
        Doctor(place, site, "--timeout=%ds" % LIMIT, "--patience=%ds" % LIMIT).well()
    all_is_well.__name__ = "all_is_well_behind_" + name
    case(all_is_well)


well("lighttpd", Place.behind_lighttpd)
well("lighttpd_that_spawns", Place.spawned_by_lighttpd)
well("nginx", Place.behind_nginx)
well("mod_proxy_fcgi", Place.behind_mod_proxy_fcgi)
well("mod_fcgid", Place.behind_apache)
well("caddy", Place.behind_caddy)
well("haproxy", Place.behind_haproxy)
well("h2o", Place.behind_h2o)


@case
def all_is_well_with_a_key(place):
    key = place.write("keys", KEY + "\n")
    site = place.behind_mod_proxy_fcgi("--publish-key-file=" + key)
    doctor = Doctor(place, site, "--key-file=" + key, BRIEFLY, FEW, publish=None)
    doctor.well()


@case
def without_a_place_to_publish_it_says_what_it_left_out(place):
    site = place.behind_lighttpd()
    doctor = Doctor(place, site, BRIEFLY, FEW, publish=None)
    doctor.well()
    check("nothing was published" in doctor.text, "%r", doctor.text)


@case
def no_channel_but_its_own_hears_of_it(place):
    site = place.behind_lighttpd()
    other = site.subscribe("a")
    Doctor(place, site, BRIEFLY, FEW).well()
    names = [line.split("\t")[0] for line in place.pealctl("channels").stdout.splitlines()]
    equal([n for n in names if not n.startswith("peal-doctor-")], ["a"], "channels")
    events = sum(int(line.split("\t")[2])
                 for line in place.pealctl("channels").stdout.splitlines())
    check(events <= 5, "%d events are left behind", events)
    site.publish("a", "end")
    equal(other.next().data, '"end"', "the first event")


# ---- Buffering --------------------------------------------------------------

@case
def lighttpd_that_waits_for_the_end_is_found(place):
    site = place.behind_lighttpd(edits={"server.stream-response-body = 2": ""})
    Doctor(place, site, SOON).finds("buffered", "server.stream-response-body = 2")


@case
def lighttpd_that_waits_is_found_without_publishing(place):
    site = place.behind_lighttpd(edits={"server.stream-response-body = 2": ""})
    Doctor(place, site, SOON, publish=None).finds("buffered", "server.stream-response-body = 2")


@case
def nginx_that_ignores_our_header_is_found(place):
    site = place.behind_nginx(edits={
        "fastcgi_buffering off;": "fastcgi_ignore_headers X-Accel-Buffering;"})
    Doctor(place, site, SOON).finds("buffered", "fastcgi_buffering off",
                                    "fastcgi_ignore_headers")


@case
def mod_proxy_fcgi_without_flushpackets_is_found(place):
    site = place.behind_mod_proxy_fcgi(edits={"flushpackets=on ": ""})
    Doctor(place, site, SOON).finds("buffered", "flushpackets=on")


@case
def mod_fcgid_with_its_own_output_buffer_is_found(place):
    site = place.behind_apache(edits={"FcgidOutputBufferSize 0": ""})
    Doctor(place, site, SOON).finds("buffered", "FcgidOutputBufferSize 0")


@case
def nginx_that_compresses_is_found(place):
    site = place.behind_nginx(edits={
        "gzip off;": "", "gzip                 off;": "",
        "access_log    off;": "access_log off; gzip on; gzip_types *;"})
    Doctor(place, site, BRIEFLY, FEW).finds("compressed", "gzip off")


@case
def apache_that_compresses_is_found(place):
    site = place.behind_mod_proxy_fcgi(modules=("filter", "deflate"), edits={
        "SetEnv no-gzip 1": "", "SetEnv no-brotli 1": "",
        "TypesConfig ": "AddOutputFilterByType DEFLATE text/event-stream\nTypesConfig "})
    Doctor(place, site, BRIEFLY, FEW).finds("compressed", "no-gzip")


@case
def nginx_that_proxies_to_another_web_server_and_buffers_is_found(place):
    inner = place._lighttpd(place.find("lighttpd"), "lighttpd.conf", None)
    outer = place.behind_nginx(edits={
        "location ~ ^/events(/|$) {\n            fastcgi_pass peal;":
        "location ~ ^/events(/|$) {\n            proxy_pass http://%s:%d;" % (HOST, inner.port),
        "fastcgi_buffering off;\n\n            # A proxy":
        "proxy_ignore_headers X-Accel-Buffering;\n\n            # A proxy"})
    Doctor(place, outer, SOON).finds("buffered", "proxy_buffering off")


@case
def haproxy_that_holds_events_back_is_found(place):
    site = place.behind_haproxy(edits={"    option http-no-delay\n": ""})
    Doctor(place, site, BRIEFLY, FEW).finds("late", "ms after", "HAProxy: option http-no-delay")


@case
def peal_that_coalesces_is_no_fault_of_the_web_server(place):
    doctor = Doctor(place, place.behind_nginx("--coalesce=100ms"), BRIEFLY, FEW)
    doctor.well()
    check(re.search("a test event comes [0-9]{2,}[.0-9]* ms after", doctor.text), "%r", doctor.text)


# ---- Clients that go, or do not read ----------------------------------------

@case
def varnish_that_reads_on_for_nobody_is_found(place):
    vcl = proxies.block("Varnish").replace(
        "return (pipe);", 'if (req.method == "GET") { return (hash); }') + (
        "sub vcl_backend_response {\n"
        "    set beresp.ttl = 1h;\n    unset beresp.http.Cache-Control;\n    return (deliver);\n}\n")
    keys = place.write("keys", KEY + "\n")
    inner = place.behind_nginx("--publish-key-file=" + keys)
    Doctor(place, proxies.varnish(place, inner, vcl), "--key-file=" + keys, SOON, BRIEFLY, FEW,
           publish=None).finds("gone-counted", "events", "Varnish: return (pipe)")


@case
def how_long_a_closed_stream_is_counted_is_said(place):
    doctor = Doctor(place, place.behind_caddy(), BRIEFLY, FEW)
    doctor.well()
    check("a closed stream is still counted" in doctor.text, "%r", doctor.text)
    doctor = Doctor(place, place.spawned_by_lighttpd(), BRIEFLY, FEW)
    doctor.well()
    check("a closed stream is no longer counted" in doctor.text, "%r", doctor.text)


@case
def lighttpd_that_takes_what_nobody_reads_is_found(place):
    site = place.behind_lighttpd("--stall-timeout=1s", edits={
        "server.stream-response-body = 2": "server.stream-response-body = 1"})
    Doctor(place, site, BRIEFLY, FEW, "--stalled=3s").finds(
        "stalled-unseen", "24 MB", "server.stream-response-body = 2")


@case
def h2o_that_takes_what_nobody_reads_is_found(place):
    site = place.behind_h2o("--stall-timeout=1s")
    Doctor(place, site, BRIEFLY, FEW, "--stalled=3s").finds("stalled-unseen", "H2O: ")


@case
def a_viewer_who_does_not_read_is_no_fault_where_peal_ends_it(place):
    site = place.behind_nginx("--stall-timeout=1s")
    doctor = Doctor(place, site, BRIEFLY, FEW, "--stalled=4s")
    doctor.well()
    check("not read is no longer counted" in doctor.text, "%r", doctor.text)


# ---- Limits -----------------------------------------------------------------

@case
def nginx_whose_patience_is_shorter_than_the_heartbeat_is_found(place):
    site = place.behind_nginx("--heartbeat=60s", edits={
        "fastcgi_read_timeout 60s": "fastcgi_read_timeout 3s"})
    Doctor(place, site, FEW, "--patience=%ds" % LIMIT).finds(
        "idle-cut", "fastcgi_read_timeout")


@case
def mod_fcgid_whose_patience_is_shorter_than_the_heartbeat_is_found(place):
    site = place.behind_apache("--heartbeat=60s", edits={"FcgidIOTimeout 60": "FcgidIOTimeout 3"})
    Doctor(place, site, FEW, "--patience=%ds" % LIMIT).finds("idle-cut", "FcgidIOTimeout")


@case
def mod_proxy_fcgi_whose_patience_is_shorter_than_the_heartbeat_is_found(place):
    site = place.behind_mod_proxy_fcgi("--heartbeat=60s", edits={
        "ProxyTimeout 60": "ProxyTimeout 3"})
    Doctor(place, site, FEW, "--patience=%ds" % LIMIT).finds("idle-cut", "ProxyTimeout")


@case
def lighttpd_whose_patience_is_shorter_than_the_heartbeat_is_found(place):
    site = place.behind_lighttpd("--heartbeat=60s", edits={
        "server.max-fds ": "server.max-write-idle = 3\nserver.max-fds "})
    Doctor(place, site, FEW, "--patience=%ds" % LIMIT).finds("idle-cut", "server.max-write-idle")


@case
def caddy_whose_patience_is_shorter_than_the_heartbeat_is_found(place):
    site = place.behind_caddy("--heartbeat=60s", edits={
        "transport fastcgi {\n\t\t\tenv PEAL_ROLES {args.0}":
        "transport fastcgi {\n\t\t\tread_timeout 3s\n\t\t\tenv PEAL_ROLES {args.0}"})
    Doctor(place, site, FEW, "--patience=%ds" % LIMIT).finds("idle-cut", "read_timeout")


@case
def nginx_that_refuses_a_large_body_is_found(place):
    site = place.behind_nginx(edits={"client_max_body_size 2m": "client_max_body_size 100k"})
    Doctor(place, site, BRIEFLY, FEW).finds("body-limit", "200000 bytes", "413",
                                            "client_max_body_size")


@case
def mod_fcgid_with_its_own_limit_of_bodies_is_found(place):
    site = place.behind_apache(edits={"FcgidMaxRequestLen 2097152": ""})
    Doctor(place, site, BRIEFLY, FEW).finds("body-limit", "500", "FcgidMaxRequestLen")


@case
def a_limit_between_the_two_bodies_is_found(place):
    site = place.behind_lighttpd(edits={"server.max-request-size = 2048":
                                        "server.max-request-size = 512"})
    Doctor(place, site, BRIEFLY, FEW).finds("body-limit", "1000000 bytes", "413",
                                            "server.max-request-size")


@case
def caddy_that_refuses_a_large_body_is_found(place):
    site = place.behind_caddy(edits={
        "import peal publish": "request_body {\n\t\t\t\tmax_size 100KB\n\t\t\t}\n"
                               "\t\t\timport peal publish"})
    Doctor(place, site, BRIEFLY, FEW).finds("body-limit", "200000 bytes", "max_size")


@case
def peal_s_own_limit_of_bodies_is_no_fault_of_the_web_server(place):
    site = place.behind_nginx("--max-body=100K", "--max-event-size=50K")
    doctor = Doctor(place, site, BRIEFLY, FEW)
    doctor.well()
    check("--max-body" in doctor.text, "%r", doctor.text)


@case
def apache_that_has_few_threads_is_found(place):
    site = place.behind_mod_proxy_fcgi(edits={
        "ThreadsPerChild      64": "ThreadsPerChild      4",
        "ServerLimit          32": "ServerLimit          1",
        "MaxRequestWorkers    2048": "MaxRequestWorkers    4"})
    doctor = Doctor(place, site, SOON, BRIEFLY, "--streams=8")
    equal(sorted(doctor.findings), ["ceiling", "starved"], "findings: %s" % doctor.text)
    check("MaxRequestWorkers" in "\n".join(doctor.findings["ceiling"]), "%r", doctor.text)


@case
def lighttpd_that_has_few_connections_is_found(place):
    site = place.behind_lighttpd(edits={"server.max-connections = 4000":
                                        "server.max-connections = 5"})
    doctor = Doctor(place, site, SOON, BRIEFLY, "--streams=8")
    equal(sorted(doctor.findings), ["ceiling", "starved"], "findings: %s" % doctor.text)
    check("server.max-connections" in "\n".join(doctor.findings["ceiling"]), "%r", doctor.text)


@case
def a_full_class_of_mod_fcgid_is_found(place):
    site = place.behind_apache(streams=3)
    Doctor(place, site, SOON, BRIEFLY, "--streams=5").finds(
        "ceiling", "of 5 streams 3 are held", "FcgidMaxProcessesPerClass")


@case
def publishing_that_starves_in_the_streams_class_is_found(place):
    command = '"${PEAL_FCGI} --arena ${PEAL_ARENA} --max-stream-age 280s"'
    site = place.behind_apache(streams=3, edits={
        '"${PEAL_FCGI} --arena ${PEAL_ARENA} --roles publish"': command,
        "<Location \"/publish\">": "<Location \"/publish\">\n    SetEnv PEAL_ROLES publish"})
    doctor = Doctor(place, site, SOON, BRIEFLY, "--streams=5")
    equal(sorted(doctor.findings), ["ceiling", "starved"], "findings: %s" % doctor.text)
    check("--roles publish" in "\n".join(doctor.findings["starved"]), "%r", doctor.text)


# ---- Who may do what --------------------------------------------------------

@case
def apache_that_drops_the_key_is_found(place):
    key = place.write("keys", KEY + "\n")
    site = place.behind_mod_proxy_fcgi("--publish-key-file=" + key, edits={"CGIPassAuth On": ""})
    Doctor(place, site, "--key-file=" + key, publish=None).finds("key-lost", "CGIPassAuth On")


@case
def mod_fcgid_that_drops_the_key_is_found(place):
    key = place.write("keys", KEY + "\n")
    site = place.behind_apache("--publish-key-file=" + key, edits={"CGIPassAuth On": ""})
    Doctor(place, site, "--key-file=" + key, publish=None).finds("key-lost", "CGIPassAuth On")


@case
def a_wrong_key_is_told_from_a_lost_one(place):
    keys = place.write("keys", KEY + "\n")
    wrong = place.write("wrong", "x" + KEY + "\n")
    site = place.behind_lighttpd("--publish-key-file=" + keys)
    Doctor(place, site, "--key-file=" + wrong, publish=None).finds("key-wrong", "401")


@case
def haproxy_that_drops_the_key_is_found(place):
    key = place.write("keys", KEY + "\n")
    site = place.behind_haproxy("--publish-key-file=" + key,
                                edits={"    pass-header Authorization\n": ""})
    Doctor(place, site, "--key-file=" + key, publish=None).finds(
        "key-lost", "HAProxy: pass-header Authorization")


@case
def a_proxy_that_drops_the_key_is_named(place):
    key = place.write("keys", KEY + "\n")
    inner = place.behind_nginx("--publish-key-file=" + key)
    text = proxies.block("Squid").replace("login=PASSTHRU ", "")
    doctor = Doctor(place, proxies.squid(place, inner, text), "--key-file=" + key, publish=None)
    doctor.finds("key-lost", "Squid: login=PASSTHRU")
    check("\nvia: " in doctor.text, "%r", doctor.text)


@case
def a_proxy_for_whom_everybody_is_this_machine_is_found(place):
    if not address_of_this_machine():
        raise Skipped("this machine has no address but loopback")
    inner = place.behind_nginx()
    Doctor(place, inner, BRIEFLY, FEW).well()
    Doctor(place, proxies.plain_nginx(place, inner), BRIEFLY, FEW).finds(
        "open", "POST /publish", "without a key", "nginx: allow 127.0.0.1")


@case
def a_missing_role_is_found(place):
    site = place.behind_lighttpd(edits={
        'setenv.add-environment = ( "PEAL_ROLES" => "publish" )': ""})
    Doctor(place, site).finds("no-role", 'the role "publish"', "setenv.add-environment")


@case
def a_rule_of_the_web_server_is_told_from_a_missing_role(place):
    site = place.behind_nginx(edits={
        "location ~ ^/publish(/|$) {\n            allow 127.0.0.1;":
        "location ~ ^/publish(/|$) {"})
    Doctor(place, site).finds("forbidden", "403", "allow")


@case
def a_place_that_wants_a_password_is_found(place):
    place.add_user("somebody", "secret")
    site = place.behind_lighttpd()
    Doctor(place, site, path="/mine").finds("locked", "401", "--header")


@case
def an_origin_that_is_not_named_is_found(place):
    site = place.behind_lighttpd("--cors-origin=https://a.example")
    Doctor(place, site, BRIEFLY, FEW, "--header=Origin: https://a.example").well()
    Doctor(place, site, BRIEFLY, FEW, "--header=Origin: https://b.example").finds(
        "no-cors", "https://b.example", "--cors-origin")


# ---- Not there --------------------------------------------------------------

@case
def two_arenas_are_found(place):
    site = place.behind_apache(edits={
        '--arena ${PEAL_ARENA} --roles publish" virtual\n    CGIPassAuth':
        '--arena ${PEAL_ARENA}2 --roles publish" virtual\n    CGIPassAuth'})
    Doctor(place, site).finds("elsewhere", '"subscribers":0', "--arena")


@case
def nginx_that_hands_no_variables_on_is_found(place):
    site = place.behind_nginx(edits={"\n        include /etc/nginx/fastcgi_params;": ""})
    Doctor(place, site, SOON).finds("no-variables", "405", "include /etc/nginx/fastcgi_params")


@case
def a_url_that_is_not_peal_s_is_found(place):
    site = place.behind_nginx()
    Doctor(place, site, path="/nothing").finds("not-mounted", "404", "fastcgi_pass")
    Doctor(place, site, path="/demo.html").finds("not-mounted", "200, text/html")
    Doctor(place, site, publish="/demo.html").finds("not-mounted", "POST /demo.html", "405")


@case
def the_site_s_own_program_that_answers_is_found(place):
    for name, text in ((".htaccess", "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\n"
                        "RewriteRule . /index.php [L]\n"),
                       ("index.php", "<?php echo '<html>the site';\n")):
        with open(os.path.join(place.www, name), "w") as file:
            file.write(text)
    site = place.behind_apache(modules=("rewrite",), edits={
        "TypesConfig ": "<Directory />\nAllowOverride All\n</Directory>\nTypesConfig "})
    Doctor(place, site).finds("rewritten", "200, text/html; charset=UTF-8, by Apache", "RewriteEngine Off")


@case
def another_fastcgi_program_that_answers_is_found(place):
    site = place.behind_nginx(php=True, edits={"server unix:/run/peal/peal.sock;":
                                               "server unix:/run/php/php-fpm.sock;"})
    Doctor(place, site).finds("other-program", "404", "by nginx", "fastcgi_pass")


@case
def the_server_that_is_at_fault_is_named(place):
    site = proxies.haproxy(place, place.behind_nginx())
    doctor = Doctor(place, site, path="/nothing")
    doctor.finds("not-mounted", "404, text/html, by nginx", "nginx: location")
    check("HAProxy: " not in doctor.text, "%r", doctor.text)
    site = proxies.haproxy(place, Nobody())
    doctor = Doctor(place, site)
    doctor.finds("down", "503", "HAProxy: server")
    check("nginx: " not in doctor.text, "%r", doctor.text)


@case
def peal_that_is_down_is_found(place):
    for start, word in ((place.behind_mod_proxy_fcgi, "ProxyPass"),
                        (place.behind_nginx, "fastcgi_pass")):
        site = start()
        site.peal.stop()
        Doctor(place, site).finds("down", "503" if word == "ProxyPass" else "50", word)


@case
def a_web_server_that_is_down_is_found(place):
    Doctor(place, Nobody).finds("unreachable", "Connection refused", str(Nobody.port))


@case
def a_full_peal_is_no_fault_of_the_web_server(place):
    site = place.behind_lighttpd("--max-streams=3")
    doctor = Doctor(place, site, BRIEFLY, "--streams=5")
    doctor.well()
    check("--max-streams" in doctor.text, "%r", doctor.text)
    for _ in range(3):
        site.subscribe("a")
    Doctor(place, site, BRIEFLY).finds("full", "--max-streams", "reason \"full\"")


@case
def a_channel_of_another_name_is_found(place):
    site = place.behind_lighttpd("--channel-param=user")
    Doctor(place, site, BRIEFLY, FEW).finds("no-channel", "--channel-param")
    Doctor(place, site, BRIEFLY, FEW, path="/events?user={}").well()


@case
def a_variable_that_the_web_server_has_not_set_is_found(place):
    place.add_user("alice", "wonder")
    site = place.behind_lighttpd(edits={"user-{REMOTE_USER}": "user-{NOBODY}"})
    Doctor(place, site, "--header=Authorization: Basic YWxpY2U6d29uZGVy", path="/mine").finds(
        "channel-variable", "NOBODY", "setenv.add-environment")


# ---- On the server itself, as root ------------------------------------------

def root_finds_its_way(name, start, *options):
    def by_root(place):
        site = start(place, *options)
        doctor = Doctor(place, site, BRIEFLY, FEW, root=True)
        doctor.well()
        check("pealctl --arena %s\n" % place.arena in doctor.text, "no arena: %r", doctor.text)
    by_root.__name__ = "root_finds_the_arena_behind_" + name
    case(by_root)


root_finds_its_way("lighttpd", Place.behind_lighttpd)
root_finds_its_way("lighttpd_that_spawns", Place.spawned_by_lighttpd)
root_finds_its_way("nginx", Place.behind_nginx)
root_finds_its_way("mod_proxy_fcgi", Place.behind_mod_proxy_fcgi, "--max-streams=1800")
root_finds_its_way("mod_fcgid", Place.behind_apache)
root_finds_its_way("caddy", Place.behind_caddy)
root_finds_its_way("haproxy", Place.behind_haproxy)
root_finds_its_way("h2o", Place.behind_h2o)


def socket_at_fault(name, start):
    def found(place):
        site = start(place, "--max-streams=1800")
        os.kill(site.peal.pid, signal.SIGKILL)
        site.peal.wait()
        for pid in programs(os.getpid(), "peal.fcgi"):  # who has lost its supervisor
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not programs(os.getpid(), "peal.fcgi"), "all of peal to be gone")
        Doctor(place, site, root=True).finds("socket-refused", place.socket)
        os.unlink(place.socket)
        Doctor(place, site, root=True).finds("socket-missing", place.socket)
        place.start_peal("--max-streams=1800", "--socket-mode=0600", name="again")
        os.chown(place.socket, 0, 0)
        Doctor(place, site, root=True).finds("socket-forbidden", place.socket, "www-data",
                                             "mode 0600, user 0", "SocketGroup=")
    found.__name__ = "a_socket_is_missing_refused_or_forbidden_behind_" + name
    case(found)


socket_at_fault("nginx", Place.behind_nginx)
socket_at_fault("lighttpd", Place.behind_lighttpd)
socket_at_fault("mod_proxy_fcgi", Place.behind_mod_proxy_fcgi)
socket_at_fault("haproxy", Place.behind_haproxy)


@case
def apache_of_which_streams_can_take_all_places_is_found(place):
    Doctor(place, place.behind_mod_proxy_fcgi("--max-streams=2048"), BRIEFLY, FEW,
           root=True).finds("whole-site", "2048 streams", "mod_proxy_fcgi: max-streams")


@case
def a_class_of_mod_fcgid_that_can_take_all_places_is_found(place):
    site = place.behind_apache(edits={"Define PEAL_STREAMS 400": "Define PEAL_STREAMS 640"})
    doctor = Doctor(place, site, BRIEFLY, FEW, root=True)
    doctor.finds("whole-site", "FcgidMaxProcessesPerClass is 640, and MaxRequestWorkers 640")
    # Root knows the module.
    check("mod_proxy_fcgi" not in doctor.text, "%r", doctor.text)


@case
def peal_without_a_limit_of_streams_behind_apache_is_found(place):
    Doctor(place, place.behind_mod_proxy_fcgi(), BRIEFLY, FEW, root=True).finds(
        "whole-site", "no max-streams", "2048")


@case
def the_mpm_and_an_htaccess_are_told(place):
    with open(os.path.join(place.www, ".htaccess"), "w") as file:
        file.write("RewriteEngine On\nRewriteRule ^nothing$ /demo.html\n")
    site = place.behind_apache(modules=("rewrite",), edits={
        "TypesConfig ": "<Directory />\nAllowOverride All\n</Directory>\nTypesConfig "})
    doctor = Doctor(place, site, BRIEFLY, FEW, root=True)
    doctor.well()
    for words in ("the event MPM and MaxRequestWorkers 640", "/.htaccess rewrites addresses"):
        check(words in doctor.text, "%r is not said: %s", words, doctor.text)


@case
def a_unit_that_has_failed_is_found(place):
    site = place.behind_nginx()
    answers = os.path.join(place.bin, "systemctl")
    for state, sub, found in (("failed", "failed", True), ("activating", "auto-restart", True),
                              ("active", "running", False), ("inactive", "dead", False)):
        with open(answers, "w") as file:
            file.write("#!/bin/sh\ncat <<END\nLoadState=loaded\nActiveState=%s\nSubState=%s\n"
                       "Result=exit-code\nExecMainStatus=78\nEND\n" % (state, sub))
        os.chmod(answers, 0o755)
        doctor = Doctor(place, site, BRIEFLY, FEW, root=True,
                        env={"PATH": place.bin + ":/usr/bin:/bin"})
        if found:
            doctor.finds("unit-failed", state, "exit status 78", "journalctl -u peal")
        else:
            doctor.well()


@case
def who_is_not_root_looks_at_the_web_server_alone(place):
    doctor = Doctor(place, place.behind_nginx(), BRIEFLY, FEW)
    doctor.well()
    check("--arena" not in doctor.text, "%r", doctor.text)


# ---- TLS --------------------------------------------------------------------

def by_tls(name, start):
    def all_is_well(place):
        site = start(place, "--heartbeat=1s", tls=True)
        trust = {"SSL_CERT_FILE": os.path.join(place.run, "cert.pem")}
        origin = "https://localhost:%d" % site.port
        Doctor(place, site, "--timeout=%ds" % LIMIT, "--patience=%ds" % LIMIT, origin=origin,
               env=trust).well()
        Doctor(place, site, origin=origin).finds("certificate", "self-signed certificate",
                                                 "SSL_CERT_FILE")
    all_is_well.__name__ = "all_is_well_by_tls_behind_" + name
    case(all_is_well)


by_tls("nginx", Place.behind_nginx)
by_tls("caddy", Place.behind_caddy)
by_tls("haproxy", Place.behind_haproxy)
by_tls("h2o", Place.behind_h2o)


@case
def how_many_streams_http2_carries_is_said(place):
    site = place.behind_nginx(tls=True, edits={
        "root  /var/www/html;": "http2_max_concurrent_streams 77;\n        root  /var/www/html;"})
    doctor = Doctor(place, site, BRIEFLY, FEW, origin="https://localhost:%d" % site.port,
                    env={"SSL_CERT_FILE": os.path.join(place.run, "cert.pem")})
    doctor.well()
    check("takes 77 streams of a connection" in doctor.text, "%r", doctor.text)


@case
def apache_that_serves_few_streams_over_http2_is_found(place):
    place.certificate()
    pem = (place.run, place.run)
    site = place.behind_mod_proxy_fcgi(modules=("ssl", "http2"), edits={
        "Protocols http/1.1": "Protocols h2 http/1.1\nSSLEngine on\n"
                              "SSLCertificateFile %s/cert.pem\nSSLCertificateKeyFile %s/key.pem" % pem})
    Doctor(place, site, BRIEFLY, FEW, origin="https://localhost:%d" % site.port,
           env={"SSL_CERT_FILE": os.path.join(place.run, "cert.pem")}).finds(
        "http2-few", "works on 6 at a time", "Protocols http/1.1")


@case
def a_certificate_for_another_host_is_found(place):
    site = place.behind_nginx(tls=True)
    trust = {"SSL_CERT_FILE": os.path.join(place.run, "cert.pem")}
    Doctor(place, site, origin="https://%s:%d" % (HOST, site.port), env=trust).finds(
        "certificate", "IP address mismatch")


@case
def what_speaks_no_tls_is_unreachable_by_it(place):
    site = place.behind_lighttpd()
    Doctor(place, site, origin="https://%s:%d" % (HOST, site.port)).finds("unreachable", "https://")


@case
def a_host_that_listens_at_one_of_its_addresses_is_found(place):
    site = place.behind_lighttpd()
    Doctor(place, site, BRIEFLY, FEW, origin="http://localhost:%d" % site.port).well()


# ---- The command line -------------------------------------------------------

@case
def what_it_cannot_do_is_said(place):
    for words, status, word in (
            (["localhost/events"], USAGE, "http://"),
            ([], USAGE, "doctor"),
            (["http://localhost/", "--header=x"], USAGE, "--header"),
            (["http://localhost/", "--since=1"], USAGE, "--since"),
            (["http://localhost/", "--key-file=/nothing"], NO_INPUT, "/nothing")):
        result = place.command(place.pealctl_path, "doctor", *words)
        equal(result.returncode, status, "exit status of %r (%r)" % (words, result.stderr))
        check(word in result.stderr, "%r is not said: %r", word, result.stderr)


@case
def on_a_terminal_it_says_what_it_does(place):
    site = place.behind_lighttpd()
    with screen(place, place.pealctl_path, "doctor", "http://%s:%d/events" % (HOST, site.port),
                "--publish-url=http://%s:%d/publish" % (HOST, site.port), BRIEFLY, FEW) as shown:
        equal(shown.ended(), 0, "exit status")
        shown.shows(r"(?s)opening a stream \.\.\..*publishing \.\.\..*server: lighttpd.*all well")
        shown.shows(r"\rlistening to silence \.\.\. 1 s left\x1b\[K")
        # What was shown meanwhile is wiped: it was one line, and the report begins on it.
        check(re.match(r"[^\n]*\r\x1b\[Kserver: ", shown.text), "left behind: %r", shown.text)


if __name__ == "__main__":
    run(600)
