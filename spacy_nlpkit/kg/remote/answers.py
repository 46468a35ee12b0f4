"""What a remote graph answers, and how its records are read: nothing that a service sends is taken on trust."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

# What became of a text: results, none, no answer in time, a failure, not in the cache and not asked.
OK, NO_MATCH, TIMEOUT, ERROR, OFFLINE = "ok", "no_match", "timeout", "error", "offline"

# The longest text that is asked for, and the longest texts that are kept of an answer, in characters.
MAX_QUERY = 200
_MAX_SHORT, _MAX_LONG = 1000, 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """One entity that a service found for a text.

    id: As the service names it. label, description, url: empty where the service has none. types: As the service
    writes them. alias: The name, symbol or identifier that matched. score: 0 to 1, see `scored`.
    """

    id: str
    label: str
    description: str = ""
    types: tuple[str, ...] = ()
    url: str = ""
    score: float = 0.0
    alias: str = ""


class RemoteAnswers(NamedTuple):
    """Answers to a batch of texts, in their order.

    results: Of each text, best first. status: Of each text, `ok`, `no_match`, `timeout`, `error` or `offline`.
    dropped: How many results were left out, since a field was missing or of another type.
    """

    results: list[list[RemoteResult]]
    status: list[str]
    dropped: int


class MalformedError(Exception):
    """A part of an answer does not have the form that the service documents; says which."""


def clean(text: str, limit: int = _MAX_SHORT) -> str:
    """A text without control characters and surrogates, its blanks single, cut at `limit` characters."""
    return " ".join(_CONTROL.sub(" ", text[: 4 * limit]).split())[:limit].rstrip()


def clean_query(text: str) -> str:
    """A mention as it is sent; empty where nothing is left of it, or where it is too long for a name."""
    return clean(text) if len(text) <= MAX_QUERY else ""


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """The value, an object of JSON. RAISES: MalformedError where it is none."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is no object")
    return value


def items(record: Mapping[str, Any], field: str) -> list[Any]:
    """The list in a field, empty where the field is missing. RAISES: MalformedError where it is no list."""
    value = record.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{field} is no list")
    return value


def string(record: Mapping[str, Any], field: str, long: bool = False) -> str:
    """The text in a field, cleaned; empty where the field is missing. RAISES: MalformedError where it is no text."""
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedError(f"{field} is no text")
    return clean(value, _MAX_LONG if long else _MAX_SHORT)


def needed(record: Mapping[str, Any], field: str) -> str:
    """The text in a field. RAISES: MalformedError where it is missing, empty or no text."""
    value = string(record, field)
    if not value:
        raise MalformedError(f"{field} is missing")
    return value


def web_address(record: Mapping[str, Any], field: str) -> str:
    """The web address in a field; empty where it is missing. RAISES: MalformedError where it is something else.

    Addresses are shown and followed by readers, so that one of another scheme (`javascript:`) is never kept.
    """
    value = string(record, field)
    if value.startswith("//"):
        value = f"https:{value}"
    if value and not value.lower().startswith(("http://", "https://")):
        raise MalformedError(f"{field} is no web address")
    return value


def read_results(
    records: Sequence[Any],
    read: Callable[[Mapping[str, Any]], RemoteResult],
    k: int,
    dropped: list[str],
    strength_field: str | None = None,
) -> list[RemoteResult] | None:
    """The k best results among the records of a text, best first, with scores as by `scored`.

    read: Makes a result of a record; where it raises MalformedError, the record is left out, and why goes to `dropped`.
    strength_field (str): Field with the service's own score; None where the records are in order.
    RETURNS: None where there are records, but none in form: that does not say that the service knows nothing.
    """
    pairs = []
    for rank, record in enumerate(records, 1):
        try:
            result = read(mapping(record, "a result"))
            pairs.append((1 / rank if strength_field is None else _strength(record, strength_field), result))
        except MalformedError as problem:
            dropped.append(str(problem))
    return scored(pairs, k) if pairs or not records else None


def scored(results: Sequence[tuple[float, RemoteResult]], k: int) -> list[RemoteResult]:
    """The k best results, each entity once, with a score that can be compared across queries.

    results: With the strength that the service gives, above 0, or 1 / rank where it gives none.
    The score is the logistic function of the log-ratio of a result's strength to that of its strongest rival: 1 for an
    only result, above 0.5 for the first alone, 0.5 for both of two that are equal.
    """
    best: dict[str, tuple[float, RemoteResult]] = {}
    for strength, result in results:
        if result.id not in best or strength > best[result.id][0]:
            best[result.id] = (strength, result)
    # Sorting is stable: equal strengths stay in the order of the service.
    ranked = sorted(best.values(), key=lambda pair: -pair[0])
    rivals = [ranked[1][0] if place == 0 and len(ranked) > 1 else ranked[0][0] for place in range(len(ranked))]
    if len(ranked) == 1:
        return [replace(ranked[0][1], score=1.0)]
    return [
        replace(result, score=strength / (strength + rival)) for (strength, result), rival in zip(ranked[:k], rivals)
    ]


def _strength(record: Mapping[str, Any], field: str) -> float:
    """The number above 0 in a field. RAISES: MalformedError where it is something else."""
    value = record.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e30 or math.isnan(value):
        raise MalformedError(f"{field} is no number above 0")
    return float(value)


def to_json(results: Sequence[RemoteResult]) -> list[dict[str, Any]]:
    """Results as the cache keeps them."""
    return [asdict(result) for result in results]


def from_json(records: Any) -> list[RemoteResult]:
    """The results that `to_json` wrote. RAISES: MalformedError where they are not in its form."""
    try:
        return [RemoteResult(**{**record, "types": tuple(record["types"])}) for record in records]
    except (TypeError, KeyError):
        raise MalformedError("the cached answer") from None
