"""Converters: annotations in the formats in which people have them, into spaCy documents.

Every converter reads the files of one format, yields documents and counts what it meets in a `Report`; a
bad line costs no more than itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ... import attributes
from ...errors import Errors, NlpkitError
from .classes import chosen
from .links import parse_elevant, parse_id_choice, parse_links
from .prodigy import convert_prodigy, convert_tasks
from .reading import FORMATS, detect_format, find_files
from .report import ConvertOptions, LinkOptions, Report, TableOptions, link_kind
from .spacy_files import convert_docbin, convert_spacy_json, read_docbin, write_docbins
from .tables import convert_ag_news, convert_table
from .tagged import convert_tagged

__all__ = [
    "FORMATS",
    "ConvertOptions",
    "LinkOptions",
    "Report",
    "TableOptions",
    "convert_path",
    "read_docbin",
    "write_docbins",
]

Converter = Callable[[Sequence[Path], Language, ConvertOptions, Report], Iterator[Doc]]
CONVERTERS: dict[str, Converter] = {
    "prodigy": convert_prodigy,
    "prodigy-links": partial(convert_tasks, parse_id_choice),
    "links": partial(convert_tasks, parse_links),
    "elevant": partial(convert_tasks, parse_elevant),
    "table": convert_table,
    "ag-news": convert_ag_news,
    "tagged": convert_tagged,
    "spacy-json": convert_spacy_json,
    "spacy": convert_docbin,
}
SOFT_LABELS = ("distribution", "vote")
TABLE_SETTINGS = "--text-column, --columns, --label-column, --label-names, --no-quotes"
LINK_FORMATS = ("prodigy-links", "links", "elevant")
# The formats that have a use for an option; all others refuse it.
HONOURED_BY = {
    "--clean": ("prodigy", "table", "ag-news"),
    "--repair": ("prodigy", *LINK_FORMATS),
    "--binary": ("prodigy", "links", "elevant"),
    "--exclusive": ("prodigy", "table", "ag-news", "spacy"),
    "--soft-labels": ("prodigy",),
    TABLE_SETTINGS: ("table",),
    "--entity-label": LINK_FORMATS,
    "--type-labels": ("elevant",),
}


def convert_path(path: str | Path, nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """Convert a file, or all files under a folder, to documents.

    nlp (Language): Gives the tokenizer for texts, and the vocabulary.
    report (Report): Counts grow while the documents are drawn; complete when the iterator ends.
    RAISES: N006 for options that do not fit the format, N020 and N021 where there is nothing to read, N028
        where nothing could be converted, and what `reading` raises for a file that cannot be read.
    """
    attributes.register_item_attributes()
    if options.soft_labels not in SOFT_LABELS:
        expected = " or ".join(SOFT_LABELS)
        raise _bad_setting("--soft-labels", expected, options.soft_labels)
    for format_, files in group_by_format(Path(path), options, report).items():
        _check_options(format_, files[0], options)
        for doc in CONVERTERS[format_](files, nlp, options, report):
            report.converted += 1
            report.labels.update(ent.label_ for ent in doc.ents)
            report.links.update(link_kind(ent.kb_id_) for ent in doc.ents)
            report.classes.update(chosen(doc.cats))
            yield doc
    if not report.converted:
        first = report.problems[0] if report.problems else "no item with an accepted answer"
        raise NlpkitError(Errors.N028.format(path=path, counts=report.counts(), first=first))


def _check_options(format_: str, file: Path, options: ConvertOptions) -> None:
    """Raise N006 for an option that the format of a file has no use for."""
    given = {
        "--clean": options.clean,
        "--repair": options.repair,
        "--binary": options.binary is not None,
        "--exclusive": options.exclusive,
        "--soft-labels": options.soft_labels != ConvertOptions.soft_labels,
        TABLE_SETTINGS: options.table is not None,
        "--entity-label": options.links is not None and options.links.label != LinkOptions.label,
        "--type-labels": options.links is not None and bool(options.links.type_labels),
    }
    for setting, is_given in given.items():
        if is_given and format_ not in HONOURED_BY[setting]:
            expected = f"left out for {file}: files of the format '{format_}' have no use for it"
            raise _bad_setting(setting, expected, True)


def group_by_format(path: Path, options: ConvertOptions, report: Report) -> dict[str, list[Path]]:
    """The files to read, by format, in the order of their paths.

    A file of unknown format is an error where it was named, in a folder it is counted as a skipped item.
    """
    if options.format not in ("auto", *FORMATS):
        raise _bad_setting("--format", f"auto, {', '.join(FORMATS)}", options.format)
    groups: dict[str, list[Path]] = {}
    for file in find_files(path):
        try:
            format_ = detect_format(file, options.table is not None) if options.format == "auto" else options.format
        except NlpkitError as error:
            if not path.is_dir():
                raise
            report.read += 1
            report.skip("file of no known format", str(error))
            continue
        groups.setdefault(format_, []).append(file)
    return groups


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="convert", expected=expected, value=value))
