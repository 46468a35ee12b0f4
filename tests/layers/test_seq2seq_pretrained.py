"""Marian, T5 and BART of random weights as encoder-decoders: each says what transformers itself says."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import srsly

torch = pytest.importorskip("torch", reason="the extra 'transformers' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
safetensors = pytest.importorskip("safetensors.torch")

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.interface import Memory, Special  # noqa: E402
from spacy_nlpkit.layers.seq2seq.pretrained import PretrainedSeq2Seq, load_pretrained  # noqa: E402
from spacy_nlpkit.layers.seq2seq.search import SearchOptions, search  # noqa: E402

SIZE = 37
LAYERS = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
BARTISH = {**LAYERS, "vocab_size": SIZE, "d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "init_std": 0.4}
SPECIALS = {"marian": Special(36, 36, 0), "t5": Special(0, 0, 1), "bart": Special(1, 2, 2)}
FAMILIES = list(SPECIALS)
SOURCE = [[5, 6, 7, 8, 9, 3], [10, 3], [11, 12, 13, 3]]
LIMIT = 12


def make(family: str, seed: int = 0) -> Any:
    """A model of transformers; generation configs are as published ones are."""
    torch.manual_seed(seed)
    if family == "t5":
        sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
        config = transformers.T5Config(vocab_size=SIZE, **sizes, decoder_start_token_id=0)
        return transformers.T5ForConditionalGeneration(config).eval()
    if family == "marian":
        numbers = {"pad_token_id": 36, "decoder_start_token_id": 36, "eos_token_id": 0, "forced_eos_token_id": None}
        config = transformers.MarianConfig(**BARTISH, **numbers, max_position_embeddings=32)
        model = transformers.MarianMTModel(config)
        model.generation_config.bad_words_ids = [[36]]
        model.generation_config.renormalize_logits = True
    else:
        config = transformers.BartConfig(**BARTISH, forced_eos_token_id=None, max_position_embeddings=32)
        model = transformers.BartForConditionalGeneration(config)
        model.generation_config.forced_bos_token_id = 0
    torch.nn.init.normal_(model.final_logits_bias)
    model.final_logits_bias[0, model.config.eos_token_id] += 2
    return model.eval()


def build(family: str, seed: int = 0) -> PretrainedSeq2Seq:
    return PretrainedSeq2Seq(make(family, seed))


def padded(rows: list[list[int]], width: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    width = width or max(map(len, rows))
    source = torch.tensor([row + [20] * (width - len(row)) for row in rows])
    return source, torch.tensor([[place < len(row) for place in range(width)] for row in rows])


def targets(module: PretrainedSeq2Seq) -> torch.Tensor:
    """The first piece is what search has to write where the model demands one."""
    first = 4 if module.first_piece is None else module.first_piece
    return torch.tensor([[module.special.start, first, 7, 8, 9], [module.special.start, first, 3, 30, 31]])[[0, 1, 0]]


def scores(module: PretrainedSeq2Seq, memory: Memory, target: torch.Tensor) -> torch.Tensor:
    return module.project(module.decode(memory, target).flatten(0, 1)).view(*target.shape, -1)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_model(family: str) -> None:
    model = make(family)
    module, (source, mask) = PretrainedSeq2Seq(model), padded(SOURCE, 8)
    assert module.training is model.training is False
    assert PretrainedSeq2Seq(make(family).train()).training
    target = targets(module)
    expected = model(input_ids=source, attention_mask=mask.long(), decoder_input_ids=target, use_cache=False).logits
    found = scores(module, module.encode(source, mask), target)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert module.special == SPECIALS[family]
    assert (module.vocab_size, module.max_length) == (SIZE, None if family == "t5" else 32)


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_say_what_whole_sequences_say(family: str) -> None:
    module = build(family)
    memory, target = module.encode(*padded(SOURCE)), targets(module)
    whole = scores(module, memory, target).repeat_interleave(2, 0)
    cache = module.start(memory, 2)
    for place, pieces in enumerate(target.repeat_interleave(2, 0).T):
        step = module.step(cache, pieces)
        allowed = step > -torch.inf
        torch.testing.assert_close(step[allowed], whole[:, place][allowed], rtol=0, atol=1e-5)
        forbidden = {0: SIZE - 1}.get(place, 0) if family == "bart" else int(family == "marian")
        assert (~allowed).sum(dim=1).tolist() == [forbidden] * 6
    assert family != "marian" or not allowed[:, module.special.pad].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_count(family: str) -> None:
    module = build(family)
    target = targets(module)
    together = scores(module, module.encode(*padded(SOURCE, 11)), target)
    for row, source in enumerate(SOURCE):
        alone = scores(module, module.encode(*padded([source])), target[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=2e-5)
    assert not torch.allclose(together[0], together[2], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_hypotheses_change_places_and_rows_are_left(family: str) -> None:
    module = build(family)
    cache = module.start(module.encode(*padded(SOURCE)), 2)
    start = module.special.start
    module.step(cache, torch.full((6,), start))
    module.step(cache, torch.tensor([13, 14, 15, 16, 17, 18]))
    module.reorder(cache, torch.tensor([1, 1, 3, 2, 4, 4]))
    module.keep(cache, torch.tensor([2, 0]))
    last = torch.tensor([21, 22, 23, 24])
    found = module.step(cache, last)
    module.reorder(cache, torch.tensor([1, 0, 2, 3]))
    after = module.step(cache, torch.full((4,), 25))
    for number, (row, piece) in enumerate([(2, 17), (2, 17), (0, 14), (0, 14)]):
        memory = module.encode(*padded([SOURCE[row]]))
        other = [1, 0, 2, 3][number]
        for step, read in [(found, [int(last[number])]), (after, [int(last[other]), 25])]:
            expected = scores(module, memory, torch.tensor([[start, piece, *read]]))[0, -1]
            allowed = step[number] > -torch.inf
            torch.testing.assert_close(step[number][allowed], expected[allowed], rtol=0, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_left_before_the_first_step(family: str) -> None:
    module = build(family)
    pieces = torch.full((4,), module.special.start)
    cache = module.start(module.encode(*padded(SOURCE)), 2)
    module.reorder(cache, torch.tensor([1, 0, 3, 2, 5, 4]))
    module.keep(cache, torch.tensor([2, 1]))
    expected = module.start(module.encode(*padded([SOURCE[2], SOURCE[1]])), 2)
    for _ in range(2):
        torch.testing.assert_close(module.step(cache, pieces), module.step(expected, pieces), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_of_attention(family: str) -> None:
    module = build(family)
    source, mask = padded(SOURCE, 8)
    memory, target = module.encode(source, mask), targets(module)
    before = module.decode(memory, target)
    weights = module.attention(memory, target)
    assert weights.shape == (3, 5, 8)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 5))
    assert (weights[~mask[:, None].expand_as(weights)] == 0).all()
    assert (weights[mask[:, None].expand_as(weights)] > 0).all()
    assert weights[0].std(dim=1).min() > 0
    # Search and training go on with the kernels they had.
    assert torch.equal(module.decode(memory, target), before)
    assert module.model.get_decoder().config._attn_implementation == ("eager" if family == "t5" else "sdpa")


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_all_parameters(family: str) -> None:
    module = build(family).train()
    target = targets(module)
    found = scores(module, module.encode(*padded(SOURCE)), target)
    torch.nn.functional.cross_entropy(found.flatten(0, 1), target.flatten()).backward()
    reached = {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    fixed = {name for name, _ in module.named_parameters() if family == "marian" and "embed_positions" in name}
    assert reached == {name for name, _ in module.named_parameters()} - fixed


@pytest.mark.parametrize("family", FAMILIES)
def test_config_and_weights_alone_make_the_model(family: str) -> None:
    module = build(family)
    data = module.config_bytes()
    other = PretrainedSeq2Seq.from_config(srsly.json_loads(data)).eval()
    memory, target = module.encode(*padded(SOURCE)), targets(module)
    assert not torch.allclose(other.decode(memory, target), module.decode(memory, target))
    state = safetensors.save(module.state_dict())
    assert len(module.state_dict()) < len(module.model.state_dict())
    other.load_state_dict(safetensors.load(state))
    assert torch.equal(scores(other, other.encode(*padded(SOURCE)), target), scores(module, memory, target))
    assert other.config_bytes() == data
    assert (other.first_piece, other.forbidden.tolist()) == (module.first_piece, module.forbidden.tolist())
    # Embeddings are tied as they were.
    table = other.model.get_input_embeddings().weight
    assert other.model.get_output_embeddings().weight is table


def test_weights_keep_their_type() -> None:
    """A model that was stored in half precision, but loaded in full, is built anew in full."""
    model = make("bart")
    model.config.torch_dtype = torch.float16
    other = PretrainedSeq2Seq.from_config(srsly.json_loads(PretrainedSeq2Seq(model).config_bytes()))
    assert {parameter.dtype for parameter in other.parameters()} == {torch.float32}
    half = PretrainedSeq2Seq(make("bart").to(torch.bfloat16)).config_bytes()
    assert PretrainedSeq2Seq.from_config(srsly.json_loads(half)).model.dtype == torch.bfloat16


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("beams", [1, 5])
def test_search_finds_what_transformers_finds(family: str, beams: int) -> None:
    for seed in range(3):
        model = make(family, seed)
        module = PretrainedSeq2Seq(model)
        # Search forbids padding and start after the softmax; Marian's own generation config does so before it.
        banned = sorted({module.special.pad, module.special.start} - {module.special.end})
        settings = {} if family == "marian" else {"bad_words_ids": [[piece] for piece in banned]}
        settings |= {"num_beams": beams, "num_return_sequences": beams, "max_new_tokens": LIMIT, "do_sample": False}
        options = SearchOptions(beams=beams, n_best=beams, max_ratio=0.0, max_extra=LIMIT, min_length=0)
        for source, found in zip(SOURCE, search(module, SOURCE, options)):
            row, mask = padded([source])
            given = model.generate(
                row, attention_mask=mask.long(), **settings, return_dict_in_generate=True, output_scores=True
            )
            assert [hypothesis.pieces for hypothesis in found] == [
                written(pieces, module.special) for pieces in given.sequences[:, 1:].tolist()
            ]
            if beams > 1:
                expected = given.sequences_scores.tolist()
                assert [hypothesis.score for hypothesis in found] == pytest.approx(expected, abs=1e-4)


def written(pieces: list[int], special: Special) -> list[int]:
    """Up to the end. Behind it stands padding."""
    return pieces[: pieces.index(special.end)] if special.end in pieces else pieces


def test_loading_from_a_folder(tmp_path: Path) -> None:
    """In full precision, however the file stores the weights."""
    model = make("marian")
    model.to(torch.bfloat16).save_pretrained(tmp_path / "model")
    module = load_pretrained(str(tmp_path / "model"))
    assert not module.training
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert module.forbidden.nonzero().tolist() == [[36]]
    table = module.model.get_input_embeddings().weight
    assert torch.equal(table, model.get_input_embeddings().weight.float())
    assert str(tmp_path) not in module.config_bytes().decode("utf8")


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match=r"\[N237\].*there is no such folder"):
        load_pretrained(str(tmp_path / "nothing"))
    make("bart").save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(NlpkitError, match=r"\[N237\].*safetensors"):
        load_pretrained(str(tmp_path / "pickled"))
    make("bart").save_pretrained(tmp_path / "part")
    weights = safetensors.load_file(tmp_path / "part" / "model.safetensors")
    weights.pop("model.decoder.layers.1.fc1.weight")
    safetensors.save_file(weights, tmp_path / "part" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NlpkitError, match=r"\[N237\].*lacks weights, such as model\.decoder\.layers\.1\.fc1\.weight"):
        load_pretrained(str(tmp_path / "part"))


def test_models_that_do_not_fit_are_refused() -> None:
    encoder = transformers.BertModel(transformers.BertConfig(SIZE, 16, 1, 2, 24))
    with pytest.raises(NlpkitError, match=r"\[N236\].*'bert'.*no encoder"):
        PretrainedSeq2Seq(encoder)
    saved = srsly.json_loads(build("bart").config_bytes())
    saved["config"]["model_type"] = "bert"
    with pytest.raises(NlpkitError, match=r"\[N236\].*'bert'"):
        PretrainedSeq2Seq.from_config(saved)
    without_end = make("t5")
    without_end.generation_config.eos_token_id = without_end.config.eos_token_id = None
    with pytest.raises(NlpkitError, match=r"\[N236\].*eos_token_id"):
        PretrainedSeq2Seq(without_end)


def test_a_model_of_other_parts_is_refused() -> None:
    """Its decoder keeps a cache of another kind."""
    sizes = {name: value for name, value in BARTISH.items() if name != "init_std"}
    model = transformers.LEDForConditionalGeneration(transformers.LEDConfig(**sizes, attention_window=8))
    with pytest.raises(NlpkitError, match=r"\[N236\].*'led'.*not called as"):
        PretrainedSeq2Seq(model)


def test_another_way_to_scores_is_noticed() -> None:
    """A factor that only the whole model knows."""
    model = make("bart")
    model.register_forward_hook(lambda module, args, output: output.__setitem__("logits", output.logits * 2))
    with pytest.raises(NlpkitError, match=r"\[N236\].*scores pieces"):
        PretrainedSeq2Seq(model)


def test_forbidden_sequences_are_told() -> None:
    model = make("marian")
    model.generation_config.bad_words_ids = [[36], [4, 5]]
    with pytest.warns(UserWarning, match=r"\[NW235\].*\[\[4, 5\]\]"):
        module = PretrainedSeq2Seq(model)
    assert module.forbidden.nonzero().tolist() == [[36]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PretrainedSeq2Seq(make("marian"))
