"""`kg_linker` as it comes: what it writes for which mention, and what its settings do."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy import displacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from spacy_nlpkit.attributes import LINK_ATTRIBUTES
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import UNDATED, Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.ty import NIL

from ..contract.specs import ENCODER
from ..kg.graphs import build, write_records
from .small_links import COMPANIES, URI, link, link_one, linker, mark, pipe_of


@pytest.fixture(scope="module")
def nlp() -> Language:
    return linker()


def ids(span: Span) -> list[str]:
    return [candidate["id"] for candidate in span._.kb_candidates]


# What it writes


def test_a_linked_entity(nlp: Language) -> None:
    (ent,) = link(nlp, "Shares of Facebook rose.", ("Facebook", "ORG"))
    assert ent.kb_id_ == "org:meta"
    assert [token.ent_kb_id_ for token in ent.doc] == ["", "", "org:meta", "", ""]
    assert ent._.kb_status == "linked"
    assert ent._.kb_uri == "https://kb.example.org/org:meta"
    assert ent._.kb_types == ["Company"]
    assert ent._.kb_description == "Owner of Facebook"
    assert type(ent._.kb_score) is float
    assert 0.5 < ent._.kb_score < 1.0
    (first, *others) = ent._.kb_candidates
    assert first == {
        "id": "org:meta",
        "label": "Meta Platforms",
        "score": ent._.kb_score,
        "source": first["source"],
        "alias": "Facebook",
    }
    assert "exact" in first["source"].split("+")
    assert all(other["score"] <= first["score"] for other in others)


def test_no_candidates(nlp: Language) -> None:
    ent = link_one(nlp, "Xyzzy Qwfpgj")
    assert (ent.kb_id_, ent._.kb_status) == (NIL, "no_candidates")
    assert (ent._.kb_candidates, ent._.kb_types) == ([], [])
    assert (ent._.kb_score, ent._.kb_uri, ent._.kb_description) == (None, None, None)


def test_candidates_that_are_not_enough() -> None:
    ent = link_one(linker(threshold=0.9999), "Facebook")
    assert (ent.kb_id_, ent._.kb_status) == (NIL, "nil")
    assert ids(ent)[0] == "org:meta"
    assert 0.0 < ent._.kb_score < 1.0
    assert (ent._.kb_uri, ent._.kb_types, ent._.kb_description) == (None, [], None)


def test_chances_of_candidates_and_none_add_up() -> None:
    ent = link_one(linker(threshold=1.0), "Georgia", "PERSON")
    assert len(ids(ent)) == 2
    total = ent._.kb_score + sum(candidate["score"] for candidate in ent._.kb_candidates)
    assert total == pytest.approx(1.0, abs=1e-5)


def test_ids_in_addresses(nlp: Language) -> None:
    ent = link_one(nlp, "Odd Works")
    assert ent.kb_id_ == "odd/1 <b>"
    assert ent._.kb_uri == "https://kb.example.org/odd/1%20%3Cb%3E"
    bare = linker(MemoryGraph.from_entities([Entity(id="x", label="Facebook")]))
    assert link_one(bare, "Facebook")._.kb_uri is None


def test_no_match_stands_where_nothing_is_linked() -> None:
    nlp = linker(no_match="no_match", only_labels=["ORG"])
    found = link(nlp, "Facebook, Xyzzy and Menlo Park", ("Facebook", "ORG"), ("Xyzzy", "ORG"), ("Menlo Park", "GPE"))
    uris = [URI.format(id="org:meta"), "no_match", "no_match"]
    assert [ent._.kb_uri for ent in found] == uris
    assert [ent._.kb_description for ent in found] == ["Owner of Facebook", "no_match", "no_match"]


def test_results_travel(nlp: Language) -> None:
    doc = nlp(mark(nlp, "Facebook left Menlo Park.", ("Facebook", "ORG"), ("Menlo Park", "GPE")))

    def shown(doc: Doc) -> list[Any]:
        return [(ent.kb_id_, *(getattr(ent._, name) for name in LINK_ATTRIBUTES)) for ent in doc.ents]

    binned = DocBin(store_user_data=True, attrs=["ENT_IOB", "ENT_TYPE", "ENT_KB_ID"], docs=[doc])
    (again,) = DocBin().from_bytes(binned.to_bytes()).get_docs(nlp.vocab)
    assert shown(again) == shown(doc)
    assert shown(Doc(nlp.vocab).from_bytes(doc.to_bytes())) == shown(doc)
    content = json.loads(json.dumps(doc.to_json(underscore=sorted(LINK_ATTRIBUTES))))
    copied = Doc(nlp.vocab).from_json(content)
    assert [shown(copied)[0][1:], shown(copied)[1][1:]] == [each[1:] for each in shown(doc)]


def test_displacy_links_through_the_template(nlp: Language) -> None:
    doc = nlp(mark(nlp, "Facebook left.", ("Facebook", "ORG")))
    html = displacy.render(doc, style="ent", options={"kb_url_template": URI.replace("{id}", "{}")})
    assert 'href="https://kb.example.org/org:meta"' in html


# Without mentions, and without a graph


def test_documents_without_mentions(nlp: Language) -> None:
    for text in ("", " ", "Nothing is named here."):
        doc = nlp(text)
        assert (doc.ents, doc.user_data) == ((), {})
    docs = list(nlp.pipe(["", mark(nlp, "Facebook", ("Facebook", "ORG")), ""]))
    assert [len(doc.ents) for doc in docs] == [0, 1, 0]
    assert list(nlp.pipe([])) == []


def test_without_a_graph() -> None:
    nlp = linker(None)
    for use in (lambda: nlp("Facebook rose."), lambda: list(nlp.pipe(["Facebook rose."]))):
        with pytest.raises(NlpkitError, match=r"\[N216\].*kg_linker.*set_kb\(path\)"):
            use()


def test_graphs_from_paths(tmp_path: Path) -> None:
    folder = build(tmp_path / "kb", COMPANIES.iterate())
    lines = write_records(tmp_path / "kb.jsonl", {"id": "x", "label": "Facebook"})
    for path, kb_id in ((folder, "org:meta"), (str(folder), "org:meta"), (lines, "x")):
        nlp = linker(None)
        pipe_of(nlp).set_kb(path)
        assert link_one(nlp, "Facebook").kb_id_ == kb_id
    with pytest.raises(NlpkitError, match=r"\[N154\]"):
        pipe_of(nlp).set_kb(tmp_path / "none")
    assert link_one(nlp, "Facebook").kb_id_ == "x"


def test_it_joins_a_pipeline_without_initializing_it() -> None:
    """An earlier component keeps all it has."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ORG", "pattern": "Facebook"}])  # type: ignore[attr-defined]
    nlp.add_pipe("kg_linker")
    pipe_of(nlp).set_kb(COMPANIES)
    assert [ent.kb_id_ for ent in nlp("Facebook rose.").ents] == ["org:meta"]


# Which mentions


def test_only_labels() -> None:
    nlp = linker(only_labels=["GPE"])
    found = link(nlp, "Facebook left Menlo Park.", ("Facebook", "ORG"), ("Menlo Park", "GPE"))
    assert [(ent.kb_id_, ent._.kb_status) for ent in found] == [("", "skipped"), ("gpe:menlo-park", "linked")]
    assert [found[0]._.kb_candidates, found[0]._.kb_score] == [[], None]


def test_two_linkers_side_by_side() -> None:
    """What one passes over, the other keeps; ids of other components stay as well."""
    nlp = linker(only_labels=["GPE"])
    nlp.add_pipe("kg_linker", name="second", config={"only_labels": ["ORG"]})
    other = MemoryGraph.from_entities([Entity(id="own", label="Facebook"), Entity(id="wrong", label="Menlo Park")])
    nlp.get_pipe("second").set_kb(other)  # type: ignore[attr-defined]
    doc = mark(nlp, "Facebook left Menlo Park, says Ada.", ("Facebook", "ORG"), ("Menlo Park", "GPE"))
    doc.set_ents([*doc.ents, Span(doc, 6, 7, "PERSON", kb_id="ada")])
    found = list(nlp(doc).ents)
    assert [ent.kb_id_ for ent in found] == ["own", "gpe:menlo-park", "ada"]
    assert [ent._.kb_status for ent in found] == ["linked", "linked", "skipped"]


@pytest.mark.parametrize("text", ["A" * 10_000, "word " * 1000, " \n ", "\u200b" * 400])
def test_what_is_no_name_is_passed_over(nlp: Language, text: str) -> None:
    doc = nlp.make_doc(text)
    doc.spans["all"] = []
    doc.ents = [Span(doc, 0, len(doc), "ORG")] if text.strip() else []
    found = list(nlp(doc).ents)
    assert [(ent.kb_id_, ent._.kb_status) for ent in found] == [("", "skipped")] * len(found)


def test_label_types_rule_out() -> None:
    text = "Georgia"
    assert set(ids(link_one(linker(), text, "PERSON"))) == {"gpe:georgia", "per:georgia"}
    nlp = linker(label_types={"PERSON": ["Person"], "GPE": ["City", "Country"]})
    assert ids(link_one(nlp, text, "PERSON")) == ["per:georgia"]
    assert ids(link_one(nlp, text, "GPE")) == ["gpe:georgia"]
    assert set(ids(link_one(nlp, text, "ORG"))) == {"gpe:georgia", "per:georgia"}
    assert link_one(nlp, "Menlo Park", "PERSON")._.kb_status == "no_candidates"


def test_label_types_look_behind_what_they_rule_out() -> None:
    """A candidate that is permitted is found although many likelier ones are not."""
    many = [Entity(id=f"c:{n:02}", label="Springfield", types=("City",), prior=0.9) for n in range(30)]
    graph = MemoryGraph.from_entities([*many, Entity(id="p", label="Springfield", types=("Person",), prior=0.1)])
    ent = link_one(linker(graph, label_types={"PERSON": ["Person"]}), "Springfield", "PERSON")
    assert ids(ent) == ["p"]
    cities = link_one(linker(graph, label_types={"GPE": ["City"]}, n_candidates=5), "Springfield", "GPE")
    assert ids(cities) == [f"c:{n:02}" for n in range(5)]


def test_types_that_the_graph_does_not_have() -> None:
    with pytest.warns(UserWarning, match=r"\[NW220\].*kg_linker.*Persons?"):
        linker(label_types={"PERSON": ["Persons", "Person"]})


# Spans of a group


def test_spans_of_a_group() -> None:
    nlp = linker(spans_key="found")
    doc = mark(nlp, "Georgia met Georgia in Menlo Park.", ("Georgia", "GPE"), ("Menlo Park", "GPE"), key="found")
    doc.spans["found"].append(Span(doc, 0, 1, "PERSON", span_id="painter"))
    doc.spans["found"].append(Span(doc, 3, 3, "GPE"))
    doc.spans["found"].attrs["kept"] = True
    doc.spans["other"] = [Span(doc, 2, 3, "GPE")]
    doc.set_ents([Span(doc, 2, 3, "GPE", kb_id="mine")])
    doc = nlp(doc)
    found = list(doc.spans["found"])
    assert [span.kb_id_ for span in found] == ["gpe:georgia", "gpe:menlo-park", "per:georgia", ""]
    assert [span._.kb_status for span in found] == ["linked", "linked", "linked", "skipped"]
    assert [span._.kb_types for span in found[:3]] == [["Country"], ["City"], ["Person"]], "two have equal bounds"
    assert (found[2].id_, doc.spans["found"].attrs) == ("painter", {"kept": True})
    assert [span.kb_id_ for span in (*doc.spans["other"], *doc.ents)] == ["", "mine"]
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert [span.kb_id_ for span in again.spans["found"]] == [span.kb_id_ for span in found]
    assert [span._.kb_uri for span in again.spans["found"]] == [span._.kb_uri for span in found]


def test_a_document_without_the_group() -> None:
    nlp = linker(spans_key="found")
    doc = nlp(mark(nlp, "Facebook rose.", ("Facebook", "ORG")))
    assert [ent.kb_id_ for ent in doc.ents] == [""]
    assert "found" not in doc.spans


# Time

FACEBOOK, OTHERS = "org:meta", {"FB": "org:fibra", "META": "org:roundhill"}


@pytest.mark.parametrize(
    ("symbol", "date", "kb_id"),
    [
        ("FB", "2012-05-18", FACEBOOK),
        ("FB", "2022-06-08", FACEBOOK),
        ("FB", "2022-06-09", "org:fibra"),
        ("FB", "2024", "org:fibra"),
        ("META", "2021-12", "org:roundhill"),
        ("META", "2022-06-09", FACEBOOK),
        ("META", datetime.date(2023, 1, 1), FACEBOOK),
    ],
)
def test_who_held_a_symbol(nlp: Language, symbol: str, date: Any, kb_id: str) -> None:
    ent = link_one(nlp, symbol, "TICKER", date=str(date))
    assert (ent.kb_id_, ent._.kb_status) == (kb_id, "linked")
    by_default = linker(default_date=str(date))
    assert link_one(by_default, symbol, "TICKER").kb_id_ == kb_id
    assert link_one(by_default, symbol, "TICKER", date="2015" if symbol == "FB" else "2025").kb_id_ == FACEBOOK


@pytest.mark.parametrize("symbol", ["FB", "META"])
def test_without_a_date_both_are_ranked(nlp: Language, symbol: str) -> None:
    doc = mark(nlp, symbol, (symbol, "TICKER"))
    ((part,), doc) = (pipe_of(nlp).predict([doc]), nlp(doc))
    assert part.found is not None
    assert set(part.found.candidates.timing.tolist()) == {UNDATED}
    assert set(ids(doc.ents[0])) == {FACEBOOK, OTHERS[symbol]}
    dated = link_one(nlp, symbol, "TICKER", date="2023")
    assert max(each["score"] for each in dated._.kb_candidates) > max(
        each["score"] for each in doc.ents[0]._.kb_candidates
    )


@pytest.mark.parametrize("date", ["yesterday", "2022-13-01", "2022-06-09T12:00:00", 20220609])
def test_dates_that_cannot_be_read(nlp: Language, date: Any) -> None:
    docs = [mark(nlp, "FB", ("FB", "TICKER"), date=date) for _ in range(3)]
    with pytest.warns(UserWarning, match=r"\[NW219\].* 3 document"):
        found = list(nlp.pipe(docs))
    assert [len(ids(doc.ents[0])) for doc in found] == [2, 2, 2]


# Settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [("threshold", 1.5), ("threshold", -0.1), ("n_candidates", 0), ("default_date", "soon"), ("default_date", "")],
)
def test_settings_that_cannot_be(setting: str, value: Any) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N006\] Setting '{setting}' of 'kg_linker'"):
        linker(None, **{setting: value})


def test_models_that_score_no_candidates() -> None:
    with pytest.raises(NlpkitError, match=r"\[N215\].*LinkScorer"):
        linker(None, model=ENCODER)


def test_remote_is_a_remote_graph() -> None:
    with pytest.raises(NlpkitError, match=r"\[N006\] Setting 'remote'"):
        linker(None, remote={"@misc": "spacy_nlpkit.ExactCandidates.v1"})


def test_number_of_candidates() -> None:
    graph = MemoryGraph.from_entities([Entity(id=f"s:{n}", label="Springfield") for n in range(9)])
    assert len(ids(link_one(linker(graph, n_candidates=4), "Springfield"))) == 4


def test_other_generators() -> None:
    exact = linker(candidates={"@misc": "spacy_nlpkit.ExactCandidates.v1"})
    assert link_one(exact, "Facebok")._.kb_status == "no_candidates"
    assert ids(link_one(linker(), "Facebok")) == ["org:meta"]


def test_thresholds() -> None:
    sure = link_one(linker(), "Facebook")._.kb_score
    for threshold, status in ((0.0, "linked"), (sure - 0.01, "linked"), (sure + 0.01, "nil"), (1.0, "nil")):
        assert link_one(linker(threshold=threshold), "Facebook")._.kb_status == status
    nlp = linker()
    pipe_of(nlp).cfg["learned_threshold"] = sure + 0.01
    assert link_one(nlp, "Facebook")._.kb_status == "nil"
    pipe_of(nlp).threshold = 0.0
    assert link_one(nlp, "Facebook")._.kb_status == "linked", "the setting wins"


def test_labels_are_refused_by_code() -> None:
    pipe = pipe_of(linker())
    with pytest.raises(NlpkitError, match=r"\[N219\].*'ORG'.*only_labels"):
        pipe.add_label("ORG")
    assert (pipe.labels, pipe.label_data) == ((), None)


# Ties


def test_ties_by_prior_then_id() -> None:
    entities = [Entity(id=kb_id, label="Springfield", aliases=(Alias("Springfield", prior=0.5),)) for kb_id in "dbca"]
    graph = MemoryGraph.from_entities([*entities, Entity(id="z", label="Springfield", prior=0.5)])
    found = link_one(linker(graph), "Springfield")
    assert ids(found) == ["a", "b", "c", "d", "z"]
    assert len({candidate["score"] for candidate in found._.kb_candidates}) == 1
