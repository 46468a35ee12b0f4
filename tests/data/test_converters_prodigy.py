"""Prodigy's JSONL through `convert_path`: what was annotated is what the documents say, and nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_nlpkit.data.converters import ConvertOptions, Report, convert_path, read_docbin, write_docbins
from spacy_nlpkit.errors import NlpkitError

TEXT = "Nokia hired Anna Berg in Oslo."
NOKIA = {"start": 0, "end": 5, "label": "ORG"}
ANNA = {"start": 12, "end": 21, "label": "PERSON"}
OSLO = {"start": 25, "end": 29, "label": "GPE"}


@pytest.fixture(scope="module")
def nlp() -> spacy.Language:
    return spacy.blank("en")


def write(path: Path, *records: Any) -> Path:
    """A JSONL file of records; strings are written as they are."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def task(*spans: dict[str, Any], text: str = TEXT, **more: Any) -> dict[str, Any]:
    return {"text": text, "spans": list(spans), "answer": "accept", **more}


def teach(span: dict[str, Any], answer: str = "accept", **more: Any) -> dict[str, Any]:
    return {"text": TEXT, "spans": [{**span, "score": 0.5}], "answer": answer, "_view_id": "ner", **more}


def convert(path: Path, nlp: spacy.Language, **options: Any) -> tuple[list[Doc], Report]:
    report = Report()
    docs = list(convert_path(path, nlp, ConvertOptions(**options), report))
    assert report.read == report.converted + report.merged + sum(report.skipped.values())
    return docs, report


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def iob(doc: Doc) -> str:
    """One letter a token: B, I, O, or `?` where the annotation is missing."""
    return "".join(token.ent_iob_ or "?" for token in doc)


def test_complete_annotation_makes_other_tokens_o(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA, {**ANNA, "kb_id": "NIL"}, {**OSLO, "kb_id": "gpe:oslo"}))
    (doc,), _ = convert(path, nlp)
    assert ents(doc) == [("Nokia", "ORG"), ("Anna Berg", "PERSON"), ("Oslo", "GPE")]
    assert [ent.kb_id_ for ent in doc.ents] == ["", "NIL", "gpe:oslo"]
    assert iob(doc) == "BOBIOBO"


def test_no_spans_marked_in_ner_manual_means_all_o(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT, "answer": "accept", "_view_id": "ner_manual"}, task(text="B c"))
    docs, _ = convert(path, nlp)
    assert [iob(doc) for doc in docs] == ["OOOOOOO", "OO"]


def test_a_task_that_is_not_about_spans_leaves_them_missing(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"text": TEXT, "label": "Business", "answer": "reject"},
        {"text": "Two", "options": [{"id": "A"}, {"id": "B"}], "accept": ["B"]},
        {
            "text": "Oslo",
            "spans": [{"start": 0, "end": 4, "label": "M"}],
            "_view_id": "choice",
            "accept": ["A"],
        },
    )
    docs, report = convert(path, nlp)
    assert [iob(doc) for doc in docs] == ["???????", "?", "?"]
    assert [doc.cats for doc in docs] == [{"Business": 0.0}, {"A": 0.0, "B": 1.0}, {"A": 1.0}]
    assert [doc._.category for doc in docs] == [None, "B", "A"]
    assert report.notes["spans shown, not annotated"] == 1


def test_everything_survives_the_file(tmp_path: Path, nlp: spacy.Language) -> None:
    record = task(
        NOKIA,
        {**OSLO, "kb_id": "gpe:oslo"},
        options=["A", "B"],
        accept=["A"],
        meta={"id": 7, "date": "2004-08-17"},
    )
    path = write(tmp_path / "a.jsonl", record, teach(ANNA, "reject"))
    write(path, record, {**teach(ANNA, "reject"), "meta": {"id": 7}})
    docs, _ = convert(path, nlp)
    write_docbins({tmp_path / "out" / "a.spacy": docs})
    (doc,) = read_docbin(tmp_path / "out" / "a.spacy", spacy.blank("en"))
    assert [(ent.text, ent.label_, ent.kb_id_) for ent in doc.ents] == [
        ("Nokia", "ORG", ""),
        ("Oslo", "GPE", "gpe:oslo"),
    ]
    assert [(span.text, span.label_) for span in doc.spans["incorrect_spans"]] == [("Anna Berg", "PERSON")]
    assert doc.cats == {"A": 1.0, "B": 0.0}
    assert (doc._.item_id, doc._.date, doc._.category) == ("7", "2004-08-17", "A")


def test_binary_answers_to_one_text_are_merged(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", teach(NOKIA), task(text="B c"), teach(ANNA, "reject"), teach(OSLO, "ignore"))
    (doc, other), report = convert(path, nlp)
    assert ents(doc) == [("Nokia", "ORG")]
    assert iob(doc) == "B??????"
    assert [span.text for span in doc.spans["incorrect_spans"]] == ["Anna Berg"]
    assert iob(other) == "OO"
    assert (report.merged, report.skipped["answer ignore"]) == (1, 1)


@pytest.mark.parametrize(
    ("more", "binary"),
    [
        ({"_view_id": "ner"}, True),
        ({"_view_id": "ner_manual", "meta": {"score": 0.3}}, False),
        ({"_is_binary": True}, True),
        ({"_is_binary": False, "meta": {"score": 0.3}}, False),
        ({"meta": {"score": 0.3}}, True),
        ({"meta": {"pattern": "0"}}, True),
        ({}, False),
    ],
)
def test_binary_tasks_are_recognised(tmp_path: Path, nlp: spacy.Language, more: dict[str, Any], binary: bool) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA, **more))
    (doc,), _ = convert(path, nlp)
    assert iob(doc) == ("B??????" if binary else "BOOOOOO")
    (forced,), _ = convert(path, nlp, binary=not binary)
    assert iob(forced) == ("BOOOOOO" if binary else "B??????")


def test_a_reject_of_several_spans_or_of_a_whole_annotation_is_skipped(tmp_path: Path, nlp: spacy.Language) -> None:
    both = {**teach(NOKIA, "reject"), "spans": [NOKIA, ANNA]}
    path = write(tmp_path / "a.jsonl", both, task(NOKIA, answer="reject"), task(text="B c"))
    docs, report = convert(path, nlp)
    assert [doc.text for doc in docs] == ["B c"]
    assert report.skipped == {"rejected spans, open which": 1, "answer reject": 1}


def test_annotators_vote_on_spans(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(
        tmp_path / "a.jsonl",
        task(NOKIA, ANNA, {**OSLO, "kb_id": "x"}, _annotator_id="one"),
        task(NOKIA, OSLO, _annotator_id="two"),
        task(NOKIA, {**ANNA, "label": "ORG"}, {**OSLO, "kb_id": "x"}, _annotator_id="three"),
    )
    (doc,), report = convert(path, nlp)
    assert [(ent.text, ent.kb_id_) for ent in doc.ents] == [("Nokia", ""), ("Oslo", "x")]
    # Two of three see something in Anna Berg, not the same: neither an entity nor O.
    assert iob(doc) == "BO??OBO"
    agreement = {(item["start"], item["label"]): item["share"] for item in doc.user_data["annotator_agreement"]}
    assert agreement == pytest.approx({(0, "ORG"): 1, (12, "PERSON"): 1 / 3, (12, "ORG"): 1 / 3, (25, "GPE"): 1})
    assert report.spans_skipped["outvoted"] == 2


def test_a_tie_of_annotators_is_missing(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA, _session_id="a"), task(ANNA, NOKIA, _session_id="b"))
    (doc,), _ = convert(path, nlp)
    assert iob(doc) == "BO??OOO"


def test_annotators_may_have_files_of_their_own(tmp_path: Path, nlp: spacy.Language) -> None:
    write(tmp_path / "a.jsonl", task(NOKIA, _annotator_id="a"))
    write(tmp_path / "b.jsonl", task(NOKIA, _annotator_id="b"))
    (doc,), report = convert(tmp_path, nlp)
    assert doc.user_data["annotator_agreement"] == [{"start": 0, "end": 5, "label": "ORG", "share": 1.0}]
    assert (report.read, report.merged) == (2, 1)


def test_the_last_answer_of_an_annotator_counts(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA, ANNA, _annotator_id="a"), task(NOKIA, _annotator_id="a"))
    (doc,), _ = convert(path, nlp)
    assert ents(doc) == [("Nokia", "ORG")]
    assert "annotator_agreement" not in doc.user_data


def test_annotators_classes_become_soft_labels(tmp_path: Path, nlp: spacy.Language) -> None:
    options = [{"id": "A"}, {"id": "B"}]
    path = write(tmp_path / "a.jsonl", *({"text": "T", "options": options, "accept": [name]} for name in "AAB"))
    (doc,), _ = convert(path, nlp)
    assert doc.cats == pytest.approx({"A": 2 / 3, "B": 1 / 3})
    assert doc._.category == "A"


def test_binary_answers_of_annotators_are_voted(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(
        tmp_path / "a.jsonl",
        teach(NOKIA),
        teach(NOKIA, "reject"),
        teach(ANNA),
        teach(ANNA),
        teach(ANNA, "reject"),
    )
    (doc,), report = convert(path, nlp)
    assert ents(doc) == [("Anna Berg", "PERSON")]
    assert "incorrect_spans" not in doc.spans
    assert report.spans_skipped["accepted and rejected by as many"] == 1


def test_binary_answers_cannot_contradict_a_complete_annotation(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA), teach(NOKIA, "reject"), teach(ANNA), teach(OSLO, "reject"))
    (doc,), report = convert(path, nlp)
    assert iob(doc) == "BOOOOOO"
    assert [span.text for span in doc.spans["incorrect_spans"]] == ["Oslo"]
    assert report.spans_skipped["contradicts the complete annotation"] == 2
    assert report.problems[0].startswith("[N026]")
    assert "line 2" in report.problems[0]


def test_items_of_equal_text_and_different_id_stay_apart(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA, meta={"id": 1}), task(meta={"id": 2}))
    docs, _ = convert(path, nlp)
    assert [doc._.item_id for doc in docs] == ["1", "2"]


def test_misaligned_spans_are_left_out_or_repaired(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA), task({"start": 12, "end": 19, "label": "PERSON"}, text=TEXT + "!"))
    (_, doc), report = convert(path, nlp)
    assert iob(doc) == "OO??OOOO"
    assert report.spans_skipped == {"misaligned": 1}
    (problem,) = report.problems
    assert f"{path}, line 2" in problem
    assert "'Anna Be' (12:19 PERSON)" in problem
    assert "'Anna Berg' (12:21)" in problem
    assert [warning[:7] for warning in report.warnings("a")] == ["[NW022]"]
    (_, doc), report = convert(path, nlp, repair=True)
    assert ents(doc) == [("Anna Berg", "PERSON")]
    assert report.notes["span repaired"] == 1
    assert not report.problems


def test_blanks_at_the_edges_are_repaired_to_the_words(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task({"start": 11, "end": 22, "label": "PERSON"}))
    (doc,), _ = convert(path, nlp, repair=True)
    assert ents(doc) == [("Anna Berg", "PERSON")]


def test_overlapping_spans_are_left_out_with_place(tmp_path: Path, nlp: spacy.Language) -> None:
    berg = {"start": 17, "end": 21, "label": "ORG"}
    path = write(tmp_path / "a.jsonl", task(NOKIA, ANNA, berg, NOKIA))
    (doc,), report = convert(path, nlp)
    assert iob(doc) == "BO??OOO"
    assert report.spans_skipped["overlaps another span"] == 2
    assert [("[N026]" in problem, "line 1" in problem) for problem in report.problems] == [(True, True)] * 2
    assert report.notes["same span twice"] == 1


def test_labels_that_are_not_asked_for_are_o(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA, ANNA))
    (doc,), report = convert(path, nlp, labels=frozenset(["ORG"]))
    assert iob(doc) == "BOOOOOO"
    assert report.spans_skipped["label not asked for"] == 1


def test_cleaning_moves_the_spans(tmp_path: Path, nlp: spacy.Language) -> None:
    text = "AT amp;T and  Nokia #39;s shares"
    path = write(
        tmp_path / "a.jsonl",
        task(*({"start": s, "end": e, "label": "ORG"} for s, e in [(0, 8), (14, 19)]), text=text),
    )
    (doc,), report = convert(path, nlp, clean=True)
    assert doc.text == "AT&T and Nokia's shares"
    assert ents(doc) == [("AT&T", "ORG"), ("Nokia", "ORG")]
    assert report.notes["text cleaned"] == 1


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ('{"text": "a', "N022", "not JSON"),
        ("[1, 2]", "N023", "malformed"),
        ("{}", "N023", "malformed"),
        ({"text": None}, "N023", "malformed"),
        (task(answer="maybe"), "N023", "malformed"),
        ({"text": "a", "spans": {}}, "N023", "malformed"),
        ({"text": "a", "spans": [1]}, "N023", "malformed"),
        ({"text": "a", "meta": 3}, "N023", "malformed"),
        (task({"start": 0, "end": 5}), "N023", "malformed"),
        (task({**NOKIA, "kb_id": 3}), "N023", "malformed"),
        (task({**NOKIA, "end": 500}), "N024", "wrong offsets"),
        (task({**NOKIA, "start": -1}), "N024", "wrong offsets"),
        (task({**NOKIA, "end": 0}), "N024", "wrong offsets"),
        (task({**NOKIA, "end": "5"}), "N024", "wrong offsets"),
        (task({**NOKIA, "start": 5, "end": 6}), "N024", "wrong offsets"),
        (task(text=" \n\t "), "N030", "blank text"),
        (task(text=""), "N030", "blank text"),
        (task(text="a" * 1_000_001), "N033", "text too long"),
        ('{"text": "\\ud800"}', "N027", "not UTF-8"),
    ],
)
def test_a_bad_line_costs_itself(tmp_path: Path, nlp: spacy.Language, line: Any, code: str, reason: str) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA), "", line, task(text="B c"))
    docs, report = convert(path, nlp)
    assert [doc.text for doc in docs] == [TEXT, "B c"]
    assert report.skipped == {reason: 1}
    (problem,) = report.problems
    assert problem.startswith(f"[{code}] {path}, line 3: ")
    assert len(problem) < 500


def test_bytes_that_are_not_utf8_cost_their_line(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one", "spans": []}\r\n{"text": "caf\xe9"}\r\n{"text": "three"}')
    docs, report = convert(path, nlp)
    assert [doc.text for doc in docs] == ["one", "three"]
    assert report.problems[0].startswith(f"[N027] {path}, line 2: ")


def test_unusual_texts_are_converted(tmp_path: Path, nlp: spacy.Language) -> None:
    rtl = "\u05e0\u05d5\u05e7\u05d9\u05d4 hired \u05d0\u05e0\u05d4."
    long = "a Nokia \u2028" * 111_112
    path = write(
        tmp_path / "a.jsonl",
        task({"start": 0, "end": 5, "label": "ORG"}, text=rtl),
        task({"start": 2, "end": 7, "label": "ORG"}, text="\x00 Nokia \x07."),
        task({"start": 2, "end": 7, "label": "ORG"}, text=long[:1_000_000]),
    )
    docs, report = convert(path, nlp)
    assert [doc.ents[0].text for doc in docs] == [rtl[:5], "Nokia", "Nokia"]
    assert [len(doc.text) for doc in docs] == [len(rtl), 10, 1_000_000]
    assert [warning[:7] for warning in report.warnings("a")] == ["[NW021]"]


def test_a_json_list_and_a_gz_file_are_read(tmp_path: Path, nlp: spacy.Language) -> None:
    import gzip

    (tmp_path / "a.json").write_text(json.dumps([task(NOKIA), 3]))
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file_:
        file_.write(json.dumps(task(OSLO, text=TEXT + "!")))
    docs, report = convert(tmp_path, nlp)
    assert [ents(doc) for doc in docs] == [[("Nokia", "ORG")], [("Oslo", "GPE")]]
    assert "a.json, item 2" in report.problems[0]


def test_a_date_of_another_form_is_left_out(tmp_path: Path, nlp: spacy.Language) -> None:
    dates = [1989, "1989-04", "17.8.2004", "1989-13"]
    path = write(tmp_path / "a.jsonl", *(task(text=f"T {date}", meta={"date": date}) for date in dates))
    docs, report = convert(path, nlp)
    assert [doc._.date for doc in docs] == ["1989", "1989-04", None, None]
    assert report.notes["date not YYYY, YYYY-MM or YYYY-MM-DD, left out"] == 2


def test_no_entities_is_a_warning(tmp_path: Path, nlp: spacy.Language) -> None:
    _, report = convert(write(tmp_path / "a.jsonl", task()), nlp)
    (warning,) = report.warnings("a.jsonl")
    assert warning.startswith("[NW020] a.jsonl: no entity in 1 converted items")


def test_no_item_is_an_error_with_counts(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(answer="ignore"), "{")
    with pytest.raises(NlpkitError, match=r"N028.*read 2, 1 answer ignore, 1 not JSON.*line 2"):
        convert(path, nlp)


def test_problems_are_counted_beyond_those_listed(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", task(NOKIA), *["{"] * 30)
    _, report = convert(path, nlp)
    assert (len(report.problems), report.problem_count) == (10, 30)


def test_lines_that_contradict_one_another_are_named(tmp_path: Path, nlp: spacy.Language) -> None:
    tasks = [task({"start": 12, "end": 16, "label": label}) for label in ("PERSON", "ORG")]
    docs, report = convert(write(tmp_path / "two.jsonl", *tasks), nlp)
    assert [len(doc.ents) for doc in docs] == [0]
    assert report.spans_skipped["outvoted"] == 2
    assert len(report.problems) == 2
    for problem in report.problems:
        assert all(part in problem for part in ("[NW027]", "two.jsonl, line 1", "two.jsonl, line 2", "1 of 2"))
