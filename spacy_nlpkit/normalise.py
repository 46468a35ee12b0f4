"""Keys under which different spellings of one name, or of one symbol, meet.

A key is for comparing, never for showing. Both functions are idempotent: the key of a key is itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

# Legal forms in the spelling of `name_key`. One that is the whole name stays.
LEGAL_FORMS = frozenset({
    "ab", "ag", "as", "asa", "bhd", "bv", "co", "company", "corp", "corporation", "cos", "cv", "gmbh",
    "holding", "holdings", "inc", "incorporated", "kg", "kgaa", "kk", "limited", "llc", "llp", "lp", "ltd",
    "nv", "oao", "oy", "oyj", "pao", "pjsc", "plc", "pt", "pte", "pty", "sa", "sab", "sarl", "sas", "se",
    "sgps", "spa", "srl", "tbk",
})  # fmt: skip
_WORDS = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile(r"['’‘ʼ`´]")
# A dot between single letters joins them (`N.V.`, `S.p.A.`); any other parts words (`Amazon.com`).
_INITIALS_DOT = re.compile(r"(?<=\b[^\W_])\.(?=[^\W_]\b)")
# Letters with a stroke and ligatures, which Unicode does not decompose.
_PLAIN_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})


def name_key(text: str) -> str:
    """The key of a name: `The Coca-Cola Co.` and `COCA COLA COMPANY` share `coca cola`.

    text (str): A name of a company, a person, a place.
    RETURNS (str): Lower-case words with single blanks: compatibility forms, accents and punctuation gone, `&` read
        as `and`, articles before and legal forms (Inc, Corp., PLC, AG, N.V., Co, ...) after the name dropped. Empty
        where the text holds no letter or digit.
    """
    return _settle(_name_key, text)


def symbol_key(text: str) -> str:
    """The key of a stock symbol: `BRK.B`, `brk/b`, `BRK-B` and `$BRK.B` share `BRK.B`.

    text (str): A symbol; a venue that is part of it stays (`DELL.O`), marks of cashtags and indices go (`^GSPC`).
    RETURNS (str): Upper-case parts, joined by dots.
    """
    return _settle(_symbol_key, text)


def without_legal_form(text: str) -> str:
    """A name as written without the legal forms at its end: `Apple` of `Apple Inc.`; itself where it has none."""
    words = text.split()
    while len(words) > 1 and _is_legal_form(words[-1]):
        words.pop()
    if len(words) > 1 and words[-1] in ("&", "and"):
        words.pop()
    return " ".join(words).rstrip(",")


def _is_legal_form(word: str) -> bool:
    return "".join(_WORDS.findall(word)).casefold() in LEGAL_FORMS


def _settle(key: Callable[[str], str], text: str) -> str:
    """Apply `key` until nothing changes: case folding can undo what decomposition did, once or twice."""
    last, result = text, key(text)
    while result != last:
        last, result = result, key(result)
    return result


def _name_key(text: str) -> str:
    plain = text.lower() if text.isascii() else _folded(text)
    plain = _INITIALS_DOT.sub("", _APOSTROPHES.sub("", plain.replace("&", " and ")))
    words = _WORDS.findall(plain)
    while len(words) > 1 and words[0] == "the":
        words = words[1:]
    while len(words) > 1 and words[-1] in LEGAL_FORMS:
        words = words[:-1]
        if len(words) > 1 and words[-1] == "and":
            words = words[:-1]
    return " ".join(words)


def _folded(text: str) -> str:
    """Lower case, without compatibility forms, accents, strokes and ligatures."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in plain if not unicodedata.combining(char)).translate(_PLAIN_LETTERS)


def _symbol_key(text: str) -> str:
    return ".".join(_WORDS.findall(unicodedata.normalize("NFKC", text).upper()))
