"""Sources of entities other than JSON lines: tables, sets of Wikidata's entities, built graphs."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from pathlib import Path

import pytest

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.reading import read_entities
from spacy_nlpkit.kg.report import BuildReport
from spacy_nlpkit.kg.stores import open_graph

from .graphs import ENTITIES, ROOT, build, write_records


def read(path, **settings):
    report = BuildReport()
    return list(read_entities(path, report, **settings)), report


def test_a_table_with_a_row_an_entity(tmp_path):
    path = tmp_path / "kb.csv"
    path.write_text(
        "id,label,types,description,prior,aliases,ticker,edge:parent\n"
        'org:a,Acme,Company|Fund,"Tools, mostly",0.5,Acme Corp.|Acme Tools,ACM|ACME,org:b | org:c\n'
        "org:b,Bolt,,,,,,\n"
    )
    entities, report = read(path)
    names = (Alias("Acme Corp."), Alias("Acme Tools"), Alias("ACM", "ticker"), Alias("ACME", "ticker"))
    edges = (("parent", "org:b"), ("parent", "org:c"))
    assert entities == [
        Entity("org:a", "Acme", ("Company", "Fund"), "Tools, mostly", 0.5, names, edges),
        Entity("org:b", "Bolt"),
    ]
    assert (report.read, report.problems) == (2, [])


def test_a_table_with_a_row_an_alias(tmp_path):
    path = tmp_path / "kb.tsv.gz"
    rows = [
        "id\tlabel\tprior\talias\tkind\talias_prior\tlanguage\texchange\tfrom\tto",
        "org:a\tAcme\t0.9\tAcme\t\t0.7\ten\t\t\t",
        "org:a\t\t\tACM\tticker\t\t\tNYSE\t2001\t2002-05",
        "",
        "org:b\t\t\tBolt\t\t\t\t\t\t",
        "org:a\t\t\tLate\t\t\t\t\t\t",
    ]
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    report = BuildReport()
    graph = open_graph(path, report=report)
    acme = (
        Alias("Acme", prior=0.7, language="en"),
        Alias("ACM", "ticker", None, "", "NYSE", "2001-01-01", "2002-05-31"),
    )
    assert list(graph.iterate()) == [
        Entity("org:a", "Acme", prior=0.9, aliases=acme),
        Entity("org:b", "Bolt", aliases=(Alias("Bolt"),)),
    ]
    assert report.skipped == {"entity: duplicate id": 1}
    assert "kb.tsv.gz, line 6" in report.problems[0]


def test_rows_at_fault_cost_themselves_alone(tmp_path):
    path = tmp_path / "kb.csv"
    path.write_bytes(
        b"id,label,prior,alias,from\norg:a,Acme,1,A,2001\norg:b,Bolt,much,B,\norg:c,Cog\norg:d,Dr\xff,1,D,\n"
        b'org:e,"E" x,1,E,\norg:f,Fab,,F,soon\n'
    )
    report = BuildReport()
    graph = open_graph(path, report=report)
    assert graph.ids(range(2)) == ["org:a", "org:f"]
    assert report.skipped == {
        "entity: wrong prior": 1,
        "row: wrong number of fields": 1,
        "not UTF-8": 1,
        "malformed": 1,
        "alias: wrong date": 1,
    }
    assert sorted(problem.split("line ")[1][0] for problem in report.problems) == ["3", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    ("header", "problem"),
    [("label,types", "no column 'id'"), ("id,labels", r"unknown columns \['labels'\]"), ("id,label,id", "twice")],
)
def test_headers_that_cannot_be_read(tmp_path, header, problem):
    (tmp_path / "kb.csv").write_text(f"{header}\na,b,c\n")
    with pytest.raises(NlpkitError, match=rf"N160.*{problem}"):
        read(tmp_path / "kb.csv")


def test_formats_are_known_by_name_or_named(tmp_path):
    record = {"id": "a", "label": "A"}
    packed = tmp_path / "kb.jsonl.xz"
    packed.write_bytes(lzma.compress(json.dumps(record).encode()))
    listed = tmp_path / "kb.json"
    listed.write_text(json.dumps([record]))
    other = write_records(tmp_path / "kb.txt", record)
    expected = [Entity("a", "A")]
    assert read(packed)[0] == read(listed)[0] == read(other, format="kb-jsonl")[0] == expected
    with pytest.raises(NlpkitError, match=r"N151.*kb\.txt"):
        read(other)
    with pytest.raises(NlpkitError, match=r"N152.*no such"):
        read(tmp_path / "none.jsonl")
    for path, name in ((other, "xml"), (other, "graph"), (tmp_path, "csv")):
        with pytest.raises(NlpkitError, match=f"N152.*'{name}'"):
            read(path, format=name)
    with pytest.raises(NlpkitError, match="N151"):
        read(tmp_path)
    with pytest.raises(NlpkitError, match=r"N154.*no such"):
        open_graph(tmp_path / "none.jsonl")


def test_a_graph_is_a_source(tmp_path):
    graph = open_graph(build(tmp_path / "kb"))
    entities, report = read(tmp_path / "kb")
    assert entities == list(graph.iterate())
    assert report.read == len(ENTITIES)


def test_aliases_in_other_languages_stay_out(tmp_path):
    aliases = [{"text": f"A {code}", "language": code} for code in ("", "en", "en-GB", "de")]
    path = write_records(tmp_path / "kb.jsonl", {"id": "a", "label": "A", "aliases": aliases})
    assert [alias.text for alias in read(path, languages=("en",))[0][0].aliases] == ["A ", "A en", "A en-GB"]
    assert len(open_graph(path, languages=("de", "EN")).entities([0])[0].aliases) == 4


def make_set(folder, items, edges=()):
    folder.mkdir()
    with gzip.open(folder / "entities.jsonl.gz", "wt") as file_:
        file_.writelines(f"{json.dumps(item)}\n" for item in items)
    (folder / "edges_x.tsv").write_text("".join("\t".join(edge) + "\n" for edge in edges))
    (folder / "x_types_en.json").write_text(json.dumps({"Q6": {"label": "city"}, "Q7": {"label": "person"}}))
    (folder / "x_relations_en.json").write_text(json.dumps({"P1": {"label": "part of"}}))
    return folder


def test_a_set_of_wikidata_entities(tmp_path):
    items = [
        {"qid": "Q1", "mid": "/m/1", "label": "Paris", "aliases": ["City of Light", "☀"], "description": "capital",
         "wikipedia": "Paris", "types": ["Q6", "Q99"], "el_types": ["Q7"]},
        {"qid": "Q2", "mid": None, "label": "paris", "aliases": [], "description": None, "wikipedia": "Paris_(Texas)"},
        {"qid": "Q3", "label": "France"},
        {"label": "nobody"},
        {"qid": "Q5", "label": 7},
    ]  # fmt: skip
    edges = [("Q1", "P1", "Q3", "train"), ("Q1", "/a/b", "Q3", "test"), ("Q1", "P1", "Q77", "train"), ("broken",)]
    report = BuildReport()
    graph = open_graph(make_set(tmp_path / "set", items, edges), report=report)
    paris, texas, france = graph.iterate()
    assert (paris.types, paris.description) == (("city", "person"), "capital")
    assert paris.edges == (("part of", "Q3"), ("/a/b", "Q3"))
    assert paris.xref == {"wikipedia": "Paris", "freebase": "/m/1"}
    # Two edges against none: of four in all, one more for each.
    assert {alias.text: alias.prior for alias in paris.aliases} == {"Paris": 0.75, "City of Light": 1, "☀": 1}
    assert [(alias.text, alias.prior) for alias in texas.aliases] == [("paris", 0.25), ("Paris", 0.25)]
    assert (paris.prior, texas.prior, france.prior) == (0.75, 0.25, 1)
    assert report.notes == {"types without a label": 1, "edges out of the set": 1}
    assert report.skipped == {"edge: malformed": 1, "entity: empty id": 1, "entity: wrong type": 1}


def test_a_set_whose_labels_are_damaged(tmp_path):
    folder = make_set(tmp_path / "set", [{"qid": "Q1", "label": "A"}])
    (folder / "x_types_en.json").write_text("[1]")
    with pytest.raises(NlpkitError, match=r"N032.*types_en"):
        read(folder)


DATA = Path(os.environ.get("NLPKIT_DATA") or ROOT.parent / "shared" / "data") / "knowledge_graph"


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="the benchmark data are not there (NLPKIT_DATA)")
def test_the_benchmark_graph_is_read_without_a_fault():
    report = BuildReport()
    graph = open_graph(DATA, report=report)
    assert (report.entities, report.dangling_edges, report.problems) == (19419, 0, [])
    assert not report.skipped
    norway = graph.entities(graph.numbers(["Q20"]))[0]
    assert (norway.label, "sovereign state" in norway.types) == ("Norway", True)
    assert graph.neighbours(graph.numbers(["Q20"]))[0][0] > 50


def test_venue_and_dates_of_a_symbol_in_the_row_of_its_entity(tmp_path):
    path = tmp_path / "kb.csv"
    path.write_text(
        "id,label,ticker,isin,exchange,from,to\n"
        "org:a,Acme,ACM,,NYSE,2020,2021-05-01\n"
        "org:b,Bolt,BLT,,NYSE,2022-99-01,\n"
    )
    report = BuildReport()
    acme, bolt = open_graph(path, report=report).iterate()
    assert acme.aliases[1:] == (Alias("ACM", "ticker", exchange="NYSE", start="2020-01-01", end="2021-05-01"),)
    assert [alias.text for alias in bolt.aliases] == ["Bolt"]
    assert report.skipped == {"alias: wrong date": 1}
