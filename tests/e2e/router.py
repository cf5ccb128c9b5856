"""A way to a server that sees what passes, and can do to connections what networks do."""

import contextlib
import socket
import threading

from harness import HOST, connect


class Router:
    """A port of its own that leads to another one.

    failures is how often somebody came while nobody was there.
    """

    def __init__(self, to):
        self._to = to
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        self._forgotten = set()
        self._seen = bytearray()  # what has come from the server
        self._open = threading.Event()
        self._open.set()
        self.failures = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                self._open.wait()
                try:
                    far = connect(self._to)
                except OSError:
                    near.close()
                    self.failures += 1
                    continue
                for sock in (near, far):
                    sock.settimeout(None)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [near, far]
                for one, other, seen in ((near, far, bytearray()), (far, near, self._seen)):
                    threading.Thread(target=self._pass, args=(one, other, seen), daemon=True).start()

    def _pass(self, one, other, seen):
        piece = b"-"
        with contextlib.suppress(OSError):
            while piece:
                piece = one.recv(65536)
                if one in self._forgotten:
                    continue
                seen += piece
                if piece:
                    other.sendall(piece)
        if one not in self._forgotten:
            for sock in (one, other):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def count(self, what):
        """How often the server has said so."""
        return bytes(self._seen).count(what)

    def forget(self):
        """Connections that are open stay so, and nothing passes any more."""
        self._forgotten = set(self._sockets)

    def cut(self):
        """Connections that are open end; new ones wait for join()."""
        self._open.clear()
        self._end_all()

    def join(self):
        self._open.set()

    def _end_all(self):
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._open.set()
        self._end_all()
        for sock in self._sockets:
            sock.close()
