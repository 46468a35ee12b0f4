"""Opens a graph from wherever it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import Errors, NlpkitError
from .collecting import warn_of_losses
from .graph import KnowledgeGraph
from .memory import MemoryGraph
from .reading import read_entities
from .report import BuildReport
from .sqlite import SqliteGraph
from .wikidata_set import is_wikidata_set


def open_graph(
    path: str | Path, *, languages: Sequence[str] = (), uri_template: str = "", report: BuildReport | None = None
) -> KnowledgeGraph:
    """Open a folder that `build-kb` made; or read a file of entities (JSON lines, CSV, RDF) into memory.

    path: Folder or file; see `reading.read_entities` for the formats.
    languages, uri_template: Of a file; a built graph has its own.
    report: Gets the counts of a file. Without one, what was left out is warned of (NW150).
    RAISES: N154 to N156 for a folder that is no sound graph; N151 to N153, N160, N161 for a file.
    """
    path = Path(path)
    if path.is_dir() and not is_wikidata_set(path):
        return SqliteGraph(path)
    if not path.exists():
        raise NlpkitError(Errors.N154.format(path=path, problem="there is no such file or folder"))
    counts = BuildReport() if report is None else report
    entities = read_entities(path, counts, languages=languages, uri_template=uri_template)
    name = path.name.split(".")[0]
    graph = MemoryGraph.from_entities(entities, name=name, uri_template=uri_template, source=path.name, report=counts)
    if report is None:
        warn_of_losses(str(path), counts)
    return graph
