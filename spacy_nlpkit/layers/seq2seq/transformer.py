"""The Transformer as an encoder-decoder (Vaswani et al., 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import Errors, NlpkitError
from ..dropout import Dropout, drop
from .interface import EncoderDecoder, Memory, Special
from .positions import GrowingTable
from .transformer_decoding import DecoderView, DecodingCache
from .transformer_parts import DecoderLayer, EncoderLayer, make_norm
from .transformer_settings import TransformerSettings


class TransformerSeq2Seq(EncoderDecoder):
    """An encoder and a decoder of `settings`, for `source_size` and `target_size` pieces.

    Parameters: `source_embedding` (absent where tied = "all"), `target_embedding`, `output_weight` (only where tied =
    "none") and `output_bias`; `source_positions` and `target_positions` of learned positions; `encoder.N` and
    `decoder.N` with the names of `transformer_parts`; `encoder_norm` and `decoder_norm` where pre_norm. A table that is
    shared is stored once.

    `dropout` is one module for all layers: whoever sets its `p` sets the rate of all.

    RAISES: NlpkitError if tied = "all", but the sizes differ.
    """

    def __init__(self, settings: TransformerSettings, source_size: int, target_size: int, special: Special) -> None:
        super().__init__()
        if settings.tied == "all" and source_size != target_size:
            raise NlpkitError(Errors.N231.format(source=source_size, target=target_size))
        self.settings = settings
        self.special = special
        self.vocab_size = target_size
        self.max_length = settings.max_length if settings.positions == "learned" else None
        width = settings.width
        self.dropout = Dropout(settings.dropout)
        self.source_embedding = None if settings.tied == "all" else _normal(source_size, width)
        self.target_embedding = _normal(target_size, width)
        self.output_weight = nn.Parameter(torch.empty(target_size, width)) if settings.tied == "none" else None
        if self.output_weight is not None:
            nn.init.xavier_uniform_(self.output_weight)
        self.output_bias = nn.Parameter(torch.zeros(target_size))
        learned = settings.positions == "learned"
        self.source_positions = _normal(settings.max_length, width) if learned else None
        self.target_positions = _normal(settings.max_length, width) if learned else None
        rotary = settings.positions == "rotary"
        self.table = None if learned else GrowingTable(rotary, width // settings.heads if rotary else width)
        self.encoder: Any = nn.ModuleList(EncoderLayer(settings, self.dropout) for _ in range(settings.encoder_layers))
        self.decoder: Any = nn.ModuleList(DecoderLayer(settings, self.dropout) for _ in range(settings.decoder_layers))
        self.encoder_norm = make_norm(settings) if settings.pre_norm else None
        self.decoder_norm = make_norm(settings) if settings.pre_norm else None

    def compile_layers(self) -> None:
        """Compile each layer where it first runs, for all lengths and sizes of batches at once: `torch.compile`."""
        for layer in (*self.encoder, *self.decoder):
            layer.compile(dynamic=True)

    def encode(self, source: Tensor, mask: Tensor) -> Memory:
        """Source pieces (rows, length) int64, with a mask (rows, length), true where a piece stands.

        RAISES: NlpkitError if the source is longer than learned positions go.
        """
        states = self._embed(source, self.source_table, self.source_positions)
        angles = self.angles(0, source.shape[1])
        attended = attention_mask(mask)
        for layer in self.encoder:
            states = layer(states, attended, angles)
        return Memory(states if self.encoder_norm is None else self.encoder_norm(states), mask)

    def decode(self, memory: Memory, target: Tensor) -> Tensor:
        """As `EncoderDecoder.decode`. RAISES: As `encode`, of the target."""
        states = self._embed(target, self.target_embedding, self.target_positions)
        angles = self.angles(0, target.shape[1])
        mask = attention_mask(memory.mask)
        for layer in self.decoder:
            states = layer(states, memory.states, mask, angles)
        return states if self.decoder_norm is None else self.decoder_norm(states)

    def project(self, states: Tensor) -> Tensor:
        """Scores (n, vocab_size) of the piece that follows states (n, width), before the softmax."""
        return functional.linear(states, self.output_table, self.output_bias)

    def attention(self, memory: Memory, target: Tensor) -> Tensor:
        """As `EncoderDecoder.attention`: the mean of the heads of the last layer. Gradients flow through it, so that a
        loss may guide it."""
        states = self._embed(target, self.target_embedding, self.target_positions)
        angles = self.angles(0, target.shape[1])
        mask = attention_mask(memory.mask)
        *layers, last = self.decoder
        for layer in layers:
            states = layer(states, memory.states, mask, angles)
        _, query = last.look_back(states, angles)
        return last.cross_attention.weights(query, memory.states, mask)

    def start(self, memory: Memory, beams: int) -> DecodingCache:
        """As `EncoderDecoder.start`. Weights are read here: later changes do not reach the search. They, and all that
        the search keeps, are of the type of autocast, where it is on."""
        return DecodingCache(DecoderView(self, memory.states.device), memory, beams)

    def step(self, cache: Any, pieces: Tensor) -> Tensor:
        """As `EncoderDecoder.step`. RAISES: NlpkitError if no learned position is left."""
        return cache.view.step(cache, pieces)

    def reorder(self, cache: Any, parents: Tensor) -> None:
        """As `EncoderDecoder.reorder`."""
        cache.reorder(parents)

    def keep(self, cache: Any, rows: Tensor) -> None:
        """As `EncoderDecoder.keep`."""
        cache.keep(rows)

    @property
    def source_table(self) -> Tensor:
        """The embeddings (source_size, width) of the source's pieces."""
        return self.target_embedding if self.source_embedding is None else self.source_embedding

    @property
    def output_table(self) -> Tensor:
        """The weights (vocab_size, width) that states are projected with."""
        return self.target_embedding if self.output_weight is None else self.output_weight

    def position_vectors(self, positions: Tensor | None, start: int, stop: int) -> Tensor | None:
        """What is added to embeddings at these positions, (stop - start, width); None for rotary ones. `positions`:
        The learned table. RAISES: NlpkitError if that ends before `stop`."""
        if positions is not None:
            if stop > len(positions):
                raise NlpkitError(Errors.N232.format(length=stop, max_length=len(positions)))
            return positions[start:stop]
        assert self.table is not None
        return self.table(start, stop) if self.settings.positions == "sinusoidal" else None

    def angles(self, start: int, stop: int) -> Tensor | None:
        """What turns queries and keys of these positions, (2, stop - start, width of a head); None but for rotary."""
        return self.table(start, stop) if self.table is not None and self.settings.positions == "rotary" else None

    def _embed(self, pieces: Tensor, table: Tensor, positions: Tensor | None) -> Tensor:
        """Embeddings are drawn small for the projection that shares them, and made large for the layers."""
        states = functional.embedding(pieces, table) * self.settings.width**0.5
        if self.training and self.settings.word_dropout:
            states = states * drop(torch.ones_like(states[..., :1]), self.settings.word_dropout)
        vectors = self.position_vectors(positions, 0, pieces.shape[1])
        return self.dropout(states if vectors is None else states + vectors)


def _normal(size: int, width: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(size, width) * width**-0.5)


def attention_mask(mask: Tensor) -> Tensor | None:
    """A mask (rows, length) for sublayers, (rows, 1, 1, length); None where nothing is masked: that is faster."""
    return None if bool(mask.all()) else mask[:, None, None, :]
