"""A graph in memory, made from entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from .collecting import GraphInfo, collect, require_entities, warn_of_losses
from .column_builder import ColumnBuilder
from .columns import Arrays, ColumnGraph
from .graph import Entity, GraphMeta
from .report import BuildReport


class MemoryGraph(ColumnGraph):
    """A `KnowledgeGraph` that keeps its records in memory: for graphs of some 10,000 entities, and for tests.

    Pickled, it takes its records and arrays along.
    """

    def __init__(
        self,
        meta: GraphMeta,
        kinds: tuple[str, ...],
        type_names: tuple[str, ...],
        arrays: Arrays,
        records: list[Entity],
    ) -> None:
        super().__init__(meta, kinds, type_names, arrays)
        self._records = records

    @classmethod
    def from_entities(
        cls,
        entities: Iterable[Entity],
        *,
        name: str = "graph",
        version: str = "1",
        uri_template: str = "",
        licence: str = "",
        source: str = "",
        snapshot: str = "",
        vectors: NDArray[np.floating] | None = None,
        report: BuildReport | None = None,
    ) -> MemoryGraph:
        """A graph of these entities.

        entities: In any order. What is at fault in them is left out and counted.
        name, version, uri_template, licence, source, snapshot: See `GraphMeta`.
        vectors: Of the entities in the order of their ids: (entities, width).
        report: Gets the counts. Without one, what was left out is warned of (NW150).
        RAISES: N153 where no entity is left, N159 for too many kinds of aliases.
        """
        counts = report or BuildReport()
        info = GraphInfo(name, version, uri_template, licence, source, snapshot)
        records = collect(entities, counts)
        builder = ColumnBuilder()
        for entity in records:
            builder.add(entity)
        require_entities(len(records), name, counts)
        columns = builder.finish(name, counts, lambda number: records[number].edges)
        arrays = columns.arrays if vectors is None else {**columns.arrays, "vectors": vectors}
        if report is None:
            warn_of_losses(name, counts)
        return cls(info.meta(columns.content_hash, counts), columns.kinds, columns.type_names, arrays, records)

    def _read(self, first: int, end: int) -> Iterator[Entity]:
        return iter(self._records[first:end])
