"""What speaks for and against each candidate of a mention, as numbers: all but what a model learns from the text.

Features are (candidates, `len(FEATURES)`) and (mentions, `len(NIL_FEATURES)`) arrays of a batch of documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from .candidates import SOURCES, Candidates, Mention
from .coherence import coherence
from .entity_words import EntityWords, distinct_words, overlap
from .graph import INVALID, VALID, Floats, Ints, KnowledgeGraph
from .label_types import LabelTypes, number_labels
from .name_features import COLUMNS, compare_names

FEATURES = (
    "similarity", "exact", "symbol", "identifier", "fuzzy_only", "partial_only", "expanded", "alias_prior",
    "entity_prior", "prior_share", "valid", "invalid", "fits", "contradicts", "document_words", "near_words",
    "words_share", "similarity_margin", "short_form", *COLUMNS, "nearness", "coherence", "coherence_share",
)  # fmt: skip
NIL_FEATURES = (
    "bias", "none_exact", "best_similarity", "no_candidates", "candidates", "best_prior", "best_words",
    "best_coherence", "one_word", "none_fits", "none_valid", "best_name",
)  # fmt: skip
_AT = {name: place for place, name in enumerate(FEATURES)}
# Tokens on each side of a mention that are near it.
WINDOW = 15
_MIN_PRIOR = 0.01


class Marks(NamedTuple):
    """Where the mentions of a batch stand: document, first token and end of each, (mentions,)."""

    doc: Ints
    start: Ints
    end: Ints


class Features(NamedTuple):
    """Features of candidates (candidates, features) and of linking a mention to none (mentions, features)."""

    candidate: Floats
    nil: Floats


def compute_features(
    graph: KnowledgeGraph,
    words: EntityWords,
    types: LabelTypes,
    docs: Sequence[Doc],
    marks: Marks,
    mentions: Sequence[Mention],
    found: Candidates,
    surface: NDArray[np.float32],
) -> Features:
    """All features of a batch.

    surface (features,): Weights with which candidates are scored before their coherence is known.
    """
    n = len(mentions)
    columns = np.zeros((len(found.mention), len(FEATURES)), np.float32)

    def put(name: str, values: NDArray) -> None:
        columns[:, _AT[name]] = values

    put("similarity", found.score)
    for name in ("exact", "symbol", "identifier"):
        put(name, (found.source & SOURCES[name]) > 0)
    put("fuzzy_only", found.source == SOURCES["fuzzy"])
    put("partial_only", found.source == SOURCES["partial"])
    put("expanded", (found.source & SOURCES["expansion"]) > 0)
    alias_prior = np.maximum(graph.aliases.prior[found.alias], _MIN_PRIOR)
    put("alias_prior", np.log(alias_prior))
    put("entity_prior", np.log(np.maximum(graph.priors()[found.entity], _MIN_PRIOR)))
    put("prior_share", _shares(alias_prior, found.mention, n))
    put("valid", found.timing == VALID)
    put("invalid", found.timing == INVALID)
    labels, of_mention = number_labels(mentions)
    fit = types.compare(labels, of_mention[found.mention], found.entity)
    put("fits", fit > 0)
    put("contradicts", fit < 0)
    put("document_words", _document_overlap(words, docs, marks, found))
    put("near_words", _near_overlap(words, docs, marks, found))
    context = columns[:, _AT["document_words"]] + columns[:, _AT["near_words"]]
    put("words_share", _shares(context, found.mention, n))
    put("similarity_margin", found.score - _best_other(found.score, found.mention, n))
    texts = [mentions[place].text for place in found.mention.tolist()]
    columns[:, _AT[COLUMNS[0]] : _AT[COLUMNS[-1]] + 1] = compare_names(texts, graph.alias_texts(found.alias))
    # Between .97 and .9 lies more than between .7 and .63.
    closest = np.maximum(found.score, columns[:, _AT["jaro_winkler"]])
    put("nearness", -np.log(1.05 - np.minimum(closest, 1.0)))
    short = np.array([kind in ("short", "acronym", "former") for kind in graph.kinds], bool)
    put("short_form", short[graph.aliases.kind[found.alias]])
    # Row by row: a product of matrices depends, in its last digits, on the other rows.
    first = _softmax((columns.astype(np.float64) * surface).sum(axis=1), found.mention, n)
    near = coherence(graph, marks.doc, found.mention, found.entity, first)
    put("coherence", np.log1p(near))
    put("coherence_share", _shares(near, found.mention, n))
    return Features(columns, _nil_features(mentions, found, columns))


def _nil_features(mentions: Sequence[Mention], found: Candidates, columns: Floats) -> Floats:
    n = len(mentions)
    nil = np.zeros((n, len(NIL_FEATURES)), np.float32)

    def best(name: str) -> NDArray:
        values = np.zeros(n, np.float32)
        np.maximum.at(values, found.mention, columns[:, _AT[name]])
        return values

    counts = np.bincount(found.mention, minlength=n)
    prior = np.full(n, np.log(_MIN_PRIOR), np.float32)
    np.maximum.at(prior, found.mention, columns[:, _AT["entity_prior"]])
    one_word = [" " not in mention.text.strip() for mention in mentions]
    sure = np.maximum(np.maximum(best("exact"), best("symbol")), best("identifier"))
    for place, values in enumerate((
        np.ones(n), 1 - sure, best("similarity"), counts == 0, np.log1p(counts), prior, best("near_words"),
        best("coherence"), np.array(one_word, bool), 1 - best("fits"), 1 - best("valid"),
        best("jaro_winkler"),
    )):  # fmt: skip
        nil[:, place] = values
    return nil


def _document_overlap(words: EntityWords, docs: Sequence[Doc], marks: Marks, found: Candidates) -> Floats:
    lengths, joined = distinct_words(doc.to_array("LOWER") for doc in docs)
    return overlap(words, joined, lengths, marks.doc[found.mention], found.entity)


def _near_overlap(words: EntityWords, docs: Sequence[Doc], marks: Marks, found: Candidates) -> Floats:
    lower = [doc.to_array("LOWER") for doc in docs]
    texts = []
    for doc, start, end in zip(marks.doc.tolist(), marks.start.tolist(), marks.end.tolist()):
        tokens = lower[doc]
        texts.append(np.concatenate([tokens[max(0, start - WINDOW) : start], tokens[end : end + WINDOW]]))
    lengths, joined = distinct_words(texts)
    return overlap(words, joined, lengths, found.mention, found.entity)


def _shares(values: NDArray, mention: Ints, n: int) -> Floats:
    """Each value's share of those of its mention."""
    total = np.bincount(mention, values, minlength=n)
    return (values / np.maximum(total[mention], 1e-6)).astype(np.float32)


def _best_other(values: Floats, mention: Ints, n: int) -> Floats:
    """The greatest value among the other candidates of the same mention, 0 where there is none."""
    best, second = np.zeros(n, np.float32), np.zeros(n, np.float32)
    np.maximum.at(best, mention, values)
    is_best = values == best[mention]
    alone = np.bincount(mention, is_best, minlength=n) == 1
    np.maximum.at(second, mention[~is_best], values[~is_best])
    return np.where(is_best & alone[mention], second[mention], best[mention])


def _softmax(scores: NDArray, mention: Ints, n: int) -> Floats:
    """The share of each candidate's exponential in that of its mention."""
    top = np.full(n, -np.inf)
    np.maximum.at(top, mention, scores)
    powers = np.exp(scores - top[mention])
    return (powers / np.bincount(mention, powers, minlength=n)[mention]).astype(np.float32)
