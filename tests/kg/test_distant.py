"""Links from texts that name a company beside its symbol: at the right time, under the right name, or not at all."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spacy_nlpkit.kg import distant
from spacy_nlpkit.kg.distant import DistantOptions, find_links
from spacy_nlpkit.kg.graph import KnowledgeGraph
from spacy_nlpkit.kg.stores import open_graph

NEWSWIRE = Path(__file__).parents[2] / "assets" / "newswire"


def ticker(text: str, start: str | None = None, end: str | None = None, kind: str = "ticker") -> dict[str, Any]:
    return {"text": text, "kind": kind, "from": start, "to": end}


ENTITIES = [
    {
        "id": "org:facebook",
        "label": "Meta Platforms Inc.",
        "aliases": [{"text": "Facebook"}, ticker("FB", "2012-05-18", "2022-06-08"), ticker("META", "2022-06-09")],
    },
    {"id": "org:roundhill", "label": "Roundhill Ball Metaverse ETF", "aliases": [ticker("META", "2021-06", "2022-01")]},
    {"id": "org:ibm", "label": "International Business Machines Corp.", "aliases": [ticker("IBM")]},
    {
        "id": "org:macys",
        "label": "Macy's Inc.",
        "aliases": [ticker("M", "2007-06-01"), ticker("M.N", kind="ric")],
    },
    {"id": "org:berkshire", "label": "Berkshire Hathaway", "aliases": [ticker("BRK.A"), ticker("BRK.B")]},
    {"id": "org:acme-us", "label": "Acme Corp.", "aliases": [ticker("ACM")]},
    {"id": "org:acme-uk", "label": "Acme PLC", "aliases": [ticker("ACM")]},
    {"id": "org:cusip", "label": "Cusip Co.", "aliases": [{"text": "037833100", "kind": "cusip"}]},
]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGraph:
    path = tmp_path_factory.mktemp("kb") / "kb.jsonl"
    path.write_text("".join(json.dumps(entity) + "\n" for entity in ENTITIES))
    return open_graph(path)


def link(
    graph: KnowledgeGraph, *texts: str, date: Any = None, mask: float = 0.0, **settings: Any
) -> tuple[list[dict[str, Any]], Counter[str]]:
    counts: Counter[str] = Counter()
    meta = {} if date is None else {"date": date}
    options = DistantOptions(mask=mask, **settings)
    return list(find_links(graph, [(text, meta) for text in texts], options, counts)), counts


def spans(task: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(task["text"][span["start"] : span["end"]], span["label"], span["kb_id"]) for span in task["spans"]]


@pytest.mark.parametrize(
    ("text", "name", "symbol", "kb_id"),
    [
        ("Shares of Facebook (NASDAQ: FB) rose.", "Facebook", "FB", "org:facebook"),
        (
            "The International Business Machines Corp. (IBM) unit",
            "International Business Machines Corp.",
            "IBM",
            "org:ibm",
        ),
        ("At Macy's (M.N: Quote, Profile, Research)", "Macy's", "M.N", "org:macys"),
        ("Berkshire Hathaway Inc. <BRKa.N> said", "Berkshire Hathaway Inc.", "BRKa.N", "org:berkshire"),
        ("said Berkshire Hathaway (NYSE:BRK.B, news)", "Berkshire Hathaway", "BRK.B", "org:berkshire"),
        ('a "Berkshire" (BRK.A) share', "Berkshire", "BRK.A", "org:berkshire"),
        ("Facebook's (FB) page", "Facebook", "FB", "org:facebook"),
        ("Facebook Narrows Loss Facebook Inc. (FB)", "Facebook Inc.", "FB", "org:facebook"),
        ("Facebook Holds Facebook Inc.'s (FB)", "Facebook Inc.", "FB", "org:facebook"),
        ("Facebook Social Network's (FB)", "Facebook Social Network", "FB", "org:facebook"),
        ("The Facebook Social Network (FB)", "Facebook Social Network", "FB", "org:facebook"),
    ],
)
def test_pairs_of_name_and_symbol(graph: KnowledgeGraph, text: str, name: str, symbol: str, kb_id: str) -> None:
    (task,), counts = link(graph, text)
    assert spans(task) == [(name, "ORG", kb_id), (symbol, "TICKER", kb_id)]
    assert (task["text"], task["answer"], task["_is_binary"]) == (text, "accept", True)
    assert counts == {distant.PAIRS: 1, distant.KEPT: 1}


@pytest.mark.parametrize(
    ("text", "date", "reason"),
    [
        ("Intel (NASDAQ: INTC) rose.", None, distant.UNKNOWN_SYMBOL),
        ("Cusip (037833100) rose.", None, None),
        ("Facebook (NASDAQ: FB) rose.", "2023-01-01", distant.NOT_IN_USE),
        ("Meta Platforms (META) rose.", "2021", distant.OTHER_NAME),
        ("Monsanto (NASDAQ: FB) rose.", "2013", distant.OTHER_NAME),
        ("A rival of Facebook bought it (FB).", None, distant.OTHER_NAME),
        ("Facebook Is Not The Name (FB).", None, distant.OTHER_NAME),
        ("Berkshire (B) Hathaway, (FB) rose", None, distant.OTHER_NAME),
        ("$FB and FB.O and NASDAQ: FB", None, None),
        ("(FB)", None, None),
        ("Facebook (NASDAQ: FB is no bracket that ever closes", None, None),
        ("Acme (NYSE: ACM) fell.", None, distant.AMBIGUOUS),
    ],
)
def test_what_does_not_agree_is_left_out_and_counted(
    graph: KnowledgeGraph, text: str, date: str | None, reason: str | None
) -> None:
    tasks, counts = link(graph, text, date=date)
    assert tasks == []
    assert counts[distant.KEPT] == 0
    assert reason is None or counts[reason] == 1


@pytest.mark.parametrize(
    ("date", "kb_id"),
    [("2022-06-09", "org:facebook"), ("2022", "org:facebook"), (None, "org:facebook"), ("2022-06-08", None)],
)
def test_symbols_belong_to_who_had_them_at_the_date(graph: KnowledgeGraph, date: str | None, kb_id: str | None) -> None:
    tasks, _ = link(graph, "Meta Platforms (META) rose.", date=date)
    assert [spans(task)[0][2] for task in tasks] == ([] if kb_id is None else [kb_id])
    tasks, _ = link(graph, "Roundhill Ball Metaverse (META) rose.", date="2021-12-31")
    assert spans(tasks[0])[0] == ("Roundhill Ball Metaverse", "ORG", "org:roundhill")


def test_a_date_that_cannot_be_read_is_counted(graph: KnowledgeGraph) -> None:
    tasks, counts = link(graph, "Facebook (FB) rose.", date="last week")
    assert (len(tasks), counts[distant.BAD_DATE]) == (1, 1)
    assert tasks[0]["meta"] == {"date": "last week"}


@pytest.mark.parametrize(
    ("agreement", "found"),
    [
        ("exact", ["International Business Machines"]),
        ("prefix", ["International Business Machines", "International Business"]),
        ("overlap", ["International Business Machines", "International Business", "Business Machines"]),
    ],
)
def test_how_names_agree_is_a_setting(graph: KnowledgeGraph, agreement: str, found: list[str]) -> None:
    names = ["International Business Machines", "International Business", "Business Machines", "Global Machines"]
    tasks, _ = link(graph, *(f"said {name} (IBM)" for name in names), agreement=agreement)
    assert [spans(task)[0][0] for task in tasks] == found


def test_masked_brackets_leave_name_and_context(graph: KnowledgeGraph) -> None:
    text = "Facebook Inc. (NASDAQ: FB), Macy's (M) and IBM (IBM) fell; International Business Machines (IBM) rose."
    (task,), counts = link(graph, text, mask=1.0)
    assert task["text"] == "Facebook Inc., Macy's and IBM (IBM) fell; International Business Machines rose."
    assert spans(task) == [
        ("Facebook Inc.", "ORG", "org:facebook"),
        ("Macy's", "ORG", "org:macys"),
        ("International Business Machines", "ORG", "org:ibm"),
    ]
    assert (counts[distant.KEPT], counts[distant.MASKED]) == (3, 3)


def test_the_share_of_masked_brackets_follows_setting_and_seed(graph: KnowledgeGraph) -> None:
    texts = [f"Text {i}: Facebook (FB) and Macy's (M) rose." for i in range(300)]
    tasks, counts = link(graph, *texts, mask=0.7, seed=1)
    assert 0.64 < counts[distant.MASKED] / counts[distant.KEPT] < 0.76
    assert link(graph, *texts, mask=0.7, seed=1)[0] == tasks
    assert link(graph, *texts, mask=0.7, seed=2)[0] != tasks
    for task in tasks:
        wanted = {"Facebook": "org:facebook", "FB": "org:facebook", "Macy's": "org:macys", "M": "org:macys"}
        assert all(wanted[text] == kb_id for text, _, kb_id in spans(task))


def test_what_is_found_in_the_newswire_is_what_annotators_say() -> None:
    records = [json.loads(line) for line in (NEWSWIRE / "newswire.jsonl").read_text().splitlines()]
    gold = {(r["text"], s["start"], s["end"]): s["kb_id"] for r in records for s in r["spans"]}
    counts: Counter[str] = Counter()
    texts = [(record["text"], record["meta"]) for record in records]
    tasks = list(find_links(open_graph(NEWSWIRE / "kb.jsonl"), texts, DistantOptions(mask=0.0), counts))
    assert counts[distant.KEPT] >= 0.95 * counts[distant.PAIRS] > 200
    for task in tasks:
        for span in task["spans"]:
            assert gold[task["text"], span["start"], span["end"]] == span["kb_id"], task


def test_long_texts_take_time_in_proportion(graph: KnowledgeGraph) -> None:
    text = "Facebook (FB) and " * 20000
    (task,), counts = link(graph, text)
    assert counts[distant.KEPT] == 20000
    assert len(task["spans"]) == 40000
