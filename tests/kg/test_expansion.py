"""What a document says of its own mentions."""

from __future__ import annotations

import re
import time

import pytest

from spacy_nlpkit.kg.candidates import Mention
from spacy_nlpkit.kg.expansion import MAX_NAMES, Marked, expand


def mentions(written: str, **settings) -> list[Mention]:
    """Expand a text whose mentions are written as `{Dell|ORG}`."""
    text, marked = "", []
    for part in re.split(r"(\{[^}]*\})", written):
        if part.startswith("{"):
            name, label = part[1:-1].split("|")
            marked.append(Marked(name, label, len(text), len(text) + len(name)))
            part = name
        text += part
    return expand(marked, text, **settings)


def names(written: str) -> list[tuple[str, ...]]:
    return [mention.names for mention in mentions(written)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{Dell Computer Corp.|ORG} fell. {Dell|ORG} said", [(), ("Dell Computer Corp.",)]),
        ("{Dell|ORG} fell, said {Dell Inc.|ORG}", [("Dell Inc.",), ()]),
        ("{New York Times|ORG}: the {Times|ORG}'s", [(), ("New York Times",)]),
        ("{Jane Miller|PERSON} and {Miller's|PERSON}", [(), ("Jane Miller",)]),
        ("{Jane Miller|PERSON} and Ms. {Jane|PERSON}", [(), ("Jane Miller",)]),
        ("{Jane Miller|PERSON}, {President Miller|PERSON}", [(), ("Jane Miller",)]),
        ("{Goldman Sachs|ORG} and {the Goldman company|ORG}", [(), ("Goldman Sachs",)]),
    ],
)
def test_short_forms_have_long_names(written, expected):
    assert names(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        "{Michael Dell|PERSON} of {Dell|ORG}",
        "{New York|GPE} and {York|GPE}",
        "{First National Bank|ORG} and {Bank|ORG}",
        "{Dell|ORG} and {Delta|ORG} and {Dell|ORG}",
        "{--|ORG} and {|ORG} and {...|PERSON}",
    ],
)
def test_other_names_are_not_joined(written):
    assert all(found == () for found in names(written))


def test_names_before_the_mention_are_preferred():
    assert names("{Ann Lee|PERSON} {Lee|PERSON} {Bob Lee|PERSON} {Lee|PERSON}")[1::2] == [
        ("Ann Lee",),
        ("Ann Lee", "Bob Lee"),
    ]


def test_the_longest_comes_first_and_few_are_kept():
    found = names("{A Lee|PERSON} {Al B Lee|PERSON} {Alan Bob Lee|PERSON} {Cy Dee Lee|PERSON} {Lee|PERSON}")[-1]
    assert len(found) == MAX_NAMES
    assert found[0] == "Alan Bob Lee"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{European Union|ORG} or {EU|ORG}", [("EU",), ("European Union",)]),
        (
            "{IBM|ORG}: {International Business Machines Corp.|ORG}",
            [("International Business Machines Corp.",), ("IBM",)],
        ),
        ("{U.N.|ORG} for {United Nations|ORG}", [("United Nations",), ("U.N.",)]),
        (
            "{Bank of America|ORG}, {BofA|ORG}, {BA|ORG}, {BOA|ORG}",
            [("BOA", "BA"), (), ("Bank of America",), ("Bank of America",)],
        ),
        ("{International Business Machines|ORG} (IBM) grew", [("IBM",)]),
        ("{International Business Machines|ORG} (AP) grew", [()]),
    ],
)
def test_acronyms(written, expected):
    assert [set(found) for found in names(written)] == [set(found) for found in expected]


def test_a_symbol_in_brackets_and_its_name_are_tied():
    long, symbol, short, again = mentions("{Dell Inc.|ORG} ({DELL|TICKER}) rose. {Dell|ORG}, {DELL|TICKER}")
    assert [mention.symbol for mention in (long, symbol, short, again)] == ["DELL"] * 4
    assert symbol.names == again.names == ("Dell Inc.",)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{Oracle|ORG} (NASDAQ: ORCL)", ("ORCL", "NASDAQ", "XNAS")),
        ("{Oracle|ORG} <ORCL.O>", ("ORCL", "O", "XNAS")),
        ("{Berkshire Hathaway|ORG} (BRKb.N)", ("BRK.B", "N", "XNYS")),
        ("{Oracle|ORG}'s (ORCL.O: Quote, Profile)", ("ORCL", "O", "XNAS")),
        ("{Oracle|ORG} (AP)", ("", "", "")),
        ("{Oracle|ORG} (2004)", ("", "", "")),
        ("{Oracle|ORG} fell. (NASDAQ: ORCL)", ("", "", "")),
        ("(NYSE: {IBM|TICKER})", ("IBM", "NYSE", "XNYS")),
    ],
)
def test_symbols(written, expected):
    (found,) = mentions(written)
    assert (found.symbol, found.venue, found.mic) == expected


def test_labels_of_symbols_can_be_set():
    (plain,) = mentions("{DELL|STOCK}")
    (found,) = mentions("{DELL|STOCK}", symbol_labels=["STOCK"])
    assert (plain.symbol, found.symbol) == ("", "DELL")


def test_text_label_and_day_are_kept():
    assert mentions("{Dell|ORG}", day=12_345) == [Mention("Dell", "ORG", 12_345)]
    assert mentions("no mention") == []


def test_thousands_of_mentions_take_time_in_proportion():
    written = " ".join(
        f"{{Name{i} Smith|PERSON}} ({{S{i % 9}|TICKER}}) {{Smith|PERSON}} {{A B{i}|ORG}}" for i in range(4000)
    )
    start = time.perf_counter()
    found = mentions(written)
    assert time.perf_counter() - start < 20
    assert len(found) == 16_000
    mentions("{" + "word " * 100_000 + "|ORG} (" + "x" * 100_000)
