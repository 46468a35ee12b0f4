"""assets/translate: the German-English pairs that the project ships."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "translate"
SIZES = {"train": 600, "dev": 40, "test": 40}
LANGS = ("de", "en")
WORD = re.compile(r"[\w-]+")


def read(name: str, lang: str) -> list[str]:
    text = (FOLDER / f"{name}.{lang}").read_bytes().decode("utf8")
    assert text.endswith("\n")
    return text[:-1].split("\n")


def words(sentences: list[str]) -> Counter[str]:
    return Counter(word for sentence in sentences for word in WORD.findall(sentence))


@pytest.mark.parametrize("name", SIZES)
def test_files_are_aligned_line_by_line(name: str) -> None:
    german, english = (read(name, lang) for lang in LANGS)
    assert len(german) == len(english) == SIZES[name]
    # A line that slipped would set a question beside a statement, or other figures beside these.
    for source, target in zip(german, english, strict=True):
        assert source[-1] == target[-1], (source, target)
        assert re.findall(r"\d+", source) == re.findall(r"\d+", target), (source, target)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", SIZES)
def test_lines_are_clean_sentences(name: str, lang: str) -> None:
    for sentence in read(name, lang):
        assert sentence == " ".join(sentence.split())
        assert unicodedata.is_normalized("NFC", sentence)
        assert re.fullmatch(r"[A-ZÄÖÜ][^.?!]*[.?]", sentence), sentence
        assert 4 <= len(WORD.findall(sentence)) <= 12, sentence


@pytest.mark.parametrize("lang", LANGS)
def test_no_sentence_stands_twice(lang: str) -> None:
    sentences = [sentence for name in SIZES for sentence in read(name, lang)]
    assert [sentence for sentence, count in Counter(sentences).items() if count > 1] == []


@pytest.mark.parametrize("lang", LANGS)
def test_dev_and_test_have_no_word_that_train_has_not(lang: str) -> None:
    known = words(read("train", lang))
    for name in ("dev", "test"):
        assert set(words(read(name, lang))) - set(known) == set()
    # And train has each often enough to be learnt.
    assert min(known.values()) >= 4
    assert 300 <= len(known) <= 400
