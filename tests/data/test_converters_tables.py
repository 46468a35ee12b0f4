"""Tables of texts with classes through `convert_path`: every layout, and rows that cost no more than themselves."""

from __future__ import annotations

import csv
import gzip
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_nlpkit.data.converters import ConvertOptions, Report, TableOptions, convert_path
from spacy_nlpkit.errors import NlpkitError

NUMBERED = TableOptions(text_columns=(1,), label_column=0)


@pytest.fixture(scope="module")
def nlp() -> spacy.Language:
    return spacy.blank("en")


def write(path: Path, *rows: Sequence[str], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf8") as file_:
        csv.writer(file_, delimiter=delimiter).writerows(rows)
    return path


def convert(path: Path, nlp: spacy.Language, **options: Any) -> tuple[list[Doc], Report]:
    report = Report()
    docs = list(convert_path(path, nlp, ConvertOptions(**options), report))
    assert report.read == report.converted + sum(report.skipped.values())
    return docs, report


def test_columns_by_name(tmp_path: Path, nlp: spacy.Language) -> None:
    rows = [("id", "label", "text"), ("1", "Sports news", 'He said "go",\nand went'), ("2", "Business", "Nokia rose")]
    docs, report = convert(write(tmp_path / "a.csv", *rows), nlp)
    assert [doc.text for doc in docs] == ['He said "go",\nand went', "Nokia rose"]
    assert [doc.cats for doc in docs] == [{"Business": 0.0, "Sports news": 1.0}, {"Business": 1.0, "Sports news": 0.0}]
    assert [doc._.category for doc in docs] == ["Sports news", "Business"]
    assert report.classes == {"Sports news": 1, "Business": 1}
    assert report.notes["row over several lines"] == 1
    assert (report.answers_read, report.answers_kept) == ({"accept": 2}, {"accept": 2})
    assert report.warnings("a.csv") == []


def test_columns_of_a_text_are_joined(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.csv", ("title", "body", "topic"), ("Up", " Nokia rose ", "A"), ("", "Nokia fell", "A"))
    docs, _ = convert(path, nlp, table=TableOptions(("title", "body"), "topic"))
    assert [doc.text for doc in docs] == ["Up Nokia rose", "Nokia fell"]


def test_ag_news(tmp_path: Path, nlp: spacy.Language) -> None:
    rows = [
        ("4", "A second\\team", "AT amp;T #39;s rocket", "desc", "somewhere"),
        ("1", "", "Talks ended", "desc", "somewhere"),
        ("2", "", "Won", "desc", "somewhere"),
        ("3", "", "Rose", "desc", "somewhere"),
    ]
    path = write(tmp_path / "train.csv", *rows)
    docs, report = convert(path, nlp, format="ag-news", clean=True)
    assert docs[0].text == "A second team AT&T's rocket"
    assert docs[1].text == "Talks ended"
    assert list(docs[0].cats) == ["World", "Sports", "Business", "Sci_Tech"]
    assert [doc._.category for doc in docs] == ["Sci_Tech", "World", "Sports", "Business"]
    assert report.notes["text cleaned"] == 1
    docs, _ = convert(path, nlp, format="ag-news")
    assert docs[0].text == "A second\\team AT amp;T #39;s rocket"


def test_names_of_classes(tmp_path: Path, nlp: spacy.Language) -> None:
    """A label is a name or the number of one; classes that no text has are known all the same."""
    path = write(tmp_path / "a.csv", ("1", "x"), ("Sports page", "y"), ("4", "z"), ("0", "z"), ("-1", "z"), ("²", "z"))
    names = ("World", "Sports page", "Sci_Tech")
    docs, report = convert(path, nlp, table=TableOptions((1,), 0, label_names=names))
    assert [doc.cats for doc in docs] == [
        {"World": 1.0, "Sports page": 0.0, "Sci_Tech": 0.0},
        {"World": 0.0, "Sports page": 1.0, "Sci_Tech": 0.0},
    ]
    assert report.skipped == {"unknown class": 4}
    assert report.problems[0].startswith(f"[N116] {path}, line 3: the label '4' is neither one of World, Sports page")


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_tab_separated_and_packed(tmp_path: Path, nlp: spacy.Language, suffix: str) -> None:
    """Without header, quotes as text: `"` at the start of a text opens nothing."""
    rows = b'neg\t2\t"Dull" is the word.\npos\t9\tA "must\n'
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix]
    path = tmp_path / f"a.tsv{suffix}"
    path.write_bytes(pack(rows))
    docs, report = convert(path, nlp, table=TableOptions((2,), 0, quotes=False))
    assert [(doc.text, doc._.category) for doc in docs] == [('"Dull" is the word.', "neg"), ('A "must', "pos")]
    assert report.skipped == {}


def test_quotes_that_are_text_are_never_dropped(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('neg\t"Dull" is the word.\npos\tGood\n')
    docs, report = convert(path, nlp, table=NUMBERED)
    assert [doc.text for doc in docs] == ["Good"]
    assert report.problems[0].startswith(f"[N113] {path}, line 1: no row of a table")
    assert "--no-quotes" in report.problems[0]


def test_a_tsv_file_without_named_columns_holds_tags(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Nokia\tB-ORG\n")
    (doc,), _ = convert(path, nlp)
    assert [ent.label_ for ent in doc.ents] == ["ORG"]


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (b'1,"Nokia rose', "N113", "malformed"),
        (b'1,"Nokia" rose', "N113", "malformed"),
        (b"1", "N113", "malformed"),
        (b"1,a,b", "N113", "malformed"),
        (b"1,caf\xe9", "N027", "not UTF-8"),
        (b"1, \t ", "N030", "blank text"),
        (b"1,", "N030", "blank text"),
        (b",Nokia rose", "N115", "no label"),
        (b" ,Nokia rose", "N115", "no label"),
        (b"\x07,Nokia rose", "N115", "no label"),
        (b"1," + b"a" * 1_000_001, "N033", "text too long"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_bad_row_costs_itself(tmp_path: Path, nlp: spacy.Language, row: bytes, code: str, reason: str) -> None:
    """The line is that of the file, also after rows over several lines and empty ones."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'1,"one\r\ntwo"\r\n\r\n' + row + b'\r\n2,three\r\n1,"four, five"\r\n')
    docs, report = convert(path, nlp, table=NUMBERED)
    assert [doc.text for doc in docs] == ["one\r\ntwo", "three", "four, five"]
    assert report.skipped == {reason: 1}
    (problem,) = report.problems
    assert problem.startswith(f"[{code}] {path}, line 4: ")
    assert len(problem) < 500


def test_a_stray_byte_costs_the_row_around_it(tmp_path: Path, nlp: spacy.Language) -> None:
    """The message names the line of the byte; the rest of its row is not read as rows of their own."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbflabel,text\nA,"one\ncaf\xe9, with\nthree"\nB,four\n')
    docs, report = convert(path, nlp)
    assert [doc.text for doc in docs] == ["four"]
    assert report.skipped == {"not UTF-8": 1}
    assert report.problems[0].startswith(f"[N027] {path}, line 3: ")


def test_an_open_quote_after_a_stray_byte(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'A,"caf\xe9\nB,two\n')
    docs, report = convert(path, nlp, table=NUMBERED)
    assert [doc.text for doc in docs] == ["two"]
    assert report.skipped == {"not UTF-8": 1}


def test_a_million_characters_are_converted(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.csv", ("label", "text"), ("A", ("a Nokia " * 125_000).strip() + "s"))
    (doc,), _ = convert(path, nlp)
    assert len(doc.text) == 1_000_000


@pytest.mark.parametrize(
    ("header", "table", "problem"),
    [
        ("title,label", None, "no column 'text', the first line has 'title', 'label'"),
        ("text,class", None, "no column 'label', the first line has 'text', 'class'"),
        ("text;label", None, "no column 'text', the first line has 'text;label'"),
        ("text,text,label", None, "more than one column 'text'"),
        ("a,label", TableOptions(("a", "b")), "no column 'b'"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path, nlp: spacy.Language, header: str, table: TableOptions | None, problem: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\nx,y\n")
    with pytest.raises(NlpkitError, match=r"N028.*nothing could be converted") as error:
        convert(path, nlp, table=table)
    assert f"[N112] {path}: {problem}" in str(error.value)


def test_a_number_beyond_the_row(tmp_path: Path, nlp: spacy.Language) -> None:
    """The first row that is wide enough sets the width."""
    path = tmp_path / "a.csv"
    path.write_text("# News of 2004\n1,a\n2,b,c\n")
    docs, report = convert(path, nlp, table=NUMBERED)
    assert [doc.text for doc in docs] == ["a"]
    assert "line 1: 1 fields, where column 1 (from 0) is asked for" in report.problems[0]
    assert "line 3: 3 fields, where the first row has 2" in report.problems[1]


def test_other_files_of_a_folder_are_converted(tmp_path: Path, nlp: spacy.Language) -> None:
    write(tmp_path / "headlines.csv", ("title",), ("x",))
    write(tmp_path / "labelled.csv", ("text", "label"), ("y", "A"))
    write(tmp_path / "more.csv", ("text", "label"), ("z", "B"))
    docs, report = convert(tmp_path, nlp)
    assert [doc.cats for doc in docs] == [{"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0}]
    assert report.skipped == {"wrong columns": 1}


def test_a_column_of_texts_is_no_column_of_labels(tmp_path: Path, nlp: spacy.Language) -> None:
    path = write(tmp_path / "a.csv", ("text", "label"), *((f"text {i}", f"label {i}") for i in range(1001)))
    with pytest.raises(NlpkitError, match=r"N112.*'label' holds 1,001 different labels"):
        convert(path, nlp)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16(tmp_path: Path, nlp: spacy.Language, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" * (encoding == "utf-16-be") + "label,text\nA,one\n", encoding=encoding)
    with pytest.raises(NlpkitError, match=r"N027.*UTF-16"):
        convert(path, nlp)


def test_a_packed_file_that_is_cut_off(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.csv.xz"
    path.write_bytes(lzma.compress(b"label,text\nA,one\n")[:-20])
    with pytest.raises(NlpkitError, match="N032"):
        convert(path, nlp)


@pytest.mark.parametrize(
    "options",
    [
        {"format": "ag-news", "table": NUMBERED},
        {"repair": True},
        {"binary": True},
        {"soft_labels": "vote"},
        {"soft_labels": "mean"},
    ],
    ids=str,
)
def test_options_that_do_not_fit(tmp_path: Path, nlp: spacy.Language, options: dict[str, Any]) -> None:
    with pytest.raises(NlpkitError, match="N006"):
        convert(write(tmp_path / "a.csv", ("text", "label"), ("x", "A")), nlp, **options)
