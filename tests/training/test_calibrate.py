"""Calibration at a checkpoint: on what a component will see at prediction, and nothing else moves."""

import random
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.cli.train import train
from spacy.language import Language
from spacy.pipeline import Tagger
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from thinc.api import Config, Model

from spacy_nlpkit.training.calibrate import calibrate_pipeline, make_calibrate

CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["marker", "tagger"]

[components]

[components.marker]
factory = "test_marker"

[components.tagger]
factory = "test_calibrated_tagger"

[components.tagger.model]
@architectures = "spacy.Tagger.v2"

[components.tagger.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 8
depth = 1
embed_size = 50
window_size = 1
maxout_pieces = 2
subword_features = false

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}

[training]
seed = 1
dropout = 0.1
max_steps = 6
eval_frequency = 3

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 2

[training.before_to_disk]
@callbacks = "spacy_nlpkit.calibrate.v1"
"""


class CalibratedTagger(Tagger):
    """A tagger whose calibration notes what it was shown."""

    def calibrate(self, examples: Iterable[Example]) -> None:
        """Keep the share of right tags, and draw from the generators as a fit might."""
        examples = list(examples)
        random.random()
        numpy.random.random()
        assert not any(doc.has_annotation("TAG") for doc in (eg.predicted for eg in examples))
        tags = self.predict([eg.predicted for eg in examples])
        right = [
            self.labels[int(tag)] == token.tag_ for eg, guess in zip(examples, tags) for tag, token in zip(guess, eg.y)
        ]
        self.cfg["calibrated"] = True
        self.cfg["accuracy"] = sum(right) / len(right)
        self.cfg["marked"] = sum("marked" in eg.predicted.user_data for eg in examples)
        self.cfg["texts"] = [eg.predicted.text for eg in examples]
        self.cfg["from_reader"] = [eg.predicted.user_data.get("id") for eg in examples]


@Language.factory("test_calibrated_tagger", default_score_weights={"tag_acc": 1.0})
def make_tagger(nlp: Language, name: str, model: Model) -> CalibratedTagger:
    """A tagger that can be calibrated."""
    return CalibratedTagger(nlp.vocab, model, name)


@Language.component("test_marker")
def mark(doc: Doc) -> Doc:
    """Leave a trace of having run."""
    doc.user_data["marked"] = True
    return doc


def write_corpus(path: Path, n_docs: int) -> Path:
    nlp = spacy.blank("en")
    docs = []
    for number in range(n_docs):
        doc = nlp(f"Item {number} rose .")
        for token, tag in zip(doc, ("N", "D", "V", "P")):
            token.tag_ = tag
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = Config().from_str(CONFIG, interpolate=False)
    config["paths"]["train"] = str(write_corpus(tmp_path / "train.spacy", 6))
    config["paths"]["dev"] = str(write_corpus(tmp_path / "dev.spacy", 4))
    return config


def make_nlp(config: Config) -> Language:
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: Corpus(nlp.config["paths"]["train"])(nlp))
    return nlp


def train_in(folder: Path, config: Config) -> Language:
    folder.mkdir()
    filled = spacy.util.load_model_from_config(config, auto_fill=True).config
    filled.to_disk(folder / "config.cfg")
    train(folder / "config.cfg", folder / "out")
    return spacy.load(folder / "out" / "model-last")


def test_training_saves_calibrated_and_goes_on_as_without(config: Config, tmp_path: Path) -> None:
    with_it = train_in(tmp_path / "with", config)
    cfg = with_it.get_pipe("tagger").cfg
    assert cfg["calibrated"]
    assert cfg["marked"] == 4
    assert cfg["texts"] == [f"Item {number} rose ." for number in range(4)]
    assert spacy.load(tmp_path / "with" / "out" / "model-best").get_pipe("tagger").cfg["calibrated"]
    # The saved, averaged weights are the ones calibrated.
    scores = with_it.evaluate(list(Corpus(config["paths"]["dev"])(with_it)))
    assert cfg["accuracy"] == pytest.approx(scores["tag_acc"])
    # The same training without calibration ends with the same weights.
    config["training"]["before_to_disk"] = None
    without = train_in(tmp_path / "without", config)
    assert "calibrated" not in without.get_pipe("tagger").cfg
    assert without.get_pipe("tagger").model.to_bytes() == with_it.get_pipe("tagger").model.to_bytes()


def test_examples_are_not_changed_and_reader_data_arrives(config: Config) -> None:
    nlp = make_nlp(config)
    examples = list(Corpus(config["paths"]["dev"])(nlp))
    for number, eg in enumerate(examples):
        eg.predicted.user_data["id"] = number
    before = [(eg.predicted.to_bytes(), eg.reference.to_bytes()) for eg in examples]
    calibrate_pipeline(nlp, examples)
    assert nlp.get_pipe("tagger").cfg["from_reader"] == [0, 1, 2, 3]
    assert nlp.get_pipe("tagger").cfg["marked"] == 4
    assert [(eg.predicted.to_bytes(), eg.reference.to_bytes()) for eg in examples] == before


def test_random_state_and_weights_stay(config: Config) -> None:
    nlp = make_nlp(config)
    weights = nlp.get_pipe("tagger").model.to_bytes()
    state, numpy_state = random.getstate(), numpy.random.get_state()[1].tolist()
    assert make_calibrate()(nlp) is nlp
    assert nlp.get_pipe("tagger").cfg["calibrated"]
    assert random.getstate() == state
    assert numpy.random.get_state()[1].tolist() == numpy_state
    assert nlp.get_pipe("tagger").model.to_bytes() == weights


def test_second_component_sees_what_the_first_predicts(config: Config) -> None:
    nlp = make_nlp(config)
    seen = []

    @Language.component("test_watcher")
    def watch(doc: Doc) -> Doc:
        """Stands after a calibrated component and before another."""
        seen.append(doc.has_annotation("TAG"))
        return doc

    nlp.add_pipe("test_watcher")
    calibrate_pipeline(nlp, Corpus(config["paths"]["dev"])(nlp))
    assert seen == []  # nothing after the last calibrated component is run
    nlp.add_pipe("test_calibrated_tagger", name="second", config={"model": config["components"]["tagger"]["model"]})
    nlp.get_pipe("second").calibrate = lambda examples: seen.append("second")  # type: ignore[method-assign]
    calibrate_pipeline(nlp, Corpus(config["paths"]["dev"])(nlp))
    assert seen == [True] * 4 + ["second"]


def test_frozen_component_keeps_its_calibration(config: Config) -> None:
    nlp = make_nlp(config)
    nlp.config["training"]["frozen_components"] = ["tagger"]
    make_calibrate()(nlp)
    assert "calibrated" not in nlp.get_pipe("tagger").cfg


@pytest.mark.parametrize(
    ("corpus", "dev", "code"),
    [
        ("corpora.dev", None, "NW004"),
        ("corpora.missing", "kept", "NW004"),
        ("nowhere.dev", "kept", "NW004"),
        ("paths.dev", "kept", "NW004"),
        ("corpora.dev", "empty", "NW005"),
    ],
)
def test_unreadable_corpus_warns_once_and_saves(
    config: Config, tmp_path: Path, corpus: str, dev: str | None, code: str
) -> None:
    nlp = make_nlp(config)
    if dev is None:
        nlp.config["paths"]["dev"] = None
    elif dev == "empty":
        nlp.config["paths"]["dev"] = str(write_corpus(tmp_path / "empty.spacy", 0))
    callback = make_calibrate(corpus)
    with pytest.warns(UserWarning, match=rf"\[{code}\].*{corpus}"):
        assert callback(nlp) is nlp
    assert "calibrated" not in nlp.get_pipe("tagger").cfg
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback(nlp)
