"""What commands share that show what a component does with texts: where the texts come from, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Errors, NlpkitError
from ._pipelines import one_line
from .convert import print_problems

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..data.texts import TextOptions

# Texts that go through the pipeline at a time: the first ones are to be seen soon.
BATCH_SIZE = 16


def check_options(command: str, texts: list[str], input_path: Path | None, html: Path | None) -> None:
    """RAISES: N143 for no texts, or two sources of them; N006 for a page in place of a folder or of the input."""
    if bool(texts) == (input_path is not None):
        problem = "both TEXT and --input are given" if texts else "no text is given"
        raise NlpkitError(Errors.N143.format(command=command, problem=problem))
    if html is not None and (html.is_dir() or (input_path is not None and html.resolve() == input_path.resolve())):
        expected = "a file, and another one than --input"
        raise NlpkitError(Errors.N006.format(setting="--html", name=command, expected=expected, value=str(html)))


def read_source(
    texts: list[str], input_path: Path | None, options: TextOptions, limit: int | None = None
) -> Iterator[str]:
    """The texts of the command line or, where one is given, of a file, of this at most `limit`.

    RAISES: N027 for an argument that is not UTF-8, which spaCy cannot store; what `data.texts.read_texts` raises.
    """
    return _read_arguments(texts) if input_path is None else islice(_read_file(input_path, options), limit)


def _read_arguments(texts: list[str]) -> Iterator[str]:
    for number, text in enumerate(texts, 1):
        try:
            text.encode("utf8")
        except UnicodeEncodeError as error:
            raise NlpkitError(Errors.N027.format(where=f"TEXT {number}", reason=error.reason)) from error
        yield text


def _read_file(path: Path, options: TextOptions) -> Iterator[str]:
    """The texts of a file, and in the end its first bad lines."""
    from ..data.converters import Report
    from ..data.texts import read_texts

    report = Report()
    try:
        yield from read_texts([path], options, report)
    finally:
        print_problems(report)


def run_upstream(nlp: Language, model: str, name: str, texts: Iterable[str]) -> Iterator[Doc]:
    """Documents as the component of this name gets them.

    RAISES: N122 where what stands before it cannot predict yet.
    """
    names = nlp.pipe_names
    try:
        yield from nlp.pipe(texts, disable=names[names.index(name) :], batch_size=BATCH_SIZE)
    except NlpkitError:
        raise
    except (ValueError, KeyError, AttributeError) as error:
        raise NlpkitError(Errors.N122.format(name=name, model=model, problem=one_line(error))) from error


def visible(text: str) -> str:
    """A text whose control characters, which could act on a terminal or a page, are replaced."""
    from ..data.converters.report import CONTROL

    return CONTROL.sub("\ufffd", text)


def token_name(token: str) -> str:
    """A token in a table: blanks are written out."""
    return repr(token) if token.isspace() else token
