#!/usr/bin/env python3
"""examples/nginx.conf."""

from frontend import ABOUT_THE_BACKEND, Front, suite
from harness import Place, basic, case, equal, run

FACTS = {
    "tells_mount": False,
    "heartbeats": 0,
    "impatient": {"fastcgi_read_timeout 60s;": "fastcgi_read_timeout 1s;"},
    "reload_cuts": {"worker_shutdown_timeout 1h;": "worker_shutdown_timeout 1s;"},
    "when_away": "come back",
    "http2": {"tls": True},
    "compressing": {"edits": {"access_log    off;": "access_log off; gzip on; gzip_types *;"}},
    "careless": {"gzip off;": "", "gzip                 off;": ""},
}
suite(Front("nginx", Place.behind_nginx, **FACTS))
suite(Front("nginx_tcp", Place.behind_nginx, more={"tcp": True}, **FACTS), *ABOUT_THE_BACKEND)
suite(Front("nginx_keepalive", Place.behind_nginx, more={"keepalive": True}, **FACTS),
      *ABOUT_THE_BACKEND)


@case
def without_auth_basic_any_name_is_believed(place):
    # Why the file says to keep it together with PEAL_CHANNEL.
    site = place.behind_nginx(edits={'auth_basic           "peal";': ""})
    site.subscribe(path="/mine", headers=basic("alice", "anything"))
    equal(site.publish("user-alice", 1)["subscribers"], 1, "subscribers of alice's channel")


if __name__ == "__main__":
    run()
