"""Serve the site of a run on this machine alone: a small server on the loopback address, until Ctrl-C."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from harness.errors import UserError
from harness.site.addresses import INDEX
from harness.site.live import LiveSite

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
EVERY_SECONDS = 2.0
"""The least time between two looks at the runs folder."""
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "png": "image/png",
    "zip": "application/zip",
}
OTHER = "text/plain; charset=utf-8"
LIVE = "live.json"
"""The address at which pages ask for news."""


class LiveServer:
    """A server of a site on the loopback address.

    Args:
        live: the site, which the caller has made once.
        port: 0 takes a free one.
        warn: is told each new fault of a site that cannot be made anew.
    Raises: UserError where the port is taken.
    """

    def __init__(self, live: LiveSite, port: int, warn: Callable[[str], None]) -> None:
        self._live, self._warn = live, warn
        self._ended = threading.Event()
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, live))
        except OSError as error:
            raise UserError(f"--port {port}: {error.strerror}; give another one, or 0 for any that is free") from None
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Where a browser finds the site."""
        return f"http://{LOOPBACK}:{self._server.server_port}/"

    def serve(self) -> None:
        """Serve, and look for news, until the thread is interrupted or `end` is called."""
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._ended.set()
            self._server.server_close()
            watcher.join(EVERY_SECONDS)

    def end(self) -> None:
        """End `serve`, from another thread."""
        self._server.shutdown()

    def _watch(self) -> None:
        warned = ""
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self._live.refresh()
            except Exception:  # a page is not worth the end of the server; the next look may find whole files
                log.warning("the site could not be made anew", exc_info=True)
            if self._live.fault and self._live.fault != warned:
                self._warn(self._live.fault)
            warned = self._live.fault


class _Handler(BaseHTTPRequestHandler):
    """Answers with the files of a site, from memory: no path of a request leads to the disk."""

    protocol_version = "HTTP/1.0"  # a connection for each request: none outlives the server
    server_version = "harness"

    def __init__(self, live: LiveSite, *arguments: object) -> None:
        self._live = live
        super().__init__(*arguments)  # type: ignore[arg-type]  # what the server gives to all handlers

    def do_GET(self) -> None:
        """Answer a request."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer a request for the head of an answer."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library's parameter
        """Log a request at DEBUG."""
        log.debug(format, *args)

    def _answer(self, *, with_body: bool) -> None:
        if not self._is_for_this_machine():
            self._send(HTTPStatus.FORBIDDEN, OTHER, b"this server answers its own machine alone\n", with_body=with_body)
            return
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        if path == LIVE:
            news = json.dumps({"version": self._live.version, "running": self._live.running()})
            self._send(HTTPStatus.OK, TYPES["json"], news.encode(), with_body=with_body)
            return
        path = f"{path}{INDEX}" if path.endswith("/") or not path else path
        content = self._live.site.files.get(path)
        if content is None:
            self._send(HTTPStatus.NOT_FOUND, OTHER, b"no such page\n", with_body=with_body)
        else:
            self._send(HTTPStatus.OK, TYPES.get(path.rpartition(".")[2], OTHER), content, with_body=with_body)

    def _is_for_this_machine(self) -> bool:
        """Return whether the request names this machine. A page elsewhere could else read the answers under a name of its own."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        return host in (LOOPBACK, "localhost")

    def _send(self, status: HTTPStatus, kind: str, content: bytes, *, with_body: bool) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)
