"""Subsets of a corpus for a learning curve: nested, stratified by class, the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from spacy.tokens import Doc

# A label of `doc.cats` counts as given to the document from this value on.
GIVEN = 0.5


def draw_nested_subsets(docs: Sequence[Doc], sizes: Iterable[int], seed: int = 0) -> dict[int, list[Doc]]:
    """Draw a subset of each size, where a smaller one is part of every larger one.

    docs (Sequence[Doc]): The corpus; stratified by class as far as the documents have `doc.cats`.
    sizes (Iterable[int]): Numbers of documents; one beyond the corpus gets the whole corpus.
    seed (int): Equal seeds draw equal subsets.
    RETURNS (dict[int, list[Doc]]): By size; the documents keep their order in the corpus.
    """
    order = _nested_order(_strata(docs), seed)
    return {size: [docs[i] for i in sorted(order[:size])] for size in sizes}


def given_labels(doc: Doc) -> set[str]:
    """The labels of `doc.cats` with a value of at least 0.5."""
    return {label for label, value in doc.cats.items() if value >= GIVEN}


def missing_labels(docs: Iterable[Doc], subset: Iterable[Doc]) -> list[str]:
    """The labels, sorted, that documents of the corpus have and no document of the subset has."""
    return sorted(set().union(*map(given_labels, docs)) - set().union(*map(given_labels, subset)))


def _strata(docs: Sequence[Doc]) -> list[str | None]:
    """The stratum of each document: of its labels the one that fewest documents have, None where it has no label.

    So each class is a stratum of its own; where documents have several, the rare labels keep their share.
    """
    labels = [given_labels(doc) for doc in docs]
    counts = Counter(label for found in labels for label in found)
    return [min(found, key=lambda label: (counts[label], label), default=None) for found in labels]


def _nested_order(strata: Sequence[str | None], seed: int) -> list[int]:
    """An order of all documents in which every beginning has each stratum's share, to within about one document.

    The next document is of the stratum that lags furthest behind its share.
    """
    rng = random.Random(seed)
    waiting: dict[str | None, list[int]] = {}
    for i, stratum in enumerate(strata):
        waiting.setdefault(stratum, []).append(i)
    # Among equals the first is taken: a different one for each seed.
    names = sorted(waiting, key=lambda name: (name is not None, name or ""))
    rng.shuffle(names)
    for name in names:
        rng.shuffle(waiting[name])
    shares = {name: len(waiting[name]) / len(strata) for name in names}
    order: list[int] = []
    taken = dict.fromkeys(names, 0)
    for number in range(1, len(strata) + 1):
        open_names = (name for name in names if waiting[name])
        name = max(open_names, key=lambda name: shares[name] * number - taken[name])
        taken[name] += 1
        order.append(waiting[name].pop())
    return order
