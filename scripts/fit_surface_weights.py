"""Fit the weights of an untrained `kg_linker` on a corpus: `python scripts/fit_surface_weights.py GRAPH CORPUS`.

A conditional logistic regression over the candidates of each mention and none of them, with a small penalty; prints
what goes into spacy_nlpkit/kg/surface_weights.py. The graph and the training part of the shipped newswire corpus made
those that the package brings along.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import spacy
from numpy.typing import NDArray
from scipy.optimize import minimize

from spacy_nlpkit.data.readers import create_corpus
from spacy_nlpkit.kg.candidates import Mention
from spacy_nlpkit.kg.link_features import FEATURES, NIL_FEATURES, Features
from spacy_nlpkit.pipeline._link_scoring import Found, link_loss
from spacy_nlpkit.pipeline._link_training import Truth, truth_of

PENALTY = 3e-4
# How often texts count as they are; copies with noise; and the share of mentions whose entity the graph is taken not
# to have in a further copy.
AS_WRITTEN, COPIES, NIL_SHARE = 3, 1, 0.1
Floats = NDArray[np.float64]


def gold_mentions(graph: str, corpus: str) -> list[tuple[Found, Truth]]:
    """The annotated mentions of a corpus with their candidates and what is right: once as they are, and `COPIES` times
    with every second name written otherwise, and some entities taken out of the graph."""
    nlp = spacy.blank("en")
    linker: Any = nlp.add_pipe("kg_linker")
    linker.set_kb(graph)
    found, gold = linker._find_gold(list(create_corpus(corpus)(nlp)))
    parts = [(found, truth_of(linker.graph, found, gold, False))] * AS_WRITTEN
    random = Random(0)
    for _ in range(COPIES):
        mentions = found.mentions
        noisy = mentions._replace(mentions=[_noisy(mention, random) for mention in mentions.mentions])
        copy = linker.require_graph().find(found.docs, noisy)
        truth = truth_of(linker.graph, copy, gold, False)
        parts.append((copy, truth))
        parts.append(_without_right(copy, truth, random))
    return parts


def _noisy(mention: Mention, random: Random) -> Mention:
    """A name written otherwise, in half of the cases: a letter wrong, a word left out, the last or first word alone,
    initials, other letters large, a legal form added."""
    words = mention.text.split()
    if mention.symbol or random.random() < 0.5 or not words:
        return mention
    kind = random.choice(("typo", "drop", "last", "first", "initials", "case", "form"))
    place = random.randrange(len(words))
    text = mention.text
    if kind == "typo" and len(words[place]) > 3:
        at = random.randrange(1, len(words[place]) - 1)
        word = words[place]
        words[place] = random.choice((word[:at] + word[at + 1 :], word[:at] + word[at + 1] + word[at] + word[at + 2 :]))
        text = " ".join(words)
    elif kind == "drop" and len(words) > 2:
        text = " ".join(words[:place] + words[place + 1 :])
    elif kind in ("last", "first"):
        text = words[-1 if kind == "last" else 0]
    elif kind == "initials" and len(words) > 2:
        text = "".join(word[0] for word in words).upper()
    elif kind == "case":
        text = mention.text.upper()
    elif kind == "form" and mention.label == "ORG":
        text = f"{mention.text} {random.choice(('Inc', 'Corp.', 'Group', 'Ltd'))}"
    return replace(mention, text=text, names=())


def _without_right(found: Found, truth: Truth, random: Random) -> tuple[Found, Truth]:
    """A part of the mentions, as if the graph had no entity for them."""
    n = len(truth.nil)
    gone = np.array([random.random() < NIL_SHARE for _ in range(n)]) & ~truth.nil
    keep = gone[found.candidates.mention] & ~truth.right
    features = Features(found.features.candidate[keep], found.features.nil)
    return found._replace(candidates=found.candidates.take(keep), features=features), Truth(
        np.zeros(int(keep.sum()), bool), gone
    )


def fit(parts: Sequence[tuple[Found, Truth]]) -> Floats:
    """Weights of the features of candidates, then of those of linking to none."""
    offsets = np.cumsum([0, *(len(truth.nil) for _, truth in parts)])
    candidate, nil = (
        np.concatenate([found.features[side].astype(np.float64) for found, _ in parts]) for side in (0, 1)
    )
    mention = np.concatenate([found.candidates.mention + offset for (found, _), offset in zip(parts, offsets)])
    truth = Truth(*(np.concatenate([truth[side] for _, truth in parts]) for side in (0, 1)))

    def loss(weights: Floats) -> tuple[float, Floats]:
        ours, none = weights[: len(FEATURES)], weights[len(FEATURES) :]
        scores = np.concatenate([candidate @ ours, nil @ none])
        value, gradient = link_loss(scores, mention, *truth)
        d_candidate, d_nil = gradient[: len(candidate)], gradient[len(candidate) :]
        slope = np.concatenate([d_candidate @ candidate, d_nil @ nil])
        return value + PENALTY * float(weights @ weights), slope + 2 * PENALTY * weights

    start = np.zeros(len(FEATURES) + len(NIL_FEATURES))
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000}).x


def main(graph: str, corpus: str) -> None:
    """Fit and print."""
    weights = fit(gold_mentions(graph, corpus)).round(3).tolist()
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
