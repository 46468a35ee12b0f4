"""Encoder-decoders of recurrent networks: with attention, or with nothing but the encoder's last state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ...errors import Errors, NlpkitError
from ..dropout import Dropout
from .interface import EncoderDecoder, Memory, Special
from .source_attention import SCORES, SourceAttention

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
TIED = ("all", "target", "none")
# State of the network: (depth, rows, width), of an LSTM with its cells.
Hidden = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class RecurrentSettings:
    """Shape of a `RecurrentSeq2Seq`.

    cell: "rnn" (Elman), "lstm" or "gru", of encoder and decoder alike.
    width: Of the embeddings.
    hidden_width: Of the states of encoder and decoder. Two directions have half of it each.
    depth: Layers of encoder and decoder each.
    bidirectional: Whether the encoder reads in both directions.
    attention: "dot", "general" or "additive" (see `SourceAttention`), or "none".
    input_feeding: Whether each step is fed what the one before it made of the source, so that the decoder knows where
        it has looked (Luong et al. 2015). Without, it is fed the encoder's last state, and training reads a whole
        target at once. Counts with attention only.
    tied: What shares a table of embeddings: "all" (source, target and output; one vocabulary for both languages),
        "target" (target and output) or "none".
    dropout: Of embeddings, between layers and before the output.
    teacher_forcing: Part of the pieces of the target that training lets the decoder read; in place of the others it
        reads what it would have written itself.
    RAISES: N006.
    """

    cell: str = "gru"
    width: int = 256
    hidden_width: int = 256
    depth: int = 1
    bidirectional: bool = True
    attention: str = "general"
    input_feeding: bool = True
    tied: str = "target"
    dropout: float = 0.3
    teacher_forcing: float = 1.0

    def __post_init__(self) -> None:
        even = "an even number above 0 where the encoder reads in both directions" if self.bidirectional else "above 0"
        checks = {
            "cell": (self.cell in CELLS, f"one of {', '.join(CELLS)}"),
            "width": (self.width > 0, "above 0"),
            "hidden_width": (self.hidden_width > 0 and self.hidden_width % (1 + self.bidirectional) == 0, even),
            "depth": (self.depth > 0, "above 0"),
            "attention": (self.attention in (*SCORES, "none"), f"one of {', '.join(SCORES)}, none"),
            "tied": (self.tied in TIED, f"one of {', '.join(TIED)}"),
            "dropout": (0 <= self.dropout < 1, "from 0 to below 1"),
            "teacher_forcing": (0 <= self.teacher_forcing <= 1, "from 0 to 1"),
        }
        for setting, (good, expected) in checks.items():
            if not good:
                _refuse(setting, expected, getattr(self, setting))


class _Source(NamedTuple):
    """What the decoder needs of the source at each step. `summary` (rows, width): the encoder's last states."""

    memory: Memory
    keys: Tensor
    summary: Tensor


@dataclass
class _Hypotheses:
    """The cache of a search. `feed` (rows * beams, width): what the network is fed beside the last piece."""

    source: _Source
    beams: int
    hidden: Hidden
    feed: Tensor


class RecurrentSeq2Seq(EncoderDecoder):
    """A recurrent encoder and decoder.

    With attention, the state that the output reads is tanh(C [h_t; mean of the source]), and with input feeding it is
    fed to the next step beside its piece (Luong et al. 2015). Without attention, the output reads h_t, the encoder's
    last state and the last piece (Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder"). Where
    nothing else is, the encoder's last state is fed to each step; the decoder then runs over whole sequences at once,
    if it reads nothing but the target. Either way, a learned bridge makes the decoder's first state of the last states
    of the encoder's last layer.

    source_size, target_size: Of the vocabularies; equal where all tables are tied.
    teacher_forcing: As in `RecurrentSettings`; may be set before each step of training, to 0.0 for a decoder that reads
        its own pieces alone (scheduled sampling: Bengio et al. 2015). Counts in training mode only.
    RAISES: N006.
    """

    def __init__(self, settings: RecurrentSettings, source_size: int, target_size: int, special: Special) -> None:
        super().__init__()
        if settings.tied == "all" and source_size != target_size:
            sizes = f"({source_size} and {target_size} pieces)"
            _refuse("tied", f"'target' or 'none' where source and target have two vocabularies {sizes}", settings.tied)
        self.settings = settings
        self.special = special
        self.vocab_size = target_size
        self.teacher_forcing = settings.teacher_forcing
        width, hidden = settings.width, settings.hidden_width
        between = settings.dropout if settings.depth > 1 else 0.0
        network = CELLS[settings.cell]
        directions = 1 + settings.bidirectional
        self.dropout = Dropout(settings.dropout)
        self.source_table = _table(source_size, width)
        if settings.tied != "all":
            self.target_table = _table(target_size, width)
        self.encoder = network(
            width,
            hidden // directions,
            settings.depth,
            batch_first=True,
            dropout=between,
            bidirectional=settings.bidirectional,
        )
        self.bridge = nn.Linear(hidden, settings.depth * hidden * (2 if settings.cell == "lstm" else 1))
        self.decoder = network(width + hidden, hidden, settings.depth, batch_first=True, dropout=between)
        self.attend = SourceAttention(settings.attention, hidden) if settings.attention != "none" else None
        self.feeds = self.attend is not None and settings.input_feeding
        self.combine = nn.Linear(2 * hidden + (width if self.attend is None else 0), hidden)
        if settings.tied == "none":
            self.output = nn.Linear(hidden, target_size)
        else:
            self.output = nn.Linear(hidden, width, bias=False)
            self.output_bias = nn.Parameter(torch.zeros(target_size))

    def encode(self, source: Tensor, mask: Tensor) -> Memory:
        """As `EncoderDecoder.encode`; padding stands at the end.

        RAISES: N233 for a row without any piece.
        """
        lengths = mask.sum(dim=1).cpu()
        if not lengths.all():
            raise NlpkitError(Errors.N233.format(row=int(lengths.argmin())))
        embedded = self.dropout(self.source_table(source))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, _ = self.encoder(packed)
        # Packing leaves out columns that are padding in every row; the mask keeps its shape, and so do the states.
        padded, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        return Memory(padded, mask)

    def decode(self, memory: Memory, target: Tensor) -> Tensor:
        """As `EncoderDecoder.decode`; in training mode the decoder may read its own pieces, see `teacher_forcing`."""
        source = self._source(memory)
        if not self.feeds and not self._samples:
            hidden, feed = self._first(source)
            states = self._advance(source, hidden, feed, target)[1]
        else:
            states = self._walk(source, target)[0]
        return self.dropout(states)

    def project(self, states: Tensor) -> Tensor:
        """As `EncoderDecoder.project`."""
        outputs = self.output(states)
        if self.settings.tied == "none":
            return outputs
        return functional.linear(outputs, self._target_table.weight, self.output_bias)

    def start(self, memory: Memory, beams: int) -> _Hypotheses:
        """As `EncoderDecoder.start`. All hypotheses of a row share the states of its source."""
        source = self._source(memory)
        hidden, feed = self._first(source)
        rows = torch.arange(len(feed), device=feed.device).repeat_interleave(beams)
        return _Hypotheses(source, beams, _select(hidden, rows), feed[rows])

    def step(self, cache: _Hypotheses, pieces: Tensor) -> Tensor:
        """As `EncoderDecoder.step`."""
        cache.hidden, states, _ = self._advance(cache.source, cache.hidden, cache.feed, pieces[:, None])
        if self.feeds:
            cache.feed = states[:, 0]
        return self.project(states[:, 0])

    def reorder(self, cache: _Hypotheses, parents: Tensor) -> None:
        """As `EncoderDecoder.reorder`."""
        cache.hidden, cache.feed = _select(cache.hidden, parents), cache.feed[parents]

    def keep(self, cache: _Hypotheses, rows: Tensor) -> None:
        """As `EncoderDecoder.keep`."""
        memory, keys, summary = cache.source
        cache.source = _Source(Memory(memory.states[rows], memory.mask[rows]), keys[rows], summary[rows])
        within = torch.arange(cache.beams, device=rows.device)
        self.reorder(cache, (rows[:, None] * cache.beams + within).flatten())

    def attention(self, memory: Memory, target: Tensor) -> Tensor | None:
        """As `EncoderDecoder.attention`: the weights of `SourceAttention`, padding zero; None without attention."""
        if self.attend is None:
            return None
        return self._walk(self._source(memory), target)[1]

    @property
    def _target_table(self) -> nn.Embedding:
        return self.source_table if self.settings.tied == "all" else self.target_table

    @property
    def _samples(self) -> bool:
        return self.training and self.teacher_forcing < 1

    def _source(self, memory: Memory) -> _Source:
        """Each direction has read all at its own end: the first one at the last piece, the second at the first."""
        states, mask = memory
        rows = torch.arange(len(states), device=states.device)
        summary = states[rows, mask.sum(dim=1) - 1]
        if self.settings.bidirectional:
            half = states.shape[2] // 2
            summary = torch.cat([summary[:, :half], states[:, 0, half:]], dim=1)
        return _Source(memory, states if self.attend is None else self.attend.keys(states), summary)

    def _first(self, source: _Source) -> tuple[Hidden, Tensor]:
        """The decoder's state before the first piece, and what it is fed beside it: (rows, width)."""
        summary = source.summary
        # In the type of the summary: in mixed precision the bridge gives another than the network accepts.
        bridged = torch.tanh(self.bridge(summary)).to(summary.dtype)
        layers = bridged.view(len(summary), -1, summary.shape[1]).transpose(0, 1).contiguous()
        hidden: Hidden = layers
        if self.settings.cell == "lstm":
            hidden = (layers[: self.settings.depth].contiguous(), layers[self.settings.depth :].contiguous())
        return hidden, torch.zeros_like(summary) if self.feeds else summary

    def _advance(
        self, source: _Source, hidden: Hidden, feed: Tensor, pieces: Tensor
    ) -> tuple[Hidden, Tensor, Tensor | None]:
        """Read pieces (n, length), one at a time with input feeding; `n` is the number of the source's rows, or for one
        piece a multiple of it.

        feed: (n, width). RETURNS: The state of the network, the states (n, length, width) that the output reads, and
        with attention its weights (n, length, source length).
        """
        embedded = self.dropout(self._target_table(pieces))
        fed = feed[:, None].expand(-1, pieces.shape[1], -1)
        tops, hidden = self.decoder(torch.cat([embedded, fed], dim=2), hidden)
        if self.attend is None:
            return hidden, torch.tanh(self.combine(torch.cat([tops, fed, embedded], dim=2))), None
        memory = source.memory
        # Those that look at the same source look at once: its states need no copy for each of them.
        queries = tops.reshape(len(memory.states), -1, tops.shape[2])
        means, weights = self.attend(queries, source.keys, memory.states, memory.mask)
        states = torch.tanh(self.combine(torch.cat([tops, means.view_as(tops)], dim=2)))
        return hidden, states, weights.reshape(*pieces.shape, -1)

    def _walk(self, source: _Source, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Step by step over target (rows, length): states (rows, length, width), and weights with attention."""
        hidden, feed = self._first(source)
        pieces = target[:, :1]
        states: list[Tensor] = []
        weights: list[Tensor] = []
        for position in range(target.shape[1]):
            if position:
                pieces = target[:, position : position + 1]
                if self._samples:
                    pieces = self._sample(pieces, states[-1])
            hidden, state, weight = self._advance(source, hidden, feed, pieces)
            states.append(state)
            if self.feeds:
                feed = state[:, 0]
            if weight is not None:
                weights.append(weight)
        return torch.cat(states, dim=1), torch.cat(weights, dim=1) if weights else None

    def _sample(self, pieces: Tensor, state: Tensor) -> Tensor:
        """Each of the target's pieces (rows, 1), or the one that the state before it scores highest."""
        with torch.no_grad():
            own = self.project(state[:, 0]).argmax(dim=1, keepdim=True)
        forced = torch.rand(pieces.shape, device=pieces.device) < self.teacher_forcing
        return torch.where(forced, pieces, own)


def _table(size: int, width: int) -> nn.Embedding:
    """Rows of length one on average: where the output shares them, scores start small."""
    table = nn.Embedding(size, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table


def _select(hidden: Hidden, numbers: Tensor) -> Hidden:
    """The states of some hypotheses."""
    if isinstance(hidden, tuple):
        return hidden[0][:, numbers], hidden[1][:, numbers]
    return hidden[:, numbers]


def _refuse(setting: str, expected: str, value: Any) -> None:
    raise NlpkitError(Errors.N006.format(setting=setting, name="RecurrentSeq2Seq", expected=expected, value=value))
