"""`python -m spacy nlpkit kb ...`: what a built knowledge graph holds, and changes to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import Errors, NlpkitError, Warnings
from . import app
from ._util import Arg, Opt, command, msg
from .build_kb import progress_bar, reported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..kg.graph import Entity, GraphMeta
    from ..kg.sqlite import SqliteGraph

group = typer.Typer(help="Look into a knowledge graph, or change it.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(group, name="kb")
GRAPH = Arg(..., metavar="GRAPH", help="Folder of a graph that build-kb made")
OUTPUT = Opt(None, "--output", "-o", help="Folder of the new graph (default: in place of GRAPH)")
VERSION = Opt(None, "--version", help="Version of the new graph (default: that of GRAPH)")
SHOW = Opt(10, "--show", min=0, help="How many faults to list")


@command("info", group)
def info(
    graph: Path = GRAPH,
    verify: bool = Opt(False, "--verify", help="Read all files and compare their hashes"),
) -> None:
    """Show what a graph says of itself: name, version, counts, licence, content hash."""
    from ..kg.sqlite import SqliteGraph

    opened = SqliteGraph(graph)
    rows = [(name, f"{value:,}" if isinstance(value, int) else value or "-") for name, value in _facts(opened)]
    msg.table(rows, divider=True, header=("What", "Value"), max_col=80)
    if verify:
        opened.verify()
        msg.good("All files are what was built.")


def _facts(graph: SqliteGraph) -> Iterator[tuple[str, Any]]:
    yield from graph.meta._asdict().items()
    vectors = graph.vectors()
    yield "vectors", "" if vectors is None else f"{vectors.shape[1]} dimensions"
    yield "kinds of aliases", ", ".join(graph.kinds)
    yield "types", len(graph.type_names)


@command("add", group)
def add(
    graph: Path = GRAPH,
    source: Path = Arg(..., metavar="SOURCE", help="Entities to add, in any format of build-kb"),
    format_: str = Opt("auto", "--format", "-f", help="auto, kb-jsonl, csv, rdf, wikidata-set or graph"),
    replace: bool = Opt(False, "--replace", help="An entity of SOURCE replaces that of the same id"),
    output: Path | None = OUTPUT,
    version: str | None = VERSION,
    language: list[str] = Opt([], "--language", "-l", help="Keep aliases in this language, such as en; repeatable"),
    show: int = SHOW,
) -> None:
    """Add entities to a graph; one whose id is there already is left out, or replaces the other with --replace."""
    from ..kg.reading import read_entities, read_graph
    from ..kg.report import BuildReport
    from ..kg.sqlite import SqliteGraph

    report = BuildReport(max_problems=show)
    opened = SqliteGraph(graph)
    new = read_entities(source, report, format_, language, opened.meta.uri_template)
    entities = chain(read_graph(graph, report), new)
    _rebuild(opened, entities, output, version, report, "last" if replace else "first")


@command("remove", group)
def remove(
    graph: Path = GRAPH,
    ids: list[str] = Arg(..., metavar="ID...", help="Entities to remove"),
    output: Path | None = OUTPUT,
    version: str | None = VERSION,
    show: int = SHOW,
) -> None:
    """Remove entities from a graph; edges that led to them then lead nowhere."""
    from ..kg.report import BuildReport
    from ..kg.sqlite import SqliteGraph

    opened = SqliteGraph(graph)
    missing = [identifier for identifier, number in zip(ids, opened.numbers(ids)) if number < 0]
    if missing:
        raise NlpkitError(Errors.N163.format(path=graph, ids=", ".join(map(repr, missing))))
    report = BuildReport(max_problems=show, read=opened.meta.n_entities)
    report.notes["entities removed"] = len(set(ids))
    kept = (entity for entity in opened.iterate() if entity.id not in set(ids))
    _rebuild(opened, kept, output, version, report, "first", keep_vectors=True)


@command("merge", group)
def merge(
    graphs: list[Path] = Arg(..., metavar="GRAPH...", help="Folders of two graphs or more"),
    output: Path = Opt(..., "--output", "-o", help="Folder of the new graph"),
    name: str | None = Opt(None, "--name", "-n", help="Name of the new graph (default: that of the first)"),
    version: str | None = VERSION,
    show: int = SHOW,
) -> None:
    """Make one graph of several: entities of one id are joined, where label, prior and description are of the first."""
    from ..kg.reading import read_graph
    from ..kg.report import BuildReport
    from ..kg.sqlite import SqliteGraph

    report = BuildReport(max_problems=show)
    opened = [SqliteGraph(graph) for graph in graphs]
    entities = chain.from_iterable(read_graph(graph, report) for graph in graphs)
    licences = [graph.meta.licence for graph in opened if graph.meta.licence]
    about = {"name": name or opened[0].meta.name, "licence": "; ".join(dict.fromkeys(licences))}
    about["source"] = ", ".join(graph.meta.name for graph in opened)
    _rebuild(opened[0], entities, output, version, report, "join", about)


def _rebuild(
    graph: SqliteGraph,
    entities: Iterable[Entity],
    output: Path | None,
    version: str | None,
    report: Any,
    duplicates: str,
    about: dict[str, str] | None = None,
    keep_vectors: bool = False,
) -> None:
    """Build a graph that describes itself as `graph` does, but for `about`, and print the report."""
    from ..kg.build import build_graph

    path = graph.path if output is None else output
    given = {} if version is None else {"version": version}
    changed = _graph_info(graph.meta, {**(about or {}), **given})
    with reported(report), progress_bar() as progress:
        vectors = (lambda ids: _vectors_of(graph, ids)) if keep_vectors and graph.vectors() is not None else None
        meta = build_graph(entities, path, changed, report, duplicates=duplicates, vectors=vectors, progress=progress)
    if graph.vectors() is not None and not keep_vectors:
        msg.warn(Warnings.NW152.format(path=path))
    msg.text(f"Content hash {meta.content_hash}")
    msg.good(f"Wrote {path}")


def _graph_info(meta: GraphMeta, changed: dict[str, str]) -> Any:
    from ..kg.collecting import GraphInfo

    return GraphInfo(**{**{field: getattr(meta, field) for field in GraphInfo._fields}, **changed})


def _vectors_of(graph: SqliteGraph, ids: Sequence[str]) -> NDArray[np.floating]:
    vectors = graph.vectors()
    assert vectors is not None
    return vectors[graph.numbers(ids)]
