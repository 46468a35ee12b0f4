"""What each token of a document contributed to the score that a classifier gives a label.

Contributions and a baseline add up to the score. They do so exactly where the score is linear in what the features of
a text bring along, TF-IDF and pooled vectors of n-grams; elsewhere as well as `integrated_gradients` is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model

from .integrated_gradients import STEPS, integrate_gradients
from .mixture import TRAIN_APART
from .ngrams import Ints, Ngrams, extract_ngrams
from .tfidf import NAME as TFIDF_LINEAR
from .tfidf import count_features, weigh_features

Floats = NDArray[np.float64]
EXACT = "exact"
INTEGRATED_GRADIENTS = "integrated gradients"
_BAG = "embedding_bag"


@dataclass(frozen=True)
class Attribution:
    """Where the score of a label comes from.

    score (float): The model's own, before it becomes a probability.
    contributions (tokens,): What each token adds to the score, or takes from it.
    baseline (float): The score without the tokens: biases.
    method (str): `EXACT` or `INTEGRATED_GRADIENTS`.
    """

    score: float
    contributions: Floats
    baseline: float
    method: str

    @property
    def gap(self) -> float:
        """The score less baseline and contributions: rounding, and the error of integrated gradients."""
        return self.score - self.baseline - float(self.contributions.sum())


def token_contributions(logits: Model, doc: Doc, label: int, steps: int = STEPS) -> Attribution | None:
    """What each token of a document contributed to the score of a label.

    An n-gram's part is shared equally among its tokens. The length of a document's TF-IDF weights, and the number of
    features that a mean is taken over, count as given.

    logits (Model): Documents to the scores of labels, the ref `logits` of this package's architectures. It is left as
        it was, gradients included, and nothing is drawn at random.
    doc (Doc): Has tokens, and the encoder's output where the model reads that.
    label (int): The column of the label.
    steps (int): As in `integrate_gradients`, for models that are not linear.
    RETURNS: None for a model that is built of other layers than this package's.
    """
    found = _explain(logits, doc, label, steps)
    if found is None:
        return None
    contributions, baseline, method = found
    return Attribution(float(logits.predict([doc])[0, label]), contributions, baseline, method)


Explained = tuple[Floats, float, str]


def _explain(logits: Model, doc: Doc, label: int, steps: int) -> Explained | None:
    """Contributions, baseline and method."""
    if TRAIN_APART in logits.attrs:
        return _explain_mixture(logits, doc, label, steps)
    if logits.has_ref("head"):
        vectors = logits.get_ref("tok2vec").predict([doc])[0]
        return *integrate_gradients(logits.get_ref("head"), vectors, label, steps), INTEGRATED_GRADIENTS
    if logits.name == TFIDF_LINEAR:
        return _explain_tfidf(logits, doc, label)
    if logits.layers and logits.layers[0].name == _BAG:
        return _explain_bag(logits.layers[0], logits.layers[-1], doc, label)
    return None


def _explain_mixture(mixture: Model, doc: Doc, label: int, steps: int) -> Explained | None:
    """The weighted sum of what the members say, as their scores are summed."""
    members = [_explain(member, doc, label, steps) for member in mixture.layers]
    known = [member for member in members if member is not None]
    if len(known) < len(members):
        return None  # what one member contributes is not known
    weights = _to_numpy(mixture, mixture.get_param("weights"))
    contributions, baselines, methods = zip(*known)
    method = EXACT if set(methods) == {EXACT} else INTEGRATED_GRADIENTS
    return weights @ np.stack(contributions), float(weights @ np.array(baselines)), method


def _explain_tfidf(model: Model, doc: Doc, label: int) -> Explained:
    """Each occurrence of a feature has an equal share of the feature's part."""
    options = model.attrs["options"]
    ngrams = extract_ngrams([doc], options)
    distinct, counts, lengths = count_features([doc], options)
    weights: Floats = weigh_features(model, distinct, counts, lengths).astype(np.float64)
    W: Any = model.get_param("W")
    per_occurrence = weights * _rows(model, W[:, label], distinct) / counts
    parts = per_occurrence[np.searchsorted(distinct, ngrams.flat()[0])]
    return _share(ngrams, parts, len(doc)), _bias(model, label), EXACT


def _explain_bag(bag: Model, output: Model, doc: Doc, label: int) -> Explained:
    """Integrated gradients from zero vectors, in closed form: the mean is linear, and vectors that grow in one
    proportion keep the maximum of each column where it is. Features that share a maximum share its part."""
    ngrams = extract_ngrams([doc], bag.attrs["options"])
    distinct, places, counts = np.unique(ngrams.flat()[0], return_inverse=True, return_counts=True)
    vectors = _rows(bag, bag.get_param("E"), distinct)
    weights = _to_numpy(output, output.get_param("W")[label]) * bag.attrs["scale"]
    if not len(distinct):
        per_occurrence = np.zeros(0)
    elif bag.attrs["pooling"] == "mean":
        per_occurrence = vectors @ weights / len(places)
    else:
        highest = vectors.max(axis=0)
        holds = vectors == highest
        per_occurrence = holds @ (highest * weights / (counts @ holds))
    return _share(ngrams, per_occurrence[places], len(doc)), _bias(output, label), EXACT


def _rows(model: Model, table: Any, rows: Ints) -> Floats:
    places: Any = rows
    return _to_numpy(model, table[model.ops.asarray1i(places)])


def _to_numpy(model: Model, values: Any) -> Floats:
    return model.ops.to_numpy(values).astype(np.float64)


def _bias(output: Model, label: int) -> float:
    biases: Any = output.get_param("b")
    return float(biases[label])


def _share(ngrams: Ngrams, parts: Floats, n_tokens: int) -> Floats:
    """The parts of the features (in the order of `Ngrams.flat`) of one document, shared among its tokens."""
    starts, sizes = ngrams.spans()
    contributions = np.zeros(n_tokens)
    for offset in range(int(sizes.max(initial=0))):
        reaches = sizes > offset
        tokens = ngrams.token_index[starts[reaches] + offset]
        contributions += np.bincount(tokens, parts[reaches] / sizes[reaches], minlength=n_tokens)
    return contributions
