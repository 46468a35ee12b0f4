"""A Transformer of this package as a model of CTranslate2, which decodes several times as fast on a CPU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import torch
from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation
from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import Errors, NlpkitError
from ...subwords import END, START, UNK
from .interface import EncoderDecoder
from .options import Hypothesis, SearchOptions
from .transformer import TransformerSeq2Seq

# Positions that an exported model has where the module knows no limit.
POSITIONS = 2048
# Greatest lengths are rounded up to a multiple of this: sources of about one length go together, whatever the batch.
ROUND = 16
_ACTIVATIONS = {"relu": Activation.RELU, "gelu": Activation.GELU, "swiglu": Activation.SWISH}


def export_module(module: EncoderDecoder, folder: str | Path) -> None:
    """Write a module as a model of CTranslate2, in float32; the module is not changed.

    RAISES: N255 for a module that it cannot run: one of another class, or with rotary positions.
    """
    if type(module) is not TransformerSeq2Seq:
        raise NlpkitError(Errors.N255.format(what=f"an encoder-decoder of the class {type(module).__name__}"))
    if module.settings.positions == "rotary":
        raise NlpkitError(Errors.N255.format(what='positions = "rotary"'))
    settings = module.settings
    shape: dict[str, Any] = {
        "num_heads": settings.heads,
        "pre_norm": settings.pre_norm,
        "activation": _ACTIVATIONS[settings.activation],
        "ffn_glu": settings.activation == "swiglu",
        "rms_norm": settings.norm == "rms",
    }
    encoder = TransformerEncoderSpec(settings.encoder_layers, **shape)
    decoder = TransformerDecoderSpec(settings.decoder_layers, **shape)
    spec = TransformerSpec(encoder, decoder)
    source = module.source_table
    encoder.embeddings[0].weight = _array(source)
    decoder.embeddings.weight = _array(module.target_embedding)
    decoder.projection.weight, decoder.projection.bias = _array(module.output_table), _array(module.output_bias)
    for side, positions in ((encoder, module.source_positions), (decoder, module.target_positions)):
        side.scale_embeddings = True
        stop = POSITIONS if positions is None else len(positions)
        vectors = module.position_vectors(positions, 0, stop)
        assert vectors is not None  # rotary ones were refused
        side.position_encodings.encodings = _array(vectors)
    for layer_spec, layer in zip(encoder.layer, module.encoder):
        _fill_layer(layer_spec, layer)
    for layer_spec, layer in zip(decoder.layer, module.decoder):
        _fill_layer(layer_spec, layer)
        _fill_norm(layer_spec.attention.layer_norm, layer.cross_attention_norm)  # type: ignore[arg-type]
        cross: Any = layer.cross_attention
        for linear, part in zip(layer_spec.attention.linear, (cross.query, cross.key_value, cross.output)):
            _fill_linear(linear, part)
    if settings.pre_norm:
        _fill_norm(encoder.layer_norm, module.encoder_norm)
        _fill_norm(decoder.layer_norm, module.decoder_norm)
    # Its vocabularies hold texts: here they are the numbers of the pieces.
    spec.register_source_vocabulary([str(number) for number in range(len(source))])
    spec.register_target_vocabulary([str(number) for number in range(module.vocab_size)])
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = str(START), str(END), str(UNK)
    spec.config.decoder_start_token = str(module.special.start)
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.validate()
    spec.optimize()
    spec.save(str(folder))


def _fill_layer(spec: Any, layer: Any) -> None:
    """What layers of encoder and decoder have in common."""
    _fill_norm(spec.self_attention.layer_norm, layer.self_attention_norm)
    _fill_linear(spec.self_attention.linear[0], layer.self_attention.query_key_value)
    _fill_linear(spec.self_attention.linear[1], layer.self_attention.output)
    _fill_norm(spec.ffn.layer_norm, layer.feed_forward_norm)
    inner = layer.feed_forward.inner
    if layer.feed_forward.activation == "swiglu":
        (weight, values), (bias, shift) = inner.weight.chunk(2), inner.bias.chunk(2)
        spec.ffn.linear_0.weight, spec.ffn.linear_0.bias = _array(weight), _array(bias)
        spec.ffn.linear_0_noact.weight, spec.ffn.linear_0_noact.bias = _array(values), _array(shift)
    else:
        _fill_linear(spec.ffn.linear_0, inner)
    _fill_linear(spec.ffn.linear_1, layer.feed_forward.outer)


def _fill_linear(spec: Any, linear: nn.Linear) -> None:
    spec.weight, spec.bias = _array(linear.weight), _array(linear.bias)


def _fill_norm(spec: Any, norm: Any) -> None:
    spec.gamma = _array(norm.weight)
    if getattr(norm, "bias", None) is not None:
        spec.beta = _array(norm.bias)


def _array(values: Tensor) -> NDArray[np.float32]:
    """A copy: quantisation would write into the module's own weights."""
    return values.detach().float().cpu().numpy().copy()


class CTranslate2Search:
    """Searches as `search` does, with a model that `export_module` wrote."""

    def __init__(self, folder: str | Path, module: EncoderDecoder, compute_type: str) -> None:
        """compute_type: "float32", or "int8" for weights of 8 bits."""
        device = next(module.parameters()).device.type
        self.special = module.special
        self.max_length = POSITIONS if module.max_length is None else module.max_length
        self.names = [str(number) for number in range(max(module.vocab_size, *self._sizes(module)))]
        threads = torch.get_num_threads()
        self.translator = ctranslate2.Translator(
            str(folder), device=device, compute_type=compute_type, intra_threads=threads, inter_threads=1
        )

    @staticmethod
    def _sizes(module: EncoderDecoder) -> list[int]:
        found = getattr(module, "source_embedding", None)
        return [0 if found is None else len(found)]

    def __call__(
        self, source: Sequence[Sequence[int]], options: SearchOptions, prefixes: Sequence[Sequence[int]] | None = None
    ) -> list[list[Hypothesis]]:
        """As `search`; the greatest length of a target is rounded up to a multiple of `ROUND`.

        RAISES: N255 for length_norm = "gnmt"; N232 for a source that is too long.
        """
        if options.length_norm != "ctranslate2" and options.beams > 1:
            raise NlpkitError(Errors.N255.format(what=f"length_norm = {options.length_norm!r}"))
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, row in enumerate(source):
            if len(row) > self.max_length:
                raise NlpkitError(Errors.N232.format(length=len(row), max_length=self.max_length))
            rounded = min(-(-options.most_of(len(row)) // ROUND) * ROUND, self.max_length)
            groups[rounded, options.least_of(len(row))].append(place)
        found: list[list[Hypothesis]] = [[] for _ in source]
        for (most, least), places in groups.items():
            prefix = (
                None if prefixes is None else [[self.names[piece] for piece in prefixes[place]] for place in places]
            )
            rows = [[self.names[piece] for piece in source[place]] for place in places]
            results = self._translate(rows, prefix, options, most, least)
            for place, result, given in zip(places, results, self._log_probabilities(rows, prefix)):
                found[place] = self._hypotheses(result, options, most, given)
        return found

    def _log_probabilities(self, rows: list[list[str]], prefixes: list[list[str]] | None) -> list[float]:
        """Those of the prefixes, which the scores of hypotheses leave out."""
        if prefixes is None:
            return [0.0] * len(rows)
        scored = self.translator.score_batch(rows, prefixes, max_input_length=0)
        # The last one is that of the end.
        return [sum(result.log_probs[: len(prefix)]) for result, prefix in zip(scored, prefixes)]

    def _named(self, pieces: Sequence[int]) -> list[str]:
        return [self.names[piece] for piece in pieces]

    def _translate(self, rows: Any, prefix: Any, options: SearchOptions, most: int, least: int) -> list[Any]:
        sampling: dict[str, Any] = {}
        if options.temperature:
            ctranslate2.set_random_seed(options.seed)
            sampling = {"sampling_temperature": options.temperature, "sampling_topk": options.top_k}
            sampling |= {"sampling_topp": options.top_p}
        return self.translator.translate_batch(
            rows,
            target_prefix=prefix,
            beam_size=options.beams,
            num_hypotheses=options.n_best,
            length_penalty=options.length_penalty,
            max_decoding_length=most,
            min_decoding_length=least,
            repetition_penalty=options.repetition_penalty,
            no_repeat_ngram_size=options.no_repeat_ngram,
            max_input_length=0,
            return_scores=True,
            **sampling,
        )

    @staticmethod
    def _hypotheses(result: Any, options: SearchOptions, most: int, given: float) -> list[Hypothesis]:
        """most: The greatest length; one of that length has not ended. given: Logarithm of the prefix's probability."""
        found = []
        for names, score in zip(result.hypotheses, result.scores):
            # Scores are sums of log-probabilities over the length, the end included, to the power of the penalty.
            length = len(names) + (len(names) < most)
            total = score * length**options.length_penalty + given
            found.append(Hypothesis([int(name) for name in names], options.normalise(total, length), total))
        return found
