"""The graph of a `kg_linker`: set, saved beside the weights, and known again by its hash."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import srsly

from ..errors import Errors, NlpkitError, Warnings
from ..kg.build import build_graph
from ..kg.collecting import GraphInfo
from ..kg.folder import is_graph_folder, read_meta
from ..kg.graph import GraphMeta, KnowledgeGraph
from ..kg.memory import MemoryGraph
from ..kg.records import encode, entity_of
from ..kg.report import BuildReport
from ..kg.sqlite import SqliteGraph
from ..kg.stores import open_graph
from ..util import replace_folder
from ._base import NlpkitPipe
from ._link_scoring import LinkScoring

# Folder of the graph inside that of the component.
FOLDER = "kb"


class GraphPipe(NlpkitPipe):
    """A pipe over a graph, which is saved and loaded with it."""

    save_graph: bool
    _scoring: LinkScoring | None = None

    def new_scoring(self, graph: KnowledgeGraph) -> LinkScoring:
        """Hook: what the pipe needs of a graph, by its settings."""
        raise NotImplementedError(type(self).__name__)

    @property
    def graph(self) -> KnowledgeGraph | None:
        """The graph that mentions are linked to, None before one was set."""
        return None if self._scoring is None else self._scoring.graph

    def set_kb(self, graph: KnowledgeGraph | str | Path) -> None:
        """Link to this graph from now on; the pipe needs no `nlp.initialize` for it, and keeps what it has learned.

        graph: A graph, or the path of one; see `kg.stores.open_graph`.
        RAISES: As `open_graph`. A trained pipe warns of another graph than it was trained with (NW215).
        """
        opened = open_graph(graph) if isinstance(graph, str | Path) else graph
        if self.is_initialized and self.cfg["graph"] not in (None, opened.meta.content_hash):
            warnings.warn(Warnings.NW215.format(name=self.name), stacklevel=2)
        self.use_graph(opened)

    def use_graph(self, graph: KnowledgeGraph) -> None:
        """As `set_kb`, without a look at the former graph."""
        self._scoring = self.new_scoring(graph)
        self.cfg["graph"] = graph.meta.content_hash

    def require_graph(self) -> LinkScoring:
        """RAISES: N216 where no graph was set."""
        if self._scoring is None:
            raise NlpkitError(Errors.N216.format(name=self.name))
        return self._scoring

    def _load(self, graph: KnowledgeGraph | None) -> None:
        """Take the graph that was saved with the pipe. RAISES: N217 where it is another one."""
        expected = self.cfg.get("graph")
        if graph is None:
            return
        if graph.meta.content_hash != expected:
            found = graph.meta.content_hash[:12]
            raise NlpkitError(Errors.N217.format(name=self.name, found=found, expected=str(expected)[:12]))
        self.use_graph(graph)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The pipe and the records of its graph, unless `save_graph` is false or `kb` excluded."""
        kept = self.graph if self.save_graph and FOLDER not in exclude else None
        graph = None if kept is None else graph_to_bytes(kept)
        return srsly.msgpack_dumps({"pipe": super().to_bytes(exclude=tuple(exclude)), FOLDER: graph})

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> GraphPipe:
        """Load the pipe and its graph, which then lies in memory. RAISES: N217 for another graph than that of `cfg`."""
        content: Any = srsly.msgpack_loads(bytes_data)
        super().from_bytes(content["pipe"], exclude=tuple(exclude))
        data = content[FOLDER] if FOLDER not in exclude else None
        self._load(None if data is None else graph_from_bytes(data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """As `to_bytes`, into a folder; a graph that is there unchanged is not written again."""
        super().to_disk(path, exclude=tuple(exclude))
        if self.graph is not None and self.save_graph and FOLDER not in exclude:
            store_graph(self.graph, Path(path) / FOLDER)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> GraphPipe:
        """Load the pipe, and open its graph where it lies. RAISES: N154 to N156 for a damaged graph; N217."""
        super().from_disk(path, exclude=tuple(exclude))
        folder = Path(path) / FOLDER
        self._load(SqliteGraph(folder) if folder.exists() and FOLDER not in exclude else None)
        return self


def store_graph(graph: KnowledgeGraph, path: Path) -> None:
    """Write a graph as a folder; one that is there and has the same content stays as it is."""
    if is_graph_folder(path) and read_meta(path).graph == graph.meta:
        return
    if isinstance(graph, SqliteGraph):
        with replace_folder(path) as folder:
            shutil.copytree(graph.path, folder, dirs_exist_ok=True)
        return
    build_graph(graph.iterate(), path, _info(graph.meta), BuildReport())


def graph_to_bytes(graph: KnowledgeGraph) -> bytes:
    """A graph as its records."""
    return srsly.msgpack_dumps({
        "meta": dict(graph.meta._asdict()), "records": [encode(entity) for entity in graph.iterate()]
    })  # fmt: skip


def graph_from_bytes(data: bytes) -> KnowledgeGraph:
    """The graph of `graph_to_bytes`, in memory."""
    content: Any = srsly.msgpack_loads(data)
    meta = GraphMeta(**content["meta"])
    report = BuildReport()
    entities = (entity_of(json.loads(record), report) for record in content["records"])
    return MemoryGraph.from_entities(entities, **_info(meta)._asdict(), report=report)


def _info(meta: GraphMeta) -> GraphInfo:
    return GraphInfo(**{field: getattr(meta, field) for field in GraphInfo._fields})
