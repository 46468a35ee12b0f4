"""A graph in a folder: records in SQLite, opened read-only and immutable, all else as memory-mapped arrays.

Python's own `sqlite3` has neither a server nor a dependency. Every value reaches it as a parameter.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import Errors, NlpkitError
from .columns import ColumnGraph
from .folder import DATABASE, META, open_arrays, read_meta, verify_files
from .graph import Alias, Entity

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entity (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, label TEXT NOT NULL, types TEXT NOT NULL, description TEXT NOT NULL,
    prior REAL NOT NULL, xref TEXT NOT NULL
);
CREATE TABLE alias (
    number INTEGER PRIMARY KEY, entity INTEGER NOT NULL, text TEXT NOT NULL, kind TEXT NOT NULL, prior REAL,
    language TEXT NOT NULL, exchange TEXT NOT NULL, first_day TEXT, last_day TEXT
);
CREATE TABLE edge (
    number INTEGER PRIMARY KEY, entity INTEGER NOT NULL, relation TEXT NOT NULL, target TEXT NOT NULL
);
CREATE INDEX edge_entity ON edge (entity);
"""
_READ_AT_ONCE = 500


class _Connection(sqlite3.Connection):
    """Closes itself where a thread or process that opened it ends."""

    def __del__(self) -> None:
        self.close()


class SqliteGraph(ColumnGraph):
    """A `KnowledgeGraph` in a folder that `build-kb` made; nothing of it is read before it is asked for.

    Pickled, it is its path and content hash; in another process or thread it opens its files anew.
    path: The folder; it may be read-only.
    RAISES: N154 where there is no graph, N155 where it has another schema, N156 where a file is missing or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        self._folder = read_meta(self.path)
        arrays = open_arrays(self.path, self._folder)
        try:
            super().__init__(self._folder.graph, self._folder.kinds, self._folder.type_names, arrays)
        except KeyError as error:
            raise NlpkitError(Errors.N156.format(path=self.path / META, problem=f"it lacks {error}")) from error
        self._threads = threading.local()
        # Found out now, not in the middle of a pipeline's work.
        self._connection()

    def __reduce__(self) -> tuple[Any, ...]:
        return reopen, (str(self.path), self.meta.content_hash)

    def verify(self) -> None:
        """Compare all files with the hashes of `meta.json`; reads them whole.

        RAISES: N156 for a file that is not what was built.
        """
        verify_files(self.path, self._folder)

    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread in this process."""
        if getattr(self._threads, "process", None) != os.getpid():
            self._threads.connection = self._connect()
            self._threads.process = os.getpid()
        connection: sqlite3.Connection = self._threads.connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        uri = f"{(self.path / DATABASE).as_uri()}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(uri, uri=True, factory=_Connection, check_same_thread=False)
            found = connection.execute("SELECT value FROM meta WHERE key = ?", ("content_hash",)).fetchone()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        if found != (self.meta.content_hash,):
            raise _changed(self.path, found[0] if found else None, self.meta.content_hash)
        return connection

    def _damaged(self, error: sqlite3.Error) -> NlpkitError:
        return NlpkitError(Errors.N156.format(path=self.path / DATABASE, problem=f"it cannot be read ({error})"))

    def _read(self, first: int, end: int) -> Iterator[Entity]:
        for start in range(first, end, _READ_AT_ONCE):
            yield from self._read_block(start, min(start + _READ_AT_ONCE, end))

    def _read_block(self, first: int, end: int) -> Iterator[Entity]:
        aliases_from, aliases_end = self.alias_range(first)[0], self.alias_range(end - 1)[1]
        connection = self._connection()
        try:
            rows = connection.execute(
                "SELECT number, id, label, types, description, prior, xref FROM entity WHERE number >= ? AND number < ?"
                " ORDER BY number",
                (first, end),
            ).fetchall()
            aliases = connection.execute(
                "SELECT entity, text, kind, prior, language, exchange, first_day, last_day FROM alias"
                " WHERE number >= ? AND number < ? ORDER BY number",
                (aliases_from, aliases_end),
            ).fetchall()
            edges = connection.execute(
                "SELECT entity, relation, target FROM edge WHERE entity >= ? AND entity < ? ORDER BY number",
                (first, end),
            ).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        aliases_of, edges_of = _by_entity(aliases), _by_entity(edges)
        for number, identifier, label, types, description, prior, xref in rows:
            yield Entity(
                id=identifier,
                label=label,
                types=tuple(json.loads(types)),
                description=description,
                prior=prior,
                aliases=tuple(Alias(*row) for row in aliases_of.get(number, ())),
                edges=tuple(edges_of.get(number, ())),  # type: ignore[arg-type]
                xref=json.loads(xref),
            )


def reopen(path: str, content_hash: str) -> SqliteGraph:
    """Open the folder of a graph again.

    RAISES: N157 where another graph is there now, and as `SqliteGraph`.
    """
    graph = SqliteGraph(path)
    if graph.meta.content_hash != content_hash:
        raise _changed(graph.path, graph.meta.content_hash, content_hash)
    return graph


def _changed(path: Path, found: str | None, expected: str) -> NlpkitError:
    return NlpkitError(Errors.N157.format(path=path, found=found, expected=expected))


def _by_entity(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    """Rows in order of their first column, without it, by it."""
    return {number: [row[1:] for row in group] for number, group in groupby(rows, key=lambda row: row[0])}


def write_rows(connection: sqlite3.Connection, number: int, aliases_before: int, entity: Entity) -> None:
    """Write an entity, its aliases and its edges into the tables of a graph.

    number: Of the entity. aliases_before: How many aliases earlier entities have.
    """
    connection.execute(
        "INSERT INTO entity VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            entity.id,
            entity.label,
            json.dumps(entity.types, ensure_ascii=False),
            entity.description,
            entity.prior,
            json.dumps(entity.xref, ensure_ascii=False),
        ),
    )
    connection.executemany(
        "INSERT INTO alias VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (place, number, a.text, a.kind, a.prior, a.language, a.exchange, a.start, a.end)
            for place, a in enumerate(entity.aliases, start=aliases_before)
        ],
    )
    connection.executemany(
        "INSERT INTO edge (entity, relation, target) VALUES (?, ?, ?)", [(number, *edge) for edge in entity.edges]
    )
