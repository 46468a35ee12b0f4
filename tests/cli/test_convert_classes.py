"""`spacy nlpkit convert` of tables and classes, as people call it."""

from __future__ import annotations

import gzip
import json
import lzma
from collections import Counter
from pathlib import Path

import pytest

from .test_convert import read, run, run_process, squeeze

NAMES = ("World", "Sports", "Business", "Sci_Tech")


def write_ag_news(path: Path, count: int = 40) -> Path:
    rows = [f'"{i % 4 + 1}","","Item {i} of AT amp;T the day","desc","here"\n' for i in range(count)]
    path.write_bytes(gzip.compress("".join(rows).encode()))
    return path


def test_ag_news_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Stratified by class, the same for the same seed, with the counts of annotations and answers."""
    write_ag_news(tmp_path / "train.csv.gz")
    options = ["--format", "ag-news", "--clean", "--split", "0.5,0.25,0.25", "--stratify", "category", "--seed", "3"]
    done = run_process("convert", "train.csv.gz", "corpus", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    for line in ("Annotations in 40", "Answers kept: accept 40", "Class: Sci_Tech 10"):
        assert line.split() in lines
    assert "NW0" not in done.stdout
    parts = {path.stem: read(path) for path in (tmp_path / "corpus").iterdir()}
    assert {name: len(docs) for name, docs in parts.items()} == {"train": 20, "dev": 10, "test": 10}
    counts = {name: Counter(doc._.category for doc in docs) for name, docs in parts.items()}
    assert counts["train"] == dict.fromkeys(NAMES, 5)
    assert all(2 <= count <= 3 for name in ("dev", "test") for count in counts[name].values())
    assert all(tuple(doc.cats) == NAMES for docs in parts.values() for doc in docs)
    assert parts["train"][0].text.endswith("of AT&T the day")
    run("convert", tmp_path / "train.csv.gz", tmp_path / "again", *options)
    again = [doc.text for doc in read(tmp_path / "again" / "dev.spacy")]
    assert again == [doc.text for doc in parts["dev"]]
    options[-1] = "4"
    run("convert", tmp_path / "train.csv.gz", tmp_path / "other", *options)
    assert again != [doc.text for doc in read(tmp_path / "other" / "dev.spacy")]


def test_a_table_without_header_by_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.tsv.xz").write_bytes(lzma.compress(b'neg\t2\t"Dull" it is\npos\t9\tFine\n'))
    options = ["--columns", "2", "--label-column", "0", "--no-quotes"]
    result = run("convert", tmp_path / "a.tsv.xz", tmp_path / "a.spacy", *options)
    assert result.exit_code == 0, result.output
    docs = read(tmp_path / "a.spacy")
    assert [doc.text for doc in docs] == ['"Dull" it is', "Fine"]
    assert [doc.cats for doc in docs] == [{"neg": 1.0, "pos": 0.0}, {"neg": 0.0, "pos": 1.0}]
    named = ["--columns", "2,1", "--label-column", "0", "--no-quotes", "--label-names", "pos, neg"]
    result = run("convert", tmp_path / "a.tsv.xz", tmp_path / "a.spacy", *named)
    assert [doc.text for doc in read(tmp_path / "a.spacy")] == ['"Dull" it is 2', "Fine 9"]
    assert list(read(tmp_path / "a.spacy")[0].cats) == ["pos", "neg"]


@pytest.mark.parametrize("columns", [["-t", "title,body"], ["-t", "title", "--text-column", "body"]], ids=str)
def test_columns_by_name(tmp_path: Path, columns: list[str]) -> None:
    (tmp_path / "a.tsv").write_text("topic\ttitle\tbody\nWorld news\tTalks\tended\nSports\t\twon\n")
    result = run("convert", tmp_path / "a.tsv", tmp_path / "a.spacy", *columns, "--label-column", "topic")
    assert result.exit_code == 0, result.output
    assert [doc.text for doc in read(tmp_path / "a.spacy")] == ["Talks ended", "won"]
    assert read(tmp_path / "a.spacy")[0].cats == {"Sports": 0.0, "World news": 1.0}


def test_nothing_is_written_where_no_row_is_good(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'label,text\nA\n,b\nA,\nA,"b\nA,caf\xe9\n')
    done = run_process("convert", "a.csv", "a.spacy", "--label-names", "A,B", cwd=tmp_path)
    assert done.returncode == 1
    output = squeeze(done.stdout + done.stderr)
    for line, code in ((2, "N113"), (3, "N115"), (4, "N030"), (5, "N113"), (6, "N027")):
        assert f"[{code}] a.csv, line {line}: " in output
    assert "[N028] a.csv: nothing could be converted (read 5, 2 malformed, " in output
    assert "Traceback" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_annotators_and_exclusive_classes(tmp_path: Path) -> None:
    tasks = [
        {"text": "a", "options": ["A", "B"], "accept": [name], "_annotator_id": who} for who, name in zip("xyz", "AAB")
    ]
    tasks.append({"text": "b", "options": ["A", "B"], "accept": ["A", "B"]})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    result = run("convert", tmp_path / "a.jsonl", tmp_path / "a.spacy", "--exclusive", "--soft-labels", "vote")
    assert result.exit_code == 0, result.output
    assert [doc.cats for doc in read(tmp_path / "a.spacy")] == [{"A": 1.0, "B": 0.0}]
    assert "a.jsonl, line 4: 2 labels are right at once" in squeeze(result.output)
    assert "Items skipped: classes not exclusive 1 Annotations in 4" in squeeze(result.output)


def test_documents_without_category_are_split_by_their_classes(tmp_path: Path) -> None:
    """Texts with several classes are a group of their own, and so are those without any."""
    cats = [{"A": 1, "B": 0}, {"A": 1, "B": 1}, {"A": 0, "B": 1}, {"A": 0, "B": 0}] * 10
    lines = [json.dumps({"text": f"text {i}", "cats": values}) + "\n" for i, values in enumerate(cats)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    options = ["--split", "0.8,0.2", "--stratify", "category"]
    result = run("convert", tmp_path / "a.jsonl", tmp_path / "out", *options)
    dev = Counter(json.dumps(doc.cats) for doc in read(tmp_path / "out" / "dev.spacy"))
    assert sorted(dev.values()) == [2, 2, 2, 2]
    assert "[NW023] 10 items have no category" in squeeze(result.output)


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ("--columns 1 --text-column text --label-column 0", "--text-column"),
        ("--columns 1", "--label-column"),
        ("--columns 1 --label-column label", "--label-column"),
        ("--columns 1 --label-column 1", "--label-column"),
        ("--columns x --label-column 0", "--columns"),
        ("--label-column text", "--label-column"),
        ("--label-names A,,B", "--label-names"),
        ("--label-names A,A", "--label-names"),
        ("--format ag-news --label-names A,B", "--text-column, --columns, --label-column"),
        ("--soft-labels mean", "--soft-labels"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: str, setting: str) -> None:
    (tmp_path / "a.csv").write_text("label,text\nA,b\n")
    result = run("convert", tmp_path / "a.csv", tmp_path / "a.spacy", *options.split())
    assert result.exit_code == 1
    assert f"[N006] Setting '{setting}" in squeeze(result.output)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
