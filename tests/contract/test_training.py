"""Learning, alone and beside others (points 6, 12, 13, 14, 15, 18)."""

import math
from typing import Any

import numpy
import pytest
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.training import Example
from thinc.api import Optimizer

from spacy_nlpkit.errors import NlpkitError

from .conftest import NAME, build, build_listening, train
from .specs import Spec


def tagged(spec: Spec, nlp: Language, *, annotated: bool) -> list[Example]:
    """Examples with tags for a tagger; without the component's own annotation unless asked for."""
    examples = []
    for text, annotation in spec.gold:
        doc = nlp.make_doc(text)
        tags = ["X" if token.is_alpha else "Y" for token in doc]
        given = {"tags": tags}
        examples.append(
            spec.example(nlp, text, {**annotation, **given}) if annotated else Example.from_dict(doc, given)
        )
    return examples


def test_learns_its_examples_by_heart(spec: Spec) -> None:
    nlp = build(spec)
    losses = train(nlp, spec.examples(nlp))
    assert all(type(step[NAME]) is float and math.isfinite(step[NAME]) for step in losses)
    assert losses[-1][NAME] < 0.05 * losses[0][NAME]
    assert nlp.evaluate(spec.examples(nlp))[spec.score] == 1.0


def test_losses_add_up_and_come_back(spec: Spec, trained: Language) -> None:
    losses = {NAME: 1.0, "other": 2.0}
    assert trained.get_pipe(NAME).update(spec.examples(trained), losses=losses) is losses
    assert losses["other"] == 2.0
    assert losses[NAME] > 1.0


def test_update_without_optimizer_leaves_weights(spec: Spec, trained: Language) -> None:
    pipe = trained.get_pipe(NAME)
    before = pipe.model.to_bytes()
    pipe.update(spec.examples(trained), sgd=None)
    pipe.update(spec.examples(trained), sgd=False)
    assert pipe.model.to_bytes() == before


def test_update_leaves_the_examples_alone(spec: Spec, trained: Language) -> None:
    examples = spec.examples(trained)
    before = [(eg.predicted.to_bytes(), eg.reference.to_bytes()) for eg in examples]
    trained.get_pipe(NAME).update(examples)
    assert [(eg.predicted.to_bytes(), eg.reference.to_bytes()) for eg in examples] == before


def test_nothing_annotated_gives_no_gradient(spec: Spec, trained: Language) -> None:
    pipe = trained.get_pipe(NAME)
    examples = [Example.from_dict(trained.make_doc(text), {}) for text, _ in spec.gold]
    losses = pipe.update(examples)
    assert losses[NAME] == pytest.approx(0.0, abs=1e-3)
    for node in pipe.model.walk():
        for name in node.grad_names:
            assert numpy.abs(node.get_grad(name)).max() < 1e-4, (node.name, name)


def test_frozen_component_stays(spec: Spec) -> None:
    nlp = build_listening(spec, "tagger")
    examples = tagged(spec, nlp, annotated=True)
    train(nlp, examples, updates=1)
    frozen, free = nlp.get_pipe(NAME).to_bytes(), nlp.get_pipe("tagger").to_bytes()
    optimizer = nlp.create_optimizer()
    for _ in range(5):
        nlp.update(examples, sgd=optimizer, exclude=[NAME], annotates=["tok2vec", NAME])
    assert nlp.get_pipe(NAME).to_bytes() == frozen
    assert nlp.get_pipe("tagger").to_bytes() != free


class Watcher(TrainablePipe):
    """Notes what earlier components wrote on the documents it is updated with."""

    def __init__(self, spec: Spec) -> None:
        self.snapshot = spec.snapshot
        self.seen: list[Any] = []

    def update(self, examples: list[Example], **kwargs: Any) -> dict[str, float]:
        """Learn nothing."""
        self.seen.extend(self.snapshot(eg.predicted) for eg in examples)
        return {}


def test_annotates_for_later_components(spec: Spec, trained: Language) -> None:
    Language.factory("contract_watcher", func=lambda nlp, name: Watcher(spec))
    watcher = trained.add_pipe("contract_watcher")
    trained.update(spec.examples(trained), exclude=[NAME], annotates=trained.pipe_names[:-1])
    assert any(watcher.seen)
    watcher.seen.clear()
    trained.update(spec.examples(trained), exclude=[NAME])
    assert not any(watcher.seen)


def test_last_listener_with_nothing_to_learn_passes_gradients_on(spec: Spec) -> None:
    if not spec.listens:
        return
    nlp = build_listening(spec, "tagger")
    train(nlp, tagged(spec, nlp, annotated=True), updates=1)
    encoder = nlp.get_pipe("tok2vec").model

    def gradient() -> float:
        nlp.get_pipe("tok2vec").finish_update(Optimizer(0.0))  # drops what earlier updates left
        nlp.update(tagged(spec, nlp, annotated=False), sgd=False)
        grads = [node.get_grad(name) for node in encoder.walk() for name in node.grad_names]
        return sum(float(numpy.abs(grad).sum()) for grad in grads)

    with_component = gradient()
    nlp.remove_pipe(NAME)
    nlp._link_components()
    assert with_component == pytest.approx(gradient(), rel=1e-3)
    assert with_component > 0.0


def test_listener_and_its_replacement_agree(spec: Spec, texts: list[str], same: Any) -> None:
    if not spec.listens:
        return
    nlp = build_listening(spec)
    train(nlp, spec.examples(nlp))
    assert nlp.evaluate(spec.examples(nlp))[spec.score] == 1.0
    shared = [spec.snapshot(doc) for doc in nlp.pipe(texts)]
    nlp.replace_listeners("tok2vec", NAME, ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    same([spec.snapshot(doc) for doc in nlp.pipe(texts)], shared)
    again = type(nlp).from_config(nlp.config).from_bytes(nlp.to_bytes())
    same([spec.snapshot(doc) for doc in again.pipe(texts)], shared)


def test_missing_encoder_is_an_error(spec: Spec) -> None:
    """A listener that reads a document without vectors sees zeros: that must not pass for a prediction."""
    if not spec.listens:
        return
    nlp = build_listening(spec)
    train(nlp, spec.examples(nlp), updates=1)
    with nlp.select_pipes(disable=["tok2vec"]), pytest.raises(NlpkitError, match=r"\[N005\].*tok2vec"):
        nlp(spec.gold[0][0])


@pytest.mark.parametrize("change", ["merged", "split"])
def test_other_tokens_in_the_gold(spec: Spec, trained: Language, change: str) -> None:
    examples = spec.examples(trained)
    for eg in examples:
        with eg.reference.retokenize() as retokenizer:
            if change == "merged":
                retokenizer.merge(eg.reference[-2:])
            else:
                last = eg.reference[-2]
                retokenizer.split(last, [last.text[:1], last.text[1:]], heads=[last, last])
    examples = [Example(trained.make_doc(eg.reference.text), eg.reference) for eg in examples]
    losses = trained.get_pipe(NAME).update(examples)
    assert math.isfinite(losses[NAME])
    assert trained.evaluate(examples)[spec.score] == 1.0


def test_seed_decides(spec: Spec) -> None:
    def weights(seed: int) -> bytes:
        nlp = build(spec)
        train(nlp, spec.examples(nlp), updates=3, seed=seed)
        return nlp.get_pipe(NAME).model.to_bytes()

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


def test_rehearsal(spec: Spec, trained: Language) -> None:
    pipe = trained.get_pipe(NAME)
    if not spec.rehearses:
        assert not hasattr(pipe, "_rehearsal_model")
        return
    optimizer = trained.resume_training()
    optimizer.learn_rate = 0.01
    losses: dict[str, float] = {}
    trained.rehearse(spec.examples(trained), sgd=optimizer, losses=losses)
    assert type(losses[NAME]) is float
    assert losses[NAME] == pytest.approx(0.0, abs=1e-3), "it has not moved yet"
    for _ in range(3):
        trained.update(spec.examples(trained)[2:3], sgd=optimizer)
    moved = trained.rehearse(spec.examples(trained), sgd=optimizer, losses={})
    assert moved[NAME] > losses[NAME]
