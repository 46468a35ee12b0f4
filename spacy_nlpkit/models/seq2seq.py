"""Architectures of `seq2seq`: encoder-decoders in torch. All have `precision` and `groups` beside their own settings:

precision: Of the forward pass in training: `float32`, `bfloat16` or `float16`, on CPU and GPU.
groups: Parameters that learn in a way of their own, by a name of your choice: `pattern`, a regular expression over
    their names; `learn_rate`, a factor to the rate of the optimizer; `frozen_steps`, updates before they begin to learn
    (null: never).
"""

from functools import partial
from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..compat import require
from ..errors import Errors, NlpkitError

Precision = Literal["float32", "bfloat16", "float16"]
Tied = Literal["all", "target", "none"]


def build_transformer_seq2seq(
    width: int = 256,
    heads: int = 4,
    encoder_layers: int = 3,
    decoder_layers: int = 3,
    hidden_width: int = 1024,
    norm: Literal["layer", "rms"] = "layer",
    pre_norm: bool = True,
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal",
    activation: Literal["relu", "gelu", "swiglu"] = "relu",
    tied: Tied = "all",
    dropout: float = 0.1,
    attention_dropout: float = 0.0,
    activation_dropout: float = 0.0,
    word_dropout: float = 0.0,
    max_length: int = 256,
    compile: bool = False,
    precision: Precision = "float32",
    groups: dict[str, dict[str, Any]] = {},  # noqa: B006
) -> Model:
    """A Transformer (Vaswani et al. 2017), with the variants that have proved themselves since.

    width: Of the states. heads: Of the attention; they divide `width`. hidden_width: Of the layers between.
    norm: LayerNorm, or RMSNorm (Zhang and Sennrich 2019). pre_norm: Before each part, or after it.
    positions: `sinusoidal`, `learned` up to `max_length`, or `rotary` (Su et al. 2021).
    activation: Of the layers between; `swiglu` as in Shazeer 2020.
    tied: Which tables are one: those of source, target and output (they need the same subwords), of target and output,
        or none.
    dropout: Of embeddings and of what each part adds. attention_dropout, activation_dropout: Within the parts.
    word_dropout: Share of pieces that are blanked out, in source and target, in training.
    compile: Compile the layers by `torch.compile` where they first run, in training and in reading the source; steps of
        a search stay as they are, as each has another length.
    RAISES: N004 where torch is not installed; N006 for a setting that cannot be.
    """
    require("torch", "The architecture spacy_nlpkit.TransformerSeq2Seq.v1")
    from ..layers.seq2seq.model import encoder_decoder
    from ..layers.seq2seq.transformer import TransformerSettings

    if heads < 1 or width % heads:
        raise _wrong("heads", "TransformerSeq2Seq", f"a divisor of width ({width})", heads)
    settings = TransformerSettings(
        width=width,
        heads=heads,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        hidden_width=hidden_width,
        norm=norm,
        pre_norm=pre_norm,
        positions=positions,
        activation=activation,
        tied=tied,
        dropout=dropout,
        attention_dropout=attention_dropout,
        activation_dropout=activation_dropout,
        word_dropout=word_dropout,
        max_length=max_length,
    )
    build = partial(_make_transformer, settings, compile)
    return encoder_decoder(build, precision, _groups(groups, "TransformerSeq2Seq"))


def build_listener_seq2seq(
    tok2vec: Model[list[Doc], list[Floats2d]],
    width: int = 256,
    heads: int = 4,
    encoder_layers: int = 1,
    decoder_layers: int = 3,
    hidden_width: int = 1024,
    norm: Literal["layer", "rms"] = "layer",
    pre_norm: bool = True,
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal",
    activation: Literal["relu", "gelu", "swiglu"] = "relu",
    tied: Literal["target", "none"] = "target",
    dropout: float = 0.1,
    attention_dropout: float = 0.0,
    activation_dropout: float = 0.0,
    word_dropout: float = 0.0,
    max_length: int = 256,
    compile: bool = False,
    precision: Precision = "float32",
    groups: dict[str, dict[str, Any]] = {},  # noqa: B006
) -> Model:
    """A Transformer that reads token vectors in place of subwords: those of an encoder that other components share.

    tok2vec: The encoder, such as `spacy.Tok2VecListener.v1` or `spacy-transformers.TransformerListener.v1`, or one of
        its own. It learns with the rest, unless its component is frozen.
    encoder_layers: Over the vectors, which have seen their surroundings already.
    The others are as in `TransformerSeq2Seq.v1`; sources are as long as they have tokens.
    RAISES: N004 where torch is not installed; N006 for a setting that cannot be.
    """
    require("torch", "The architecture spacy_nlpkit.ListenerSeq2Seq.v1")
    from ..layers.seq2seq.model import encoder_decoder
    from ..layers.seq2seq.transformer import TransformerSettings

    if heads < 1 or width % heads:
        raise _wrong("heads", "ListenerSeq2Seq", f"a divisor of width ({width})", heads)
    settings = TransformerSettings(
        width=width,
        heads=heads,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        hidden_width=hidden_width,
        norm=norm,
        pre_norm=pre_norm,
        positions=positions,
        activation=activation,
        tied=tied,
        dropout=dropout,
        attention_dropout=attention_dropout,
        activation_dropout=activation_dropout,
        word_dropout=word_dropout,
        max_length=max_length,
    )
    build = partial(_make_listener, settings, compile)
    return encoder_decoder(build, precision, _groups(groups, "ListenerSeq2Seq"), tok2vec=tok2vec)


def build_recurrent_seq2seq(
    cell: Literal["rnn", "lstm", "gru"] = "gru",
    width: int = 256,
    hidden_width: int = 256,
    depth: int = 1,
    bidirectional: bool = True,
    attention: Literal["dot", "general", "additive", "none"] = "additive",
    input_feeding: bool = True,
    tied: Tied = "target",
    dropout: float = 0.3,
    teacher_forcing: float = 1.0,
    teacher_forcing_steps: int = 0,
    precision: Precision = "float32",
    groups: dict[str, dict[str, Any]] = {},  # noqa: B006
) -> Model:
    """A recurrent encoder and decoder, with attention (Bahdanau et al. 2015; Luong et al. 2015) or without (Cho et al.
    2014).

    cell: `rnn`, `lstm` or `gru`. width: Of the embeddings. hidden_width: Of the states. depth: Layers of each side.
    bidirectional: Read the source in both directions.
    input_feeding: Feed each step what the one before it made of the source. Without, training is faster.
    tied: As in `TransformerSeq2Seq.v1`.
    teacher_forcing: Share of pieces that the decoder is told in training; for the others it reads what it would have
        written itself (Bengio et al. 2015). 0 is free running.
    teacher_forcing_steps: Updates over which the share goes down from 1 to that; 0: it is that from the start.
    RAISES: N004 where torch is not installed; N006 for a setting that cannot be.
    """
    require("torch", "The architecture spacy_nlpkit.RecurrentSeq2Seq.v1")
    from ..layers.seq2seq.model import encoder_decoder
    from ..layers.seq2seq.recurrent import RecurrentSettings

    if not 0 <= teacher_forcing <= 1:
        raise _wrong("teacher_forcing", "RecurrentSeq2Seq", "between 0 and 1", teacher_forcing)
    if teacher_forcing_steps < 0:
        raise _wrong("teacher_forcing_steps", "RecurrentSeq2Seq", "0 or more", teacher_forcing_steps)
    settings = RecurrentSettings(
        cell=cell,
        width=width,
        hidden_width=hidden_width,
        depth=depth,
        bidirectional=bidirectional,
        attention=attention,
        input_feeding=input_feeding,
        tied=tied,
        dropout=dropout,
    )
    build, prepare = partial(_make_recurrent, settings), partial(_force, teacher_forcing, teacher_forcing_steps)
    return encoder_decoder(build, precision, _groups(groups, "RecurrentSeq2Seq"), prepare)


def build_pretrained_seq2seq(
    precision: Precision = "float32",
    groups: dict[str, dict[str, Any]] = {},  # noqa: B006
) -> Model:
    """An encoder-decoder of the `transformers` library: Marian, T5, BART and their like.

    What it is comes from `[initialize.components.seq2seq.pretrained]`, a loader such as
    `spacy_nlpkit.PretrainedWeights.v1`, and is saved with the pipeline.
    RAISES: N004 where transformers is not installed.
    """
    require("transformers", "The architecture spacy_nlpkit.PretrainedSeq2Seq.v1")
    from ..layers.seq2seq.model import encoder_decoder

    model = encoder_decoder(_make_pretrained, precision, _groups(groups, "PretrainedSeq2Seq"))
    model.attrs["pretrained"] = True
    return model


# What makes the modules, and sets what changes as they learn: here, and not within, so that models can be pickled.


def _make_transformer(
    settings: Any, compiled: bool, source_size: int, target_size: int, special: Any, config: Any
) -> Any:
    from ..layers.seq2seq.transformer import TransformerSeq2Seq

    module = TransformerSeq2Seq(settings, source_size, target_size, special)
    if compiled:
        module.compile_layers()
    return module


def _make_listener(
    settings: Any, compiled: bool, source_width: int, target_size: int, special: Any, config: Any
) -> Any:
    from ..layers.seq2seq.listening import ListenerSeq2Seq

    module = ListenerSeq2Seq(settings, source_width, target_size, special)
    if compiled:
        module.compile_layers()
    return module


def _make_recurrent(settings: Any, source_size: int, target_size: int, special: Any, config: Any) -> Any:
    from ..layers.seq2seq.recurrent import RecurrentSeq2Seq

    return RecurrentSeq2Seq(settings, source_size, target_size, special)


def _make_pretrained(source_size: int, target_size: int, special: Any, config: Any) -> Any:
    from ..layers.seq2seq.pretrained import PretrainedSeq2Seq

    if config is None:
        raise NlpkitError(Errors.N224)
    return PretrainedSeq2Seq.from_config(config)


def _force(share: float, steps: int, module: Any, n_updates: int) -> None:
    """Tell the decoder the share of pieces that this update asks for."""
    done = min(1.0, n_updates / steps) if steps else 1.0
    module.teacher_forcing = 1.0 + (share - 1.0) * done


def _groups(groups: dict[str, dict[str, Any]], architecture: str) -> list[Any]:
    from ..layers.torch_training import ParameterGroup

    try:
        return [ParameterGroup(**settings) for settings in groups.values()]
    except TypeError as error:
        expected = "blocks of pattern, learn_rate and frozen_steps"
        raise _wrong("groups", architecture, f"{expected} ({error})", groups) from error


def _wrong(setting: str, architecture: str, expected: str, value: object) -> NlpkitError:
    name = f"spacy_nlpkit.{architecture}.v1"
    return NlpkitError(Errors.N006.format(setting=setting, name=name, expected=expected, value=value))
