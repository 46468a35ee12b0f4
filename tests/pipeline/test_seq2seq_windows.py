"""Texts that are too long for the model: windows that lose nothing, and texts joined again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.pipeline._seq2seq_store import encode_sources
from spacy_nlpkit.pipeline._seq2seq_windows import Window, batches_by_length, windows_of

from .small_written import TARGETS, TEXTS, load, pipe_of, subwords

LIMIT = 30
PIECES = subwords()


def count(texts: Sequence[str]) -> list[int]:
    return [len(row) for row in encode_sources(PIECES, texts)]


def cut(unit: Doc | Span, limit: int = LIMIT) -> list[Window]:
    """The windows of one unit; that nothing is lost is checked."""
    (found,) = windows_of([unit[:]], count, limit, "seq2seq")
    assert "".join(f"{window.text}{window.blanks}" for window in found) == unit.text.strip()
    assert all(window.text == window.text.strip() and window.text for window in found)
    assert all(size <= limit for size in count([window.text for window in found]))
    return found


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return nlp


@pytest.mark.parametrize("by", ["sentencizer", "punctuation"])
def test_windows_end_where_sentences_end(nlp: Language, by: str) -> None:
    text = "  " + "\n\n".join(TEXTS * 3) + " \n"
    doc = nlp(text) if by == "sentencizer" else nlp.make_doc(text)
    found = cut(doc)
    assert len(found) > 1
    assert [part for window in found for part in window.text.split("\n\n")] == TEXTS * 3
    assert {window.blanks for window in found[:-1]} == {"\n\n"}
    assert sum(count([window.text for window in found])) > 0.6 * LIMIT * (len(found) - 1), "windows are filled"


def test_a_text_that_fits_is_left_whole(nlp: Language) -> None:
    text = " ".join(TEXTS)
    assert cut(nlp(f" {text} "), count([text])[0]) == [Window(text)]
    assert len(cut(nlp(text), count([text])[0] - 1)) == 2
    assert windows_of([], count, LIMIT, "seq2seq") == []
    assert cut(nlp(" \n ")) == []


def test_long_sentences_are_cut_between_tokens(nlp: Language) -> None:
    text = "Shares of Acorn rose " * 40 + "today . Mills closed ."
    with pytest.warns(UserWarning, match=r"\[NW226\].*cut 1 sentences.*30 pieces"):
        found = cut(nlp(text))
    assert all(window.text.split()[0] in ("Shares", "of", "Acorn", "rose", "today", "Mills") for window in found)
    assert sum(count([window.text for window in found])) > 0.7 * LIMIT * len(found), "windows are filled"


def test_prefixes_do_not_make_windows_small(nlp: Language) -> None:
    """They are read once a window, and not for each token."""

    def with_prefix(texts: Sequence[str]) -> list[int]:
        return count([f"translate English to German : {text}" for text in texts])

    overhead = count(["translate English to German :"])[0]
    limit = overhead + 30
    with pytest.warns(UserWarning, match="NW226"):
        (found,) = windows_of([nlp("Shares of Acorn rose " * 40)[:]], with_prefix, limit, "seq2seq")
    sizes = with_prefix([window.text for window in found])
    assert max(sizes) <= limit
    assert sum(sizes) > (overhead + 20) * len(found)
    with pytest.raises(NlpkitError, match=r"\[N006\].*max_pieces.*prefix"):
        windows_of([nlp("Shares of Acorn rose " * 40)[:]], with_prefix, overhead, "seq2seq")


@pytest.mark.parametrize(
    "text", ["x7" * 700, "株価が上昇した" * 100, "👩‍👩‍👧" * 60], ids=["code", "no blanks", "emoji"]
)
def test_long_tokens_are_cut_within(text: str) -> None:
    doc = Doc(spacy.blank("xx").vocab, ["Acorn", text, "rose"])
    with pytest.warns(UserWarning, match="NW226"):
        found = cut(doc)
    assert len(found) > 10


def test_units_are_cut_by_themselves(nlp: Language) -> None:
    doc = nlp(" ".join(TEXTS * 6))
    spans = [doc[2:40], doc[10:15], doc[3:3]]
    found = windows_of(spans, count, LIMIT, "seq2seq")
    assert [[len(windows) > 1 for windows in found], found[2]] == [[True, False, False], []]
    for span, windows in zip(spans, found, strict=True):
        assert "".join(f"{window.text}{window.blanks}" for window in windows) == span.text


def test_two_hundred_thousand_characters() -> None:
    nlp = spacy.blank("xx")
    text = ("Shares of Acorn rose today . \n" * 7000)[:200_000]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(cut(nlp.make_doc(text), 256)) > 200
    doc = Doc(nlp.vocab, ["ab" * 100_000])
    with pytest.warns(UserWarning, match="NW226"):
        assert len(cut(doc, 256)) > 300


def test_long_documents_are_written_in_parts_and_joined(writer: Path) -> None:
    order = [0, 3, 1, 2, 2, 0, 1, 3]
    nlp = load(writer, max_pieces=max(count(TEXTS)))
    doc = nlp("\n".join(TEXTS[number] for number in order))
    assert doc._.seq2seq["text"] == "\n".join(TARGETS[TEXTS[number]] for number in order)
    assert doc._.seq2seq["attention"] is None
    assert 0.9 < doc._.seq2seq["score"] <= 1.0


def test_a_long_document_is_read_to_its_end(writer: Path) -> None:
    """Of 200,000 characters, by a pipeline that has no limits but its own."""
    nlp = load(writer, **{"search.beams": 1, "search.max_extra": 8}, max_pieces=128)
    text = "Borea fell on Monday .\n" * 8700
    found = nlp(text)._.seq2seq["text"]
    assert found.count("\n") > len(text) / 128 / 4
    assert 0 < len(found) < len(text)
    assert pipe_of(nlp).require_subwords()[0].content_hash == PIECES.content_hash


def test_batches_hold_so_many_pieces() -> None:
    lengths = [3, 9, 1, 4, 4, 2, 0, 12]
    batches = list(batches_by_length(lengths, 12))
    assert sorted(place for batch in batches for place in batch) == list(range(8))
    assert all(len(batch) * max(lengths[place] for place in batch) <= 12 for batch in batches)
    assert batches[0] == [7]
    assert list(batches_by_length([], 12)) == []
    assert list(batches_by_length([50, 1], 12)) == [[0], [1]]
