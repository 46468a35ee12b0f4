"""Classes in Prodigy's JSONL through `convert_path`: what was answered, by one or several, exclusive or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_nlpkit.data.converters import ConvertOptions, Report, convert_path, read_docbin, write_docbins
from spacy_nlpkit.errors import NlpkitError

TEXT = "Nokia rose"
OPTIONS = [{"id": name, "text": name} for name in ("Business", "Sports", "World news")]


@pytest.fixture(scope="module")
def nlp() -> spacy.Language:
    return spacy.blank("en")


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return path


def choice(*accept: Any, answer: str = "accept", text: str = TEXT, **more: Any) -> dict[str, Any]:
    """A line of textcat.manual."""
    return {"text": text, "options": OPTIONS, "accept": list(accept), "answer": answer, "_view_id": "choice", **more}


def teach(label: Any, answer: str = "accept", text: str = TEXT, **more: Any) -> dict[str, Any]:
    """A line of textcat.teach."""
    return {"text": text, "label": label, "answer": answer, "_view_id": "classification", **more}


def convert(path: Path, nlp: spacy.Language, **options: Any) -> tuple[list[Doc], Report]:
    report = Report()
    docs = list(convert_path(path, nlp, ConvertOptions(**options), report))
    assert report.read == report.converted + report.merged + sum(report.skipped.values())
    return docs, report


def test_choices_of_one_and_of_several(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", choice("World news"), choice("Business", "Sports", text="b"), choice(text="c"))
    docs, report = convert(path, nlp)
    assert [doc.cats for doc in docs] == [
        {"Business": 0.0, "Sports": 0.0, "World news": 1.0},
        {"Business": 1.0, "Sports": 1.0, "World news": 0.0},
        {"Business": 0.0, "Sports": 0.0, "World news": 0.0},
    ]
    assert [doc._.category for doc in docs] == ["World news", None, None]
    assert report.classes == {"World news": 1, "Business": 1, "Sports": 1}


def test_label_names_with_blanks_survive_the_file(tmp_path: Path, nlp: spacy.Language) -> None:
    docs, _ = convert(write(tmp_path / "a.jsonl", choice("World news"), teach("Science and  tech")), nlp)
    write_docbins({tmp_path / "a.spacy": docs})
    (doc,) = read_docbin(tmp_path / "a.spacy", spacy.blank("en"))
    assert doc.cats == {"Business": 0.0, "Sports": 0.0, "World news": 1.0, "Science and  tech": 1.0}


def test_yes_and_no_to_single_classes(tmp_path: Path, nlp: spacy.Language) -> None:
    """Lines of one text come together, in any order; classes that nobody was asked for stay missing."""
    path = write(
        tmp_path / "a.jsonl",
        teach("Business"),
        teach("Sports", "reject", text="b"),
        teach("Sports", "reject"),
        teach("World news", "ignore"),
    )
    docs, report = convert(path, nlp, exclusive=True)
    assert [doc.cats for doc in docs] == [{"Business": 1.0, "Sports": 0.0}, {"Sports": 0.0}]
    assert report.merged == 1
    assert report.answers_read == {"accept": 1, "reject": 2, "ignore": 1}
    assert report.answers_kept == {"accept": 1, "reject": 2}


def test_answers_that_were_corrected_do_not_count(tmp_path: Path, nlp: spacy.Language) -> None:
    by = {"_annotator_id": "a"}
    path = write(tmp_path / "a.jsonl", choice("Sports", **by), choice(answer="reject"), choice("Business", **by))
    (doc,), report = convert(path, nlp)
    assert doc._.category == "Business"
    assert report.answers_read == {"accept": 2, "reject": 1}
    assert report.answers_kept == {"accept": 1}
    assert ("Annotations in", "3") in report.rows()
    assert ("Annotations in: reject", "1") in report.rows()
    assert ("Answers kept: accept", "1") in report.rows()


def test_values_of_classes(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"text": "a", "cats": {"World news": True, "B": False}},
        {"text": "b", "cats": {"World news": 0.25, "B": 1}},
        {"text": "c", "cats": {}},
        {"text": "d", "cats": {"B": 1}, "answer": "reject"},
    )
    docs, report = convert(path, nlp)
    assert [doc.cats for doc in docs] == [{"World news": 1.0, "B": 0.0}, {"World news": 0.25, "B": 1.0}, {}]
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs)
    assert report.skipped == {"answer reject": 1}


def test_annotators_become_a_distribution_or_a_vote(tmp_path: Path, nlp: spacy.Language) -> None:
    names = ("Business", "Business", "Sports", "World news")
    path = write(tmp_path / "a.jsonl", *(choice(name, _annotator_id=str(i)) for i, name in enumerate(names)))
    (doc,), _ = convert(path, nlp, exclusive=True)
    assert doc.cats == {"Business": 0.5, "Sports": 0.25, "World news": 0.25}
    # The most votes are enough where one label is right; half of them decide nothing where each may be.
    (doc,), report = convert(path, nlp, exclusive=True, soft_labels="vote")
    assert doc.cats == {"Business": 1.0, "Sports": 0.0, "World news": 0.0}
    assert report.notes["text with undecided classes"] == 0
    (doc,), report = convert(path, nlp, soft_labels="vote")
    assert doc.cats == {"Sports": 0.0, "World news": 0.0}
    assert report.notes["text with undecided classes"] == 1


def test_a_tie_of_exclusive_classes_is_missing(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", choice("Business"), choice("Sports"), choice("Sports", text="b"))
    docs, report = convert(path, nlp, exclusive=True, soft_labels="vote")
    assert [doc.cats for doc in docs] == [{}, {"Business": 0.0, "Sports": 1.0, "World news": 0.0}]
    assert report.notes["text with undecided classes"] == 1
    docs, _ = convert(path, nlp, exclusive=True)
    assert docs[0].cats == {"Business": 0.5, "Sports": 0.5, "World news": 0.0}


def test_a_vote_on_single_classes_does_not_choose_a_rejected_one(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", teach("Business"), teach("Business", "reject"), teach("Business", "reject"))
    (doc,), _ = convert(path, nlp, exclusive=True, soft_labels="vote")
    assert doc.cats == {"Business": 0.0}


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (choice("Business", "Sports"), "2 labels are right at once ('Business', 'Sports')"),
        (choice(), "the values of the labels add up to 0, not to 1"),
        ({"text": TEXT, "cats": {"A": 0.6, "B": 0.3}}, "the values of the labels add up to 0.9, not to 1"),
        ({"text": TEXT, "cats": {"A": 0.5, "B": 0.5, "C": 0.1}}, "the values of the labels add up to 1.1, not to 1"),
        ({"text": TEXT, "cats": {"A": True, "B": True}}, "2 labels are right at once ('A', 'B')"),
    ],
)
def test_classes_that_are_not_exclusive(
    tmp_path: Path, nlp: spacy.Language, record: dict[str, Any], problem: str
) -> None:
    path = write(tmp_path / "a.jsonl", choice("Sports", text="b"), record)
    docs, report = convert(path, nlp, exclusive=True)
    assert [doc.text for doc in docs] == ["b"]
    assert report.skipped == {"classes not exclusive": 1}
    assert report.problems[0].startswith(f"[N117] {path}, line 2: {problem}. ")
    assert report.answers_kept == {"accept": 1}
    docs, _ = convert(path, nlp)
    assert len(docs) == 2


def test_answers_that_contradict_one_another_under_exclusive(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", teach("Business"), choice("Sports", text="b"), teach("Sports"))
    docs, report = convert(path, nlp, exclusive=True)
    assert [doc.text for doc in docs] == ["b"]
    assert report.problems[0].startswith(f"[N117] {path}, line 1, {path}, line 3: 2 labels are right at once")


def test_shares_with_two_decimals_are_exclusive(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT, "cats": {"A": 0.33, "B": 0.33, "C": 0.33}})
    (doc,), _ = convert(path, nlp, exclusive=True)
    assert doc.cats == {"A": 0.33, "B": 0.33, "C": 0.33}


def test_documents_that_are_not_exclusive(tmp_path: Path, nlp: spacy.Language) -> None:
    docs = [nlp.make_doc("a"), nlp.make_doc("b")]
    docs[0].cats, docs[1].cats = {"A": 1.0, "B": 0.0}, {"A": 1.0, "B": 1.0}
    write_docbins({tmp_path / "a.spacy": docs})
    docs, report = convert(tmp_path / "a.spacy", nlp, exclusive=True)
    assert [doc.text for doc in docs] == ["a"]
    assert "[N117]" in report.problems[0]
    assert "a.spacy, document 2" in report.problems[0]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (teach(""), "N115"),
        (teach(" \t"), "N115"),
        (teach("a\x00"), "N115"),
        (teach(["A"]), "N115"),
        (choice("", text=TEXT, options=[]), "N115"),
        (choice(None), "N115"),
        (choice(options=[{"id": " "}]), "N115"),
        ({"text": TEXT, "cats": {"": 1}}, "N115"),
        ({"text": TEXT, "cats": {"A": 1.5}}, "N023"),
        ({"text": TEXT, "cats": {"A": -1}}, "N023"),
        ({"text": TEXT, "cats": {"A": "yes"}}, "N023"),
        ({"text": TEXT, "cats": {"A": None}}, "N023"),
        ({"text": TEXT, "cats": ["A"]}, "N023"),
        ({"text": TEXT, "cats": {"A": 1}, "accept": ["A"]}, "N023"),
        (choice("Weather"), "N023"),
        ('{"text": "a", "cats": {"A": NaN}}', "N022"),
        ('{"text": "a", "label": "\\ud800"}', "N115"),
    ],
)
def test_a_bad_line_costs_itself(tmp_path: Path, nlp: spacy.Language, record: Any, code: str) -> None:
    path = write(tmp_path / "a.jsonl", choice("Sports", text="b"))
    line = record if isinstance(record, str) else json.dumps(record)
    path.write_text(f"{path.read_text()}{line}\n")
    docs, report = convert(path, nlp)
    assert [doc.text for doc in docs] == ["b"]
    (problem,) = report.problems
    assert problem.startswith(f"[{code}")
    assert f"{path}, line 2: " in problem


def test_nothing_but_bad_lines(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", choice("Business", "Sports"), teach(" "))
    with pytest.raises(NlpkitError, match=r"N028.*read 2, 1 classes not exclusive, 1 bad label.*First: \[N117\]"):
        convert(path, nlp, exclusive=True)


def test_numbers_are_names(tmp_path: Path, nlp: spacy.Language) -> None:
    (doc,), _ = convert(write(tmp_path / "a.jsonl", choice(1, options=[{"id": 1}, {"id": 2}])), nlp)
    assert doc.cats == {"1": 1.0, "2": 0.0}
