"""A corpus, and documents without annotation."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from .classes import write_corpus

WORDS = [["stocks", "fell"], [], ["the", "cup", "final", "was", "late"], [], ["Oslo"]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("classes") / "train.spacy")


@pytest.fixture(scope="module")
def docs() -> list[Doc]:
    vocab = spacy.blank("en").vocab
    return [Doc(vocab, words=words) for words in WORDS]
