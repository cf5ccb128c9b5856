"""Event streams, read as a strict browser would.

Source: WHATWG HTML, "Parsing an event stream" and "Interpreting an event stream".
"""

import codecs
from collections import namedtuple

Event = namedtuple("Event", "id type data")

# What peal says of the stream itself; a gap event is not of these, as it counts for the page.
OWN = ("peal:open", "peal:beat", "peal:busy", "peal:end")


class EventParser:
    """Bytes in, events out; cuts may fall anywhere.

    last_event_id is what every client would send when it comes back: the id of the
    last complete block that had data.  The standard has ids of other blocks count too,
    and so does Chromium, but not Firefox, WebKit and most libraries.  retry is the last
    one heard, in milliseconds.  comments are kept, as a heartbeat is one.
    """

    def __init__(self):
        self.last_event_id = ""
        self.retry = None
        self.comments = []
        self.blocks = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._first = True
        self._after_cr = False
        self._line = ""
        self._id = ""
        self._data = []
        self._type = ""

    def feed(self, raw):
        """Return the events that these bytes complete."""
        text = self._decoder.decode(raw)
        if not text:
            return []
        if self._first:
            self._first = False
            if text[0] == "\ufeff":
                text = text[1:]
        if self._after_cr and text:
            self._after_cr = False
            if text[0] == "\n":
                text = text[1:]
        if text.endswith("\r"):
            self._after_cr = True
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = (self._line + text).split("\n")
        self._line = lines.pop()
        events = []
        for line in lines:
            if line:
                self._field(line)
            else:
                self._dispatch(events)
        return events

    def _field(self, line):
        name, colon, value = line.partition(":")
        if colon and not name:
            self.comments.append(value)
            return
        if value.startswith(" "):
            value = value[1:]
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry":
            if value.isascii() and value.isdigit():
                self.retry = int(value)

    def _dispatch(self, events):
        self.blocks += 1
        if self._data:
            self.last_event_id = self._id
            events.append(Event(self._id, self._type or "message",
                                "\n".join(self._data)))
            self._data = []
        self._type = ""


class HttpBody:
    """The body of one HTTP/1.1 response, out of the bytes of its connection.

    status is None and headers is empty until the head has arrived.  complete is
    set where the response says itself that it has ended; a connection that
    closes without that was cut.
    """

    def __init__(self):
        self.status = None
        self.headers = {}
        self.complete = False
        self._raw = b""
        self._chunked = False
        self._left = None  # bytes left of the chunk, or of the body; None: until the end

    def feed(self, raw):
        """Return the bytes of the body that these bytes bring."""
        self._raw += raw
        if self.status is None and not self._head():
            return b""
        if not self._chunked:
            body, self._raw = self._raw, b""
            if self._left is not None:
                self._left -= len(body)
                self.complete = self._left <= 0
            return body
        return self._chunks()

    def _head(self):
        head, blank, rest = self._raw.partition(b"\r\n\r\n")
        if not blank:
            return False
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ", 2)[1])
        self.headers = read_headers(lines[1:])
        self._raw = rest
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "")
        if self._chunked:
            self._left = 0
        elif "content-length" in self.headers:
            self._left = int(self.headers["content-length"])
            self.complete = self._left == 0
        return True

    def _chunks(self):
        body = []
        raw, at = self._raw, 0
        while not self.complete:
            if self._left == 0:
                end = raw.find(b"\r\n", at)
                if end < 0:
                    break
                size = int(raw[at:end].split(b";")[0], 16)
                at = end + 2
                if size == 0:
                    self.complete = True
                    break
                self._left = size + 2
            have = min(self._left, len(raw) - at)
            if have == 0:
                break
            # The last two bytes of a chunk are its line end.
            keep = max(0, min(have, self._left - 2))
            body.append(raw[at:at + keep])
            at += have
            self._left -= have
        self._raw = raw[at:]
        return b"".join(body)


def read_headers(lines):
    """Header lines as a dictionary, names in lower case; repeated ones joined."""
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = headers[name] + ", " + value if name in headers else value
    return headers
