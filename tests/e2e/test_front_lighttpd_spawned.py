#!/usr/bin/env python3
"""examples/lighttpd-spawned.conf."""

from frontend import Front, suite
from harness import Place, run

suite(Front(
    "lighttpd_spawned", Place.spawned_by_lighttpd,
    spawned=True,
    heartbeats=0,
    php={},
    http2_streams=8,
    impatient={"server.max-fds ": "server.max-write-idle = 1\nserver.max-fds "},
    reload_cuts={'timeout" => 2': 'timeout" => 1'},
    compressing={"edits": {
        '"mod_setenv",': '"mod_deflate", "mod_setenv",',
        "server.max-fds ": 'deflate.mimetypes = ("text/html", "text/event-stream")\n'
                           'deflate.allowed-encodings = ("gzip")\nserver.max-fds '}}))

if __name__ == "__main__":
    run()
