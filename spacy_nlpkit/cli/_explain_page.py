"""The page of `spacy nlpkit explain`: one HTML file without scripts or outside resources, written text by text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import IO

from ._explain_text import ExplainedText, show_contribution
from ._html_page import FOOT, STRONGEST, head, open_page
from ._texts import token_name

_STYLE = """
mark { color: inherit; border-radius: .2rem; padding: .1rem 0; background: none; }
mark.for { background: rgba(37, 99, 235, var(--strength)); }
mark.against { background: rgba(234, 88, 12, var(--strength)); }
th, td { padding: .1rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; white-space: pre-wrap; overflow-wrap: anywhere; }
"""
_LEGEND = (
    '<p><mark class="for" style="--strength:.6">Blue</mark> tokens speak for the label, '
    '<mark class="against" style="--strength:.6">orange</mark> ones against it, the stronger the fuller; the pointer '
    "over a token shows its figure. Tokens, baseline and gap add up to the score that the model gives the label, "
    "before calibration. The gap is what the method leaves unexplained.</p>\n"
)


class Page:
    """A page that is being written."""

    def __init__(self, file_: IO[str]) -> None:
        self._file = file_

    def add(self, number: int, explained: ExplainedText, top: int) -> None:
        """Add the section of a text."""
        self._file.write(f"<section>\n<h2>Text {number}: {escape(explained.title)}</h2>\n")
        if explained.tokens:
            self._file.writelines(['<p class="text" dir="auto">', *_marked(explained), "</p>\n"])
            self._file.writelines(_table(explained, top))
        else:
            self._file.write("<p>The text has no tokens: nothing speaks for a label or against it.</p>\n")
        self._file.write("</section>\n")


@contextmanager
def open_explanations(path: Path, model: str) -> Iterator[Page]:
    """A page that stands under its name when the block ends without an error.

    RAISES: N006 where the file cannot be written.
    """
    with open_page(path, "explain") as file_:
        file_.write(head(f"Explanations of {model}", _STYLE, _LEGEND))
        yield Page(file_)
        file_.write(FOOT)


def _marked(explained: ExplainedText) -> Iterator[str]:
    contributions = explained.explanation["contributions"]
    for token, blank, share, value in zip(explained.tokens, explained.blanks, explained.shades(), contributions):
        if share:
            kind = "for" if share > 0 else "against"
            style = f"--strength:{abs(share) * STRONGEST:.2f}"
            yield f'<mark class="{kind}" style="{style}" title="{show_contribution(value)}">{escape(token)}</mark>'
        else:
            yield escape(token)
        yield blank


def _table(explained: ExplainedText, top: int) -> Iterator[str]:
    yield "<table><tr><th>Token</th><th>Times</th><th>Contribution</th></tr>\n"
    for token, times, value in explained.strongest(top):
        yield f"<tr><td>{escape(token_name(token))}</td><td>{times:,}</td><td>{show_contribution(value)}</td></tr>\n"
    for name, value in explained.sums(top):
        yield f"<tr><td>{name}</td><td></td><td>{show_contribution(value)}</td></tr>\n"
    yield "</table>\n"
