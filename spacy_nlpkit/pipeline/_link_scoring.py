"""From mentions of a batch of documents to the chances of their candidates: what `kg_linker` computes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]
from spacy.tokens import Doc

from ..kg.candidates import CandidateGenerator, Candidates
from ..kg.entity_words import EntityWords
from ..kg.graph import KnowledgeGraph
from ..kg.label_types import LabelTypes
from ..kg.link_features import Features, compute_features
from ..kg.surface_weights import nil_weights, surface_weights
from ..layers.link_scorer import LinkBatch, Words
from ._link_mentions import DocMentions

Floats = NDArray[np.float64]


class Found(NamedTuple):
    """Mentions of a batch of documents, their candidates, and what is known of these."""

    docs: list[Doc]
    mentions: DocMentions
    candidates: Candidates
    features: Features


class Chances(NamedTuple):
    """How probable each candidate is (candidates,), and that none is meant (mentions,)."""

    candidates: Floats
    nil: Floats


class LinkScoring:
    """All that depends on the graph, made once for it.

    graph: Of the entities. generator: Finds candidates, at most `k` of a mention. label_types: By label the only types
    that are permitted.
    """

    def __init__(
        self, graph: KnowledgeGraph, generator: CandidateGenerator, k: int, label_types: dict[str, list[str]]
    ) -> None:
        self.graph = graph
        self.generator = generator
        self.k = k
        self.words = EntityWords(graph)
        self.types = LabelTypes(graph, label_types)

    def find(self, docs: list[Doc], mentions: DocMentions) -> Found:
        """Candidates of mentions, with their features."""
        found = self.generator(self.graph, mentions.mentions, self.k)
        if self.types.allowed:
            found = self._permitted(mentions, found)
        features = compute_features(
            self.graph, self.words, self.types, docs, mentions.marks, mentions.mentions, found, surface_weights()
        )
        return Found(docs, mentions, found, features)

    def _permitted(self, mentions: DocMentions, found: Candidates) -> Candidates:
        labels = sorted({mention.label for mention in mentions.mentions})
        place = {label: number for number, label in enumerate(labels)}
        of_mention = np.array([place[mention.label] for mention in mentions.mentions], np.int64)
        keep = self.types.permitted(labels, of_mention[found.mention], found.entity)
        return found.take(keep)

    def batch(self, found: Found) -> LinkBatch:
        """What the model reads."""
        distinct, which = np.unique(found.candidates.entity, return_inverse=True)
        return LinkBatch(
            docs=found.docs,
            doc=found.mentions.marks.doc,
            start=found.mentions.marks.start,
            end=found.mentions.marks.end,
            mention=found.candidates.mention,
            entity=which,
            features=found.features.candidate,
            nil_features=found.features.nil,
            entity_words=self._entity_words(distinct),
            mention_words=self._mention_words(found),
        )

    def _entity_words(self, entities: NDArray[np.int64]) -> Words:
        lengths, hashes = self.words.of(entities)
        return Words(lengths, hashes, _normalised(self.words.weights(hashes), lengths))

    def _mention_words(self, found: Found) -> Words:
        """The words of each mention's document, and its label."""
        texts = [np.unique(doc.to_array("LOWER")) for doc in found.docs]
        parts, weights = [], []
        scaled = [_normalised(self.words.weights(words), np.array([len(words)])) for words in texts]
        for doc, mention in zip(found.mentions.marks.doc.tolist(), found.mentions.mentions):
            parts += [texts[doc], np.array([hash_string(f"label {mention.label}")], np.uint64)]
            weights += [scaled[doc], np.ones(1, np.float32)]
        lengths = np.fromiter(map(len, parts), np.int64, len(parts)).reshape(-1, 2).sum(axis=1)
        if not parts:
            return Words(lengths, np.zeros(0, np.uint64), np.zeros(0, np.float32))
        return Words(lengths, np.concatenate(parts), np.concatenate(weights))


def surface_scores(features: Features) -> NDArray[np.float32]:
    """Scores by the shipped weights, of a linker that was not trained: (candidates + mentions,)."""
    return np.concatenate([features.candidate @ surface_weights(), features.nil @ nil_weights()])


def chances_of(scores: NDArray[Any], mention: NDArray[np.int64], temperature: float = 1.0) -> Chances:
    """Softmax over the candidates of each mention and none of them.

    scores (candidates + mentions,): As the model gives them. mention (candidates,): Of each candidate.
    """
    scaled = np.asarray(scores, np.float64) / temperature
    candidates, nil = scaled[: len(mention)], scaled[len(mention) :]
    top = nil.copy()
    np.maximum.at(top, mention, candidates)
    powers, nil_powers = np.exp(candidates - top[mention]), np.exp(nil - top)
    total = np.bincount(mention, powers, minlength=len(nil)) + nil_powers
    return Chances(powers / total[mention], nil_powers / total)


def link_loss(
    scores: NDArray[Any], mention: NDArray[np.int64], right: NDArray[np.bool_], nil: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float32]]:
    """Cross-entropy over candidates and none of them, a mean over the mentions that teach, and its gradient.

    right (candidates,): Which candidates are right. nil (mentions,): Which mentions mean none. A mention with neither
    teaches nothing.
    """
    chances = chances_of(scores, mention)
    n = len(nil)
    taught = nil | (np.bincount(mention, right, minlength=n) > 0)
    count = max(int(taught.sum()), 1)
    held = np.bincount(mention, np.where(right, chances.candidates, 0.0), minlength=n) + np.where(nil, chances.nil, 0.0)
    loss = -np.log(np.maximum(held[taught], 1e-12)).sum() / count
    # Where several candidates are right, each by its share of their chance.
    target = np.where(right, chances.candidates / np.maximum(held, 1e-12)[mention], 0.0)
    target_nil = np.where(nil, chances.nil / np.maximum(held, 1e-12), 0.0)
    gradient = np.concatenate([
        np.where(taught[mention], chances.candidates - target, 0.0), np.where(taught, chances.nil - target_nil, 0.0)
    ])  # fmt: skip
    return float(loss), (gradient / count).astype(np.float32)


def _normalised(weights: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights of texts, each text's brought to length 1 (in the sense of Euclid)."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    norms = np.sqrt(np.bincount(owner, weights.astype(np.float64) ** 2, minlength=len(lengths)))
    return (weights / np.maximum(norms, 1e-6)[owner]).astype(np.float32)
