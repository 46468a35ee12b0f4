"""spaCy's own files: the JSON training format of spaCy 2, and the binary .spacy files of spaCy 3."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.training import Example
from spacy.training.gold_io import json_to_annotations

from ... import attributes
from ...errors import Errors, NlpkitError
from ...files import read_bytes, read_json
from ...util import atomic_write
from .classes import NOT_EXCLUSIVE, exclusive_problem
from .report import ConvertOptions, Report


def convert_spacy_json(paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """One document for each paragraph of spaCy 2's JSON, with its own tokens and all their annotation."""
    for path in paths:
        for number, record in enumerate(read_json(path), start=1):
            paragraphs = record.get("paragraphs") if isinstance(record, dict) else None
            if not isinstance(paragraphs, list):
                report.read += 1
                where = f"{path}, document {number}"
                report.skip("malformed", _not_a(where, "a document of spaCy 2's JSON", "no list 'paragraphs'"))
                continue
            for index, paragraph in enumerate(paragraphs, start=1):
                where = f"{path}, document {number}, paragraph {index}"
                doc = _build_paragraph(paragraph, where, nlp, report)
                if doc is not None:
                    keep_labels(doc, options, report)
                    yield doc


def _build_paragraph(paragraph: Any, where: str, nlp: Language, report: Report) -> Doc | None:
    report.read += 1
    try:
        annotation = next(iter(json_to_annotations({"paragraphs": [paragraph]})))
        words = annotation["token_annotation"]["words"]
        if not words:
            report.skip("blank text", Errors.N030.format(where=where))
            return None
        # spaCy reads its old format through Example alone; the reference is the annotated document.
        return Example.from_dict(Doc(nlp.vocab, words=words), annotation).reference
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        report.skip("malformed", _not_a(where, "a paragraph of spaCy 2's JSON", reason))
        return None


def _not_a(where: object, what: str, reason: object) -> str:
    return Errors.N032.format(where=where, what=what, reason=reason)


def convert_docbin(paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """The documents of .spacy files as they are, but for entities of labels that are not asked for.

    RAISES: N032 where a file is no DocBin, N029 where it is empty.
    """
    for path in paths:
        for doc in read_docbin(path, nlp):
            report.read += 1
            if not doc.text.strip():
                report.skip("blank text", Errors.N030.format(where=f"{path}, document {report.read}"))
                continue
            problem = exclusive_problem(doc.cats, complete=False) if options.exclusive else None
            if problem:
                report.skip(NOT_EXCLUSIVE, Errors.N117.format(where=f"{path}, document {report.read}", problem=problem))
                continue
            keep_labels(doc, options, report)
            yield doc


def keep_labels(doc: Doc, options: ConvertOptions, report: Report) -> None:
    """Count the entities of a document and make those of unwanted labels O; missing tokens stay missing."""
    report.spans_read += len(doc.ents)
    if options.labels is None:
        return
    dropped = [ent for ent in doc.ents if ent.label_ not in options.labels]
    kept = [ent for ent in doc.ents if ent.label_ in options.labels]
    doc.set_ents(kept, outside=dropped, default="unmodified")
    report.spans_skipped["label not asked for"] += len(dropped)
    for key, group in list(doc.spans.items()):
        spans = [span for span in group if span.label_ in options.labels]
        report.spans_skipped["label not asked for"] += len(group) - len(spans)
        # A new group: spaCy's `del group[i]` removes the span before.
        doc.spans[key] = SpanGroup(doc, name=group.name, attrs=group.attrs, spans=spans)


def read_docbin(path: Path, nlp: Language) -> Iterator[Doc]:
    """The documents of a .spacy file, with the attributes of items (`doc._.item_id` and the others) registered.

    RAISES: N032 where the file is no DocBin, N029 where it is empty.
    """
    attributes.register_item_attributes()
    data = read_bytes(path)
    if not data:
        raise NlpkitError(Errors.N029.format(path=path))
    try:
        docs = DocBin().from_bytes(data)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise NlpkitError(_not_a(path, "a .spacy file", f"{type(error).__name__}: {error}")) from error
    yield from docs.get_docs(nlp.vocab)


def to_docbin_bytes(docs: Iterable[Doc]) -> bytes:
    """Documents as the bytes of a .spacy file, with entity ids, span groups, classes and user data."""
    return DocBin(store_user_data=True, docs=docs).to_bytes()


def write_docbins(files: Mapping[Path, Iterable[Doc]] | Mapping[str, Iterable[Doc]]) -> None:
    """Write .spacy files: all are made in memory before the first is written."""
    packed = {path: to_docbin_bytes(docs) for path, docs in files.items()}
    for path, data in packed.items():
        with atomic_write(path, "wb") as file_:
            file_.write(data)
