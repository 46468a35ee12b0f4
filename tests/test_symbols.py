"""Notations of stock symbols: what is found, what is no symbol, how one is taken apart."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_nlpkit.symbols import N_CODES, NOTATIONS, find, notation_codes, resolve

FOUND = [
    # text, symbols with their notation
    ("Dell Inc. (DELL.O) and (MRK.N: Quote, Profile, Research)", [("DELL.O", "ric"), ("MRK.N", "ric")]),
    ("shares of MSFT.O. Corp.INTC.O, rose", [("MSFT.O", "ric"), ("INTC.O", "ric")]),
    ("AWE (NYSE: AWE)", [("AWE", "paren_exchange")]),
    ("(Nasdaq:AAPL - message board)", [("AAPL", "paren_exchange")]),
    ("(nyse: ELY - news - people )", [("ELY", "paren_exchange")]),
    ("(NYSE: GM; TSX: GMM)", [("GM", "paren_exchange"), ("GMM", "paren_exchange")]),
    ("(NASDAQ:GOOG,GOOGL)", [("GOOG", "paren_exchange"), ("GOOGL", "paren_exchange")]),
    ("(NYSE: BRK.A and BRK.B)", [("BRK.A", "paren_exchange"), ("BRK.B", "paren_exchange")]),
    ("(NYSE:GFI)(JSE:GFI)", [("GFI", "paren_exchange"), ("GFI", "paren_exchange")]),
    ("(ticker: BEAM)", [("BEAM", "paren_exchange")]),
    ("(HD:NYSE - news - research)", [("HD", "paren_reversed")]),
    ("Nasdaq: AAPL rose", [("AAPL", "exchange")]),
    ("$AAPL, ($DIS) and $BRK.B", [("AAPL", "cashtag"), ("DIS", "cashtag"), ("BRK.B", "cashtag")]),
    ("BRK.B or (BF-B)", [("BRK.B", "class_share"), ("BF-B", "class_share")]),
    ("AHT^D XYZ/WS XYZ.WS", [("AHT^D", "security"), ("XYZ/WS", "security"), ("XYZ.WS", "security")]),
    ("7203.T, 0700.HK. 601857.SS", [("7203.T", "ric"), ("0700.HK", "ric"), ("601857.SS", "ric")]),
    ("(IFXGn.DE) VIAb.N", [("IFXGn.DE", "ric"), ("VIAb.N", "ric")]),
    ("ENRNQ.PK^K04", [("ENRNQ.PK^K04", "ric")]),
    ("Ford F.N fell, (T.TO) too", [("F.N", "ric"), ("T.TO", "ric")]),
    ("(GM.N/F.N) PSFT.O;ORCL.O", [("GM.N", "ric"), ("F.N", "ric"), ("PSFT.O", "ric"), ("ORCL.O", "ric")]),
    ("(FN: Quote, Profile", [("FN", "ric")]),
    ("VOD LN Equity, (7203 JT)", [("VOD LN", "bloomberg"), ("7203 JT", "bloomberg")]),
    (".IXIC, ^GSPC (.DJI)", [(".IXIC", "index"), ("^GSPC", "index"), (".DJI", "index")]),
]
TRAPS = [
    "The U.S and U.N, the U.K. (U.S) (U.N.)",
    "By W. Watts (CBS.MW), CBS.MW reports",
    "(AP) (AFP) (Reuters) (CP) (SPACE.com) (NewsFactor) (AP/Reuters)",
    "J.P. Morgan, George W. Bush, T.N. Smith, J.K. Rowling, P.D. James",
    "he said.In the end, Corp.The Inc.O Co.N",
    "e.g. i.e. a.m. No.1 vs.N",
    "www.BA.L www.x.com AMAZON.CO.UK me@AB.TO @AB.TO",
    "ASP.NET and .NET, .COM, .PDF",
    "US$5, C$5, $5, $US 5 million, $A 3, A$AP",
    "(IETF) (XOM) IBM ON IT A",
    "Paris: A man, London: VOD",
    "1:30 NYSE: the exchange (NYSE: closed)",
    "3.5T 100.A x^2 A^B^C ^^GSPC",
    "",
]


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


@pytest.mark.parametrize(("text", "wanted"), FOUND)
def test_notations_are_found(text, wanted):
    assert [(text[m.symbol_start : m.symbol_end], m.notation) for m in find(text)] == wanted


@pytest.mark.parametrize("text", TRAPS)
def test_traps_are_no_symbols(text):
    assert find(text) == []


def test_extent_of_a_match():
    text = "Depot (HD:NYSE - news - research) or (NYSE: AWE), Merck (MRK.N: Quote, Profile), $AAPL"
    written = [
        (text[m.start : m.end], text[m.exchange_start : m.exchange_end] if m.exchange_start >= 0 else None)
        for m in find(text)
    ]
    assert written == [
        ("(HD:NYSE - news - research)", "NYSE"),
        ("(NYSE: AWE)", "NYSE"),
        ("(MRK.N: Quote, Profile)", None),
        ("$AAPL", None),
    ]


@given(st.text("()$^.:/ ,AEIOUNSYBKLTWaeinost0123456789NYSEquotynasdaq", max_size=120))
def test_matches_are_in_order_and_inside_the_text(text):
    end = 0
    for match in find(text):
        assert end <= match.start <= match.symbol_start < match.symbol_end <= match.end <= len(text)
        assert match.notation in NOTATIONS
        end = match.end


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        ("a", 0),
        ("(", 0),
        ("$", 0),
        (".", 0),
        ("A.", 0),
        ("(A - ", 0),
        ("( NYSE Arca", 0),
        ("(NYSE: AB, ", 1),
        ("AB.N ", 1),
    ],
)
def test_long_texts_of_one_pattern(unit, found):
    # A pattern that goes back over the text would not come to an end here.
    times = 300_000 // len(unit)
    assert len(find(unit * times)) == found * times


RESOLVED = [
    # text, left, right; root, venue, mic, suffix, share_class, notation
    ("DELL.O", "(", ")", "DELL", "O", "XNAS", None, None, "ric"),
    ("AWE", "(NYSE: ", ")", "AWE", "NYSE", "XNYS", None, None, "paren_exchange"),
    ("AAPL", "(Nasdaq:", " - message board)", "AAPL", "Nasdaq", "XNAS", None, None, "paren_exchange"),
    ("GMM", "(NYSE: GM; TSX: ", ")", "GMM", "TSX", "XTSE", None, None, "exchange"),
    ("BRK.B", "(NYSE: BRK.A, ", ")", "BRK", "NYSE", "XNYS", None, "B", "paren_exchange"),
    ("HD", "(", ":NYSE - news)", "HD", "NYSE", "XNYS", None, None, "paren_reversed"),
    ("AWE", "NYSE: ", "", "AWE", "NYSE", "XNYS", None, None, "exchange"),
    ("BEAM", "(ticker: ", ")", "BEAM", None, None, None, None, "paren_exchange"),
    ("AAPL", "bought $", " at", "AAPL", None, None, None, None, "cashtag"),
    ("$AAPL", "", "", "AAPL", None, None, None, None, "cashtag"),
    ("$BRK.B", "", "", "BRK", None, None, None, "B", "cashtag"),
    ("BRK.B", "", "", "BRK", None, None, None, "B", "class_share"),
    ("BF-B", "", "", "BF", None, None, None, "B", "class_share"),
    ("BRK/A", "", "", "BRK", None, None, None, "A", "class_share"),
    ("BRKa", "", "", "BRK", None, None, None, "A", "class_share"),
    ("VIAb.N", "", "", "VIA", "N", "XNYS", None, "B", "ric"),
    ("IFXGn.DE", "", "", "IFXG", "DE", "XETR", "n", None, "ric"),
    ("ATAC.A", "(", ": Quote, Profile", "ATAC", "A", "XASE", None, None, "ric"),
    ("FN", "(", ": Quote, Profile", "FN", None, None, None, None, "ric"),
    ("7203.T", "", "", "7203", "T", "XTKS", None, None, "ric"),
    ("VOD.L", "", "", "VOD", "L", "XLON", None, None, "ric"),
    ("STM.PA", "", "", "STM", "PA", "XPAR", None, None, "ric"),
    ("IBM US", "", "", "IBM", "US", None, None, None, "bloomberg"),
    ("IBM US Equity", "", "", "IBM", "US", None, None, None, "bloomberg"),
    ("VOD LN", "", "", "VOD", "LN", "XLON", None, None, "bloomberg"),
    ("VOD", "(", " LN)", "VOD", "LN", "XLON", None, None, "bloomberg"),
    ("VOD", "", " LN Equity", "VOD", "LN", "XLON", None, None, "bloomberg"),
    (".IXIC", "", "", "IXIC", None, None, None, None, "index"),
    ("^GSPC", "", "", "GSPC", None, None, None, None, "index"),
    ("GSPC", "the ^", "", "GSPC", None, None, None, None, "index"),
    ("XYZ/WS", "", "", "XYZ", None, None, "WS", None, "security"),
    ("AHT^D", "", "", "AHT", None, None, "PR D", None, "security"),
    ("AHT PR D", "", "", "AHT", None, None, "PR D", None, "security"),
    ("AHTpD", "", "", "AHT", None, None, "PR D", None, "security"),
    ("CMCSA.O", "", "", "CMCSA", "O", "XNAS", None, "A", "ric"),
    ("ADELQ.PK", "", "", "ADELQ", "PK", "PINX", "Q", None, "ric"),
    ("GOOGL", "(NASDAQ:GOOG,", ")", "GOOGL", "NASDAQ", "XNAS", None, None, "paren_exchange"),
    ("SIRIQ", "(NYSE: ", ")", "SIRIQ", "NYSE", "XNYS", None, None, "paren_exchange"),
    ("(NYSE: AWE)", "", "", "AWE", "NYSE", "XNYS", None, None, "paren_exchange"),
    ("NYSE:AWE", "", "", "AWE", "NYSE", "XNYS", None, None, "exchange"),
    ("XOM", "(", ")", "XOM", None, None, None, None, "paren_bare"),
    ("ON", "shares of ", " fell", "ON", None, None, None, None, "bare"),
    ("U.S", "", "", "U.S", None, None, None, None, "bare"),
    ("CBS.MW", "(", ")", "CBS.MW", None, None, None, None, "paren_bare"),
    ("", "", "", "", None, None, None, None, "bare"),
]


@pytest.mark.parametrize(
    ("text", "left", "right", "root", "venue", "mic", "suffix", "share_class", "notation"), RESOLVED
)
def test_resolve(text, left, right, root, venue, mic, suffix, share_class, notation):
    assert resolve(text, left, right) == {
        "raw": text,
        "root": root,
        "venue": venue,
        "mic": mic,
        "suffix": suffix,
        "share_class": share_class,
        "notation": notation,
    }


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_resolve_never_fails(text, left, right):
    ticker = resolve(text, left, right)
    assert ticker["raw"] == text
    assert ticker["notation"] in NOTATIONS


@pytest.mark.parametrize(("text", "wanted"), FOUND)
def test_what_is_found_resolves_to_a_notation(text, wanted):
    for match in find(text):
        ticker = resolve(
            text[match.symbol_start : match.symbol_end], text[: match.symbol_start], text[match.symbol_end :]
        )
        assert ticker["notation"] not in ("bare", "paren_bare")


def codes_of(nlp, text):
    doc = nlp.make_doc(text)
    codes = notation_codes(doc)
    assert codes.shape == (len(doc),)
    assert codes.dtype == np.int64
    assert (codes < N_CODES).all()
    return dict(zip([token.text for token in doc], codes.tolist()))


def test_codes_tell_symbol_exchange_and_mark_apart(nlp):
    codes = codes_of(nlp, "Depot ( NYSE : HD ) was (NYSE: AWE) here")
    assert codes["Depot"] == codes["was"] == codes["here"] == 0
    assert len({codes["("], codes["NYSE"], codes["AWE"], 0}) == 4
    assert codes["("] == codes[":"] == codes[")"]


def test_codes_tell_notations_apart(nlp):
    symbols = ["AWE", "HD", "DELL.O", "AAPL", "BRK.B", ".IXIC", "VOD"]
    codes = codes_of(nlp, "(NYSE: AWE) (HD:NYSE) DELL.O $AAPL BRK.B .IXIC (VOD LN)")
    assert len({codes[symbol] for symbol in symbols} | {0}) == len(symbols) + 1


def test_codes_of_brackets_that_are_no_notation(nlp):
    codes = codes_of(nlp, "LONDON (AP) said (XOM) and (the) rest")
    assert len({codes["AP"], codes["XOM"], 0}) == 3
    assert codes["the"] == 0
    symbols = set(codes_of(nlp, "(NYSE: AWE) DELL.O").values())
    assert symbols.isdisjoint({codes["AP"], codes["XOM"]})


def test_codes_of_a_symbol_in_several_tokens(nlp):
    words = ["to", "IFXGn", ".", "DE", "up"]
    codes = notation_codes(Doc(nlp.vocab, words=words, spaces=[True, False, False, True, False]))
    assert codes[0] == codes[4] == 0
    assert codes[1] == codes[2] == codes[3] > 0


@pytest.mark.parametrize("text", ["", " ", "\n\n", "no symbol", "שלום (NYSE: AWE)", "😀 DELL.O"])
def test_codes_of_odd_texts(nlp, text):
    codes = codes_of(nlp, text)
    assert any(codes.values()) == any(symbol in text for symbol in ("AWE", "DELL"))
