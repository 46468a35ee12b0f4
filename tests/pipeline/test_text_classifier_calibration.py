"""The probabilities of `text_classifier`: what calibration does to them, when it holds, and who is told."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.cli.train import train as train_by_config
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example

from .small_classes import (
    GOLD,
    LABELS,
    TEXTS,
    Cats,
    build,
    build_linear,
    cats,
    gold,
    make_examples,
    pipe_of,
    prediction_of,
    train,
    update,
)

CUES = {"Crops": "wheat", "Metals": "copper", "Rates": "bank"}


def noisy(count: int, seed: int, *, right: float = 0.7) -> list[tuple[str, Cats]]:
    """Texts of one telling word and some of no meaning; the annotation follows the first in a share of them alone. Who
    learns them by heart is far too sure of others."""
    drawn = random.Random(seed)
    annotated = []
    for _ in range(count):
        cue = drawn.choice(LABELS)
        label = cue if drawn.random() < right else drawn.choice(LABELS)
        words = [CUES[cue], *(f"w{drawn.randrange(300)}" for _ in range(4))]
        annotated.append((" ".join(words), cats(label)))
    return annotated


@pytest.fixture(scope="module")
def bold(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Overconfident pipelines of exclusive (True) and other labels (False)."""
    paths = {}
    for exclusive in (True, False):
        paths[exclusive] = tmp_path_factory.mktemp("bold") / "model"
        train(build_linear(exclusive=exclusive), noisy(150, 0), updates=60).to_disk(paths[exclusive])
    return paths


def evaluate(nlp: Language, annotated: list[tuple[str, Cats]]) -> dict[str, Any]:
    """All scores."""
    return nlp.evaluate(make_examples(nlp, annotated))


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_error_shrinks_and_the_order_stays(bold: dict[bool, Path], exclusive: bool, tmp_path: Path) -> None:
    nlp = spacy.load(bold[exclusive])
    dev, test = noisy(600, 1), noisy(600, 2)
    docs = [nlp.make_doc(text) for text, _ in test]
    before, scores = pipe_of(nlp).predict(docs), evaluate(nlp, test)
    pipe_of(nlp).calibrate(make_examples(nlp, dev))
    after = pipe_of(nlp).predict(docs)
    assert evaluate(nlp, test)["cats_ece"] < min(0.08, scores["cats_ece"] / 2)
    axis = 1 if exclusive else 0  # labels of a document, or documents of a label
    order = before.argsort(axis=axis, kind="stable")
    assert (np.diff(np.take_along_axis(after, order, axis), axis=axis) >= 0.0).all()
    assert evaluate(nlp, test)["cats_macro_auc"] == pytest.approx(scores["cats_macro_auc"], abs=0.02)
    if exclusive:
        assert pipe_of(nlp).cfg["calibration"]["temperature"] > 1.5
        assert after.sum(axis=1) == pytest.approx(1.0)
        assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    nlp.to_disk(tmp_path)
    assert pipe_of(spacy.load(tmp_path)).predict(docs) == pytest.approx(after, abs=1e-6)


def test_a_timid_pipe_becomes_bolder() -> None:
    """Two updates leave it unsure of what is certain."""
    nlp = train(build_linear(), noisy(60, 0, right=1.0), updates=2)
    held_out = noisy(60, 1, right=1.0)
    sure = [max(nlp(text).cats.values()) for text, _ in held_out]
    pipe_of(nlp).calibrate(make_examples(nlp, held_out))
    assert pipe_of(nlp).cfg["calibration"]["temperature"] < 0.7
    assert all(max(nlp(text).cats.values()) > p for (text, _), p in zip(held_out, sure))


def test_thresholds_are_learned_until_the_config_names_one(bold: dict[bool, Path], tmp_path: Path) -> None:
    """A rare label is worth naming at less than one half."""
    nlp = spacy.load(bold[False])
    pipe_of(nlp).calibrate(make_examples(nlp, noisy(600, 1, right=0.3)))
    learned = pipe_of(nlp).label_thresholds()
    assert all(0.1 < value < 0.45 for value in learned.values())
    nlp.to_disk(tmp_path)
    assert pipe_of(spacy.load(tmp_path)).label_thresholds() == pytest.approx(learned)
    config = {"components": {"text_classifier": {"threshold": 0.9, "thresholds": {"Metals": 0.2}}}}
    overridden = pipe_of(spacy.load(tmp_path, config=config))
    assert overridden.label_thresholds() == {"Crops": 0.9, "Metals": 0.2, "Rates": 0.9}
    assert "0.9" not in str(overridden.cfg)


def test_a_label_that_never_holds_on_dev_stays_as_it_was() -> None:
    nlp = train(build_linear(exclusive=False), gold(False))
    doc = nlp.make_doc(TEXTS[0])
    before = pipe_of(nlp).predict([doc])[0]
    without_rates = [(text, values) for text, values in gold(False) if not values["Rates"]]
    pipe_of(nlp).calibrate(make_examples(nlp, without_rates))
    after = pipe_of(nlp).predict([doc])[0]
    assert after[2] == pytest.approx(before[2], abs=1e-6)
    assert after[0] != pytest.approx(before[0], abs=1e-6)
    assert pipe_of(nlp).label_thresholds()["Rates"] == 0.5


@pytest.mark.parametrize("exclusive", [True, False])
def test_nothing_annotated_calibrates_nothing(exclusive: bool) -> None:
    nlp = train(build_linear(exclusive=exclusive), gold(exclusive))
    state = dict(pipe_of(nlp).cfg)
    for annotated in ([], [("", cats("Crops"))], [("Wheat rose.", {})], [("Wheat rose.", {"Formal": 1.0})]):
        pipe_of(nlp).calibrate(make_examples(nlp, annotated))
        assert pipe_of(nlp).cfg == state
    assert not state["calibrated"]


def test_contradictions_are_left_out_and_said() -> None:
    nlp, other = (train(build_linear(), noisy(60, 0), updates=20) for _ in range(2))
    dev = noisy(60, 1)
    pipe_of(nlp).calibrate(make_examples(nlp, dev))
    with pytest.warns(UserWarning, match=r"\[NW130\] 1 of 61 .*'Wheat and rates'"):
        pipe_of(other).calibrate(make_examples(other, [*dev, ("Wheat and rates", cats("Crops", "Rates"))]))
    assert pipe_of(other).cfg["calibration"] == pipe_of(nlp).cfg["calibration"]


def test_soft_labels_calibrate_too() -> None:
    """Of documents that are half and half, the probabilities become so."""
    nlp = train(build_linear(), GOLD, updates=40)
    shared = [(text, {"Crops": 0.6, "Metals": 0.2, "Rates": 0.2}) for text in TEXTS[:2]]
    pipe_of(nlp).calibrate(make_examples(nlp, shared * 20))
    assert [nlp(text).cats["Crops"] for text in TEXTS[:2]] == pytest.approx([0.6, 0.6], abs=0.05)


@pytest.mark.parametrize("exclusive", [True, False])
def test_further_training_drops_the_calibration(exclusive: bool, tmp_path: Path) -> None:
    nlp = train(build_linear(exclusive=exclusive), gold(exclusive))
    examples = make_examples(nlp, gold(exclusive))
    raw = pipe_of(nlp).predict([eg.predicted for eg in examples])

    def calibrated() -> bool:
        state = pipe_of(nlp).cfg
        assert state["calibrated"] == ("calibration" in state)
        return bool(state["calibrated"])

    pipe_of(nlp).calibrate(examples)
    assert calibrated()
    pipe_of(nlp).calibrate(examples)
    assert calibrated()
    pipe_of(nlp).update(examples, sgd=None)
    assert not calibrated()
    assert pipe_of(nlp).predict([eg.predicted for eg in examples]) == pytest.approx(raw)
    pipe_of(nlp).calibrate(examples)
    nlp.rehearse(examples, sgd=nlp.resume_training())
    assert not calibrated()
    pipe_of(nlp).calibrate(examples)
    pipe_of(nlp).add_label("Rail")
    assert not calibrated()
    nlp.to_disk(tmp_path)
    pipe_of(nlp).calibrate(examples)
    pipe_of(nlp).from_disk(tmp_path / "text_classifier", exclude=["vocab"])
    assert not calibrated()


# The warning


def test_reading_warns_once_unless_calibrated(tmp_path: Path) -> None:
    """At the first decision that is read, of this component; the scores of `doc.cats` never warn."""
    nlp = train(build(name="uncalibrated_classes"), GOLD)
    first, second = nlp(TEXTS[0]), nlp(TEXTS[1])
    assert max(first.cats.values()) > 0.5
    assert first.copy().to_bytes()
    with pytest.warns(UserWarning, match=r"\[NW001\].*'uncalibrated_classes'") as seen:
        assert first._.prediction["label"] == "Crops"
    assert seen[0].filename == __file__, "points at the line that reads"
    assert second._.prediction["label"] == "Crops"  # a warning would raise
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path)(TEXTS[1])._.prediction["label"] == "Crops"


def test_a_calibrated_decision_does_not_warn(tmp_path: Path) -> None:
    nlp = train(build(name="calibrated_later"), GOLD)
    doc = nlp(TEXTS[0])
    pipe_of(nlp, "calibrated_later").calibrate(make_examples(nlp, GOLD))
    nlp.to_disk(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spacy.load(tmp_path)(TEXTS[0])._.prediction["label"] == "Crops"
        assert nlp(doc)._.prediction["label"] == "Crops", "its earlier, uncalibrated result is gone"


# A training run

CONFIG = """
[nlp]
lang = "en"
pipeline = ["text_classifier"]

[components]

[components.text_classifier]
factory = "text_classifier"
exclusive = true
abstain_below = 0.4

[components.text_classifier.model]
@architectures = "spacy_nlpkit.EmbeddingBag.v1"
rows = 4096

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "train.spacy"
augmenter = null

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "dev.spacy"
augmenter = null

[training]
seed = 1
max_steps = 20
eval_frequency = 10

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.05

[training.before_to_disk]
@callbacks = "spacy_nlpkit.calibrate.v1"
"""


def write_corpus(path: Path, annotated: list[tuple[str, Cats]]) -> None:
    """Annotated texts as a .spacy file."""
    nlp = spacy.blank("en")
    DocBin(docs=[example.reference for example in make_examples(nlp, annotated)]).to_disk(path)


def filled_config(folder: Path, extra: str = "") -> Path:
    """The config with all defaults, and corpora beside it."""
    config = spacy.util.Config().from_str(
        CONFIG.replace("train.spacy", f"{folder}/train.spacy").replace("dev.spacy", f"{folder}/dev.spacy") + extra
    )
    spacy.util.load_model_from_config(config, auto_fill=True).config.to_disk(folder / "config.cfg")
    return folder / "config.cfg"


def test_trained_and_calibrated_by_a_config(tmp_path: Path) -> None:
    dev = noisy(200, 2)
    write_corpus(tmp_path / "train.spacy", noisy(100, 0))
    write_corpus(tmp_path / "dev.spacy", dev)
    train_by_config(filled_config(tmp_path), tmp_path / "out")
    for which in ("model-best", "model-last"):
        nlp = spacy.load(tmp_path / "out" / which)
        calibration = pipe_of(nlp).cfg["calibration"]
        assert nlp.config["components"]["text_classifier"]["abstain_below"] == 0.4
        assert nlp(dev[0][0])._.prediction["probability"] > 1 / 3  # a warning would raise
        again: list[Example] = make_examples(nlp, dev)
        pipe_of(nlp).calibrate(again)
        assert pipe_of(nlp).cfg["calibration"] == pytest.approx(calibration), "of the weights that were saved"
    assert {"cats_acc", "cats_macro_auc", "cats_ece"} <= set(nlp.meta["performance"])


def test_a_run_with_contradicting_annotation_stops_before_training(tmp_path: Path) -> None:
    write_corpus(tmp_path / "train.spacy", [*GOLD, ("Wheat and rates rose.", cats("Crops", "Rates"))])
    write_corpus(tmp_path / "dev.spacy", GOLD)
    with pytest.raises(ValueError, match=r"\[N130\].*'Wheat and rates rose\.'"):
        train_by_config(filled_config(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out" / "model-best").exists()


def test_predictions_stay_the_same_while_training_goes_on(tmp_path: Path) -> None:
    """Calibration at a checkpoint changes nothing of what is learned after it."""
    with_it, without = (train(build_linear(), GOLD, updates=3) for _ in range(2))
    pipe_of(with_it).calibrate(make_examples(with_it, GOLD))
    for pipeline in (with_it, without):
        update(pipeline, make_examples(pipeline, GOLD), 3)
    assert prediction_of(with_it(TEXTS[0])) == prediction_of(without(TEXTS[0]))
