"""The page of `spacy nlpkit explain`: one HTML file without scripts or outside resources, written text by text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html import escape
from pathlib import Path
from typing import IO

from ..errors import Errors, NlpkitError
from ..util import atomic_write
from ._explain_text import ExplainedText, show_contribution, token_name

_STYLE = """
body { font: 16px/1.6 sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #111; background: #fff; }
section { border: 1px solid #ccc; border-radius: .5rem; padding: 0 1rem 1rem; margin: 1.5rem 0; }
h2 { font-size: 1rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark { color: inherit; border-radius: .2rem; padding: .1rem 0; background: none; }
mark.for { background: rgba(37, 99, 235, var(--strength)); }
mark.against { background: rgba(234, 88, 12, var(--strength)); }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .1rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; white-space: pre-wrap; overflow-wrap: anywhere; }
"""
# Browsers load nothing and run nothing, whatever the texts hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LEGEND = (
    '<p><mark class="for" style="--strength:.6">Blue</mark> tokens speak for the label, '
    '<mark class="against" style="--strength:.6">orange</mark> ones against it, the stronger the darker; the pointer '
    "over a token shows its figure. Tokens, baseline and gap add up to the score that the model gives the label, "
    "before calibration. The gap is what the method leaves unexplained.</p>\n"
)
# Opacity of the strongest token: black letters stay readable on it.
_STRONGEST = 0.6


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
def open_page(path: Path, model: str) -> Iterator[Page]:
    """A page that stands under its name when the block ends without an error.

    RAISES: N006 where the file cannot be written.
    """
    title = f"Explanations of {escape(model)}"
    with ExitStack() as stack:
        try:
            file_ = stack.enter_context(atomic_write(path))
        except OSError as error:
            expected = f"a path that can be written ({error.strerror})"
            problem = Errors.N006.format(setting="--html", name="explain", expected=expected, value=str(path))
            raise NlpkitError(problem) from error
        file_.write(
            f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{_LEGEND}"
        )
        yield Page(file_)
        file_.write("</body>\n</html>\n")


def _marked(explained: ExplainedText) -> Iterator[str]:
    contributions = explained.explanation["contributions"]
    for token, blank, share, value in zip(explained.tokens, explained.blanks, explained.shades(), contributions):
        if share:
            kind = "for" if share > 0 else "against"
            style = f"--strength:{abs(share) * _STRONGEST:.2f}"
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
