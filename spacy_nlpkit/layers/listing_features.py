"""A layer of columns for membership in a listing table, which is saved with the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats2d

from ..errors import Errors, NlpkitError
from ..listings import ListingTable
from .features import NoBackprop, no_backprop

NAME = "listing_features"


@dataclass
class TableSlot:
    """Where the layer keeps its table: None until the pipe is given one."""

    table: ListingTable | None = None


@serialize_attr.register(TableSlot)
def _serialize_slot(_: TableSlot, value: TableSlot, name: str, model: Model) -> bytes:
    return b"" if value.table is None else value.table.to_bytes()


@deserialize_attr.register(TableSlot)
def _deserialize_slot(_: TableSlot, value: bytes, name: str, model: Model) -> TableSlot:
    return TableSlot(ListingTable.from_bytes(value) if value else None)


def listing_features() -> Model[list[Doc], list[Floats2d]]:
    """Four columns (begin, inside, last, unit) for each label of the table: (tokens, `ListingTable.width`).

    The table comes by `set_table`, before the model is initialized: its width is that of the layer.
    """
    return Model(NAME, _forward, init=_init, dims={"nO": None}, attrs={"slot": TableSlot()})


def set_table(model: Model, table: ListingTable, name: str) -> bool:
    """Give the table to every layer of `listing_features` in the model of the component `name`.

    RETURNS (bool): Whether there is such a layer.
    RAISES: N070 where the layer was trained with a table of other labels.
    """
    nodes = [node for node in model.walk() if node.name == NAME]
    for node in nodes:
        held = node.attrs["slot"].table
        if held is not None and node.has_dim("nO") and held.labels != table.labels:
            raise NlpkitError(Errors.N070.format(name=name, old=", ".join(held.labels), new=", ".join(table.labels)))
    for node in nodes:
        node.attrs["slot"] = TableSlot(table)
    return bool(nodes)


def _init(model: Model, X: Any = None, Y: Any = None) -> None:
    table = model.attrs["slot"].table
    if table is None:
        raise NlpkitError(Errors.N071)
    model.set_dim("nO", table.width, force=True)


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], NoBackprop]:
    table = model.attrs["slot"].table
    if table is None:
        raise NlpkitError(Errors.N071)
    columns: Any = model.ops.asarray_f(table.features(docs))
    stops = np.cumsum([len(doc) for doc in docs]).tolist()
    return [columns[stop - len(doc) : stop] for doc, stop in zip(docs, stops)], no_backprop(docs)
