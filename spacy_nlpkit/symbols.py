"""Stock symbols as news text writes them: find the notations in a text, and take one symbol apart."""

from __future__ import annotations

import re

import numpy as np
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc, Span

from ._notations import (
    ABBREVIATIONS,
    BLOOMBERG,
    CUE_FORMS,
    EXCHANGE,
    FOUND,
    LIST_MARK,
    NOTATIONS,
    SYMBOL,
    VENUE,
    Match,
    dotted_notation,
    scan,
)
from ._venues import BLOOMBERG_VENUES, EXCHANGE_MICS, NASDAQ_FIFTH_LETTERS, RIC_VENUES
from .ty import Ticker

__all__ = ["NOTATIONS", "N_CODES", "Match", "find", "notation_codes", "resolve", "resolve_span"]

_ROLES = 3
_CODES = {notation: 1 + _ROLES * place for place, notation in enumerate(FOUND)}
_CODES |= {"agency": 1 + _ROLES * len(FOUND), "paren_bare": 2 + _ROLES * len(FOUND)}
N_CODES = 3 + _ROLES * len(FOUND)


_LEFT_EXCHANGE = re.compile(rf"(?<!\w)(?P<open>\(\s?)?(?P<exchange>{EXCHANGE})\s?:\s?(?:{SYMBOL}{LIST_MARK}){{0,3}}\Z")
# Characters on each side of a symbol that tell how it was written: enough for a list of symbols in one bracket.
_CONTEXT = 60
_RIGHT_EXCHANGE = re.compile(rf"\s?:\s?(?P<exchange>{EXCHANGE})\b")
_RIGHT_BLOOMBERG = re.compile(rf" (?P<venue>{BLOOMBERG})(?: Equity\b|(?P<close>\)))")
_FULL_BLOOMBERG = re.compile(rf"(?P<code>[A-Z0-9]{{1,6}}(?:/[A-Z])?) (?P<venue>{BLOOMBERG})(?: Equity)?")
_FULL_RIC = re.compile(
    rf"(?P<root>[A-Z0-9]{{1,10}})(?:_?(?P<low>[a-z]{{1,2}}))?\.(?P<venue>{VENUE})(?:\^[A-L][0-9]{{2}})?"
)
_FULL_CLASS = re.compile(r"(?P<root>[A-Z]{1,5})(?:[.\-/ ](?P<upper>[A-Z])|(?P<lower>[a-c]))")
_FULL_SECURITY = re.compile(
    r"(?P<root>[A-Z]{1,5})"
    r"(?:(?:\^|[.\-/ ]PR? ?|p)(?P<preferred>[A-Z])|[.\-/ ](?P<other>WS|WT|RT|UN|U)|(?P<plus>\+))"
)


def find(text: str) -> list[Match]:
    """Find every notation of a stock symbol that is strong evidence by itself.

    text (str): Any text; time is linear in its length.
    RETURNS (list[Match]): In order of occurrence, without overlaps; never `paren_bare` or `bare`.
    Initials and abbreviations (`U.S`, `U.N.`, `J.P.`), bylines (`CBS.MW`), agencies in brackets, web
    addresses, `.NET` and money (`US$5`, `$US 5`) are no symbols.
    """
    return [found for found in scan(text) if found.notation not in ("agency", "paren_bare")]


def notation_codes(doc: Doc) -> np.ndarray:
    """Say of every token what part of a notation it is.

    doc (Doc): Any document.
    RETURNS (np.ndarray): int64 (n_tokens,), below `N_CODES`: 0 outside every notation; for each notation
    `find` gives, three codes: bracket or mark, exchange, symbol; then one for an agency in brackets, `(AP)`,
    and one for any other bracket that holds one word of 1 to 5 capitals, `(XOM)`.
    """
    codes = np.zeros(len(doc), dtype=np.int64)
    spans: list[tuple[int, int, int]] = []
    for found in scan(doc.text):
        code = _CODES[found.notation]
        spans.append((found.start, found.end, code))
        if found.notation in FOUND:
            if found.exchange_start >= 0:
                spans.append((found.exchange_start, found.exchange_end, code + 1))
            spans.append((found.symbol_start, found.symbol_end, code + 2))
    if not spans:
        return codes
    starts, lengths = doc.to_array([IDX, LENGTH]).astype(np.int64).T
    bounds = np.asarray(spans)
    firsts = np.searchsorted(starts + lengths, bounds[:, 0], side="right")
    lasts = np.searchsorted(starts, bounds[:, 1], side="left")
    for first, last, code in zip(firsts, lasts, bounds[:, 2]):
        codes[first:last] = code
    return codes


def resolve_span(span: Span) -> Ticker:
    """Take a symbol in a document apart, in the context of the text around it."""
    # Every token has a character, so these hold the context; the whole text would take time for every symbol.
    window = span.doc[max(0, span.start - _CONTEXT) : span.end + _CONTEXT]
    text, start = window.text, span.start_char - window.start_char
    end = start + len(span.text)
    return resolve(span.text, text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT])


def resolve(text: str, left: str = "", right: str = "") -> Ticker:
    """Take one symbol apart.

    text (str): The symbol as marked, with or without its notation (`AWE`, `NYSE: AWE`, `(NYSE: AWE)`).
    left, right (str): What stands before and after it; some 20 characters decide.
    RETURNS (Ticker): Never fails: a word in no notation is `bare` (`paren_bare` in brackets), its own root.
    The fifth letter of a Nasdaq symbol is part of the listed symbol and stays in the root; where Nasdaq
    documents its sense it is also given as `share_class` (A, B) or `suffix` (Q, W, Y, ...).
    """
    written = text.strip()
    for found in find(written):
        inner = slice(found.symbol_start, found.symbol_end)
        if written[inner] != written:
            before, after = written[: found.symbol_start], written[found.symbol_end :]
            ticker = resolve(written[inner], before, after)
            break
    else:
        ticker = _in_context(written, left, right) or _by_itself(written, left, right)
    ticker["raw"] = text
    return ticker


def _ticker(notation: str, code: str, venue: str | None = None, mic: str | None = None) -> Ticker:
    """The parts of a code whose venue is known from elsewhere: root, class, other security."""
    parts = Ticker(raw=code, root=code, venue=venue, mic=mic, suffix=None, share_class=None, notation=notation)
    security, share = _FULL_SECURITY.fullmatch(code), _FULL_CLASS.fullmatch(code)
    if security is not None:
        parts["root"] = security["root"]
        preferred = security["preferred"]
        parts["suffix"] = f"PR {preferred}" if preferred else security["other"] or "WS"
    elif share is not None:
        parts["root"] = share["root"]
        parts["share_class"] = (share["upper"] or share["lower"]).upper()
    elif mic in ("XNAS", "XOTC", "PINX") and len(code) == 5 and code.isalpha():
        if code[4] in "AB":
            parts["share_class"] = code[4]
        elif code[4] in NASDAQ_FIFTH_LETTERS:
            parts["suffix"] = code[4]
    return parts


def _in_context(written: str, left: str, right: str) -> Ticker | None:
    """The notations that stand around the symbol: exchange, cashtag, Bloomberg, the mark of an index."""
    before, after = _LEFT_EXCHANGE.search(left[-_CONTEXT:]), _RIGHT_EXCHANGE.match(right)
    if before is not None:
        return _on_exchange("paren_exchange" if before["open"] else "exchange", written, before["exchange"])
    if after is not None:
        return _on_exchange("paren_reversed", written, after["exchange"])
    if left.endswith("$") and not left[-2:-1].isalnum():
        ticker = _dotted(written, right) or _ticker("cashtag", written)
        ticker["notation"] = "cashtag"
        return ticker
    if left.endswith("^") or (left.endswith(".") and not left[-2:-1].isalnum() and written.isupper()):
        return _ticker("index", written)
    bloomberg = _RIGHT_BLOOMBERG.match(right)
    if bloomberg is not None and (bloomberg["close"] is None or left.endswith("(")):
        return _ticker("bloomberg", written, bloomberg["venue"], BLOOMBERG_VENUES[bloomberg["venue"]])
    return None


def _on_exchange(notation: str, written: str, exchange: str) -> Ticker:
    """A symbol beside the name of its exchange; a cue word such as `ticker:` is no venue."""
    if exchange in CUE_FORMS:
        return _ticker(notation, written)
    return _ticker(notation, written, exchange, EXCHANGE_MICS[exchange])


def _by_itself(written: str, left: str, right: str) -> Ticker:
    """The notations that the symbol carries in itself, else `paren_bare` or `bare`."""
    if len(written) > 2 and written[0] in ".^":
        return _ticker("index", written[1:])
    bloomberg = _FULL_BLOOMBERG.fullmatch(written)
    if bloomberg is not None:
        return _ticker("bloomberg", bloomberg["code"], bloomberg["venue"], BLOOMBERG_VENUES[bloomberg["venue"]])
    dotted = _dotted(written, right)
    if dotted is not None:
        return dotted
    bracket = left.endswith("(")
    if bracket and right.startswith(": Quote"):
        return _ticker("ric", written)
    ticker = _ticker("paren_bare" if bracket and right.lstrip().startswith(")") else "bare", written)
    if ticker["root"] == written:
        return ticker
    if len(ticker["root"]) == 1 and "." in written:  # initials: `U.S`
        ticker["root"], ticker["share_class"] = written, None
        return ticker
    ticker["notation"] = "class_share" if ticker["share_class"] else "security"
    return ticker


def _dotted(written: str, right: str) -> Ticker | None:
    """A Reuters code; its lower-case letter is the class (`VIAb.N`) or a suffix (`IFXGn.DE`, registered)."""
    ric = _FULL_RIC.fullmatch(written)
    if ric is None or written in ABBREVIATIONS or dotted_notation(ric["venue"], right) != "ric":
        return None
    ticker = _ticker("ric", ric["root"], ric["venue"], RIC_VENUES[ric["venue"]])
    low = ric["low"]
    if low in ("a", "b", "c"):
        ticker["share_class"] = low.upper()
    elif low:
        ticker["suffix"] = low
    return ticker
