"""A client of HTTP/2 whose streams share one connection, as a browser's do.

Stands on python3-h2, which keeps to RFC 9113 and raises where a server does not.
"""

import sys
import threading

# Where Debian keeps it, for a python3 that is not Debian's.
sys.path.append("/usr/lib/python3/dist-packages")

import h2.config
import h2.connection
import h2.errors
import h2.events

from sse import read_headers


class Body:
    """What Stream wants to know of a response, here told frame by frame."""

    def __init__(self):
        self.status = None
        self.headers = {}
        self.complete = False

    def head(self, pairs):
        fields = ["%s: %s" % pair for pair in pairs if not pair[0].startswith(":")]
        self.status = int(dict(pairs)[":status"])
        self.headers = read_headers(fields)

    @staticmethod
    def feed(raw):
        return raw


class Connection:
    """One connection; arrive(stream, raw, closed) is called for what comes on a stream."""

    body = Body

    def __init__(self, sock, scheme, arrive):
        self._sock = sock
        self._scheme = scheme
        self._arrive = arrive
        self._lock = threading.Lock()
        self._streams = {}
        self.goodbye = None  # the error code of GOAWAY, when the server has said it
        config = h2.config.H2Configuration(header_encoding="utf-8")
        self._http = h2.connection.H2Connection(config)
        self._http.initiate_connection()
        self._flush()
        sock.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def get(self, path, headers, stream):
        """Ask for a path; returns its number.  stream.body is a Body."""
        with self._lock:
            number = self._http.get_next_available_stream_id()
            self._streams[number] = stream
            fields = [(":method", "GET"), (":scheme", self._scheme), (":authority", "localhost"),
                      (":path", path), ("accept", "text/event-stream")]
            fields += [(name.lower(), value) for name, value in headers.items()]
            self._http.send_headers(number, fields, end_stream=True)
            self._flush()
        return number

    def reset(self, number):
        """Let go of one stream, as a browser does with a tab that is closed."""
        with self._lock:
            if self._streams.pop(number, None):
                self._http.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
                self._flush()

    def _flush(self):
        self._sock.sendall(self._http.data_to_send())

    def _read(self):
        while True:
            try:
                raw = self._sock.recv(65536)
            except OSError:
                raw = b""
            with self._lock:
                told = [self._heard(event) for event in self._http.receive_data(raw)] if raw else []
                try:
                    self._flush()
                except OSError:
                    raw = b""
                left = list(self._streams.values())
            for word in told:
                if word:
                    self._arrive(*word)
            if not raw:
                for stream in left:
                    self._arrive(stream, b"", True)
                return

    def _heard(self, event):
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goodbye = event.error_code
            return None
        stream = self._streams.get(getattr(event, "stream_id", None))
        if stream is None:
            return None
        if isinstance(event, h2.events.ResponseReceived):
            stream.body.head(event.headers)
            return stream, b"", False
        if isinstance(event, h2.events.DataReceived):
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            return stream, event.data, False
        if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            del self._streams[event.stream_id]
            stream.body.complete = isinstance(event, h2.events.StreamEnded)
            return stream, b"", True
        return None
