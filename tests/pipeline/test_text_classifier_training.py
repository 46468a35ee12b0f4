"""What `text_classifier` learns from its annotation, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example

from spacy_nlpkit.errors import NlpkitError

from ..layers.ridge import fit_ridge
from .small_classes import (
    GOLD,
    GOLD_INDEPENDENT,
    LABELS,
    TEXTS,
    Cats,
    build,
    build_linear,
    cats,
    chosen,
    gold,
    make_examples,
    pipe_of,
    train,
    update,
)

TWO = ("A", "B")


def two(a: float, b: float) -> Cats:
    """Annotation of two labels."""
    return {"A": a, "B": b}


def converge(annotated: list[tuple[str, Cats]], updates: int = 60, **settings: Any) -> Language:
    """The linear model near its optimum."""
    return train(build_linear(**settings), annotated, updates)


def probabilities(nlp: Language, text: str) -> list[float]:
    """Of the labels, in their order."""
    found: list[float] = pipe_of(nlp).predict([nlp.make_doc(text)])[0].tolist()
    return found


def loss_and_change(nlp: Language, annotated: Iterable[tuple[str, Cats]]) -> tuple[float, bool]:
    """The loss of an update without an optimizer, and whether any weight has a gradient."""
    pipe = pipe_of(nlp)
    losses = pipe.update(make_examples(nlp, annotated))
    pairs = [(node, name) for node in pipe.model.walk() for name in node.grad_names]
    changes = any(np.abs(node.get_grad(name)).max() > 1e-7 for node, name in pairs)
    pipe.finish_update(spacy.util.registry.optimizers.get("SGD.v1")(0.0))  # drops the gradients
    return losses["text_classifier"], changes


# Soft labels


def test_soft_labels_are_learned_as_a_distribution(tmp_path: Path) -> None:
    annotated = [("wheat", two(0.7, 0.3)), ("copper", two(0.1, 0.9))]
    nlp = converge(annotated)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        assert probabilities(pipeline, "wheat") == pytest.approx([0.7, 0.3], abs=0.02)
        assert probabilities(pipeline, "copper") == pytest.approx([0.1, 0.9], abs=0.02)


def test_soft_labels_are_resolved_by_vote() -> None:
    annotated = [("wheat", two(0.7, 0.3)), ("copper", two(0.1, 0.9)), ("zinc", two(0.5, 0.5))]
    nlp = converge(annotated, soft_labels="vote")
    assert probabilities(nlp, "wheat")[0] > 0.95
    assert probabilities(nlp, "copper")[1] > 0.95
    assert probabilities(nlp, "zinc") == pytest.approx([0.5, 0.5], abs=0.05), "a tie stays one"


@pytest.mark.parametrize("soft_labels", ["distribution", "vote"])
def test_soft_labels_that_do_not_exclude_each_other(soft_labels: str) -> None:
    annotated = [("wheat", two(0.8, 0.4)), ("copper", two(0.25, 0.5)), ("zinc", {"A": 0.9})]
    nlp = converge(annotated, exclusive=False, soft_labels=soft_labels)
    expected = [0.8, 0.4, 0.25, 0.5] if soft_labels == "distribution" else [1.0, 0.0, 0.0, 0.5]
    found = [*probabilities(nlp, "wheat"), *probabilities(nlp, "copper")]
    assert found == pytest.approx(expected, abs=0.07)


# Weights and losses


def rare(n: int = 9) -> list[tuple[str, Cats]]:
    """One text is annotated n times as A, and once as B."""
    return [("wheat rose", two(1.0, 0.0))] * n + [("wheat rose", two(0.0, 1.0))]


@pytest.mark.parametrize("exclusive", [True, False])
def test_balanced_weights_make_up_for_frequency(exclusive: bool) -> None:
    """Without, the rare label is never found; with weights its share is that of equal frequencies."""
    plain = converge(rare(), exclusive=exclusive)
    assert probabilities(plain, "wheat rose") == pytest.approx([0.9, 0.1], abs=0.03)
    balanced = converge(rare(), exclusive=exclusive, class_weights="balanced")
    assert probabilities(balanced, "wheat rose") == pytest.approx([0.5, 0.5], abs=0.05)


def test_weights_by_label() -> None:
    nlp = converge(rare(), class_weights={"B": 27.0})
    assert probabilities(nlp, "wheat rose") == pytest.approx([0.25, 0.75], abs=0.03)
    independent = converge(rare(), exclusive=False, class_weights={"B": 27.0})
    assert probabilities(independent, "wheat rose") == pytest.approx([0.9, 0.75], abs=0.03)


def test_weights_are_kept(tmp_path: Path) -> None:
    """A pipeline that goes on training weighs as before, and a label added later counts once."""
    nlp = converge(rare(), class_weights="balanced")
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    for pipeline in (nlp, again):
        update(pipeline, make_examples(pipeline, rare()))
        assert probabilities(pipeline, "wheat rose") == pytest.approx([0.5, 0.5], abs=0.05)
    pipe_of(again).add_label("C")
    update(again, make_examples(again, [(text, {**values, "C": 0.0}) for text, values in rare()]), 60)
    assert probabilities(again, "wheat rose")[:2] == pytest.approx([0.5, 0.5], abs=0.05)


def test_smoothed_labels_leave_doubt() -> None:
    nlp = converge(GOLD, updates=150, label_smoothing=0.3)
    for text, values in GOLD:
        assert probabilities(nlp, text) == pytest.approx([0.8 if value else 0.1 for value in values.values()], abs=0.03)
    independent = converge(GOLD, updates=150, label_smoothing=0.3, exclusive=False)
    for text, values in GOLD:
        expected = [0.85 if value else 0.15 for value in values.values()]
        assert probabilities(independent, text) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("exclusive", [True, False])
def test_focal_loss_cares_for_what_is_wrong(exclusive: bool) -> None:
    """What is right by a wide margin counts nearly nothing, so its doubt stays greater."""
    plain, focal = (converge(gold(exclusive), updates=40, exclusive=exclusive, focal_gamma=g) for g in (0.0, 3.0))
    assert [chosen(focal, text) for text in TEXTS] == [chosen(plain, text) for text in TEXTS]
    assert 1.0 - max(probabilities(focal, TEXTS[0])) > 10.0 * (1.0 - max(probabilities(plain, TEXTS[0])))
    assert loss_and_change(focal, gold(exclusive))[0] < 0.5 * loss_and_change(plain, gold(exclusive))[0]


# Gaps in the annotation


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_document_without_classes_teaches_nothing(exclusive: bool) -> None:
    nlp = train(build(exclusive=exclusive), gold(exclusive), updates=5)
    unknown: list[tuple[str, Cats]] = [("Wheat rose.", {}), ("Copper fell.", {"Formal": 1.0})]
    assert loss_and_change(nlp, unknown) == (pytest.approx(0.0, abs=1e-6), False)
    loss, changes = loss_and_change(nlp, GOLD)
    assert changes
    diluted, changes = loss_and_change(nlp, [*GOLD, *unknown, *unknown, *unknown])
    assert changes
    assert diluted == pytest.approx(loss / 2, rel=1e-4), "a mean over the batch"


def test_labels_without_annotation_are_neutral() -> None:
    """Of labels that do not exclude one another, what one document leaves open is learned from the others."""
    independent = converge([("wheat", {"A": 1.0}), ("copper", {"A": 0.0}), ("zinc", {"B": 1.0})], exclusive=False)
    assert probabilities(independent, "wheat")[0] > 0.9
    assert probabilities(independent, "copper")[0] < 0.1
    assert probabilities(independent, "zinc")[1] > 0.9
    pipe = pipe_of(independent)
    before = pipe.model.predict([independent.make_doc("wheat")])[0]
    update(independent, make_examples(independent, [("wheat", {"A": 0.0})]), 40)
    after = pipe.model.predict([independent.make_doc("wheat")])[0]
    assert after[0] < before[0] - 0.3
    assert after[1] == pytest.approx(before[1], abs=0.01)  # weight decay moves it


def test_a_rejected_exclusive_label_raises_the_others_alike() -> None:
    nlp = train(build_linear(), [("wheat", dict.fromkeys(LABELS, 1.0 / 3.0))], updates=2)
    update(nlp, make_examples(nlp, [("wheat", {"Metals": 0.0})]), 60)
    assert probabilities(nlp, "wheat") == pytest.approx([0.5, 0.0, 0.5], abs=0.03)


def test_an_exclusive_label_that_holds_is_enough() -> None:
    """The others are known not to hold."""
    named_alone = [(text, {label: 1.0 for label, value in values.items() if value}) for text, values in GOLD]
    nlp = train(build(), GOLD, updates=5)
    assert loss_and_change(nlp, named_alone)[0] == pytest.approx(loss_and_change(nlp, GOLD)[0])


def test_annotation_of_none_is_a_gap() -> None:
    nlp = train(build(exclusive=False), GOLD_INDEPENDENT, updates=5)
    reference = nlp.make_doc("Wheat rose.")
    reference.cats = dict.fromkeys(LABELS)
    losses = pipe_of(nlp).update([Example(nlp.make_doc("Wheat rose."), reference)])
    assert losses == {"text_classifier": 0.0}


# Annotation that cannot be


def test_no_labels() -> None:
    with pytest.raises(NlpkitError, match=r"\[N002\].*'text_classifier'"):
        train(build(), [("Wheat rose.", {})])


def test_one_exclusive_label() -> None:
    with pytest.raises(NlpkitError, match=r"\[N129\].*'text_classifier'.*'Crops'.*exclusive = false"):
        train(build(), [("Wheat rose.", {"Crops": 1.0}), ("Copper fell.", {"Crops": 0.0})])
    nlp = converge([("Wheat", {"Crops": 1.0}), ("Copper", {"Crops": 0.0})], exclusive=False)
    assert [chosen(nlp, text) for text in ("Wheat", "Copper")] == [["Crops"], []]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (cats("Crops", "Rates"), r"Crops 1, Rates 1\)"),
        ({"Crops": 0.6, "Metals": 0.6}, r"Crops 0.6, Metals 0.6\)"),
        ({"Crops": 0.6, "Metals": 0.2, "Rates": 0.0}, r"Crops 0.6, Metals 0.2\)"),
        (cats(), "none above 0"),
    ],
)
def test_exclusive_labels_that_do_not_sum_to_one(values: Cats, found: str) -> None:
    annotated = [*GOLD, ("Wheat and rates rose.", values), ("More of it.", values)]
    with pytest.raises(NlpkitError, match=rf"\[N130\].* 2 of 8 .*'Wheat and rates rose\.'.*{found}.*exclusive = false"):
        train(build(), annotated)
    train(build(exclusive=False), annotated, updates=1)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("value", [2.0, -0.5])
def test_annotation_that_is_no_probability(exclusive: bool, value: float) -> None:
    """Though it may sum to one."""
    values = {"Crops": value, "Metals": 1.0 - value, "Rates": 0.0}
    with pytest.raises(NlpkitError, match=rf"\[N134\] 1 of 7 .*'text_classifier'.*'Wheat\.' \(labels Crops {value:g}"):
        train(build(exclusive=exclusive), [*GOLD, ("Wheat.", values)])
    nlp = train(build(exclusive=exclusive), GOLD, updates=1)
    with pytest.warns(UserWarning, match=r"\[NW130\] 1 of 1 "):
        assert loss_and_change(nlp, [("Wheat.", values)]) == (pytest.approx(0.0, abs=1e-6), False)


def test_shares_of_annotators_may_be_rounded() -> None:
    train(build(), [("wheat", dict.fromkeys(LABELS, 0.33))], updates=1)


def test_labels_of_other_components_are_not_counted() -> None:
    """Neither do they make the sum wrong, nor are they named."""
    nlp = build()
    annotated = [(text, {**values, "Formal": 1.0}) for text, values in GOLD]
    pipe_of(nlp).initialize(lambda: make_examples(nlp, annotated), labels=list(LABELS))
    assert pipe_of(nlp).labels == LABELS
    wrong = [*annotated, ("Wheat and rates rose.", {**cats("Crops", "Rates"), "Formal": 1.0})]
    with pytest.raises(NlpkitError, match=r"\[N130\].*\(labels Crops 1, Rates 1\)"):
        pipe_of(nlp).initialize(lambda: make_examples(nlp, wrong), labels=list(LABELS))


def test_contradictions_that_were_not_there_at_the_start() -> None:
    """A streamed corpus is not seen as a whole before training: they are passed over, and said once."""
    nlp = train(build(), GOLD, updates=5)
    wrong = [("Wheat and rates rose.", cats("Crops", "Rates")), ("Nothing.", cats())]
    with pytest.warns(UserWarning, match=r"\[NW130\] 2 of 8 .*'text_classifier'.*'Wheat and rates rose\.'.*Rates 1"):
        loss, _ = loss_and_change(nlp, [*GOLD, *wrong])
    assert loss == pytest.approx(loss_and_change(nlp, GOLD)[0] * 6 / 8, rel=1e-4)
    assert loss_and_change(nlp, wrong) == (pytest.approx(0.0, abs=1e-6), False)  # a second warning would raise


# Going on


def test_a_label_added_later(tmp_path: Path) -> None:
    nlp = train(build(), GOLD)
    more = [*((text, {**values, "Rail": 0.0}) for text, values in GOLD), ("Trains run late.", {"Rail": 1.0})]
    pipe_of(nlp).add_label("Rail")
    update(nlp, make_examples(nlp, more))
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        assert pipe_of(pipeline).labels == (*LABELS, "Rail")
        for text, values in more:
            assert [label for label, value in values.items() if value] == chosen(pipeline, text)


def test_a_label_added_later_leaves_the_odds_of_the_others() -> None:
    nlp = train(build(), GOLD, updates=5)
    before = np.array(probabilities(nlp, TEXTS[0]))
    pipe_of(nlp).add_label("Rail")
    after = np.array(probabilities(nlp, TEXTS[0]))[:3]
    assert after / after.sum() == pytest.approx(before, rel=1e-4)


def test_initialized_anew_with_more_labels() -> None:
    nlp = train(build(), GOLD)
    train(nlp, [*GOLD, ("Trains run late.", {"Rail": 1.0})])
    assert pipe_of(nlp).labels == (*LABELS, "Rail")
    assert chosen(nlp, "Trains run late.") == ["Rail"]


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("new_label", [None, "before", "after"])
def test_rehearsal_keeps_what_was_known(exclusive: bool, new_label: str | None) -> None:
    """Whether a new label comes before or after `resume_training`, or none does."""

    def forgetful(rehearse: bool) -> float:
        nlp = train(build(exclusive=exclusive), gold(exclusive))
        pipe = pipe_of(nlp)
        if new_label == "before":
            pipe.add_label("Rail")
        optimizer = nlp.resume_training()
        optimizer.learn_rate = 0.02
        if new_label:
            pipe.add_label("Rail")
        other = make_examples(nlp, [("Wheat by rail.", cats("Rail" if new_label else "Rates", labels=pipe.labels))])
        for _ in range(15):
            nlp.update(other, sgd=optimizer)
            if rehearse:
                nlp.rehearse(make_examples(nlp, GOLD), sgd=optimizer)
        assert max(zip(probabilities(nlp, "Wheat by rail."), pipe.labels))[1] == ("Rail" if new_label else "Rates")
        return probabilities(nlp, TEXTS[0])[0]

    assert forgetful(rehearse=True) > forgetful(rehearse=False) + 0.1


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_penalised_classifier_of_vectors_is_ridge_regression(exclusive: bool) -> None:
    """Whole batches of pooled word vectors: what is learned is known from another method."""
    encoder = {"@architectures": "spacy_nlpkit.StaticVectors.v1", "attr": "LOWER"}
    model = {"@architectures": "spacy_nlpkit.Pooled.v1", "tok2vec": encoder, "pooling": ["mean"], "l2": 0.01}
    nlp = build(exclusive=exclusive, model=model)
    rng = np.random.default_rng(0)
    annotated = gold(exclusive)
    for word in sorted({token.lower_ for text, _ in annotated for token in nlp.make_doc(text)}):
        nlp.vocab.set_vector(word, rng.normal(size=5).astype("float32"))
    train(nlp, annotated, updates=0)
    optimizer = nlp.create_optimizer()
    for number in range(300):
        optimizer.learn_rate = 0.1 * (1 - number / 300)
        nlp.update(make_examples(nlp, annotated), sgd=optimizer)
    docs = [nlp.make_doc(text) for text, _ in annotated]
    rows = np.array([np.mean([nlp.vocab.get_vector(token.lower_) for token in doc], axis=0) for doc in docs])
    truth = np.array([[values[label] for label in pipe_of(nlp).labels] for _, values in annotated])
    expected = fit_ridge(rows, truth, 0.01, exclusive).probabilities
    assert pipe_of(nlp).predict(docs) == pytest.approx(expected, abs=2e-3)
