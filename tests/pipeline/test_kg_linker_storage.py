"""The graph of a `kg_linker` beside its weights: saved once, known again, and never taken for another."""

from __future__ import annotations

import os
import pickle
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from spacy.lang.en import English
from spacy.language import Language

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.sqlite import SqliteGraph
from spacy_nlpkit.training.loaders import create_graph_loader

from ..contract import links
from ..kg.graphs import build
from .small_links import COMPANIES, link_one, linker, pipe_of, train, twin_examples

OTHER = MemoryGraph.from_entities([Entity(id="other", label="Facebook")], name="other")


def linked(nlp: Language, text: str = "Facebook") -> str:
    return link_one(nlp, text).kb_id_


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.fixture(scope="module")
def trained() -> Language:
    nlp = linker(links.GRAPH, model=links_model())
    return train(nlp, twin_examples(nlp), updates=3)


def links_model() -> dict[str, Any]:
    return {"@architectures": "spacy_nlpkit.LinkScorer.v1", "width": 8, "hidden_width": 4, "rows": 64}


# Untrained and trained, it comes back


@pytest.mark.parametrize("stored", [True, False], ids=["folder", "memory"])
def test_elsewhere(tmp_path: Path, stored: bool) -> None:
    """The graph goes along: its first place may be gone."""
    first = tmp_path / "first"
    graph = SqliteGraph(build(first, COMPANIES.iterate())) if stored else COMPANIES
    nlp = linker(graph)
    nlp.to_disk(tmp_path / "model")
    copies = [English.from_config(nlp.config).from_bytes(nlp.to_bytes())]
    if not stored:
        copies.append(pickle.loads(pickle.dumps(nlp)))
    shutil.rmtree(first, ignore_errors=True)
    shutil.move(tmp_path / "model", tmp_path / "moved")
    copies.append(spacy.load(tmp_path / "moved"))
    for copy in copies:
        assert linked(copy) == "org:meta"
        assert pipe_of(copy).graph.meta == graph.meta  # type: ignore[union-attr]


def test_vectors_of_the_graph_go_along(tmp_path: Path) -> None:
    vectors = np.arange(6, dtype=np.float16).reshape(2, 3)
    entities = [Entity(id="a", label="Alpha"), Entity(id="b", label="Beta", aliases=(Alias("Facebook"),))]
    nlp = linker(MemoryGraph.from_entities(entities, vectors=vectors))
    nlp.to_disk(tmp_path)
    for copy in (spacy.load(tmp_path), English.from_config(nlp.config).from_bytes(nlp.to_bytes())):
        assert (pipe_of(copy).graph.vectors() == vectors).all()  # type: ignore[union-attr]
        assert linked(copy) == "b"


def test_an_unset_graph_stays_unset(tmp_path: Path) -> None:
    nlp = linker(None)
    nlp.to_disk(tmp_path)
    for copy in (spacy.load(tmp_path), English.from_config(nlp.config).from_bytes(nlp.to_bytes())):
        with pytest.raises(NlpkitError, match=r"\[N216\]"):
            copy("Facebook")


# Written once


def test_an_unchanged_graph_is_not_written_again(tmp_path: Path) -> None:
    nlp = linker()
    nlp.to_disk(tmp_path)
    before = times(tmp_path / "kg_linker" / "kb")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    loaded.to_disk(tmp_path)
    assert times(tmp_path / "kg_linker" / "kb") == before
    pipe_of(loaded).set_kb(OTHER)
    loaded.to_disk(tmp_path)
    assert linked(spacy.load(tmp_path)) == "other"
    assert linked(loaded) == "other"


def test_a_damaged_copy_is_written_again(tmp_path: Path) -> None:
    nlp = linker()
    nlp.to_disk(tmp_path)
    (tmp_path / "kg_linker" / "kb" / "kb.sqlite").write_bytes(b"")
    nlp.to_disk(tmp_path)
    assert linked(spacy.load(tmp_path)) == "org:meta"


def test_only_the_files_of_a_graph_are_copied(tmp_path: Path) -> None:
    """As they are, but for what may be done with them."""
    folder = build(tmp_path / "kb", COMPANIES.iterate())
    expected = sorted(path.name for path in folder.iterdir())
    (folder / "notes.txt").write_text("mine", encoding="utf8")
    for path in folder.iterdir():
        path.chmod(stat.S_IRUSR)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        nlp = linker(SqliteGraph(folder))
        nlp.to_disk(tmp_path / "model")
    finally:
        folder.chmod(stat.S_IRWXU)
    copy = tmp_path / "model" / "kg_linker" / "kb"
    assert sorted(path.name for path in copy.iterdir()) == expected
    assert all(path.stat().st_mode & stat.S_IWUSR for path in (copy, *copy.iterdir()))
    assert linked(spacy.load(tmp_path / "model")) == "org:meta"


def test_from_a_read_only_folder(tmp_path: Path) -> None:
    linker().to_disk(tmp_path / "model")
    paths = [tmp_path / "model", *(tmp_path / "model").rglob("*")]
    for path in paths:
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert linked(spacy.load(tmp_path / "model")) == "org:meta"
    finally:
        for path in paths:
            path.chmod(stat.S_IRWXU)


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    nlp = linker(SqliteGraph(build(tmp_path / "kb", COMPANIES.iterate())))
    (tmp_path / "model" / "kg_linker").mkdir(parents=True)
    (tmp_path / "model" / "kg_linker" / f".kb.{os.getpid()}.part").write_text("in the way", encoding="utf8")
    with pytest.raises(NlpkitError, match=r"\[N164\].*kb"):
        nlp.to_disk(tmp_path / "model")


# Left out


def test_the_graph_is_left_out_on_demand(tmp_path: Path) -> None:
    nlp = linker()
    pipe = pipe_of(nlp)
    pipe.to_disk(tmp_path / "excluded", exclude=["vocab", "kb"])
    assert sorted(path.name for path in (tmp_path / "excluded").iterdir()) == ["cfg", "model"]
    loaded = pipe_of(linker(None)).from_bytes(pipe.to_bytes(exclude=iter(["vocab", "kb"])), exclude=["vocab"])
    assert loaded.graph is None
    nlp.to_disk(tmp_path / "model")
    excluded = pipe_of(linker(None))
    excluded.from_disk(tmp_path / "model" / "kg_linker", exclude=iter(["vocab", "kb"]))
    assert excluded.graph is None


def test_pipelines_without_their_graph(tmp_path: Path) -> None:
    nlp = linker(save_graph=False)
    nlp.to_disk(tmp_path)
    assert not (tmp_path / "kg_linker" / "kb").exists()
    for copy in (spacy.load(tmp_path), English.from_config(nlp.config).from_bytes(nlp.to_bytes())):
        with pytest.raises(NlpkitError, match=r"\[N216\]"):
            copy("Facebook")
        pipe_of(copy).set_kb(COMPANIES)
        assert linked(copy) == "org:meta"


# Another graph than it was


def test_another_folder_in_its_place(tmp_path: Path) -> None:
    linker().to_disk(tmp_path)
    shutil.rmtree(tmp_path / "kg_linker" / "kb")
    build(tmp_path / "kg_linker" / "kb", OTHER.iterate())
    with pytest.raises(NlpkitError, match=r"\[N217\].*'kg_linker'.*save_graph.*set_kb\(path\)"):
        spacy.load(tmp_path)
    nlp = spacy.load(tmp_path, config={"components.kg_linker.save_graph": False})
    pipe_of(nlp).set_kb(COMPANIES)
    assert linked(nlp) == "org:meta"


def test_bytes_with_another_graph() -> None:
    one, two = pipe_of(linker()).to_bytes(exclude=["vocab"]), pipe_of(linker(OTHER)).to_bytes(exclude=["vocab"])
    mixed: Any = {**srsly.msgpack_loads(one), "kb": srsly.msgpack_loads(two)["kb"]}  # type: ignore[dict-item,index]
    with pytest.raises(NlpkitError, match=r"\[N217\]"):
        pipe_of(linker(None)).from_bytes(srsly.msgpack_dumps(mixed), exclude=["vocab"])


@pytest.mark.parametrize("file", ["kb.sqlite", "alias_entity.npy", "meta.json"])
@pytest.mark.parametrize("size", [0, 100])
def test_truncated_files(tmp_path: Path, file: str, size: int) -> None:
    linker().to_disk(tmp_path)
    path = tmp_path / "kg_linker" / "kb" / file
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(NlpkitError, match=rf"\[N156\].*{file}"):
        spacy.load(tmp_path)


def test_a_missing_graph_is_missed_when_it_is_asked(tmp_path: Path) -> None:
    linker().to_disk(tmp_path)
    shutil.rmtree(tmp_path / "kg_linker" / "kb")
    nlp = spacy.load(tmp_path)
    with pytest.raises(NlpkitError, match=r"\[N216\]"):
        nlp("Facebook")


def test_a_graph_that_changed_where_it_lies_is_not_saved(tmp_path: Path) -> None:
    folder = build(tmp_path / "kb", COMPANIES.iterate())
    nlp = linker(SqliteGraph(folder))
    build(folder, OTHER.iterate())
    with pytest.raises(NlpkitError, match=r"\[N157\].*kb"):
        nlp.to_disk(tmp_path / "model")


def test_a_trained_pipe_warns_of_another_graph(trained: Language, tmp_path: Path) -> None:
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    pipe_of(nlp).set_kb(links.GRAPH)
    more = MemoryGraph.from_entities(links.twins(*links.NAMES, "Ember"))
    with pytest.warns(UserWarning, match=r"\[NW215\].*'kg_linker'"):
        pipe_of(nlp).set_kb(more)
    assert linked(nlp, "Ember").startswith(("ember", "NIL"))
    nlp.to_disk(tmp_path)
    assert pipe_of(spacy.load(tmp_path)).graph.meta == more.meta  # type: ignore[union-attr]


def test_weights_for_a_graph_that_was_set_before(trained: Language, tmp_path: Path) -> None:
    """What is loaded without its graph goes on with the one that is there, and says so where it is another."""
    pipe_of(trained).to_disk(tmp_path, exclude=["vocab", "kb"])
    same = pipe_of(linker(links.GRAPH, model=links_model()))
    same.from_disk(tmp_path, exclude=["vocab"])
    assert same.graph is links.GRAPH
    other = pipe_of(linker(COMPANIES, model=links_model()))
    with pytest.warns(UserWarning, match=r"\[NW215\]"):
        other.from_disk(tmp_path, exclude=["vocab"])
    assert other.cfg["graph"] == COMPANIES.meta.content_hash


def test_weights_of_other_features(trained: Language, tmp_path: Path) -> None:
    pipe = pipe_of(trained)
    kept = pipe.cfg["features"]
    pipe.cfg["features"] = [*kept[1:], "smell"]
    try:
        trained.to_disk(tmp_path)
    finally:
        pipe.cfg["features"] = kept
    with pytest.raises(NlpkitError, match=rf"\[N220\].*kg_linker.*{kept[0]}, smell"):
        spacy.load(tmp_path)


# The loader


def test_loader(tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match=r"\[N218\].*--paths\.kb"):
        create_graph_loader()(None)
    with pytest.raises(NlpkitError, match=r"\[N154\]"):
        create_graph_loader(str(tmp_path / "none"))(None)
    folder = build(tmp_path / "kb", links.GRAPH.iterate())
    nlp = linker(None, model=links_model())
    loader = {"@misc": "spacy_nlpkit.KnowledgeGraph.v1", "path": str(folder)}
    nlp.config["initialize"]["components"]["kg_linker"] = {"graph": loader}
    train(nlp, twin_examples(nlp), updates=1)
    graph = pipe_of(nlp).graph
    assert graph is not None
    assert graph.meta.content_hash == links.GRAPH.meta.content_hash
