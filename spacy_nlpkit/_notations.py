"""The notations of stock symbols, found in a text: what `symbols.find` and `symbols.notation_codes` build on.

The scan trusts notation alone (a bracket with an exchange, a Reuters code, a cashtag); that a bare word such
as `ON` or `IT` is a symbol, no pattern can tell, and none here tries. Every quantifier is bounded and every
match starts at one of seven marks, so the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ._venues import BLOOMBERG_VENUES, CUES, EXCHANGE_MICS, PLAIN_EXCHANGES, RIC_VENUES

NOTATIONS = (
    "paren_exchange",  # (NYSE: AWE)
    "paren_reversed",  # (HD:NYSE - news)
    "exchange",  # NYSE: AWE, with no bracket
    "ric",  # DELL.O, 7203.T, IFXGn.DE
    "cashtag",  # $AAPL
    "class_share",  # BRK.B, (BF-B)
    "security",  # AHT^D, XYZ/WS: preferred shares, warrants, rights
    "bloomberg",  # VOD LN Equity, (VOD LN)
    "index",  # .IXIC, ^GSPC
    "paren_bare",  # (XOM): too weak for `find`
    "bare",  # XOM: what `resolve` says where nothing else holds
)
FOUND = NOTATIONS[:9]


class Match(NamedTuple):
    """One notation in a text, by character offsets.

    start, end: all of it with brackets, exchange and marks. symbol_start, symbol_end: the symbol alone, with
    the venue where that is part of the code (`DELL.O`). notation: one of `NOTATIONS`. exchange_start,
    exchange_end: the name of the exchange where one stands apart, else -1.
    """

    start: int
    end: int
    symbol_start: int
    symbol_end: int
    notation: str
    exchange_start: int = -1
    exchange_end: int = -1


def _any(names: Iterable[str]) -> str:
    """One alternation, longest name first, so that no name hides a longer one."""
    return "|".join(sorted((re.escape(name) for name in names), key=len, reverse=True))


CUE_FORMS = frozenset(form for cue in CUES for form in (cue, cue.capitalize(), cue.upper()))
EXCHANGE = f"(?:{_any([*EXCHANGE_MICS, *CUE_FORMS])})"
VENUE = f"(?:{_any(RIC_VENUES)})"
BLOOMBERG = f"(?:{_any(BLOOMBERG_VENUES)})"
# A symbol on an exchange: up to six letters and digits, then a class or the mark of another security.
SYMBOL = (
    r"(?=[0-9]{0,6}[A-Z]|[0-9]{3,6})[A-Z0-9]{1,6}"
    r"(?:[.\-/^](?:WS|RT|PR?[A-Z]|[A-Z]{1,2})| PR [A-Z])?(?![A-Za-z0-9])"
)
_TAIL = r"(?:\s?:\s?Quote[^()]{0,40}|\s?-\s[^()]{0,60})?\s?\)?"
_AGENCIES = (
    *(
        "AAP",
        "AFP",
        "ANI",
        "ANSA",
        "AP",
        "BBC",
        "CBC",
        "CBS.MW",
        "CNN",
        "CP",
        "DPA",
        "EFE",
        "IANS",
        "ITAR-TASS",
    ),
    *("JTA", "KCNA", "KUNA", "MNA", "NPR", "PA", "PTI", "SPA", "TASS", "UNI", "UPI"),
    *("Agencies", "Bloomberg", "Canadian Press", "Interfax", "Kyodo", "NewsFactor", "PRNewswire", "Reuters"),
    *("SPACE.com", "Xinhua", "Ziff-Davis"),
)
# What stands after a dot in capitals and is no index: platforms, file types, top-level domains.
_NO_INDEX = (
    *(
        "NET",
        "COM",
        "ORG",
        "EDU",
        "GOV",
        "MIL",
        "INFO",
        "BIZ",
        "TV",
        "US",
        "UK",
        "EU",
        "EXE",
        "PDF",
        "DOC",
        "DLL",
    ),
    *("ZIP", "TXT", "XML", "HTML", "HTM", "ASP", "PHP", "JPG", "GIF"),
)

# Every alternative begins with a literal mark, so that the scan between marks runs at the speed of a
# character search; what stands before a mark is then looked up in a short window. The outermost group names
# the handler.
_FIND = re.compile(
    rf"\((?P<paren_exchange>\s?(?P<exchange1>{EXCHANGE})\s?:\s?(?P<symbol1>{SYMBOL}))"
    rf"|\((?P<paren_reversed>\s?(?P<symbol2>{SYMBOL})\s?:\s?(?P<exchange2>{EXCHANGE})\b{_TAIL})"
    rf"|\((?P<bloomberg>(?P<symbol3>[A-Z0-9]{{1,6}}(?:/[A-Z])? {BLOOMBERG})(?: Equity)?\))"
    r"|\((?P<class_share>(?P<symbol4>[A-Z]{1,5}[-/][A-Z])\))"
    r"|\((?P<quote>(?P<symbol5>[A-Z]{1,6}):\sQuote[^()]{0,40}\)?)"
    rf"|\((?P<agency>(?:{_any(_AGENCIES)})(?:\s?/[^()]{{0,20}})?\))"
    r"|\((?P<paren_bare>(?P<symbol6>[A-Z]{1,5})\s?\))"
    r"|\$(?<!\w\$)(?P<cashtag>(?!(?:US|CAN|AUD?|A|NZ|C|HK|S)\s?[0-9])[A-Z]{1,6}(?:[.\-/][A-Z])?(?!\w))"
    r"|\^(?<![\w^]\^)(?P<caret_index>[A-Z][A-Z0-9]{1,7}(?!\w))"
    r"|\^(?<=[A-Z]\^)(?P<preferred>[A-Z](?![\w^]))"
    rf"|\.(?<=[A-Za-z0-9]\.)(?P<dotted>(?:WS|{VENUE}|B)(?:\^[A-L][0-9]{{2}})?(?!\w|\.\w|@))"
    rf"|\.(?<![\w.)\]]\.)(?P<dot_index>(?!(?:{_any(_NO_INDEX)})(?!\w))[A-Z][A-Z0-9]{{1,7}}(?!\w|\.\w))"
    rf"|:(?P<colon>\s?(?P<symbol7>{SYMBOL}))"
    r"|/(?P<warrant>WS(?!\w))"
    r"|E(?P<equity>quity(?!\w))"
)
_WINDOW = 28
_NOT_BEFORE = r"(?<![\w.@&$^])"
_BEFORE_DOT = re.compile(rf"(?:{_NOT_BEFORE}|(?<=[a-z]\.)(?<!www\.))([A-Z][A-Z0-9]{{0,9}}(?:_?[a-z]{{1,2}})?)\Z")
_BEFORE_DOT_DIGITS = re.compile(r"(?<![\w.,@&$^])([0-9]{3}[0-9A-Z][0-9]{0,2})\Z")
_BEFORE_MARK = re.compile(rf"{_NOT_BEFORE}([A-Z]{{1,5}})\Z")
_BEFORE_COLON = re.compile(rf"(?<![\w.@&-])({_any(PLAIN_EXCHANGES)})\s?\Z")
_BEFORE_EQUITY = re.compile(rf"{_NOT_BEFORE}([A-Z0-9]{{1,6}}(?:/[A-Z])? {BLOOMBERG}) \Z")
LIST_MARK = r"\s?(?:[,;/]|and)\s?"
_NEXT_IN_LIST = re.compile(
    rf"{LIST_MARK}(?:(?P<exchange>{EXCHANGE})\s?:\s?)?(?P<symbol>{SYMBOL})(?=\s?[,;/):]|\sand\s|\s-)"
)
_AFTER_SYMBOL = re.compile(_TAIL)
_DIGIT_VENUES = frozenset({"T", "HK", "KS", "KQ", "SS", "SZ", "TW", "TWO", "KL", "SE", "OS", "BO", "SI"})
ABBREVIATIONS = ("U.N", "U.S", "U.K")
_FURTHER_INITIAL = re.compile(r"\.(?!\s{0,3}\Z)")


def scan(text: str) -> Iterator[Match]:
    """Every notation in a text, in order, and the brackets that hold an agency or one word in capitals."""
    last = 0
    for hit in _FIND.finditer(text):
        if hit.start() < last:  # inside a list or a tail that is already told: walking it again would be quadratic
            continue
        for found in _HANDLERS[hit.lastgroup or ""](text, hit):
            if found.start >= last:
                last = found.end
                yield found


def _bracketed(notation: str, number: int) -> Callable[[str, re.Match[str]], Iterator[Match]]:
    """A handler for an alternative of `_FIND` that took the whole bracket in."""

    def handle(text: str, hit: re.Match[str]) -> Iterator[Match]:
        exchange = hit.span("exchange2") if notation == "paren_reversed" else (-1, -1)
        yield Match(*hit.span(), *hit.span(f"symbol{number}"), notation, *exchange)

    return handle


def _whole(notation: str) -> Callable[[str, re.Match[str]], Iterator[Match]]:
    """A handler for a notation that is all symbol."""

    def handle(text: str, hit: re.Match[str]) -> Iterator[Match]:
        yield Match(*hit.span(), *hit.span(), notation)

    return handle


def _listed(
    text: str, start: int, symbol: tuple[int, int], exchange: tuple[int, int], notation: str
) -> Iterator[Match]:
    """An exchange with its symbol, then those that follow in the same list: `(NYSE: GM; TSX: GMM)`."""
    following: re.Match[str] | None = _NEXT_IN_LIST.match(text, symbol[1])
    while following is not None:
        yield Match(start, symbol[1], *symbol, notation, *exchange)
        start, symbol, exchange = following.start(), following.span("symbol"), following.span("exchange")
        following = _NEXT_IN_LIST.match(text, symbol[1])
    tail = _AFTER_SYMBOL.match(text, symbol[1]) if notation == "paren_exchange" else None
    yield Match(start, tail.end() if tail else symbol[1], *symbol, notation, *exchange)


def _before(pattern: re.Pattern[str], text: str, end: int) -> tuple[int, int] | None:
    """Where the one group of `pattern` stands that leads up to `end`."""
    offset = max(0, end - _WINDOW)
    hit = pattern.search(text[offset:end])
    return (offset + hit.start(1), offset + hit.end(1)) if hit else None


def _paren_exchange(text: str, hit: re.Match[str]) -> Iterator[Match]:
    yield from _listed(text, hit.start(), hit.span("symbol1"), hit.span("exchange1"), "paren_exchange")


def _cashtag(text: str, hit: re.Match[str]) -> Iterator[Match]:
    yield Match(*hit.span(), *hit.span("cashtag"), "cashtag")


def _colon(text: str, hit: re.Match[str]) -> Iterator[Match]:
    exchange = _before(_BEFORE_COLON, text, hit.start())
    if exchange is not None:
        yield from _listed(text, exchange[0], hit.span("symbol7"), exchange, "exchange")


def _marked(text: str, hit: re.Match[str]) -> Iterator[Match]:
    root = _before(_BEFORE_MARK, text, hit.start())
    if root is not None:
        yield Match(root[0], hit.end(), root[0], hit.end(), "security")


def _equity(text: str, hit: re.Match[str]) -> Iterator[Match]:
    symbol = _before(_BEFORE_EQUITY, text, hit.start())
    if symbol is not None:
        yield Match(symbol[0], hit.end(), *symbol, "bloomberg")


def _dotted(text: str, hit: re.Match[str]) -> Iterator[Match]:
    """`ROOT.VENUE` and `ROOT.CLASS`, from the dot at which `_FIND` stopped."""
    dot, end = hit.span()
    venue = hit["dotted"].partition("^")[0]
    span = _before(_BEFORE_DOT, text, dot)
    if span is None and venue in _DIGIT_VENUES:
        span = _before(_BEFORE_DOT_DIGITS, text, dot)
    if span is None or not _is_code(text, span[0], end, text[slice(*span)], venue):
        return
    start = span[0]
    opened = text[start - 1 : start] == "("
    notation = dotted_notation(venue, text[end : end + 7])
    tail = _AFTER_SYMBOL.match(text, end) if opened else None
    yield Match(start - opened, tail.end() if tail else end, start, end, notation)


def _is_code(text: str, start: int, end: int, root: str, venue: str) -> bool:
    """Tell a code from a lost blank (`Co.N`) and initials: one-letter roots stand free in New York alone."""
    if len(root) > 1:
        return not (root[0].isalpha() and root[1:].islower())
    if f"{root}.{venue}" in ABBREVIATIONS or len(venue) > 1:
        return len(venue) > 1
    if text[start - 1 : start] == "(" and text[end : end + 1] in ("", ")", ":"):
        return True
    return venue == "N" and _FURTHER_INITIAL.match(text, end) is None


def dotted_notation(venue: str, right: str) -> str:
    """`.A` is the class unless a Reuters quote link follows, where it is the American exchange."""
    if venue == "WS":
        return "security"
    return "class_share" if venue in "AB" and not right.startswith(": Quote") else "ric"


_HANDLERS: dict[str, Callable[[str, re.Match[str]], Iterator[Match]]] = {
    "paren_exchange": _paren_exchange,
    "paren_reversed": _bracketed("paren_reversed", 2),
    "bloomberg": _bracketed("bloomberg", 3),
    "class_share": _bracketed("class_share", 4),
    "quote": _bracketed("ric", 5),
    "agency": _whole("agency"),
    "paren_bare": _bracketed("paren_bare", 6),
    "cashtag": _cashtag,
    "caret_index": _whole("index"),
    "preferred": _marked,
    "dotted": _dotted,
    "dot_index": _whole("index"),
    "colon": _colon,
    "warrant": _marked,
    "equity": _equity,
}
