"""The words that tell of an entity: of its description, its types and its neighbours' names.

They are what a text around a mention is compared with, so an entity that came to the graph yesterday is known as well
as any other: nothing of it was learned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]

from ..segments import ranges, sum_segments
from .graph import Ints, KnowledgeGraph

Hashes = NDArray[np.uint64]

# Neighbours whose names count, and entities whose words are counted to weigh words: enough, however large the graph.
MAX_NEIGHBOURS = 24
_SAMPLE = 20_000
# Entities whose words are kept at hand.
_CACHE = 200_000
_WORD = re.compile(r"\w+")


class EntityWords:
    """The words of the entities of one graph, by their hashes in lower case: those of `Token.lower`.

    They are read when they are first asked for, and kept. An entity's own names are none of them: they say nothing of
    which of its namesakes is meant.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._words: dict[int, Hashes] = {}
        self._frequent: tuple[Hashes, NDArray[np.float32]] | None = None
        self._rare = 0.0

    def of(self, entities: Ints) -> tuple[Ints, Hashes]:
        """The distinct words of each entity: how many each has (entities,), and all of them one after the other."""
        if len(self._words) > _CACHE:
            self._words = {}
        # Other threads may begin a new one in between.
        words = self._words
        missing = [number for number in dict.fromkeys(entities.tolist()) if number not in words]
        if missing:
            words.update(zip(missing, self._read(missing)))
        found = [words[number] for number in entities.tolist()]
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        return lengths, np.concatenate(found) if found else np.zeros(0, np.uint64)

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads what it needs: the words are the graph's, and many.
        return {**self.__dict__, "_words": {}}

    def weights(self, words: Hashes) -> NDArray[np.float32]:
        """Inverse document frequency of each word: log((1 + n) / (1 + entities with the word)) of a sample."""
        if self._frequent is None:
            self._frequent = self._count()
        known, idf = self._frequent
        if not len(known):
            return np.full(len(words), self._rare, np.float32)
        places = np.minimum(np.searchsorted(known, words), len(known) - 1)
        return np.where(known[places] == words, idf[places], self._rare).astype(np.float32)

    def _read(self, entities: Sequence[int]) -> list[Hashes]:
        counts, neighbours = self.graph.neighbours(entities)
        kept = np.minimum(counts, MAX_NEIGHBOURS)
        near = neighbours[ranges(np.cumsum(counts) - counts, kept)]
        names = iter(self.graph.labels(near))
        hashes: dict[str, int] = {}
        found = []
        for entity, count in zip(self.graph.entities(entities), kept.tolist()):
            texts = [entity.description, *entity.types, *(next(names) for _ in range(count))]
            own = {
                word for text in (entity.label, *(alias.text for alias in entity.aliases)) for word in words_of(text)
            }
            literals = [target for _, target in entity.edges if " " in target or target.istitle()]
            words = {word for text in (*texts, *literals) for word in words_of(text)} - own
            for word in words:
                if word not in hashes:
                    hashes[word] = hash_string(word)
            found.append(np.array(sorted(hashes[word] for word in words), dtype=np.uint64))
        return found

    def _count(self) -> tuple[Hashes, NDArray[np.float32]]:
        total = self.graph.meta.n_entities
        step = max(1, -(-total // _SAMPLE))
        _, words = self.of(np.arange(0, total, step))
        known, counts = np.unique(words, return_counts=True)
        n_sampled = len(range(0, total, step))
        self._rare = float(np.log(1.0 + n_sampled))
        idf: Any = np.log((1.0 + n_sampled) / (1.0 + counts))
        return known, idf.astype(np.float32)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def distinct_words(texts: Iterable[NDArray[Any]]) -> tuple[Ints, Hashes]:
    """Texts as the hashes of their words: how many distinct ones each has (texts,), and all, text after text."""
    words = [np.unique(text) for text in texts]
    return np.fromiter(map(len, words), np.int64, len(words)), np.concatenate([np.zeros(0, np.uint64), *words])


def overlap(
    words: EntityWords, group_words: Hashes, group_lengths: Ints, groups: Ints, entities: Ints
) -> NDArray[np.float32]:
    """Cosine between the words of a text and those of an entity, each weighted by its inverse frequency: (pairs,).

    group_words, group_lengths: Distinct words of each text, one text after the other, and how many each has.
    groups, entities (pairs,): The text and the entity of each pair.
    """
    if not len(groups):
        return np.zeros(0, np.float32)
    distinct, which = np.unique(entities, return_inverse=True)
    lengths, found = words.of(distinct)
    vocabulary = np.unique(group_words)
    weights = words.weights(vocabulary) ** 2 if len(vocabulary) else np.zeros(0, np.float32)
    group_ids = np.searchsorted(vocabulary, group_words)
    group_norms = np.sqrt(sum_segments(weights[group_ids], group_lengths))
    entity_norms = np.sqrt(sum_segments(words.weights(found) ** 2, lengths))
    # Of each entity the words that any text has, as numbers of the vocabulary.
    places = np.minimum(np.searchsorted(vocabulary, found), max(len(vocabulary) - 1, 0))
    met = vocabulary[places] == found if len(vocabulary) else np.zeros(len(found), bool)
    met_lengths = sum_segments(met, lengths)
    met_words = places[met]
    starts = np.cumsum(met_lengths) - met_lengths
    counts = met_lengths[which]
    pair_words = met_words[ranges(starts[which], counts)]
    pairs = np.repeat(np.arange(len(groups)), counts)
    keys = np.sort(np.repeat(np.arange(len(group_lengths)), group_lengths) * len(vocabulary) + group_ids)
    wanted = groups[pairs] * len(vocabulary) + pair_words
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    shared = (keys[at] == wanted) if len(keys) else np.zeros(len(wanted), bool)
    dots = np.bincount(pairs, np.where(shared, weights[pair_words], 0.0), minlength=len(groups))
    norms = group_norms[groups] * entity_norms[which]
    return (dots / np.maximum(norms, 1e-6)).astype(np.float32)
