"""Which tokens carried the decision of a `text_classifier`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors, NlpkitError
from ..layers.attribution import EXACT, Attribution, token_contributions
from ..ty import Explanation

if TYPE_CHECKING:
    from .text_classifier import TextClassifier

# Of a document without tokens, which the model is not asked about.
NOTHING = Attribution(score=0.0, contributions=np.zeros(0), baseline=0.0, method=EXACT)


def explain_docs(pipe: TextClassifier, docs: list[Doc], label: str | None) -> list[Explanation]:
    """What each token of each document contributed to the score of a label: `TextClassifier.explain`."""
    pipe.require_initialized()
    if label is not None and label not in pipe.labels:
        raise NlpkitError(Errors.N140.format(name=pipe.name, label=label, known=", ".join(pipe.labels)))
    if not pipe.model.has_ref("logits"):
        raise _cannot_explain(pipe)
    probabilities = pipe.predict(docs)
    numbers = probabilities.argmax(axis=1) if label is None else [pipe.labels.index(label)] * len(docs)
    return [
        _explain(pipe, doc, int(number), float(row[number])) for doc, row, number in zip(docs, probabilities, numbers)
    ]


def _explain(pipe: TextClassifier, doc: Doc, number: int, probability: float) -> Explanation:
    found = NOTHING if not len(doc) else token_contributions(pipe.model.get_ref("logits"), doc, number)
    if found is None:
        raise _cannot_explain(pipe)
    return {
        "label": pipe.labels[number],
        "probability": probability,
        "score": found.score,
        "contributions": found.contributions.tolist(),
        "baseline": found.baseline,
        "gap": found.gap,
        "method": found.method,
    }


def _cannot_explain(pipe: TextClassifier) -> NlpkitError:
    return NlpkitError(Errors.N141.format(name=pipe.name, model=pipe.model.name))
