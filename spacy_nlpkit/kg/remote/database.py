"""The SQLite file that the cache and the limits of rate share, between threads, processes and runs."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_MEMORY = ":memory:"
_BUSY_SECONDS = 1.0
_APPLICATION = 0x6E6C706B  # "nlpk", in the header of the file
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, results TEXT NOT NULL, expires REAL NOT NULL) "
    "WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS answers_expires ON answers (expires)",
    "CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, tokens REAL NOT NULL, filled REAL NOT NULL, "
    "paused_until REAL NOT NULL, failures INTEGER NOT NULL, open_until REAL NOT NULL, reason TEXT NOT NULL) "
    "WITHOUT ROWID",
    f"PRAGMA application_id = {_APPLICATION}",
)
Result = TypeVar("Result")


class Database:
    """A SQLite file that is given up for another where it cannot be used: the work never waits for its cache."""

    def __init__(self, path: str | None, on_problem: Callable[[str, str, str], None]) -> None:
        """path (str): None for a database in memory. on_problem: Called with the file given up, why, and what is used
        in its place."""
        self._on_problem = on_problem
        self._path = _MEMORY if path is None else str(Path(path).expanduser())
        self._open: sqlite3.Connection | None = None

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `work` gives, in one transaction that writes."""
        for _ in range(3):
            try:
                return self._transaction(work)
            except (sqlite3.Error, OSError) as error:
                if self._path == _MEMORY:
                    raise
                self._give_up(error)
        return self._transaction(work)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._open is None:
            self._open = _connect(self._path)
        database = self._open
        database.execute("BEGIN IMMEDIATE")
        try:
            result = work(database)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return result

    def _give_up(self, error: Exception) -> None:
        """A damaged file is left as it is, for another beside it; one that cannot be opened, for memory."""
        path = self._path
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        aside = _aside(path)
        self._path = aside if damaged and aside != path else _MEMORY
        try:
            self.close()
        except sqlite3.Error:
            self._open = None
        self._on_problem(path, str(error), "memory" if self._path == _MEMORY else self._path)


def _aside(path: str) -> str:
    """The one name beside a file that takes its place: `cache.sqlite`, `cache-1.sqlite`, and never a third."""
    old = Path(path)
    return path if old.stem.endswith("-1") else str(old.with_name(f"{old.stem}-1{old.suffix}"))


def _connect(path: str) -> sqlite3.Connection:
    if path != _MEMORY:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # What a user looks up is for no other user to read.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # Threads take turns by the lock of the graph.
    database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _set_up(database)
    except BaseException:
        database.close()
        raise
    return database


def _set_up(database: sqlite3.Connection) -> None:
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and database.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise sqlite3.DatabaseError("it is a database of another program")
    _write_ahead(database)
    # An answer that a power cut takes is asked for again.
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        database.execute(statement)
    database.execute("COMMIT")


def _write_ahead(database: sqlite3.Connection) -> None:
    """Let readers and one writer not wait for each other."""
    for attempt in range(20):
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # Two processes that make the file at once: SQLite does not wait here by itself.
            if attempt == 19 or "locked" not in str(error):
                raise
            time.sleep(_BUSY_SECONDS / 20)
