"""Calibration on the dev corpus at every checkpoint, for all components that give probabilities."""

import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import resolve_dot_names

from ..errors import Warnings

Reader = Callable[[Language], Iterable[Example]]


@spacy.registry.callbacks("spacy_nlpkit.calibrate.v1")
def make_calibrate(corpus: str = "corpora.dev") -> Callable[[Language], Language]:
    """A callback for `[training] before_to_disk`: `calibrate_pipeline` on a corpus of the pipeline's config.

    corpus (str): Dotted name of the reader. It is resolved at the first checkpoint and called at each.
    A corpus that cannot be read warns with NW004, one without documents with NW005, once a pipeline: the
    checkpoint is saved all the same, without calibration.
    """
    readers: WeakKeyDictionary[Language, Reader | None] = WeakKeyDictionary()

    def calibrate(nlp: Language) -> Language:
        if not any(hasattr(pipe, "calibrate") for _, pipe in nlp.pipeline):
            return nlp
        with _random_state_kept():
            if nlp not in readers:
                readers[nlp] = _resolve_reader(nlp, corpus)
            reader = readers[nlp]
            if reader is not None:
                examples = _read(nlp, reader, corpus)
                if examples:
                    calibrate_pipeline(nlp, examples)
                else:
                    readers[nlp] = None
        return nlp

    return calibrate


def calibrate_pipeline(nlp: Language, examples: Iterable[Example]) -> None:
    """Call `pipe.calibrate(examples)` on every component that has it, in the order of the pipeline.

    nlp (Language): A component keeps what it fits in its `cfg`; weights stay as they are.
    examples (Iterable[Example]): Held-out examples, not changed. A component gets copies whose predicted side
        holds what the reader put there and what all components *before* it predict, as at evaluation.
    Frozen components (`[training] frozen_components`) are run, but keep the calibration they came with.
    """
    frozen = nlp.config.get("training", {}).get("frozen_components", [])
    waiting = [name for name, pipe in nlp.pipeline if hasattr(pipe, "calibrate") and name not in frozen]
    examples = [Example(eg.predicted.copy(), eg.reference) for eg in examples]
    for name, pipe in nlp.pipeline:
        if name in waiting:
            pipe.calibrate(examples)  # type: ignore[attr-defined]
            waiting.remove(name)
        if not waiting:
            break
        docs = _run(pipe, [eg.predicted for eg in examples], nlp.batch_size)
        for eg, doc in zip(examples, docs):
            eg.predicted = doc


def _run(pipe: Callable[[Doc], Doc], docs: list[Doc], batch_size: int) -> list[Doc]:
    if hasattr(pipe, "pipe"):
        return list(pipe.pipe(docs, batch_size=batch_size))
    return [pipe(doc) for doc in docs]


def _resolve_reader(nlp: Language, corpus: str) -> Reader | None:
    try:
        (reader,) = resolve_dot_names(nlp.config.interpolate(), [corpus])
    except (KeyError, TypeError, ValueError, OSError) as error:
        warnings.warn(Warnings.NW004.format(corpus=corpus, error=_first_line(error)), stacklevel=2)
        return None
    return reader


def _read(nlp: Language, reader: Reader, corpus: str) -> list[Example]:
    try:
        examples = list(reader(nlp))
    except (KeyError, TypeError, ValueError, OSError) as error:
        warnings.warn(Warnings.NW004.format(corpus=corpus, error=_first_line(error)), stacklevel=2)
        return []
    if not examples:
        warnings.warn(Warnings.NW005.format(corpus=corpus), stacklevel=2)
    return examples


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Put the random generators back, so that a training goes on as it would have without calibration."""
    torch: Any = sys.modules.get("torch")  # where it is not loaded, nothing has drawn from it
    state, numpy_state = random.getstate(), numpy.random.get_state()
    torch_state = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        random.setstate(state)
        numpy.random.set_state(numpy_state)
        if torch is not None and torch_state is not None:
            torch.set_rng_state(torch_state)
