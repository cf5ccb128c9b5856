#!/usr/bin/env python3
"""What examples/QUICKSTART.md says to do with a site that is there, in Debian's own layout."""

import os
import re
import shutil
import subprocess

from harness import EXAMPLES, HOST, SOURCE, Skipped, case, check, equal, free_port, run

# What Debian enables when it installs Apache.
APACHE_MODULES = ("access_compat alias auth_basic authn_core authn_file authz_core authz_host "
                  "authz_user autoindex deflate dir env filter mime negotiation reqtimeout "
                  "setenvif status").split()


def commands(heading):
    """The indented commands below a heading, as a shell would get them."""
    with open(os.path.join(EXAMPLES, "QUICKSTART.md")) as file:
        text = file.read()
    section = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(heading), text, re.M | re.S).group(1)
    return "\n".join(line[4:] for line in section.split("\n") if line.startswith("    "))


def shell(place, script, **env):
    """Run commands as they stand, from the source's folder."""
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=SOURCE, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          env=dict(place.environment(0), **env))
    check(done.returncode == 0, "%s\n%s", script, done.stdout)


def in_its_place(script, **places):
    """Commands with other folders, and without what needs root or a running system."""
    script = script.replace("sudo ", "")
    script = re.sub(r"^.*(apt-get|systemctl|lighty-enable-mod|install -d).*\n?", "", script, flags=re.M)
    for old, new in places.items():
        check(old in script, "%r is not in: %s", old, script)
        script = script.replace(old, new)
    return script


def apache_site(place, mpm, module="fcgid"):
    """An Apache as Debian installs it, in a folder of ours; the quickstart's commands are run."""
    program = place.find("apache2")
    place.find("a2enmod")
    if not os.path.exists("/usr/lib/apache2/modules/mod_%s.so" % module):
        raise Skipped("mod_%s is not installed" % module)
    etc = place.path("apache2")
    for folder in ("mods-available", "conf-available"):
        shutil.copytree(os.path.join("/etc/apache2", folder), os.path.join(etc, folder), symlinks=True)
    for folder in ("mods-enabled", "conf-enabled", "sites-enabled", "sites-available"):
        os.mkdir(os.path.join(etc, folder))
    for name in ("apache2.conf", "envvars", "magic"):
        shutil.copy(os.path.join("/etc/apache2", name), etc)
    env = {"APACHE_CONFDIR": etc, "APACHE_RUN_DIR": place.run, "APACHE_LOG_DIR": place.run,
           "APACHE_LOCK_DIR": place.run, "APACHE_PID_FILE": os.path.join(place.run, "apache.pid"),
           "APACHE_RUN_USER": place.environment(0)["PEAL_USER"], "APACHE_RUN_GROUP": "www-data"}
    shell(place, "a2enmod --quiet mpm_%s %s" % (mpm, " ".join(APACHE_MODULES)), **env)
    if module == "fcgid":
        with open(os.path.join(etc, "apache2.conf"), "a") as file:
            # So that it meets no other Apache of this machine.
            file.write("\nFcgidIPCDir %s/fcgid\nFcgidProcessTableFile %s/fcgid/shm\n"
                       % (place.run, place.run))

    script = in_its_place(commands("Apache with mod_" + module), **{"/etc/apache2": etc})
    shell(place, script, **env)
    with open(os.path.join(etc, "conf-available", "peal.conf")) as file:
        text = file.read()
    places = {"fcgid": (("Define PEAL_FCGI  /usr/local/sbin/peal.fcgi", place.peal_fcgi),
                        ("Define PEAL_ARENA /dev/shm/peal-33/arena", place.arena)),
              "proxy_fcgi": (("Define PEAL_RUN   /run/peal", place.run),)}[module]
    users = ("Define PEAL_USERS /etc/apache2/peal.users", os.path.join(place.run, "htpasswd"))
    for old, new in places + (users,):
        check("\n%s\n" % old in text, "no %s in peal.conf", old)
        text = text.replace(old, " ".join(old.split()[:2] + [new]))
    with open(os.path.join(etc, "conf-available", "peal.conf"), "w") as file:
        file.write(text)

    def start(port):
        with open(os.path.join(etc, "ports.conf"), "w") as file:
            file.write("Listen %s:%d\n" % (HOST, port))
        with open(os.path.join(etc, "sites-enabled", "000-default.conf"), "w") as file:
            file.write("<VirtualHost *:%d>\nDocumentRoot %s\n</VirtualHost>\n"
                       "<Directory %s>\nRequire all granted\n</Directory>\n"
                       % (port, place.www, place.www))
        done = place.command(program, "-d", etc, "-f", "apache2.conf", "-t", env=env)
        equal(done.returncode, 0, "configtest: " + done.stderr)
        return place.start("apache", [program, "-d", etc, "-f", "apache2.conf", "-DFOREGROUND"],
                           env=dict(place.environment(port), **env))
    return place._serve(start)


def works(site):
    stream = site.subscribe("demo")
    equal(site.publish("demo", "hello", "news")["subscribers"], 1, "subscribers")
    equal((stream.next()[1:]), ("news", '"hello"'), "the event")
    equal(site.status()["totals"]["published"], 1, "published")
    equal(site.get("/mine").status, 401, "without a name")
    equal(site.post("{}", path="/events").status, 403, "publishing where it is not allowed")
    check(b"new Peal(" in site.get("/demo.html").body, "the demo page is not served")


@case
def apache_with_the_event_mpm(place):
    works(apache_site(place, "event"))


@case
def apache_with_the_prefork_mpm(place):
    works(apache_site(place, "prefork"))


@case
def apache_beside_peal(place):
    place.start_peal()
    works(apache_site(place, "event", "proxy_fcgi"))


def lighttpd_site(place, heading, config):
    program = place.find("lighttpd")
    etc = place.path("lighttpd")
    shutil.copytree("/etc/lighttpd/conf-available", os.path.join(etc, "conf-available"))
    os.mkdir(os.path.join(etc, "conf-enabled"))
    script = commands("lighttpd, which starts peal")
    places = {"/etc/lighttpd": etc, "/var/cache/lighttpd/peal": place.run,
              "/dev/shm/peal-33/arena": place.arena, "/usr/local/sbin/peal.fcgi": place.peal_fcgi}
    if config != "lighttpd-spawned.conf":
        places = {"/etc/lighttpd": etc, "/run/peal/peal.sock": place.socket}
        script = script.replace("lighttpd-spawned.conf", config).replace(
            "\n".join(line for line in script.split("\n") if line.startswith("  echo 'var")),
            "\n".join(line for line in commands(heading).split("\n") if line.startswith("  echo 'var")))
    script = re.sub(r"^lighttpd -tt.*$", "", in_its_place(script, **places), flags=re.M)
    shell(place, script)
    for name in ("05-auth", "05-setenv", "10-fastcgi", "50-peal"):
        os.symlink("../conf-available/%s.conf" % name,
                   os.path.join(etc, "conf-enabled", name + ".conf"))

    def start(port):
        with open("/etc/lighttpd/lighttpd.conf") as file:
            text = file.read()
        for old, new in (("/etc/lighttpd", etc), ("/var/www/html", place.www),
                         ("/var/log/lighttpd", place.run), ("/run/lighttpd.pid", place.run + "/pid"),
                         ("/var/cache/lighttpd", place.run)):
            text = text.replace(old, new)
        text = re.sub(r"^server\.port .*$", "server.port = %d\nserver.bind = \"%s\"" % (port, HOST),
                      text, flags=re.M)
        text = re.sub(r"^include_shell .*use-ipv6.*$", "", text, flags=re.M)
        path = os.path.join(etc, "lighttpd.conf")
        with open(path, "w") as file:
            file.write(text)
        done = place.command(program, "-tt", "-f", path)
        equal(done.returncode, 0, "lighttpd -tt: " + done.stderr)
        return place.start("lighttpd", [program, "-D", "-f", path], env=place.environment(port))
    return place._serve(start)


@case
def lighttpd_that_starts_peal(place):
    works(lighttpd_site(place, "lighttpd, which starts peal", "lighttpd-spawned.conf"))


@case
def lighttpd_beside_peal(place):
    place.start_peal()
    works(lighttpd_site(place, "lighttpd, and peal by itself", "lighttpd.conf"))


@case
def nginx_beside_peal(place):
    program = place.find("nginx")
    place.start_peal()
    etc = place.path("nginx")
    for folder in ("conf.d", "snippets", "sites-enabled"):
        os.makedirs(os.path.join(etc, folder))
    shell(place, in_its_place(commands("nginx"), **{"/etc/nginx/conf.d": etc + "/conf.d",
                                                    "/etc/nginx/snippets": etc + "/snippets",
                                                    "/etc/nginx/peal.users": etc + "/peal.users"}))
    with open(os.path.join(etc, "conf.d", "peal.conf"), "r+") as file:
        text = file.read()
        check("unix:/run/peal/peal.sock" in text, "no socket in peal.conf")
        file.seek(0)
        file.write(text.replace("/run/peal/peal.sock", place.socket))
        file.truncate()

    def start(port):
        # What Debian has enabled, with other places.
        with open("/etc/nginx/nginx.conf") as file:
            text = re.sub("/etc/nginx/(conf.d|sites-enabled|modules-enabled)", etc + r"/\1", file.read())
        for old, new in (("/run/nginx.pid", place.path("nginx.pid")), ("/var/log/nginx", place.run),
                         ("http {", "http {\n" + "".join("%s_temp_path %s/%s;\n" % (name, place.run, name)
                          for name in "client_body fastcgi proxy uwsgi scgi".split()))):
            check(old in text, "no %s in nginx.conf", old)
            text = text.replace(old, new)
        path = os.path.join(etc, "nginx.conf")
        with open(path, "w") as file:
            file.write(text)
        with open(os.path.join(etc, "sites-enabled", "default"), "w") as file:
            file.write("server {\n\tlisten %s:%d;\n\troot %s;\n\tinclude %s/snippets/peal.conf;\n}\n"
                       % (HOST, port, place.www, etc))
        return place.start("nginx", [program, "-e", place.path("nginx-start.log"), "-c", path,
                                     "-g", "daemon off;"], env=place.environment(port))
    works(place._serve(start))


@case
def caddy_beside_peal(place):
    place.find("caddy")
    place.start_peal()
    etc = place.path("caddy")
    os.mkdir(etc)
    os.chmod(etc, 0o755)
    shell(place, in_its_place(commands("Caddy"), **{"/etc/caddy": etc}), HOME=place.run)
    path = os.path.join(etc, "Caddyfile")

    def start(port):
        with open(path, "w") as file:
            file.write("{\n\tadmin off\n\tgrace_period 3s\n\thttp_port %d\n}\nimport peal.conf\n"
                       "http://:%d {\n\tbind %s\n\troot * %s\n\timport peal_mounts\n\tfile_server\n}\n"
                       % (free_port(), port, HOST, place.www))
        return place.start("caddy", [place.find("caddy"), "run", "--config", path, "--adapter",
                                     "caddyfile"], **place.as_service(),
                           env=dict(place.environment(port), XDG_DATA_HOME=place.run,
                                    XDG_CONFIG_HOME=place.run))
    works(place._serve(start))


@case
def haproxy_beside_peal(place):
    program = place.find("haproxy")
    if place.user is None:
        raise Skipped("only root can chroot")
    etc, jail = place.path("haproxy"), place.path("jail")
    for folder in (os.path.join(etc, "errors"), jail):
        os.makedirs(folder)
    # As SocketGroup=haproxy has it.
    os.chmod(jail, 0o777)
    place.start_peal("--socket-mode=0666", listen=os.path.join(jail, "peal.sock"))
    path = os.path.join(etc, "haproxy.cfg")
    with open("/etc/haproxy/haproxy.cfg") as file:
        text = file.read()
    for old, new in (("/var/lib/haproxy", jail), ("/run/haproxy/admin.sock", place.path("admin.sock")),
                     ("\tdaemon\n", "")):
        check(old in text, "no %s in haproxy.cfg", old)
        text = text.replace(old, new)
    with open(path, "w") as file:
        file.write(text)
    script = re.sub(r"^(printf|    tee .*peal.socket|haproxy -c).*\n?", "",
                    in_its_place(commands("HAProxy")), flags=re.M)
    with open(os.path.join(etc, "frontend"), "w") as file:
        file.write("frontend site\n")
    script = script.rstrip().replace("/etc/haproxy", etc) + " >>%s/frontend\n" % etc
    shell(place, script)

    def start(port):
        with open(os.path.join(etc, "frontend")) as file:
            frontend = file.read()
        config = os.path.join(etc, "whole.cfg")
        with open(path) as file:
            text = file.read()
        with open(config, "w") as file:
            file.write("%s\n%s    bind %s:%d\n    default_backend site\nbackend site\n"
                       "    http-request return status 200 content-type text/html file %s\n"
                       % (text, frontend, HOST, port, os.path.join(place.www, "demo.html")))
        done = place.command(program, "-c", "-f", config)
        equal(done.returncode, 0, "haproxy -c: " + done.stderr)
        return place.start("haproxy", [program, "-W", "-f", config], env=place.environment(port))
    works(place._serve(start))


if __name__ == "__main__":
    run(quick=1)
