"""Identifiers of companies and securities, told from other words by their check digits.

ISIN: ISO 6166. CUSIP: ANSI X9.6. SEDOL: London Stock Exchange. LEI: ISO 17442, with the check of ISO 7064 (mod 97-10).
FIGI: OMG Financial Instrument Global Identifier 1.0. Each is read in capitals or not, without blanks.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_CUSIP = re.compile(r"[A-Z0-9]{8}[0-9]")
_SEDOL = re.compile(r"[B-DF-HJ-NP-TV-Z0-9]{6}[0-9]")
_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
# Third and later characters hold no vowels, and the first two are no country that gives ISINs of the same look.
_FIGI = re.compile(r"(?!BS|BM|GG|GB|GH|KY|VG)[B-DF-HJ-NP-TV-Z]{2}G[B-DF-HJ-NP-TV-Z0-9]{8}[0-9]")
_SEDOL_WEIGHTS = (1, 3, 1, 7, 3, 9)
_MAX_LENGTH = 20


def identifier_kind(text: str) -> str:
    """What kind of identifier a text is: `isin`, `cusip`, `sedol`, `lei`, `figi`, or empty if none.

    A code that can be read as more than one kind is the first of FIGI, ISIN, LEI, CUSIP, SEDOL. One of digits alone is
    a CUSIP or SEDOL as well, which one in ten numbers of that length happens to be.
    """
    code = text.strip().upper()
    if not code.isascii() or len(code) > _MAX_LENGTH:
        return ""
    return next((kind for kind, is_valid in _KINDS.items() if is_valid(code)), "")


def same_security(code: str, kind: str) -> list[str]:
    """A valid identifier in capitals, and those of other kinds that hold it or that it holds.

    An ISIN of the United States or Canada holds a CUSIP, one of the United Kingdom a SEDOL.
    """
    if kind == "cusip":
        return [code, _with_check_digit(f"US{code}"), _with_check_digit(f"CA{code}")]
    if kind == "sedol":
        return [code, _with_check_digit(f"GB00{code}")]
    if kind == "isin" and code[:2] in ("US", "CA") and is_cusip(code[2:11]):
        return [code, code[2:11]]
    if kind == "isin" and code[:4] == "GB00" and is_sedol(code[4:11]):
        return [code, code[4:11]]
    return [code]


def is_isin(code: str) -> bool:
    """Whether a code in capitals is an ISIN: the digits of its characters pass the Luhn check."""
    return _ISIN.fullmatch(code) is not None and _luhn(code[:-1]) == int(code[-1])


def is_cusip(code: str) -> bool:
    """Whether a code in capitals is a CUSIP: every second value is doubled, digits are added up."""
    return _CUSIP.fullmatch(code) is not None and _double_add(code[:-1]) == int(code[-1])


def is_sedol(code: str) -> bool:
    """Whether a code in capitals is a SEDOL, by its weighted sum."""
    if _SEDOL.fullmatch(code) is None:
        return False
    total = sum(weight * int(char, 36) for weight, char in zip(_SEDOL_WEIGHTS, code))
    return (10 - total % 10) % 10 == int(code[-1])


def is_lei(code: str) -> bool:
    """Whether a code in capitals is an LEI: as a number in base 36 digits it leaves 1 when divided by 97."""
    return _LEI.fullmatch(code) is not None and int("".join(str(int(char, 36)) for char in code)) % 97 == 1


def is_figi(code: str) -> bool:
    """Whether a code in capitals is a FIGI: checked as a CUSIP is."""
    return _FIGI.fullmatch(code) is not None and _double_add(code[:-1]) == int(code[-1])


def _with_check_digit(body: str) -> str:
    return f"{body}{_luhn(body)}"


def _luhn(body: str) -> int:
    digits = "".join(str(int(char, 36)) for char in body)
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def _double_add(body: str) -> int:
    total = sum(sum(divmod(int(char, 36) * (1 + place % 2), 10)) for place, char in enumerate(body))
    return -total % 10


_KINDS: dict[str, Callable[[str], bool]] = {
    "figi": is_figi,
    "isin": is_isin,
    "lei": is_lei,
    "cusip": is_cusip,
    "sedol": is_sedol,
}
