"""A Transformer that reads token vectors of spaCy's encoders in place of subwords."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .interface import Memory, Special
from .transformer import TransformerSeq2Seq
from .transformer_settings import TransformerSettings


class ListeningSeq2Seq(TransformerSeq2Seq):
    """As `TransformerSeq2Seq`, but a piece of the source is a token: its row in `vectors`.

    vectors (tokens, input_width): Of all documents of a batch, one after the other; to be set before `encode`. They get
    a gradient where they ask for one. What an encoder of spaCy gives has no scale of its own: they are normalised, and
    mapped to the width of the states. No table of the target is shared with the source.
    """

    def __init__(self, settings: TransformerSettings, input_width: int, target_size: int, special: Special) -> None:
        super().__init__(settings, target_size, target_size, special)
        self.source_embedding = None
        self.input_norm = nn.LayerNorm(input_width)
        self.input = nn.Linear(input_width, settings.width)
        self.vectors = torch.zeros(0, input_width)

    def encode(self, source: Tensor, mask: Tensor) -> Memory:
        """Rows of tokens in `vectors` (rows, length) int64, with a mask as in `TransformerSeq2Seq.encode`.

        RAISES: NlpkitError if the source is longer than learned positions go.
        """
        states = self.input(self.input_norm(functional.embedding(source, self.vectors)))
        vectors = self.position_vectors(self.source_positions, 0, source.shape[1])
        states = self.dropout(states if vectors is None else states + vectors)
        return self.run_encoder(states, mask)
