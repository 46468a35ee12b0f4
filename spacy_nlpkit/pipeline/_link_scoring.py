"""From mentions of a batch of documents to the chances of their candidates: what `kg_linker` computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]
from spacy.tokens import Doc

from ..kg.candidates import CandidateGenerator, Candidates, Mention
from ..kg.entity_words import EntityWords, distinct_words
from ..kg.graph import KnowledgeGraph
from ..kg.label_types import LabelTypes, number_labels
from ..kg.link_features import Features, compute_features
from ..kg.surface_weights import nil_weights, surface_weights
from ..layers.link_scorer import LinkBatch, Words
from ..segments import rank_in_group, sum_segments
from ._link_mentions import DocMentions

Floats = NDArray[np.float64]
# Times as many candidates are looked for where types may rule some out.
WIDER = 4


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
        if self.types.allowed:
            found = self._permitted(mentions, self.generator(self.graph, mentions.mentions, WIDER * self.k))
        else:
            found = self.generator(self.graph, mentions.mentions, self.k)
        features = compute_features(
            self.graph, self.words, self.types, docs, mentions.marks, mentions.mentions, found, surface_weights()
        )
        return Found(docs, mentions, found, features)

    def _permitted(self, mentions: DocMentions, found: Candidates) -> Candidates:
        labels, of_mention = number_labels(mentions.mentions)
        left = found.take(self.types.permitted(labels, of_mention[found.mention], found.entity))
        return left.take(rank_in_group(left.mention) < self.k)

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
            doc_words=self._doc_words(found.docs),
            label=_label_hashes(found.mentions.mentions),
        )

    def _entity_words(self, entities: NDArray[np.int64]) -> Words:
        lengths, hashes = self.words.of(entities)
        return Words(lengths, hashes, _normalised(self.words.weights(hashes), lengths))

    def _doc_words(self, docs: list[Doc]) -> Words:
        lengths, hashes = distinct_words(doc.to_array("LOWER") for doc in docs)
        return Words(lengths, hashes, _normalised(self.words.weights(hashes), lengths))


def _label_hashes(mentions: Sequence[Mention]) -> NDArray[np.uint64]:
    hashes = {label: hash_string(f"label {label}") for label in {mention.label for mention in mentions}}
    return np.fromiter((hashes[mention.label] for mention in mentions), np.uint64, len(mentions))


def surface_scores(features: Features) -> Floats:
    """Scores by the shipped weights, of a linker that was not trained: (candidates + mentions,). Each is summed by
    itself: a product of matrices would depend, in its last digits, on the other rows."""
    return np.concatenate([
        (features.candidate.astype(np.float64) * surface_weights()).sum(axis=1),
        (features.nil.astype(np.float64) * nil_weights()).sum(axis=1),
    ])  # fmt: skip


def chances_of(scores: NDArray[Any], mention: NDArray[np.int64], temperature: float = 1.0) -> Chances:
    """Softmax over the candidates of each mention and none of them.

    scores (candidates + mentions,): As the model gives them. mention (candidates,): Of each candidate.
    """
    candidates, nil = _split(np.asarray(scores, np.float64) / temperature, mention)
    total = _log_sums(candidates, nil, mention)
    return Chances(np.exp(candidates - total[mention]), np.exp(nil - total))


def link_loss(
    scores: NDArray[Any], mention: NDArray[np.int64], right: NDArray[np.bool_], nil: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float32]]:
    """Cross-entropy over candidates and none of them, a mean over the mentions that teach, and its gradient.

    right (candidates,): Which candidates are right. nil (mentions,): Which mentions mean none. A mention with neither
    teaches nothing; where several are right, their chances count together.
    """
    taught = nil | (np.bincount(mention, right, minlength=len(nil)) > 0)
    count = max(int(taught.sum()), 1)
    candidates, none = _split(np.asarray(scores, np.float64), mention)
    wanted, wanted_none = np.where(right, candidates, -np.inf), np.where(nil, none, -np.inf)
    total = _log_sums(candidates, none, mention)
    held = np.where(taught, _log_sums(wanted, wanted_none, mention), 0.0)
    gradient = np.concatenate([
        np.where(taught[mention], np.exp(candidates - total[mention]) - np.exp(wanted - held[mention]), 0.0),
        np.where(taught, np.exp(none - total) - np.exp(wanted_none - held), 0.0),
    ])  # fmt: skip
    return float((total - held)[taught].sum() / count), (gradient / count).astype(np.float32)


def distance_loss(
    scores: NDArray[Any], teacher_scores: NDArray[Any], mention: NDArray[np.int64]
) -> tuple[float, NDArray[np.float32]]:
    """Kullback-Leibler divergence of the chances from a teacher's, a mean over the mentions, and its gradient."""
    ours, theirs = (np.concatenate(chances_of(each, mention)) for each in (scores, teacher_scores))
    count = max(len(ours) - len(mention), 1)
    tiny = np.finfo(np.float64).tiny
    loss = (theirs * (np.log(np.maximum(theirs, tiny)) - np.log(np.maximum(ours, tiny)))).sum() / count
    return float(loss), ((ours - theirs) / count).astype(np.float32)


def _split(scores: Floats, mention: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Scores of candidates, and of linking to none."""
    return scores[: len(mention)], scores[len(mention) :]


def _log_sums(candidates: Floats, none: Floats, mention: NDArray[np.int64]) -> Floats:
    """The logarithm of the sum of the exponentials of each mention, -inf where all its scores are."""
    top = none.copy()
    np.maximum.at(top, mention, candidates)
    top = np.where(np.isfinite(top), top, 0.0)
    powers = np.bincount(mention, np.exp(candidates - top[mention]), minlength=len(none)) + np.exp(none - top)
    with np.errstate(divide="ignore"):
        return np.log(powers) + top


def _normalised(weights: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights of texts, each text's brought to length 1 (in the sense of Euclid)."""
    norms = np.sqrt(sum_segments(weights.astype(np.float64) ** 2, lengths))
    return (weights / np.repeat(np.maximum(norms, 1e-6), lengths)).astype(np.float32)
