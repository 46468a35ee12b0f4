"""Whether the candidates of one document know each other: how much of what its other mentions may mean lies next to a
candidate in the graph."""

from __future__ import annotations

import numpy as np

from ..segments import ranges
from .graph import Floats, Ints, KnowledgeGraph

# Bounds of the work: neighbours of one candidate, and candidates of one mention that are looked at.
MAX_NEIGHBOURS = 512
_LIKELY = 0.05


def coherence(graph: KnowledgeGraph, doc_of_mention: Ints, mention: Ints, entity: Ints, chance: Floats) -> Floats:
    """The sum, over the entities that other mentions of the document may mean and that neighbour a candidate, of how
    probable each is: (candidates,).

    doc_of_mention (mentions,): The document of each mention. mention, entity, chance (candidates,): Of each candidate
        its mention, its entity, and how probable it is before its company is known; the less probable count nothing.
    """
    likely = np.flatnonzero(chance >= _LIKELY)
    if len(likely) < 2:
        return np.zeros(len(mention), np.float32)
    doc, n = doc_of_mention[mention], graph.meta.n_entities
    # Of each entity of a document its best chance, the mention that has it, and the best of another mention: a mention
    # takes nothing from its own candidates, and an entity that several may mean counts once.
    keys = doc[likely] * n + entity[likely]
    order = np.lexsort((-chance[likely], keys))
    keys, rows = keys[order], likely[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    last = np.concatenate([first[1:], [len(keys)]]) - 1
    best, owner = chance[rows[first]], mention[rows[first]]
    second = np.where(last > first, chance[rows[np.minimum(first + 1, last)]], 0.0)
    counts, near = _likely_neighbours(graph, entity, np.unique(entity[likely]))
    candidates = np.repeat(np.arange(len(entity)), counts)
    wanted = doc[candidates] * n + near
    places = np.minimum(np.searchsorted(keys[first], wanted), len(first) - 1)
    met = keys[first][places] == wanted
    candidates, places = candidates[met], places[met]
    taken = np.where(owner[places] == mention[candidates], second[places], best[places])
    return np.bincount(candidates, taken, minlength=len(mention)).astype(np.float32)


def _likely_neighbours(graph: KnowledgeGraph, entity: Ints, likely: Ints) -> tuple[Ints, Ints]:
    """Of each candidate those neighbours that are among some entities: how many, and all one after the other."""
    distinct, which = np.unique(entity, return_inverse=True)
    counts, near = graph.neighbours(distinct)
    looked_at = np.minimum(counts, MAX_NEIGHBOURS)
    near = near[ranges(np.cumsum(counts) - counts, looked_at)]
    kept = np.isin(near, likely)
    counts = np.bincount(np.repeat(np.arange(len(distinct)), looked_at)[kept], minlength=len(distinct))
    starts = (np.cumsum(counts) - counts)[which]
    return counts[which], near[kept][ranges(starts, counts[which])]
