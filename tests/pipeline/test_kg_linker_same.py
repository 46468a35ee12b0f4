"""`kg_linker` gives the same for a mention whatever stands beside it, and whatever a mention is written like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.report import BuildReport
from spacy_nlpkit.kg.sqlite import SqliteGraph
from spacy_nlpkit.pipeline import kg_linker

from ..contract.links import snapshot_links
from ..kg.graphs import ROOT, build
from ..kg.random_graphs import random_graph
from .small_links import COMPANIES, link_one, linker, mark, pipe_of

NEWSWIRE = ROOT / "assets" / "newswire"
INJECTIONS = [
    "'; DROP TABLE entity; --",
    '" OR 1=1 --',
    "Facebook' UNION SELECT value FROM meta --",
    "Facebook\x00",
    "entity MATCH 'a*' NEAR b",
    "%_%",
    "{id} {0} %s ${HOME}",
    "../../etc/passwd",
    "شركة إنتل",
    "\u202eKOOBECAF\u202c",
    "🚀🚀",
    "👩‍👩‍👧",
    "e\u0301" * 40,
    "ﷺ" * 20,
    "\x1b[2J\x07",
    "\u2028\u2029",
    "İıſK",
    "((((((((((",
    "\\",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("graph") / "kb", COMPANIES.iterate())


@pytest.fixture(scope="module")
def nlp(folder: Path) -> Language:
    return linker(SqliteGraph(folder))


@pytest.fixture(scope="module")
def newswire() -> Language:
    """The shipped graph, and the annotated entities of some texts."""
    nlp = linker(None)
    pipe_of(nlp).set_kb(NEWSWIRE / "kb.jsonl")
    return nlp


def newswire_docs(nlp: Language, count: int = 60) -> list[Doc]:
    docs = []
    for line in (NEWSWIRE / "newswire.jsonl").read_text(encoding="utf8").splitlines()[:count]:
        record = json.loads(line)
        doc = nlp.make_doc(record["text"])
        spans = [doc.char_span(span["start"], span["end"], span["label"]) for span in record["spans"]]
        doc.set_ents([span for span in spans if span is not None])
        doc._.date = (record.get("meta") or {}).get("date")
        docs.append(doc)
    return docs


# To the last digit


def test_batches_order_and_stores(newswire: Language, tmp_path: Path) -> None:
    alone = [snapshot_links(newswire(doc)) for doc in newswire_docs(newswire)]
    assert sum(link["status"] == "linked" for links in alone for link in links) > 50
    for batch_size in (7, 1000):
        docs = newswire.pipe(newswire_docs(newswire), batch_size=batch_size)
        assert [snapshot_links(doc) for doc in docs] == alone
    backwards = newswire.pipe(newswire_docs(newswire)[::-1])
    assert [snapshot_links(doc) for doc in backwards][::-1] == alone
    graph = pipe_of(newswire).graph
    assert graph is not None
    stored = linker(SqliteGraph(build(tmp_path / "kb", graph.iterate())))
    found = [snapshot_links(doc) for doc in stored.pipe(newswire_docs(stored))]
    template = pipe_of(stored).graph.meta.uri_template  # type: ignore[union-attr]
    assert not template
    assert [[{**link, "uri": None} for link in links] for links in alone] == found


@pytest.mark.parametrize("seed", range(3))
def test_mentions_of_other_documents_say_nothing(seed: int) -> None:
    """In a graph where nearly everything is ambiguous and connected."""
    nlp = linker(random_graph(seed))
    names = [entity.label for entity in pipe_of(nlp).graph.iterate()]  # type: ignore[union-attr]

    def docs() -> list[Doc]:
        pairs = zip(names[::2], names[1::2])
        return [mark(nlp, f"{one} , {two} !", (f"{one} ,"[:-2], "ORG")) for one, two in pairs]

    alone = [snapshot_links(nlp(doc)) for doc in docs()]
    assert [snapshot_links(doc) for doc in nlp.pipe(docs())] == alone
    assert any(len(link["candidates"]) > 1 for links in alone for link in links)


# Bounds


def test_thousands_of_mentions_in_one_document(nlp: Language) -> None:
    words = ["Facebook", "left", "Menlo", "Park"] * 2500
    doc = Doc(nlp.vocab, words=words)
    doc.set_ents(
        [
            span
            for place in range(0, len(words), 4)
            for span in (Span(doc, place, place + 1, "ORG"), Span(doc, place + 2, place + 4, "GPE"))
        ]
    )
    doc = nlp(doc)
    assert {ent.kb_id_ for ent in doc.ents[::2]} == {"org:meta"}
    assert {ent.kb_id_ for ent in doc.ents[1::2]} == {"gpe:menlo-park"}
    assert len({ent._.kb_score for ent in doc.ents}) == 2


def test_a_batch_of_many_documents_goes_in_parts(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    def docs() -> list[Doc]:
        return [mark(nlp, f"Facebook {n}", ("Facebook", "ORG")) for n in range(9)]

    whole = [snapshot_links(doc) for doc in nlp.pipe(docs())]
    monkeypatch.setattr(kg_linker, "MAX_TOKENS", 4)
    assert len(pipe_of(nlp).predict(docs())) == 5
    assert [snapshot_links(doc) for doc in nlp.pipe(docs())] == whole


# Hostile mentions


@pytest.mark.parametrize("text", INJECTIONS, ids=range(len(INJECTIONS)))
def test_text_is_never_a_query(nlp: Language, folder: Path, text: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    doc = nlp.make_doc(f"x {text} y")
    doc.set_ents([doc.char_span(2, 2 + len(text), "ORG", alignment_mode="expand")])
    (ent,) = nlp(doc).ents
    assert ent._.kb_status in ("no_candidates", "nil", "linked", "skipped")
    assert "Facebook" in text or ent.kb_id_ in ("NIL", "")
    json.dumps(snapshot_links(doc))
    Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert link_one(nlp, "Facebook").kb_id_ == "org:meta"


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_any_words(nlp: Language, words: list[str]) -> None:
    words = [word.encode("utf8", "ignore").decode("utf8") or "x" for word in words]
    doc = Doc(nlp.vocab, words=[*words, "Facebook"])
    doc.set_ents([Span(doc, place, place + 1, "ORG") for place in range(len(doc))])
    found = nlp(doc).ents
    assert found[-1].kb_id_ == "org:meta"
    assert len(found) == len(words) + 1


def test_hostile_graphs() -> None:
    """Names of the graph are only ever text."""
    entities = [
        Entity(id=f"e:{n}", label=text.strip() or "x", description=text, aliases=(Alias(f"name {n}"),))
        for n, text in enumerate(INJECTIONS)
    ]
    graph = MemoryGraph.from_entities(entities, uri_template="https://kb.example.org/?q={id}", report=BuildReport())
    nlp = linker(graph)
    for n in (0, 2, 8, 10):
        ent = link_one(nlp, f"name {n}")
        assert (ent.kb_id_, ent._.kb_uri) == (f"e:{n}", f"https://kb.example.org/?q=e:{n}")
