"""Search: against all targets there are, against what each hypothesis would be given alone, and under every option."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'transformers' is not installed")

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.interface import Special  # noqa: E402
from spacy_nlpkit.layers.seq2seq.sampling import draw, uniform_numbers  # noqa: E402
from spacy_nlpkit.layers.seq2seq.search import Hypothesis, SearchOptions, search  # noqa: E402
from spacy_nlpkit.layers.seq2seq.selection import largest  # noqa: E402
from spacy_nlpkit.layers.seq2seq.transformer import TransformerSeq2Seq, TransformerSettings  # noqa: E402

SPECIAL = Special(pad=0, start=1, end=2)
SOURCE = [[5, 6, 7, 8, 2], [9, 2], [10, 11, 12, 2], [4, 4, 4, 4, 4, 4, 4, 2], [13, 2], [6, 9, 2]]


def build(size: int = 40, seed: int = 0, sharpness: float = 3.0, end: float = 0.0, **changes: Any) -> Any:
    """A network whose scores differ much, so that hypotheses do; `end`: what its end piece is given more."""
    torch.manual_seed(seed)
    settings = TransformerSettings(16, 2, 1, 2, 32, tied="none", **changes)
    module = TransformerSeq2Seq(settings, 40, size, SPECIAL).eval()
    module.output_weight.data *= sharpness
    module.output_bias.data[SPECIAL.end] = end
    return module.requires_grad_(False)


def log_probability(module: Any, source: list[int], pieces: list[int], ended: bool) -> float:
    """What the network gives a target, all of it read at once."""
    read = torch.tensor([[SPECIAL.start, *pieces]])
    memory = module.encode(torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool))
    logs = module.project(module.decode(memory, read)[0]).log_softmax(dim=1)
    wanted = [*pieces, SPECIAL.end] if ended else pieces
    return float(sum(logs[place, piece] for place, piece in enumerate(wanted)))


def same(first: list[list[Hypothesis]], second: list[list[Hypothesis]]) -> bool:
    return [[h.pieces for h in row] for row in first] == [[h.pieces for h in row] for row in second] and all(
        a.score == pytest.approx(b.score, abs=1e-4) for a, b in zip(itertools.chain(*first), itertools.chain(*second))
    )


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of a network this small do nothing but wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("length_norm", ["ctranslate2", "gnmt"])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_beams_find_the_best_of_all(length_norm: str, length_penalty: float, seed: int) -> None:
    """With beams for all that can be said, four pieces at most, none is overlooked but what is known to be beaten."""
    module = build(size=6, seed=seed, end=1.0)
    options = SearchOptions(
        200, length_penalty, length_norm, n_best=5, max_ratio=0.0, max_extra=4, min_length=0, min_ratio=0.0
    )
    written = range(3, 6)
    for source, found in zip(SOURCE[:2], search(module, SOURCE[:2], options)):
        every = []
        for length in range(5):
            for pieces in itertools.product(written, repeat=length):
                size = min(length + 1, 4)
                total = log_probability(module, source, list(pieces), ended=length < 4)
                norm = size if length_norm == "ctranslate2" else (5 + size) / 6
                every.append((total / norm**length_penalty, list(pieces), total))
        every.sort(key=lambda item: -item[0])
        assert [hypothesis.pieces for hypothesis in found] == [pieces for _, pieces, _ in every[:5]]
        for hypothesis, (score, _, total) in zip(found, every):
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
            assert hypothesis.log_probability == pytest.approx(total, abs=1e-5)


def beams_by_the_rule(module: Any, source: list[int], beams: int, limit: int) -> list[tuple[float, list[int]]]:
    """The rule of `beam_search` in plain Python, every hypothesis read anew at each step."""
    memory = module.encode(torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool))
    running: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, limit + 1):
        following = []
        for total, pieces in running:
            states = module.decode(memory, torch.tensor([[SPECIAL.start, *pieces]]))[:, -1]
            logs = module.project(states)[0].log_softmax(dim=0).tolist()
            following += [
                (total + logs[piece], [*pieces, piece])
                for piece in range(module.vocab_size)
                if piece not in (SPECIAL.pad, SPECIAL.start)
            ]
        following.sort(key=lambda item: -item[0])
        for total, pieces in following[:beams]:
            if pieces[-1] == SPECIAL.end or length == limit:
                finished.append((total / length, [piece for piece in pieces if piece != SPECIAL.end]))
        finished = sorted(finished, key=lambda item: -item[0])[:beams]
        running = [item for item in following[: 2 * beams] if item[1][-1] != SPECIAL.end][:beams]
        if len(finished) == beams and running[0][0] / length <= finished[-1][0]:
            break
    return finished


@pytest.mark.parametrize(("end", "seed"), [(0.0, 0), (3.0, 1), (4.0, 2)])
def test_beams_follow_the_rule_and_not_their_batch(end: float, seed: int) -> None:
    module = build(seed=seed, end=end)
    options = SearchOptions(beams=4, n_best=4, min_length=0, max_extra=4)
    found = search(module, SOURCE, options)
    lengths = set()
    for row, source in zip(found, SOURCE):
        expected = beams_by_the_rule(module, source, 4, int(1.5 * len(source) + 4))
        assert [hypothesis.pieces for hypothesis in row] == [pieces for _, pieces in expected]
        assert [hypothesis.score for hypothesis in row] == pytest.approx([score for score, _ in expected], abs=1e-4)
        lengths |= {len(hypothesis.pieces) for hypothesis in row}
    assert len(lengths) > 2  # rows end at different times
    for order in (range(5, -1, -1), [3], [1, 4, 1]):
        assert same(search(module, [SOURCE[row] for row in order], options), [found[row] for row in order])


@pytest.mark.parametrize("end", [0.0, 2.0])
def test_one_beam_takes_the_best_piece_each_time(end: float) -> None:
    module = build(end=end)
    found = search(module, SOURCE, SearchOptions(beams=1))
    for (hypothesis,), source in zip(found, SOURCE):
        memory = module.encode(torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool))
        pieces: list[int] = []
        limit = int(1.5 * len(source) + 10)
        while len(pieces) < limit:
            states = module.decode(memory, torch.tensor([[SPECIAL.start, *pieces]]))[:, -1]
            scores = module.project(states)[0]
            scores[[SPECIAL.pad, SPECIAL.start, *([] if pieces else [SPECIAL.end])]] = -torch.inf
            if int(scores.argmax()) == SPECIAL.end:
                break
            pieces.append(int(scores.argmax()))
        ended = len(pieces) < limit
        assert hypothesis.pieces == pieces
        expected = log_probability(module, source, pieces, ended)
        assert hypothesis.log_probability == pytest.approx(expected, abs=1e-4)
        assert hypothesis.score == pytest.approx(expected / (len(pieces) + ended), abs=1e-4)
    assert all(same(search(module, [source], SearchOptions(beams=1)), [row]) for source, row in zip(SOURCE, found))


def test_more_beams_find_no_worse() -> None:
    """Of sums that are not normalised, over targets of one length."""
    module = build()
    totals = []
    for beams in (1, 2, 8, 64):
        options = SearchOptions(beams, length_penalty=0.0, max_ratio=0.0, max_extra=3, min_length=3)
        totals.append([row[0].log_probability for row in search(module, SOURCE, options)])
    assert np.mean(totals, axis=1).tolist() == sorted(np.mean(totals, axis=1).tolist())
    assert totals[-1] != totals[0]


@pytest.mark.parametrize("beams", [1, 3])
def test_lengths(beams: int) -> None:
    eager, endless = build(end=50.0), build(end=-50.0)
    for least, ratio in ((4, 0.0), (0, 2.0), (1, 0.0), (0, 0.0)):
        found = search(eager, SOURCE, SearchOptions(beams, min_length=least, min_ratio=ratio))
        assert [len(row[0].pieces) for row in found] == [max(least, int(ratio * len(source))) for source in SOURCE]
    for ratio, extra in ((1.5, 2), (0.0, 3)):
        found = search(endless, SOURCE, SearchOptions(beams, max_ratio=ratio, max_extra=extra))
        assert [len(row[0].pieces) for row in found] == [int(ratio * len(source)) + extra for source in SOURCE]
        assert not any(piece in SPECIAL for row in found for piece in row[0].pieces)
    short = build(end=-50.0, positions="learned", max_length=9)
    assert {len(row[0].pieces) for row in search(short, SOURCE, SearchOptions(beams, max_extra=50))} == {9}
    with pytest.raises(NlpkitError, match="N232"):
        search(short, [[5] * 10], SearchOptions(beams))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("ngram", [1, 2, 3])
def test_no_ngram_twice(beams: int, ngram: int) -> None:
    module = build(size=12, end=-50.0)
    free = search(module, SOURCE, SearchOptions(beams, max_extra=12))
    found = search(module, SOURCE, SearchOptions(beams, max_extra=12, no_repeat_ngram=ngram))

    def repeats(pieces: list[int]) -> bool:
        grams = list(zip(*(pieces[i:] for i in range(ngram))))
        return len(set(grams)) < len(grams)

    assert any(repeats(row[0].pieces) for row in free)
    assert not any(repeats(row[0].pieces) for row in found)
    if ngram == 1:  # nine pieces there are beside the special ones; then there is nothing but the end
        assert {len(row[0].pieces) for row in found} == {9}


def test_repetition_penalty() -> None:
    """Scores of pieces that are there already come nearer to the others, or go farther below zero."""
    module = build(end=-50.0)
    found = search(module, SOURCE, SearchOptions(beams=1, repetition_penalty=1.7))
    for (hypothesis,), source in zip(found, SOURCE):
        memory = module.encode(torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool))
        total = 0.0
        for place, piece in enumerate(hypothesis.pieces):
            before = hypothesis.pieces[:place]
            states = module.decode(memory, torch.tensor([[SPECIAL.start, *before]]))[:, -1]
            scores = module.project(states)[0]
            for old in set(before):
                scores[old] = scores[old] / 1.7 if scores[old] > 0 else scores[old] * 1.7
            total += float(scores.log_softmax(dim=0)[piece])
            assert int(scores[3:].argmax()) + 3 == piece
        assert hypothesis.log_probability == pytest.approx(total, abs=1e-4)
    assert not same(found, search(module, SOURCE, SearchOptions(beams=1)))


@pytest.mark.parametrize("settings", [{"beams": 1}, {"beams": 3, "n_best": 3}, {"beams": 1, "temperature": 1.0}])
def test_prefixes(settings: dict[str, Any]) -> None:
    """Of different lengths beside one another, even of pieces that nothing else would let in; they count for scores."""
    module, prefixes = build(), [[20, 20, 20], [], [31], [7, 8, 9, 10, 11], [], [30, 29]]
    options = SearchOptions(**settings, no_repeat_ngram=2)
    found = search(module, SOURCE, options, prefixes)
    for row, prefix, source in zip(found, prefixes, SOURCE):
        assert all(hypothesis.pieces[: len(prefix)] == prefix for hypothesis in row)
        ended = len(row[0].pieces) < int(1.5 * len(source) + 10)
        expected = log_probability(module, source, row[0].pieces, ended)
        assert row[0].log_probability == pytest.approx(expected, abs=1e-4)
    assert same([row for row, prefix in zip(found, prefixes) if not prefix],
                [search(module, [SOURCE[row]], options)[0] for row in (1, 4)])  # fmt: skip
    assert len({tuple(hypothesis.pieces) for hypothesis in found[0]}) == len(found[0])
    best = search(module, SOURCE, SearchOptions(beams=1))
    again = search(module, SOURCE, SearchOptions(beams=1), [row[0].pieces[:2] for row in best])
    assert same(best, again)
    longer = search(module, SOURCE[:1], SearchOptions(beams=2, max_ratio=0.0, max_extra=2), [[20] * 5])
    assert longer[0][0].pieces[:5] == [20] * 5
    assert len(longer[0][0].pieces) <= 6


@pytest.mark.parametrize(
    ("prefixes", "problem"),
    [([[SPECIAL.end]], "special"), ([[40]], "40 pieces"), ([[5] * 12], "12 positions"), ([[5], [5]], "2 prefixes")],
)
def test_wrong_prefixes(prefixes: list[list[int]], problem: str) -> None:
    module = build(positions="learned", max_length=12)
    with pytest.raises(NlpkitError, match=rf"N234.*{problem}"):
        search(module, SOURCE[:1], SearchOptions(), prefixes)


def test_what_is_drawn_depends_on_seed_and_source_alone() -> None:
    module = build(end=1.0)
    options = SearchOptions(beams=1, temperature=1.5, seed=4, n_best=3)
    found = search(module, SOURCE, options)
    torch.manual_seed(99)
    assert same(found, search(module, SOURCE, options))
    for row, source in zip(found, SOURCE):
        assert same([row], search(module, [source], options))
        assert len({tuple(hypothesis.pieces) for hypothesis in row}) > 1
        assert [h.score for h in row] == sorted((h.score for h in row), reverse=True)
        for hypothesis in row:
            ended = len(hypothesis.pieces) < int(1.5 * len(source) + 10)
            expected = log_probability(module, source, hypothesis.pieces, ended)
            assert hypothesis.log_probability == pytest.approx(expected, abs=1e-4)
    assert not same(found, search(module, SOURCE, SearchOptions(beams=1, temperature=1.5, seed=5, n_best=3)))
    likeliest = search(module, SOURCE, SearchOptions(beams=1, temperature=1.0, top_k=1))
    assert same(likeliest, search(module, SOURCE, SearchOptions(beams=1)))


@pytest.mark.parametrize(
    ("settings", "left"),
    [({"top_k": 2}, [0, 3]), ({"top_p": 0.7}, [0, 3]), ({"top_p": 0.85}, [0, 3, 1]), ({}, [0, 1, 2, 3])],
)
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_pieces_are_drawn_as_likely_as_they_are(settings: dict[str, Any], left: list[int], temperature: float) -> None:
    probabilities = torch.tensor([0.5, 0.15, 0.1, 0.25])
    scores = (temperature * probabilities.log())[None].repeat(4000, 1)
    scores = torch.cat([scores, torch.full((4000, 1), -torch.inf)], dim=1)
    uniform = uniform_numbers(0, [1, 2], (4000, 1), torch.device("cpu"))[:, 0]
    options = SearchOptions(beams=1, temperature=temperature, **settings)
    shares = draw(scores, uniform, options).bincount(minlength=5) / 4000
    expected = torch.zeros(5)
    expected[left] = probabilities[left] / probabilities[left].sum()
    assert shares.tolist() == pytest.approx(expected.tolist(), abs=0.03)
    ends = torch.tensor([0.0, 1.0 - 2**-53], dtype=torch.float64)
    assert set(draw(scores[:2], ends, options).tolist()) <= set(left)


@pytest.mark.parametrize(("size", "count"), [(7, 7), (500, 3), (1003, 10), (2000, 1)])
def test_the_largest_and_ties_by_number(size: int, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(-20, 20, (50, size), generator=generator).float() / 7  # many equal ones
    scores[0], scores[1, ::2], scores[2, 1::2] = -torch.inf, -0.0, -torch.inf
    values, numbers = largest(scores, count)
    expected = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :count]
    assert (numbers.numpy() == expected).all()
    assert torch.equal(values, scores.gather(1, numbers))


def test_equal_scores_go_by_number() -> None:
    """A network that gives all pieces the same."""
    module = build(sharpness=0.0, end=-1.0)
    for beams in (1, 2):
        found = search(module, SOURCE, SearchOptions(beams, max_ratio=0.0, max_extra=3))
        assert {tuple(row[0].pieces) for row in found} == {(3, 3, 3)}


def test_special_pieces_may_coincide() -> None:
    """Some networks begin with what they end with."""
    module = build(end=3.0)
    module.special = Special(pad=0, start=2, end=2)
    found = search(module, SOURCE, SearchOptions())
    assert any(len(row[0].pieces) < 15 for row in found)
    assert not any(piece in (0, 2) for row in found for piece in row[0].pieces)


def test_search_leaves_the_module_as_it_is() -> None:
    module = build(dropout=0.5).train()
    first = search(module, SOURCE, SearchOptions(beams=2))
    assert module.training
    assert same(first, search(module, SOURCE, SearchOptions(beams=2)))
    assert search(module, [], SearchOptions()) == []
    with pytest.raises(NlpkitError, match=r"N233.*1"):
        search(module, [[5], []], SearchOptions())
    with torch.autocast("cpu", torch.bfloat16):
        assert all(row[0].pieces for row in search(module, SOURCE, SearchOptions(beams=2)))


@pytest.mark.parametrize(
    "settings",
    [
        {"beams": 0},
        {"n_best": 6},
        {"length_norm": "none"},
        {"top_p": 0.0, "temperature": 1.0, "beams": 1},
        {"top_k": 5},
        {"temperature": -1.0},
        {"beams": 5, "temperature": 1.0},
        {"repetition_penalty": 0.0},
        {"max_extra": 0, "max_ratio": 0.0},
    ],
)
def test_wrong_options(settings: dict[str, Any]) -> None:
    with pytest.raises(NlpkitError, match=r"N230.*" + next(iter(settings))):
        SearchOptions(**settings)
