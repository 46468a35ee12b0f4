"""The folder of a graph: written whole or not at all, and never opened when it is not what was built."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import numpy as np
import pytest

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import Entity
from spacy_nlpkit.kg.sqlite import SqliteGraph
from spacy_nlpkit.kg.stores import open_graph

from .graphs import ENTITIES, build


@pytest.fixture
def path(tmp_path):
    return build(tmp_path / "kb")


def change_meta(path, **changes):
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps({**meta, **changes}))


def test_a_sound_folder_is_verified(path):
    graph = open_graph(path)
    graph.verify()
    assert isinstance(graph, SqliteGraph)
    meta = json.loads((path / "meta.json").read_text())
    assert set(meta["files"]) == {file.name for file in path.iterdir()} - {"meta.json"}
    assert "kb.sqlite" in meta["files"]


def test_folders_that_are_no_graph(tmp_path, path):
    for place in (tmp_path / "none", tmp_path / "empty", tmp_path / "other"):
        if place.name != "none":
            place.mkdir()
        if place.name == "other":
            (place / "meta.json").write_text('{"lang": "en", "pipeline": []}')
        with pytest.raises(NlpkitError, match="N154"):
            open_graph(place)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "spacy_nlpkit.kg", "schema": 1}'])
def test_a_meta_file_that_is_damaged(path, content):
    (path / "meta.json").write_text(content)
    with pytest.raises(NlpkitError, match=r"N15[46].*meta\.json"):
        open_graph(path)


def test_another_schema(path):
    change_meta(path, schema=99)
    with pytest.raises(NlpkitError, match=r"N155.*99"):
        open_graph(path)


@pytest.mark.parametrize("name", ["kb.sqlite", "name_hashes.npy", "names.postings.npy"])
def test_files_that_are_cut_off_or_missing(path, name):
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(NlpkitError, match=rf"N156.*{name}.*bytes"):
        open_graph(path)
    (path / name).unlink()
    with pytest.raises(NlpkitError, match=rf"N156.*{name}.*missing"):
        open_graph(path)


def test_a_file_that_the_list_lacks(path):
    meta = json.loads((path / "meta.json").read_text())
    del meta["files"]["id_hashes.npy"]
    change_meta(path, files=meta["files"])
    with pytest.raises(NlpkitError, match=r"N156.*id_hashes"):
        open_graph(path)


def test_a_list_that_leads_out_of_the_folder(path):
    meta = json.loads((path / "meta.json").read_text())
    change_meta(path, files={**meta["files"], "../other.npy": {"bytes": 1, "sha256": ""}})
    with pytest.raises(NlpkitError, match=r"N156.*outside"):
        open_graph(path)


@pytest.mark.parametrize("name", ["kb.sqlite", "alias_text_bytes.npy"])
def test_a_changed_byte_is_found_by_the_hash(path, name):
    data = bytearray((path / name).read_bytes())
    data[-1] ^= 1
    (path / name).write_bytes(data)
    with pytest.raises(NlpkitError, match=rf"N156.*{name}.*SHA-256"):
        open_graph(path).verify()


def test_a_database_that_is_none_is_found_when_it_is_opened(path):
    size = (path / "kb.sqlite").stat().st_size
    (path / "kb.sqlite").write_bytes(b"x" * size)
    with pytest.raises(NlpkitError, match=r"N156.*kb\.sqlite"):
        open_graph(path)


def test_a_database_that_is_damaged_inside(path):
    data = (path / "kb.sqlite").read_bytes()
    graph = open_graph(path)
    # The pages of the tables, but not the first, which holds the schema.
    (path / "kb.sqlite").write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(NlpkitError, match=r"N156.*kb\.sqlite"):
        list(pickle.loads(pickle.dumps(graph)).iterate())


def test_arrays_with_objects_are_not_loaded(path):
    array = np.array([{"a": 1}], dtype=object)
    np.save(path / "id_hashes.npy", array, allow_pickle=True)
    meta = json.loads((path / "meta.json").read_text())
    meta["files"]["id_hashes.npy"]["bytes"] = (path / "id_hashes.npy").stat().st_size
    change_meta(path, files=meta["files"])
    with pytest.raises(NlpkitError, match=r"N156.*id_hashes"):
        open_graph(path)


def test_another_graph_in_the_place_of_the_pickled_one(path):
    data = pickle.dumps(open_graph(path))
    build(path, ENTITIES[:2])
    with pytest.raises(NlpkitError, match="N157"):
        pickle.loads(data)


def test_another_graph_in_the_place_of_the_open_one(path):
    graph = open_graph(path)
    build(path, ENTITIES[:2])
    # What is open stays as it was; a database of another graph is not mixed in.
    assert len(list(graph.iterate())) == 4
    del graph._threads.process
    with pytest.raises(NlpkitError, match="N157"):
        list(graph.iterate())


def test_a_folder_that_is_read_only(path):
    for file in path.iterdir():
        file.chmod(0o444)
    path.chmod(0o555)
    before = sorted((file.name, file.stat().st_mtime_ns) for file in path.iterdir())
    try:
        graph = open_graph(path)
        assert len(list(graph.iterate())) == 4
        graph.verify()
        assert sorted((file.name, file.stat().st_mtime_ns) for file in path.iterdir()) == before
    finally:
        path.chmod(0o755)
        for file in path.iterdir():
            file.chmod(0o644)


@pytest.mark.parametrize("name", ["a b#c?d%20", "größe", "kb&mode=rwc"])
def test_names_of_folders_that_an_address_would_misread(tmp_path, name):
    graph = open_graph(build(tmp_path / name))
    assert len(list(graph.iterate())) == 4
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [name]


def test_a_graph_can_be_moved_and_opened_from_elsewhere(path, tmp_path, monkeypatch):
    shutil.move(path, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    graph = open_graph("moved")
    monkeypatch.chdir("/")
    assert len(list(pickle.loads(pickle.dumps(graph)).iterate())) == 4


def test_a_failed_build_leaves_what_was_there(path, tmp_path):
    before = open_graph(path).meta

    def fails():
        yield from ENTITIES[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(path, fails())
    with pytest.raises(NlpkitError, match="N153"):
        build(path, [Entity("", "")])
    assert open_graph(path).meta == before
    assert os.listdir(tmp_path) == ["kb"]


def test_a_build_replaces_a_graph_and_nothing_else(path, tmp_path):
    build(path, ENTITIES[:2])
    assert open_graph(path).meta.n_entities == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    for place in ("mine", "mine/file"):
        with pytest.raises(NlpkitError, match="N158"):
            build(tmp_path / place)
    with pytest.raises(NlpkitError, match="N164"):
        build(tmp_path / "mine" / "file" / "kb")
    assert (tmp_path / "mine" / "file").read_text() == "mine"
