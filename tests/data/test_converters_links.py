"""Links in the layouts of spaCy, Prodigy's choices and benchmarks: what was said of which entity, and nothing more."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_nlpkit.data.converters import ConvertOptions, LinkOptions, Report, convert_path, read_docbin, write_docbins
from spacy_nlpkit.data.converters.exporting import export_docbin
from spacy_nlpkit.errors import NlpkitError

TEXT = "Nokia hired Anna Berg in Oslo."
NOKIA = [0, 5, "ORG"]
ANNA = [12, 21, "PERSON"]
OSLO = [25, 29, "GPE"]
DATA = Path(os.environ.get("NLPKIT_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
BENCHMARKS = DATA / "entity_linking"


@pytest.fixture(scope="module")
def nlp() -> spacy.Language:
    return spacy.blank("en")


def write(path: Path, *records: Any) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def convert(path: Path, nlp: spacy.Language, **options: Any) -> tuple[list[Doc], Report]:
    report = Report()
    docs = list(convert_path(path, nlp, ConvertOptions(**options), report))
    assert report.read == report.converted + report.merged + sum(report.skipped.values())
    return docs, report


def links(doc: Doc) -> list[tuple[str, str, str]]:
    return [(ent.text, ent.label_, ent.kb_id_) for ent in doc.ents]


def iob(doc: Doc) -> str:
    return "".join(token.ent_iob_ or "?" for token in doc)


# spaCy's links


def test_links_of_spacy_reach_the_file(tmp_path: Path, nlp: spacy.Language) -> None:
    record = {
        "text": TEXT,
        "entities": [NOKIA, ANNA, OSLO],
        "links": {"(0, 5)": {"Q1418": 1.0, "Q2": 0.0}, "(12, 21)": {"NIL": 1.0}, "[25,29]": {"Q585": 0.0}},
        "meta": {"id": 7, "date": "2004-08"},
    }
    docs, report = convert(write(tmp_path / "a.jsonl", record), nlp)
    write_docbins({tmp_path / "a.spacy": docs})
    (doc,) = read_docbin(tmp_path / "a.spacy", nlp)
    assert links(doc) == [("Nokia", "ORG", "Q1418"), ("Anna Berg", "PERSON", "NIL"), ("Oslo", "GPE", "")]
    assert (iob(doc), doc._.item_id, doc._.date) == ("BOBIOBO", "7", "2004-08")
    assert report.links == {"linked": 1, "NIL": 1, "unknown": 1}
    assert ("Links: NIL", "1") in report.rows()


def test_pairs_of_text_and_annotation_and_ids_in_entities(tmp_path: Path, nlp: spacy.Language) -> None:
    pair = [TEXT, {"entities": [[*NOKIA, "Q1418"], OSLO], "links": {"(25, 29)": {"Q585": 1}}}]
    for path, content in ((tmp_path / "a.jsonl", pair), (tmp_path / "b.json", [pair])):
        (doc,), _ = convert(write(path, content), nlp)
        assert links(doc) == [("Nokia", "ORG", "Q1418"), ("Oslo", "GPE", "Q585")]
        assert iob(doc) == "BOOOOBO"


def test_links_without_entities_leave_all_else_open(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT, "links": {"(0, 5)": {"Q1418": 1.0}}})
    (doc,), _ = convert(path, nlp)
    assert (links(doc), iob(doc)) == ([("Nokia", "ENTITY", "Q1418")], "B??????")
    (doc,), _ = convert(path, nlp, binary=False, links=LinkOptions("MENTION"))
    assert (links(doc), iob(doc)) == ([("Nokia", "MENTION", "Q1418")], "BOOOOOO")


def test_a_link_without_its_entity_is_named(tmp_path: Path, nlp: spacy.Language) -> None:
    record = {"text": TEXT, "entities": [NOKIA], "links": {"(0, 4)": {"Q1418": 1.0}}}
    (doc,), report = convert(write(tmp_path / "a.jsonl", record), nlp)
    assert links(doc) == [("Nokia", "ORG", "")]
    assert report.spans_skipped == {"link without an entity": 1}
    assert all(part in report.problems[0] for part in ("[N201]", "line 1", "0:4"))
    assert report.spans_read == 2


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"text": TEXT, "links": {"0 to 5": {"Q1": 1.0}}}, "0 to 5"),
        ({"text": TEXT, "links": {"(0, 5)": {"Q1": 1.0, "Q2": 1.0}}}, "Q1, Q2"),
        ({"text": TEXT, "links": {"(0, 5)": {"Q1": 7}}}, "0 to 1"),
        ({"text": TEXT, "links": {"(0, 5)": ["Q1"]}}, "0 to 1"),
        ({"text": TEXT, "links": {"(0, 99)": {"Q1": 1.0}}}, "offsets outside the text"),
        ({"text": TEXT, "links": {}, "entities": ["ORG"]}, "an entity is 'ORG'"),
        ({"text": TEXT, "links": {}, "entities": [[0, "5", "ORG"]]}, "not whole numbers"),
        ({"text": TEXT, "links": {}, "entities": [[0, 5, "ORG", 1418]]}, "kb_id"),
        ({"text": TEXT, "links": {"(0, 5)": {"\ud800": 1.0}}}, "cannot be printed"),
        ({"text": None, "links": {}}, "'text'"),
        ([1, 2], "got a list"),
    ],
)
def test_a_bad_line_costs_itself_alone(tmp_path: Path, nlp: spacy.Language, record: Any, named: str) -> None:
    good = {"text": TEXT, "entities": [NOKIA], "links": {"(0, 5)": {"Q1418": 1.0}}}
    docs, report = convert(write(tmp_path / "a.jsonl", record, good), nlp, format="links")
    assert [links(doc) for doc in docs] == [[("Nokia", "ORG", "Q1418")]]
    assert "line 1" in report.problems[0]
    assert named in report.problems[0]
    assert sum(report.skipped.values()) == 1


# Prodigy: ids in spans, and choices of an id


def test_ids_of_several_annotators_are_voted_on_and_go_back_to_prodigy(tmp_path: Path, nlp: spacy.Language) -> None:
    def task(annotator: str, *ids: str | None) -> dict[str, Any]:
        bounds = (NOKIA, ANNA, OSLO)
        spans = [{"start": s, "end": e, "label": n, "kb_id": kb_id} for (s, e, n), kb_id in zip(bounds, ids)]
        return {"text": TEXT, "spans": spans, "_annotator_id": annotator, "_view_id": "ner_manual"}

    tasks = [task("a", "Q1418", "NIL", "Q585"), task("b", "Q1418", "Q9", "Q2"), task("c", "Q3", "NIL", None)]
    docs, _ = convert(write(tmp_path / "a.jsonl", *tasks), nlp)
    expected = [("Nokia", "ORG", "Q1418"), ("Anna Berg", "PERSON", "NIL"), ("Oslo", "GPE", "")]
    write_docbins({tmp_path / "a.spacy": docs})
    export_docbin(tmp_path / "a.spacy", tmp_path / "b.jsonl", nlp, Report())
    (exported,) = map(json.loads, (tmp_path / "b.jsonl").read_text().splitlines())
    assert [span.get("kb_id", "") for span in exported["spans"]] == [kb_id for _, _, kb_id in expected]
    (again,), _ = convert(tmp_path / "b.jsonl", nlp)
    assert links(docs[0]) == links(again) == expected


def test_a_corrected_id_of_one_annotator_is_a_correction(tmp_path: Path, nlp: spacy.Language) -> None:
    def teach(kb_id: str, answer: str = "accept") -> dict[str, Any]:
        span = {"start": 0, "end": 5, "label": "ORG", "kb_id": kb_id}
        return {"text": TEXT, "spans": [span], "answer": answer, "_view_id": "ner", "_annotator_id": "a"}

    (doc,), report = convert(write(tmp_path / "a.jsonl", teach("Q2"), teach("Q1418")), nlp)
    assert links(doc) == [("Nokia", "ORG", "Q1418")]
    assert report.notes["answered again by the same annotator"] == 1


def choice(span: list[Any], *accept: str, **more: Any) -> dict[str, Any]:
    start, end, label = span
    options = [{"id": name} for name in ("Q1418", "Q2", "NIL_otherLink", "NIL_ambiguous")]
    spans = [{"start": start, "end": end, "label": label}]
    return {"text": TEXT, "spans": spans, "options": options, "accept": list(accept), "_view_id": "choice", **more}


def test_choices_of_an_id_come_together_by_text(tmp_path: Path, nlp: spacy.Language) -> None:
    tasks = [
        choice(NOKIA, "Q1418", answer="accept"),
        choice(ANNA, "NIL_otherLink"),
        choice(OSLO, "NIL_ambiguous"),
        choice(NOKIA, "Q2", answer="reject"),
        choice(NOKIA, answer="ignore"),
    ]
    (doc,), report = convert(write(tmp_path / "a.jsonl", *tasks), nlp, format="prodigy-links")
    assert links(doc) == [("Nokia", "ORG", "Q1418"), ("Anna Berg", "PERSON", "NIL"), ("Oslo", "GPE", "")]
    assert iob(doc) == "B?BI?B?"
    assert report.skipped == {"answer reject": 1, "answer ignore": 1}
    assert doc.cats == {}


def test_choices_are_told_from_classes_by_the_name_of_the_format_alone(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", choice(NOKIA, "Q1418"))
    (doc,), _ = convert(path, nlp)
    assert (links(doc), doc.cats["Q1418"]) == ([], 1.0)


@pytest.mark.parametrize(
    "record",
    [choice(NOKIA, "Q1", "Q2"), {**choice(NOKIA, "Q1"), "spans": []}, {**choice(NOKIA), "spans": ["Nokia"]}, 7],
)
def test_a_choice_that_tells_nothing_is_named(tmp_path: Path, nlp: spacy.Language, record: Any) -> None:
    with pytest.raises(NlpkitError, match=r"N028.*N200.*line 1"):
        convert(write(tmp_path / "a.jsonl", record), nlp, format="prodigy-links")


# Benchmarks


def label(span: list[int], entity_id: str | None, type_: str = "Q43229", **more: Any) -> dict[str, Any]:
    return {"span": span, "entity_id": entity_id, "name": "-", "type": type_, **more}


def test_a_benchmark_document(tmp_path: Path, nlp: spacy.Language) -> None:
    labels = [
        label([0, 5], "Q1418", "Q2424752|Q43229"),
        label([12, 21], "<NIL>", "Q215627"),
        label([25, 29], "<NO_MAPPING>", "OTHER"),
    ]
    record = {"id": 3, "title": "a", "text": TEXT, "evaluation_span": [0, 30], "labels": labels}
    path = write(tmp_path / "a.jsonl", record)
    (doc,), report = convert(path, nlp)
    assert links(doc) == [("Nokia", "ENTITY", "Q1418"), ("Anna Berg", "ENTITY", "NIL"), ("Oslo", "ENTITY", "")]
    assert (iob(doc), doc._.item_id) == ("BOBIOBO", "3")
    settings = LinkOptions("MISC", (("Q215627", "PERSON"), ("Q43229", "ORG"), ("Q2424752", "PRODUCT")))
    (doc,), _ = convert(path, nlp, links=settings)
    assert [ent.label_ for ent in doc.ents] == ["ORG", "PERSON", "MISC"]
    (doc,), _ = convert(path, nlp, binary=True)
    assert iob(doc) == "B?BI?B?"
    assert report.spans_read == 3


def test_of_nested_spans_the_longest_is_kept_and_the_rest_of_others_is_open(
    tmp_path: Path, nlp: spacy.Language
) -> None:
    text = "The Bank of England in the north of England paid."
    labels = [
        label([12, 19], "Q21"),
        label([4, 19], "Q183231"),
        label([4, 19], "Q2"),
        label([36, 43], "Q21"),
        label([27, 41], "Q3"),
        label([27, 43], "Q47967", optional=True),
    ]
    path = write(tmp_path / "a.jsonl", {"text": text, "labels": labels})
    (doc,), report = convert(path, nlp, repair=True)
    assert links(doc) == [("Bank of England", "ENTITY", "Q183231"), ("north of England", "ENTITY", "Q3")]
    assert report.spans_skipped == {"in or across a longer span": 3, "optional": 1}
    assert iob(doc) == "OBIIOOBIIOO"


def test_pronouns_dates_and_what_is_not_evaluated_are_open(tmp_path: Path, nlp: spacy.Language) -> None:
    text = "Oslo . Nokia rose in 1998 as it sold Oslo ."
    labels = [
        label([0, 4], "Q585"),
        label([7, 12], "Q1418", coref=False),
        label([21, 25], "DATETIME", "DATETIME"),
        label([29, 31], "Q1418", coref=True),
        label([37, 41], "Q585"),
    ]
    path = write(tmp_path / "a.jsonl", {"text": text, "evaluation_span": [7, 43], "labels": labels})
    (doc,), report = convert(path, nlp)
    assert links(doc) == [("Nokia", "ENTITY", "Q1418"), ("Oslo", "ENTITY", "Q585")]
    assert iob(doc) == "??BOO?O?OBO"
    assert +report.spans_skipped == {
        "outside of the evaluated part": 1,
        "date or quantity": 1,
        "coreference, not a name": 1,
    }


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "labels": [label([0], "Q1")]},
        {"text": TEXT, "labels": ["Nokia"]},
        {"text": TEXT, "labels": [], "evaluation_span": "all"},
        {"text": TEXT, "labels": {}},
        [],
    ],
)
def test_a_bad_document_of_a_benchmark_is_named(tmp_path: Path, nlp: spacy.Language, record: Any) -> None:
    with pytest.raises(NlpkitError, match=r"N028.*line 1"):
        convert(write(tmp_path / "a.jsonl", record), nlp, format="elevant")


def test_options_that_a_format_has_no_use_for_are_refused(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT, "links": {}})
    with pytest.raises(NlpkitError, match=r"N006.*--type-labels"):
        convert(path, nlp, links=LinkOptions(type_labels=(("Q1", "ORG"),)))
    with pytest.raises(NlpkitError, match=r"N006.*--clean"):
        convert(path, nlp, clean=True)


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks of entity linking are not there (NLPKIT_DATA)")
def test_public_benchmarks_lose_nothing_without_a_count(nlp: spacy.Language) -> None:
    for path in sorted(BENCHMARKS.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf8") as file_:
            documents = [json.loads(line) for line in file_]
        docs, report = convert(path, nlp, repair=True)
        wanted = Counter(item["entity_id"] for document in documents for item in document["labels"])
        assert report.spans_read == wanted.total()
        kept = Counter(ent.kb_id_ for doc in docs for ent in doc.ents)
        lost = report.spans_skipped.total() + report.notes["same span twice"]
        assert kept.total() == wanted.total() - lost, path.name
        assert len(docs) + report.merged == len(documents)
        assert kept["NIL"] <= wanted["<NIL>"]
        assert lost <= 0.02 * wanted.total() or path.name.startswith("wiki-fair")
