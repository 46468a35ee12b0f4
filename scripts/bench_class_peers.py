"""What `text_classifier` is measured against: spaCy's `textcat`, fastText, and TF-IDF with logistic regression.

A peer that is not installed has no column: `make bench-deps` installs them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Config

from spacy_nlpkit.compat import is_installed

Floats = NDArray[np.float64]
TEXTCAT, FASTTEXT, SKLEARN = "spaCy textcat (ensemble)", "fastText", "TF-IDF + logistic regression"


class Texts(NamedTuple):
    """Texts as words in lower case, joined by blanks, and the number of each one's label."""

    words: list[str]
    labels: NDArray[np.int64]


def as_texts(docs: Sequence[Doc], labels: Sequence[str]) -> Texts:
    """What the peers read of annotated documents."""
    words = [" ".join(token.lower_ for token in doc if not token.is_space) for doc in docs]
    return Texts(words, np.array([labels.index(max(doc.cats, key=doc.cats.__getitem__)) for doc in docs]))


class Found(NamedTuple):
    """What a peer gives for the test texts, (texts, labels), and the seconds of its training."""

    probabilities: Floats
    train_seconds: float


def peers() -> dict[str, Callable[[Texts, Sequence[str], int], Found]]:
    """By name: training texts, test texts and number of labels to what a peer found. Those that are installed."""
    found = {FASTTEXT: ("fasttext", run_fasttext), SKLEARN: ("sklearn", run_sklearn)}
    return {name: function for name, (package, function) in found.items() if is_installed(package)}


def run_sklearn(train: Texts, test: Sequence[str], n_labels: int) -> Found:
    """Words and pairs of words, sublinear counts, logistic regression at the settings of scikit-learn but for C."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    start = time.perf_counter()
    features = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=200)
    model.fit(features.fit_transform(train.words), train.labels)
    seconds = time.perf_counter() - start
    return Found(model.predict_proba(features.transform(test)), seconds)


def train_fasttext(train: Texts) -> Any:
    """fastText's tutorial for text classification: pairs of words, learning rate 0.5."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = (f"__label__{label} {words}\n" for words, label in zip(train.words, train.labels.tolist()))
        path.write_text("".join(lines), encoding="utf8")
        epochs = 5 if len(train.words) > 5000 else 50
        return fasttext.train_supervised(str(path), wordNgrams=2, lr=0.5, epoch=epochs, dim=32, thread=1, verbose=0)


def run_fasttext(train: Texts, test: Sequence[str], n_labels: int) -> Found:
    """As `train_fasttext`; probabilities of all labels."""
    start = time.perf_counter()
    model = train_fasttext(train)
    seconds = time.perf_counter() - start
    probabilities = np.zeros((len(test), n_labels))
    for row, text in zip(probabilities, test):
        # Its own `predict` fails with NumPy 2, so the layer below is called.
        for chance, label in model.f.predict(f"{text}\n", n_labels, 0.0, "strict"):
            row[int(label.removeprefix("__label__"))] = chance
    return Found(probabilities, seconds)


def predict_fasttext(model: Any, texts: Sequence[str]) -> list[str]:
    """The label of each text, all in one call, as fast as it goes (the chances it gives for more labels are wrong)."""
    labels, _ = model.f.multilinePredict([f"{text}\n" for text in texts], 1, 0.0, "strict")
    return labels


def textcat_config(config: Path, output: Path) -> Path:
    """A config of ours with spaCy's `textcat` at its defaults in place of `text_classifier`: same batches and steps,
    spaCy's own learning rate."""
    peer = Config().from_disk(config, interpolate=False)
    peer["components"] = {"textcat": {"factory": "textcat"}}
    peer["nlp"]["pipeline"] = ["textcat"]
    peer["initialize"]["components"] = {}
    peer["initialize"]["before_init"] = None
    peer["training"]["before_to_disk"] = None
    peer["training"]["dropout"] = 0.1
    peer["training"]["optimizer"] = {"@optimizers": "Adam.v1"}
    peer["training"]["score_weights"] = {"cats_score": 1.0}
    output.parent.mkdir(parents=True, exist_ok=True)
    peer.to_disk(output)
    return output
