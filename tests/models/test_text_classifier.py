"""The architectures of text_classifier: interchangeable by their names, in spaCy's own text classifiers too."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.cli.train import train as train_from_config
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Optimizer

from spacy_nlpkit.counting import count_documents, uncounted
from spacy_nlpkit.errors import NlpkitError

from ..contract.specs import ENCODER, LISTENER
from ..tiny_transformer import save_tiny_transformer
from .architectures import RIGHT, SMALL, architecture, initialized, resolve
from .classes import GOLD, LABELS, answers, build, examples_of, examples_of_more, probabilities, train

NAMES = ["EmbeddingBag", "TfidfLinear", "Pooled", "NgramCNN", "Recurrent", "Ensemble"]
OVER_TOKENS = ["Pooled", "NgramCNN", "Recurrent"]
# Parameters that are counted, not learned.
COUNTED = {"idf", "words"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_transformer(tmp_path_factory.mktemp("encoder") / "tiny", [text for text, _ in GOLD])


# As they are


@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str, docs: list[Doc]) -> None:
    """Documents without tokens between others; default arguments suffice."""
    model = initialized(name, docs)
    found = model.predict(docs)
    assert found.shape == (len(docs), 3)
    assert found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(np.ones(len(docs)))
    assert len({row.tobytes() for row in found[[0, 2, 4]]}) == 3
    assert (found[1] == found[3]).all()
    alone = np.concatenate([model.predict([doc]) for doc in docs])
    assert found == pytest.approx(alone, abs=1e-5)
    assert model.predict([docs[1], docs[3]]) == pytest.approx(found[[1, 3]], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_what_components_ask_of_a_model(name: str, docs: list[Doc]) -> None:
    for exclusive, multi_label in ((None, False), (True, False), (False, True)):
        assert resolve(architecture(name, exclusive_classes=exclusive)).attrs["multi_label"] is multi_label
    model = initialized(name, docs, n_labels=4, exclusive_classes=False)
    assert model.has_ref("output_layer")
    assert model.has_ref("tok2vec") is (name in OVER_TOKENS)
    assert model.predict(docs).sum(axis=1) != pytest.approx(np.ones(len(docs)))
    logits = model.get_ref("logits").predict(docs)
    assert model.predict(docs) == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_number_of_labels_in_the_config(name: str, docs: list[Doc]) -> None:
    model = resolve(architecture(name, nO=2))
    count_documents(uncounted(model), [*docs, *docs])
    model.initialize(X=[doc for doc in docs if len(doc)])
    assert model.predict(docs).shape == (len(docs), 2)


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_one_model(name: str, docs: list[Doc]) -> None:
    first, second = (initialized(name, docs, **SMALL.get(name, {})).to_bytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns(name: str, docs: list[Doc]) -> None:
    settings = {**SMALL.get(name, {}), **({"stacked": True} if name == "Ensemble" else {})}
    model, before = (initialized(name, docs, **settings) for _ in range(2))
    truth = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1]]
    optimizer = Optimizer(0.01)
    for _ in range(2):
        found, backprop = model.begin_update(docs)
        backprop(found - truth)
        model.finish_update(optimizer)
    for node, old in zip(model.walk(), before.walk()):
        for parameter in node.param_names:
            moved = (node.get_param(parameter) != old.get_param(parameter)).any()
            assert moved == (parameter not in COUNTED), (node.name, parameter)


@pytest.mark.parametrize("name", NAMES)
def test_copies_are_apart(name: str, docs: list[Doc]) -> None:
    """As `nlp.resume_training` makes them for `rehearse`."""
    model = initialized(name, docs, **SMALL.get(name, {}))
    expected = model.predict(docs)
    for twin in (model.copy(), copy.deepcopy(model)):
        assert (twin.predict(docs) == expected).all()
        for node in twin.walk():
            if node.name in ("linear", "tfidf_linear"):
                weights: Any = node.get_param("W")
                weights *= -1
        assert (twin.predict(docs) != expected).any()
        assert (model.predict(docs) == expected).all()


# In spaCy's own components


@pytest.mark.parametrize("name", NAMES)
def test_in_textcat(name: str, corpus: Path) -> None:
    """Nothing but the name changes, and what was trained survives bytes."""
    model = architecture(name, **(SMALL[name] if name in ("NgramCNN", "Recurrent") else {}))
    nlp = train(build(corpus, model))
    assert answers(nlp) == RIGHT
    assert [sum(cats.values()) for cats in probabilities(nlp)] == pytest.approx([1.0] * len(GOLD), abs=1e-5)
    copied = build(corpus, model).from_bytes(nlp.to_bytes())
    assert probabilities(copied) == probabilities(nlp)


@pytest.mark.parametrize("name", NAMES)
def test_in_textcat_multilabel(name: str, corpus: Path) -> None:
    """A text may have two labels, or none."""
    model = architecture(name, exclusive_classes=False, **SMALL.get(name, {}))
    nlp = build(corpus, model, "textcat_multilabel")
    examples = examples_of_more(nlp)
    train(nlp, 30, examples)
    for example in examples:
        held = {label for label, holds in example.reference.cats.items() if holds}
        assert {label for label, found in nlp(example.text).cats.items() if found >= 0.5} == held
    copied = build(corpus, model, "textcat_multilabel").from_bytes(nlp.to_bytes())
    assert probabilities(copied) == probabilities(nlp)


@pytest.mark.parametrize("name", NAMES)
def test_textcat_multilabel_needs_exclusive_classes(name: str, corpus: Path) -> None:
    """What is left open counts as exclusive, and probabilities that sum to one would be learned from several labels."""
    nlp = build(corpus, architecture(name, **SMALL.get(name, {})), "textcat_multilabel")
    with pytest.raises(NlpkitError, match=r"\[N136\].*exclusive_classes = false"):
        nlp.initialize(lambda: examples_of_more(nlp))


@pytest.mark.parametrize("name", NAMES)
def test_a_label_more(name: str, corpus: Path) -> None:
    """It goes on with what it has learned, and loads into a fresh pipeline."""
    model = architecture(name, **SMALL.get(name, {}))
    nlp = train(build(corpus, model))
    pipe: Any = nlp.get_pipe("textcat")
    assert pipe.add_label("WORLD")
    found = nlp(GOLD[0][0]).cats
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-5)
    assert max(LABELS, key=found.__getitem__) == "BUSINESS"
    examples = examples_of(nlp)
    for example in examples[:2]:
        example.reference.cats = {**dict.fromkeys(LABELS, 0.0), "WORLD": 1.0}
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    assert answers(nlp) == ["WORLD", "WORLD", *RIGHT[2:]]
    copied = build(corpus, model).from_bytes(nlp.to_bytes())
    assert probabilities(copied) == probabilities(nlp)


@pytest.mark.parametrize("name", NAMES)
def test_averaged_weights(name: str, corpus: Path) -> None:
    """Those that `spacy train` evaluates and saves."""
    nlp = build(corpus, architecture(name, **SMALL.get(name, {})))
    examples = examples_of(nlp)
    nlp.initialize(lambda: examples)
    optimizer = nlp.create_optimizer()
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    pipe: Any = nlp.get_pipe("textcat")
    assert optimizer.averages
    last = pipe.model.predict([example.predicted for example in examples])
    with nlp.use_params(optimizer.averages):
        for node in pipe.model.walk():
            for parameter in set(node.param_names) - COUNTED:
                if (node.id, parameter) in optimizer.averages:
                    assert (node.get_param(parameter) == optimizer.averages[(node.id, parameter)]).all()
        assert (pipe.model.predict([example.predicted for example in examples]) != last).any()
    assert (pipe.model.predict([example.predicted for example in examples]) == last).all()


# Shared encoders


@pytest.mark.parametrize("name", OVER_TOKENS)
def test_over_a_shared_tok2vec(name: str, corpus: Path) -> None:
    """It learns through the listener, and is stored without the encoder."""
    nlp = build(corpus, architecture(name, tok2vec=LISTENER))
    nlp.add_pipe("tok2vec", config={"model": ENCODER}, first=True)
    nlp.initialize(lambda: examples_of(nlp))
    tok2vec: Any = nlp.get_pipe("tok2vec")
    start = tok2vec.model.to_bytes()
    learn(nlp)
    assert tok2vec.model.to_bytes() != start
    assert answers(nlp) == RIGHT
    copied = build(corpus, architecture(name, tok2vec=LISTENER))
    copied.add_pipe("tok2vec", config={"model": ENCODER}, first=True)
    copied.from_bytes(nlp.to_bytes())
    assert probabilities(copied) == probabilities(nlp)


@pytest.mark.parametrize("name", OVER_TOKENS)
def test_over_a_transformer(name: str, corpus: Path, encoder: Path) -> None:
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
        "upstream": "*",
    }
    transformer = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(encoder),
        "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96},
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {},
        "mixed_precision": False,
        "grad_scaler_config": {},
    }
    nlp = build(corpus, architecture(name, tok2vec=listener))
    nlp.add_pipe("transformer", config={"model": transformer}, first=True)
    nlp.initialize(lambda: examples_of(nlp))
    assert answers(learn(nlp)) == RIGHT


def learn(nlp: Language, updates: int = 25) -> Language:
    examples = examples_of(nlp)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.005
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)
    return nlp


# Document frequencies


@pytest.mark.parametrize("name", ["TfidfLinear", "Ensemble"])
def test_uncounted_documents_are_refused(name: str, corpus: Path) -> None:
    nlp = build(corpus, architecture(name))
    nlp.config["initialize"]["before_init"] = None
    with pytest.raises(NlpkitError, match=r"\[N128\].*spacy_nlpkit\.document_frequencies\.v1"):
        nlp.initialize(lambda: examples_of(nlp))


def test_trained_by_a_config(corpus: Path, tmp_path: Path) -> None:
    """In spaCy's `textcat`, by `spacy train`: the corpus is counted before it initializes."""
    build(corpus, architecture("TfidfLinear")).config.to_disk(tmp_path / "config.cfg")
    train_from_config(tmp_path / "config.cfg", tmp_path / "output")
    nlp = spacy.load(tmp_path / "output" / "model-best")
    assert answers(nlp) == RIGHT
    pipe: Any = nlp.get_pipe("textcat")
    (layer,) = (node for node in pipe.model.walk() if node.name == "tfidf_linear")
    # By how many of the six texts have a word, a pair of words or none.
    found = np.unique(layer.get_param("idf"))
    possible = [np.log(7 / (1 + frequency)) + 1 for frequency in range(6, -1, -1)]
    assert found.min() == pytest.approx(possible[0])
    assert found.max() == pytest.approx(possible[-1])
    assert all(min(abs(value - one) for one in possible) < 1e-5 for value in found)
