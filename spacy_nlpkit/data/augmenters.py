"""Registered augmenters: other symbols and names, lower case, symbols without notation.

Each is called as `augment(nlp, example)` and yields one example: with the probability `level` a rewritten
one, else the one it was given. Random choices come from `random`, which `[training] seed` fixes.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional, Union  # noqa: UP035

import srsly
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example

from ..errors import Errors, NlpkitError
from ..symbols import resolve
from .rewriting import Edit, apply_edits, lower_cased, rewrite_example

Augmenter = Callable[[Language, Example], Iterator[Example]]

MAX_SEEN = 10_000
_CONTEXT = 40
_CLOSING = {"(": ")", "[": "]", "<": ">"}
# Beside symbols in brackets: `NYSE:` before and between, `:NYSE - news` and `: Quote` behind.
_EXCHANGE = r"[A-Za-z][\w.&/' ]{0,24}?"
_BEFORE = re.compile(rf"[(\[<]\s*(?:{_EXCHANGE}\s?[:\-]\s?)?\$?\Z")
_BETWEEN = re.compile(rf"\s*(?:[,;/]|and\b)?\s*(?:{_EXCHANGE}\s?:\s?)?\$?")
_BEHIND = re.compile(r"(?:\s*:|\s+-\s)[^()\[\]<>]{0,80}|\s*")


def create_chain(augmenters: Dict[str, Any]) -> Augmenter:  # noqa: UP006
    """`spacy_nlpkit.chain_augmenters.v1`: each augmenter works on what those before it yield.

    augmenters (Dict[str, Callable]): Blocks of the config, in their order there.
    RAISES: N006 for a block that is no augmenter.
    """
    # The config refuses blocks in a Dict[str, Callable]: it checks their type before it makes them.
    for key, augmenter in augmenters.items():
        if not callable(augmenter):
            name = "spacy_nlpkit.chain_augmenters.v1"
            raise NlpkitError(Errors.N006.format(setting=key, name=name, expected="an augmenter", value=augmenter))

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        examples: Iterable[Example] = [example]
        for augmenter in augmenters.values():
            examples = [new for old in examples for new in augmenter(nlp, old)]
        yield from examples

    return augment


def create_lower_case(level: float) -> Augmenter:
    """`spacy_nlpkit.lower_case_entities.v1`: the whole text in lower case, entities where they were."""
    name = "spacy_nlpkit.lower_case_entities.v1"
    _check_level(name, level)

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        if random.random() < level:
            example = rewrite_example(nlp, example, lower_cased(example.reference.text))
        yield example

    return augment


def create_strip_notation(level: float, label: str = "TICKER", suffix: bool = False) -> Augmenter:
    """`spacy_nlpkit.strip_notation.v1`: symbols without brackets and exchange, see `strip_notation`."""
    _check_level("spacy_nlpkit.strip_notation.v1", level)

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        doc = example.reference
        spans = [(ent.start_char, ent.end_char) for ent in doc.ents if ent.label_ == label]
        if spans and random.random() < level:
            edits = _notation_edits(doc.text, spans, suffix)
            example = rewrite_example(nlp, example, apply_edits(doc.text, edits)) if edits else example
        yield example

    return augment


def create_swap_symbols(
    level: float,
    label: str = "TICKER",
    symbols: Optional[List[str]] = None,  # noqa: UP006, UP045
    names: Optional[Union[str, Dict[str, List[str]]]] = None,  # noqa: UP006, UP007, UP045
) -> Augmenter:
    """`spacy_nlpkit.swap_symbols.v1`: other symbols and names for those of a text, the same for the same.

    level (float): The share of texts to rewrite, 0 to 1.
    label (str): The label of symbols; of these only the root is swapped: `SPLS.O` becomes `LXK.O`.
    symbols (List[str]): Roots to choose from; None for those of the texts read before.
    names (Dict[str, List[str]] | str): Names to choose from by label, or the path of a JSON file of them;
        None for those of texts read before, `{}` to leave names alone.
    What is swapped loses its entity id: nobody knows what the new name stands for.
    RAISES: N006 for a level outside 0 to 1, N039 where the file of names cannot be read.
    """
    name = "spacy_nlpkit.swap_symbols.v1"
    _check_level(name, level)
    if isinstance(names, (str, Path)):
        names = _read_names(name, Path(names))
    return _Swap(level, label, symbols, names)


class _Swap:
    def __init__(self, level: float, label: str, symbols: list[str] | None, names: dict[str, list[str]] | None) -> None:
        self.level = level
        self.label = label
        self.learn_symbols = symbols is None
        self.learn_names = names is None
        self.choices: dict[str, list[str]] = {**(names or {}), label: list(symbols or [])}
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        doc = example.reference
        swappable = [(ent, part) for ent in doc.ents if (part := self._part(ent)) is not None]
        self._learn((ent.label_, part.text) for ent, part in swappable)
        if random.random() < self.level:
            chosen = {(ent.label_, part.text): "" for ent, part in swappable}
            chosen = {key: self._choose(*key) for key in chosen}
            edits = {
                ent: Edit(part.start, part.end, chosen[ent.label_, part.text])
                for ent, part in swappable
                if chosen[ent.label_, part.text] != part.text
            }
            if edits:
                example = rewrite_example(nlp, example, apply_edits(doc.text, edits.values()), edits)
        yield example

    def _part(self, ent: Span) -> Edit | None:
        """Place and text of what is swapped: a name, or the root of a symbol; codes of indices stay."""
        if ent.label_ != self.label:
            return Edit(ent.start_char, ent.end_char, ent.text)
        ticker = resolve(ent.text)
        if ticker["notation"] == "index" or ticker["root"] not in ent.text:
            return None
        start = ent.start_char + ent.text.index(ticker["root"])
        return Edit(start, start + len(ticker["root"]), ticker["root"])

    def _learn(self, texts: Iterable[tuple[str, str]]) -> None:
        for label, text in texts:
            learns = self.learn_symbols if label == self.label else self.learn_names
            choices = self.choices.setdefault(label, [])
            if learns and (label, text) not in self.seen and len(choices) < MAX_SEEN:
                self.seen.add((label, text))
                choices.append(text)

    def _choose(self, label: str, text: str) -> str:
        """Another text of the label; the text itself where there is none."""
        choices = self.choices[label]
        if not choices:
            return text
        place = random.randrange(len(choices))
        return choices[place] if choices[place] != text else choices[place - 1]


def strip_notation(
    text: str, spans: Sequence[Mapping[str, Any]], label: str = "TICKER", suffix: bool = False
) -> tuple[str, list[dict[str, Any]]]:
    """Take the notation off the symbols of a text: `Lexmark (NYSE: LXK), a` becomes `Lexmark LXK, a`.

    text (str): The text.
    spans: Annotations with `start`, `end` and `label`, as in Prodigy's JSONL, in any order.
    label (str): The label of symbols.
    suffix (bool): Take the code of the venue off as well: `DELL.O` becomes `DELL`.
    RETURNS (tuple): The new text, and the spans with new offsets and all their other keys; those whose text
        is gone, such as the exchange, are left out.
    """
    symbols = [(span["start"], span["end"]) for span in spans if span["label"] == label]
    rewritten = apply_edits(text, _notation_edits(text, symbols, suffix))
    moved = [(span, rewritten.move(span["start"], span["end"])) for span in spans]
    return rewritten.text, [
        {**span, "start": bounds[0], "end": bounds[1]} for span, bounds in moved if bounds is not None
    ]


def _notation_edits(text: str, symbols: Sequence[tuple[int, int]], suffix: bool) -> list[Edit]:
    """What to remove around symbols, given by their offsets, and of them."""
    edits: list[Edit] = []
    symbols = sorted(symbols)
    done = 0
    while done < len(symbols):
        count, around = _bracket_edits(text, symbols[done:])
        start = symbols[done][0]
        if not count and text[start - 1 : start] == "$":
            around = [Edit(start - 1, start, "")]
        edits += around
        done += max(count, 1)
    if suffix:
        for start, end in symbols:
            ticker = resolve(text[start:end], text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT])
            if ticker["notation"] == "ric" and text[start:end].endswith(f".{ticker['venue']}"):
                edits.append(Edit(end - len(ticker["venue"] or "") - 1, end, ""))
    return edits


def _bracket_edits(text: str, symbols: Sequence[tuple[int, int]]) -> tuple[int, list[Edit]]:
    """How many of the symbols share the brackets of the first, and what to remove; 0 where there are none.

    Brackets that hold more than symbols and their notation are left alone.
    """
    first_start = symbols[0][0]
    before = _BEFORE.search(text, max(0, first_start - _CONTEXT), first_start)
    if before is None:
        return 0, []
    # One blank where the bracket stood close to a word.
    edits = [Edit(before.start(), first_start, " " if text[before.start() - 1 : before.start()].strip() else "")]
    for count, (_, end) in enumerate(symbols, start=1):
        if count < len(symbols) and _BETWEEN.fullmatch(text, end, symbols[count][0]):
            edits.append(Edit(end, symbols[count][0], " "))
            continue
        behind = _BEHIND.match(text, end)
        close = behind.end() if behind else end
        # A text cut off inside the brackets counts as closed.
        if close < len(text) and text[close] != _CLOSING[text[before.start()]]:
            return 0, []
        follows = text[close + 1 : close + 2].isalnum()
        return count, [*edits, Edit(end, close + 1, " " if follows else "")]
    return 0, []


def _check_level(name: str, level: float) -> None:
    if not 0 <= level <= 1:
        raise NlpkitError(Errors.N006.format(setting="level", name=name, expected="0 to 1", value=level))


def _read_names(augmenter: str, path: Path) -> dict[str, list[str]]:
    try:
        names = srsly.read_json(path)
    except (OSError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise NlpkitError(Errors.N039.format(name=augmenter, path=path, problem=problem)) from error
    if not isinstance(names, dict) or not all(isinstance(texts, list) for texts in names.values()):
        raise NlpkitError(Errors.N039.format(name=augmenter, path=path, problem="it holds something else"))
    return names
