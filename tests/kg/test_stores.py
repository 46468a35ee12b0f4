"""What a graph answers, alike from memory and from a folder."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import threading

import numpy as np
import pytest

from spacy_nlpkit.kg.graph import FIRST_DAY, INVALID, LAST_DAY, UNDATED, VALID, Alias, Entity, day_of, timing
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.report import BuildReport
from spacy_nlpkit.kg.sqlite import SqliteGraph
from spacy_nlpkit.kg.stores import open_graph
from spacy_nlpkit.normalise import name_key, symbol_key

from .graphs import ENTITIES, NEWSWIRE, build

IDS = ["gpe:california", "gpe:menlo-park", "org:meta", "org:roundhill"]


@pytest.fixture(params=["memory", "sqlite"])
def graph(request, tmp_path):
    if request.param == "memory":
        return MemoryGraph.from_entities(ENTITIES, name="small")
    return SqliteGraph(build(tmp_path / "kb"))


def texts_of(graph, hits):
    return list(zip(hits.query.tolist(), graph.alias_texts(hits.alias), graph.ids(graph.aliases.entity[hits.alias])))


def test_entities_are_numbered_by_id(graph):
    assert graph.ids(range(4)) == IDS
    assert graph.numbers([*reversed(IDS), "org:none", ""]).tolist() == [3, 2, 1, 0, -1, -1]
    assert graph.labels([2]) == ["Meta Platforms"]
    assert graph.priors().tolist() == pytest.approx([0.5, 0.5, 0.9, 0.4])
    assert (graph.meta.name, graph.meta.n_entities, graph.meta.n_aliases) == ("small", 4, 12)


def test_entities_come_back_whole(graph):
    meta = graph.entities([2])[0]
    given = ENTITIES[0]
    assert meta == Entity(**{**{f: getattr(given, f) for f in given.__slots__}, "aliases": meta.aliases})
    assert meta.aliases == (Alias("Meta Platforms"), *given.aliases)
    assert [entity.id for entity in graph.iterate()] == IDS
    assert graph.entities([1, 1, 0])[0].edges == (("state", "gpe:california"),)
    assert graph.entities([]) == []


def test_columns_of_aliases(graph):
    numbers = graph.lookup([symbol_key("FB"), symbol_key("META")], symbols=True).alias
    columns = graph.aliases
    assert [graph.kinds[kind] for kind in columns.kind[numbers]] == ["ticker"] * 3
    assert columns.start[numbers].tolist() == [day_of("2012-05-18"), day_of("2022-06-09"), day_of("2021-06-30")]
    assert columns.end[numbers].tolist() == [day_of("2022-06-08"), LAST_DAY, day_of("2022-01-31")]
    assert columns.prior[numbers].tolist() == pytest.approx([0.9, 0.9, 0.4])
    named = graph.lookup(["meta"]).alias
    assert columns.prior[named].tolist() == pytest.approx([0.25, 0.4])
    assert columns.start[named].tolist() == [FIRST_DAY] * 2


def test_names_and_symbols_are_looked_up_by_their_keys(graph):
    assert texts_of(graph, graph.lookup([name_key("META"), "nothing", "", name_key("The Kalifornien Corp.")])) == [
        (0, "Meta", "org:meta"),
        (0, "Meta", "org:roundhill"),
        (3, "Kalifornien", "gpe:california"),
    ]
    assert texts_of(graph, graph.lookup([symbol_key("$meta"), "FB"], symbols=True)) == [
        (0, "META", "org:meta"),
        (0, "META", "org:roundhill"),
        (1, "FB", "org:meta"),
    ]
    assert graph.lookup(["fb"]).alias.size == 0
    assert graph.lookup(["MENLO PARK"], symbols=True).alias.size == 0
    assert graph.lookup([]).alias.size == 0
    assert graph.lookup(["meta"]).score.dtype == np.float32


def test_who_held_a_symbol_on_a_day(graph):
    hits = graph.lookup(["META"], symbols=True)

    def holders(day):
        marks = timing(graph.aliases, hits.alias, np.full(len(hits.alias), day))
        return dict(zip(graph.ids(graph.aliases.entity[hits.alias]), marks.tolist()))

    assert holders(day_of("2021-12-01")) == {"org:meta": INVALID, "org:roundhill": VALID}
    assert holders(day_of("2022-06-08")) == {"org:meta": INVALID, "org:roundhill": INVALID}
    assert holders(day_of("2022-06-09")) == {"org:meta": VALID, "org:roundhill": INVALID}
    assert holders(FIRST_DAY - 1) == {"org:meta": UNDATED, "org:roundhill": UNDATED}


def test_misspelt_names_are_found_and_symbols_are_not(graph):
    hits = graph.search(["Calfornia", "Fcebook", "☀", ""], k=1)
    found = texts_of(graph, hits)
    assert found[:2] == [(0, "California", "gpe:california"), (1, "Facebook", "org:meta")]
    assert [query for query, _, _ in found] == [0, 1]
    everything = graph.search(["meta"], k=100).alias
    assert {graph.kinds[kind] for kind in graph.aliases.kind[everything]} == {"name"}


def test_neighbours_in_both_directions(graph):
    counts, neighbours = graph.neighbours([0, 1, 2, 3])
    assert counts.tolist() == [1, 2, 1, 0]
    assert neighbours.tolist() == [1, 0, 2, 1]


def test_types_are_places_in_the_list_of_names(graph):
    assert graph.type_names == ("City", "Company", "Fund", "NewsMedia")
    counts, types = graph.types([2, 0, 1])
    assert (counts.tolist(), types.tolist()) == ([2, 0, 1], [1, 3, 0])


def test_both_stores_hold_the_same(tmp_path):
    report = BuildReport()
    shuffled = [ENTITIES[place] for place in (2, 0, 3, 1)]
    stored = SqliteGraph(build(tmp_path / "kb", shuffled, report=report))
    counts = BuildReport()
    memory = MemoryGraph.from_entities(ENTITIES, name="small", report=counts)
    assert stored.meta == memory.meta
    assert list(stored.iterate()) == list(memory.iterate())
    assert (report.ambiguous_aliases, report.dangling_edges, report.edges) == (2, 1, 4)
    # The place of the fault is all that differs.
    assert (counts.ambiguous_aliases, counts.rows()) == (2, report.rows())


def test_a_build_is_the_same_to_the_byte_in_any_order(tmp_path):
    folders = [build(tmp_path / "a"), build(tmp_path / "b", list(reversed(ENTITIES)))]
    hashes = [
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.npy")}
        for folder in folders
    ]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) > 20
    assert SqliteGraph(folders[0]).meta.content_hash == SqliteGraph(folders[1]).meta.content_hash


def test_any_change_of_a_record_changes_the_content_hash():
    def hash_of(entity):
        return MemoryGraph.from_entities([entity]).meta.content_hash

    plain = Entity("a", "A", aliases=(Alias("B", start="2000-01-01"),), edges=(("x", "y"),))
    changed = [
        Entity("b", "A", aliases=plain.aliases, edges=plain.edges),
        Entity("a", "A", aliases=(Alias("B", start="2000-01-02"),), edges=plain.edges),
        Entity("a", "A", aliases=plain.aliases, edges=(("x", "z"),)),
        Entity("a", "A", aliases=plain.aliases, edges=plain.edges, prior=0.51),
    ]
    hashes = {hash_of(plain), *map(hash_of, changed)}
    assert len(hashes) == 5
    assert hash_of(plain) == hash_of(plain)


def test_vectors_come_with_a_graph(tmp_path):
    rows = {identifier: np.full(3, place + 0.5) for place, identifier in enumerate(IDS)}
    path = build(tmp_path / "kb", vectors=lambda ids: np.array([rows[identifier] for identifier in ids]))
    vectors = SqliteGraph(path).vectors()
    assert (vectors.dtype, vectors[:, 0].tolist()) == (np.float16, [0.5, 1.5, 2.5, 3.5])
    assert MemoryGraph.from_entities(ENTITIES).vectors() is None


def test_a_graph_of_names_alone(tmp_path):
    """Arrays without an entry cannot be memory-mapped by every means."""
    graph = SqliteGraph(build(tmp_path / "kb", [Entity("x", "☀")]))
    assert graph.lookup(["x", ""]).alias.size == graph.lookup(["X"], symbols=True).alias.size == 0
    assert graph.search(["sun", ""]).alias.size == 0
    assert graph.neighbours([0])[1].size == graph.types([0])[1].size == 0
    assert graph.entities([0]) == [Entity("x", "☀", aliases=(Alias("☀"),))]


def answers(graph):
    hits = graph.lookup(["meta"])
    return (
        graph.meta,
        [entity.id for entity in graph.iterate()],
        hits.alias.tolist(),
        graph.search(["Fcebok"], 1)[1].tolist(),
    )


def test_pickled_graphs_answer_alike(graph):
    again = pickle.loads(pickle.dumps(graph))
    assert answers(again) == answers(graph)


def _answer(graph, queue):
    queue.put(answers(graph))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_graphs_work_in_other_processes(graph, method):
    # Its connection is open before the fork.
    expected = answers(graph)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    workers = [context.Process(target=_answer, args=(graph, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert found == [expected] * 2
    assert answers(graph) == expected


def test_threads_read_at_once(tmp_path):
    graph = SqliteGraph(build(tmp_path / "kb"))
    found = []
    threads = [threading.Thread(target=lambda: found.append(answers(graph))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [answers(graph)] * 8


def test_text_never_becomes_a_query(graph):
    for text in ("' OR 1=1 --", 'x"; DROP TABLE entity; --', "%", "*", "org:*", "\x00"):
        assert graph.numbers([text]).tolist() == [-1]
        assert graph.lookup([text]).alias.size == graph.lookup([text], symbols=True).alias.size == 0
        graph.search([text])
    assert [entity.id for entity in graph.iterate()] == IDS


def test_the_newswire_graph_knows_who_held_a_symbol():
    graph = open_graph(NEWSWIRE)
    hits = graph.lookup([symbol_key("DELL.O")], symbols=True)
    assert set(graph.labels(graph.aliases.entity[hits.alias])) == {"Dell"}
