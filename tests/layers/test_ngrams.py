"""Words, n-grams of words and of characters against a slow extraction in plain Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_nlpkit.layers.ngrams import NgramOptions, Ngrams, drop_ngrams, extract_ngrams

from .reference import Feature, features_of, make_docs

OPTIONS = {
    "words": NgramOptions(2**20, word_ngrams=1),
    "pairs": NgramOptions(2**20),
    "fours": NgramOptions(2**20, word_ngrams=4),
    "chars": NgramOptions(2**20, word_ngrams=0, min_chars=3, max_chars=5),
    "letters": NgramOptions(2**20, word_ngrams=0, min_chars=1, max_chars=1),
    "all": NgramOptions(2**20, attr="ORTH", word_ngrams=3, min_chars=2, max_chars=6),
    "long": NgramOptions(2**20, word_ngrams=1, min_chars=30, max_chars=40),
    "norms": NgramOptions(2**20, attr="NORM", word_ngrams=2, min_chars=1, max_chars=3),
    "collisions": NgramOptions(8, word_ngrams=3, min_chars=2, max_chars=3),
}
TEXTS = [
    ["Shares", "of", "Acorn", "Mills", "rose", "and", "rose", "and", "rose"],
    [],
    ["Oslo"],
    [" ", "\n\n", "\t"],
    ["The", " ", "dollar", "\n", "fell", "  "],
    [],
    ["a"],
    ["株価", "が", "上昇", "した", "。"],
    ["İstanbul", "Straße", "ΣΊΣΥΦΟΣ", "القاهرة", "हिन्दी", "Cafe\u0301"],
    ["👩\u200d👩\u200d👧", "🚀🚀", "𝔘𝔫𝔦", "\U0010ffff", "\ufffd", "\u200b"],
    ["x" * 5000, "end"],
]
WORDS = st.one_of(
    st.sampled_from(["a", "b", "A", " ", "\n", "ab", "aba", "🚀", "上", "\u00a0"]), st.text(min_size=1, max_size=7)
)


def found(ngrams: Ngrams, lengths: list[int]) -> list[Counter[Feature]]:
    """The features document by document, tokens numbered from the first of each."""
    rows, owners = ngrams.flat()
    starts, sizes = ngrams.spans()
    offsets = np.cumsum([0, *lengths])
    features: list[Counter[Feature]] = [Counter() for _ in lengths]
    for row, owner, start, size in zip(rows.tolist(), owners.tolist(), starts.tolist(), sizes.tolist()):
        place = int(ngrams.token_index[start] - offsets[owner])
        features[owner][Feature(row, place, size)] += 1
    return features


def assert_as_in_plain_python(docs: list[Doc], options: NgramOptions) -> None:
    ngrams = extract_ngrams(docs, options)
    expected = [Counter(features_of(doc, options)) for doc in docs]
    assert found(ngrams, [len(doc) for doc in docs]) == expected
    assert ngrams.counts.tolist() == [sum(features.values()) for features in expected]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_batch(options: NgramOptions) -> None:
    assert_as_in_plain_python(make_docs(*TEXTS), options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("words", TEXTS, ids=range(len(TEXTS)))
def test_a_document_alone(words: list[str], options: NgramOptions) -> None:
    assert_as_in_plain_python(make_docs(words), options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("texts", [[], [[]], [[], []], [[], [" "]]], ids=str)
def test_nothing(texts: list[list[str]], options: NgramOptions) -> None:
    ngrams = extract_ngrams(make_docs(*texts) if texts else [], options)
    rows, owners = ngrams.flat()
    assert (len(rows), len(owners)) == (0, 0)
    assert ngrams.counts.tolist() == [0] * len(texts)


@given(
    texts=st.lists(st.lists(WORDS, max_size=6), max_size=4),
    word_ngrams=st.integers(0, 4),
    min_chars=st.integers(1, 4),
    more_chars=st.integers(0, 4),
    attr=st.sampled_from(["LOWER", "NORM", "ORTH"]),
)
def test_any_words(texts: list[list[str]], word_ngrams: int, min_chars: int, more_chars: int, attr: str) -> None:
    options = NgramOptions(2**16, attr, word_ngrams, min_chars, min_chars + more_chars)
    assert_as_in_plain_python(make_docs(*texts), options)


def test_what_is_taken_from_a_text() -> None:
    """Counted by hand: blank tokens do not part the words around them, and none is taken across documents."""
    docs = make_docs(["the", " ", "cat"], ["The"])
    words, pairs = (extract_ngrams(docs, OPTIONS[name]).flat()[0].tolist() for name in ("words", "pairs"))
    assert words[0] == words[2] != words[1]
    assert pairs[:3] == words
    assert len(pairs) == 4
    assert extract_ngrams(docs, OPTIONS["letters"]).counts.tolist() == [5 + 5, 5]
    assert extract_ngrams(docs, OPTIONS["chars"]).counts.tolist() == [3 + 2 + 1 + 3 + 2 + 1, 6]


def test_order_and_kind_count() -> None:
    """`a b` is not `b a`, and a word of one letter is not that letter inside a word."""
    docs = make_docs(["a", "b"], ["b", "a"])
    pairs = extract_ngrams(docs, OPTIONS["pairs"]).gram_rows
    assert pairs[0] != pairs[1]
    kinds = [extract_ngrams(docs[:1], OPTIONS[name]).flat()[0] for name in ("words", "letters")]
    assert not set(kinds[0]) & set(kinds[1])


def test_rows_are_spread() -> None:
    """As many distinct rows as random ones would have: about 1 - exp(-1) of a table as large as the features."""
    rows = 2**12
    words = [f"w{number}" for number in range(rows)]
    for options in (NgramOptions(rows, word_ngrams=1), NgramOptions(rows, word_ngrams=2)):
        ngrams = extract_ngrams(make_docs(words), options)
        taken = ngrams.gram_rows if options.word_ngrams == 2 else ngrams.word_rows
        assert len(set(taken.tolist())) / rows == pytest.approx(1 - np.exp(-1), abs=0.03)


PROGRAM = """
import json, sys
import spacy
from spacy.tokens import Doc
from spacy_nlpkit.layers.ngrams import NgramOptions, extract_ngrams
texts = json.loads(sys.argv[1])
vocab = spacy.blank("xx").vocab
docs = [Doc(vocab, words=words) for words in reversed(texts)][::-1]
ngrams = extract_ngrams(docs, NgramOptions(2**20, "LOWER", 3, 2, 4))
rows, owners = ngrams.flat()
print(json.dumps([rows.tolist(), owners.tolist(), hash("text")]))
"""


def test_rows_are_the_same_in_another_process() -> None:
    texts = json.dumps(TEXTS[:-1])
    # Unlike that of this process, whatever it is.
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, texts],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    found_rows, found_owners, found_hash = json.loads(done.stdout)
    rows, owners = extract_ngrams(make_docs(*TEXTS[:-1]), NgramOptions(2**20, "LOWER", 3, 2, 4)).flat()
    assert found_hash != hash("text")
    assert found_rows == rows.tolist()
    assert found_owners == owners.tolist()


def test_dropping_leaves_a_part_of_each_document() -> None:
    words = [f"w{number}" for number in range(200)]
    docs = make_docs(words, [], ["a"], words[:50])
    ngrams = extract_ngrams(docs, OPTIONS["all"])
    np.random.seed(0)
    dropped = drop_ngrams(ngrams, 0.3)
    before, after = ([Counter(part) for part in _rows_by_doc(one)] for one in (ngrams, dropped))
    assert all(kept <= whole for kept, whole in zip(after, before))
    assert dropped.counts.tolist() == [sum(kept.values()) for kept in after]
    for kept, whole in ((dropped.token_word, ngrams.token_word), (dropped.gram_rows, ngrams.gram_rows)):
        assert len(kept) / len(whole) == pytest.approx(0.7, abs=0.1)
    # The n-grams of words are drawn apart from the words in them, and keep the numbers of their tokens.
    gone = np.flatnonzero(np.isin(ngrams.token_index, dropped.token_index, invert=True))
    assert np.isin(gone, dropped.gram_start).mean() > 0.5
    spans = set(zip(ngrams.gram_rows.tolist(), ngrams.gram_start.tolist(), ngrams.gram_size.tolist()))
    assert set(zip(dropped.gram_rows.tolist(), dropped.gram_start.tolist(), dropped.gram_size.tolist())) < spans


def test_dropping_none_or_all() -> None:
    ngrams = extract_ngrams(make_docs(*TEXTS), OPTIONS["all"])
    assert drop_ngrams(ngrams, 0.0) is ngrams
    assert not drop_ngrams(ngrams, 1.0).counts.any()


def _rows_by_doc(ngrams: Ngrams) -> list[list[int]]:
    rows, owners = ngrams.flat()
    return [rows[owners == number].tolist() for number in range(len(ngrams.doc_lengths))]
