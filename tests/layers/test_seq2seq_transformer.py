"""The Transformer: what it computes, what its cache repeats, and its loss."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'transformers' is not installed")
safetensors_torch = pytest.importorskip("safetensors.torch")

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.interface import IGNORED, Memory, Special  # noqa: E402
from spacy_nlpkit.layers.seq2seq.loss import scores_of_target, smoothed_cross_entropy  # noqa: E402
from spacy_nlpkit.layers.seq2seq.positions import rotary_table, rotate, sinusoidal_table  # noqa: E402
from spacy_nlpkit.layers.seq2seq.transformer import TransformerSeq2Seq, TransformerSettings  # noqa: E402

SPECIAL = Special(pad=0, start=1, end=2)
SIZE, WIDTH = 23, 16
SETTINGS = TransformerSettings(
    width=WIDTH, heads=2, encoder_layers=2, decoder_layers=2, hidden_width=24, dropout=0.0, max_length=40
)
KINDS = [
    {"norm": norm, "positions": positions, "activation": activation, "tied": tied, "pre_norm": pre_norm}
    for norm, positions, activation, tied, pre_norm in itertools.product(
        ("layer", "rms"),
        ("sinusoidal", "learned", "rotary"),
        ("relu", "gelu", "swiglu"),
        ("all", "target", "none"),
        (True, False),
    )
]
SOURCE = [[5, 6, 7, 8, 2], [9, 2], [10, 11, 12, 2]]


def build(source_size: int = SIZE, seed: int = 0, **changes: Any) -> TransformerSeq2Seq:
    """Biases and norms are drawn too: nothing of them shall go unnoticed."""
    torch.manual_seed(seed)
    module = TransformerSeq2Seq(dataclasses.replace(SETTINGS, **changes), source_size, SIZE, SPECIAL)
    for weights in module.parameters():
        if weights.dim() == 1:
            weights.data += 0.3 * torch.randn_like(weights)
    return module.eval()


def padded(rows: list[list[int]], padding: int = 0, extra: int = 0) -> tuple[Any, Any]:
    length = max(map(len, rows)) + extra
    pieces = torch.tensor([[*row, *[padding] * (length - len(row))] for row in rows])
    mask = torch.arange(length) < torch.tensor([len(row) for row in rows])[:, None]
    return pieces, mask


def targets(rows: int, length: int, seed: int = 3) -> Any:
    pieces = torch.randint(3, SIZE, (rows, length), generator=torch.Generator().manual_seed(seed))
    pieces[:, 0] = SPECIAL.start
    return pieces


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of a network this small do nothing but wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_cached_steps_equal_decoding_at_once(kind: dict[str, Any]) -> None:
    """Over more positions than the cache has room for at first."""
    module = build(**kind)
    beams, length = 3, 20
    with torch.inference_mode():
        memory = module.encode(*padded(SOURCE))
        target = targets(len(SOURCE) * beams, length)
        wide = Memory(memory.states.repeat_interleave(beams, 0), memory.mask.repeat_interleave(beams, 0))
        expected = module.project(module.decode(wide, target).flatten(0, 1)).view(*target.shape, SIZE)
        cache = module.start(memory, beams)
        for place in range(length):
            scores = module.step(cache, target[:, place])
            assert torch.allclose(scores, expected[:, place], atol=1e-5)
        assert expected.std() > 0.1


def test_reorder_and_keep() -> None:
    """Hypotheses go on from what others read; of three rows two are left, in another order."""
    module = build(positions="rotary")
    beams = 2
    with torch.inference_mode():
        memory = module.encode(*padded(SOURCE))
        target = targets(6, 4)
        cache = module.start(memory, beams)
        for place in range(4):
            module.step(cache, target[:, place])
        module.reorder(cache, torch.tensor([1, 0, 3, 3, 4, 5]))
        module.keep(cache, torch.tensor([2, 1]))
        read = target[[4, 5, 3, 3]]
        for following in (torch.tensor([4, 5, 6, 7]), torch.tensor([8, 9, 10, 11])):
            scores = module.step(cache, following)
            read = torch.cat([read, following[:, None]], dim=1)
            rows = torch.tensor([2, 2, 1, 1])
            states = module.decode(Memory(memory.states[rows], memory.mask[rows]), read)
            assert torch.allclose(scores, module.project(states[:, -1]), atol=1e-5)
            module.reorder(cache, torch.tensor([1, 0, 2, 3]))
            read = read[[1, 0, 2, 3]]


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
def test_padding_never_counts(positions: str) -> None:
    module = build(positions=positions)
    target = targets(len(SOURCE), 5)
    with torch.no_grad():
        states = module.decode(module.encode(*padded(SOURCE)), target)
        other = module.decode(module.encode(*padded(SOURCE, padding=17, extra=3)), target)
        assert torch.allclose(states, other, atol=1e-5)
        for row, source in enumerate(SOURCE):
            alone = module.decode(module.encode(*padded([source])), target[row : row + 1])
            assert torch.allclose(states[row], alone[0], atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
def test_no_piece_sees_a_later_one_and_order_matters(positions: str) -> None:
    module = build(positions=positions)
    with torch.no_grad():
        memory = module.encode(*padded(SOURCE))
        target = targets(len(SOURCE), 6)
        changed = target.clone()
        changed[:, 3] = (changed[:, 3] + 1) % SIZE
        before, after = module.decode(memory, target), module.decode(memory, changed)
        assert torch.allclose(before[:, :3], after[:, :3], atol=1e-6)
        assert ((before[:, 3:] - after[:, 3:]).abs().amax(dim=2) > 1e-3).all()
        turned = module.encode(*padded([[6, 5, 7, 8, 2]]))
        assert not torch.allclose(module.encode(*padded(SOURCE[:1])).states[0, 2:], turned.states[0, 2:], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS[::7], ids=lambda kind: "-".join(map(str, kind.values())))
def test_gradients_reach_all_parameters(kind: dict[str, Any]) -> None:
    module = build(**kind, dropout=0.1, attention_dropout=0.1, activation_dropout=0.1, word_dropout=0.1).train()
    read, written = targets(len(SOURCE), 6), targets(len(SOURCE), 6, seed=4)
    logits, wanted = scores_of_target(module, module.encode(*padded(SOURCE)), read, written)
    smoothed_cross_entropy(logits, wanted, 0.1)[0].backward()
    still = [name for name, weights in module.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert still == []
    assert safetensors_torch.save(module.state_dict())  # no table is stored under two names
    names = dict(module.named_parameters())
    assert ("source_embedding" in names, "output_weight" in names) == {
        "all": (False, False),
        "target": (True, False),
        "none": (True, True),
    }[kind["tied"]]


def test_start_of_the_weights() -> None:
    """Each map of a fused one as if it stood alone; embeddings of length one, so that scaled they have variance one."""
    torch.manual_seed(0)
    module = TransformerSeq2Seq(TransformerSettings(activation="swiglu"), 4000, 4000, SPECIAL)
    layer = module.decoder[0]
    for fused, parts, fan in (
        (layer.self_attention.query_key_value, 3, 512),
        (layer.cross_attention.key_value, 2, 512),
        (layer.feed_forward.inner, 2, 1280),
    ):
        for part in fused.weight.chunk(parts):
            assert part.detach().abs().max() == pytest.approx((6 / fan) ** 0.5, rel=1e-3)
            assert part.detach().std() == pytest.approx((2 / fan) ** 0.5, rel=0.02)
        assert not fused.bias.any()
    assert module.target_embedding.detach().std() == pytest.approx(256**-0.5, rel=0.01)


def test_dropout_only_in_training_and_by_one_module() -> None:
    module = build(dropout=0.5)
    pieces, mask = padded(SOURCE)
    with torch.no_grad():
        plain = module.encode(pieces, mask).states
        assert torch.equal(plain, module.encode(pieces, mask).states)
        module.train()
        assert not torch.equal(module.encode(pieces, mask).states, module.encode(pieces, mask).states)
        module.dropout.p = 0.0
        assert torch.allclose(module.encode(pieces, mask).states, plain, atol=1e-5)


def test_word_dropout_takes_whole_pieces() -> None:
    module = build(word_dropout=0.5, positions="rotary", encoder_layers=1).train()
    seen: list[Any] = []
    module.encoder[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    torch.manual_seed(0)
    pieces = torch.randint(3, SIZE, (20, 30))
    module.encode(pieces, torch.ones_like(pieces, dtype=torch.bool))
    gone = (seen[0] == 0).all(dim=2)
    assert 0.4 < gone.float().mean() < 0.6
    whole = 2 * module.target_embedding[pieces] * WIDTH**0.5
    assert torch.allclose(seen[0][~gone], whole[~gone], atol=1e-5)


def test_attention_is_what_the_last_layer_weighs_by() -> None:
    """If all values of a source piece are zero but one component, what comes out is that piece's weight."""
    module = build(decoder_layers=1)
    target = targets(len(SOURCE), 4)
    memory = module.encode(*padded(SOURCE))
    weights = module.attention(memory, target)
    assert weights.shape == (3, 4, 5)
    assert torch.allclose(weights.sum(dim=2), torch.ones(3, 4), atol=1e-5)
    assert not weights[~memory.mask[:, None, :].expand_as(weights)].any()
    assert weights[0].std() > 1e-3
    cross, seen = module.decoder[0].cross_attention, []
    cross.output.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    module.decode(memory, target)
    _, values = cross.key_value(memory.states).chunk(2, dim=2)
    # Mean over the heads of what each head gives, where all have the values of the first.
    values = values[..., : WIDTH // 2]
    cross.key_value.weight.data[-WIDTH // 2 :] = cross.key_value.weight.data[WIDTH : WIDTH + WIDTH // 2]
    cross.key_value.bias.data[-WIDTH // 2 :] = cross.key_value.bias.data[WIDTH : WIDTH + WIDTH // 2]
    module.decode(memory, target)
    assert torch.allclose(weights @ values, seen[-1].unflatten(2, (2, -1)).mean(dim=2), atol=1e-5)
    weights[0, 0, 0].backward()
    assert cross.query.weight.grad is not None
    assert cross.query.weight.grad.any()


def test_sinusoidal_by_hand() -> None:
    table = sinusoidal_table(50, 6)
    for position, i in itertools.product((0, 1, 49), range(3)):
        angle = torch.tensor(position / 10_000 ** (2 * i / 6))
        assert table[position, i] == pytest.approx(float(angle.sin()), abs=1e-5)
        assert table[position, 3 + i] == pytest.approx(float(angle.cos()), abs=1e-5)


def test_rotary_by_hand() -> None:
    """Components i and i + half turn as a complex number; products of two know only how far apart they stand."""
    table, half = rotary_table(30, 8), 4
    states = torch.randn(30, 8, generator=torch.Generator().manual_seed(0))
    turned = rotate(states, table)
    numbers = torch.complex(states[:, :half].double(), states[:, half:].double())
    angles = torch.arange(30)[:, None] * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    expected = numbers * torch.polar(torch.ones_like(angles), angles)
    assert torch.allclose(turned[:, :half].double(), expected.real, atol=1e-5)
    assert torch.allclose(turned[:, half:].double(), expected.imag, atol=1e-5)
    query, key = states[0].expand(30, 8), states[1].expand(30, 8)
    products = rotate(query, table) @ rotate(key, table).T
    assert torch.allclose(products[3:, 3:], products[:-3, :-3], atol=1e-4)


def test_rms_norm_by_hand() -> None:
    module = build(norm="rms")
    norm = module.encoder[0].feed_forward_norm
    states = torch.randn(4, WIDTH)
    expected = states / (states.pow(2).mean(dim=1, keepdim=True) + 1e-6).sqrt() * norm.weight
    assert torch.allclose(norm(states), expected, atol=1e-6)


def test_longer_than_any_table() -> None:
    """Computed positions grow, learned ones end."""
    long = [[5] * 300]
    assert build(positions="rotary").encode(*padded(long)).states.isfinite().all()
    module = build()
    assert module.encode(*padded(long)).states.isfinite().all()
    assert torch.allclose(module.table(0, 5), sinusoidal_table(5, WIDTH))
    learned = build(positions="learned")
    assert (learned.max_length, module.max_length) == (40, None)
    with pytest.raises(NlpkitError, match="N232"):
        learned.encode(*padded([[5] * 41]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_loss_by_hand(smoothing: float) -> None:
    """The cross-entropy with a target that keeps a part for all pieces alike; padding is no part of it."""
    module = build().requires_grad_(False)
    memory = module.encode(*padded(SOURCE))
    read, written = targets(3, 5), targets(3, 5, seed=4)
    written[1, 2:] = IGNORED
    logits, wanted = scores_of_target(module, memory, read, written)
    loss, plain = smoothed_cross_entropy(logits, wanted, smoothing)
    expected = expected_plain = 0.0
    count = 0
    for row, place in itertools.product(range(3), range(5)):
        if written[row, place] != IGNORED:
            logs = module.project(module.decode(memory, read)[row, place][None])[0].double().log_softmax(dim=0)
            wish = torch.full((SIZE,), smoothing / SIZE, dtype=torch.float64)
            wish[written[row, place]] += 1 - smoothing
            expected -= float((wish * logs).sum())
            expected_plain -= float(logs[written[row, place]])
            count += 1
    assert len(wanted) == count == 12
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(plain) == pytest.approx(expected_plain, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gradient_of_smoothed_loss(smoothing: float, dtype: torch.dtype) -> None:
    """What autograd makes of the formula, over more pieces than are handled at once, scaled as a scaler would."""
    torch.manual_seed(0)
    logits = torch.randn(75, 11).to(dtype).requires_grad_()
    wanted = torch.randint(11, (75,))
    loss, _ = smoothed_cross_entropy(logits, wanted, smoothing)
    (2.0**10 * loss).backward()
    plain = logits.detach().double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(plain, wanted, label_smoothing=smoothing, reduction="sum")
    (2.0**10 * expected).backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-2
    assert torch.allclose(logits.grad.double(), plain.grad, rtol=tolerance, atol=2.0**10 * tolerance)


@pytest.mark.parametrize(
    "changes",
    [{"width": 18, "heads": 4}, {"norm": "batch"}, {"positions": "none"}, {"dropout": 1.0}, {"encoder_layers": 0}],
)
def test_wrong_settings(changes: dict[str, Any]) -> None:
    with pytest.raises(NlpkitError, match=r"N230.*" + next(iter(changes))):
        dataclasses.replace(SETTINGS, **changes)


def test_one_table_needs_one_vocabulary() -> None:
    with pytest.raises(NlpkitError, match="N231"):
        build(source_size=SIZE + 1)
    module = build(source_size=SIZE + 1, tied="target")
    assert module.encode(torch.tensor([[SIZE]]), torch.tensor([[True]])).states.isfinite().all()


def test_steps_in_the_type_of_autocast() -> None:
    module = build()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        memory = module.encode(*padded(SOURCE))
        cache = module.start(memory, 1)
        target = targets(len(SOURCE), 5)
        scores = torch.stack([module.step(cache, target[:, place]) for place in range(5)], dim=1)
    with torch.inference_mode():
        exact = module.project(module.decode(module.encode(*padded(SOURCE)), target).flatten(0, 1)).view_as(scores)
    assert scores.dtype == torch.bfloat16
    assert (scores - exact).abs().max() < 0.1
    assert not torch.equal(scores.float(), exact)
