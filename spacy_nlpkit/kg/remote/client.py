"""Requests with all that a good guest minds: limits of rate, pauses asked for, attempts again, and giving up."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from .failure import RETRIED, Failure
from .limits import HostLimits
from .secret import Secret
from .transport import Reply, Request, Transport

MAX_RETRY_AFTER = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0


class Client:
    """Sends requests to one service and gives their answers as JSON."""

    def __init__(self, transport: Transport, limits: HostLimits) -> None:
        self._transport = transport
        self._limits = limits

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._transport.close()

    def send(self, request: Request, key: Secret | None, key_header: tuple[str, str], deadline: float) -> Any:
        """The answer to a request, read from JSON.

        key_header: Name of the header of the key, and what stands before it in the header.
        deadline (float): By `time.monotonic`, for all attempts and waits together.
        RAISES: Failure.
        After 429, 5xx and failed connections, the request is sent again, up to the number of retries: after the time
        that the service asks for (`Retry-After`, at most a minute), or a random one of up to 0.5, 1, 2, ... seconds
        ("full jitter", which keeps many clients apart).
        """
        last: Failure | None = None
        for attempt in range(self._transport.settings.retries + 1):
            try:
                time.sleep(self._limits.reserve(deadline - time.monotonic()))
            except Failure as failure:
                raise (last or failure) from None
            try:
                answer = self._attempt(request, key, key_header, deadline)
            except Failure as failure:
                self._limits.failed(failure.kind)
                if failure.kind not in RETRIED:
                    raise
                last = failure
                self._pause(failure, attempt, deadline)
            else:
                self._limits.succeeded()
                return answer
        assert last is not None
        raise last

    def _attempt(self, request: Request, key: Secret | None, key_header: tuple[str, str], deadline: float) -> Any:
        headers = {}
        if key is not None:
            name, prefix = key_header
            headers[name] = lambda: f"{prefix}{key.reveal()}"
        reply = self._transport.exchange(request, headers, deadline)
        _check_status(reply)
        body = reply.body if key is None else key.redact(reply.body)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise Failure("answer", "the answer is not JSON") from None
        if request.busy is not None and request.busy(answer):
            raise Failure("busy", "it asks for a pause", _retry_after(reply.headers))
        return answer

    def _pause(self, failure: Failure, attempt: int, deadline: float) -> None:
        if failure.retry_after is not None:
            # For every process that asks this host: the next reservation waits.
            self._limits.pause(failure.retry_after)
            return
        pause = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))
        if attempt < self._transport.settings.retries and time.monotonic() + pause < deadline:
            time.sleep(pause)


def _check_status(reply: Reply) -> None:
    """RAISES: Failure for every status but 200, by its kind; its text is not quoted, since it may echo the request."""
    status = reply.status
    if status == 200:
        return
    problem = f"HTTP status {status}"
    if status in (400, 401, 403):
        raise Failure("setup", f"{problem}; is the API key right, and may it use this service?")
    if 300 <= status < 400:
        raise Failure("answer", f"{problem}; redirects are not followed, so name the new address as `endpoint`")
    if status == 429:
        raise Failure("busy", problem, _retry_after(reply.headers))
    if status >= 500:
        raise Failure("server", problem, _retry_after(reply.headers))
    raise Failure("answer", problem)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait, given as a number or a date; None where it gives none that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(MAX_RETRY_AFTER, float(text[:9]))
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(MAX_RETRY_AFTER, max(0.0, seconds))
