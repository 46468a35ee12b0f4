"""The index of names: what it finds, in what order, and from which arrays."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from spacy_nlpkit.kg.graph import Hits
from spacy_nlpkit.kg.name_index import DENSE_ROWS, MAX_LENGTH, NameIndex

NAMES = [
    "Apple Inc.",
    "Applied Materials",
    "APPLE",
    "",
    "Procter & Gamble Co.",
    "Société Générale",
    "北京大学",
    "---",
    "International Business Machines Corp.",
    "Business International",
]


@pytest.fixture
def index() -> NameIndex:
    return NameIndex.build(NAMES)


def found(hits: Hits, query: int = 0) -> list[int]:
    return hits.alias[hits.query == query].tolist()


def many_names(count: int) -> list[str]:
    rng = random.Random(0)
    syllables = [a + b for a in "bcdfglmnprstv" for b in "aeiou"]
    return ["".join(rng.choices(syllables, k=4)) + " " + "".join(rng.choices(syllables, k=3)) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("Aplied Matrials", 1),
        ("procter and gambel", 4),
        ("Societe Generale SA", 5),
        ("北京", 6),
        ("Intl Business Machines", 8),
        ("Machines International Business", 8),
    ],
)
def test_noisy_names_find_the_name_first(index, text, alias):
    assert found(index.search([text]))[0] == alias


def test_names_with_one_key_are_all_found_in_order_and_score_one(index):
    hits = index.search(["Apple Corporation"])
    assert hits.alias[:2].tolist() == [0, 2]
    assert hits.score[:2].tolist() == pytest.approx([1, 1])
    assert np.all(np.diff(hits.score) <= 0)


def test_k_counts_names_and_not_aliases(index):
    assert found(index.search(["apple"], k=1)) == [0, 2]
    assert len(found(index.search(["apple"], k=2))) == 3


@pytest.mark.parametrize("text", ["", " ", "$$$", "---", "\x00", "\ud800"])
def test_texts_without_letters_find_nothing(index, text):
    hits = index.search(["apple", text, "apple"], k=1)
    assert hits.query.tolist() == [0, 0, 2, 2]


def test_an_index_without_names_finds_nothing():
    for names in ([], ["", "--"]):
        hits = NameIndex.build(names).search(["apple", ""])
        assert [len(part) for part in hits] == [0, 0, 0]
        assert hits.score.dtype == np.float32


def test_long_texts_are_cut(index):
    start = time.perf_counter()
    hits = index.search(["apple " + "x" * 10_000_000])
    assert time.perf_counter() - start < 1
    assert hits.alias.tolist() == index.search([("apple " + "x" * 10_000)[:MAX_LENGTH]]).alias.tolist()


def test_batches_and_order_do_not_matter(index):
    texts = ["Aplle", "Gambel", "", "Busines Machine", "Apple", "Generale"] * 20
    together = index.search(texts)
    for number, text in enumerate(texts[:6]):
        alone = index.search([text])
        assert alone.alias.tolist() == found(together, number)
        assert alone.score.tolist() == together.score[together.query == number].tolist()
    turned = index.search(texts[::-1])
    assert found(turned, len(texts) - 1) == found(together, 0)


def test_arrays_can_be_memory_mapped(index, tmp_path):
    mapped = {}
    for name, part in index.arrays().items():
        np.save(tmp_path / f"{name}.npy", part)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    again = NameIndex.from_arrays(mapped)
    texts = ["Aplle", "Gambel", "北京"]
    for before, after in zip(index.search(texts), again.search(texts)):
        assert before.tolist() == after.tolist()


def test_texts_are_held_as_bytes_alone(index):
    assert all(part.dtype.kind in "iuf" for part in index.arrays().values())


def test_small_and_large_indexes_score_alike():
    names = many_names(DENSE_ROWS + 2000)
    queries = [name[:5] + name[6:] for name in names[:40]]
    small, large = NameIndex.build(names[:1000]), NameIndex.build(names)
    for query, (text, name) in enumerate(zip(queries, names)):
        for index in (small, large):
            hits = index.search([text])
            assert names[hits.alias[0]] == name, query
            assert 0.5 < hits.score[0] <= 1


def test_few_postings_still_find_the_rare_trigrams_and_score_all():
    names = many_names(3000)
    full, short = NameIndex.build(names), NameIndex.build(names, max_postings=1)
    best, rare = full.search([names[7]], k=1), short.search([names[7]], k=1)
    assert rare.alias.tolist() == best.alias.tolist() == [7]
    assert rare.score.tolist() == pytest.approx([1.0])
    typo = names[7].replace(" ", " x")
    assert short.search([typo], k=1).score[0] == pytest.approx(full.search([typo], k=1).score[0], abs=1e-5)
