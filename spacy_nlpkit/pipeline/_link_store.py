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
from ..kg.folder import META, read_meta
from ..kg.graph import GraphMeta, KnowledgeGraph
from ..kg.link_features import FEATURES, NIL_FEATURES
from ..kg.memory import MemoryGraph
from ..kg.records import encode, entity_of
from ..kg.report import BuildReport
from ..kg.sqlite import SqliteGraph, reopen
from ..kg.stores import open_graph
from ..util import replace_folder
from ._link_scoring import LinkScoring
from ._unlabelled import UnlabelledPipe

# Folder of the graph inside that of the component.
FOLDER = "kb"


class GraphPipe(UnlabelledPipe):
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
        RAISES: N222 for anything else; as `open_graph`. A trained pipe warns of another graph than it was trained with
            (NW215).
        """
        if not isinstance(graph, str | Path) and not hasattr(graph, "meta"):
            raise NlpkitError(Errors.N222.format(name=self.name, kind=type(graph).__name__))
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

    def _load(self, saved: KnowledgeGraph | None) -> None:
        """Take the graph that was saved with the pipe, or keep the one that was set.

        RAISES: N217 where the saved one is not that of `cfg`. A kept one that is another warns (NW215).
        """
        if saved is None:
            if self.graph is not None:
                self.set_kb(self.graph)
            return
        found, expected = saved.meta.content_hash, str(self.cfg["graph"])
        if found != expected:
            raise NlpkitError(Errors.N217.format(name=self.name, found=found[:12], expected=expected[:12]))
        self.use_graph(saved)

    def _check_features(self) -> None:
        """RAISES: N220 where the weights belong to other features than those of this version."""
        differing = {*self.cfg.get("features", ())} ^ {*FEATURES, *NIL_FEATURES}
        if self.is_initialized and differing:
            raise NlpkitError(Errors.N220.format(name=self.name, differing=", ".join(sorted(differing))))

    def _stores_graph(self, exclude: Iterable[str]) -> bool:
        return self.save_graph and FOLDER not in exclude

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The pipe and the records of its graph, unless `save_graph` is false or `kb` excluded."""
        exclude = tuple(exclude)
        kept = self.graph if self._stores_graph(exclude) else None
        graph = None if kept is None else graph_to_bytes(kept)
        return srsly.msgpack_dumps({"pipe": super().to_bytes(exclude=exclude), FOLDER: graph})

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> GraphPipe:
        """Load the pipe and its graph, which then lies in memory. RAISES: N217, N220; see `from_disk`."""
        exclude = tuple(exclude)
        content: Any = srsly.msgpack_loads(bytes_data)
        super().from_bytes(content["pipe"], exclude=exclude)
        self._check_features()
        data = content[FOLDER] if self._stores_graph(exclude) else None
        self._load(None if data is None else graph_from_bytes(data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """As `to_bytes`, into a folder; a graph that is there unchanged is not written again."""
        exclude = tuple(exclude)
        super().to_disk(path, exclude=exclude)
        if self.graph is not None and self._stores_graph(exclude):
            store_graph(self.graph, Path(path) / FOLDER)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> GraphPipe:
        """Load the pipe, and open its graph where it lies, unless `save_graph` is false or `kb` excluded.

        RAISES: N154 to N156 for a damaged graph; N217 for another one than that of `cfg`; N220 for other features.
        """
        exclude = tuple(exclude)
        super().from_disk(path, exclude=exclude)
        self._check_features()
        folder = Path(path) / FOLDER
        self._load(SqliteGraph(folder) if folder.exists() and self._stores_graph(exclude) else None)
        return self


def store_graph(graph: KnowledgeGraph, path: Path) -> None:
    """Write a graph as a folder; one that is there and has the same content stays as it is.

    RAISES: N157 where a graph in a folder is another one there by now, N164 where it cannot be written.
    """
    if _holds(path, graph.meta):
        return
    if isinstance(graph, SqliteGraph):
        _copy_folder(reopen(str(graph.path), graph.meta.content_hash).path, path)
        return
    vectors = graph.vectors()
    vectors_of = None if vectors is None else lambda ids: vectors
    build_graph(graph.iterate(), path, _info(graph.meta), BuildReport(), vectors=vectors_of)


def _holds(path: Path, meta: GraphMeta) -> bool:
    """Whether a folder holds a graph, in full size."""
    try:
        return read_meta(path).graph == meta
    except NlpkitError:
        return False


def _copy_folder(source: Path, path: Path) -> None:
    """Copy the files of a graph, and nothing else: what may be written to does not depend on the source."""
    try:
        with replace_folder(path) as folder:
            for name in (META, *read_meta(source).files):
                shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise NlpkitError(Errors.N164.format(path=path, reason=error.strerror or error)) from error


def graph_to_bytes(graph: KnowledgeGraph) -> bytes:
    """A graph as its records, and its vectors."""
    return srsly.msgpack_dumps({
        "meta": dict(graph.meta._asdict()),
        "records": [encode(entity) for entity in graph.iterate()],
        "vectors": graph.vectors(),
    })  # fmt: skip


def graph_from_bytes(data: bytes) -> KnowledgeGraph:
    """The graph of `graph_to_bytes`, in memory."""
    content: Any = srsly.msgpack_loads(data)
    meta = GraphMeta(**content["meta"])
    report = BuildReport()
    entities = (entity_of(json.loads(record), report) for record in content["records"])
    return MemoryGraph.from_entities(entities, **_info(meta)._asdict(), vectors=content["vectors"], report=report)


def _info(meta: GraphMeta) -> GraphInfo:
    return GraphInfo(**{field: getattr(meta, field) for field in GraphInfo._fields})
