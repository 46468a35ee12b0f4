"""Candidates of several sources as one list: each entity once a mention, best first, and no more than asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..segments import rank_in_group
from .candidates import Candidates, Mention
from .graph import INVALID, UNDATED, VALID, Floats, Ints, KnowledgeGraph, timing

# What is left of a score where the alias was not in use on the day of the document: dates are strong evidence, but
# texts keep using names and symbols for a while, and graphs have wrong dates.
OUTDATED = 0.6
# Which timing says more for an entity, by its number and back: in use, nothing known, not in use.
_RANKS = np.zeros(3, np.uint8)
_RANKS[[INVALID, UNDATED, VALID]] = (0, 1, 2)
_TIMINGS = np.array([INVALID, UNDATED, VALID], np.uint8)


def weigh(
    graph: KnowledgeGraph, mentions: Sequence[Mention], places: Ints, aliases: Ints, scores: Floats, source: Ints
) -> Candidates:
    """Candidates from aliases: with their entities, whether each alias was in use, and scored lower where it was not.

    places, aliases, scores, source (n,): Of each candidate the place of its mention, its alias, its score, its bits.
    """
    days = np.fromiter((mention.day for mention in mentions), np.int64, len(mentions))
    when = timing(graph.aliases, aliases, days[places])
    scores = np.where(when == INVALID, scores * OUTDATED, scores).astype(np.float32)
    entities = graph.aliases.entity[aliases].astype(np.int64)
    return Candidates(places, entities, aliases, scores, source.astype(np.uint8), when)


def merge(graph: KnowledgeGraph, parts: Sequence[Candidates], k: int) -> Candidates:
    """At most `k` candidates of each mention, by score, then prior, then id.

    An entity found more than once keeps its best score with the alias of that, has the sources of all, and was in use
    if any of its aliases was.
    """
    mention, entity, alias, score, source, when = (np.concatenate(column) for column in zip(*parts))
    prior = graph.aliases.prior[alias]
    order = np.lexsort((alias, -prior, -score, entity, mention))
    mention, entity = mention[order], entity[order]
    first = _starts(mention, entity)
    if not len(first):
        return none_found()
    source = np.bitwise_or.reduceat(source[order], first)
    when = _TIMINGS[np.maximum.reduceat(_RANKS[when[order]], first)]
    best = order[first]
    mention, entity, alias, score, prior = mention[first], entity[first], alias[best], score[best], prior[best]
    order = np.lexsort((entity, -prior, -score, mention))
    order = order[rank_in_group(mention[order]) < k]
    return Candidates(mention[order], entity[order], alias[order], score[order], source[order], when[order])


def none_found() -> Candidates:
    """No candidates."""
    numbers, bits = np.zeros(0, np.int64), np.zeros(0, np.uint8)
    return Candidates(numbers, numbers, numbers, np.zeros(0, np.float32), bits, bits)


def _starts(mention: Ints, entity: Ints) -> Ints:
    """Where a new pair of mention and entity begins."""
    new = np.ones(len(mention), bool)
    new[1:] = (mention[1:] != mention[:-1]) | (entity[1:] != entity[:-1])
    return np.flatnonzero(new)
