"""The page of `spacy nlpkit attention`: for each text a map of which pieces of the source each written piece looked
at."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ._html_page import FOOT, STRONGEST, head
from ._texts import token_name, visible

if TYPE_CHECKING:
    from ..ty import Attention, Hypothesis, Written

_STYLE = """
.map { overflow: auto; max-height: 90vh; }
th, td { padding: .1rem .3rem; border: 1px solid var(--line); }
th { font-weight: normal; white-space: pre; background: var(--back); }
th[scope=col] { writing-mode: vertical-rl; text-align: end; position: sticky; top: 0; }
th[scope=row] { text-align: start; position: sticky; inset-inline-start: 0; }
td { min-width: 1.6rem; text-align: center; font-size: .75rem; }
tbody td { background: rgba(37, 99, 235, var(--weight, 0)); }
small { opacity: .7; }
"""
_LEGEND = (
    "<p>A row is a piece that was written, a column a piece of the source. A cell says how much of its attention, in "
    "per cent, the written piece gave to that one, the more the fuller the colour; empty is below half a per cent. The "
    "pointer over a cell shows the figure and both pieces. Attention is what the model looked at, and not a proof of "
    "why it wrote what it wrote.</p>\n"
)
# Shares below it are not shown.
_LEAST = 0.005


def render(written: Sequence[Written], title: str = "Attention") -> str:
    """The page of some texts.

    written (Sequence[Written]): With attention; a text without one is shown without a map.
    title (str): Plain text.
    RETURNS (str): HTML, whole. All that comes from texts is escaped; control characters are replaced.
    RAISES: ValueError where the weights have another shape than the pieces.
    """
    sections = (line for number, each in enumerate(written, 1) for line in _section(number, each))
    return "".join([head(title, _STYLE, _LEGEND), *sections, FOOT])


def show_score(score: float) -> str:
    """The score of a text, as the page and the terminal show it."""
    return f"{score:.4f}"


def piece_name(piece: str) -> str:
    """A piece as the page and the terminal show it."""
    return token_name(visible(piece))


def _section(number: int, written: Written) -> Iterator[str]:
    yield f"<section>\n<h2>Text {number}, score {show_score(written['score'])}</h2>\n"
    yield f'<p class="text" dir="auto">{_escape(written["text"])}</p>\n'
    if len(written["nbest"]) > 1:
        yield from _ranking(written["nbest"])
    attention = written["attention"]
    if attention is None:
        yield "<p>There is no attention to show: nothing was read or written, or the model has none.</p>\n"
    else:
        yield from _map(attention)
    yield "</section>\n"


def _ranking(nbest: Sequence[Hypothesis]) -> Iterator[str]:
    yield "<ol>\n"
    for each in nbest:
        yield f"<li><bdi>{_escape(each['text'])}</bdi> <small>{show_score(each['score'])}</small></li>\n"
    yield "</ol>\n"


def _map(attention: Attention) -> Iterator[str]:
    # Columns run as the source is read.
    yield f'<div class="map"><table dir="{_direction(attention["source"])}">\n<thead><tr><td></td>'
    source = [_escape(piece_name(piece)) for piece in attention["source"]]
    yield from (f'<th scope="col" dir="auto">{piece}</th>' for piece in source)
    yield "</tr></thead>\n<tbody>\n"
    for piece, weights in zip(attention["target"], attention["weights"], strict=True):
        name = _escape(piece_name(piece))
        yield f'<tr><th scope="row" dir="auto">{name}</th>'
        yield from (_cell(name, looked_at, weight) for looked_at, weight in zip(source, weights, strict=True))
        yield "</tr>\n"
    yield "</tbody>\n</table></div>\n"


def _cell(name: str, looked_at: str, weight: float) -> str:
    if weight < _LEAST:
        return "<td></td>"
    # Isolated: pieces of other scripts would turn the order of the title.
    title = f"\u2068{name}\u2069 → \u2068{looked_at}\u2069: {weight:.4f}"
    return f'<td style="--weight:{weight * STRONGEST:.3f}" title="{title}">{weight * 100:.0f}</td>'


def _direction(pieces: Sequence[str]) -> str:
    """Of most letters: marks of languages and ends, such as `<de>`, are in Latin letters everywhere."""
    kinds = [unicodedata.bidirectional(char) for piece in pieces for char in piece]
    return "rtl" if kinds.count("R") + kinds.count("AL") > kinds.count("L") else "ltr"


def _escape(text: str) -> str:
    return escape(visible(text))
