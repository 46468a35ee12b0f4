"""Being found, built, refused and initialized (points 1, 2, 4, 5)."""

import json
from importlib.metadata import distribution
from typing import Any

import pytest
import spacy
from spacy.lang.en import English
from spacy.training import Example
from thinc.api import ConfigValidationError

from spacy_nlpkit.errors import NlpkitError

from .conftest import NAME, build
from .specs import SPECS, Spec


def test_a_spec_for_every_factory_and_no_other() -> None:
    declared = {point.name for point in distribution("spacy-nlpkit").entry_points if point.group == "spacy_factories"}
    assert {spec.factory for spec in SPECS.values()} == declared


def test_added_and_analyzed(spec: Spec) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe(spec.factory)
    analysis = nlp.analyze_pipes()
    assert analysis["summary"][spec.factory]["assigns"]
    assert analysis["problems"][spec.factory] == list(spec.requires)
    assert set(spec.attributes) <= {
        name.rsplit("._.", 1)[1] for name in analysis["summary"][spec.factory]["assigns"] if "._." in name
    }


def test_config_round_trip(spec: Spec) -> None:
    nlp = build(spec)
    again = English.from_config(nlp.config)
    assert again.config.to_str() == nlp.config.to_str()
    assert type(again.get_pipe(NAME)) is type(nlp.get_pipe(NAME))


def test_wrong_settings_are_refused(spec: Spec) -> None:
    for settings in (spec.wrong_type, {"no_such_setting": 1}):
        with pytest.raises(ConfigValidationError, match=next(iter(settings))):
            build(spec, **settings)


def test_two_of_a_kind_live_side_by_side(spec: Spec) -> None:
    nlp = build(spec)
    nlp.add_pipe(spec.factory, name="second", config=spec.config)
    assert nlp.pipe_names[-2:] == [NAME, "second"]
    assert nlp.get_pipe("second").name == "second"


def test_use_before_initialize_names_the_next_step(spec: Spec) -> None:
    nlp = build(spec)
    pipe = nlp.get_pipe(NAME)
    doc = nlp.make_doc("Intel rose .")
    predictions = (
        lambda: nlp(doc.copy()),
        lambda: list(nlp.pipe([doc.copy()])),
        lambda: pipe.predict([doc]),
    )
    for use in (*(() if spec.untrained else predictions), lambda: pipe.update(spec.examples(nlp))):
        with pytest.raises(NlpkitError, match=r"\[N001\].*nlp\.initialize"):
            use()


@pytest.mark.parametrize(
    "get_examples",
    [None, (), "text", lambda: None, list, lambda: ["text"], lambda: [("text", {})]],
    ids=["none", "tuple", "string", "gives none", "gives nothing", "gives strings", "gives tuples"],
)
def test_wrong_examples_are_refused_by_code(spec: Spec, get_examples: Any) -> None:
    pipe = build(spec).get_pipe(NAME)
    with pytest.raises((TypeError, ValueError), match=r"\[[EN]\d+\]"):
        pipe.initialize(get_examples)


def test_update_refuses_what_is_no_example(spec: Spec, trained: English) -> None:
    with pytest.raises(TypeError, match=r"\[E978\]"):
        trained.get_pipe(NAME).update([trained.make_doc("Intel rose .")])


def test_labels_from_settings_and_from_data_are_the_same(spec: Spec) -> None:
    nlp = build(spec)
    pipe = nlp.get_pipe(NAME)
    if not spec.labels:
        assert pipe.labels == ()
        return
    nlp.initialize(lambda: spec.examples(nlp))
    assert pipe.labels
    assert all(type(label) is str for label in pipe.labels)
    label_data = json.loads(json.dumps(pipe.label_data))
    other = build(spec)
    other.get_pipe(NAME).initialize(lambda: spec.examples(other), labels=label_data)
    assert other.get_pipe(NAME).labels == pipe.labels
    assert other.get_pipe(NAME).label_data == pipe.label_data


def test_data_without_labels_are_refused(spec: Spec) -> None:
    if not spec.labels:
        return
    nlp = build(spec)
    examples = [Example.from_dict(nlp.make_doc("Intel rose ."), {})]
    with pytest.raises(NlpkitError, match=rf"\[N002\].*{NAME}"):
        nlp.initialize(lambda: examples)


def test_examples_are_read_anew_each_time(spec: Spec) -> None:
    """`get_examples` may be called again and gives a fresh iterator, here one that ends."""
    nlp = build(spec)
    nlp.initialize(lambda: iter(spec.examples(nlp)))
    assert nlp.get_pipe(NAME).is_initialized


def test_labels_are_added_to_a_trained_component(spec: Spec, trained: English, same: Any) -> None:
    pipe = trained.get_pipe(NAME)
    if not spec.labels:
        with pytest.raises((NlpkitError, NotImplementedError)):
            pipe.add_label("NEW")
        return
    before = [spec.snapshot(doc) for doc in trained.pipe(text for text, _ in spec.gold)]
    assert pipe.add_label(pipe.labels[0]) == 0
    assert pipe.add_label("NEW") == 1
    assert pipe.labels[-1] == "NEW"
    with pytest.raises(ValueError, match=r"\[[EN]\d+\]"):
        pipe.add_label(5)
    pipe.update(spec.examples(trained))
    after = [spec.snapshot(doc) for doc in trained.pipe(text for text, _ in spec.gold)]
    assert [len(items) for items in before] == [len(items) for items in after]
