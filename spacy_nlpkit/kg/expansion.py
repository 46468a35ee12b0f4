"""What a document says of its own mentions: the long names of short ones, acronyms, and symbols in brackets.

Texts name a company in full once (`Dell Inc. (NASDAQ: DELL)`), and later in short (`Dell`, `the company's`). A short
form stands for a name of the same kind that begins with it, or of a person, an organization or a product, ends with it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from ..normalise import name_key, symbol_key
from ..symbols import resolve
from ..ty import Ticker
from .candidates import NO_DAY, Mention

# Names that one mention is given; names with one short form that are looked at; words and characters of a name.
MAX_NAMES, MAX_SEEN, MAX_WORDS, MAX_LENGTH = 3, 20, 12, 256
# Labels that may name one thing; others are alike only to themselves.
_ALIKE = {"LOC": "GPE", "FAC": "GPE", "PER": "PERSON", "COMPANY": "ORG", "NORP": "GPE"}
# Places are not called by their last word alone: `York` is not `New York`.
_FIRST_WORDS_ONLY = frozenset({"GPE"})
_TITLES = frozenset({
    "chairman", "dr", "gen", "gov", "governor", "judge", "justice", "king", "lady", "lord", "minister", "miss", "mr",
    "mrs", "ms", "premier", "president", "prime", "prof", "professor", "queen", "rep", "sen", "senator", "sir",
})  # fmt: skip
# Words that an acronym may leave out.
_SMALL = frozenset({"and", "for", "in", "of", "on", "the"})
# No short form: too many names begin or end so.
_GENERIC = frozenset({
    "association", "bank", "central", "college", "department", "east", "federal", "first", "general",
    "global", "group", "institute", "international", "ministry", "national", "new", "north", "old", "party", "royal",
    "saint", "san", "south", "st", "state", "states", "union", "university", "west", "world",
})  # fmt: skip
_POSSESSIVE = re.compile(r"(?:['’]s|(?<=s)['’])$", re.IGNORECASE)
_ACRONYM = re.compile(r"(?:[A-Z]\.?&?){2,6}")
# What stands in brackets right after a name.
_BRACKET = re.compile(r"(?:['’]s)?[ \t]?[(<\[](?P<inside>[^()<>\[\]]{1,40})[)>\]]")
# Characters on each side of a symbol that tell how it was written.
_CONTEXT = 60


class Marked(NamedTuple):
    """A mention as a recognizer marked it: its text, label, and bounds in the document's characters."""

    text: str
    label: str
    start: int
    end: int


class _Name(NamedTuple):
    """A name of the document: where it stands first, as written, its kind and the words of its key."""

    start: int
    text: str
    kind: str
    words: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Which of two names with words in common is the longer."""
        return len(self.words), len(self.text)


class _Symbol(NamedTuple):
    """A stock symbol with its class, and its venue; see `Mention`."""

    symbol: str
    venue: str
    mic: str


_NO_SYMBOL = _Symbol("", "", "")
_Key = tuple[str, ...]
# Names by their kind and the words of a short form of theirs.
_Names = dict[_Key, list[_Name]]


def expand(
    marked: Sequence[Marked], text: str, day: int = NO_DAY, symbol_labels: Sequence[str] = ("TICKER",)
) -> list[Mention]:
    """The mentions of one document, in their order, with what the document says of each.

    marked: In order of occurrence. text (str): Of the document. day (int): Of the document, days since 1970-01-01.
    symbol_labels: Labels of mentions that are stock symbols.
    RETURNS (list[Mention]): `names` holds at most `MAX_NAMES` names, the longest first: of those that stand before the
        mention, or where none does, after it. `symbol` comes from the mention itself, from the brackets after it, or
        from those after another mention of the same name. Time grows in proportion to mentions and text.
    """
    words: dict[str, tuple[str, ...]] = {}
    names = [None if item.label in symbol_labels else _name(item, words) for item in marked]
    document = _Document(marked, names, text)
    mentions = []
    for item, name in zip(marked, names):
        symbol = document.symbol(item, name)
        written = [other.text for other in document.names(item, name, symbol)]
        parts = symbol or _NO_SYMBOL
        mentions.append(Mention(item.text, item.label, day, tuple(written), parts.symbol, parts.venue, parts.mic))
    return mentions


class _Document:
    """The names of a document by their short forms, acronyms and symbols."""

    def __init__(self, marked: Sequence[Marked], names: Sequence[_Name | None], text: str) -> None:
        self._text = text
        self._symbols = [item for item, name in zip(marked, names) if name is None]
        self._symbol_starts = [item.start for item in self._symbols]
        self._long: _Names = {}
        self._acronyms: _Names = {}
        self._of_symbol: _Names = {}
        self._symbol_of: dict[_Key, _Symbol] = {}
        seen: set[tuple[str, str]] = set()
        for item, name in zip(marked, names):
            if name is None or not name.words:
                continue
            self._read_bracket(item, name)
            if (name.kind, name.text) not in seen:
                seen.add((name.kind, name.text))
                self._add(name)

    def _add(self, name: _Name) -> None:
        for words in _short_forms(name):
            _note(self._long, (name.kind, *words), name)
        for acronym in _initials(name.words):
            _note(self._long, (name.kind, acronym), name)
        if _ACRONYM.fullmatch(name.text):
            _note(self._acronyms, (name.kind, _letters(name.text)), name)

    def _read_bracket(self, item: Marked, name: _Name) -> None:
        """Tie the symbol, or the acronym, in brackets after a name to it."""
        match = _BRACKET.match(self._text, item.end)
        if match is None:
            return
        inside = match["inside"].strip()
        symbol = self._symbol_between(match.start("inside"), match.end("inside")) or _strong_symbol(match[0])
        if symbol is not None:
            self._symbol_of.setdefault((name.kind, *name.words), symbol)
            _note(self._of_symbol, (symbol.symbol,), name)
        elif _ACRONYM.fullmatch(inside) and _letters(inside) in _initials(name.words):
            acronym = _Name(match.start("inside"), inside, name.kind, (_letters(inside),))
            _note(self._acronyms, (name.kind, *acronym.words), acronym)

    def _symbol_between(self, start: int, end: int) -> _Symbol | None:
        """The first mention of a symbol between two characters."""
        place = bisect_left(self._symbol_starts, start)
        if place == len(self._symbols) or self._symbols[place].end > end:
            return None
        return self._resolve(self._symbols[place])

    def _resolve(self, item: Marked) -> _Symbol:
        left = self._text[max(0, item.start - _CONTEXT) : item.start]
        return _symbol(resolve(item.text, left, self._text[item.end : item.end + _CONTEXT]))

    def symbol(self, item: Marked, name: _Name | None) -> _Symbol | None:
        """The symbol that a mention is, or that its name or a longer one has in brackets."""
        if name is None:
            return self._resolve(item)
        own = self._symbol_of.get((name.kind, *name.words))
        if own is not None or not name.words:
            return own
        tied = (self._symbol_of.get((other.kind, *other.words)) for other in self._longer(item, name))
        return next((symbol for symbol in tied if symbol is not None), None)

    def names(self, item: Marked, name: _Name | None, symbol: _Symbol | None) -> list[_Name]:
        """Other names of what a mention means, the longest first."""
        if name is None:
            return _nearest(self._of_symbol.get((symbol.symbol,), []), item) if symbol is not None else []
        if not name.words:
            return []
        short = [other for acronym in _initials(name.words) for other in self._acronyms.get((name.kind, acronym), [])]
        return (self._longer(item, name) + _nearest(short, item))[:MAX_NAMES]

    def _longer(self, item: Marked, name: _Name) -> list[_Name]:
        words = (_letters(name.text),) if _ACRONYM.fullmatch(name.text) else name.words
        found = self._long.get((name.kind, *words), [])
        return _nearest([other for other in found if other.size > name.size], item)


def _name(item: Marked, words_of: dict[str, tuple[str, ...]]) -> _Name:
    """A mention as a name: without possessives and titles, the words of its key.

    words_of: The words of texts that were met before.
    """
    text = _POSSESSIVE.sub("", item.text[:MAX_LENGTH])
    if text not in words_of:
        words_of[text] = tuple(name_key(text).split()[:MAX_WORDS])
    kind, words = _ALIKE.get(item.label, item.label), words_of[text]
    while kind == "PERSON" and len(words) > 1 and words[0] in _TITLES:
        words = words[1:]
    return _Name(item.start, text, kind, words)


def _note(names: _Names, key: _Key, name: _Name) -> None:
    """Add a name to those of a key, of which the first `MAX_SEEN` are kept."""
    known = names.setdefault(key, [])
    if len(known) < MAX_SEEN:
        known.append(name)


def _short_forms(name: _Name) -> set[tuple[str, ...]]:
    """The words that a name begins with, those that it ends with, and all of them."""
    words = name.words
    forms = {words[:count] for count in range(1, len(words))}
    if name.kind not in _FIRST_WORDS_ONLY:
        forms |= {words[count:] for count in range(1, len(words))}
    return {form for form in forms if len(form) > 1 or not _is_generic(form[0])} | {words}


def _is_generic(word: str) -> bool:
    return len(word) < 2 or word in _GENERIC or word in _SMALL


def _initials(words: tuple[str, ...]) -> set[str]:
    """The acronyms of a name, with and without its small words: `boa` and `ba` of `Bank of America`."""
    if len(words) < 2:
        return set()
    every = "".join(word[0] for word in words)
    return {every, "".join(word[0] for word in words if word not in _SMALL)} - {every[:1]}


def _letters(acronym: str) -> str:
    return "".join(char for char in acronym if char.isalnum()).casefold()


def _nearest(names: Sequence[_Name], item: Marked) -> list[_Name]:
    """The first names that stand before a mention, or where none does, after it; the longest first."""
    others = [name for name in names if name.text != item.text]
    before = [name for name in others if name.start < item.start]
    distinct = {name.text: name for name in before or others}
    return sorted(distinct.values(), key=lambda name: (-len(name.text), name.start))[:MAX_NAMES]


def _strong_symbol(bracket: str) -> _Symbol | None:
    """The symbol in a bracket whose notation says that it is one; of a bare word none does."""
    ticker = resolve(bracket.strip())
    return None if ticker["notation"] in ("bare", "paren_bare") else _symbol(ticker)


def _symbol(ticker: Ticker) -> _Symbol:
    share_class = ticker["share_class"]
    symbol = f"{ticker['root']}.{share_class}" if share_class else ticker["root"]
    return _Symbol(symbol_key(symbol), ticker["venue"] or "", ticker["mic"] or "")
