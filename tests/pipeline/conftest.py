"""A trained `ticker_ner` and a trained `seq2seq`, once for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from . import small_written
from .small_ner import build, train


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ticker_ner") / "model"
    train(build()).to_disk(path)
    return path


@pytest.fixture
def nlp(saved: Path) -> Language:
    """A fresh copy, to change at will."""
    return spacy.load(saved)


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `seq2seq` that knows `small_written.TARGETS` by heart, as saved; settings can be changed at load."""
    path = tmp_path_factory.mktemp("seq2seq") / "model"
    small_written.train(small_written.build()).to_disk(path)
    return path
