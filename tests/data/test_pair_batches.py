"""The batcher of pairs: sizes that hold, nothing lost, little padding, and an order that a seed gives again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example
from spacy.util import load_config_from_str, registry

from spacy_nlpkit.attributes import register_target
from spacy_nlpkit.data.pair_batches import create_batch_by_pair_tokens, pair_lengths
from spacy_nlpkit.errors import NlpkitError

NLP = spacy.blank("xx")
CONFIG = """
[batcher]
@batchers = "spacy_nlpkit.batch_by_pair_tokens.v1"
buffer = 20
seed = 3
get_length = null

[batcher.size]
@schedules = "compounding.v1"
start = 30
stop = 120
compound = 1.5
"""


def make(source: int, target: int) -> Example:
    register_target()
    reference = NLP.make_doc(" ".join(["wort"] * source))
    reference._.target = " ".join(["word"] * target)
    return Example(NLP.make_doc(reference.text), reference)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    rng = random.Random(0)
    return [make(length, max(1, length + rng.randint(-3, 3))) for length in rng.choices(range(3, 30), k=200)]


def padded(batch: list[Example]) -> int:
    sources, targets = zip(*map(pair_lengths, batch))
    return max(max(sources), max(targets)) * len(batch)


def keys(batches: Any) -> list[list[int]]:
    return [[id(example) for example in batch] for batch in batches]


@pytest.mark.parametrize("buffer", [1, 7, 64, 1000])
def test_batches_hold_every_pair_once_and_no_more_words_than_allowed(examples: list[Example], buffer: int) -> None:
    batches = list(create_batch_by_pair_tokens(100, buffer)(examples))
    assert sorted(key for batch in keys(batches) for key in batch) == sorted(map(id, examples))
    assert max(map(padded, batches)) <= 100
    assert (len(batches) == len(examples)) == (buffer == 1)


def test_pairs_of_a_batch_have_like_lengths(examples: list[Example]) -> None:
    def share_of_words(buffer: int) -> float:
        batches = list(create_batch_by_pair_tokens(200, buffer)(examples))
        return sum(sum(map(max, map(pair_lengths, batch))) for batch in batches) / sum(map(padded, batches))

    assert share_of_words(1000) > 0.9 > share_of_words(8)


def test_a_seed_gives_the_same_batches_and_every_epoch_others(examples: list[Example]) -> None:
    first, second, other = (create_batch_by_pair_tokens(90, 50, seed) for seed in (1, 1, 2))
    epochs = [keys(first(examples)) for _ in range(3)]
    assert [keys(second(iter(examples))) for _ in range(3)] == epochs
    assert epochs[0] != epochs[1] != epochs[2]
    assert keys(other(examples)) != epochs[0]
    # Short batches do not all come first, or last.
    lengths = [len(batch) for batch in epochs[0]]
    assert lengths not in (sorted(lengths), sorted(lengths, reverse=True))


def test_long_pairs_stand_alone_and_are_kept() -> None:
    held = [make(2, 2), make(50, 1), make(2, 3), make(1, 60)]
    batches = list(create_batch_by_pair_tokens(10)(held))
    assert sorted(map(len, batches)) == [1, 1, 2]
    assert {id(batch[0]) for batch in batches if len(batch) == 1} == {id(held[1]), id(held[3])}


def test_a_schedule_gives_a_size_for_each_buffer(examples: list[Example]) -> None:
    def sizes() -> Iterator[float]:
        yield from (40.0, 80.0, 160.0)

    batches = create_batch_by_pair_tokens(sizes(), 100)
    first = list(batches(examples))
    assert max(map(padded, first)) <= 80
    assert any(padded(batch) > 40 for batch in first)
    # It goes on in the next epoch, and stays at its last size.
    for _ in range(2):
        assert any(80 < padded(batch) <= 160 for batch in batches(examples))


def test_a_config_names_the_batcher(examples: list[Example]) -> None:
    batcher: Callable = registry.resolve(load_config_from_str(CONFIG))["batcher"]
    batches = list(batcher(examples))
    assert sum(map(len, batches)) == len(examples)
    assert 60 < max(map(padded, batches)) <= 120


def test_lengths_may_be_counted_otherwise(examples: list[Example]) -> None:
    batches = list(create_batch_by_pair_tokens(10, get_length=lambda example: (1, 2))(examples))
    assert set(map(len, batches)) == {5}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("two  words", 2),
        ("", 0),
        (None, 0),
        (["one", "one two three"], 3),
        ("สวัสดีตอนเช้าครับทุกคนที่นี่วันนี้", 3),
    ],
)
def test_words_of_a_target(target: Any, expected: int) -> None:
    example = make(4, 1)
    example.reference._.target = target
    assert pair_lengths(example) == (4, expected)


def test_no_examples_make_no_batch() -> None:
    assert list(create_batch_by_pair_tokens(10)([])) == []


@pytest.mark.parametrize("arguments", [(0,), (-5,), (10, 0)])
def test_settings_that_cannot_be(arguments: tuple[int, ...]) -> None:
    with pytest.raises(NlpkitError, match="N006"):
        create_batch_by_pair_tokens(*arguments)
    with pytest.raises(NlpkitError, match=r"N006.*size"):
        list(create_batch_by_pair_tokens([0])([make(1, 1)]))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=40),
    st.integers(1, 100),
    st.integers(1, 50),
)
def test_any_lengths_give_batches_that_fit(lengths: list[tuple[int, int]], size: int, buffer: int) -> None:
    pairs: list[Any] = [(number, *pair) for number, pair in enumerate(lengths)]
    batches = list(create_batch_by_pair_tokens(size, buffer, get_length=lambda pair: pair[1:])(pairs))
    assert sorted(pair for batch in batches for pair in batch) == pairs
    for batch in batches:
        assert len(batch) == 1 or max(max(pair[1:]) for pair in batch) * len(batch) <= size
