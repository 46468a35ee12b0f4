"""Cleaning: what becomes of each artefact, and offsets that hold in both directions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_nlpkit.data.cleaning import clean

QUOTE_LINK = (
    'Staples Inc. &lt;A HREF="http://www.example.com/FullQuote.aspx?ticker=SPLS.O target=/stocks/quickinfo/'
    'fullquote"&gt;SPLS.O&lt;/A&gt;, the top chain'
)
PIECES = [
    *(
        "amp;",
        "&",
        "#39;",
        "#36;",
        "#59",
        "#92;",
        "quot;",
        "lt;",
        "gt;",
        "nbsp;",
        "&lt;",
        "<b>",
        "</b>",
        "<p>",
        "<",
    ),
    *(">", ";", " ", "\\", "$", "\n", "a", "B", "=", "/", "!--", "--", "l", "t", "é", "7", "x=", "A HREF=x"),
]
messy = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("the ambassador #39;s car", "the ambassador's car"),
        ("a  #39;relatively #39; good lead", "a 'relatively' good lead"),
        ("paid  #36;10 million", "paid $10 million"),
        ("costs US #36;75.", "costs US$75."),
        ("worth \\$5 billion, A\\$3", "worth $5 billion, A$3"),
        ("said:  quot;No, quot; he added", 'said: "No," he added'),
        ("AT amp;T and Johnson  amp; Johnson", "AT&T and Johnson & Johnson"),
        ("women amp;apos;s race", "women's race"),
        ("AT&amp;T &quot;now&quot;", 'AT&T "now"'),
        ("a second\\team\\\\of", "a second team of"),
        ("Corp. &lt;TXN.N&gt; rose", "Corp. <TXN.N> rose"),
        ("Corp.  lt;7269.T gt; rose", "Corp. <7269.T> rose"),
        (QUOTE_LINK, "Staples Inc. SPLS.O, the top chain"),
        ('Inc. <A HREF="x">SPLS.O</A> fell', "Inc. SPLS.O fell"),
        ("<p>One</p><p>Two<br/>three</p>", "One Two three"),
        ("S<b>&amp;</b>P", "S&P"),
        ("one <!-- never seen --> two", "one two"),
        ("covert  #151; online", "covert — online"),
        ("r #233;sum #233;", "résumé"),
        ("  two  blanks\t\n here ", "two blanks here"),
        ("", ""),
        (" \\ ", ""),
    ],
)
def test_artefacts(raw: str, expected: str) -> None:
    assert clean(raw).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "the lamp; the quilt; and",
        "<Bush> hello",
        "<b and c>",
        "5 < 6; 7 > 6",
        "AT&T; $5",
        "U.S.",
    ],
)
def test_what_is_no_artefact_stays(text: str) -> None:
    assert clean(text).text == text


@settings(deadline=None)
@given(messy)
def test_idempotent(raw: str) -> None:
    once = clean(raw).text
    assert clean(once).text == once


@settings(deadline=None)
@given(messy)
def test_offsets_rise_and_stay_in_range(raw: str) -> None:
    cleaned = clean(raw)
    assert cleaned.offsets.shape == (len(cleaned.text), 2)
    flat = cleaned.offsets.ravel()
    assert np.all(cleaned.offsets[:, 0] < cleaned.offsets[:, 1])
    assert np.all(np.diff(flat) >= 0)
    to_raw = [cleaned.to_raw(i) for i in range(len(cleaned.text) + 1)]
    to_clean = [cleaned.to_clean(i) for i in range(len(raw) + 1)]
    assert to_raw == sorted(to_raw)
    assert all(0 <= i <= len(raw) for i in to_raw)
    assert to_clean == sorted(to_clean)
    assert to_clean[-1] == len(cleaned.text)
    assert [cleaned.to_clean(i) for i in to_raw] == list(range(len(cleaned.text) + 1))


@settings(deadline=None)
@given(messy, st.data())
def test_spans_survive_both_directions(raw: str, data: st.DataObject) -> None:
    cleaned = clean(raw)
    words = [i for i, char in enumerate(cleaned.text) if not char.isspace()]
    if not words:
        return
    start, last = sorted([data.draw(st.sampled_from(words)), data.draw(st.sampled_from(words))])
    raw_start, raw_end = cleaned.span_to_raw(start, last + 1)
    assert 0 <= raw_start < raw_end <= len(raw)
    assert cleaned.span_to_clean(raw_start, raw_end) == (start, last + 1)


def test_annotations_of_a_raw_text_move_to_the_clean_one() -> None:
    cleaned = clean(QUOTE_LINK)
    start = QUOTE_LINK.index("SPLS.O&lt;")
    assert cleaned.span_to_clean(start, start + 6) == (13, 19)
    assert cleaned.text[13:19] == "SPLS.O"
    # The symbol in the attribute of the link is gone, and so is what was annotated there.
    assert cleaned.span_to_clean(QUOTE_LINK.index("SPLS.O"), QUOTE_LINK.index("SPLS.O") + 6) is None
    johnson = clean("At Johnson  amp; Johnson today")
    assert johnson.raw[slice(*johnson.span_to_raw(3, 20))] == "Johnson  amp; Johnson"
    assert johnson.span_to_clean(3, 24) == (3, 20)
    # A raw span with the blank behind it keeps its word alone.
    assert clean("the  NYSE \\ fell").span_to_clean(5, 12) == (4, 8)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        "<b>",
        "l<b>t;",
        "amp;",
        "#59",
        "\\",
        " ",
        ";",
        "<!--",
        "x <b and c> y ",
        "the day #39;s  amp; ",
    ],
)
def test_a_million_characters(piece: str) -> None:
    """Each of these takes a second; a rule that looks back without bound takes hours."""
    raw = (piece * (1_000_000 // len(piece)))[:1_000_000] + ";>"
    cleaned = clean(raw)
    assert len(cleaned.offsets) == len(cleaned.text)
    assert clean(cleaned.text).text == cleaned.text
