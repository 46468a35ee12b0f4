"""`kg_linker` with a remote graph: what is asked, what is written, and what becomes of a service that fails."""

from __future__ import annotations

from typing import Any

import pytest
from spacy.language import Language
from spacy.tokens import Doc

from ..kg.remote.conftest import CANARY, KEY_VARIABLE, codes, google_answer, google_item, serve
from ..kg.remote.service import Answer, Seen, Service
from .small_links import COMPANIES, link, link_one, linker, mark, pipe_of

__all__ = ["serve"]
pytestmark = pytest.mark.filterwarnings(r"ignore:\[NW180\]")

# Whom a name means.
NAMES = {"Ada Lovelace": "Ada Lovelace", "Facebook": "Facebook", "Ada Byron": "Ada Lovelace"}


def know(seen: Seen) -> Answer:
    """Knows a few names."""
    (name,) = seen.query["query"]
    return Answer(google_answer(google_item(NAMES[name])) if name in NAMES else google_answer())


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)


def asking(service: Service, graph: Any = COMPANIES, **settings: Any) -> Language:
    """A linker that asks a service."""
    connection = {
        "@misc": "spacy_nlpkit.RemoteConnection.v1",
        "allow_hosts": ["127.0.0.1"],
        "retries": 0,
        "rate": 60_000,
        "burst": 1000,
        "budget": 5.0,
    }
    remote = {
        "@misc": "spacy_nlpkit.GoogleKnowledgeGraph.v1",
        "key_variable": KEY_VARIABLE,
        "endpoint": service.url,
        "connection": connection,
    }
    return linker(graph, remote=remote, **settings)


def asked(service: Service) -> list[str]:
    return sorted(seen.query["query"][0] for seen in service.seen)


def close(nlp: Language) -> None:
    remote = pipe_of(nlp).remote
    assert remote is not None
    remote.close()


def test_alone_it_needs_no_graph(serve: Any) -> None:
    service = serve(know)
    nlp = asking(service, None)
    (ent,) = link(nlp, "Ada Lovelace wrote.", ("Ada Lovelace", "PERSON"))
    close(nlp)
    assert (ent.kb_id_, ent._.kb_status) == ("kg:/m/ada_lovelace", "linked")
    assert ent._.kb_uri == "https://en.example.org/Ada_Lovelace"
    assert ent._.kb_description == "Ada Lovelace is somebody."
    assert "Person" in ent._.kb_types
    (candidate,) = ent._.kb_candidates
    assert candidate["source"].startswith("remote:")
    assert candidate["score"] == ent._.kb_score
    assert 0.0 < candidate["score"] <= 1.0


def test_the_own_graph_comes_first(serve: Any) -> None:
    """Only what it has no candidate for is asked, each text once, and the text alone is sent."""
    service = serve(know)
    nlp = asking(service)
    text = "Facebook paid Ada Lovelace, Ada Lovelace paid Qwfpgj."
    entities = [("Facebook", "ORG"), ("Ada Lovelace", "PERSON"), ("Qwfpgj", "ORG")]
    found = link(nlp, text, *entities)
    docs = list(nlp.pipe([mark(nlp, text, *entities) for _ in range(3)]))
    close(nlp)
    assert [ent.kb_id_ for ent in found] == ["org:meta", "kg:/m/ada_lovelace", "NIL"]
    assert [ent._.kb_status for ent in found] == ["linked", "linked", "no_candidates"]
    assert all([ent.kb_id_ for ent in doc.ents] == [ent.kb_id_ for ent in found] for doc in docs)
    assert set(asked(service)) == {"Ada Lovelace", "Qwfpgj"}
    assert all("paid" not in str(seen) for seen in service.seen)


def test_the_classic_behaviour(serve: Any) -> None:
    """Persons alone, with address and description, and "no_match" otherwise."""
    service = serve(know)
    nlp = asking(service, None, only_labels=["PERSON"], no_match="no_match")
    text = "Ada Lovelace met Bob Nobody at Facebook."
    found = link(nlp, text, ("Ada Lovelace", "PERSON"), ("Bob Nobody", "PERSON"), ("Facebook", "ORG"))
    close(nlp)
    shown = [(ent._.kb_uri, ent._.kb_description) for ent in found]
    assert shown[0] == ("https://en.example.org/Ada_Lovelace", "Ada Lovelace is somebody.")
    assert shown[1:] == [("no_match", "no_match")] * 2
    assert asked(service) == ["Ada Lovelace", "Bob Nobody"]


def test_thresholds_hold_for_remote_candidates(serve: Any) -> None:
    service = serve(know)
    for threshold, status in ((None, "linked"), (0.5, "linked"), (0.99, "nil")):
        nlp = asking(service, None, threshold=threshold)
        ent = link_one(nlp, "Ada Byron", "PERSON")
        close(nlp)
        assert ent._.kb_status == status
        assert 0.5 < ent._.kb_candidates[0]["score"] < 0.99
    assert ent._.kb_score == pytest.approx(1.0 - ent._.kb_candidates[0]["score"])
    assert (ent.kb_id_, ent._.kb_uri) == ("NIL", None)


@pytest.mark.parametrize(
    "answer", [Answer(status=500), Answer(status=429), Answer(b"{"), Answer(hang_up=True), Answer(status=403)]
)
def test_services_that_fail(serve: Any, answer: Answer) -> None:
    """Nothing is raised, and the documents go on; what the own graph has is linked."""
    service = serve([answer])
    nlp = asking(service)
    docs = [mark(nlp, f"Facebook paid Ada {n} .", ("Facebook", "ORG"), (f"Ada {n}", "PERSON")) for n in range(4)]
    with codes() as warned:
        done: list[Doc] = list(nlp.pipe(docs, batch_size=2))
    close(nlp)
    assert [[ent.kb_id_ for ent in doc.ents] for doc in done] == [["org:meta", "NIL"]] * 4
    assert {doc.ents[1]._.kb_status for doc in done} == {"timeout"}
    assert len(warned) == len(set(warned)) >= 1


def test_long_mentions_are_not_sent(serve: Any) -> None:
    service = serve(know)
    nlp = asking(service, None)
    assert link_one(nlp, "A" * 10_000)._.kb_status == "skipped"
    assert service.seen == []


def test_the_key_stays_out_of_what_is_saved(serve: Any, tmp_path: Any) -> None:
    service = serve(know)
    nlp = asking(service)
    link_one(nlp, "Ada Lovelace", "PERSON")
    close(nlp)
    nlp.to_disk(tmp_path)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for content in (*files, nlp.to_bytes(), nlp.config.to_str().encode()):
        assert CANARY.encode() not in content
    assert any(KEY_VARIABLE.encode() in content for content in files)
