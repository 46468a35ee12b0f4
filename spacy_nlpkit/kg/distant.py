"""Distant supervision: texts that name a company and its symbol side by side, `Intel Corp. (NASDAQ: INTC)`, tell which
company they mean, without an annotator (Mintz et al. 2009)."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .._notations import scan
from ..normalise import name_key, symbol_key
from ..symbols import resolve
from .graph import CODE_KINDS, FIRST_DAY, LAST_DAY, SYMBOL_KINDS, KnowledgeGraph, day_of

AGREEMENTS = ("exact", "prefix", "overlap")
# What can become of a pair of name and symbol.
PAIRS = "found"
KEPT = "kept"
MASKED = "kept, symbol masked"
UNKNOWN_SYMBOL = "left out: symbol not in the graph"
NOT_IN_USE = "left out: symbol not in use at the date"
OTHER_NAME = "left out: no name of the company before it"
AMBIGUOUS = "left out: names of several companies fit"
BAD_DATE = "date that cannot be read, taken for none"

_BATCH = 256
_MAX_WORDS = 8
_MAX_NAME = 120
# Characters on each side of a symbol that tell its parts.
_CONTEXT = 60
# From the end of the notation to the end of the bracket: `(NYSE: F, news)`.
_REST = re.compile(r"[^()<>]{0,40}[)>]")
_WORD = re.compile(r"\S+")
_POSSESSIVE = re.compile(r"['’]s\Z")
_BRACKETS = re.compile(r"[()<>\[\]]")
_MIN_OVERLAP = 0.5
# Words more than the company's name has: `Apple Computer` of Apple.
_MAX_EXTRA = 2


@dataclass(frozen=True)
class DistantOptions:
    """How links are found.

    mask (float): The share of pairs whose bracket is removed, so that name and context alone tell the company, 0 to 1.
    agreement (str): How the name in the text must agree with one of the company's, by `normalise.name_key`: "exact";
        "prefix", equal words up to where one of the two ends; or "overlap", half of the words of the company's name.
    name_label, symbol_label (str): Labels of the spans. seed (int): Of the draw which brackets are removed.
    """

    mask: float = 0.7
    agreement: str = "prefix"
    name_label: str = "ORG"
    symbol_label: str = "TICKER"
    seed: int = 0


class _Bracket(NamedTuple):
    """A symbol in brackets: offsets of the bracket and of the symbol, and the keys to look up, the most exact first."""

    start: int
    end: int
    symbol_start: int
    symbol_end: int
    keys: tuple[str, ...]


class _Pair(NamedTuple):
    """A name and the bracket behind it, and the id of the company."""

    start: int
    end: int
    bracket: _Bracket
    kb_id: str


def find_links(
    graph: KnowledgeGraph, texts: Iterable[tuple[str, Mapping[str, Any]]], options: DistantOptions, counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Prodigy tasks with the entity ids of names and symbols, one for each text that has a pair of them.

    All that is not in a span is open: a task is a yes/no answer (`_is_binary`). Symbols are looked up at `meta.date`.

    texts: Each text with its `meta`, which goes into the task. counts: Grows by what became of the pairs, by reason.
    """
    rng = random.Random(options.seed)
    names = _Names(graph)
    texts = iter(texts)
    while batch := list(islice(texts, _BATCH)):
        brackets = [list(find_brackets(text)) for text, _ in batch]
        holders = _Holders(graph, [key for found in brackets for bracket in found for key in bracket.keys])
        for (text, meta), found in zip(batch, brackets):
            period = _period(meta.get("date"), counts)
            decided = (_decide(text, bracket, holders, names, period, options.agreement, counts) for bracket in found)
            pairs = [pair for pair in decided if pair is not None]
            if pairs:
                yield _make_task(text, meta, pairs, options, rng, counts)


def find_brackets(text: str) -> Iterator[_Bracket]:
    """The symbols of a text that stand in brackets, in order."""
    for found in scan(text):
        if found.notation == "agency" or found.start == 0:
            continue
        start = found.start - (text[found.start - 1] in "(<")
        rest = _REST.match(text, found.end)
        if text[start] not in "(<":
            continue
        if text[found.end - 1] == ")":
            end = found.end
        elif rest is not None:
            end = rest.end()
        else:
            continue
        written = text[found.symbol_start : found.symbol_end]
        left = text[max(0, found.symbol_start - _CONTEXT) : found.symbol_start]
        ticker = resolve(written, left, text[found.symbol_end : found.symbol_end + _CONTEXT])
        share = f"{ticker['root']}.{ticker['share_class']}" if ticker["share_class"] else ticker["root"]
        keys = tuple(dict.fromkeys(map(symbol_key, (written, share, ticker["root"]))))
        yield _Bracket(start, end, found.symbol_start, found.symbol_end, keys)


class _Holders:
    """Who has had a symbol and when, for the keys of a batch."""

    def __init__(self, graph: KnowledgeGraph, keys: Sequence[str]) -> None:
        distinct = list(dict.fromkeys(keys))
        hits = graph.lookup(distinct, symbols=True)
        columns = graph.aliases
        is_symbol = np.array([kind in SYMBOL_KINDS for kind in graph.kinds], dtype=bool)
        self._found: dict[str, list[tuple[int, int, int]]] = {}
        for query, alias in zip(hits.query.tolist(), hits.alias.tolist()):
            if is_symbol[columns.kind[alias]]:
                use = int(columns.entity[alias]), int(columns.start[alias]), int(columns.end[alias])
                self._found.setdefault(distinct[query], []).append(use)

    def of(self, keys: Iterable[str]) -> list[tuple[int, int, int]]:
        """Entity, first and last day of each use of the first key that anyone has."""
        return next((self._found[key] for key in keys if key in self._found), [])


class _Names:
    """The words of the names of companies, read once each."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph
        self._known: dict[int, list[list[str]]] = {}

    def of(self, entity: int) -> list[list[str]]:
        """The key of each name of an entity, as words."""
        if entity not in self._known:
            (record,) = self._graph.entities([entity])
            keys = {name_key(alias.text) for alias in record.aliases if alias.kind not in CODE_KINDS}
            self._known[entity] = [key.split() for key in sorted(keys | {name_key(record.label)}) if key]
        return self._known[entity]

    def id_of(self, entity: int) -> str:
        """The id of an entity."""
        return self._graph.ids([entity])[0]


def _period(date: Any, counts: Counter[str]) -> tuple[int, int]:
    """First and last day that a date can mean; all days where there is none."""
    if date:
        try:
            first, last = day_of(str(date)), day_of(str(date), last=True)
        except ValueError:
            counts[BAD_DATE] += 1
        else:
            if first is not None and last is not None:
                return first, last
    return FIRST_DAY, LAST_DAY


def _decide(
    text: str,
    bracket: _Bracket,
    holders: _Holders,
    names: _Names,
    period: tuple[int, int],
    agreement: str,
    counts: Counter[str],
) -> _Pair | None:
    """The name before a bracket and its company; None, and the reason counted, where they do not agree."""
    counts[PAIRS] += 1
    uses = holders.of(bracket.keys)
    entities = {entity for entity, start, end in uses if start <= period[1] and period[0] <= end}
    bounds = {entity: name_before(text, bracket.start, names.of(entity), agreement) for entity in sorted(entities)}
    found = {entity: place for entity, place in bounds.items() if place is not None}
    if len(found) == 1:
        ((entity, (start, end)),) = found.items()
        counts[KEPT] += 1
        return _Pair(start, end, bracket, names.id_of(entity))
    reason = AMBIGUOUS if found else OTHER_NAME if entities else NOT_IN_USE if uses else UNKNOWN_SYMBOL
    counts[reason] += 1
    return None


def name_before(text: str, end: int, names: Sequence[Sequence[str]], agreement: str) -> tuple[int, int] | None:
    """Where the name that ends before a place lies; None where it agrees with none of these.

    text (str), end (int): The place. names: Keys of names, as words. agreement (str): See `DistantOptions`.
    """
    window = text[max(0, end - _MAX_NAME) : end]
    # No name goes on across a bracket.
    piece = _BRACKETS.split(window)[-1]
    first = end - len(piece)
    is_cut = len(piece) == _MAX_NAME
    piece = piece.rstrip(" \t\n\r\xa0,;\"'”’")
    best: tuple[int, int] | None = None
    least: tuple[int, int, int] | None = None
    for name in dict.fromkeys((_POSSESSIVE.sub("", piece), piece)):
        # The first word of a window may have lost its beginning.
        words = [found.start() for found in _WORD.finditer(name)][is_cut:]
        for start in reversed(words[-_MAX_WORDS:]):
            start += len(name[start:]) - len(name[start:].lstrip("\"'“‘-"))
            ranks = (_rank(name_key(name[start:]).split(), other, name[start:], agreement) for other in names)
            rank = min((rank for rank in ranks if rank is not None), default=None)
            # Of equal ranks the shorter text: without an article before it.
            if rank is not None and (least is None or rank < least):
                best, least = (first + start, first + len(name)), rank
    return best


def _rank(key: list[str], name: Sequence[str], written: str, agreement: str) -> tuple[int, int, int] | None:
    """How far a text agrees with a name, the least best; None where it does not.

    Headlines run into the sentence, `Gateway Narrows Loss Gateway Inc. (GTW)`: an equal name comes before a longer one.
    """
    if key == name:
        return 0, 0, -len(key)
    if agreement == "exact" or not key or _has_plain_word(written, name):
        return None
    if key == name[: len(key)]:
        return 1, 0, -len(key)
    extra = len(key) - len(name)
    if key[: len(name)] == name and extra <= _MAX_EXTRA:
        return 2, extra, -len(key)
    common = set(key) & set(name)
    if agreement == "overlap" and key[0] in common and len(common) >= _MIN_OVERLAP * len(name) and extra <= _MAX_EXTRA:
        return 3, -len(common), len(key)
    return None


def _has_plain_word(written: str, name: Sequence[str]) -> bool:
    """Whether a text begins in lower case, or has a word in lower case that the name does not have."""
    return written[0].islower() or any(word[0].islower() and word not in name for word in written.split())


def _make_task(
    text: str,
    meta: Mapping[str, Any],
    pairs: Sequence[_Pair],
    options: DistantOptions,
    rng: random.Random,
    counts: Counter[str],
) -> dict[str, Any]:
    """The task of a text, without the brackets that are masked."""
    parts: list[str] = []
    spans: list[dict[str, Any]] = []
    done = removed = 0
    for pair in pairs:
        bracket = pair.bracket
        spans.append(_span(pair.start - removed, pair.end - removed, options.name_label, pair.kb_id))
        if rng.random() < options.mask:
            counts[MASKED] += 1
            blanks = len(text[pair.end : bracket.start]) - len(text[pair.end : bracket.start].rstrip())
            parts.append(text[done : bracket.start - blanks])
            removed += bracket.end - bracket.start + blanks
            done = bracket.end
        else:
            start, end = bracket.symbol_start - removed, bracket.symbol_end - removed
            spans.append(_span(start, end, options.symbol_label, pair.kb_id))
    return {
        "text": "".join([*parts, text[done:]]),
        "spans": spans,
        "meta": dict(meta),
        "answer": "accept",
        "_is_binary": True,
    }


def _span(start: int, end: int, label: str, kb_id: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label, "kb_id": kb_id}
