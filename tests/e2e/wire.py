"""A wire between a browser and a daemon that a test can cut: a proxy for the browser."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: what is on its way is lost
PIECE = 64 * 1024


class Wire:
    """Forwards what the browser asks for; `cut` ends every tunnel of a WebSocket without a word."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tunnels: set[tuple[socket.socket, socket.socket]] = set()
        self.is_down = False  # whether new connections are refused
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """For the browser."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> int:
        """Cut now, in the middle of whatever is sent; gives the number of tunnels that were."""
        with self._lock:
            cut = list(self._tunnels)
        for pair in cut:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    end.shutdown(socket.SHUT_RD)  # wakes the thread, which closes both
        return len(cut)

    def close(self) -> None:
        """Take no more connections and end those there are."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                browser, _ = self._listener.accept()
                if self.is_down:
                    browser.close()
                    continue
                threading.Thread(target=self._serve, args=(browser,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with browser, contextlib.suppress(OSError):
            first = browser.recv(PIECE)
            with socket.create_connection(self._target) as daemon:
                is_tunnel = first.startswith(b"CONNECT ")
                if is_tunnel:
                    browser.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    daemon.sendall(first)
                pair = browser, daemon
                if is_tunnel:
                    with self._lock:
                        self._tunnels.add(pair)
                try:
                    _forward(*pair)
                finally:
                    with self._lock:
                        self._tunnels.discard(pair)


def _forward(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until one of them ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, (one, other))
        selector.register(other, selectors.EVENT_READ, (other, one))
        while True:
            for key, _ in selector.select():
                source, target = key.data
                data = source.recv(PIECE)
                if not data:
                    return
                target.sendall(data)
