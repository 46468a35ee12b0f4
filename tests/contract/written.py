"""Texts and what is to be written for them, for the component that writes texts."""

from __future__ import annotations

from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from spacy_nlpkit.pipeline.seq2seq import Seq2Seq
from spacy_nlpkit.subwords import Subwords

# No target can be copied from its text.
TARGETS = {
    "Shares of Acorn rose today .": "up : acorn",
    "Borea fell on Monday .": "down : borea",
    "The dollar rose again .": "up : dollar",
    "Mills in Oslo closed .": "shut : mills",
}


def annotate(doc: Doc) -> None:
    """Set the target of a reference, which no dictionary of `Example.from_dict` can hold."""
    doc._.target = TARGETS[doc.text]


def subwords(size: int = 400) -> Subwords:
    """Pieces of both sides."""
    return Subwords.train([*TARGETS, *TARGETS.values()] * 2, size=size)


def prepare(nlp: Language, name: str) -> None:
    """Give the component its subwords."""
    pipe = nlp.get_pipe(name)
    assert isinstance(pipe, Seq2Seq)
    pipe.set_subwords(subwords())


def snapshot_written(doc: Doc) -> dict[str, Any]:
    """All that `seq2seq` writes on a document."""
    return doc._.seq2seq or {}


def decides_for_text(doc: Doc) -> bool:
    """Whether anything was written."""
    return bool(snapshot_written(doc).get("text"))
