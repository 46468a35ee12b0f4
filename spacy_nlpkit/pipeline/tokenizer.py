"""Tokens that stock symbols fit: the language's own tokenizer with rules for the notations of news text.

The rules only cut where a language's own rules would glue a symbol or a name to its surroundings, and keep
one kind of Reuters code whole. They are patterns of spaCy's own `Tokenizer`, so a pipeline that has them
saves and loads like any other and needs nothing of this package to tokenise.
"""

import re
from collections.abc import Callable
from typing import Any

from spacy.language import Language, create_tokenizer
from spacy.symbols import ORTH
from spacy.tokenizer import Tokenizer

from ..errors import Errors, NlpkitError

# Each rule ends with an example; the bar marks the cut. A rule begins with the character it cuts off and looks back
# over it: at any other character the pattern engine then drops the rule at once.
_PREFIXES = (
    r"--?(?=\()",  # --|(Business
    r"-(?=The\b)",  # -|The Washington Post, a credit line
    r"/(?=[A-Z][A-Za-z])",  # /|PRNewswire
)
_SUFFIXES = (
    r"\.(?<=[A-Z0-9]{2}\.[A-Z]\.)(?<!PH\.D\.)",  # MSFT.O|.  BRK.B|.
    r"\.(?<=[A-Z]{2}[a-z]\.[A-Z]\.)",  # VIAb.N|.
    r"\.(?<=[A-Z]{2}[-/][A-Z]\.)",  # BF-B|.
    r"\.(?<=^[CFTX]\.N\.)",  # F.N|.  other single letters before N. are more often initials
    r"\.(?<=[a-z]{2}[A-Z]\.)",  # SpaceX|.
    r"--(?<=\)--)",  # Wire)|--
    r"-(?<=\)-)",  # Wire)|-
    r"/(?<=[A-Za-z)]/)",  # FirstCall|/
    r":-(?<=[A-Za-z]:-)",  # News|:-
)
_INFIXES = (
    r"\((?<=[a-z]\.\()",  # Corp.|(|MRK.N
    r"\((?=[A-Z][A-Z0-9]|[A-Z]\.[A-Z]|[0-9]{4,6}\.[A-Z]|[.^][A-Z])",  # Nissan|(|7201.T
    r"\((?<=\)\()",  # GFI)|(|NYSE
    r"\)(?=\(|--)",  # GFI|)|(NYSE
    r"--(?<=\)--)",  # (BP)|--|Maybe
    r":(?<=[A-Z]:)(?=\))",  # JSE|:|)
    r":(?<=[A-Z]{2}:)(?=[0-9]{3,6}(?![0-9]))",  # TYO|:|7203
    r";(?<=\.[A-Z];)(?=[A-Z])",  # PSFT.O|;|ORCL.O
    r",(?<=[A-Z],)(?=\$[A-Z])",  # $AAPL|,|$MSFT
    r"/(?<=[A-Z]/)(?=\$[A-Z])",  # $AAPL|/|$MSFT
    r"\$(?<=[,/]\$)(?=[A-Z])",  # $AAPL,|$|MSFT
    r"-(?<=\b[A-Z]\.[A-Z]\.-)(?=[A-Za-z])",  # U.S.|-|based
)
# Stock rules cut after a lower-case letter before a dot: a class or registered share of Reuters stays whole.
_WHOLE = r"[A-Z]{2,8}_?[a-z]\.[A-Z]{1,2}(?:\^[A-L][0-9]{2})?\Z"
# An abbreviation at a cut: the first dot after it is its own.
_SPECIAL_CASES = {
    f"{name}{dots}": [{ORTH: name}, {ORTH: dots}] for name in ("U.S.", "U.N.", "U.K.") for dots in ("..", "...")
}


def create_news_tokenizer() -> Callable[[Language], Tokenizer]:
    """`spacy_nlpkit.NewsTokenizer.v1`: the language's own tokenizer with the rules for symbols.

    RETURNS (Callable[[Language], Tokenizer]): To be named in `[nlp.tokenizer]`.
    RAISES: N050, when called for a language whose own tokenizer is not spaCy's `Tokenizer` (Chinese,
    Japanese, ...).
    """

    def make_tokenizer(nlp: Language) -> Tokenizer:
        own = nlp.default_config["nlp"]["tokenizer"]["@tokenizers"]
        if own != "spacy.Tokenizer.v1":
            raise NlpkitError(Errors.N050.format(lang=nlp.lang, tokenizer=own))
        tokenizer = create_tokenizer()(nlp)
        _add_rules(tokenizer)
        return tokenizer

    return make_tokenizer


def add_symbol_rules(nlp: Language) -> None:
    """Add the rules for symbols to the tokenizer of an existing pipeline; a second call changes nothing.

    nlp (Language): Any pipeline with spaCy's own tokenizer. Its components keep working, but see other tokens
    where the rules cut: train or evaluate again what depends on them. The rules are saved with the pipeline.
    RAISES: N050 where the tokenizer is of another kind, N051 where one of its patterns is a function of the
    user's.
    """
    if not isinstance(nlp.tokenizer, Tokenizer):
        raise NlpkitError(Errors.N050.format(lang=nlp.lang, tokenizer=type(nlp.tokenizer).__name__))
    _add_rules(nlp.tokenizer)


def _add_rules(tokenizer: Tokenizer) -> None:
    patterns = {
        "prefix_search": f"^(?:{'|'.join(_PREFIXES)})",
        "suffix_search": f"(?:{'|'.join(_SUFFIXES)})$",
        "infix_finditer": "|".join(_INFIXES),
        "token_match": _WHOLE,
    }
    joined = {setting: _join(ours, getattr(tokenizer, setting), setting) for setting, ours in patterns.items()}
    for setting, pattern in joined.items():
        method = setting.rpartition("_")[2]
        setattr(tokenizer, setting, getattr(re.compile(pattern), method))
    for text, case in _SPECIAL_CASES.items():
        tokenizer.add_special_case(text, case)


def _join(ours: str, existing: Any, setting: str) -> str:
    """Our alternatives before the tokenizer's own, in one pattern: spaCy saves the text of a pattern alone."""
    if existing is None:
        return ours
    theirs = getattr(existing, "__self__", None)
    if not isinstance(theirs, re.Pattern):
        raise NlpkitError(Errors.N051.format(setting=setting))
    if theirs.pattern == ours or theirs.pattern.startswith(f"{ours}|"):
        return theirs.pattern
    # Flags (French matches whole tokens in any case) must not reach our part.
    flags = "".join(letter for letter in "imsx" if theirs.flags & getattr(re, letter.upper()))
    plain = re.sub(r"^\(\?[aiLmsux]+\)", "", theirs.pattern)
    return f"{ours}|(?{flags}:{plain})" if flags else f"{ours}|{plain}"
