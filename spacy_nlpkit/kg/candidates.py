"""What candidate generators take and give: mentions in, entities with the alias that speaks for each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .graph import FIRST_DAY, Floats, Ints, KnowledgeGraph

# A day before all days: the date of the document is not known.
NO_DAY = FIRST_DAY - 1


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of an entity in a text, with what its document says of it.

    text: As written. label: The recognizer's. day: Of the document, days since 1970-01-01; `NO_DAY` if unknown.
    names: Longer names of the same document that it stands for, the longest first (`International Business Machines`
        for `IBM`).
    symbol: The stock symbol that it is, or that follows it in brackets, without its venue but with its class (`BRK.B`);
        and `venue`, as written, and `mic`, the ISO 10383 code, where known; empty where there is none.
    """

    text: str
    label: str = ""
    day: int = NO_DAY
    names: tuple[str, ...] = ()
    symbol: str = ""
    venue: str = ""
    mic: str = ""


class Candidates(NamedTuple):
    """Candidates of a batch of mentions, those of one mention together, in order of the mentions: (candidates,) each.

    mention: Place of the mention. entity: Number of the entity; each at most once a mention. alias: Number of the alias
    that speaks most for it. score: float32, similarity of mention and alias, 0 to 1. source: uint8, bits of `SOURCES`:
    which generators found it. timing: uint8, `graph.UNDATED`, `VALID` or `INVALID` at the mention's day.
    """

    mention: Ints
    entity: Ints
    alias: Ints
    score: Floats
    source: NDArray[np.uint8]
    timing: NDArray[np.uint8]

    def take(self, rows: NDArray) -> Candidates:
        """The candidates at these places, or where a mask holds."""
        mention, entity, alias, score, source, timing = (column[rows] for column in self)
        return Candidates(mention, entity, alias, score, source, timing)  # type: ignore[arg-type]


# Bits of `Candidates.source`, by name.
SOURCES = {"exact": 1, "symbol": 2, "identifier": 4, "fuzzy": 8, "expansion": 16, "partial": 32}


class CandidateGenerator(Protocol):
    """Finds candidates; registered under `misc`, so that a config names one, or a union of several."""

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """At most `k` candidates of each mention, best first: by score, then prior, then id."""
        ...
