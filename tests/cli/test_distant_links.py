"""`spacy nlpkit distant-links` as people call it: from a graph and raw texts to a corpus with links."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from typer.testing import CliRunner, Result

from spacy_nlpkit.cli import app
from spacy_nlpkit.data.converters import read_docbin

ENTITIES = [
    {"id": "org:old", "label": "Monsanto", "aliases": [{"text": "MON", "kind": "ticker", "to": "2018-06-06"}]},
    {"id": "org:new", "label": "Monument Circle", "aliases": [{"text": "MON", "kind": "ticker", "from": "2021-08-03"}]},
]
RECORDS: list[dict[str, Any]] = [
    {"text": "Monsanto (NYSE: MON) sold seeds.", "meta": {"date": "2004-08-17", "id": "a"}},
    {"text": "Monsanto Co. (MON) sold seeds.", "meta": {"id": "b"}},
    {"text": "Monument Circle (MON) was listed.", "meta": {"date": "2022", "id": "c"}},
    {"text": "Monument Circle (MON) was not there.", "meta": {"date": "2004", "id": "d"}},
    {"text": "Monsanto (MON) was gone.", "meta": {"date": "2019-01", "id": "e"}},
    {"text": "Nothing happened.", "meta": {}},
]


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    path = tmp_path / "kb.jsonl"
    path.write_text("".join(json.dumps(entity) + "\n" for entity in ENTITIES))
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS) + "no JSON\n")
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def squeeze(text: str) -> str:
    return " ".join(text.split())


def test_raw_texts_become_a_corpus_with_links(kb: Path, texts: Path, tmp_path: Path) -> None:
    result = run("distant-links", kb, texts, tmp_path / "tasks.jsonl", "--mask", 0.5, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "raw.jsonl, line 7" in squeeze(result.output)
    for reason in ("symbol not in use at the date", "no name of the company before it"):
        assert f"left out: {reason} 1" in squeeze(result.output)
    result = run("convert", tmp_path / "tasks.jsonl", tmp_path / "a.spacy")
    assert result.exit_code == 0, result.output
    docs = list(read_docbin(tmp_path / "a.spacy", spacy.blank("en")))
    links = {doc._.item_id: {(ent.text, ent.label_, ent.kb_id_) for ent in doc.ents} for doc in docs}
    assert {item: {kb_id for _, _, kb_id in found} for item, found in links.items()} == {
        "a": {"org:old"},
        "b": {"org:old"},
        "c": {"org:new"},
    }
    assert ("Monsanto Co.", "ORG", "org:old") in links["b"]
    assert [doc._.date for doc in docs] == ["2004-08-17", None, "2022"]
    # What the texts do not say is not known, rather than no entity.
    assert {token.ent_iob_ for doc in docs for token in doc} == {"B", "I", ""}


def test_options_of_texts_and_labels(kb: Path, tmp_path: Path) -> None:
    table = tmp_path / "raw.csv"
    table.write_text(
        "date,body\n2004-08-17,Monsanto&nbsp;(NYSE: MON) rose\n,Monsanto (MON) fell\n,Copied Monsanto (MON)\n"
    )
    excluded = tmp_path / "test.txt"
    excluded.write_text("Copied Monsanto (MON)\n")
    options = ["--text-column", "body", "--date", "2005", "--clean", "--mask", 0, "--exclude", excluded]
    result = run("distant-links", kb, table, tmp_path / "t.jsonl", *options, "--name-label", "FIRM")
    assert result.exit_code == 0, result.output
    tasks = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [task["meta"]["date"] for task in tasks] == ["2004-08-17", "2005"]
    assert [[span["label"] for span in task["spans"]] for task in tasks] == [["FIRM", "TICKER"]] * 2
    assert result.output.count("excluded") == 1


def test_nothing_found_is_status_1_and_leaves_the_output_as_it_was(kb: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "raw.txt", tmp_path / "tasks.jsonl"
    source.write_text("Intel (NASDAQ: INTC) rose.\n")
    output.write_text("as it was")
    result = run("distant-links", kb, source, output)
    assert result.exit_code == 1
    assert "N202" in result.output
    assert "symbol not in the graph: 1" in squeeze(result.output)
    assert output.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kb.jsonl", "raw.txt", "tasks.jsonl"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--agreement", "fuzzy"], "--agreement"),
        (["--date", "yesterday"], "--date"),
        (["--columns", "x"], "--columns"),
    ],
)
def test_bad_settings_are_one_line(kb: Path, texts: Path, tmp_path: Path, options: list[str], named: str) -> None:
    result = run("distant-links", kb, texts, tmp_path / "t.jsonl", *options)
    assert result.exit_code == 1
    assert "N006" in result.output
    assert named in result.output


def test_what_is_read_is_not_written_over(kb: Path, texts: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text('{"text": "Acorn Mills (NYSE: ACM) rose."}\n')
    for source, output in ((raw, raw), (texts, kb), (raw, tmp_path / "." / "raw.jsonl")):
        before = output.read_bytes()
        result = run("distant-links", kb, source, output)
        assert result.exit_code == 1
        assert "N006" in result.output
        assert output.read_bytes() == before


def test_bad_paths_are_one_line(kb: Path, texts: Path, tmp_path: Path) -> None:
    for args in ((tmp_path / "no.jsonl", texts, tmp_path / "t.jsonl"), (kb, tmp_path / "no", tmp_path / "t.jsonl")):
        result = run("distant-links", *args)
        assert result.exit_code == 1
        assert "[N" in result.output
        assert "no such file" in squeeze(result.output)
    result = run("distant-links", kb, texts, tmp_path / "t.csv")
    assert result.exit_code == 1
    assert "N006" in result.output
