"""Counting a training corpus before a pipeline is initialized, and what cannot be counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Model

from spacy_nlpkit.errors import NlpkitError

N_DOCS = 1200
TFIDF = {"@architectures": "spacy_nlpkit.TfidfLinear.v1", "rows": 2**12, "word_ngrams": 1}
CORPUS = {"@readers": "spacy.Corpus.v1", "gold_preproc": False, "max_length": 0, "limit": 0, "augmenter": None}
CALLBACK = {"@callbacks": "spacy_nlpkit.document_frequencies.v1"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One word in every text, one in every second, and one in one; without labels."""
    nlp = spacy.blank("en")
    texts = (" ".join(["all", *["half"] * (number % 2), *["once"] * (number == 7)]) for number in range(N_DOCS))
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    DocBin(docs=nlp.pipe(texts)).to_disk(path)
    return path


def build(path: object, *factories: str, **callback: str) -> Language:
    """A pipeline of text classifiers whose config names the corpus."""
    nlp = spacy.blank("en")
    for number, factory in enumerate(factories):
        nlp.add_pipe(factory, name=f"{factory}_{number}", config={"model": TFIDF})
    reader = {**CORPUS, "path": str(path) if path else None}
    nlp.config["corpora"] = {"train": reader, "dev": reader}
    nlp.config["initialize"]["before_init"] = {**CALLBACK, **callback}
    return nlp


def examples(nlp: Language) -> list[Example]:
    return [
        Example.from_dict(nlp.make_doc("all half"), {"cats": {"A": 1.0, "B": 0.0}}),
        Example.from_dict(nlp.make_doc("all once"), {"cats": {"A": 0.0, "B": 1.0}}),
    ]


def layer_of(nlp: Language, name: str) -> Model:
    pipe: Any = nlp.get_pipe(name)
    (layer,) = (node for node in pipe.model.walk() if node.name == "tfidf_linear")
    return layer


def idf_of(nlp: Language, name: str) -> Any:
    return layer_of(nlp, name).get_param("idf")


def idf(*frequencies: int) -> list[float]:
    return sorted(np.log((1 + N_DOCS) / (1 + frequency)) + 1 for frequency in frequencies)


@pytest.mark.parametrize("factory", ["textcat", "text_classifier"])
def test_the_whole_corpus_is_counted(factory: str, corpus: Path) -> None:
    """Not only the examples that initialize the component."""
    nlp = build(corpus, factory)
    nlp.initialize(lambda: examples(nlp))
    found = np.unique(idf_of(nlp, f"{factory}_0"))
    assert found == pytest.approx(idf(0, 1, N_DOCS // 2, N_DOCS), abs=1e-5)


def test_each_layer_is_counted_once(corpus: Path) -> None:
    """Also those of several components; a pipeline that goes on training keeps what it has."""
    nlp = build(corpus, "textcat", "text_classifier")
    nlp.initialize(lambda: examples(nlp))
    layers = [layer_of(nlp, name) for name in nlp.pipe_names]
    assert (layers[0].get_param("idf") == layers[1].get_param("idf")).all()
    kept: Any = np.full(2**12, 2.0, dtype="float32")
    layers[0].set_param("idf", kept)
    nlp.initialize(lambda: examples(nlp))
    assert (idf_of(nlp, "textcat_0") == kept).all()


def test_another_corpus_by_name(corpus: Path) -> None:
    nlp = build(corpus, "textcat", corpus="corpora.unlabelled")
    nlp.config["corpora"]["unlabelled"] = {**CORPUS, "path": str(corpus), "limit": 10}
    nlp.initialize(lambda: examples(nlp))
    assert idf_of(nlp, "textcat_0").max() == pytest.approx(np.log(11) + 1)


def test_a_pipeline_without_such_layers_reads_nothing(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("textcat")
    nlp.config["corpora"] = {"train": {**CORPUS, "path": str(tmp_path / "missing.spacy")}}
    nlp.config["initialize"]["before_init"] = CALLBACK
    nlp.initialize(lambda: examples(nlp))
    assert nlp("all half").cats


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.spacy"
    DocBin().to_disk(path)
    return path


def refused(nlp: Language, reason: str) -> None:
    name = nlp.config["initialize"]["before_init"].get("corpus", "corpora.train")
    with pytest.raises(
        NlpkitError, match=rf"(?s)\[N133\] The corpus '{name}' cannot be counted.*{reason}.*before_init"
    ):
        nlp.initialize(lambda: examples(nlp))


def test_a_corpus_without_a_path() -> None:
    refused(build(None, "textcat"), "E913")


def test_a_corpus_that_is_not_there(tmp_path: Path) -> None:
    refused(build(tmp_path / "missing.spacy", "textcat"), "missing.spacy")


def test_a_corpus_without_documents(empty: Path) -> None:
    """Nothing is left of it that would let the second attempt pass."""
    nlp = build(empty, "textcat")
    for _ in range(2):
        refused(nlp, "no documents")


@pytest.mark.parametrize("name", ["corpora.other", "nothing.train", "train", "corpora.train.path"])
def test_a_name_that_is_no_corpus(name: str, corpus: Path) -> None:
    refused(build(corpus, "textcat", corpus=name), "")


def test_a_file_that_is_no_corpus(tmp_path: Path) -> None:
    path = tmp_path / "train.spacy"
    path.write_bytes(b"text\n")
    refused(build(path, "textcat"), "")
