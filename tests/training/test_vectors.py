"""Word vectors of texts in which it is known which words stand in the same contexts."""

from __future__ import annotations

import random

import numpy as np
import pytest
import spacy
from scipy.sparse import csr_matrix
from spacy.vectors import Vectors

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.training.vectors import (
    UNKNOWN,
    count_contexts,
    count_texts,
    factorise,
    number_words,
    save_vectors,
    train_vectors,
    weigh_contexts,
)

COMPANIES = ["Nokia", "Siemens", "Boeing", "Sony"]
TOWNS = ["Paris", "Tokyo", "Lima", "Oslo"]
VERBS = ["sold", "bought", "leased", "built"]


def make_texts(count=400, seed=0):
    rng = random.Random(seed)
    return [
        f"Shares of {rng.choice(COMPANIES)} rose after it {rng.choice(VERBS)} plants near {rng.choice(TOWNS)} today"
        for _ in range(count)
    ]


@pytest.fixture
def nlp():
    return spacy.blank("en")


def test_words_in_the_same_contexts_become_neighbours(nlp):
    words = number_words(nlp, make_texts(), min_count=3, window=3)
    vectors = train_vectors(words, dim=6, window=3)
    assert vectors.shape == (len(words.vocabulary), 6)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for group in (COMPANIES, TOWNS, VERBS):
        rows = [words.vocabulary.index(word) for word in group]
        others = [row for row in range(len(vectors)) if row not in rows]
        similarity = vectors @ vectors[rows].T
        assert similarity[rows].min() > 0.9
        assert similarity[others].max() < 0.8


def test_the_same_texts_give_the_same_vectors(nlp):
    first, second = (
        train_vectors(number_words(nlp, make_texts(60), min_count=1, window=2), dim=5, window=2) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_words_are_numbered_by_frequency_and_rare_ones_keep_their_place(nlp):
    words = number_words(nlp, ["b a b  rare b a", "a b"], min_count=2, window=2)
    assert words.vocabulary == ["b", "a"]
    assert words.total == 8
    gap = [UNKNOWN] * 2
    assert words.ids.tolist() == [*gap, 0, 1, 0, UNKNOWN, 0, 1, *gap, 1, 0, *gap]


def test_contexts_are_counted_by_side_and_distance():
    # The text 0 1 ? 2, where 1 and 2 are two words apart, and the text 2.
    counts = count_contexts(np.array([0, 1, UNKNOWN, 2, UNKNOWN, UNKNOWN, 2]), size=3, window=2).toarray()
    before, behind = counts[:, :3], counts[:, 3:]
    np.testing.assert_array_equal(behind, [[0, 1, 0], [0, 0, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(before, behind.T)


def test_words_of_a_text_are_counted_once_at_any_distance(nlp):
    texts = ["b a b x x x x x x a", "a c", "b  c a", "rare", ""]
    words = number_words(nlp, texts, min_count=2, window=1)
    size = len(words.vocabulary)
    found = count_texts(words, size).toarray()
    stand_in = [set(text.split()) for text in texts]
    expected = [[sum({a, b} <= held for held in stand_in) for b in words.vocabulary] for a in words.vocabulary]
    assert sorted(words.vocabulary) == ["a", "b", "c", "x"]
    assert found.tolist() == expected


def test_words_in_the_same_texts_become_neighbours(nlp):
    """Far apart, and with other words around them each time: what stands near a word tells nothing."""
    rng = random.Random(0)
    filling = [f"w{number}" for number in range(30)]
    texts = [
        " ".join(word for name in rng.sample(group, 3) for word in (name, *rng.sample(filling, 6)))
        for group in (COMPANIES, TOWNS, VERBS)
        for _ in range(60)
    ]
    words = number_words(nlp, texts, min_count=3, window=1)
    vectors = train_vectors(words, dim=4, window=0)
    rows = {group[0]: [words.vocabulary.index(word) for word in group] for group in (COMPANIES, TOWNS, VERBS)}
    for group, own in rows.items():
        others = [row for name, of_others in rows.items() if name != group for row in of_others]
        similarity = vectors @ vectors[own].T
        assert similarity[own].min() > 0.9
        assert similarity[others].max() < 0.5
    near = train_vectors(words, dim=4, window=1)
    assert min((near @ near[own].T)[own].min() for own in rows.values()) < 0.5


def test_words_are_those_of_the_attribute(nlp):
    texts = ["Oil OIL rose", "oil Rose"]
    assert number_words(nlp, texts, min_count=2, window=1).vocabulary == []
    words = number_words(nlp, texts, min_count=2, window=1, attr="LOWER")
    assert words.vocabulary == ["oil", "rose"]
    assert words.total == 5
    assert words.ids[words.ids != UNKNOWN].tolist() == [0, 0, 1, 0, 1]
    assert len(set(words.texts[words.ids != UNKNOWN].tolist())) == 2


def test_weights_are_the_positive_information_with_smoothed_contexts():
    counts = np.array([[8.0, 1.0], [2.0, 5.0], [0.0, 0.0]])
    share = counts.sum(axis=0) ** 0.75 / (counts.sum(axis=0) ** 0.75).sum()
    expected = np.zeros_like(counts)
    for row, column in np.argwhere(counts):
        expected[row, column] = max(0.0, np.log(counts[row, column] / counts[row].sum() / share[column]))
    found = weigh_contexts(csr_matrix(counts)).toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found > 0).sum() == 2


def test_factors_are_those_of_the_whole_decomposition():
    matrix = np.random.default_rng(1).random((7, 9))
    left, values, _ = np.linalg.svd(matrix)
    expected = left[:, :3] * np.sqrt(values[:3])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = factorise(csr_matrix(matrix), 3)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)


def test_lengths_are_kept_on_request(nlp):
    matrix = np.random.default_rng(1).random((7, 9))
    left, values, _ = np.linalg.svd(matrix)
    found = factorise(csr_matrix(matrix), 3, unit_length=False)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :3] * np.sqrt(values[:3])), atol=1e-5)
    # As vectors of texts, the words are those of unit length but for their lengths.
    words = number_words(nlp, [f"{text} ." for text in make_texts(100)], min_count=3, window=2)
    for window in (0, 2):
        unit, kept = (train_vectors(words, 4, window, unit_length=unit_length) for unit_length in (True, False))
        lengths = np.linalg.norm(kept, axis=1, keepdims=True)
        np.testing.assert_allclose(kept / lengths, unit, atol=1e-5)
    # Of topics, here the last: a word that stands everywhere says least.
    lengths_of = dict(zip(words.vocabulary, np.linalg.norm(train_vectors(words, 4, 0, unit_length=False), axis=1)))
    assert lengths_of["."] < 0.5 * min(lengths_of[word] for word in (*COMPANIES, *VERBS))


def test_a_word_without_information_has_no_direction():
    matrix = np.random.default_rng(1).random((8, 16)).astype("float32")
    matrix[5] = 0
    found = factorise(csr_matrix(matrix), 3)
    assert np.linalg.norm(found, axis=1).round(5).tolist() == [1, 1, 1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["a b c d e f"], "only 0 different words"),
        (["a b c a b c"] * 3, "only 3 different words"),
        (list("abcdef") * 3, "no words are found together"),
        ([], "on 0 words"),
    ],
)
def test_too_little_text_is_refused(nlp, texts, problem):
    words = number_words(nlp, texts, min_count=2, window=2)
    with pytest.raises(NlpkitError, match=problem) as error:
        train_vectors(words, dim=3, window=2)
    assert "[N014]" in str(error.value)


def test_a_rank_below_the_dimensions_gives_finite_vectors(nlp):
    words = number_words(nlp, ["a b", "c d", "e f", "g h"] * 5, min_count=2, window=1)
    vectors = train_vectors(words, dim=7, window=1)
    assert np.isfinite(vectors).all()


def test_vectors_are_saved_as_a_pipeline_that_initializes_another(nlp, tmp_path):
    rows = np.eye(3, dtype="float32")
    path = tmp_path / "deep" / "vectors"
    for vocabulary in (["old", "b", "c"], ["Nokia", "b", "c"]):
        save_vectors(spacy.blank("en"), vocabulary, rows, path)
    assert [item.name for item in path.parent.iterdir()] == ["vectors"]
    config = {"nlp": {"lang": "en"}, "initialize": {"vectors": str(path)}}
    trained = spacy.util.load_model_from_config(config, auto_fill=True)
    trained.initialize()
    assert trained.vocab["Nokia"].vector.tolist() == [1, 0, 0]
    assert not trained.vocab["old"].has_vector
    assert trained.vocab.vectors.shape == (3, 3)


def test_other_folders_and_trained_pipelines_are_not_overwritten(nlp, tmp_path):
    nlp.vocab.vectors = Vectors(shape=(0, 0))
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "trained")
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path / "trained", tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(NlpkitError, match=r"\[N015\].*Name another folder"):
            save_vectors(spacy.blank("en"), ["a"], np.ones((1, 1), dtype="float32"), path)
    assert spacy.load(tmp_path / "trained").pipe_names == ["sentencizer"]
    assert (tmp_path / "notes.txt").read_text() == "mine"
