"""Cleans the artefacts of AG News and texts like it, with a map between clean and raw character offsets.

The artefacts come from HTML whose `&` was turned into a blank (`AT amp;T`, `the day #39;s`), tags that are
escaped or plain (`&lt;A HREF=...&gt;`, `<b>`), line breaks written as a backslash, and escaped dollars.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.entities import name2codepoint

import numpy as np

# Characters that neither end an entity, open or close a tag, nor follow an escape change nothing.
_PLAIN = re.compile(r"[^;<>$]+")
_WORD = re.compile(r"[^\s\\]+")
_NEEDS_BLANKS = re.compile(r"\\|\s\s|[^\S ]|\A\s|\s\Z")
_NEEDS_MARKUP = re.compile(r"[;>]|\\\$")
# The longest entity is `#0065533` or `thetasym`; its ampersand, or the blank in place of it, comes before.
_ENTITY_WINDOW = 12
# Without an ampersand a name may be a word ("the image;"), so only names that are none count.
_BARE_NAMES = (
    "quot|amp|lt|gt|apos|nbsp|hellip|mdash|ndash|lsquo|rsquo|ldquo|rdquo|bull|copy|reg|trade|pound|euro|cent|szlig|"
    "[a-zA-Z](?:acute|grave|circ|uml|tilde|cedil|ring)"
)
_ENTITY = re.compile(
    rf"(?P<named>&(?:{'|'.join(sorted(name2codepoint, key=len, reverse=True))}))\Z"
    rf"|[& ]?(?P<bare>#\d{{1,7}}|#[xX][0-9a-fA-F]{{1,5}}|(?<![^\W_])(?:{_BARE_NAMES}))\Z"
)
# Names are listed, because `<TXN.N>` and `<Bush>` are text.
_BLOCK_TAGS = re.compile(
    r"address|blockquote|br|center|d[dlt]|div|form|h[1-6]|hr|li|ol|p|pre|table|t[dhr]|title|ul", re.I
)
_INLINE_TAGS = re.compile(
    r"a|abbr|acronym|area|b|base|big|body|cite|code|del|em|embed|font|frame|head|html|i|iframe|img|input|ins|kbd"
    r"|link|map|meta|nobr|noscript|object|option|param|q|s|script|select|small|span|strike|strong|style|su[bp]"
    r"|tbody|textarea|tfoot|thead|tt|u|var|wbr",
    re.I,
)
# A name alone, or one with attributes; `<b and c>` has none and stays.
_TAG = re.compile(r"<(?:/?(?P<name>[A-Za-z][A-Za-z0-9]*)(?:[\s\\][^=]*=.*)?[\s\\/]*|!--.*--|!DOCTYPE.*)\Z", re.S | re.I)


@dataclass(frozen=True)
class Cleaned:
    """A clean text, the raw text it comes from, and the way between their character offsets.

    text (str): The clean text.
    raw (str): The raw text.
    offsets (np.ndarray): int64, shape (len(text), 2): start and end in `raw` of what each clean character
        stands for. The ranges are not empty, do not overlap and rise.
    """

    text: str
    raw: str
    offsets: np.ndarray = field(repr=False, compare=False)

    def to_raw(self, i: int) -> int:
        """The raw offset at which the clean character `i` starts; for `len(text)` the end of the last one."""
        if i < len(self.text):
            return int(self.offsets[max(i, 0), 0])
        return int(self.offsets[-1, 1]) if len(self.offsets) else 0

    def to_clean(self, i: int) -> int:
        """The number of clean characters that end at or before the raw offset `i`."""
        return int(np.searchsorted(self.offsets[:, 1], i, side="right"))

    def span_to_raw(self, start: int, end: int) -> tuple[int, int]:
        """The raw offsets of the clean characters `start` to `end`, without what was removed around them."""
        if start >= end:
            return self.to_raw(start), self.to_raw(start)
        return int(self.offsets[start, 0]), int(self.offsets[end - 1, 1])

    def span_to_clean(self, start: int, end: int) -> tuple[int, int] | None:
        """The clean offsets of what is left of the raw characters `start` to `end`; None where nothing is.

        Blanks that cleaning leaves at the edges (of a tag that was removed, say) do not belong to the span.
        """
        first = int(np.searchsorted(self.offsets[:, 1], start, side="right"))
        last = int(np.searchsorted(self.offsets[:, 0], end, side="left"))
        piece = self.text[first:last]
        first += len(piece) - len(piece.lstrip())
        last = first + len(piece.strip())
        return (first, last) if first < last else None


class _Reducer:
    """The characters kept so far, as a stack: what ends an entity or a tag takes the whole of it off again.

    Every rule looks at the stack alone and never ahead, so what remains is in its final form: cleaning it
    again changes nothing, and each character is put on and taken off once at most.
    """

    def __init__(self) -> None:
        self.chars: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.open_tags: list[int] = []  # positions of each `<` after the last `>`

    def extend(self, raw: str, start: int, end: int) -> None:
        self.chars.extend(raw[start:end])
        self.starts.extend(range(start, end))
        self.ends.extend(range(start + 1, end + 1))

    def push(self, char: str, start: int, end: int) -> None:
        """Add a character that stands for raw[start:end], then reduce what it completes."""
        # An entity may decode to the end of the next one: `#59;` is a semicolon.
        while char == ";" and (entity := self._take_entity(start)) is not None:
            char, start = entity
        if not char or (char == ">" and self._reduce_tag(start, end)):
            return
        if char == "$" and self.chars and self.chars[-1] == "\\":
            self._cut(len(self.chars) - 1)
        if char == "<":
            self.open_tags.append(len(self.chars))
        self.chars.append(char)
        self.starts.append(start)
        self.ends.append(end)

    def _take_entity(self, start: int) -> tuple[str, int] | None:
        """Take the entity that a semicolon ends off the stack: its character and its raw offset."""
        tail = "".join(self.chars[-_ENTITY_WINDOW:])
        match = _ENTITY.search(tail)
        if match is None:
            return None
        name = match["named"] or match["bare"]
        first = len(self.chars) - len(tail) + match.start()
        # The blank in place of an ampersand goes, and stands for nothing.
        start = self.starts[first + (tail[match.start()] == " ")]
        self._cut(first)
        return html.unescape(f"&{name.lstrip('&')};"), start

    def _reduce_tag(self, start: int, end: int) -> bool:
        if not self.open_tags:
            return False
        match = _TAG.match("".join(self.chars[self.open_tags[-1] :]))
        # Comments and the document type have no name.
        name = (match["name"] or "") if match else "unknown"
        is_block = bool(_BLOCK_TAGS.fullmatch(name))
        if name and not is_block and not _INLINE_TAGS.fullmatch(name):
            self.open_tags.clear()
            return False
        self._cut(self.open_tags[-1])
        if is_block:
            self.push(" ", start, end)
        return True

    def _cut(self, length: int) -> None:
        del self.chars[length:], self.starts[length:], self.ends[length:]
        while self.open_tags and self.open_tags[-1] >= length:
            self.open_tags.pop()


def clean(text: str) -> Cleaned:
    """Clean a text: entities decoded, tags dropped, one blank for line breaks and runs of blanks.

    An entity with a blank in place of its `&` takes that blank with it: `AT amp;T` is `AT&T`, `the day #39;s`
    is `the day's`, and `said:  quot;No` (a blank of the text and one of the entity) is `said: "No`. The text
    of a link stays, its tag goes; tags of blocks (`<p>`, `<br>`) leave a blank; a backslash is a line break,
    but not in front of a dollar. Cleaning a clean text changes nothing; the time is linear in its length.
    """
    cleaned, offsets = text, np.stack([np.arange(len(text)), np.arange(1, len(text) + 1)], axis=1)
    if _NEEDS_MARKUP.search(text):
        cleaned, offsets = _reduce_markup(text)
    if _NEEDS_BLANKS.search(cleaned):
        cleaned, offsets = _join_blanks(cleaned, offsets)
    return Cleaned(text=cleaned, raw=text, offsets=offsets)


def _reduce_markup(text: str) -> tuple[str, np.ndarray]:
    reducer = _Reducer()
    position = 0
    while position < len(text):
        plain = _PLAIN.match(text, position)
        if plain is not None:
            reducer.extend(text, position, plain.end())
            position = plain.end()
        else:
            reducer.push(text[position], position, position + 1)
            position += 1
    offsets = np.array([reducer.starts, reducer.ends], dtype="int64").T
    return "".join(reducer.chars), offsets


def _join_blanks(text: str, offsets: np.ndarray) -> tuple[str, np.ndarray]:
    """Blanks and backslashes between two words become one blank: the last of the run stands for it."""
    keep = np.zeros(len(text), dtype=bool)
    words: list[str] = []
    for match in _WORD.finditer(text):
        if words:
            keep[match.start() - 1] = True
        keep[match.start() : match.end()] = True
        words.append(match.group())
    return " ".join(words), offsets[keep]
