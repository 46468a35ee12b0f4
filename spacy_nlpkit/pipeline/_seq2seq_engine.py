"""What decodes for `seq2seq`: torch, or CTranslate2."""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from typing import Any, Protocol

from thinc.api import Model

from ..compat import require

TORCH = "torch"
# What each backend can calculate in.
COMPUTE_TYPES = {TORCH: ("float32", "bfloat16"), "ctranslate2": ("float32", "int8")}


_OPENED: weakref.WeakSet[Any] = weakref.WeakSet()


def _never_close() -> None:
    """In a forked process: keep what its parent has opened to the very end. To close it is to wait for threads that the
    process does not have, for ever, or to be aborted."""
    for engine in _OPENED:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_never_close)


class Engine(Protocol):
    """Finds the best texts for sources, as numbers of pieces."""

    def write(self, source: list[list[int]], options: Any, prefixes: list[list[int]]) -> list[list[Any]]:
        """Hypotheses for each source, best first."""
        ...

    def is_of_this_process(self) -> bool:
        """Whether the engine was opened here, and not before a fork."""
        ...


class TorchEngine:
    """The search of this package, over the model as it is."""

    def __init__(self, model: Model, compute_type: str) -> None:
        self.model = model
        self.compute_type = compute_type

    def write(self, source: list[list[int]], options: Any, prefixes: list[list[int]]) -> list[list[Any]]:
        """See `Engine`."""
        from ..layers.seq2seq.model import write

        return write(self.model, source, options, prefixes if any(prefixes) else None, self.compute_type)

    def is_of_this_process(self) -> bool:
        """Always: it holds nothing but the model."""
        return True


class CTranslate2Engine:
    """CTranslate2 over a copy of the weights."""

    def __init__(self, model: Model, compute_type: str) -> None:
        require("ctranslate2", 'The setting backend = "ctranslate2"')
        from ..layers.seq2seq.ctranslate import CTranslate2Search, export_module
        from ..layers.seq2seq.model import module_of

        self._process = os.getpid()
        # The weights are in memory once it is open.
        with tempfile.TemporaryDirectory(prefix="spacy_nlpkit_") as folder:
            export_module(module_of(model), folder)
            self._search = CTranslate2Search(folder, module_of(model), compute_type)
        _OPENED.add(self)

    def write(self, source: list[list[int]], options: Any, prefixes: list[list[int]]) -> list[list[Any]]:
        """See `Engine`."""
        return self._search(source, options, prefixes if any(prefixes) else None)

    def is_of_this_process(self) -> bool:
        """Its threads do not live on in a forked process."""
        return self._process == os.getpid()

    def __reduce__(self) -> Any:
        """A copy of the pipe has none, and opens its own."""
        return _no_engine, ()


def _no_engine() -> None:
    return None


def open_engine(model: Model, backend: str, compute_type: str) -> Engine:
    """The engine of a backend: `torch` or `ctranslate2`. RAISES: N004 where CTranslate2 is not installed."""
    return (TorchEngine if backend == TORCH else CTranslate2Engine)(model, compute_type)
