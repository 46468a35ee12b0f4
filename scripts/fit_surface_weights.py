"""Fit the weights of an untrained `kg_linker` on a corpus: `python scripts/fit_surface_weights.py GRAPH CORPUS`.

A conditional logistic regression over the candidates of each mention and none of them, with a small penalty; prints
what goes into spacy_nlpkit/kg/surface_weights.py. The graph and the training part of the shipped newswire corpus made
those that the package brings along.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import spacy
from numpy.typing import NDArray
from scipy.optimize import minimize

from spacy_nlpkit.data.readers import create_corpus
from spacy_nlpkit.kg.link_features import FEATURES, NIL_FEATURES
from spacy_nlpkit.pipeline._link_scoring import Found, link_loss
from spacy_nlpkit.pipeline._link_training import Truth

PENALTY = 1e-3
Floats = NDArray[np.float64]


def gold_mentions(graph: str, corpus: str) -> tuple[Found, Truth]:
    """The annotated mentions of a corpus with their candidates, and what is right."""
    nlp = spacy.blank("en")
    linker: Any = nlp.add_pipe("kg_linker")
    linker.set_kb(graph)
    found, gold = linker._find_gold(list(create_corpus(corpus)(nlp)))
    return found, linker._judge(found, gold)


def fit(found: Found, truth: Truth) -> Floats:
    """Weights of the features of candidates, then of those of linking to none."""
    candidate, nil = (part.astype(np.float64) for part in found.features)

    def loss(weights: Floats) -> tuple[float, Floats]:
        ours, none = weights[: len(FEATURES)], weights[len(FEATURES) :]
        scores = np.concatenate([candidate @ ours, nil @ none])
        value, gradient = link_loss(scores, found.candidates.mention, *truth)
        d_candidate, d_nil = gradient[: len(candidate)], gradient[len(candidate) :]
        slope = np.concatenate([d_candidate @ candidate, d_nil @ nil])
        return value + PENALTY * float(weights @ weights), slope + 2 * PENALTY * weights

    start = np.zeros(len(FEATURES) + len(NIL_FEATURES))
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000}).x


def main(graph: str, corpus: str) -> None:
    """Fit and print."""
    weights = fit(*gold_mentions(graph, corpus)).round(3).tolist()
    # No text of the corpus has an identifier: one counts as much as a name and a symbol.
    exact, symbol = (weights[FEATURES.index(name)] for name in ("exact", "symbol"))
    weights[FEATURES.index("identifier")] = round(exact + symbol, 3)
    for name, names in (("SURFACE", FEATURES), ("NIL", NIL_FEATURES)):
        print(f"{name}: dict[str, float] = {{")
        for feature in names:
            print(f'    "{feature}": {weights.pop(0)},')
        print("}")


if __name__ == "__main__":
    main(*sys.argv[1:])
