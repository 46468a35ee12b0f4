"""Encoder-decoders of Hugging Face transformers: Marian, T5, BART and their like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from warnings import warn

import srsly
import torch
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    AutoModelForSeq2SeqLM,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
)

from ...errors import Errors, NlpkitError, Warnings
from ...hf_subwords import unknown_place
from .interface import EncoderDecoder, Memory, Special

# Where a config says how many positions the model has; relative ones, as those of T5, have no end.
_POSITIONS = ("max_position_embeddings", "max_encoder_position_embeddings", "max_decoder_position_embeddings")


@dataclass
class _Hypotheses:
    """The cache of a search: keys and values of the decoder, and the source (rows * beams, length, width), with its
    mask; before the first step (rows, length, width), for hypotheses of a row do not differ yet."""

    past: Any
    states: Tensor
    mask: Tensor
    beams: int


class PretrainedSeq2Seq(EncoderDecoder):
    """Wraps a model that `AutoModelForSeq2SeqLM` knows.

    Pieces, scores and weights are those of the model. What its generation config forbids or demands of single pieces is
    observed in search alone, not in the loss: `bad_words_ids` and `suppress_tokens` are never written (Marian's padding
    has a score of its own, that of no piece it was trained on), `forced_bos_token_id` is always the first (BART's
    start, the target language of mBART). They are left out before the softmax, so that probabilities of the others sum
    to one: what `generate` of transformers does with `renormalize_logits`.

    The state dict holds weights that the model uses in several places (tied embeddings) once, as safetensors asks.
    """

    def __init__(self, model: Any) -> None:
        """model: In any dtype, on any device.

        RAISES: N236 where the model lacks a special piece, or scores pieces in a way that `project` does not know.
        """
        super().__init__()
        self.model = model
        config, generation = model.config, model.generation_config
        if not config.is_encoder_decoder or model.get_output_embeddings() is None:
            self._refuse("it has no encoder, or no output of pieces.")
        self.special = self._find_special()
        self.vocab_size = model.get_output_embeddings().weight.shape[0]
        self.max_length = min((size for name in _POSITIONS if (size := getattr(config, name, None))), default=None)
        self.first_piece: int | None = generation.forced_bos_token_id
        forbidden = torch.zeros(self.vocab_size, dtype=torch.bool, device=model.device)
        forbidden[self._find_forbidden()] = True
        self.forbidden: Tensor
        self.register_buffer("forbidden", forbidden, persistent=False)
        # T5 scales states down where its output shares the table of embeddings.
        self._factor = model.model_dim**-0.5 if hasattr(model, "model_dim") and config.tie_word_embeddings else 1.0
        self.register_state_dict_post_hook(_drop_aliases)
        self.register_load_state_dict_pre_hook(_restore_aliases)
        was_training = model.training
        self._check_scores()
        self.train(was_training)

    @classmethod
    def from_config(cls, saved: Mapping[str, Any]) -> PretrainedSeq2Seq:
        """Build a model with random weights from what `config_bytes` gave, read by a JSON parser; opens no file and no
        connection.

        RAISES: N236 for a type of model that transformers does not know as an encoder-decoder.
        """
        settings = dict(saved["config"])
        kind = str(settings.get("model_type"))
        try:
            config = CONFIG_MAPPING[kind].from_dict(settings)
            model = AutoModelForSeq2SeqLM.from_config(config, torch_dtype=getattr(torch, saved["dtype"]))
        except (KeyError, ValueError) as error:
            reason = f"transformers does not build it ({_one_line(error)})."
            raise NlpkitError(Errors.N236.format(type=kind, reason=reason)) from error
        model.generation_config = GenerationConfig.from_dict(dict(saved["generation"]))
        return cls(model)

    def config_bytes(self) -> bytes:
        """All but the weights, as JSON, for `from_config`."""
        config = self.model.config.to_dict()
        config.pop("_name_or_path", None)  # where it once lay on somebody's disk
        dtype = str(self.model.dtype).removeprefix("torch.")
        saved = {"config": config, "generation": self.model.generation_config.to_dict(), "dtype": dtype}
        return srsly.json_dumps(saved, sort_keys=True).encode("utf8")

    def encode(self, source: Tensor, mask: Tensor) -> Memory:
        """As `EncoderDecoder.encode`; the model wants its own special pieces in the source."""
        states = self.model.get_encoder()(input_ids=source, attention_mask=mask.long()).last_hidden_state
        return Memory(states, mask)

    def decode(self, memory: Memory, target: Tensor) -> Tensor:
        """As `EncoderDecoder.decode`."""
        return self._read(memory, target).last_hidden_state

    def project(self, states: Tensor) -> Tensor:
        """As `EncoderDecoder.project`, without what the generation config forbids."""
        scores = self.model.get_output_embeddings()(states * self._factor)
        bias = getattr(self.model, "final_logits_bias", None)
        return scores if bias is None else scores + bias

    def start(self, memory: Memory, beams: int) -> _Hypotheses:
        """As `EncoderDecoder.start`."""
        return _Hypotheses(EncoderDecoderCache(DynamicCache(), DynamicCache()), memory.states, memory.mask, beams)

    def step(self, cache: _Hypotheses, pieces: Tensor) -> Tensor:
        """As `EncoderDecoder.step`; what the generation config forbids scores minus infinity. At the first step all
        hypotheses of a row read the same piece."""
        is_first = cache.past.get_seq_length() == 0
        if is_first:
            # Keys of the source, which the first step computes, are then computed once a row.
            pieces = pieces[:: cache.beams]
        memory = Memory(cache.states, cache.mask)
        states = self._read(memory, pieces[:, None], past_key_values=cache.past, use_cache=True).last_hidden_state
        scores = self.project(states[:, -1]).masked_fill(self.forbidden, -torch.inf)
        if not is_first:
            return scores
        if self.first_piece is not None:
            others = torch.arange(self.vocab_size, device=scores.device) != self.first_piece
            scores = scores.masked_fill(others, -torch.inf)
        cache.past.batch_repeat_interleave(cache.beams)
        cache.states, cache.mask, scores = (
            part.repeat_interleave(cache.beams, dim=0) for part in (cache.states, cache.mask, scores)
        )
        return scores

    def reorder(self, cache: _Hypotheses, parents: Tensor) -> None:
        """As `EncoderDecoder.reorder`; hypotheses of a row share its source, whose keys stay where they are."""
        if cache.past.get_seq_length():
            cache.past.self_attention_cache.reorder_cache(parents)

    def keep(self, cache: _Hypotheses, rows: Tensor) -> None:
        """As `EncoderDecoder.keep`."""
        numbers = rows
        if cache.past.get_seq_length():
            within = torch.arange(cache.beams, device=rows.device)
            numbers = (rows[:, None] * cache.beams + within).flatten()
            cache.past.batch_select_indices(numbers)
        cache.states, cache.mask = cache.states[numbers], cache.mask[numbers]

    def attention(self, memory: Memory, target: Tensor) -> Tensor:
        """As `EncoderDecoder.attention`, in evaluation mode: the mean of the heads of the last layer."""
        with _plain_attention(self.model.get_decoder().config):
            return self._read(memory, target, output_attentions=True).cross_attentions[-1].mean(dim=1)

    def _read(self, memory: Memory, target: Tensor, use_cache: bool = False, **settings: Any) -> Any:
        return self.model.get_decoder()(
            input_ids=target,
            encoder_hidden_states=memory.states,
            encoder_attention_mask=memory.mask.long(),
            use_cache=use_cache,
            **settings,
        )

    def _find_special(self) -> Special:
        numbers: list[Any] = []
        for name in ("pad_token_id", "decoder_start_token_id", "eos_token_id"):
            number = getattr(self.model.generation_config, name, None)
            if isinstance(number, list):  # several ends, of which the config names the one that training writes
                own = getattr(self.model.config, name)
                number = own if own in number else number[0]
            number = getattr(self.model.config, name, None) if number is None else number
            if number is None:
                self._refuse(f"its config has no {name}.")
            numbers.append(number)
        return Special(*numbers)

    def _find_forbidden(self) -> list[int]:
        generation = self.model.generation_config
        words = generation.bad_words_ids or []
        if several := [word for word in words if len(word) > 1]:
            warn(Warnings.NW235.format(type=self.model.config.model_type, words=several), stacklevel=3)
        return [*(word[0] for word in words if len(word) == 1), *(generation.suppress_tokens or [])]

    @torch.no_grad()
    def _check_scores(self) -> None:
        """Hundreds of models differ in how they are called, and in what lies between states and scores: try it out."""
        self.eval()
        source = torch.tensor([[self.special.end]], device=self.model.device)
        target = torch.tensor([[self.special.start, self.special.end]], device=self.model.device)
        mask = torch.ones_like(source, dtype=torch.bool)
        inputs = {"input_ids": source, "attention_mask": mask.long(), "decoder_input_ids": target}
        expected = self.model(**inputs, use_cache=False).logits[0].float()
        try:
            memory = self.encode(source, mask)
            whole = self.project(self.decode(memory, target)[0]).float()
            cache = self.start(memory, 1)
            steps = torch.cat([self.step(cache, pieces) for pieces in target.T]).float()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            self._refuse(f"its parts are not called as those of others are ({_one_line(error)}).")
        limit = 1e-3 * float(expected.abs().max())
        allowed = steps > -torch.inf
        if not torch.allclose(whole, expected, rtol=0, atol=limit):
            self._refuse("it scores pieces by more than the states of its decoder, a bias and one factor.")
        if not torch.allclose(steps[allowed], expected[allowed], rtol=0, atol=limit):
            self._refuse("it scores a piece otherwise where those before it come from the cache.")

    def _refuse(self, reason: str) -> NoReturn:
        raise NlpkitError(Errors.N236.format(type=self.model.config.model_type, reason=reason))


def load_pretrained(name: str) -> PretrainedSeq2Seq:
    """Load a folder or a model of the hub, in float32. Reads safetensors alone, and runs no code of the model's own.

    RAISES: N236, N237.
    """
    if problem := unknown_place(name):
        raise NlpkitError(Errors.N237.format(name=name, reason=problem))
    try:
        model, info = AutoModelForSeq2SeqLM.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, torch_dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise NlpkitError(Errors.N237.format(name=name, reason=_one_line(error))) from error
    if info["missing_keys"]:
        reason = f"its file lacks weights, such as {min(info['missing_keys'])}."
        raise NlpkitError(Errors.N237.format(name=name, reason=reason))
    return PretrainedSeq2Seq(model)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _plain_attention(config: Any) -> Iterator[None]:
    """Fused kernels of attention give no weights: compute it in plain steps while the context lasts."""
    before = config._attn_implementation
    config._attn_implementation = "eager"
    try:
        yield
    finally:
        config._attn_implementation = before


def _aliases(module: torch.nn.Module) -> Iterator[tuple[str, str]]:
    """Each further name of a parameter, with its first."""
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if (known := first.setdefault(id(parameter), name)) != name:
            yield name, known


def _drop_aliases(module: torch.nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for name, _ in _aliases(module):
        state.pop(prefix + name, None)


def _restore_aliases(module: torch.nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for name, known in _aliases(module):
        if prefix + known in state:
            state.setdefault(prefix + name, state[prefix + known])
