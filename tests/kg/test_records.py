"""Records of entities: what is read of them, and every fault that is counted with its place."""

from __future__ import annotations

import pytest

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.report import BuildReport
from spacy_nlpkit.kg.stores import open_graph

from .graphs import NEWSWIRE, write_records

GOOD = {"id": "org:a", "label": "Acme"}


def read(path, *records):
    report = BuildReport()
    return open_graph(write_records(path / "kb.jsonl", *records), report=report), report


def test_a_record_in_full(tmp_path):
    record = {
        "id": "FIGI:1",
        "label": "Apple Inc.",
        "types": ["Company"],
        "description": "Maker of phones",
        "aliases": [
            {
                "text": "AAPL",
                "kind": "ticker",
                "mic": "XNAS",
                "from": "1980-12",
                "to": "2030",
                "prior": 1,
                "language": "en",
            },
            "Apple",
        ],
        "edges": [["sector", "GICS:45"]],
        "prior": 0.7,
        "xref": {"wikidata": "Q312"},
    }
    graph, report = read(tmp_path, record)
    assert list(graph.iterate()) == [
        Entity(
            id="FIGI:1",
            label="Apple Inc.",
            types=("Company",),
            description="Maker of phones",
            prior=0.7,
            aliases=(
                Alias("Apple Inc."),
                Alias("AAPL", "ticker", 1.0, "en", "XNAS", "1980-12-01", "2030-12-31"),
                Alias("Apple"),
            ),
            edges=(("sector", "GICS:45"),),
            xref={"wikidata": "Q312"},
        )
    ]
    assert (report.read, report.entities, report.aliases, report.edges, report.problems) == (1, 1, 3, 1, [])
    # `GICS:` is no prefix of the graph's own ids: a plain string.
    assert report.dangling_edges == 0


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("[1, 2]", "entity: not an object"),
        ({"label": "Acme"}, "entity: empty id"),
        ({"id": "  ", "label": "Acme"}, "entity: empty id"),
        ({"id": "org:a", "label": " "}, "entity: empty label"),
        ({"id": "org:a\n", "label": "Acme"}, "entity: control characters"),
        ({"id": "org:a", "label": "Ac\u0000me"}, "entity: control characters"),
        ({"id": "org:a", "label": "\ud800"}, "entity: control characters"),
        ({"id": "NIL", "label": "Nothing"}, "entity: reserved id"),
        ({"id": 7, "label": "Acme"}, "entity: wrong type"),
        ({"id": "x" * 501, "label": "Acme"}, "entity: id too long"),
        ({**GOOD, "types": [1]}, "entity: wrong type"),
        ({**GOOD, "aliases": 3}, "entity: wrong type"),
        ({**GOOD, "edges": 3}, "entity: wrong type"),
        ({**GOOD, "xref": {"wikidata": 1}}, "entity: wrong type"),
        ({**GOOD, "prior": 1.5}, "entity: wrong prior"),
        ({**GOOD, "prior": "high"}, "entity: wrong prior"),
        ({**GOOD, "prior": True}, "entity: wrong prior"),
        ('{"id": "org:a", "label": "Acme", "prior": NaN}', "not JSON"),
        ("{broken", "not JSON"),
        ({"id": "org:good", "label": "Other"}, "entity: duplicate id"),
    ],
)
def test_a_record_that_is_left_out(tmp_path, record, reason):
    graph, report = read(tmp_path, {"id": "org:good", "label": "Good"}, record, {"id": "org:z", "label": "Z"})
    assert graph.ids(range(2)) == ["org:good", "org:z"]
    assert graph.labels([0]) == ["Good"]
    assert dict(report.skipped) == {reason: 1}
    assert report.problem_count == 1
    assert "kb.jsonl, line 2" in report.problems[0]
    assert report.problems[0].startswith("[N022]" if reason == "not JSON" else "[N150]")


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ({"text": ""}, "empty alias"),
        ({"text": " \u00a0"}, "empty alias"),
        ({"kind": "ticker"}, "empty alias"),
        ({"text": "A\tB"}, "control characters"),
        ({"text": "A\u0085B"}, "control characters"),
        ({"text": "x" * 1001}, "alias too long"),
        ({"text": "A", "kind": "k\u0000"}, "control characters"),
        ({"text": "A", "from": "2004-02-30"}, "wrong date"),
        ({"text": "A", "to": "2004-13"}, "wrong date"),
        ({"text": "A", "to": "yesterday"}, "wrong date"),
        ({"text": "A", "from": "0000"}, "wrong date"),
        ({"text": "A", "from": "٢٠٠٤"}, "wrong date"),
        ({"text": "A", "from": 2004}, "wrong type"),
        ({"text": "A", "from": "2005", "to": "2004"}, "from after to"),
        ({"text": "A", "prior": -0.1}, "wrong prior"),
        (5, "wrong type"),
    ],
)
def test_an_alias_that_is_left_out(tmp_path, alias, reason):
    graph, report = read(tmp_path, {**GOOD, "aliases": ["Acme Corp.", alias]})
    assert graph.alias_texts(range(graph.meta.n_aliases)) == ["Acme", "Acme Corp."]
    assert dict(report.skipped) == {f"alias: {reason}": 1}
    assert "kb.jsonl, line 1" in report.problems[0]


def test_edges_to_ids_that_are_missing_dangle_and_plain_strings_do_not(tmp_path):
    edges = [["rival", "org:b"], ["parent", "org:none"], ["sector", "banking"], ["see", "https://a.example/x"], ["bad"]]
    graph, report = read(tmp_path, {**GOOD, "edges": edges}, {"id": "org:b", "label": "B"})
    assert (report.edges, report.dangling_edges) == (4, 1)
    assert report.skipped == {"edge: wrong type": 1}
    assert "org:a: the edge 'parent' leads to 'org:none'" in report.problems[1]
    assert graph.entities([0])[0].edges == tuple(map(tuple, edges[:4]))
    counts, neighbours = graph.neighbours([0, 1])
    assert (counts.tolist(), neighbours.tolist()) == ([1, 1], [1, 0])


def test_ids_without_prefix_have_a_scheme_as_well(tmp_path):
    records = [{"id": "Q1", "label": "A", "edges": [["x", "Q99"], ["x", "B52"], ["x", "Q1"]]}]
    graph, report = read(tmp_path, *records)
    assert report.dangling_edges == 1
    assert graph.neighbours([0])[0].tolist() == [0]


def test_what_is_no_field_is_said(tmp_path):
    _, report = read(tmp_path, {**GOOD, "alias": ["x"], "aliases": [{"text": "B", "type": "short"}]})
    assert report.notes == {"field 'alias' is not read": 1, "field 'type' is not read": 1}


def test_a_file_without_an_entity(tmp_path):
    with pytest.raises(NlpkitError, match=r"N153.*1 entity: empty id.*line 1"):
        read(tmp_path, {"label": "A"})
    with pytest.raises(NlpkitError, match="N029"):
        read(tmp_path)


def test_entities_given_in_python_are_checked_and_warned_of():
    entities = [Entity("a", "A", aliases=(Alias("A"), Alias("A"), Alias(" ", "name"))), Entity("a", "Again")]
    with pytest.warns(UserWarning, match=r"NW150.*1 alias: empty alias, 1 entity: duplicate id"):
        graph = MemoryGraph.from_entities(entities, name="mine")
    assert list(graph.iterate()) == [Entity("a", "A", aliases=(Alias("A"),))]
    for prior in (float("nan"), float("inf"), None):
        with pytest.raises(NlpkitError, match=r"N153.*1 entity: wrong prior"):
            MemoryGraph.from_entities([Entity("a", "A", prior=prior)])
    with pytest.raises(NlpkitError, match="N153"):
        MemoryGraph.from_entities([], name="mine")
    with pytest.raises(NlpkitError, match=r"N159.*mine.*256"):
        MemoryGraph.from_entities(
            [Entity("a", "B", aliases=tuple(Alias("A", f"k{i}") for i in range(255)))], name="mine"
        )


def test_the_newswire_graph_has_no_fault():
    report = BuildReport()
    graph = open_graph(NEWSWIRE, report=report)
    assert (report.entities, report.edges, report.dangling_edges, report.problems) == (2693, 4390, 0, [])
    assert not report.skipped
    assert not report.notes
    # 113 labels are no alias in the file.
    assert graph.meta.n_aliases == 8227 + 113
