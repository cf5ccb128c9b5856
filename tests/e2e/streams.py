"""Event streams that are hard to read, and a server that has them."""

import http.server
import threading

from harness import HOST

# Streams, and the events in them: (type, data, last event id).
# Source: web-platform-tests, eventsource/format-*.any.js, written anew.
LONG = "x" * 2048
STREAMS = (
    ("bom", "\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n", ["1", "3"]),
    ("bom, twice", "\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]),
    ("comments", "data:1\r:\0\n:\r\ndata:2\n:" + LONG + "\rdata:3\n:data:fail\r:" + LONG + "\ndata:4\n\n",
     ["1\n2\n3\n4"]),
    ("no empty line at the end", "data:1\n\nid:test\ndata:2\n", ["1"]),
    ("data", "data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]),
    ("event", "event:t\ndata:x\n\ndata:y\n\n", [("t", "x", ""), "y"]),
    ("empty event", "event: \ndata:data\n\n", ["data"]),
    ("id", "id:1\ndata:a\n\ndata:b\n\nid\ndata:c\n\n",
     [("message", "a", "1"), ("message", "b", "1"), "c"]),
    ("id with a null", "id:1\ndata:a\n\nid:2\0\ndata:b\n\n", [("message", "a", "1"), ("message", "b", "1")]),
    ("id that is not ASCII", "id:\u2026\ndata:a\n\n", [("message", "a", "\u2026")]),
    ("parsing", "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n"
     " data:32\ndata:4\n\n", ["\0\n 2\n1\n3\n\n4"]),
    ("retry", "retry:3000\ndata:x\n\n", ["x"]),
    ("bogus retry", "retry:100x\nretry: -5\nretry\ndata:x\n\n", ["x"]),
    ("unknown", "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
     ["test\n\ntest"]),
    ("leading space", "data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]),
    ("newlines", "data:test\r\ndata\ndata:test\r\n\r\n", ["test\n\ntest"]),
    ("null character", "data:\0\n\n\n\n", ["\0"]),
    ("utf-8", "data:ok\u2026\n\n", ["ok\u2026"]),
    ("nothing but an id", "id:9\n\ndata:x\n\n", [("message", "x", "9")]),
)


class StreamServer:
    """The streams of the table, by number, and a page."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                number = self.path[1:]
                body, kind = b"<!DOCTYPE html>", "text/html"
                if number.isdigit():
                    body, kind = STREAMS[int(number)][1].encode(), "text/event-stream"
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
