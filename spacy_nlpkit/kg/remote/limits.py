"""How often a host may be asked, and when it is left alone: shared by all processes that share a cache file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import NamedTuple

from .database import Database
from .failure import SETUP, Failure


class _Host(NamedTuple):
    """State of a host, times as seconds since 1970: tokens in the bucket when it was last filled, failures in a row."""

    tokens: float
    filled: float
    paused_until: float = 0.0
    failures: int = 0
    open_until: float = 0.0
    reason: str = ""


class HostLimits:
    """A token bucket, pauses that the host asks for, and a circuit breaker, for one host."""

    def __init__(
        self,
        database: Database,
        host: str,
        rate: float,
        burst: int,
        breaker_failures: int,
        breaker_seconds: float,
    ) -> None:
        """rate (float): Requests a minute. burst (int): Size of the bucket. The rest: see `RemoteConnection`."""
        self._database = database
        self._host = host
        self._per_second = rate / 60
        self._burst = burst
        self._breaker_failures = breaker_failures
        self._breaker_seconds = breaker_seconds

    def reserve(self, seconds: float) -> float:
        """Take a token for one request. Returns how long to wait before it is sent, at most `seconds`.

        RAISES: Failure of kind `open` where the host is left alone, `waiting` where its turn comes too late, and
        `timeout` where no time is left; then no token is taken.
        """
        if seconds <= 0:
            raise Failure("timeout", "the time of the batch is over")
        outcome = self._database.run(lambda database: self._reserve(database, seconds))
        if isinstance(outcome, Failure):
            raise outcome
        return outcome

    def _reserve(self, database: sqlite3.Connection, seconds: float) -> float | Failure:
        now = time.time()
        host = self._read(database, now)
        # A clock that was set back must not keep the host closed for longer than was meant.
        if now < host.open_until <= now + self._breaker_seconds:
            kind = "setup" if host.reason in SETUP else "open"
            return Failure(kind, f"it failed {host.failures} times in a row, and is left alone for a while")
        tokens = min(self._burst, host.tokens + max(0.0, now - host.filled) * self._per_second)
        # A bucket below zero is a queue: who comes later waits longer.
        wait = max(0.0, (1 - tokens) / self._per_second, host.paused_until - now)
        if wait >= seconds:
            return Failure("waiting", "the limit of rate leaves no time for more requests in this batch")
        self._write(database, host._replace(tokens=tokens - 1, filled=now))
        return wait

    def failed(self, kind: str) -> None:
        """Count a failure; after too many in a row, the host is left alone for a while."""

        def count(host: _Host, now: float) -> _Host:
            failures = host.failures + 1
            opened = now + self._breaker_seconds if failures >= self._breaker_failures else 0.0
            return host._replace(failures=failures, open_until=opened, reason=kind)

        self._change(count)

    def succeeded(self) -> None:
        """Forget the failures."""
        self._change(lambda host, now: host._replace(failures=0, open_until=0.0, reason=""))

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, as the host has asked."""
        self._change(lambda host, now: host._replace(paused_until=max(host.paused_until, now + seconds)))

    def _change(self, change: Callable[[_Host, float], _Host]) -> None:
        def work(database: sqlite3.Connection) -> None:
            now = time.time()
            self._write(database, change(self._read(database, now), now))

        self._database.run(work)

    def _read(self, database: sqlite3.Connection, now: float) -> _Host:
        row = database.execute(
            "SELECT tokens, filled, paused_until, failures, open_until, reason FROM hosts WHERE host = ?", (self._host,)
        ).fetchone()
        return _Host(self._burst, now) if row is None else _Host(*row)

    def _write(self, database: sqlite3.Connection, host: _Host) -> None:
        database.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?, ?, ?)", (self._host, *host))
