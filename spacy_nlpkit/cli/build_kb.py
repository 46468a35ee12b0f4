"""`python -m spacy nlpkit build-kb`: a knowledge graph, ready for look-ups, from files of entities."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..errors import Errors, NlpkitError
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from ..kg.build import Progress
    from ..kg.report import BuildReport

_SNAPSHOT = re.compile(r"\d{4}-\d\d-\d\d")


@command("build-kb")
def build_kb(
    source: Path = Arg(..., metavar="SOURCE", help="kb.jsonl, a table, RDF, or the folder of a set or of a graph"),
    output: Path = Arg(..., metavar="OUTPUT", help="Folder of the graph; a graph that is there is replaced"),
    format_: str = Opt("auto", "--format", "-f", help="auto, kb-jsonl, csv, rdf, wikidata-set or graph"),
    name: str | None = Opt(None, "--name", "-n", help="Name of the graph (default: that of OUTPUT)"),
    version: str = Opt("1", "--version", help="Version of the graph"),
    uri_template: str = Opt("", "--uri-template", help="Page of an entity, such as https://example.org/{id}"),
    licence: str = Opt("", "--licence", "--license", help="Licence of the data"),
    snapshot: str = Opt("", "--snapshot", help="Day that the data are of, YYYY-MM-DD"),
    language: list[str] = Opt([], "--language", "-l", help="Keep aliases in this language, such as en; repeatable"),
    show: int = Opt(10, "--show", min=0, help="How many faults to list"),
) -> None:
    """Build a knowledge graph for `kg_linker`: read and check entities, index their names, write a folder.

    Ends with a table of what the graph holds, what was left out and why. Exit status 1, and nothing written, where no
    entity could be read.
    """
    from ..kg.build import build_graph, check_output
    from ..kg.collecting import GraphInfo
    from ..kg.reading import read_entities
    from ..kg.report import BuildReport

    check_info(uri_template, snapshot)
    check_output(output)
    info = GraphInfo(name or output.resolve().name, version, uri_template, licence, source.name, snapshot)
    start = time.perf_counter()
    report = BuildReport(max_problems=show)
    with reported(report), progress_bar() as progress:
        entities = read_entities(source, report, format_, language, uri_template)
        meta = build_graph(entities, output, info, report, progress=progress)
    msg.text(f"Content hash {meta.content_hash}, {time.perf_counter() - start:.1f} seconds")
    msg.good(f"Wrote {output}")


def check_info(uri_template: str, snapshot: str) -> None:
    """Raise N006 for a template without `{id}`, or a snapshot that is no day."""
    if uri_template and "{id}" not in uri_template:
        raise _bad_setting("--uri-template", "an address with {id} in it", uri_template)
    if snapshot and not _SNAPSHOT.fullmatch(snapshot):
        raise _bad_setting("--snapshot", "a day, YYYY-MM-DD", snapshot)


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="build-kb", expected=expected, value=value))


@contextmanager
def reported(report: BuildReport) -> Iterator[None]:
    """Print the first faults and the table of a build after it, also after one that failed."""
    try:
        yield
    finally:
        for problem in report.problems:
            msg.text(problem)
        if report.problem_count > len(report.problems):
            msg.text(f"... and {report.problem_count - len(report.problems):,} more")
        if report.read:
            msg.table(report.rows(), header=("What", "Count"), aligns=("l", "r"), divider=True, max_col=80)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """What `build_graph` tells of its progress, as a bar for each stage; bars show themselves on a terminal alone."""
    bars: dict[str, tqdm] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(desc=stage, total=total or None, disable=None, leave=False)
        bars[stage].update(done - bars[stage].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()
