"""A FastCGI client: what a web server says to peal, without the web server.

For what no server lets us say: odd variables, several connections to one worker,
the end records.  Source: FastCGI Specification, version 1.
"""

import struct

from sse import read_headers

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
KEEP_CONN = 1


def record(kind, content, request_id=1):
    return struct.pack("!BBHHBx", 1, kind, request_id, len(content), 0) + content


def pair(name, value):
    out = b""
    for text in (name, value):
        size = len(text)
        out += bytes([size]) if size < 128 else struct.pack("!I", size | 1 << 31)
    return out + name + value


def request(params, body=b"", keep=False):
    """All the bytes of one request."""
    packed = b"".join(pair(n.encode(), v.encode()) for n, v in params.items())
    out = record(BEGIN, struct.pack("!HB5x", 1, KEEP_CONN if keep else 0))
    for kind, content in ((PARAMS, packed), (STDIN, body)):
        for at in range(0, len(content), 65528):
            out += record(kind, content[at:at + 65528])
        out += record(kind, b"")
    return out


class FastcgiBody:
    """The body of one response, out of the bytes of its connection.

    Like HttpBody; complete is set by FCGI_END_REQUEST.
    """

    def __init__(self):
        self.status = None
        self.headers = {}
        self.complete = False
        self.stderr = b""
        self._raw = b""
        self._head = b""

    def feed(self, raw):
        self._raw += raw
        body = []
        while len(self._raw) >= 8 and not self.complete:
            _, kind, _, size, padding = struct.unpack("!BBHHBx", self._raw[:8])
            if len(self._raw) < 8 + size + padding:
                break
            content = self._raw[8:8 + size]
            self._raw = self._raw[8 + size + padding:]
            if kind == STDOUT:
                body.append(self._stdout(content))
            elif kind == STDERR:
                self.stderr += content
            elif kind == END:
                self.complete = True
        return b"".join(body)

    def _stdout(self, content):
        if self.status is not None:
            return content
        self._head += content
        head, blank, rest = self._head.partition(b"\r\n\r\n")
        if not blank:
            return b""
        self.headers = read_headers(head.decode("latin-1").split("\r\n"))
        self.status = int(self.headers.pop("status", "200").split()[0])
        return rest
