"""Whether the candidates of one document know each other: how much of what its other mentions may mean lies next to a
candidate in the graph."""

from __future__ import annotations

import numpy as np

from .columns import ranges
from .graph import Floats, Ints, KnowledgeGraph
from .label_types import near_entities

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
    keys = doc[likely] * n + entity[likely]
    order = np.argsort(keys, kind="stable")
    sorted_keys, sorted_rows = keys[order], likely[order]
    distinct, which = np.unique(entity, return_inverse=True)
    counts, near = near_entities(graph, distinct, MAX_NEIGHBOURS)
    starts = (np.cumsum(counts) - counts)[which]
    rows = np.repeat(np.arange(len(entity)), counts[which])
    wanted = doc[rows] * n + near[ranges(starts, counts[which])]
    first = np.searchsorted(sorted_keys, wanted, side="left")
    found = np.searchsorted(sorted_keys, wanted, side="right") - first
    pairs, others = np.repeat(rows, found), sorted_rows[ranges(first, found)]
    apart = (mention[pairs] != mention[others]) & (entity[pairs] != entity[others])
    pairs, others = pairs[apart], others[apart]
    # An entity that several mentions may mean counts once, by its best chance.
    best = np.lexsort((-chance[others], entity[others], pairs))
    pairs, others = pairs[best], others[best]
    new = np.ones(len(pairs), bool)
    new[1:] = (pairs[1:] != pairs[:-1]) | (entity[others][1:] != entity[others][:-1])
    return np.bincount(pairs[new], chance[others[new]], minlength=len(mention)).astype(np.float32)
