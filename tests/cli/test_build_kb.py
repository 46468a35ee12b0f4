"""`spacy nlpkit build-kb` and `spacy nlpkit kb ...` as people call them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from spacy_nlpkit.cli import app
from spacy_nlpkit.kg.stores import open_graph

from ..kg.graphs import ENTITIES, NEWSWIRE, build, write_records
from .pipelines import run_command


def run(*args):
    return CliRunner().invoke(app, list(map(str, args)))


def refusal(*args):
    """The one line with which a command ends with status 1."""
    done = run(*args)
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output
    return squeeze(done.output)


def squeeze(text):
    """Output without the line breaks that the width of the terminal makes."""
    return " ".join(text.split())


def ids(path):
    return [entity.id for entity in open_graph(path).iterate()]


@pytest.fixture
def graph(tmp_path):
    return build(tmp_path / "kb")


def test_newswire_in_a_process_of_its_own(tmp_path):
    options = ["--uri-template", "https://kb.example/{id}", "--snapshot", "2024-12-31", "--licence", "MIT"]
    done = run_command("build-kb", NEWSWIRE, "news", *options, "--version", "7", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in ("Records read 2,693", "Entities 2,693", "Ambiguous aliases 567", "Edges 4,390", "Dangling edges 0"):
        assert line in squeeze(done.stdout)
    meta = open_graph(tmp_path / "news").meta
    assert (meta.name, meta.version, meta.source, meta.snapshot) == ("news", "7", "kb.jsonl", "2024-12-31")
    assert (meta.licence, meta.uri_template) == ("MIT", "https://kb.example/{id}")
    assert meta.content_hash == open_graph(NEWSWIRE).meta.content_hash
    told = run_command("kb", "info", "news", "--verify", cwd=tmp_path)
    assert told.returncode == 0
    for line in (f"content_hash {meta.content_hash}", "n_aliases 8,340", "kinds of aliases name, ric, ticker"):
        assert line in squeeze(told.stdout)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["news"]


def test_faults_are_listed_and_counted(tmp_path):
    source = write_records(
        tmp_path / "kb.jsonl",
        {"id": "org:a", "label": "A", "aliases": ["", {"text": "B", "from": "soon"}]},
        {"id": "org:b"},
    )
    output = squeeze(run("build-kb", source, tmp_path / "kb", "--show", 2).output)
    assert "kb.jsonl, line 1: org:a: the alias is empty" in output
    assert "... and 1 more" in output
    for line in ("Left out: alias: empty alias 1", "Left out: alias: wrong date 1", "Left out: entity: empty label 1"):
        assert line in output
    assert ids(tmp_path / "kb") == ["org:a"]


def test_nothing_is_written_where_nothing_can_be_built(tmp_path, graph):
    source = write_records(tmp_path / "bad.jsonl", {"label": "A"})
    before = open_graph(graph).meta
    assert "N153" in refusal("build-kb", source, graph)
    assert open_graph(graph).meta == before
    assert "N153" in refusal("build-kb", source, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--uri-template", "https://kb.example/"], "N006"),
        (["--snapshot", "yesterday"], "N006"),
        (["--format", "xml"], "N152"),
    ],
)
def test_options_that_cannot_be_right(tmp_path, options, code):
    source = write_records(tmp_path / "kb.jsonl", {"id": "a", "label": "A"})
    assert code in refusal("build-kb", source, tmp_path / "out", *options)
    assert "N158" in refusal("build-kb", source, source)
    assert "N152" in refusal("build-kb", tmp_path / "none", tmp_path / "out")


def test_languages(tmp_path):
    aliases = [{"text": text, "language": code} for text, code in (("Rome", "en"), ("Rom", "de"), ("Roma", "it"))]
    source = write_records(tmp_path / "kb.jsonl", {"id": "a", "label": "Rome", "aliases": aliases})
    assert run("build-kb", source, tmp_path / "out", "-l", "en", "-l", "DE").exit_code == 0
    opened = open_graph(tmp_path / "out")
    assert opened.alias_texts(range(opened.meta.n_aliases)) == ["Rome", "Rom"]


def test_add_and_replace(tmp_path, graph):
    source = write_records(
        tmp_path / "new.jsonl", {"id": "org:new", "label": "New"}, {"id": "org:meta", "label": "Facebook, Inc."}
    )
    done = run("kb", "add", graph, source, "--version", "2")
    assert done.exit_code == 0, done.output
    assert "Left out: entity: duplicate id 1" in squeeze(done.output)
    opened = open_graph(graph)
    assert opened.labels(opened.numbers(["org:new", "org:meta"])) == ["New", "Meta Platforms"]
    assert (opened.meta.version, opened.meta.name) == ("2", "small")
    done = run("kb", "add", graph, source, "--replace", "--output", tmp_path / "other")
    assert "Note: entities replaced 2" in squeeze(done.output)
    other = open_graph(tmp_path / "other")
    assert other.labels(other.numbers(["org:meta"])) == ["Facebook, Inc."]
    assert open_graph(graph).meta == opened.meta


def test_remove(tmp_path, graph):
    before = open_graph(graph).meta
    done = run("kb", "remove", graph, "gpe:california", "org:roundhill")
    assert done.exit_code == 0, done.output
    assert ids(graph) == ["gpe:menlo-park", "org:meta"]
    assert "Dangling edges 2" in squeeze(done.output)
    assert "N163" in refusal("kb", "remove", graph, "org:meta", "' OR 1=1 --")
    assert "N153" in refusal("kb", "remove", graph, "gpe:menlo-park", "org:meta")
    assert ids(graph) == ["gpe:menlo-park", "org:meta"]
    removed = write_records(tmp_path / "back.jsonl", *[json.loads(line) for line in records(ENTITIES[1], ENTITIES[3])])
    assert run("kb", "add", graph, removed).exit_code == 0
    assert open_graph(graph).meta == before


def records(*entities):
    from spacy_nlpkit.kg.records import encode

    return [encode(entity) for entity in entities]


def test_merge(tmp_path, graph):
    source = write_records(
        tmp_path / "kb.jsonl",
        {"id": "org:meta", "label": "Other", "aliases": ["FB Inc."], "prior": 0.1, "types": ["Brand"]},
        {"id": "org:new", "label": "New", "edges": [["rival", "org:meta"]]},
    )
    assert run("build-kb", source, tmp_path / "b", "--licence", "CC0").exit_code == 0
    done = run("kb", "merge", graph, tmp_path / "b", "-o", tmp_path / "c", "--name", "both")
    assert done.exit_code == 0, done.output
    both = open_graph(tmp_path / "c")
    meta = both.entities(both.numbers(["org:meta"]))[0]
    assert (meta.label, meta.prior, meta.types) == ("Meta Platforms", 0.9, ("Company", "NewsMedia", "Brand"))
    assert {"Facebook", "FB Inc.", "Other"} <= {alias.text for alias in meta.aliases}
    assert (both.meta.name, both.meta.licence, both.meta.n_entities) == ("both", "CC0", 5)
    assert both.neighbours(both.numbers(["org:new"]))[0].tolist() == [1]


def test_vectors_stay_where_all_entities_have_one(tmp_path):
    path = build(tmp_path / "kb", vectors=lambda ids: np.array([[len(identifier)] for identifier in ids]))
    assert run("kb", "remove", path, "gpe:menlo-park").exit_code == 0
    assert open_graph(path).vectors().tolist() == [[14], [8], [13]]
    source = write_records(tmp_path / "new.jsonl", {"id": "org:new", "label": "New"})
    assert "NW152" in run("kb", "add", path, source).output
    assert open_graph(path).vectors() is None


def test_damaged_graphs(tmp_path, graph):
    (graph / "kb.sqlite").write_bytes(b"")
    assert "N156" in refusal("kb", "info", graph)
    assert "N154" in refusal("kb", "info", tmp_path)
    assert "N154" in refusal("kb", "merge", graph / "none", graph, "-o", tmp_path / "out")
