"""Reads entities from files: JSON records, tables, RDF, sets of Wikidata's entities, and graphs that were built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import Errors, NlpkitError
from ..files import read_json_lines, read_rows, unpacked_suffix
from .folder import META, is_graph_folder
from .graph import CODE_KINDS, SYMBOL_KINDS, Entity
from .rdf import SUFFIXES as RDF_SUFFIXES
from .rdf import read_rdf
from .records import read_records
from .report import BuildReport
from .sqlite import SqliteGraph
from .wikidata_set import is_wikidata_set, read_wikidata_set

FORMATS = ("kb-jsonl", "csv", "rdf", "wikidata-set", "graph")
# Columns of a table; besides, one named as a kind of codes holds codes of that kind, `edge:REL` targets of REL.
ENTITY_COLUMNS = ("id", "label", "types", "description", "prior", "aliases")
ALIAS_COLUMNS = ("alias", "kind", "alias_prior", "language", "exchange", "from", "to")
EDGE_PREFIX = "edge:"
# Between the values of a field that may hold several.
SEPARATOR = "|"


def read_entities(
    path: str | Path,
    report: BuildReport,
    format: str = "auto",
    languages: Sequence[str] = (),
    uri_template: str = "",
) -> Iterator[Entity]:
    """The entities of a source, in its order, not checked yet.

    format: One of `FORMATS`, or `auto`: known by the name.
    languages: Aliases to keep, by their language (`en` keeps `en-GB`) or because they have none; empty for all.
    uri_template: Of RDF: IRIs that fit it become short ids; see `read_rdf`.
    RAISES: N151 for an unknown format, N152 where there is nothing to read, N004 for RDF without its package, and what
        the reader of the format raises.
    """
    path = Path(path)
    if not path.exists():
        problem, expected = "no such file or folder", "a file of entities or a folder of a graph"
        raise NlpkitError(Errors.N152.format(path=path, problem=problem, expected=expected))
    languages = tuple(code.lower() for code in languages)
    format = detect_format(path) if format == "auto" else format
    if format not in FORMATS or path.is_dir() != (format in ("wikidata-set", "graph")):
        problem, expected = f"it is not of the format {format!r}", f"one of {', '.join(FORMATS)} with --format"
        raise NlpkitError(Errors.N152.format(path=path, problem=problem, expected=expected))
    if format == "kb-jsonl":
        entities = read_records(read_json_lines(path, report), report)
    elif format == "csv":
        entities = read_table(path, report)
    elif format == "rdf":
        entities = read_rdf(path, report, languages, uri_template)
    elif format == "wikidata-set":
        entities = read_wikidata_set(path, report)
    else:
        entities = read_graph(path, report)
    return (in_languages(entity, languages) for entity in entities) if languages else entities


def detect_format(path: Path) -> str:
    """The format of a source by its name.

    RAISES: N151 where it is unknown.
    """
    if path.is_dir():
        if (path / META).exists() or is_graph_folder(path):
            return "graph"
        if is_wikidata_set(path):
            return "wikidata-set"
    suffix = unpacked_suffix(path)
    if suffix in (".jsonl", ".json"):
        return "kb-jsonl"
    if suffix in (".csv", ".tsv"):
        return "csv"
    if suffix in RDF_SUFFIXES:
        return "rdf"
    raise NlpkitError(Errors.N151.format(path=path, formats=", ".join(FORMATS)))


def in_languages(entity: Entity, languages: Sequence[str]) -> Entity:
    """An entity without aliases in other languages."""
    kept = tuple(a for a in entity.aliases if not a.language or a.language.split("-")[0].lower() in languages)
    return replace(entity, aliases=kept)


def read_graph(path: Path, report: BuildReport) -> Iterator[Entity]:
    """The entities of a graph that was built."""
    for entity in SqliteGraph(path).iterate():
        report.read += 1
        report.where = f"{path}, {entity.id}"
        yield entity


def read_table(path: Path, report: BuildReport) -> Iterator[Entity]:
    """The entities of a table with a header line: a row is an entity, or an alias of one.

    Rows of one entity stand together; its own fields are those of the first. Fields are parted by commas, in a .tsv
    file by tabs.
    RAISES: N160 for a header without `id` or with unknown or repeated columns; N029, N032 for the file.
    """
    rows = read_rows(path, report, "\t" if unpacked_suffix(path) == ".tsv" else ",")
    header = [column.strip() for column in next(rows, ("", []))[1]]
    _check_header(path, header)
    return read_records(_table_records(rows, header, report), report)


def _check_header(path: Path, header: Sequence[str]) -> None:
    unknown = [
        column
        for column in header
        if column not in (*ENTITY_COLUMNS, *ALIAS_COLUMNS, *CODE_KINDS) and not column.startswith(EDGE_PREFIX)
    ]
    repeated = sorted({column for column in header if header.count(column) > 1})
    if "id" not in header or unknown or repeated:
        named = f"unknown columns {unknown}" if unknown else f"columns that stand there twice: {repeated}"
        problem = named if unknown or repeated else f"no column 'id' in the first line: {', '.join(header) or 'none'}"
        raise NlpkitError(Errors.N160.format(path=path, problem=problem))


def _table_records(
    rows: Iterator[tuple[str, list[str]]], header: Sequence[str], report: BuildReport
) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, group in groupby(_fields(rows, header, report), key=lambda row: row[1]["id"]):
        (where, first), *others = group
        record = _entity_record(first)
        for _, row in [(where, first), *others]:
            if row.get("alias"):
                record["aliases"].append(_alias_record(row))
        yield where, record


def _fields(
    rows: Iterator[tuple[str, list[str]]], header: Sequence[str], report: BuildReport
) -> Iterator[tuple[str, dict[str, str]]]:
    for where, row in rows:
        report.read += 1
        if len(row) == len(header):
            yield where, dict(zip(header, (field.strip() for field in row)))
        else:
            report.where = where
            report.leave_out("row", "wrong number of fields", f"{len(row)} fields where the header has {len(header)}")


def _split(row: Mapping[str, str], column: str) -> list[str]:
    return [part.strip() for part in row.get(column, "").split(SEPARATOR) if part.strip()]


def _entity_record(row: Mapping[str, str]) -> dict[str, Any]:
    # Without aliases of their own, venue and dates are those of the symbols.
    listed = {} if "alias" in row else {column: row.get(column, "") for column in ("exchange", "from", "to")}
    codes = [
        {"text": text, "kind": kind, **(listed if kind in SYMBOL_KINDS else {})}
        for kind in sorted(CODE_KINDS & row.keys())
        for text in _split(row, kind)
    ]
    edges = [
        [column.removeprefix(EDGE_PREFIX), target]
        for column in row
        if column.startswith(EDGE_PREFIX)
        for target in _split(row, column)
    ]
    return {
        "id": row["id"],
        "label": row.get("label") or row.get("alias") or "",
        "types": _split(row, "types"),
        "description": row.get("description", ""),
        "prior": _number(row.get("prior", "")),
        "aliases": [*({"text": text} for text in _split(row, "aliases")), *codes],
        "edges": edges,
    }


def _alias_record(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "text": row["alias"],
        "kind": row.get("kind", ""),
        "prior": _number(row.get("alias_prior", "")),
        "language": row.get("language", ""),
        "exchange": row.get("exchange", ""),
        "from": row.get("from", ""),
        "to": row.get("to", ""),
    }


def _number(text: str) -> float | str | None:
    """A number as one; another text stays, and is refused with its place where priors are checked."""
    try:
        return float(text) if text else None
    except ValueError:
        return text
