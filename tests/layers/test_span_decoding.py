"""Probabilities of spans against the sum over all tag sequences, the choice among them, and gold tags."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_nlpkit.layers.crf_loss import lattice_of
from spacy_nlpkit.layers.crf_potentials import Potentials
from spacy_nlpkit.layers.span_decoding import SpanArrays, allowed_tags, biluo_tags, select_spans, span_probabilities

from .brute_force import enumerate_document, random_scores, split, tag_names

Found = dict[tuple[int, int, int], float]


def decode(scores: Potentials, floor: float, allowed: np.ndarray | None = None) -> Found:
    """The spans by place and label, each once."""
    spans = span_probabilities(lattice_of(scores, allowed), scores.lengths, scores.transitions, floor)
    keys = list(zip(spans.start.tolist(), spans.end.tolist(), spans.label.tolist()))
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, spans.probability.tolist()))


def enumerated(scores: Potentials) -> Found:
    """The spans of all documents, by rows of the batch."""
    found = {}
    for one, stop, size in zip(split(scores), np.cumsum(scores.lengths).tolist(), scores.lengths.tolist()):
        for (start, end, label), probability in enumerate_document(one).spans.items():
            found[(start + stop - size, end + stop - size, label)] = probability
    return found


@pytest.mark.parametrize(("lengths", "n_labels"), [([5], 1), ([3, 1, 4], 2), ([1, 1, 2], 1)])
@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_exact(lengths: list[int], n_labels: int, seed: int) -> None:
    scores = random_scores(lengths, n_labels, seed)
    assert decode(scores, 1e-12) == pytest.approx(enumerated(scores))


@pytest.mark.parametrize("floor", [0.01, 0.05, 0.2, 0.5])
def test_the_floor_parts_the_spans(floor: float) -> None:
    scores = random_scores([4, 5], 1)
    wanted = {key: probability for key, probability in enumerated(scores).items() if probability >= floor}
    assert wanted
    assert decode(scores, floor) == pytest.approx(wanted)


def long_span_scores(length: int, bonus: float) -> tuple[Potentials, np.ndarray]:
    """Scores that lean towards one span over all but the first and last token, and the mask of this span."""
    rng = np.random.default_rng(0)
    names = tag_names(2)
    path = ["O", "B1", *["I1"] * (length - 4), "L1", "O"]
    mask = np.array([[name == wanted for name in names] for wanted in path])
    emissions = rng.normal(size=mask.shape) + bonus * mask
    tags = len(names)
    return Potentials(
        emissions, np.array([length]), rng.normal(size=(tags, tags)), np.zeros(tags), np.zeros(tags)
    ), mask


@pytest.mark.parametrize(("length", "bonus"), [(30, 3.0), (600, 8.0)])
def test_a_long_span_has_the_probability_of_its_paths(length: int, bonus: float) -> None:
    scores, mask = long_span_scores(length, bonus)
    mask[[0, -1]] = True
    free, forced = lattice_of(scores), lattice_of(scores, mask)
    probability = float(np.exp(forced.log_z - free.log_z)[0])
    assert 0.05 < probability < 0.99
    assert decode(scores, 0.05)[(1, length - 1, 1)] == pytest.approx(probability)


def test_no_span_reaches_into_the_next_document() -> None:
    """One span over nearly all of the tokens would be certain, were they one document."""
    scores, _ = long_span_scores(8, 8.0)
    assert decode(scores, 0.05)[(1, 7, 1)] > 0.9
    scores.lengths = np.array([4, 4])
    wanted = {key: probability for key, probability in enumerated(scores).items() if probability >= 1e-4}
    assert decode(scores, 1e-4) == pytest.approx(wanted)


def test_a_document_without_a_path_has_no_spans() -> None:
    scores = random_scores([3, 3], 1)
    allowed = np.ones(scores.emissions.shape, dtype=bool)
    allowed[1] = False
    found = decode(scores, 1e-12, allowed)
    assert found == pytest.approx({key: value for key, value in enumerated(scores).items() if key[0] >= 3})


def test_probabilities_never_exceed_one() -> None:
    """Of spans that are all but certain, by however little rounding goes wrong."""
    scores = random_scores([5] * 400, 2)
    scores.emissions *= 20
    spans = span_probabilities(lattice_of(scores), scores.lengths, scores.transitions, 0.999999)
    assert len(spans.probability) > 100
    assert spans.probability.max() <= 1.0


# The choice among overlapping spans


def choose(*spans: tuple[int, int, int, float], least: float = 0.0) -> list[tuple[int, int, int]]:
    """The chosen of spans given as start, end, label, score."""
    start, end, label = (np.array(column, dtype=np.int64) for column in list(zip(*spans))[:3])
    score = np.array([span[3] for span in spans])
    arrays = SpanArrays(start, end, label, score)
    return [spans[number][:3] for number in select_spans(arrays, score >= least, score)]


def test_the_best_of_overlapping_spans_is_chosen() -> None:
    assert choose((0, 3, 0, 0.3), (2, 4, 0, 0.4), (4, 5, 0, 0.1)) == [(2, 4, 0), (4, 5, 0)]


def test_a_chain_of_overlaps_is_cut_from_the_best() -> None:
    """The middle one loses to its better neighbour and so does not stand in the way of the other."""
    assert choose((0, 2, 0, 0.3), (1, 4, 0, 0.4), (3, 5, 0, 0.5)) == [(0, 2, 0), (3, 5, 0)]


def test_ties_go_to_the_longer_then_the_earlier_then_the_first_label() -> None:
    assert choose((0, 1, 0, 0.4), (0, 2, 0, 0.4)) == [(0, 2, 0)]
    assert choose((1, 3, 0, 0.4), (0, 2, 0, 0.4)) == [(0, 2, 0)]
    assert choose((0, 2, 1, 0.4), (0, 2, 0, 0.4)) == [(0, 2, 0)]


def test_chosen_spans_come_in_order_of_position() -> None:
    assert choose((5, 6, 0, 0.9), (0, 2, 0, 0.5), (3, 4, 0, 0.7)) == [(0, 2, 0), (3, 4, 0), (5, 6, 0)]


def test_what_is_not_kept_takes_no_room() -> None:
    assert choose((0, 3, 0, 0.4), (1, 2, 0, 0.5), least=0.45) == [(1, 2, 0)]
    assert choose((0, 3, 0, 0.4), least=0.45) == []


# Gold annotation as tags

BEGIN, INSIDE, OUTSIDE, MISSING = 3, 1, 2, 0


def tags_of(codes: list[int], labels: list[int], lengths: list[int]) -> list[str | None]:
    """Names of the tags, None where unknown."""
    tags, known = biluo_tags(np.array(codes), np.array(labels), np.array(lengths))
    names = tag_names(max(labels) + 1)
    return [names[tag] if is_known else None for tag, is_known in zip(tags.tolist(), known.tolist())]


def test_entities_as_tags() -> None:
    codes = [BEGIN, INSIDE, INSIDE, BEGIN, OUTSIDE, BEGIN, INSIDE, BEGIN]
    labels = [0, 0, 0, 1, -1, 1, 1, 0]
    assert tags_of(codes, labels, [8]) == ["B0", "I0", "L0", "U1", "O", "B1", "L1", "U0"]


def test_entities_end_with_their_document() -> None:
    assert tags_of([BEGIN, BEGIN, INSIDE, BEGIN], [0, 0, 0, 0], [1, 2, 1]) == ["U0", "B0", "L0", "U0"]
    # Were it one document, the second token would go on with the entity.
    assert tags_of([BEGIN, INSIDE, BEGIN], [0, 0, 0], [1, 2])[0] == "U0"


def test_missing_tokens_are_unknown_and_end_an_entity() -> None:
    assert tags_of([MISSING, BEGIN, INSIDE, MISSING, OUTSIDE], [-1, 0, 0, -1, -1], [5]) == [None, "B0", "L0", None, "O"]


def test_entities_of_labels_that_are_not_learned_are_outside() -> None:
    assert tags_of([BEGIN, INSIDE, BEGIN], [-1, -1, 0], [3]) == ["O", "O", "U0"]


def test_allowed_tags_are_the_known_one_or_all() -> None:
    allowed = allowed_tags(np.array([0, 4, 0]), np.array([True, True, False]), 1)
    assert allowed.tolist() == [
        [True, False, False, False, False],
        [False, False, False, False, True],
        [True, True, True, True, True],
    ]
