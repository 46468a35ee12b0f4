"""Reads a folder with a set of Wikidata's entities: `entities.jsonl`, `edges_*.tsv`, and labels of types and relations.

Such sets, made for the completion of knowledge graphs, have no priors. They are estimated: an entity of more edges is
named more often, so a name means each of its entities in proportion to one more than its edges (Fader et al. 2009,
"Scaling Wikipedia-based named entity disambiguation to arbitrary web text", take prominence from links likewise).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import srsly

from ..errors import Errors, NlpkitError
from ..files import read_bytes, read_json_lines, read_lines
from ..normalise import name_key
from .graph import Entity
from .records import BadRecord, entity_of
from .report import BuildReport

ENTITIES, EDGES, TYPES, RELATIONS = "entities.jsonl", "edges_*.tsv", "*types_en.json", "*relations_en.json"
_PACKED = ("", ".gz", ".xz")
# `Mercury_(planet)`
_DISAMBIGUATION = re.compile(r"[ _]\([^()]*\)$")


def is_wikidata_set(folder: Path) -> bool:
    """Whether a folder has the entities of a set."""
    return _find_part(folder, ENTITIES) is not None


def _find_part(folder: Path, pattern: str) -> Path | None:
    """The first file of a folder with such a name, packed or not; None where there is none."""
    return next(iter(_find_parts(folder, pattern)), None)


def _find_parts(folder: Path, pattern: str) -> list[Path]:
    return sorted(file for packed in _PACKED for file in folder.glob(f"{pattern}{packed}"))


def read_wikidata_set(folder: Path, report: BuildReport) -> Iterator[Entity]:
    """The entities of a set, with estimated priors.

    Types are labels; those of which the set has no label are left out. Edges count where both ends are in the set.
    RAISES: N152 where the folder has no entities; N027, N029, N032 for files that cannot be read.
    """
    source = _find_part(folder, ENTITIES)
    if source is None:
        problem, expected = f"the folder has no {ENTITIES}", "a folder of a set of entities"
        raise NlpkitError(Errors.N152.format(path=folder, problem=problem, expected=expected))
    type_labels, relations = _labels(folder, TYPES), _labels(folder, RELATIONS)
    items = [(where, item) for where, item in read_json_lines(source, report)]
    known = {item["qid"] for _, item in items if isinstance(item, dict) and isinstance(item.get("qid"), str)}
    edges, degrees = _read_edges(folder, known, relations, report)
    records = [(where, _record(item, type_labels, edges, report)) for where, item in items]
    priors = _Priors([record for _, record in records], degrees)
    for where, record in records:
        report.where = where
        try:
            yield priors.apply(entity_of(record, report))
        except BadRecord as bad:
            report.leave_out("entity", bad.reason, bad.problem)


def _labels(folder: Path, pattern: str) -> dict[str, str]:
    """Labels by id of a file that maps ids to objects with a label; empty where there is no such file."""
    path = _find_part(folder, pattern)
    if path is None:
        return {}
    try:
        content = srsly.json_loads(read_bytes(path).decode("utf8"))
        return {key: str(value["label"]) for key, value in content.items() if value.get("label")}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise NlpkitError(Errors.N032.format(where=path, what="an object of labels", reason=error)) from error


def _read_edges(
    folder: Path, known: set[str], relations: Mapping[str, str], report: BuildReport
) -> tuple[dict[str, list[list[str]]], Counter[str]]:
    """Relations and targets by source, and the number of edges of each entity."""
    edges: dict[str, list[list[str]]] = defaultdict(list)
    degrees: Counter[str] = Counter()
    for path in _find_parts(folder, EDGES):
        for line in read_lines(path):
            fields = line.text.split("\t")
            if line.problem or len(fields) < 3:
                report.where = line.where
                report.leave_out("edge", "malformed", line.problem or "a line without source, relation and target")
            elif fields[0] in known and fields[2] in known:
                edges[fields[0]].append([relations.get(fields[1], fields[1]), fields[2]])
                degrees.update((fields[0], fields[2]))
            else:
                report.notes["edges out of the set"] += 1
    return edges, degrees


def _record(item: Any, type_labels: Mapping[str, str], edges: Mapping[str, Any], report: BuildReport) -> Any:
    """An item of the set as a record of a graph; what is no such item stays as it is, and is refused as a record."""
    if not isinstance(item, dict) or not isinstance(item.get("qid"), str):
        return item
    types = [*_list(item, "types"), *_list(item, "el_types")]
    report.notes["types without a label"] += sum(name not in type_labels for name in types)
    label, title = item.get("label"), item.get("wikipedia")
    names = [label, *_list(item, "aliases")]
    if isinstance(title, str):
        names.append(_DISAMBIGUATION.sub("", title).replace("_", " "))
    xref = {"wikipedia": title, "freebase": item.get("mid")}
    return {
        "id": item["qid"],
        "label": label,
        "types": [type_labels[name] for name in types if name in type_labels],
        "description": item.get("description"),
        "aliases": [{"text": name} for name in dict.fromkeys(names) if isinstance(name, str) and name],
        "edges": edges.get(item["qid"], []),
        "xref": {name: value for name, value in xref.items() if value},
    }


def _list(item: Mapping[str, Any], key: str) -> list[str]:
    return [value for value in item.get(key) or () if isinstance(value, str)]


class _Priors:
    """Estimates of how often a name means an entity."""

    def __init__(self, records: Sequence[Any], degrees: Mapping[str, int]) -> None:
        self._degrees = degrees
        self._totals: Counter[str] = Counter()
        for record in records:
            if isinstance(record, dict) and isinstance(record.get("id"), str):
                for key in {name_key(alias["text"]) for alias in record["aliases"]}:
                    self._totals[key] += self._weight(record["id"])

    def _weight(self, identifier: str) -> int:
        return 1 + self._degrees.get(identifier, 0)

    def apply(self, entity: Entity) -> Entity:
        weight = self._weight(entity.id)
        keys = [name_key(alias.text) for alias in entity.aliases]
        shares = [round(weight / self._totals[key], 6) for key in keys]
        aliases = tuple(replace(alias, prior=share) for alias, share in zip(entity.aliases, shares))
        # A symbol such as a flag has no key, and stands for nothing alone.
        prior = min((share for key, share in zip(keys, shares) if key), default=entity.prior)
        return replace(entity, prior=prior, aliases=aliases)
