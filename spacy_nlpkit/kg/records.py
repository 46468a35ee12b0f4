"""Entities as records of JSON, and the checks that every entity passes on its way into a graph."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from ..ty import NIL
from .graph import CODE_KINDS, Alias, Entity, day_of
from .report import BuildReport

MAX_TEXT, MAX_ID, MAX_KIND = 1000, 500, 40
FIELDS = ("id", "label", "types", "description", "aliases", "edges", "prior", "xref")
ALIAS_FIELDS = ("text", "kind", "prior", "language", "exchange", "mic", "from", "to")
# Control characters, and halves of surrogate pairs, which UTF-8 has not.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)
_EPOCH = date(1970, 1, 1)


class BadRecord(Exception):
    """A record that is not what it should be: the reason for the table, and the problem for the message."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason
        self.problem = problem


def read_records(records: Iterable[tuple[str, Any]], report: BuildReport) -> Iterator[Entity]:
    """The entities of records with their places; one that is none is counted and left out."""
    for where, record in records:
        report.where = where
        try:
            yield entity_of(record, report)
        except BadRecord as bad:
            report.leave_out("entity", bad.reason, bad.problem)


def entity_of(record: Any, report: BuildReport) -> Entity:
    """The entity of a JSON object, its parts of the right types; values are checked by `check_entity`.

    RAISES: BadRecord where it cannot be one; aliases and edges that cannot be are counted and left out.
    """
    if not isinstance(record, dict):
        raise BadRecord("not an object", f"a {type(record).__name__} in place of a JSON object")
    _note_unknown(record, FIELDS, report)
    xref = record.get("xref") or {}
    if not isinstance(xref, dict) or not all(isinstance(value, str) for value in xref.values()):
        raise BadRecord("wrong type", "'xref' is no object of strings")
    types = record.get("types") or ()
    types = (types,) if isinstance(types, str) else types
    if not isinstance(types, (list, tuple)) or not all(isinstance(item, str) for item in types):
        raise BadRecord("wrong type", "'types' is no list of strings")
    prior = record.get("prior")
    return Entity(
        id=_string(record, "id"),
        label=_string(record, "label"),
        types=tuple(types),
        description=_string(record, "description"),
        prior=0.5 if prior is None else prior,
        aliases=tuple(_aliases(record.get("aliases") or (), report)),
        edges=tuple(_edges(record.get("edges") or (), report)),
        xref=dict(xref),
    )


def record_of(entity: Entity) -> dict[str, Any]:
    """The JSON object of an entity, without what is empty; `entity_of` reads it back."""
    record = {
        "id": entity.id,
        "label": entity.label,
        "types": list(entity.types),
        "description": entity.description,
        "aliases": [_alias_record(alias) for alias in entity.aliases],
        "edges": [list(edge) for edge in entity.edges],
        "prior": entity.prior,
        "xref": dict(sorted(entity.xref.items())),
    }
    return {key: value for key, value in record.items() if value not in ("", [], {})}


def encode(entity: Entity) -> bytes:
    """An entity as one line of JSON without a line break: equal entities have equal bytes."""
    return json.dumps(record_of(entity), ensure_ascii=False, separators=(",", ":")).encode()


def check_entity(entity: Entity, report: BuildReport) -> Entity | None:
    """An entity as a graph holds it, or None where it cannot be in one, which is counted.

    Its label is an alias of kind `name`, first where it was not one before. Texts lose blanks around them, dates are
    whole days, equal aliases are one. Aliases and edges with faults are counted and left out.
    """
    try:
        identifier = _checked(entity.id, "id", MAX_ID)
        if identifier == NIL:
            raise BadRecord("reserved id", f"the id '{NIL}' says that there is no entity")
        label = _checked(entity.label, "label", MAX_TEXT)
        prior = _probability(entity.prior)
    except BadRecord as bad:
        report.leave_out("entity", bad.reason, f"{entity.id[:80]}: {bad.problem}")
        return None
    aliases = dict.fromkeys(_checked_aliases(entity, report))
    if not any(alias.text == label and alias.kind not in CODE_KINDS for alias in aliases):
        aliases = {Alias(label): None, **aliases}
    return Entity(
        id=identifier,
        label=label,
        types=tuple(dict.fromkeys(filter(None, map(_cleaned, entity.types)))),
        description=_cleaned(entity.description),
        prior=prior,
        aliases=tuple(aliases),
        edges=tuple(_checked_edges(entity, report)),
        xref={_cleaned(name): _cleaned(value) for name, value in sorted(entity.xref.items())},
    )


def join(first: Entity, second: Entity) -> Entity:
    """Two entities of one id as one: what the first lacks comes from the second, of lists those of both."""
    return Entity(
        id=first.id,
        label=first.label,
        types=tuple(dict.fromkeys([*first.types, *second.types])),
        description=first.description or second.description,
        prior=first.prior,
        aliases=tuple(dict.fromkeys([*first.aliases, *second.aliases])),
        edges=tuple(dict.fromkeys([*first.edges, *second.edges])),
        xref=dict(sorted({**second.xref, **first.xref}.items())),
    )


# ---- types of JSON ----


def _string(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRecord("wrong type", f"'{key}' is no string but {str(value)[:50]!r}")
    return value or ""


def _aliases(items: Any, report: BuildReport) -> Iterator[Alias]:
    if not isinstance(items, (list, tuple)):
        raise BadRecord("wrong type", "'aliases' is no list")
    for item in items:
        item = {"text": item} if isinstance(item, str) else item
        try:
            if not isinstance(item, dict):
                raise BadRecord("wrong type", f"an alias is no object but {str(item)[:50]!r}")
            _note_unknown(item, ALIAS_FIELDS, report)
            yield Alias(
                text=_string(item, "text"),
                kind=_string(item, "kind") or "name",
                prior=item.get("prior"),
                language=_string(item, "language"),
                exchange=_string(item, "exchange") or _string(item, "mic"),
                start=_string(item, "from") or None,
                end=_string(item, "to") or None,
            )
        except BadRecord as bad:
            report.leave_out("alias", bad.reason, bad.problem)


def _edges(items: Any, report: BuildReport) -> Iterator[tuple[str, str]]:
    if not isinstance(items, (list, tuple)):
        raise BadRecord("wrong type", "'edges' is no list")
    for item in items:
        pair = item if isinstance(item, (list, tuple)) else ()
        if len(pair) == 2 and all(isinstance(part, str) for part in pair):
            yield (pair[0], pair[1])
        else:
            report.leave_out("edge", "wrong type", f"an edge is no pair of relation and target: {str(item)[:80]!r}")


def _alias_record(alias: Alias) -> dict[str, Any]:
    record = {
        "text": alias.text,
        "kind": alias.kind,
        "prior": alias.prior,
        "language": alias.language,
        "exchange": alias.exchange,
        "from": alias.start,
        "to": alias.end,
    }
    return {key: value for key, value in record.items() if value not in ("", None)}


def _note_unknown(record: Mapping[str, Any], known: Iterable[str], report: BuildReport) -> None:
    for key in record.keys() - set(known):
        report.notes[f"field {str(key)[:40]!r} is not read"] += 1


# ---- values ----


def _checked(text: str, what: str, longest: int) -> str:
    text = text.strip(" ")
    if not text.strip():
        raise BadRecord(f"empty {what}", f"the {what} is empty")
    if _CONTROL.search(text):
        raise BadRecord("control characters", f"the {what} {text[:80]!r} has control characters")
    if len(text) > longest:
        raise BadRecord(
            f"{what} too long", f"the {what} {text[:40]!r}... has {len(text)} characters, at most {longest}"
        )
    return text


def _cleaned(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _probability(value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= 1:
        raise BadRecord("wrong prior", f"the prior {str(value)[:40]!r} is no number from 0 to 1")
    # Parsers of JSON differ in the last digits.
    return round(float(value), 9)


def _checked_aliases(entity: Entity, report: BuildReport) -> Iterator[Alias]:
    for alias in entity.aliases:
        try:
            yield _checked_alias(alias)
        except BadRecord as bad:
            report.leave_out("alias", bad.reason, f"{entity.id}: {bad.problem}")


def _checked_alias(alias: Alias) -> Alias:
    text = _checked(alias.text, "alias", MAX_TEXT)
    kind = _checked(alias.kind, "kind", MAX_KIND)
    start, end = _day(alias.start), _day(alias.end, last=True)
    if start and end and start > end:
        raise BadRecord("from after to", f"the alias {text[:80]!r} is in use from {start} to {end}")
    prior = None if alias.prior is None else _probability(alias.prior)
    language, exchange = _cleaned(alias.language), _cleaned(alias.exchange)
    return replace(alias, text=text, kind=kind, prior=prior, language=language, exchange=exchange, start=start, end=end)


def _day(text: str | None, last: bool = False) -> str | None:
    """A whole day of an ISO date, month or year: the first, or the last."""
    if text is None:
        return None
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        day_of(text)
        return (_EPOCH + timedelta(days=day_of(text, last) or 0)).isoformat()
    except ValueError:
        raise BadRecord("wrong date", f"{text[:40]!r} is no date (YYYY, YYYY-MM or YYYY-MM-DD)") from None


def _checked_edges(entity: Entity, report: BuildReport) -> Iterator[tuple[str, str]]:
    for relation, target in dict.fromkeys(entity.edges):
        try:
            yield _checked(relation, "relation", MAX_TEXT), _checked(target, "target", MAX_TEXT)
        except BadRecord as bad:
            report.leave_out("edge", bad.reason, f"{entity.id}: {bad.problem}")
