"""The shape of a Transformer encoder-decoder."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import Errors, NlpkitError

_CHOICES = {
    "norm": ("layer", "rms"),
    "positions": ("sinusoidal", "learned", "rotary"),
    "activation": ("relu", "gelu", "swiglu"),
    "tied": ("all", "target", "none"),
}
_COUNTS = ("width", "heads", "encoder_layers", "decoder_layers", "hidden_width", "max_length")
_RATES = ("dropout", "attention_dropout", "activation_dropout", "word_dropout")


@dataclass(frozen=True)
class TransformerSettings:
    """Settings of `TransformerSeq2Seq`.

    width: Of all states; a multiple of `heads`. heads: Of every attention. encoder_layers, decoder_layers: How many.
    hidden_width: Within the feed-forward networks. norm: "layer" (Ba et al., 2016) or "rms" (Zhang and Sennrich, 2019).
    pre_norm: Whether inputs of the sublayers are normalised, and once the output of the stack (Xiong et al., 2020), in
    place of the sums (Vaswani et al., 2017). positions: "sinusoidal" (Vaswani et al., 2017), "learned", or "rotary" (Su
    et al., 2021), in self-attention. activation: "relu", "gelu", or "swiglu" (Shazeer, 2020). tied: "all": source,
    target and output share one table, which needs one vocabulary (Press and Wolf, 2017); "target": target and output;
    "none". dropout: Of embeddings and of what sublayers add. attention_dropout: Of attention weights.
    activation_dropout: Within the feed-forward networks. word_dropout: Of whole pieces' embeddings (Gal and Ghahramani,
    2016). max_length: Of source and target; heeded by learned positions alone, the others know no limit.

    RAISES: NlpkitError for a value that cannot be.
    """

    width: int = 256
    heads: int = 4
    encoder_layers: int = 3
    decoder_layers: int = 3
    hidden_width: int = 1024
    norm: str = "layer"
    pre_norm: bool = True
    positions: str = "sinusoidal"
    activation: str = "relu"
    tied: str = "all"
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    word_dropout: float = 0.0
    max_length: int = 256

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            self._check(name, getattr(self, name) in choices, "one of " + ", ".join(choices))
        for name in _COUNTS:
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in _RATES:
            self._check(name, 0 <= getattr(self, name) < 1, "0 or more, and less than 1")
        self._check("width", self.width % (2 * self.heads) == 0, "a multiple of two times the heads")

    def _check(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            value = getattr(self, name)
            message = Errors.N230.format(setting=name, owner="the Transformer", value=value, allowed=allowed)
            raise NlpkitError(message)
