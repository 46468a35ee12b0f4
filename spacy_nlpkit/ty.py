"""Shapes of what the components write. All of it survives msgpack: string keys, lists, floats, ISO dates."""

from __future__ import annotations

from typing import Literal, TypedDict

# `kb_id_` of an entity that is known not to be in the graph; "" says that nobody knows.
NIL = "NIL"


class Ticker(TypedDict):
    """`span._.ticker`: a stock symbol in its parts; a part that is not written is None.

    raw: the text as written. root: the symbol without venue and class (`BRK` of `BRK.B`). venue: as written
    (`NYSE`, `O`). mic: the ISO 10383 code of the venue where known. suffix: a security suffix other than the venue
    (`WS`, `PR A`). share_class: `A`, `B`, ... notation: how it was written, one of `symbols.NOTATIONS`.
    """

    raw: str
    root: str
    venue: str | None
    mic: str | None
    suffix: str | None
    share_class: str | None
    notation: str


class Prediction(TypedDict):
    """`doc._.prediction` of exclusive labels; of others a list of these, best first.

    label: None where an exclusive prediction abstains. probability: of the most probable label, or of this one.
    abstained: whether it is too unsure to decide.
    """

    label: str | None
    probability: float
    abstained: bool


class Explanation(TypedDict):
    """`TextClassifier.explain`: what tokens contributed to the score of a label.

    probability: of the label, calibrated. score: the model's own, before it becomes a probability and before
    calibration; the sum of contributions, baseline and gap. contributions: of each token of the document, above 0 where
    it speaks for the label. baseline: the score without tokens. gap: what contributions and baseline leave unexplained.
    method: `exact`, where the gap is rounding alone, or `integrated gradients`.
    """

    label: str
    probability: float
    score: float
    contributions: list[float]
    baseline: float
    gap: float
    method: str


class Candidate(TypedDict):
    """One of `span._.kb_candidates`, which stand best first.

    id, label: of the entity. score: how probable it is, 0 to 1. source: which generators found it, joined by `+`.
    alias: the alias that the mention was compared with.
    """

    id: str
    label: str
    score: float
    source: str
    alias: str


class Link(TypedDict):
    """What `kg_linker` says of a span beside `kb_id_`, each part in the attribute `span._.kb_NAME`.

    candidates: of the mention, best first. score: probability of what was decided, an entity or `NIL`; None where
    nothing was. uri, description: of the linked entity, None where there is none. types: of the linked entity. status:
    `linked`; `nil`, decided so; `no_candidates`, so `NIL` without a choice; `skipped`, by the label or a limit; or
    `timeout` of a remote graph.
    """

    candidates: list[Candidate]
    score: float | None
    uri: str | None
    types: list[str]
    description: str | None
    status: Literal["linked", "nil", "no_candidates", "skipped", "timeout"]


class Hypothesis(TypedDict):
    """One of the texts that a decoder found. score: as in `Written`."""

    text: str
    score: float


class Attention(TypedDict):
    """What each piece of a written text looked at.

    source, target: the pieces. weights: for each piece of the target one of each piece of the source, to 4 digits; they
    sum to one.
    """

    source: list[str]
    target: list[str]
    weights: list[list[float]]


class Written(TypedDict):
    """`doc._.seq2seq`, and `span._.seq2seq`: the text that was written.

    text: the best one. score: how probable it is by piece, 0 to 1: the geometric mean. nbest: all that are kept, best
    first, the one in `text` among them. attention: None where it was not asked for, the model has none, or nothing was
    read or written.
    """

    text: str
    score: float
    nbest: list[Hypothesis]
    attention: Attention | None
