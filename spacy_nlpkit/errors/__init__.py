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
"""

from __future__ import annotations

from typing import Any

from .cli import CommandErrors
from .data import DataErrors, DataWarnings
from .little_data import LittleDataErrors, LittleDataWarnings
from .pipes import PipeErrors, PipeWarnings
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
    metaclass=_Coded,
):
    """What the work goes on after: given by `warnings.warn`."""


class NlpkitError(ValueError):
    """What the package raises for bad input or settings: commands print it as one line and exit with status 1."""
