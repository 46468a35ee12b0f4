"""The checks of corpora: each fault is found where it is, and sound data has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_nlpkit.attributes import register_item_attributes
from spacy_nlpkit.data.checks import FEW_EXAMPLES, Finding, Report, check
from spacy_nlpkit.data.readers import make_example


@pytest.fixture
def nlp() -> Language:
    register_item_attributes()
    return spacy.blank("en")


def annotate(nlp: Language, text: str, *ents: tuple[str, str], **cats: float) -> Example:
    """Text with entities, given by their text (its first occurrence) and label."""
    doc = nlp.make_doc(text)
    spans = []
    for part, label in ents:
        span = doc.char_span(text.index(part), text.index(part) + len(part), label=label)
        assert span is not None
        spans.append(span)
    doc.set_ents(spans)
    doc.cats = cats
    return make_example(nlp, doc)


def sound(nlp: Language, prefix: str, size: int = FEW_EXAMPLES) -> list[Example]:
    return [annotate(nlp, f"{prefix} {i} Acme rose", ("Acme", "ORG")) for i in range(size)]


def only(report: Report, code: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.code == code]
    return found


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_sound_data_has_no_findings(nlp: Language) -> None:
    report = check({"train": sound(nlp, "In"), "dev": sound(nlp, "At", 3)})
    assert report.findings == []
    train = report.splits["train"]
    assert (train.docs, train.tokens, train.entities, train.missing) == (20, 80, 20, 0.0)
    assert train.labels == {"entity": {"ORG": 20}}
    assert report.splits["dev"].labels == {"entity": {"ORG": 3}}


def test_counts_of_partial_annotation(nlp: Language) -> None:
    bare = make_example(nlp, nlp.make_doc("Nobody read this"))
    partial = nlp.make_doc("Acme rose , Bolt fell")
    partial.set_ents([], missing=[partial[3:5]], default="outside")
    split = check({"train": [bare, make_example(nlp, partial)]}).splits["train"]
    assert (split.docs, split.tokens, split.not_annotated, split.without_entities) == (2, 8, 1, 1)
    assert split.missing == pytest.approx(5 / 8)


@pytest.mark.parametrize("train", [[], ["bare"]])
def test_nothing_to_train_on_is_an_error(nlp: Language, train: list[str]) -> None:
    examples = [annotate(nlp, text) for text in train]
    report = check({"train": examples, "dev": sound(nlp, "At", 3)})
    assert [finding.code for finding in report.errors] == ["N044" if train else "N043"]
    assert "'train'" in report.errors[0].message
    assert report.errors[0] is report.findings[0]


def test_unseen_labels(nlp: Language) -> None:
    train = sound(nlp, "In")
    dev = [annotate(nlp, "Acme in Ohio", ("Acme", "ORG"), ("Ohio", "GPE"))]
    report = check({"train": train, "dev": dev})
    assert codes(report) == ["NW037"]
    assert only(report, "NW037").places == ["dev: GPE, 1 examples"]
    report = check({"train": train, "dev": [annotate(nlp, "Off to Ohio", ("Ohio", "GPE"))]})
    assert codes(report) == ["N045"]
    assert report.errors[0].message.count("GPE") == 1
    # Classes do not stand in for entities.
    report = check({"train": train, "dev": [annotate(nlp, "Off to Ohio", GPE=1.0)]})
    assert codes(report) == ["N045"]


def test_few_examples(nlp: Language) -> None:
    report = check({"train": [*sound(nlp, "In"), *(annotate(nlp, f"{i} Ohio", ("Ohio", "GPE")) for i in range(19))]})
    assert only(report, "NW038").places == ["train: GPE, 19 examples"]
    report = check({"train": [annotate(nlp, f"{i} text", Business=1.0, Sports=float(i < 20)) for i in range(21)]})
    assert report.findings == []
    assert report.splits["train"].labels == {"class": {"Business": 21, "Sports": 20}}


def test_copies_between_and_within_splits(nlp: Language) -> None:
    train, dev = sound(nlp, "In"), sound(nlp, "At", 3)
    train[1].reference._.item_id = "nw-7"
    dev.append(annotate(nlp, "In 1  Acme rose", ("Acme", "ORG")))
    train.append(sound(nlp, "In")[4])
    report = check({"train": train, "dev": dev})
    assert codes(report) == ["NW039", "NW040"]
    assert only(report, "NW039").places == ["train, document 2 (nw-7) = dev, document 4"]
    assert only(report, "NW040").places == ["train, document 5 = train, document 21"]


def test_conflicting_annotations_list_the_differing_spans(nlp: Language) -> None:
    text = "Acme of Ohio rose"
    copies = [
        annotate(nlp, text, ("Acme", "ORG"), ("Ohio", "GPE"), Business=1.0),
        annotate(nlp, text, ("Acme of Ohio", "ORG"), Business=1.0),
        annotate(nlp, text, ("Acme", "ORG"), ("Ohio", "GPE"), Business=0.0, Sports=1.0),
    ]
    (place,) = only(check({"train": [*sound(nlp, "In"), *copies]}), "NW041").places
    assert place.startswith("train, document 21 = train, document 22 = train, document 23: ")
    assert place.split(": ")[1].split("; ") == [
        "'Acme of Ohio' (0:12 ORG) in 1 of 3",
        "'Acme' (0:4 ORG) in 2 of 3",
        "'Ohio' (8:12 GPE) in 2 of 3",
        "class Business in 2 of 3",
        "class Sports in 1 of 3",
    ]
    # What one copy leaves open is no conflict.
    partial = nlp.make_doc(text)
    partial.set_ents([partial.char_span(8, 12, label="GPE")], default="missing")
    report = check({"train": [*sound(nlp, "In"), *sound(nlp, "To"), copies[0], make_example(nlp, partial)]})
    assert "NW041" not in codes(report)


@pytest.mark.parametrize("part", ["(Acme", "Acme,", "the\n"])
def test_edges_of_entities(nlp: Language, part: str) -> None:
    words = {"(Acme": ["(", "Acme"], "Acme,": ["Acme", ","], "the\n": ["the", "\n"]}[part]
    doc = Doc(nlp.vocab, words=[*words, "rose"], spaces=[False, False, False], ents=["B-X", "I-X", "O"])
    report = check({"train": [make_example(nlp, doc)]})
    if part == "(Acme":
        assert "NW042" not in codes(report)
    else:
        assert only(report, "NW042").places == [f"train, document 1: {part!r} (0:{len(part)} X)"]


@pytest.mark.parametrize("name", ["Dell Inc.", "Yahoo!", ".IXIC", "AT&T", "$AAPL", "Macy's"])
def test_names_with_punctuation_of_their_own(nlp: Language, name: str) -> None:
    doc = Doc(nlp.vocab, words=[name, "rose"], ents=["B-ORG", "O"])
    assert "NW042" not in codes(check({"train": [make_example(nlp, doc)]}))


def test_line_breaks_and_blank_texts(nlp: Language) -> None:
    examples = [annotate(nlp, "Acme\nOhio rose", ("Acme\nOhio", "ORG")), annotate(nlp, " \n ")]
    examples.append(make_example(nlp, Doc(nlp.vocab)))
    report = check({"train": [*sound(nlp, "In"), *examples]})
    assert codes(report) == ["NW043", "NW045"]
    assert only(report, "NW043").places == ["train, document 21: 'Acme\\nOhio' (0:9 ORG)"]
    assert only(report, "NW045").places == ["train, document 22", "train, document 23"]


def test_entities_that_no_token_fits(nlp: Language) -> None:
    words = ["Acme", "rose", "(", "MRK.N", ":", "Quote", ")", "MRK.N"]
    spaces = [True, True, False, False, True, False, True, False]
    ents = ["O", "O", "O", "B-TICKER", "O", "O", "O", "B-TICKER"]
    gold = Doc(nlp.vocab, words=words, spaces=spaces, ents=ents)
    words, spaces = ["Acme", "rose", "(MRK.N:", "Quote", ")", "MRK.N"], [True, True, True, False, True, False]
    predicted = Doc(nlp.vocab, words=words, spaces=spaces)
    found = only(check({"train": [Example(predicted, gold)]}), "NW044")
    assert found.places == ["train, document 1: 'MRK.N' (11:16 TICKER)"]


def test_accepted_and_rejected_at_once(nlp: Language) -> None:
    example = annotate(nlp, "Acme of Ohio", ("Acme", "ORG"), ("Ohio", "GPE"))
    doc = example.reference
    doc.spans["incorrect_spans"] = [doc.char_span(0, 4, label="ORG"), doc.char_span(8, 12, label="ORG")]
    doc.spans["sc"] = [doc.char_span(0, 12, label="DEAL")]
    report = check({"train": [example]})
    assert only(report, "NW046").places == ["train, document 1: 'Acme' (0:4 ORG)"]
    assert report.splits["train"].labels["span"] == {"DEAL": 1}


def test_report_as_plain_data(nlp: Language) -> None:
    data = check({"train": sound(nlp, "In", 3)}).to_dict()
    assert data["splits"]["train"]["labels"] == {"entity": {"ORG": 3}}
    (found,) = data["findings"]
    assert (found["level"], found["code"], found["places"]) == ("warning", "NW038", ["train: ORG, 3 examples"])


def classes(nlp: Language, *values: dict[str, float], size: int = FEW_EXAMPLES) -> list[Example]:
    """Texts with classes, all different, the values in turn."""
    return [
        annotate(nlp, f"Text {i} of {len(values) * size}", **values[i % len(values)]) for i in range(size * len(values))
    ]


def test_sound_classes(nlp: Language) -> None:
    train = classes(nlp, {"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})
    dev = [annotate(nlp, "Apart", A=0.5, B=0.5), annotate(nlp, "Open", A=1.0), annotate(nlp, "No", B=0.0)]
    for exclusive in (True, False, None):
        assert check({"train": train, "dev": dev}, exclusive).findings == []


def test_classes_that_are_not_exclusive(nlp: Language) -> None:
    train = classes(nlp, {"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})
    wrong = [{"A": 1.0, "B": 1.0}, {"A": 0.5, "B": 0.3}, {"A": 0.0, "B": 0.0}, {"A": 0.33, "B": 0.66}]
    dev = [annotate(nlp, f"Wrong {i}", **cats) for i, cats in enumerate(wrong)]
    report = check({"train": train, "dev": dev}, exclusive=True)
    assert codes(report) == ["N118"]
    assert only(report, "N118").places == [
        "dev, document 1: 2 labels are right at once ('A', 'B')",
        "dev, document 2: the values of the labels add up to 0.8, not to 1",
        "dev, document 3: the values of the labels add up to 0, not to 1",
    ]
    assert check({"train": train, "dev": dev}, exclusive=False).findings == []


def test_values_that_are_no_probabilities(nlp: Language) -> None:
    train = classes(nlp, {"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})
    train[3:5] = [annotate(nlp, "Much", A=2.0), annotate(nlp, "Nothing", A=float("nan"), B=0.5)]
    found = only(check({"train": train}), "N114")
    assert found.is_error
    assert found.places == ["train, document 4: A 2.0", "train, document 5: A nan"]


def test_classes_that_leave_nothing_to_learn(nlp: Language) -> None:
    always = classes(nlp, {"A": 1.0})
    assert codes(check({"train": always})) == ["NW112"]
    for exclusive, problem in ((True, "only 'A'"), (False, "'A' is right for every text")):
        report = check({"train": always}, exclusive)
        assert codes(report) == ["N119"]
        assert problem in report.errors[0].message
    # One label that is right or not is something to learn, unless labels are exclusive.
    one = classes(nlp, {"A": 1.0}, {"A": 0.0})
    assert codes(check({"train": one}, exclusive=False)) == []
    assert codes(check({"train": one}, exclusive=True)) == ["N119", "N118"]


def test_a_classifier_without_classes(nlp: Language) -> None:
    report = check({"train": sound(nlp, "In"), "dev": sound(nlp, "At", 3)}, exclusive=True)
    assert codes(report) == ["N119", "N119"]
    assert "'train' leave nothing to learn: no text has any" in report.errors[0].message


def test_classes_that_only_dev_has(nlp: Language) -> None:
    train = classes(nlp, {"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})
    dev = classes(nlp, {"A": 1.0}, {"World news": 1.0}, size=1)
    report = check({"train": train, "dev": dev})
    assert codes(report) == ["NW037"]
    assert only(report, "NW037").places == ["dev: World news, 1 examples"]
    assert codes(check({"train": train, "dev": dev[1:]})) == ["N045"]


class Graph:
    """A graph of a few ids, as far as the checks ask it."""

    def __init__(self, *ids: str) -> None:
        self.known = list(ids)

    def numbers(self, ids: Sequence[str]) -> np.ndarray:
        return np.array([self.known.index(kb_id) if kb_id in self.known else -1 for kb_id in ids], dtype=np.int64)


def link(example: Example, *ids: str) -> Example:
    """Give the entities of an example ids, in order."""
    doc = example.reference
    doc.set_ents([Span(doc, e.start, e.end, e.label, kb_id=kb_id) for e, kb_id in zip(doc.ents, ids, strict=True)])
    return example


def test_links_are_counted_by_label_and_kind(nlp: Language) -> None:
    two = annotate(nlp, "Acme and Bolt in Oslo", ("Acme", "ORG"), ("Bolt", "ORG"), ("Oslo", "GPE"))
    train = [link(two, "org:1", "NIL", ""), *sound(nlp, "In")]
    train[1].reference.spans["names"] = [Span(train[1].reference, 0, 1, "NAME", kb_id="org:1")]
    report = check({"train": train, "dev": sound(nlp, "At", 3)})
    assert report.splits["train"].links == {
        "ORG": {"linked": 1, "NIL": 1, "unknown": 20},
        "GPE": {"linked": 0, "NIL": 0, "unknown": 1},
        "NAME": {"linked": 1, "NIL": 0, "unknown": 0},
    }
    assert report.splits["dev"].links == {}
    assert not set(codes(report)) & {"NW200", "NW201", "N203"}


def test_ids_that_the_graph_lacks_are_listed(nlp: Language) -> None:
    train = [link(example, "NIL" if i else "org:9") for i, example in enumerate(sound(nlp, "In"))]
    train[1] = link(train[1], "org:1")
    report = check({"train": train}, graph=Graph("org:1"))
    found = only(report, "NW201")
    assert found.places == ["train, document 1: 'Acme' (5:9 ORG) org:9"]
    assert found.message.startswith("1 of 2 links of 'train' go to 1 ids")
    report = check({"train": train}, graph=Graph("Q1"))
    assert only(report, "N203").is_error
    assert len(only(report, "N203").places) == 2
    assert codes(check({"train": train}, graph=Graph("org:1", "org:9"))) == []


def test_a_linker_without_links_to_learn_from(nlp: Language) -> None:
    corpora = {"train": sound(nlp, "In"), "dev": [link(e, "NIL") for e in sound(nlp, "At", 3)]}
    assert codes(check(corpora)) == []
    assert codes(check(corpora, linked=True)) == codes(check(corpora, graph=Graph("org:1"))) == ["NW200", "NW200"]
