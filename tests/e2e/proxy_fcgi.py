"""Apache's mod_proxy_fcgi in front of a peal that listens: it passes bodies on as they come."""

import os

from harness import HOST, Skipped

APACHE = """
ServerRoot "/usr/lib/apache2"
ServerName localhost
DefaultRuntimeDir "%(run)s"
PidFile "%(run)s/apache.pid"
ErrorLog "%(run)s/apache-error.log"
Listen %(host)s:%(port)d
User %(user)s
Group www-data
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule env_module modules/mod_env.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so
DocumentRoot "%(www)s"
SetEnv PEAL_ROLES "subscribe publish"
ProxyPass "/" "unix:%(socket)s|fcgi://peal/" flushpackets=on timeout=3600
"""



def behind_proxy_fcgi(place):
    """A site whose paths are all peal's, for subscribing and publishing."""
    program = place.find("apache2")
    if not os.path.exists("/usr/lib/apache2/modules/mod_proxy_fcgi.so"):
        raise Skipped("mod_proxy_fcgi is not installed")

    def start(port):
        user = place.environment(port)["PEAL_USER"]
        path = place.write("apache.conf", APACHE % dict(
            run=place.run, host=HOST, port=port, www=place.www, socket=place.socket, user=user))
        return place.start("apache", [program, "-DFOREGROUND", "-f", path],
                           env=place.environment(port))
    return place._serve(start)
