"""A https server on this machine that serves as badly as it is told to."""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

__all__ = ["PORTAL", "Act", "Request", "Server"]

PORTAL = b"<html><head><title>Welcome</title></head><body>Accept our terms.</body></html>\n"


@dataclass(frozen=True)
class Act:
    """How one request is answered; what is not said is done well.

    Attributes:
        status: instead of 200 or 206.
        location: where to redirect to.
        body: another content than the file's.
        kind: the Content-Type.
        ranges: whether a Range is honoured.
        place: bytes by which the Content-Range is wrong.
        length: bytes by which the Content-Length is wrong; None to leave it out.
        total: bytes by which the size in the Content-Range is wrong.
        cut: bytes of the body after which the connection is closed.
        stall: bytes of the body after which nothing more comes.
        slow: seconds between two pieces of 16 KiB.
        endless: send zeros behind the body for ever.
        pause: bytes of the body after which `Server.open` is waited for.
        tag: the ETag.
    """

    status: int | None = None
    location: str | None = None
    body: bytes | None = None
    kind: str = "application/octet-stream"
    ranges: bool = True
    place: int = 0
    length: int | None = 0
    total: int = 0
    cut: int | None = None
    stall: int | None = None
    slow: float = 0.0
    endless: bool = False
    pause: int | None = None
    tag: str | None = None


@dataclass
class Request:
    """What was asked, and how many bytes of the body were sent."""

    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


@dataclass
class Server:
    """The files by their path, how each is served, and what was asked.

    Attributes:
        acts: for each path, answers to the requests in their order; the last one stays.
        open: lets those go on that are held back.
        trust: the file of the certificate authority, for SSL_CERT_FILE.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    acts: dict[str, list[Act]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    trust: Path = Path()
    port: int = 0

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator[Server]:
        """Serve until the end of the block; the certificate goes into the folder."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server = cls(trust=folder / "authority.pem")
        authority.cert_pem.write_to_path(str(server.trust))

        class Handler(_Handler):
            owner = server

        with _Listener(("127.0.0.1", 0), Handler) as listener:
            # The handshake is left to the thread of the connection.
            listener.socket = context.wrap_socket(
                listener.socket, server_side=True, do_handshake_on_connect=False
            )
            server.port = listener.server_address[1]
            thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield server
            finally:
                server.closing.set()
                server.open.set()
                listener.shutdown()
                thread.join()

    def serve(self, path: str, content: bytes, *acts: Act) -> str:
        """Serve a content at a path, which begins with /; its address."""
        self.files[path], self.acts[path] = content, list(acts)
        return f"https://127.0.0.1:{self.port}{path}"

    def sent(self, path: str | None = None) -> int:
        """How many bytes of bodies were sent."""
        with self.lock:
            return sum(r.sent for r in self.requests if path in (None, r.path))


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients leave, or do not trust the certificate."""


class _Handler(BaseHTTPRequestHandler):
    owner: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet."""

    def do_GET(self) -> None:
        owner = self.owner
        request = Request(self.path, self.headers["Range"], self.headers["If-Range"])
        with owner.lock:
            owner.requests.append(request)
            acts = owner.acts.get(self.path, [])
            act = acts.pop(0) if len(acts) > 1 else (acts or [Act()])[0]
        if self.path not in owner.files:
            self.send_error(404)
            return
        self._answer(act, request)

    def _answer(self, act: Act, request: Request) -> None:
        whole = self.owner.files[self.path] if act.body is None else act.body
        start = self._start(act, request)
        if start is not None and start >= len(whole):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(whole)}")
            self.end_headers()
            return
        body = whole[start or 0 :]
        self.send_response(act.status or (200 if start is None else 206))
        if act.location:
            self.send_header("Location", act.location)
        if start is not None:
            first, total = start + act.place, len(whole) + act.total
            self.send_header("Content-Range", f"bytes {first}-{len(whole) - 1}/{total}")
        if act.length is not None and not act.endless:
            self.send_header("Content-Length", str(len(body) + act.length))
        if act.tag:
            self.send_header("ETag", act.tag)
        self.send_header("Content-Type", act.kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self._send(act, body, request)

    def _start(self, act: Act, request: Request) -> int | None:
        """Where the part begins that was asked for, if one was and is given."""
        asked = re.fullmatch(r"bytes=(\d+)-", request.range or "")
        changed = request.if_range is not None and request.if_range != act.tag
        return int(asked[1]) if asked and act.ranges and not changed else None

    def _send(self, act: Act, body: bytes, request: Request) -> None:
        end = min(x for x in (act.cut, act.stall, len(body)) if x is not None)
        at = 0
        while at < end:
            if at == act.pause:
                self.owner.open.wait(60)
            stop = min(at + 16_384, end)
            if act.pause is not None and at < act.pause:
                stop = min(stop, act.pause)
            self._write(body[at:stop], request)
            at = stop
            if act.slow and self.owner.closing.wait(act.slow):
                return
        while act.endless and not self.owner.closing.is_set():
            self._write(bytes(16_384), request)
        if act.stall is not None:
            self.owner.closing.wait(60)

    def _write(self, piece: bytes, request: Request) -> None:
        self.wfile.write(piece)
        self.wfile.flush()
        with self.owner.lock:
            request.sent += len(piece)
