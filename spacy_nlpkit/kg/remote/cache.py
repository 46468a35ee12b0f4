"""Answers that were given before, with a day on which they expire."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence

from .answers import MalformedError, RemoteResult, from_json, to_json
from .database import Database

# Part of every key: another form of the stored answers gets another number.
_FORMAT = 1
_DAY = 86_400.0
# How much of the answers goes at once where the file has grown too large.
_SHARE_DROPPED = 0.1


class AnswerCache:
    """Results by a hash of what was asked; neither the text nor the key of the service is in the file."""

    def __init__(self, database: Database, hit_days: float, miss_days: float, megabytes: float) -> None:
        self._database = database
        self._hit_seconds = hit_days * _DAY
        self._miss_seconds = miss_days * _DAY
        self._max_bytes = megabytes * 1e6

    @staticmethod
    def key(source: str, url: str, identity: str) -> str:
        """The key of a question: SHA-256 of who reads the answer, the address, and the parameters without API key."""
        return hashlib.sha256(json.dumps([_FORMAT, source, url, identity]).encode("ascii")).hexdigest()

    def read(self, keys: Sequence[str]) -> dict[str, list[RemoteResult]]:
        """The answers that are stored and have not expired, by their keys."""
        now = time.time()

        def select(database: sqlite3.Connection) -> dict[str, str]:
            rows = {}
            for key in keys:
                statement = "SELECT results FROM answers WHERE key = ? AND expires > ?"
                row = database.execute(statement, (key, now)).fetchone()
                if row is not None:
                    rows[key] = row[0]
            return rows

        found = {}
        for key, text in self._database.run(select).items():
            try:
                found[key] = from_json(json.loads(text))
            except (ValueError, MalformedError):
                continue  # asked for again, and written over
        return found

    def write(self, answers: Mapping[str, Sequence[RemoteResult]]) -> None:
        """Store answers. Where the file grows too large, those that expire first go."""
        now = time.time()
        rows = [
            (key, json.dumps(to_json(results)), now + (self._hit_seconds if results else self._miss_seconds))
            for key, results in answers.items()
        ]

        def insert(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", rows)
            if _bytes_used(database) > self._max_bytes:
                database.execute("DELETE FROM answers WHERE expires <= ?", (now,))
            while _bytes_used(database) > self._max_bytes:
                count = database.execute("SELECT count(*) FROM answers").fetchone()[0]
                if not count:
                    break
                database.execute(
                    "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY expires, key LIMIT ?)",
                    (int(count * _SHARE_DROPPED) + 1,),
                )

        self._database.run(insert)


def _bytes_used(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
