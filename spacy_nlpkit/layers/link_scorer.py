"""Scores of candidates of mentions: by features known beforehand, and by what is learned of texts and entities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Maxout, Model, chain, zero_init
from thinc.types import Floats1d, Floats2d

from ..segments import ranges
from .ngrams import sum_rows

Ints = NDArray[np.int64]
Tok2Vec = Model[list[Doc], list[Floats2d]]
# Rows of words start within this of zero.
START = 0.1
# Weight of what the encoder says beside the words of the document: those start small, and learn slowly.
ENCODED = 0.02
# Tokens on each side of a mention that are pooled with it.
WINDOW = 15
_START, _START_NIL = "start", "start_nil"


class Words(NamedTuple):
    """Weighted words of several texts, one text after the other.

    lengths (texts,): How many each has. hashes (words,) uint64. weights (words,) float32.
    """

    lengths: Ints
    hashes: NDArray[np.uint64]
    weights: NDArray[np.float32]


class LinkBatch(NamedTuple):
    """Mentions of a batch of documents, and their candidates.

    docs: The documents. doc, start, end (mentions,): Where each mention stands: document, first token, end.
    mention (candidates,): The mention of each candidate, ascending. entity (candidates,): Place of its entity among
    those of `entity_words`. features (candidates, features), nil_features (mentions, features): float32.
    entity_words: Of each distinct entity. doc_words: Of each document. label (mentions,) uint64: Hash of each label.
    """

    docs: list[Doc]
    doc: Ints
    start: Ints
    end: Ints
    mention: Ints
    entity: Ints
    features: NDArray[np.float32]
    nil_features: NDArray[np.float32]
    entity_words: Words
    doc_words: Words
    label: NDArray[np.uint64]


Scorer = Model[LinkBatch, Floats1d]


def link_scorer(tok2vec: Tok2Vec | None, width: int, hidden: int, rows: int) -> Scorer:
    """Scores: those of all candidates, then for each mention that of linking it to none: (candidates + mentions,).

    A score is linear in the features, with the weights it starts from, plus that of a network which sees the features
    and, column by column, the product of two vectors: the entity's, from the words that tell of it, and the mention's,
    from its document's words and the encoder's. The network starts from zero: untrained, the features alone decide.
    Whether an entity is none of the graph's is not asked of the encoder, which sees the mention itself: it would learn
    the names of the corpus by heart.

    tok2vec: Encoder, or None. width: Of both vectors. hidden: Of the network. rows: Of the hashed table of words, a
        power of two. `start_from` gives the weights of the features at the start.
    """
    network: Model = chain(Maxout(nO=hidden, nP=2), Dropout(0.0), _zeros(1, hidden))
    layers: list[Model] = [network, _zeros(1, width)]
    if tok2vec is not None:
        layers += [Linear(nO=width), tok2vec]
    model: Scorer = Model(
        "link_scorer",
        _forward,
        init=_init,
        layers=layers,
        params={"surface": None, "nil": None, "E": None},
        dims={"width": width, "rows": rows},
    )
    model.set_ref("output_layer", network)
    if tok2vec is not None:
        model.set_ref("tok2vec", tok2vec)
    return model


def start_from(model: Scorer, surface: Sequence[float], nil: Sequence[float]) -> None:
    """Set the weights that the features of candidates, and of linking to none, have when the model is initialized."""
    model.attrs[_START] = [float(weight) for weight in surface]
    model.attrs[_START_NIL] = [float(weight) for weight in nil]


def _zeros(nO: int, nI: int) -> Model[Floats2d, Floats2d]:
    return Linear(nO=nO, nI=nI, init_W=zero_init)


def _init(model: Scorer, X: LinkBatch | None = None, Y: Any = None) -> None:
    ops: Any = model.ops
    network, nil_output, *encoder = model.layers
    if encoder:
        project, tok2vec = encoder
        tok2vec.initialize(X=None if X is None else X.docs)
        if X is not None and project.has_dim("nI") is None:
            (first, *_) = tok2vec.predict(X.docs[:1])
            project.set_dim("nI", 2 * first.shape[1])
        project.initialize()
    start = model.attrs[_START]
    network.layers[0].set_dim("nI", len(start) + model.get_dim("width"), force=True)
    network.initialize()
    nil_output.initialize()
    shape = (model.get_dim("rows"), model.get_dim("width"))
    model.set_param("E", ops.asarray2f(np.random.uniform(-START, START, shape).astype("float32")))
    model.set_param("surface", ops.asarray1f(start))
    model.set_param("nil", ops.asarray1f(model.attrs[_START_NIL]))


def _forward(model: Scorer, batch: LinkBatch, is_train: bool) -> tuple[Floats1d, Callable[[Floats1d], Any]]:
    ops: Any = model.ops
    network, nil_output, *encoder = model.layers
    surface, nil_weights = model.get_param("surface"), model.get_param("nil")
    entities, backprop_entities = _bag(model, batch.entity_words)
    texts, backprop_texts = _bag(model, batch.doc_words)
    one = np.ones(len(batch.label))
    labels, backprop_labels = _bag(model, Words(one.astype("int64"), batch.label, one.astype("float32")))
    of_doc = ops.asarray1i(batch.doc)
    by_words = mentions = texts[of_doc] + labels
    backprop_encoder = None
    if encoder:
        encoded, backprop_encoder = _encode(encoder[0], encoder[1], batch, is_train)
        mentions = by_words + ENCODED * encoded
    of_mention, of_entity = ops.asarray1i(batch.mention), ops.asarray1i(batch.entity)
    features, nil_features = ops.asarray2f(batch.features), ops.asarray2f(batch.nil_features)
    left, right = mentions[of_mention], entities[of_entity]
    learned, backprop_network = _run(network, ops.xp.concatenate([features, left * right], axis=1), is_train)
    learned_nil, backprop_nil = _run(nil_output, by_words, is_train)
    # Not by `@`: BLAS gives a row other digits in another batch, and on some processors warns of values it never met.
    scores = (features * surface).sum(axis=1) + learned[:, 0]
    nil_scores = (nil_features * nil_weights).sum(axis=1) + learned_nil[:, 0]

    def backprop(d_scores: Any) -> Any:
        d_candidates, d_nil = d_scores[: len(features)], d_scores[len(features) :]
        model.inc_grad("surface", (d_candidates[:, None] * features).sum(axis=0))
        model.inc_grad("nil", (d_nil[:, None] * nil_features).sum(axis=0))
        d_product = backprop_network(d_candidates[:, None])[:, features.shape[1] :]
        d_mentions = ops.alloc2f(*mentions.shape)
        ops.scatter_add(d_mentions, of_mention, d_product * right)
        d_by_words = d_mentions + backprop_nil(d_nil[:, None])
        d_entities = ops.alloc2f(*entities.shape)
        ops.scatter_add(d_entities, of_entity, d_product * left)
        d_table = ops.alloc2f(*model.get_param("E").shape)
        d_texts = ops.alloc2f(*texts.shape)
        ops.scatter_add(d_texts, of_doc, d_by_words)
        for backprop_words, gradient in (
            (backprop_entities, d_entities), (backprop_texts, d_texts), (backprop_labels, d_by_words)
        ):  # fmt: skip
            backprop_words(gradient, d_table)
        model.inc_grad("E", d_table)
        return backprop_encoder(ENCODED * d_mentions) if backprop_encoder is not None else batch.docs

    return ops.xp.concatenate([scores, nil_scores]), backprop


def _run(layer: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """Scores of rows, (rows, 1), of which there may be none: `Maxout` fails there."""
    if len(X):
        return layer(X, is_train)
    return layer.ops.alloc2f(0, 1), lambda d_scores: X


def _bag(model: Scorer, words: Words) -> tuple[Floats2d, Callable[[Floats2d, Floats2d], None]]:
    """Weighted sums of the rows of each text's words: (texts, width)."""
    ops: Any = model.ops
    table: Any = model.get_param("E")
    found = ((words.hashes ^ (words.hashes >> np.uint64(32))) & np.uint64(len(table) - 1)).astype("int64")
    rows, lengths = ops.asarray1i(found), ops.asarray1i(words.lengths)
    weights = ops.asarray2f(words.weights[:, None])
    summed = sum_rows(ops, table[rows] * weights, lengths)

    def backprop(d_summed: Floats2d, d_table: Floats2d) -> None:
        if len(found):
            ops.scatter_add(d_table, rows, ops.backprop_reduce_sum(d_summed, lengths) * weights)

    return summed, backprop


def _encode(
    project: Model, tok2vec: Tok2Vec, batch: LinkBatch, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Any]]:
    """The mean of each mention's token vectors beside that of the tokens around it, projected: (mentions, width)."""
    ops: Any = tok2vec.ops
    vectors, backprop_tok2vec = tok2vec(batch.docs, is_train)
    doc_lengths = np.fromiter(map(len, vectors), np.int64, len(vectors))
    tokens: Any = ops.flatten(vectors) if doc_lengths.sum() else ops.alloc2f(0, project.get_dim("nI") // 2)
    offset, length = (np.cumsum(doc_lengths) - doc_lengths)[batch.doc], doc_lengths[batch.doc]
    near_start, near_end = np.maximum(batch.start - WINDOW, 0), np.minimum(batch.end + WINDOW, length)
    pooled, backprops = zip(*(
        _mean(ops, tokens, offset + start, end - start)
        for start, end in ((batch.start, batch.end), (near_start, near_end))
    ))  # fmt: skip
    encoded, backprop_project = project(ops.xp.concatenate(pooled, axis=1), is_train)

    def backprop(d_encoded: Floats2d) -> Any:
        d_pooled = backprop_project(d_encoded)
        d_tokens = ops.alloc2f(*tokens.shape)
        for part, backprop_mean in zip(ops.xp.split(d_pooled, 2, axis=1), backprops):
            backprop_mean(ops.as_contig(part), d_tokens)
        return backprop_tok2vec(ops.unflatten(d_tokens, ops.asarray1i(doc_lengths)))

    return encoded, backprop


def _mean(
    ops: Any, tokens: Floats2d, starts: Ints, counts: Ints
) -> tuple[Floats2d, Callable[[Floats2d, Floats2d], None]]:
    rows, lengths = ops.asarray1i(ranges(starts, counts)), ops.asarray1i(counts)
    pooled = ops.reduce_mean(tokens[rows], lengths) if len(rows) else ops.alloc2f(len(lengths), tokens.shape[1])

    def backprop(d_pooled: Floats2d, d_tokens: Floats2d) -> None:
        if len(rows):
            ops.scatter_add(d_tokens, rows, ops.backprop_reduce_mean(d_pooled, lengths))

    return pooled, backprop
