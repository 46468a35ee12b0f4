"""An encoder-decoder that reads the token vectors of a shared encoder."""

from __future__ import annotations

from torch import Tensor, nn

from .interface import Special
from .transformer import TransformerSeq2Seq
from .transformer_settings import TransformerSettings


class ListenerSeq2Seq(TransformerSeq2Seq):
    """A Transformer whose source is rows of `vectors` (tokens, source_width), which stand in for embeddings.

    Pieces of the source are numbers of these rows, so that sources, however they are cut, padded and put together, read
    vectors that were computed once. Gradients flow into `vectors` where they ask for them.

    settings: `tied` is "target" or "none". source_width: Of the vectors. target_size: Of the target's vocabulary.
    """

    def __init__(self, settings: TransformerSettings, source_width: int, target_size: int, special: Special) -> None:
        super().__init__(settings, source_width, target_size, special)
        self.vectors: Tensor | None = None
        # What maps vectors of unit variance to the size of embeddings.
        nn.init.normal_(self._map, std=(source_width * settings.width) ** -0.5)

    @property
    def _map(self) -> Tensor:
        assert self.source_embedding is not None  # absent only where all tables are one
        return self.source_embedding

    @property
    def source_table(self) -> Tensor:
        """What each token gives the encoder: (tokens, width). `vectors` must be set."""
        assert self.vectors is not None
        # Sums of the layers stay in full precision, as over embeddings.
        return (self.vectors @ self._map).to(self._map.dtype)
