"""Converters: annotations in the formats in which people have them, into spaCy documents.

Every converter reads the files of one format, yields documents and counts what it meets in a `Report`; a
bad line costs no more than itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ... import attributes
from ...errors import Errors, NlpkitError
from .prodigy import convert_prodigy
from .reading import FORMATS, detect_format, find_files
from .report import ConvertOptions, Report
from .spacy_files import convert_docbin, convert_spacy_json, read_docbin, write_docbins
from .tagged import convert_tagged

__all__ = ["FORMATS", "ConvertOptions", "Report", "convert_path", "read_docbin", "write_docbins"]

Converter = Callable[[Sequence[Path], Language, ConvertOptions, Report], Iterator[Doc]]
CONVERTERS: dict[str, Converter] = {
    "prodigy": convert_prodigy,
    "tagged": convert_tagged,
    "spacy-json": convert_spacy_json,
    "spacy": convert_docbin,
}


def convert_path(path: str | Path, nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """Convert a file, or all files under a folder, to documents.

    nlp (Language): Gives the tokenizer for texts, and the vocabulary.
    report (Report): Counts grow while the documents are drawn; complete when the iterator ends.
    RAISES: N006 for options that do not fit the format, N020 and N021 where there is nothing to read, N028
        where nothing could be converted, and what `reading` raises for a file that cannot be read.
    """
    attributes.register_item_attributes()
    for format_, files in group_by_format(Path(path), options, report).items():
        if format_ != "prodigy" and (options.clean or options.repair or options.binary is not None):
            setting = "--clean" if options.clean else "--repair" if options.repair else "--binary"
            expected = f"left out for {files[0]}: only Prodigy's JSONL is tokenized anew"
            raise NlpkitError(Errors.N006.format(setting=setting, name="convert", expected=expected, value=True))
        for doc in CONVERTERS[format_](files, nlp, options, report):
            report.converted += 1
            report.labels.update(ent.label_ for ent in doc.ents)
            yield doc
    if not report.converted:
        first = report.problems[0] if report.problems else "no item with an accepted answer"
        raise NlpkitError(Errors.N028.format(path=path, counts=report.counts(), first=first))


def group_by_format(path: Path, options: ConvertOptions, report: Report) -> dict[str, list[Path]]:
    """The files to read, by format, in the order of their paths.

    A file of unknown format is an error where it was named, in a folder it is counted as a skipped item.
    """
    if options.format not in ("auto", *FORMATS):
        expected = f"auto, {', '.join(FORMATS)}"
        raise NlpkitError(
            Errors.N006.format(setting="--format", name="convert", expected=expected, value=options.format)
        )
    groups: dict[str, list[Path]] = {}
    for file in find_files(path):
        try:
            format_ = detect_format(file) if options.format == "auto" else options.format
        except NlpkitError as error:
            if not path.is_dir():
                raise
            report.read += 1
            report.skip("file of no known format", str(error))
            continue
        groups.setdefault(format_, []).append(file)
    return groups
