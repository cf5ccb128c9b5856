"""Proxies in front of a site, with the configurations of examples/PROXIES.md.

Each function starts one and returns it as a Site; inner is what it leads to.
"""

import os
import re
import shutil

from harness import EXAMPLES, HOST, check, free_port

UPSTREAM = "127.0.0.1:8080"


def block(heading, number=0):
    """The indented block of that number below a heading of the page."""
    with open(os.path.join(EXAMPLES, "PROXIES.md")) as file:
        text = file.read()
    section = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(heading), text, re.M | re.S).group(1)
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.M)
    return re.sub(r"^    ", "", blocks[number].strip("\n") + "\n", flags=re.M)


def replaced(text, **places):
    for old, new in places.items():
        check(old in text, "%r is not in: %s", old, text)
        text = text.replace(old, new)
    return text


def written(place, name, text):
    path = place.path(name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


# ---- The proxies, each in front of a site -----------------------------------

def nginx(place, inner, server):
    program = place.find("nginx")
    temp = "".join("%s_temp_path %s/outer-%s;\n" % (name, place.run, name)
                   for name in "client_body fastcgi proxy uwsgi scgi".split())

    def start(port):
        config = written(place, "outer.conf", (
            "pid %s/outer.pid;\nerror_log %s/outer.log;\nevents {}\nhttp {\naccess_log off;\n%s"
            "server {\nlisten %s:%d;\n%s}\n}\n")
            % (place.run, place.run, temp, HOST, port,
               server.replace(UPSTREAM, "%s:%d" % (HOST, inner.port))))
        return place.start("outer-nginx", [
            program, "-e", place.path("outer-start.log"), "-c", config,
            "-g", "daemon off; user %s;" % place.environment(0)["PEAL_USER"]])
    return place._serve(start)


def nginx_that_does_not_buffer(place, inner):
    return nginx(place, inner, block("nginx", 1))


def plain_nginx(place, inner):
    return nginx(place, inner, "location / { proxy_pass http://%s; }" % UPSTREAM)


def apache(place, inner):
    program = place.find("apache2")
    modules = "".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n" % (name, name)
                      for name in "mpm_event authz_core env setenvif proxy proxy_http".split())

    def start(port):
        config = written(place, "outer-apache.conf", (
            "%sListen %s:%d\nServerName localhost\nPidFile %s/outer.pid\nErrorLog %s/outer.log\n"
            "DefaultRuntimeDir %s\nMutex pthread\nUser %s\nGroup www-data\n%s")
            % (modules, HOST, port, place.run, place.run, place.run,
               place.environment(0)["PEAL_USER"],
               block("Apache").replace(UPSTREAM, "%s:%d" % (HOST, inner.port))))
        return place.start("outer-apache", [program, "-DFOREGROUND", "-f", config])
    return place._serve(start)


def lighttpd(place, inner):
    def start(port):
        config = written(place, "outer-lighttpd.conf", (
            'server.port = %d\nserver.bind = "%s"\nserver.document-root = "%s"\n%s')
            % (port, HOST, place.www, replaced(block("lighttpd"), **{"8080": str(inner.port)})))
        return place.start("outer-lighttpd", [place.find("lighttpd"), "-D", "-f", config])
    return place._serve(start)


def caddy(place, inner):
    def start(port):
        config = written(place, "outer-Caddyfile", (
            "{\n\tadmin off\n\tgrace_period 1s\n\thttp_port %d\n}\nhttp://:%d {\n\tbind %s\n\t%s}\n")
            % (free_port(), port, HOST, replaced(block("Caddy"), **{"8080": str(inner.port)})))
        env = dict(place.environment(0), XDG_DATA_HOME=place.run, XDG_CONFIG_HOME=place.run)
        return place.start("outer-caddy", [place.find("caddy"), "run", "--config", config,
                                           "--adapter", "caddyfile"], env=env, **place.as_service())
    return place._serve(start)


def haproxy(place, inner):
    def start(port):
        config = written(place, "outer.cfg", replaced(block("HAProxy"), **{
            ":80\n": "%s:%d\n" % (HOST, port), UPSTREAM: "%s:%d" % (HOST, inner.port)}))
        return place.start("outer-haproxy", [place.find("haproxy"), "-db", "-f", config])
    return place._serve(start)


def varnish(place, inner, text=None):
    program = place.find("varnishd")

    def start(port):
        vcl = written(place, "outer.vcl", replaced(text or block("Varnish"), **{
            '"8080"': '"%d"' % inner.port}))
        return place.start("varnish", [program, "-F", "-j", "none", "-f", vcl, "-s", "malloc,16M",
                                       "-a", "%s:%d" % (HOST, port), "-n", place.path("varnish")])
    return place._serve(start)


def squid(place, inner, text=None):
    program = place.find("squid")

    def start(port):
        config = written(place, "squid.conf", replaced(text or block("Squid"), **{
            "http_port 80 ": "http_port %s:%d " % (HOST, port),
            "127.0.0.1 parent 8080": "127.0.0.1 parent %d" % inner.port}) + (
                "pid_filename %s/squid.pid\ncache_log %s/squid-cache.log\naccess_log none\n"
                "coredump_dir %s\nshutdown_lifetime 1 second\nvisible_hostname localhost\n"
                "pinger_enable off\ncache_effective_user %s\n")
            % (place.run, place.run, place.run, place.environment(0)["PEAL_USER"]))
        return place.start("squid", [program, "-N", "-n", "peal%d" % port, "-f", config])
    return place._serve(start)


def traffic_server(place, inner):
    program = place.find("traffic_server")
    root = place.path("trafficserver")
    shutil.copytree("/etc/trafficserver", os.path.join(root, "etc"))
    for name in ("log", "run", "cache"):
        os.mkdir(os.path.join(root, name))
    written(place, "trafficserver/etc/remap.config", replaced(block("Traffic Server"), **{
        UPSTREAM: "%s:%d" % (HOST, inner.port)}))
    written(place, "trafficserver/etc/storage.config", "%s/cache 16M\n" % root)
    runroot = written(place, "trafficserver/runroot.yaml", (
        "prefix: {0}\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/bin\n"
        "sysconfdir: {0}/etc\ndatadir: {0}/cache\nincludedir: /usr/include\n"
        "libdir: /usr/lib/trafficserver\nlibexecdir: /usr/lib/trafficserver/modules\n"
        "localstatedir: {0}/run\nruntimedir: {0}/run\nlogdir: {0}/log\ncachedir: {0}/cache\n"
        "mandir: /usr/share/man\ninfodir: /usr/share/info\n").format(root))
    if place.user is not None:
        for folder, _, names in os.walk(root):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                os.chown(path, place.user, place.group)

    def start(port):
        with open("/etc/trafficserver/records.config") as file:
            records = file.read()
        records = re.sub(r"(http\.server_ports STRING) .*", r"\1 %d:ip-in=%s" % (port, HOST), records)
        records += "CONFIG proxy.config.admin.user_id STRING \n"
        written(place, "trafficserver/etc/records.config", records)
        return place.start("traffic_server", [program], env=dict(
            place.environment(0), TS_RUNROOT=runroot), **place.as_service())
    return place._serve(start)


PROXIES = {
    "nginx": plain_nginx,
    "nginx_that_does_not_buffer": nginx_that_does_not_buffer,
    "apache": apache,
    "lighttpd": lighttpd,
    "caddy": caddy,
    "haproxy": haproxy,
    "varnish": varnish,
    "squid": squid,
    "traffic_server": traffic_server,
}
