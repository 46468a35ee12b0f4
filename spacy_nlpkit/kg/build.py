"""Builds the folder of a graph from a stream of entities, aside, and puts it in place when it is whole.

Entities are put in order of their ids in a table on disk, so that memory holds the arrays of the graph alone. The same
entities give the same arrays and content hash, in whatever order they come.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, NlpkitError
from ..util import replace_folder
from .collecting import GraphInfo, require_entities, settle
from .column_builder import ColumnBuilder, Columns
from .columns import TextColumn, index_names
from .folder import DATABASE, is_graph_folder, write_arrays, write_meta
from .graph import AliasColumns, Entity, GraphMeta
from .records import check_entity, encode, entity_of
from .report import BuildReport
from .sqlite import TABLES, write_rows

# Called with the stage of the work, and how many entities are done, of how many (0: not known).
Progress = Callable[[str, int, int], None]
# Vectors of entities by their ids: (ids, width).
VectorsOf = Callable[[Sequence[str]], NDArray[np.floating]]
_STAGING = "staging.sqlite"


def build_graph(
    entities: Iterable[Entity],
    path: str | Path,
    info: GraphInfo,
    report: BuildReport,
    *,
    duplicates: str = "first",
    vectors: VectorsOf | None = None,
    progress: Progress | None = None,
) -> GraphMeta:
    """Build the folder of a graph; what was there before stays until the new one is whole.

    entities: In any order; what is at fault in them is left out and counted in the report.
    duplicates: One of `DUPLICATES`: what happens to an entity whose id came before.
    vectors: Gives vectors of the entities, which are kept as float16.
    RAISES: N153 where no entity is left (nothing is written), N158 where something else is at `path`, N159 for too many
        kinds of aliases, N164 where the folder cannot be written.
    """
    path = Path(path)
    check_output(path)
    show = progress or (lambda stage, done, total: None)
    try:
        with replace_folder(path) as aside:
            count = _stage(entities, aside / _STAGING, report, duplicates, show)
            require_entities(count, path, report)
            columns, meta = _write_database(aside, count, info, report, show)
            (aside / _STAGING).unlink()
            write_arrays(aside, {**columns.arrays, **_name_index(columns, show)})
            if vectors is not None:
                ids = TextColumn(columns.arrays["entity_id_bytes"], columns.arrays["entity_id_offsets"])
                write_arrays(aside, {"vectors": vectors(ids.take(np.arange(count))).astype(np.float16)})
            write_meta(aside, meta, columns.kinds, columns.type_names)
    except OSError as error:
        raise NlpkitError(Errors.N164.format(path=path, reason=error.strerror or error)) from error
    return meta


def check_output(path: Path) -> None:
    """RAISES: N158 where `path` is neither free nor an empty folder nor a graph."""
    if path.exists() and not is_graph_folder(path) and (not path.is_dir() or any(path.iterdir())):
        raise NlpkitError(Errors.N158.format(path=path))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    # What is half-written is thrown away whole: no journal, no waiting for the disk.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _stage(entities: Iterable[Entity], path: Path, report: BuildReport, duplicates: str, show: Progress) -> int:
    """Write the checked entities into a table by id; how many there are."""
    count = 0
    with closing(_connect(path)) as connection, connection:
        connection.execute("CREATE TABLE record (id TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID")
        for done, entity in enumerate(entities, start=1):
            show("Reading", done, 0)
            checked = check_entity(entity, report)
            if checked is None:
                continue
            row = connection.execute("SELECT record FROM record WHERE id = ?", (checked.id,)).fetchone()
            count += row is None
            kept = checked if row is None else settle(_decode(row[0]), checked, report, duplicates)
            connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?)", (kept.id, encode(kept)))
    return count


def _decode(record: bytes) -> Entity:
    return entity_of(json.loads(record), BuildReport())


def _staged(path: Path) -> Iterator[Entity]:
    with closing(sqlite3.connect(path)) as connection:
        for (record,) in connection.execute("SELECT record FROM record ORDER BY id"):
            yield _decode(record)


def _write_database(
    folder: Path, count: int, info: GraphInfo, report: BuildReport, show: Progress
) -> tuple[Columns, GraphMeta]:
    builder, aliases = ColumnBuilder(), 0
    with closing(_connect(folder / DATABASE)) as connection, connection:
        connection.executescript(TABLES)
        connection.execute("BEGIN")
        for number, entity in enumerate(_staged(folder / _STAGING)):
            show("Writing", number + 1, count)
            builder.add(entity)
            write_rows(connection, number, aliases, entity)
            aliases += len(entity.aliases)

        def edges_of(number: int) -> Sequence[tuple[Any, ...]]:
            query = "SELECT relation, target FROM edge WHERE entity = ? ORDER BY number"
            return connection.execute(query, (number,)).fetchall()

        columns = builder.finish(info.name, report, edges_of)
        meta = info.meta(columns.content_hash, report)
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", [(name, str(value)) for name, value in meta._asdict().items()]
        )
    return columns, meta


def _name_index(columns: Columns, show: Progress) -> dict[str, NDArray[Any]]:
    arrays = columns.arrays
    show("Indexing", 0, len(arrays["alias_entity"]))
    texts = TextColumn(arrays["alias_text_bytes"], arrays["alias_text_offsets"])
    aliases = AliasColumns(*(arrays[f"alias_{name}"] for name in AliasColumns._fields))
    indexed = index_names(texts, aliases, columns.kinds)
    show("Indexing", len(arrays["alias_entity"]), len(arrays["alias_entity"]))
    return indexed
