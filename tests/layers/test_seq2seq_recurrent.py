"""The recurrent encoder-decoder: padding, steps, attention, scheduled sampling, and parameters that are frozen."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.interface import Memory, Special  # noqa: E402
from spacy_nlpkit.layers.seq2seq.recurrent import RecurrentSeq2Seq, RecurrentSettings  # noqa: E402

SIZE = 13
SPECIAL = Special(pad=0, start=1, end=2)
SMALL = RecurrentSettings(width=6, hidden_width=8, dropout=0.0)
CELLS = ["rnn", "lstm", "gru"]
ATTENTIONS = ["dot", "general", "additive", "none", "unfed"]
SOURCE = [[5, 6, 7, 8, 2], [9, 2], [3, 4, 10, 2]]
TARGET = [[1, 4, 5, 6], [1, 7, 8, 9], [1, 3, 3, 12]]


def build(seed: int = 0, **settings: Any) -> RecurrentSeq2Seq:
    """With the attention "unfed": additive, without input feeding."""
    if settings.get("attention") == "unfed":
        settings |= {"attention": "additive", "input_feeding": False}
    torch.manual_seed(seed)
    return RecurrentSeq2Seq(dataclasses.replace(SMALL, **settings), SIZE, SIZE, SPECIAL).eval()


def padded(rows: list[list[int]], width: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    width = width or max(map(len, rows))
    # Any piece may stand where the mask is false: another one than padding shows whether it counts.
    source = torch.tensor([row + [11] * (width - len(row)) for row in rows])
    return source, torch.tensor([[place < len(row) for place in range(width)] for row in rows])


def scores(module: RecurrentSeq2Seq, memory: Memory, target: torch.Tensor) -> torch.Tensor:
    states = module.decode(memory, target)
    return module.project(states.flatten(0, 1)).view(*target.shape, -1)


def stepped(module: RecurrentSeq2Seq, memory: Memory, target: torch.Tensor, beams: int = 1) -> torch.Tensor:
    cache = module.start(memory, beams)
    return torch.stack([module.step(cache, pieces) for pieces in target.repeat_interleave(beams, 0).T], dim=1)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(("depth", "bidirectional"), [(1, True), (2, False), (2, True)])
def test_padding_does_not_count(cell: str, attention: str, depth: int, bidirectional: bool) -> None:
    module = build(cell=cell, attention=attention, depth=depth, bidirectional=bidirectional)
    target = torch.tensor(TARGET)
    together = scores(module, module.encode(*padded(SOURCE, 9)), target)
    for row, source in enumerate(SOURCE):
        alone = scores(module, module.encode(*padded([source])), target[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-6)
    assert not torch.allclose(together[0], scores(module, module.encode(*padded(SOURCE[1:2])), target[:1])[0])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(("depth", "tied"), [(1, "all"), (2, "target"), (2, "none")])
def test_steps_say_what_whole_sequences_say(cell: str, attention: str, depth: int, tied: str) -> None:
    module = build(cell=cell, attention=attention, depth=depth, tied=tied)
    memory, target = module.encode(*padded(SOURCE)), torch.tensor(TARGET)
    whole = scores(module, memory, target)
    assert whole.shape == (3, 4, SIZE)
    torch.testing.assert_close(stepped(module, memory, target), whole, rtol=0, atol=1e-5)
    beams = stepped(module, memory, target, beams=3)
    torch.testing.assert_close(beams, whole.repeat_interleave(3, 0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_no_state_sees_a_later_piece(attention: str) -> None:
    module = build(attention=attention)
    memory, target = module.encode(*padded(SOURCE)), torch.tensor(TARGET)
    changed = target.clone()
    changed[:, 2] = 10
    before, after = module.decode(memory, target), module.decode(memory, changed)
    assert torch.equal(before[:, :2], after[:, :2])
    assert (before[:, 2:] != after[:, 2:]).any(dim=2).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["additive", "none", "unfed"])
def test_hypotheses_change_places_and_rows_are_left(cell: str, attention: str) -> None:
    module = build(cell=cell, attention=attention, depth=2)
    memory = module.encode(*padded(SOURCE))
    cache = module.start(memory, 2)
    module.step(cache, torch.ones(6, dtype=torch.int64))
    module.step(cache, torch.tensor([3, 4, 5, 6, 7, 8]))
    module.reorder(cache, torch.tensor([1, 1, 3, 2, 4, 4]))
    module.keep(cache, torch.tensor([2, 0]))
    # What is left, in order: row 2 twice with piece 7, row 0 twice with piece 4.
    last = torch.tensor([9, 10, 11, 12])
    found = module.step(cache, last)
    for number, (row, piece) in enumerate([(2, 7), (2, 7), (0, 4), (0, 4)]):
        alone = module.encode(*padded([SOURCE[row]]))
        expected = scores(module, alone, torch.tensor([[1, piece, int(last[number])]]))[0, -1]
        torch.testing.assert_close(found[number], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", ["dot", "general", "additive", "unfed"])
def test_weights_of_attention(attention: str) -> None:
    module = build(attention=attention)
    source, mask = padded(SOURCE, 7)
    memory = module.encode(source, mask)
    weights = module.attention(memory, torch.tensor(TARGET))
    assert weights is not None
    assert weights.shape == (3, 4, 7)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 4))
    assert (weights[~mask[:, None].expand_as(weights)] == 0).all()
    assert (weights[mask[:, None].expand_as(weights)] > 0).all()
    assert weights[0].std(dim=1).min() > 0


def test_no_weights_without_attention() -> None:
    module = build(attention="none")
    assert module.attention(module.encode(*padded(SOURCE)), torch.tensor(TARGET)) is None


@pytest.mark.parametrize("attention", ["general", "additive"])
def test_attention_by_hand(attention: str) -> None:
    """One step of the scores that the papers give, with weights of the module."""
    module = build(attention=attention, cell="gru")
    memory, target = module.encode(*padded(SOURCE[2:])), torch.tensor([[1]])
    attend: Any = module.attend
    summary = torch.cat([memory.states[0, -1, :4], memory.states[0, 0, 4:]])
    first = torch.tanh(module.bridge(summary))
    inputs = torch.cat([module.target_table.weight[1], torch.zeros(8)])
    top = module.decoder(inputs[None, None], first[None, None])[0][0, 0]
    if attention == "general":
        expected = memory.states[0] @ attend.key.weight.T @ top
    else:
        mixed = torch.tanh(attend.query(top) + memory.states[0] @ attend.key.weight.T)
        expected = mixed @ attend.weigh.weight[0]
    weights = module.attention(memory, target)
    assert weights is not None
    torch.testing.assert_close(weights[0, 0], expected.softmax(0))
    mean = weights[0, 0] @ memory.states[0]
    state = torch.tanh(module.combine(torch.cat([top, mean])))
    torch.testing.assert_close(module.decode(memory, target)[0, 0], state)


@pytest.mark.parametrize("attention", ["general", "none", "unfed"])
def test_free_running_is_a_greedy_loop(attention: str) -> None:
    module = build(attention=attention, depth=2).train()
    memory, target = module.encode(*padded(SOURCE)), torch.tensor(TARGET)
    forced = module.decode(memory, target)
    module.teacher_forcing = 0.0
    free = scores(module, memory, target)
    cache, pieces, greedy = module.start(memory, 1), target[:, 0], []
    for _ in range(target.shape[1]):
        greedy.append(module.step(cache, pieces))
        pieces = greedy[-1].argmax(dim=1)
    torch.testing.assert_close(free, torch.stack(greedy, dim=1), rtol=0, atol=1e-5)
    assert not torch.allclose(module.decode(memory, target), forced)
    # What others ask of a module is not sampled: in evaluation it reads the target.
    torch.testing.assert_close(module.eval().decode(memory, target), forced, rtol=0, atol=1e-6)


@pytest.mark.parametrize("attention", ["general", "none", "unfed"])
def test_half_of_the_pieces_are_sampled(attention: str) -> None:
    module = build(attention=attention, teacher_forcing=0.5).train()
    rows = 400
    memory = module.encode(*padded(SOURCE[:1] * rows))
    target = torch.tensor(TARGET[:1] * rows)
    module.teacher_forcing = 1.0
    forced = module.decode(memory, target)[:, 1]
    module.teacher_forcing = 0.0
    own = module.decode(memory, target)[:, 1]
    assert not torch.allclose(own, forced)
    module.teacher_forcing = 0.5
    mixed = module.decode(memory, target)[:, 1]
    is_forced = (mixed - forced).abs().amax(dim=1) < 1e-6
    is_own = (mixed - own).abs().amax(dim=1) < 1e-6
    assert (is_forced ^ is_own).all()
    assert 150 < int(is_forced.sum()) < 250


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(("tied", "teacher_forcing"), [("all", 1.0), ("target", 0.5), ("none", 0.0)])
def test_gradients_reach_all_parameters(cell: str, attention: str, tied: str, teacher_forcing: float) -> None:
    module = build(cell=cell, attention=attention, tied=tied, teacher_forcing=teacher_forcing, depth=2).train()
    found = scores(module, module.encode(*padded(SOURCE)), torch.tensor(TARGET))
    torch.nn.functional.cross_entropy(found.flatten(0, 1), torch.tensor(TARGET).flatten()).backward()
    reached = {name: float(p.grad.abs().sum()) if p.grad is not None else 0.0 for name, p in module.named_parameters()}
    assert [name for name, size in reached.items() if size == 0] == []


def test_learns_to_copy() -> None:
    """A decoder that finds the places of the source writes it once more."""
    torch.manual_seed(0)
    settings = RecurrentSettings(width=16, hidden_width=32, attention="general", tied="all", dropout=0.0)
    module = RecurrentSeq2Seq(settings, SIZE, SIZE, SPECIAL)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(150):
        source = torch.randint(3, SIZE, (32, 5))
        read = torch.cat([torch.ones(32, 1, dtype=torch.int64), source[:, :-1]], dim=1)
        found = scores(module, module.encode(source, torch.ones_like(source, dtype=torch.bool)), read)
        loss = torch.nn.functional.cross_entropy(found.flatten(0, 1), source.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    weights = module.eval().attention(module.encode(source, torch.ones_like(source, dtype=torch.bool)), read)
    assert weights is not None
    assert (weights.argmax(dim=2) == torch.arange(5)).float().mean() > 0.5


def test_mixed_precision_follows_full() -> None:
    for cell, attention in itertools.product(CELLS, ["additive", "none", "unfed"]):
        module = build(cell=cell, attention=attention, depth=2)
        memory, target = module.encode(*padded(SOURCE)), torch.tensor(TARGET)
        full = scores(module, memory, target)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = scores(module, module.encode(*padded(SOURCE)), target)
            steps = stepped(module, module.encode(*padded(SOURCE)), target)
        torch.testing.assert_close(mixed.float(), full, rtol=0.05, atol=0.05)
        torch.testing.assert_close(steps.float(), full, rtol=0.05, atol=0.05)


def test_weights_alone_make_the_model() -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    for tied in ["all", "target", "none"]:
        module, other = build(tied=tied), build(seed=1, tied=tied)
        memory, target = module.encode(*padded(SOURCE)), torch.tensor(TARGET)
        assert not torch.allclose(other.decode(memory, target), module.decode(memory, target))
        other.load_state_dict(safetensors.load(safetensors.save(module.state_dict())))
        assert torch.equal(scores(other, memory, target), scores(module, memory, target))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cell", "qrnn"),
        ("width", 0),
        ("hidden_width", 7),
        ("depth", 0),
        ("attention", "location"),
        ("tied", "source"),
        ("dropout", 1.0),
        ("teacher_forcing", 1.5),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N006\] Setting '{setting}'"):
        dataclasses.replace(SMALL, **{setting: value})


def test_two_vocabularies_share_no_table() -> None:
    with pytest.raises(NlpkitError, match=r"\[N006\] Setting 'tied'.*\(13 and 14 pieces\)"):
        RecurrentSeq2Seq(dataclasses.replace(SMALL, tied="all"), SIZE, SIZE + 1, SPECIAL)


def test_a_source_without_pieces_is_refused() -> None:
    with pytest.raises(NlpkitError, match=r"\[N233\] Row 1"):
        build().encode(*padded([[5, 2], [], [6, 2]]))
