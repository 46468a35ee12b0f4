"""A web service on the loopback interface that answers as it is told, and notes what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Seen:
    """A request that arrived. query: values by name. headers: names in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str
    client: tuple[str, int]
    time: float = field(default_factory=time.monotonic)


@dataclass
class Answer:
    """What is sent back.

    body: bytes as they are, anything else as JSON. declared: Content-Length other than the body's. wait: Seconds before
    anything is sent. drip: Seconds between single bytes, of the headers too. hang_up: Close without an answer.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    wait: float = 0.0
    drip: float = 0.0
    hang_up: bool = False
    keep_open: bool = True


class Service:
    """Serves at `url` while its `with` block lasts; `seen` holds all requests in order."""

    def __init__(self, behave: Callable[[Seen], Answer], certificate: Any = None) -> None:
        self.seen: list[Seen] = []
        self.behave = behave
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf8")
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = parse_qs(parts.query, keep_blank_values=True)
                seen = Seen(self.command, parts.path, query, headers, body, self.client_address)
                service.seen.append(seen)
                self.close_connection = not send(self, service.behave(seen))

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # What a client breaks off is not the service's error.
        self._server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/api"

    def __enter__(self) -> Service:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def send(handler: BaseHTTPRequestHandler, answer: Answer) -> bool:
    """Send an answer; whether the connection may stay open."""
    if answer.wait:
        time.sleep(answer.wait)
    if answer.hang_up:
        return False
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode("utf8")
    length = len(body) if answer.declared is None else answer.declared
    headers = {"Content-Type": "application/json", "Content-Length": str(length), **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    content = "\r\n".join([*lines, "", ""]).encode("latin1") + body
    if not answer.drip:
        handler.wfile.write(content)
        return answer.keep_open and length == len(body)
    for place in range(len(content)):
        handler.wfile.write(content[place : place + 1])
        time.sleep(answer.drip)
    return False
