"""What layers share that must know the words of the whole training corpus before they are initialized.

Such a layer has two attributes: `new_counter`, which makes a counter for it, and `counted`, the name of the parameter
that the counter sets. The callback `spacy_nlpkit.document_frequencies.v1` finds layers by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Model

NEW_COUNTER, COUNTED = "new_counter", "counted"
# Documents that are counted at a time.
_BATCH = 1000


class Counter(Protocol):
    """Counts documents for one layer, batch by batch."""

    def add(self, docs: list[Doc]) -> None:
        """Count some documents."""
        ...

    def finish(self) -> None:
        """Give the layer what was counted, unless there was no document."""
        ...


def as_counting(model: Model, new_counter: Callable[[Model], Counter], counted: str) -> Model:
    """Mark a layer as one that documents are counted for."""
    model.attrs[NEW_COUNTER] = new_counter
    model.attrs[COUNTED] = counted
    return model


def uncounted(model: Model) -> list[Model]:
    """The layers of a model for which no documents were counted yet."""
    return [node for node in model.walk() if NEW_COUNTER in node.attrs and not node.has_param(node.attrs[COUNTED])]


def new_counters(layers: Iterable[Model]) -> list[Counter]:
    """A counter for each of these layers."""
    return [layer.attrs[NEW_COUNTER](layer) for layer in layers]


def count_documents(layers: Iterable[Model], docs: Iterable[Doc]) -> int:
    """Count documents for these layers. RETURNS: How many there were."""
    counters = new_counters(layers)
    total = 0
    for batch in minibatch(docs, _BATCH):
        total += len(batch)
        for counter in counters:
            counter.add(batch)
    for counter in counters:
        counter.finish()
    return total
