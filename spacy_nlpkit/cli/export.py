"""`python -m spacy nlpkit export`: tasks for Prodigy from tables and .spacy files, and tables from tasks."""

from __future__ import annotations

from pathlib import Path

from ..errors import Errors, NlpkitError, Warnings
from ._util import Arg, Opt, command, msg
from .convert import make_tokenizing_nlp, print_report

WAYS = ((".csv", ".jsonl"), (".jsonl", ".csv"), (".spacy", ".jsonl"))


@command("export")
def export(
    input_path: Path = Arg(..., metavar="INPUT", help="A .csv, .jsonl or .spacy file"),
    output_path: Path = Arg(..., metavar="OUTPUT", help="A .jsonl file, or for .jsonl a .csv file"),
    text_column: str = Opt("text", "--text-column", "-t", help="Column of the table that holds the text"),
    limit: int | None = Opt(None, "--limit", "-n", min=1, help="How many items to write at most"),
    lang: str = Opt("en", "--lang", "-l", help="Language of the .spacy file"),
    show: int = Opt(10, "--show", min=0, help="How many bad lines to list"),
) -> None:
    """Write texts as tasks for Prodigy: a table (CSV) or a .spacy file to JSONL; or JSONL to a table.

    Ends with a table of what was read, written and skipped. Exit status 1, and nothing written, where there
    is no text to write.
    """
    from ..data.converters.exporting import (
        PARTIAL,
        REJECTED,
        SPANS_IN_TABLE,
        export_csv,
        export_docbin,
        export_jsonl,
    )
    from ..data.converters.report import Report

    way = (input_path.suffix.lower(), output_path.suffix.lower())
    if way not in WAYS:
        expected = " or ".join(f"{source} to {target}" for source, target in WAYS)
        raise _bad_path(expected, f"{input_path} to {output_path}")
    if not input_path.is_file():
        raise NlpkitError(
            Errors.N020.format(path=input_path, problem="no such file", formats="texts (.csv, .jsonl, .spacy)")
        )
    report = Report(max_problems=show)
    try:
        if way[0] == ".csv":
            export_csv(input_path, output_path, text_column, report, limit)
        elif way[0] == ".jsonl":
            export_jsonl(input_path, output_path, text_column, report, limit)
        else:
            nlp = make_tokenizing_nlp(lang, plain_tokenizer=True)
            export_docbin(input_path, output_path, nlp, report, limit)
    except OSError as error:
        raise _bad_path(f"a path that can be written ({error.strerror})", str(output_path)) from error
    finally:
        print_report(report)
    for what in (PARTIAL, REJECTED, SPANS_IN_TABLE):
        if report.notes[what]:
            msg.warn(Warnings.NW026.format(count=report.notes[what], what=what, format=way[1]))
    msg.good(f"Wrote {output_path}")


def _bad_path(expected: str, value: str) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting="INPUT OUTPUT", name="export", expected=expected, value=value))
