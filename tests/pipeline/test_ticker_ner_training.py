"""What ticker_ner learns, and what it must not learn: rejected spans, gaps in the annotation, new labels, rehearsal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example

from spacy_nlpkit.errors import NlpkitError

from .small_ner import (
    GOLD,
    TEXTS,
    Entities,
    annotate,
    build,
    found,
    make_examples,
    pipe_of,
    probability,
    span_in,
    train,
    update,
)

TEXT, ENTITIES = GOLD[0]  # Dell Inc. ORG, DELL.O TICKER, Paris GPE


def partial(nlp: Language, entities: Entities = (), wrong: Entities = (), key: str = "incorrect_spans") -> Example:
    """The first text with some entities and spans known to be wrong; of its other tokens nothing is known."""
    doc = annotate(nlp.make_doc(TEXT), entities, default="missing")
    doc.spans[key] = [span_in(doc, *span) for span in wrong]
    return Example(nlp.make_doc(TEXT), doc)


# Spans known to be wrong


def test_a_rejected_span_is_unlearned_and_no_more(nlp: Language) -> None:
    """Its neighbours stay, though nothing in the example says that they are right."""
    update(nlp, [partial(nlp, wrong=[("DELL.O", "TICKER")])])
    assert probability(nlp, TEXT, "DELL.O", "TICKER") < 0.2
    assert probability(nlp, TEXT, "Dell Inc.", "ORG") > 0.8
    assert probability(nlp, TEXT, "Paris", "GPE") > 0.8


def test_a_rejected_label_does_not_reject_the_others(nlp: Language) -> None:
    before = probability(nlp, TEXT, "DELL.O", "TICKER")
    update(nlp, [partial(nlp, wrong=[("DELL.O", "ORG"), ("DELL.O", "GPE")])])
    assert probability(nlp, TEXT, "DELL.O", "TICKER") == pytest.approx(before, abs=0.01)


def test_rejected_parts_of_an_entity_and_overlaps(nlp: Language) -> None:
    """Wrong boundaries, as binary annotation asks about them, beside the right ones in the gold."""
    wrong = [("Inc.", "ORG"), ("Dell", "ORG"), ("Dell Inc. (", "ORG")]
    update(nlp, [partial(nlp, [("Dell Inc.", "ORG")], wrong)])
    assert probability(nlp, TEXT, "Dell Inc.", "ORG") > 0.9
    assert all(probability(nlp, TEXT, *span) < 0.1 for span in wrong)


def test_rejection_adds_to_the_loss_what_the_probability_says(nlp: Language) -> None:
    pipe = pipe_of(nlp)
    span = ("Paris", "GPE")
    update(nlp, [partial(nlp, wrong=[span])], updates=1)
    doubt = probability(nlp, TEXT, *span)
    assert 0.1 < doubt < 0.9
    losses = pipe.update([partial(nlp, wrong=[span])])
    assert losses["ticker_ner"] == pytest.approx(-np.log1p(-doubt), rel=0.001)


def test_rejected_spans_of_other_keys_labels_and_tokens_are_passed_over(nlp: Language) -> None:
    pipe = pipe_of(nlp)
    spans = [("Paris", "GPE")]
    ignored = [partial(nlp, wrong=spans, key="other"), partial(nlp, wrong=[("Paris", "UNKNOWN")])]
    merged = partial(nlp, wrong=spans)
    with merged.predicted.retokenize() as retokenizer:
        retokenizer.merge(merged.predicted[-3:])
    for example in [*ignored, merged]:
        assert pipe.update([example])["ticker_ner"] == pytest.approx(0.0, abs=1e-6)
    assert pipe.update([partial(nlp, wrong=spans)])["ticker_ner"] > 1.0
    pipe.incorrect_spans_key = None
    assert pipe.update([partial(nlp, wrong=spans)])["ticker_ner"] == pytest.approx(0.0, abs=1e-6)


def test_the_key_of_rejected_spans_is_a_setting() -> None:
    nlp = build(incorrect_spans_key="wrong")
    examples = [*make_examples(nlp), partial(nlp, wrong=[("Paris", "NEW")], key="wrong")]
    train(nlp, examples)
    assert pipe_of(nlp).labels == ("GPE", "NEW", "ORG", "TICKER"), "a label may be known from rejections alone"
    assert found(nlp, TEXT) == ENTITIES


# Gaps in the annotation


@pytest.mark.parametrize("complete", [False, True])
def test_what_is_not_annotated_teaches_nothing(nlp: Language, complete: bool) -> None:
    """One entity is annotated. Only if the rest is known to be outside are the others unlearned."""
    example = make_examples(nlp, [(TEXT, ENTITIES[2:])])[0] if complete else partial(nlp, ENTITIES[2:])
    update(nlp, [example])
    assert found(nlp, TEXT) == (ENTITIES[2:] if complete else ENTITIES)


def test_gaps_are_filled_from_what_is_known(nlp: Language) -> None:
    """Trained on halves of the annotation, the pipe knows the whole."""
    nlp = build()
    halves = [partial(nlp, ENTITIES[:1]), partial(nlp, ENTITIES[1:])]
    outside = make_examples(nlp, [(TEXTS[4], [])])
    train(nlp, [*halves, *outside])
    assert set(ENTITIES) <= set(found(nlp, TEXT))


def test_an_entity_that_fits_no_token_is_a_gap(nlp: Language) -> None:
    """Neither an entity nor outside: the loss is that of tokens without annotation."""

    def loss(*, marked_missing: bool | None = None) -> float:
        example = make_examples(nlp)[0]
        predicted = example.predicted
        with predicted.retokenize() as retokenizer:
            retokenizer.merge(predicted[1:3])  # "Inc. ("
        if marked_missing is not None:
            spans = [span_in(predicted, *entity) for entity in ENTITIES[1:]]
            reference = predicted.copy()
            reference.set_ents(spans, missing=[predicted[:2]] if marked_missing else [])
            example = Example(predicted, reference)
        return pipe_of(nlp).update([example])["ticker_ner"]

    assert loss() == pytest.approx(loss(marked_missing=True), rel=1e-4)
    assert loss(marked_missing=False) > loss() + 0.1


def test_labels_that_are_not_asked_for_are_outside() -> None:
    nlp = build()
    examples = make_examples(nlp)
    pipe_of(nlp).initialize(lambda: examples, labels=["TICKER"])
    update(nlp, examples)
    assert pipe_of(nlp).labels == ("TICKER",)
    assert found(nlp, TEXT) == [("DELL.O", "TICKER")]


# Starting, and new labels


def test_start_without_data_says_what_is_missing() -> None:
    with pytest.raises(NlpkitError, match=r"\[N002\].*'ticker_ner'"):
        build().initialize()


@pytest.mark.parametrize("label", [7, None, b"ORG", ("ORG",)])
def test_labels_are_strings(nlp: Language, label: object) -> None:
    for pipeline in (build(), nlp):
        pipe = pipe_of(pipeline)
        before = pipe.labels
        with pytest.raises(NlpkitError, match=r"\[N013\].*'ticker_ner'"):
            pipe.add_label(label)  # type: ignore[arg-type]
        assert pipe.labels == before


NEW: list[tuple[str, Entities]] = [("Shares of Widget 3000 sold well.", [("Widget 3000", "PRODUCT")])]


def test_a_label_added_later(nlp: Language, tmp_path: Path) -> None:
    """It changes nothing until it is learned, then is learned like the others, and is saved."""
    docs = [nlp.make_doc(text) for text in TEXTS]
    before = pipe_of(nlp).predict(docs)
    assert pipe_of(nlp).add_label("PRODUCT") == 1
    after = pipe_of(nlp).predict(docs)
    for old, new in zip(before, after):
        assert [entity[:3] for entity in new] == [entity[:3] for entity in old]
        assert [entity[3] for entity in new] == pytest.approx([entity[3] for entity in old], abs=0.01)
    update(nlp, make_examples(nlp, [*GOLD, *NEW]))
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        assert [(text, found(pipeline, text)) for text, _ in [*GOLD, *NEW]] == [*GOLD, *NEW]


def test_a_new_start_with_more_labels(nlp: Language, tmp_path: Path) -> None:
    saved_before = nlp.get_pipe("ticker_ner").to_bytes()  # type: ignore[attr-defined]
    train(nlp, make_examples(nlp, [*GOLD, *NEW]))
    assert pipe_of(nlp).labels == ("GPE", "ORG", "TICKER", "PRODUCT")
    assert found(nlp, NEW[0][0]) == NEW[0][1]
    other = build()
    pipe_of(other).from_bytes(saved_before)
    assert found(other, TEXT) == ENTITIES


# Rehearsal


def forgetful(nlp: Language, *, rehearse: bool, add_first: bool) -> float:
    """Learn another text by heart, and return how sure the pipe still is of the first one's organisation."""
    pipe = pipe_of(nlp)
    if add_first:
        pipe.add_label("PRODUCT")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    pipe.add_label("PRODUCT")
    # The frame of the first text, in which nothing is an entity.
    other = make_examples(nlp, [*NEW, ("Bell Corp. (BELL.O) opens in Rome.", [])])
    for _ in range(20):
        nlp.update(other, sgd=optimizer)
        if rehearse:
            losses = nlp.rehearse(make_examples(nlp), sgd=optimizer)
            assert losses["ticker_ner"] > 0
    assert found(nlp, NEW[0][0]) == NEW[0][1]
    return probability(nlp, TEXT, "Dell Inc.", "ORG")


@pytest.mark.parametrize("add_first", [True, False])
def test_rehearsal_keeps_what_was_known(saved: Path, add_first: bool) -> None:
    """Whether the new label comes before or after `resume_training`."""
    without = forgetful(spacy.load(saved), rehearse=False, add_first=add_first)
    assert forgetful(spacy.load(saved), rehearse=True, add_first=add_first) > max(0.9, without + 0.05)


def test_rehearsal_without_a_teacher_changes_nothing(nlp: Language) -> None:
    before = pipe_of(nlp).model.to_bytes()
    assert nlp.rehearse(make_examples(nlp), sgd=nlp.create_optimizer()) == {"ticker_ner": 0.0}
    assert pipe_of(nlp).model.to_bytes() == before


def test_rehearsal_needs_the_encoder_to_have_run() -> None:
    """A teacher that listens would otherwise teach what it makes of zeros."""
    nlp = train(build(listening=True))
    optimizer = nlp.resume_training()
    update(nlp, make_examples(nlp), updates=1)
    before = pipe_of(nlp).model.to_bytes()
    with pytest.raises(NlpkitError, match=r"\[N005\].*tok2vec"):
        nlp.rehearse(make_examples(nlp), sgd=optimizer)
    assert pipe_of(nlp).model.to_bytes() == before
