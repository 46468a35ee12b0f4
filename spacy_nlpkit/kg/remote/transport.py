"""One request over one connection: to a checked address, in bounded time, with an answer of bounded size."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlencode

from .addresses import Endpoint, resolve
from .failure import Failure
from .settings import RemoteConnection

MAX_BYTES = 2_000_000
_CHUNK = 65_536


@dataclass(frozen=True)
class Request:
    """What is asked, without the key.

    parameters: Of the address. body: Sent by POST in the format of `content_type`; None for GET. busy: Tells from an
    answer of status 200 that the service asks for a pause.
    """

    parameters: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    busy: Callable[[Any], bool] | None = None

    @property
    def identity(self) -> str:
        """The same for the same question; the cache hashes it."""
        return json.dumps([self.parameters, self.body], ensure_ascii=True)


class Reply(NamedTuple):
    """An answer as it came: status, headers (lower case), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests to one endpoint, one at a time, over a connection that stays open between them."""

    def __init__(self, endpoint: Endpoint, settings: RemoteConnection) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self._connection: Any = None
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._socket = None

    def exchange(self, request: Request, key_headers: Mapping[str, Any], deadline: float) -> Reply:
        """Send a request and read the answer whole. Redirects are not followed.

        key_headers: Headers as functions that give their value when it is sent.
        deadline (float): By `time.monotonic`.
        RAISES: Failure of kind `timeout`, `connection`, `answer` or `refused`.
        """
        if self._connection is not None:
            try:
                return self._send(request, key_headers, deadline)
            except Failure as failure:
                if failure.kind != "connection":
                    raise
        # None was open, or the service had closed it between two requests.
        self._connect(deadline)
        return self._send(request, key_headers, deadline)

    def _connect(self, deadline: float) -> None:
        from urllib3.exceptions import HTTPError

        addresses = resolve(self.endpoint, max(0.0, min(self.settings.connect_timeout, deadline - time.monotonic())))
        failure = Failure("connection", "no connection")
        for address in addresses:
            connection = self._connection_to(address, deadline)
            try:
                connection.connect()
            except (HTTPError, HTTPException, OSError, ValueError) as error:
                connection.close()
                failure = _connect_failure(error)
                continue
            self._connection, self._socket = connection, connection.sock
            return
        raise failure from None

    def _connection_to(self, address: str, deadline: float) -> Any:
        from urllib3.connection import HTTPConnection, HTTPSConnection

        left = deadline - time.monotonic()
        if left <= 0:
            raise Failure("timeout", "the time of the batch is over")
        timeout = min(self.settings.connect_timeout, left)
        if self.endpoint.scheme == "http":
            return HTTPConnection(address, self.endpoint.port, timeout=timeout)
        # The certificate is checked against the name, though the connection goes to an address.
        return HTTPSConnection(
            address,
            self.endpoint.port,
            timeout=timeout,
            cert_reqs="CERT_REQUIRED",
            server_hostname=self.endpoint.host,
        )

    def _send(self, request: Request, key_headers: Mapping[str, Any], deadline: float) -> Reply:
        """Send over the open connection, and leave it open where a next request can use it."""
        complete = False
        try:
            with self._time_limit(deadline):
                reply = self._exchange(request, key_headers, deadline)
            complete = True
            return reply
        finally:
            if not complete or self._connection.sock is None:
                self.close()

    @contextlib.contextmanager
    def _time_limit(self, deadline: float) -> Iterator[None]:
        """Cut the connection at the deadline: a service that sends a byte at a time never meets a limit of reading."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise Failure("timeout", "the time of the batch is over")
        watchdog = threading.Timer(left, _cut, [self._socket])
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        except Failure:
            if time.monotonic() >= deadline:
                raise Failure("timeout", "the time of the batch is over") from None
            raise
        finally:
            watchdog.cancel()

    def _exchange(self, request: Request, key_headers: Mapping[str, Any], deadline: float) -> Reply:
        from urllib3.exceptions import HTTPError

        query = urlencode(request.parameters)
        target = f"{self.endpoint.path}?{query}" if query else self.endpoint.path
        connection = self._connection
        connection.timeout = min(self.settings.read_timeout, max(0.01, deadline - time.monotonic()))
        try:
            connection.request(
                "GET" if request.body is None else "POST",
                target,
                body=None if request.body is None else request.body.encode("utf8"),
                headers=self._headers(request) | {name: value() for name, value in key_headers.items()},
                preload_content=False,
                decode_content=False,
            )
            response = connection.getresponse()
        except TimeoutError:
            raise Failure("timeout", "no answer in time") from None
        except (HTTPError, HTTPException, OSError, ValueError):
            raise Failure("connection", "the connection broke before an answer came") from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, headers, _read(response))

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "Host": self.endpoint.authority,
            "User-Agent": self.settings.user_agent,
            "Accept": request.accept,
            # A packed answer could grow beyond the limit of size when it is unpacked.
            "Accept-Encoding": "identity",
        }
        return headers if request.body is None else headers | {"Content-Type": request.content_type}


def _connect_failure(error: Exception) -> Failure:
    from urllib3.exceptions import ConnectTimeoutError, SSLError

    if isinstance(error, TimeoutError | ConnectTimeoutError):
        return Failure("connection", "no connection in time")
    # Python's errors of TLS are errors of the system; a wrong certificate is one of urllib3's at times.
    if isinstance(error, SSLError) or type(error).__name__.startswith("SSL"):
        return Failure("connection", "no connection by TLS (is its certificate valid for this name?)")
    return Failure("connection", "no connection")


def _read(response: Any) -> bytes:
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    too_long = Failure("answer", f"the answer is longer than {MAX_BYTES:,} bytes")
    declared = response.headers.get("Content-Length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > MAX_BYTES:
        raise too_long
    body = bytearray()
    try:
        while part := response.read(_CHUNK, decode_content=False):
            body += part
            if len(body) > MAX_BYTES:
                raise too_long
    except (TimeoutError, ReadTimeoutError):
        raise Failure("timeout", "the answer stopped in the middle") from None
    except (HTTPError, HTTPException, OSError, ValueError):
        raise Failure("answer", "the answer is cut") from None
    return bytes(body)


def _cut(connected: socket.socket) -> None:
    """Shut a connection down from another thread: who reads from it sees its end."""
    with contextlib.suppress(OSError):
        # The method of the class: that of an encrypted socket would change it while the other thread uses it.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
