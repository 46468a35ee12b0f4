"""What `text_classifier` writes on documents, and what its settings do to it."""

from __future__ import annotations

import json
import multiprocessing
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.cli.find_threshold import find_threshold
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import ConfigValidationError

from spacy_nlpkit.errors import NlpkitError

from .small_classes import (
    GOLD,
    GOLD_INDEPENDENT,
    LABELS,
    TEXTS,
    build,
    build_linear,
    cats,
    chosen,
    gold,
    make_examples,
    pipe_of,
    prediction_of,
    train,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Trained pipelines of exclusive (True) and other labels (False), as folders."""
    paths = {}
    for exclusive in (True, False):
        paths[exclusive] = tmp_path_factory.mktemp("text_classifier") / "model"
        train(build(exclusive=exclusive), gold(exclusive)).to_disk(paths[exclusive])
    return paths


@pytest.fixture
def nlp(saved: dict[bool, Path]) -> Language:
    return spacy.load(saved[True])


@pytest.fixture
def independent(saved: dict[bool, Path]) -> Language:
    return spacy.load(saved[False])


def load(path: Path, **settings: Any) -> Language:
    """The pipeline with other settings, as a user overrides them."""
    return spacy.load(path, config={"components": {"text_classifier": settings}})


def give(nlp: Language, *probabilities: float) -> Any:
    """The decision on a text for which the labels have these probabilities."""
    doc = nlp.make_doc("Whatever.")
    pipe_of(nlp).set_annotations([doc], np.array([probabilities]))
    assert doc.cats == dict(zip(LABELS, probabilities))
    return prediction_of(doc)


# What is written


def test_exclusive_labels_by_heart(nlp: Language) -> None:
    assert [chosen(nlp, text) for text in TEXTS] == [[label] for _, values in GOLD for label in values if values[label]]
    for doc in nlp.pipe(TEXTS):
        assert tuple(doc.cats) == LABELS
        assert all(type(value) is float for value in doc.cats.values())
        assert sum(doc.cats.values()) == pytest.approx(1.0, abs=1e-6)
        best = max(doc.cats, key=doc.cats.__getitem__)
        assert prediction_of(doc) == {"label": best, "probability": doc.cats[best], "abstained": False}


def test_other_labels_by_heart(independent: Language) -> None:
    for text, values in GOLD_INDEPENDENT:
        doc = independent(text)
        held = sorted((label for label in LABELS if values[label]), key=lambda label: -doc.cats[label])
        assert prediction_of(doc) == [
            {"label": label, "probability": doc.cats[label], "abstained": False} for label in held
        ]


def test_predict_gives_a_row_a_document(nlp: Language, independent: Language) -> None:
    for pipeline in (nlp, independent):
        docs = [pipeline.make_doc(text) for text in [*TEXTS, "", "unheard of"]]
        found = pipe_of(pipeline).predict(docs)
        assert found.dtype == np.float64
        assert found.shape == (len(docs), len(LABELS))
        assert pipe_of(pipeline).predict([]).shape == (0, len(LABELS))
        assert [list(pipeline(doc).cats.values()) for doc in docs] == pytest.approx(found, abs=1e-6)
    assert pipe_of(nlp).predict(docs).sum(axis=1) == pytest.approx(1.0, abs=1e-6)


def test_texts_without_evidence(nlp: Language, independent: Language) -> None:
    assert list(nlp("").cats.values()) == pytest.approx([1 / 3] * 3)
    assert independent("").cats == cats()
    assert prediction_of(independent("")) == []
    for text in (" ", "\n\t \u00a0", "\x00"):
        assert sum(nlp(text).cats.values()) == pytest.approx(1.0, abs=1e-6)
        assert all(0.0 < value < 1.0 for value in independent(text).cats.values())


def test_a_text_of_a_million_characters() -> None:
    """The default model, at prediction and in training."""
    nlp = spacy.blank("en")
    nlp.add_pipe("text_classifier")
    text = ("Wheat rose to 3.50 dollars in Oslo. " * 28000)[:1_000_000]
    examples = make_examples(nlp, [(text, cats("Crops")), *GOLD])
    nlp.initialize(lambda: examples)
    losses = pipe_of(nlp).update(examples, sgd=nlp.create_optimizer())
    assert np.isfinite(losses["text_classifier"])
    doc = nlp(examples[0].predicted)
    assert len(doc) > 200_000
    assert sum(doc.cats.values()) == pytest.approx(1.0, abs=1e-6)


def test_other_languages() -> None:
    german = train(build("de"), [("Der Weizen stieg.", cats("Crops")), ("Kupfer fiel um 3 %.", cats("Metals"))])
    assert chosen(german, "Der Weizen stieg.") == ["Crops"]
    assert chosen(german, "Kupfer fiel um 3 %.") == ["Metals"]
    chinese = train(build("zh"), [("小麦价格上涨", cats("Crops")), ("铜价下跌", cats("Metals"))])
    assert chosen(chinese, "小麦价格上涨") == ["Crops"]
    assert chosen(chinese, "铜价下跌") == ["Metals"]


ODD_LABELS = ("Oil & gas", "  padded ", "Öl/Gaz", "石油", "a.b=c", "🚀", "")


@pytest.mark.parametrize("exclusive", [True, False])
def test_labels_of_any_name(exclusive: bool, tmp_path: Path) -> None:
    texts = ["wheat", "copper", "rates", "oil", "rail", "rockets", "tea"]
    annotated = [(text, cats(label, labels=ODD_LABELS)) for text, label in zip(texts, ODD_LABELS)]
    nlp = train(build_linear(exclusive=exclusive, thresholds={"Öl/Gaz": 0.2}), annotated)
    pipe_of(nlp).calibrate(make_examples(nlp, annotated))
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert set(pipe_of(again).labels) == set(ODD_LABELS)
    assert [chosen(again, text) for text in texts] == [[label] for label in ODD_LABELS]


def test_what_others_wrote_stays(nlp: Language) -> None:
    doc = nlp.make_doc(TEXTS[0])
    doc.cats = {"Formal": 1.0, "Crops": 0.123}
    doc = nlp(doc)
    assert doc.cats["Formal"] == 1.0
    assert doc.cats["Crops"] > 0.5
    assert set(doc.cats) == {"Formal", *LABELS}


def test_two_classifiers_in_one_pipeline(tmp_path: Path) -> None:
    """The texts are annotated for both, each knows its own labels."""
    tones = ("Calm", "Loud")
    annotated = [(text, {**values, **cats(tones[n % 2], labels=tones)}) for n, (text, values) in enumerate(GOLD)]
    nlp = build()
    nlp.add_pipe("text_classifier", name="tone", config={"exclusive": False, "prediction_attribute": "tone"})
    nlp.config["initialize"]["components"] = {
        "text_classifier": {"labels": list(LABELS)},
        "tone": {"labels": list(tones)},
    }
    train(nlp, annotated)
    nlp.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    for n, text in enumerate(TEXTS):
        doc = nlp(text)
        assert tuple(doc.cats) == (*LABELS, *tones)
        assert [prediction_of(doc)["label"]] == [label for label, value in GOLD[n][1].items() if value]
        assert [each["label"] for each in prediction_of(doc, "tone")] == [tones[n % 2]]
    scores = pipe_of(nlp, "tone").score([eg for eg in make_examples(nlp, annotated) if nlp(eg.predicted)])
    assert set(scores["cats_f_per_type"]) == set(tones)
    assert scores["cats_acc"] == 1.0


# Where the results travel


def test_results_survive_storage(nlp: Language, independent: Language) -> None:
    for pipeline in (nlp, independent):
        doc = pipeline(TEXTS[0])
        stored = DocBin(docs=[doc], store_user_data=True).to_bytes()
        as_json = json.loads(json.dumps(doc.to_json()))
        copies = {
            "DocBin": next(iter(DocBin().from_bytes(stored).get_docs(pipeline.vocab))),
            "bytes": Doc(pipeline.vocab).from_bytes(doc.to_bytes()),
            "copy": doc.copy(),
        }
        assert Doc(pipeline.vocab).from_json(as_json).cats == pytest.approx(doc.cats)
        for copy in copies.values():
            assert copy.cats == doc.cats
            assert prediction_of(copy) == prediction_of(doc)


@pytest.mark.filterwarnings("ignore:.*NW001")
def test_decisions_as_json(nlp: Language) -> None:
    doc = nlp(TEXTS[0])
    as_json = json.loads(json.dumps(doc.to_json(underscore=["prediction"])))
    assert as_json["_"]["prediction"] == pytest.approx(prediction_of(doc), abs=1e-6)
    assert prediction_of(Doc(nlp.vocab).from_json(as_json)) == as_json["_"]["prediction"]


def test_other_processes(independent: Language) -> None:
    """A spawned worker knows the attribute for its own; a calibrated result does not warn when it comes back."""
    pipe_of(independent).calibrate(make_examples(independent, GOLD_INDEPENDENT))
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        docs = list(independent.pipe(TEXTS, n_process=2, batch_size=3))
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert [doc._.prediction for doc in docs] == [independent(text)._.prediction for text in TEXTS]


# Decisions


def test_exclusive_labels_have_no_threshold_unless_set(nlp: Language) -> None:
    assert pipe_of(nlp).label_thresholds() == dict.fromkeys(LABELS, 0.0)
    assert give(nlp, 0.3, 0.36, 0.34) == {"label": "Metals", "probability": 0.36, "abstained": False}


def test_thresholds_of_exclusive_labels_abstain(saved: dict[bool, Path]) -> None:
    nlp = load(saved[True], thresholds={"Metals": 0.8})
    assert pipe_of(nlp).label_thresholds() == {"Crops": 0.0, "Metals": 0.8, "Rates": 0.0}
    assert give(nlp, 0.1, 0.7, 0.2) == {"label": None, "probability": 0.7, "abstained": True}
    assert give(nlp, 0.1, 0.8, 0.1)["label"] == "Metals"
    assert give(nlp, 0.45, 0.3, 0.25)["label"] == "Crops"


def test_abstaining_below_a_probability(saved: dict[bool, Path]) -> None:
    nlp = load(saved[True], abstain_below=0.6, thresholds={"Metals": 0.3})
    assert give(nlp, 0.2, 0.59, 0.21) == {"label": None, "probability": 0.59, "abstained": True}
    assert give(nlp, 0.2, 0.6, 0.2) == {"label": "Metals", "probability": 0.6, "abstained": False}


def test_thresholds_of_other_labels(saved: dict[bool, Path]) -> None:
    nlp = load(saved[False])
    assert pipe_of(nlp).label_thresholds() == dict.fromkeys(LABELS, 0.5)
    assert [each["label"] for each in give(nlp, 0.5, 0.49, 0.9)] == ["Rates", "Crops"]
    nlp = load(saved[False], threshold=0.3, thresholds={"Rates": 0.95})
    assert pipe_of(nlp).label_thresholds() == {"Crops": 0.3, "Metals": 0.3, "Rates": 0.95}
    assert [each["label"] for each in give(nlp, 0.29, 0.3, 0.9)] == ["Metals"]
    assert give(nlp, 0.1, 0.1, 0.1) == []


def test_undecided_among_other_labels(saved: dict[bool, Path]) -> None:
    nlp = load(saved[False], abstain_below=0.7)
    assert give(nlp, 0.4, 0.9, 0.29) == [
        {"label": "Metals", "probability": 0.9, "abstained": False},
        {"label": "Crops", "probability": 0.4, "abstained": True},
    ]
    assert give(nlp, 0.6, 0.1, 0.71) == [
        {"label": "Rates", "probability": 0.71, "abstained": False},
        {"label": "Crops", "probability": 0.6, "abstained": True},
    ]


def test_settings_at_load_reach_predictions_and_scores(saved: dict[bool, Path]) -> None:
    nlp = load(saved[True], thresholds={"Crops": 1.0})
    predictions = [prediction_of(doc) for doc in nlp.pipe(TEXTS)]
    assert [each["abstained"] for each in predictions] == [True, True, False, False, False, False]
    assert [each["label"] for each in predictions[:2]] == [None, None]
    assert nlp.evaluate(make_examples(nlp, GOLD))["cats_coverage"] == pytest.approx(4 / 6)


def test_find_threshold(saved: dict[bool, Path], tmp_path: Path) -> None:
    nlp = spacy.load(saved[False])
    docs = [example.reference for example in make_examples(nlp, GOLD_INDEPENDENT)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    best, score, scores = find_threshold(
        str(saved[False]), tmp_path / "dev.spacy", "text_classifier", "threshold", "cats_micro_f", n_trials=5
    )
    assert 0.0 < best < 1.0
    assert score == 1.0
    assert scores[0.0] < 1.0, "all labels everywhere"


# Settings that cannot be


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"threshold": 1.5, "exclusive": False}, r"'threshold'.*between 0 and 1, got 1\.5"),
        ({"threshold": 0.5, "exclusive": True}, "'threshold'.*null where exclusive = true.*abstain_below"),
        ({"thresholds": {"Crops": -0.1}}, r"'Crops'.*got -0\.1"),
        ({"abstain_below": 2.0}, "'abstain_below'"),
        ({"label_smoothing": -0.5}, "'label_smoothing'"),
        ({"focal_gamma": -1.0}, r"'focal_gamma'.*0 or more"),
        ({"class_weights": {"Crops": -3.0}}, r"'class_weights.Crops'.*0 or more"),
    ],
)
def test_numbers_out_of_range(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N006\].*{named}"):
        build(**settings)


@pytest.mark.parametrize("setting", [{"soft_labels": "mean"}, {"class_weights": "equal"}, {"exclusive": 1}])
def test_unknown_choices_are_refused_by_the_config(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigValidationError, match=next(iter(setting))):
        build(**setting)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_model_of_the_other_kind(exclusive: bool) -> None:
    model = {"@architectures": "spacy_nlpkit.EmbeddingBag.v1", "exclusive_classes": not exclusive}
    with pytest.raises(NlpkitError, match=rf"\[N131\].*exclusive = {exclusive}.*= {not exclusive}"):
        build(exclusive=exclusive, model=model)
    model["exclusive_classes"] = exclusive
    assert pipe_of(build(exclusive=exclusive, model=model)).exclusive is exclusive


def test_thresholds_of_unknown_labels(saved: dict[bool, Path]) -> None:
    with pytest.raises(NlpkitError, match=r"\[N132\].*'thresholds'.*Crop, Wood.*Crops, Metals, Rates"):
        load(saved[True], thresholds={"Wood": 0.5, "Crop": 0.1, "Rates": 0.1})(TEXTS[0])


@pytest.mark.parametrize("setting", ["thresholds", "class_weights"])
def test_settings_of_labels_that_the_data_have_not(setting: str) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N132\].*'{setting}'.*Wood.*Crops, Metals, Rates"):
        train(build(**{setting: {"Wood": 0.5}}), GOLD)


def test_the_attribute_of_another_package_is_left_alone() -> None:
    Doc.set_extension("sentiment_of_theirs", default=1)
    try:
        with pytest.raises(NlpkitError, match=r"\[N003\].*Doc\._\.sentiment_of_theirs"):
            build(prediction_attribute="sentiment_of_theirs")
    finally:
        Doc.remove_extension("sentiment_of_theirs")


def test_documents_of_others_have_no_decision() -> None:
    build()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spacy.blank("en")("Wheat.")._.prediction is None


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_kind_of_labels_cannot_change_at_load(exclusive: bool, saved: dict[bool, Path]) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N135\].*trained with exclusive = {exclusive}"):
        load(saved[exclusive], exclusive=not exclusive)
