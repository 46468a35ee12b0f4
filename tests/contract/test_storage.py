"""The trained component elsewhere: disk, bytes, pickle, other processes, without a network (points 6, 10)."""

import multiprocessing
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.lang.en import English
from spacy.language import Language

from .conftest import NAME
from .specs import Spec


@pytest.fixture
def expected(spec: Spec, trained: Language, texts: list[str]) -> list[Any]:
    return [spec.snapshot(doc) for doc in trained.pipe(texts)]


def test_disk_bytes_and_pickle(
    spec: Spec, trained: Language, texts: list[str], expected: list[Any], tmp_path: Path, same: Any
) -> None:
    trained.to_disk(tmp_path)
    copies = {
        "disk": spacy.load(tmp_path),
        "bytes": English.from_config(trained.config).from_bytes(trained.to_bytes()),
        "pickle": pickle.loads(pickle.dumps(trained)),
    }
    for copy in copies.values():
        same([spec.snapshot(doc) for doc in copy.pipe(texts)], expected)
        assert copy.get_pipe(NAME).labels == trained.get_pipe(NAME).labels
        assert copy.get_pipe(NAME).to_bytes(exclude=["vocab"]) == trained.get_pipe(NAME).to_bytes(exclude=["vocab"])


def test_excluded_parts_are_left_out(spec: Spec, trained: Language, tmp_path: Path) -> None:
    pipe = trained.get_pipe(NAME)
    pipe.to_disk(tmp_path / "all", exclude=["vocab"])
    pipe.to_disk(tmp_path / "some", exclude=["vocab", "model"])
    assert (tmp_path / "all" / "model").exists()
    assert not (tmp_path / "some" / "model").exists()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(
    spec: Spec,
    trained: Language,
    texts: list[str],
    expected: list[Any],
    method: str,
    same: Any,
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    if method == "spawn" and spec.name != spec.factory:
        return  # new interpreters take seconds, and one spec of a factory tells: what they get is pickled, as above
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        docs = list(trained.pipe(texts, n_process=2, batch_size=2))
    finally:
        multiprocessing.set_start_method(before, force=True)
    same([spec.snapshot(doc) for doc in docs], expected)


def test_loads_without_a_network(
    spec: Spec, saved: Path, texts: list[str], expected: list[Any], monkeypatch: pytest.MonkeyPatch, same: Any
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a network connection was tried")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    same([spec.snapshot(doc) for doc in spacy.load(saved).pipe(texts)], expected)


def test_components_can_be_loaded_from_elsewhere(
    spec: Spec, saved: Path, texts: list[str], expected: list[Any], same: Any
) -> None:
    nlp, source = spacy.blank("en"), spacy.load(saved)
    for name in source.pipe_names:
        nlp.add_pipe(name, source=source)
    same([spec.snapshot(doc) for doc in nlp.pipe(texts)], expected)
