"""Every message a user can meet, with a code that documentation and tests refer to.

A message names the thing, the place and the next step. Each module has blocks of codes, for errors (N) and warnings
(NW) alike; a new message goes into the block of its subject, a new block gets a line here:

001-013 pipes.py: every pipe
014-019 little_data.py: vectors and annotation of unlabelled texts
020-034 data.py: converting
035-049 data.py: corpora, checks, augmenters
050-069 symbols.py: symbols and listings
070-089 ticker_ner.py
090-109 cli.py: command line, evaluation and metrics
110-111 text_classifier.py: scores
112-119 data.py: classes
120-123 little_data.py: selection of texts
124-127 little_data.py: learning curves
128-139 text_classifier.py: the component
140-143 text_classifier.py: explanations
144-149 little_data.py: self-training
150-169 kg.py: graphs, stores and building
170-179 kg.py: candidates
180-199 remote.py: remote graphs
200-214 linking_data.py: data for entity linking
215-222 kg_linker.py: the component and its scores
223-229 seq2seq_pipe.py: the component, its loaders and its training
230-234 seq2seq.py: the Transformer and search
235-239 seq2seq.py: recurrent and pretrained encoder-decoders
240-249 seq2seq_data.py: subwords and pairs of texts
250-254 seq2seq_cli.py: scores of written texts, attention
255-259 seq2seq_pipe.py: CTranslate2, and more of the component
260-264 seq2seq_pipe.py: going on with a training
"""

from __future__ import annotations

from typing import Any

from .cli import CommandErrors
from .data import DataErrors, DataWarnings
from .kg import KgErrors, KgWarnings
from .kg_linker import KgLinkerErrors, KgLinkerWarnings
from .linking_data import LinkingDataErrors, LinkingDataWarnings
from .little_data import LittleDataErrors, LittleDataWarnings
from .pipes import PipeErrors, PipeWarnings
from .remote import RemoteErrors, RemoteWarnings
from .seq2seq import Seq2SeqErrors, Seq2SeqWarnings
from .seq2seq_cli import Seq2SeqCliErrors
from .seq2seq_data import Seq2SeqDataErrors, Seq2SeqDataWarnings
from .seq2seq_pipe import Seq2SeqPipeErrors, Seq2SeqPipeWarnings
from .symbols import SymbolErrors, SymbolWarnings
from .text_classifier import TextClassifierErrors, TextClassifierWarnings
from .ticker_ner import TickerNerErrors, TickerNerWarnings


class _Coded(type):
    """Prefix every message with its code: `Errors.N001` reads "[N001] ...", and a code that is missing raises."""

    def __getattribute__(cls, code: str) -> Any:
        message = super().__getattribute__(code)
        if code.startswith("__"):
            return message
        return f"[{code}] {message}"


class Errors(
    PipeErrors,
    DataErrors,
    SymbolErrors,
    TickerNerErrors,
    CommandErrors,
    TextClassifierErrors,
    LittleDataErrors,
    KgErrors,
    RemoteErrors,
    LinkingDataErrors,
    KgLinkerErrors,
    Seq2SeqErrors,
    Seq2SeqPipeErrors,
    Seq2SeqDataErrors,
    Seq2SeqCliErrors,
    metaclass=_Coded,
):
    """What stops the work: raised as `NlpkitError`."""


class Warnings(
    PipeWarnings,
    DataWarnings,
    SymbolWarnings,
    TickerNerWarnings,
    TextClassifierWarnings,
    LittleDataWarnings,
    KgWarnings,
    RemoteWarnings,
    LinkingDataWarnings,
    KgLinkerWarnings,
    Seq2SeqWarnings,
    Seq2SeqPipeWarnings,
    Seq2SeqDataWarnings,
    metaclass=_Coded,
):
    """What the work goes on after: given by `warnings.warn`."""


class NlpkitError(ValueError):
    """What the package raises for bad input or settings: commands print it as one line and exit with status 1."""
