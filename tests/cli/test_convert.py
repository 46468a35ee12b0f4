"""`spacy nlpkit convert` and `export` as people call them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
from typer.testing import CliRunner, Result

from spacy_nlpkit.cli import app
from spacy_nlpkit.data.converters import read_docbin

ROOT = Path(__file__).parents[2]
NEWSWIRE = ROOT / "assets" / "newswire" / "newswire.jsonl"


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def run_process(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spacy", "nlpkit", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def squeeze(text: str) -> str:
    """Output without the line breaks that the width of the terminal makes."""
    return " ".join(text.split())


def write_tasks(path: Path, count: int = 10) -> Path:
    span = {"start": 0, "end": 5, "label": "ORG", "kb_id": "org:nokia"}
    tasks = [{"text": f"Nokia rose {i} percent", "spans": [span], "meta": {"id": str(i)}} for i in range(count)]
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return path


def read(path: Path) -> list[Any]:
    return list(read_docbin(path, spacy.blank("en")))


def test_newswire_in_a_process_of_its_own(tmp_path: Path) -> None:
    options = ["--split", "0.8,0.1,0.1", "--stratify", "category", "--seed", "0", "--unseen-entities", "0.08"]
    done = run_process("convert", NEWSWIRE, "corpus", "--repair", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["Items", "converted", "840"] in lines
    assert "skipped" not in done.stdout
    parts = {path.stem: read(path) for path in (tmp_path / "corpus").iterdir()}
    assert {name: len(docs) for name, docs in parts.items()} == {
        "train": 619,
        "dev": 77,
        "test": 77,
        "test_unseen": 67,
    }
    docs = [doc for part in parts.values() for doc in part]
    assert sum(len(doc.ents) for doc in docs) == 4794
    assert sum(ent.kb_id_ == "NIL" for doc in docs for ent in doc.ents) == 605
    assert all(doc._.item_id and doc._.date and doc._.category for doc in docs)


def test_a_single_file(tmp_path: Path) -> None:
    result = run("convert", write_tasks(tmp_path / "a.jsonl"), tmp_path / "out" / "a.spacy")
    assert result.exit_code == 0, result.output
    assert [doc._.item_id for doc in read(tmp_path / "out" / "a.spacy")] == [str(i) for i in range(10)]


def test_eval_split_makes_two_files(tmp_path: Path) -> None:
    result = run("convert", write_tasks(tmp_path / "a.jsonl"), tmp_path / "out", "--eval-split", 0.2)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dev.spacy", "train.spacy"]
    assert [len(read(tmp_path / "out" / f"{name}.spacy")) for name in ("train", "dev")] == [8, 2]


def test_files_of_an_earlier_split_are_pointed_out(tmp_path: Path) -> None:
    source = write_tasks(tmp_path / "a.jsonl")
    run("convert", source, tmp_path / "out", "--split", "0.8,0.1,0.1")
    result = run("convert", source, tmp_path / "out", "--eval-split", 0.5)
    assert "[NW025]" in result.output
    assert "test.spacy is of an earlier run" in squeeze(result.output)


def test_nothing_is_written_where_nothing_is_converted(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": \n{"text": "a", "answer": "ignore"}\n')
    done = run_process("convert", "bad.jsonl", "out.spacy", cwd=tmp_path)
    assert done.returncode == 1
    output = squeeze(done.stdout + done.stderr)
    assert "[N028] bad.jsonl: nothing could be converted (read 2, 1 not JSON, 1 answer ignore)" in output
    assert "[N022] bad.jsonl, line 1: not valid JSON" in output
    assert "Items read 2" in output
    assert "Traceback" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jsonl"]


def test_a_failed_run_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.spacy"
    run("convert", write_tasks(tmp_path / "a.jsonl"), target)
    before = target.read_bytes()
    (tmp_path / "bad.jsonl").write_text("{}\n")
    assert run("convert", tmp_path / "bad.jsonl", target).exit_code == 1
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "options", "setting"),
    [
        ("out", "", "OUTPUT"),
        ("out.spacy", "--eval-split 0.5", "OUTPUT"),
        ("out", "--eval-split 1.5", "--split"),
        ("out", "--split 0.5", "--split"),
        ("out", "--split a,b", "--split"),
        ("out", "--split 0.5,0.5 --eval-split 0.5", "--eval-split"),
        ("out", "--split 0.99,0.005,0.005", "--split"),
        ("out", "--eval-split 0.5 --stratify label", "--stratify"),
        ("out.spacy", "--stratify category", "--stratify"),
        ("out.spacy", "--lang zz", "--lang"),
        ("out.spacy", "--format nope", "--format"),
        ("a.jsonl/out.spacy", "", "OUTPUT"),
        ("out", "--unseen-entities 0", "--unseen-entities"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, output: str, options: str, setting: str) -> None:
    result = run("convert", write_tasks(tmp_path / "a.jsonl"), tmp_path / output, *options.split())
    assert result.exit_code == 1
    assert f"[N006] Setting '{setting}' of 'convert'" in squeeze(result.output)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_warnings_say_what_to_do(tmp_path: Path) -> None:
    source = write_tasks(tmp_path / "a.jsonl")
    result = run(
        "convert",
        source,
        tmp_path / "out",
        *["--split", "0.8,0.2", "--stratify", "category", "--unseen-entities", "3"],
    )
    assert result.exit_code == 0, result.output
    # Data without categories and ids is as good as any: no warning.
    assert "No item has a category: the split is not stratified" in squeeze(result.output)
    assert "no item could be held out, as none has entity ids" in squeeze(result.output)
    assert "[NW0" not in result.output
    result = run("convert", source, tmp_path / "b.spacy", "--labels", "PERSON")
    assert "[NW020]" in result.output


def test_items_that_lack_what_others_have_are_counted(tmp_path: Path) -> None:
    """Nine items have a category and one has not; one entity stands in an item of its own, three are asked for."""
    source = write_tasks(tmp_path / "a.jsonl")
    tasks = [json.loads(line) for line in source.read_text().splitlines()]
    for task in tasks[:-1]:
        task["accept"] = ["Business"]
    tasks[0]["spans"][0]["kb_id"] = "org:nokia-tyres"
    source.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    options = ["--split", "0.8,0.2", "--stratify", "category", "--unseen-entities", "3"]
    result = run("convert", source, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert "[NW024] Only" in squeeze(result.output)
    assert "of 3 entities could be held out" in squeeze(result.output)
    assert [doc.ents[0].kb_id_ for doc in read(tmp_path / "out" / "test_unseen.spacy")] == ["org:nokia-tyres"]
    assert "[NW023] 1 items have no category" in squeeze(result.output)


def test_bad_lines_are_listed_as_many_as_asked_for(tmp_path: Path) -> None:
    source = write_tasks(tmp_path / "a.jsonl")
    source.write_text(source.read_text() + "{}\n" * 5)
    result = run("convert", source, tmp_path / "a.spacy", "--show", 2)
    assert result.output.count("[N023]") == 2
    assert "and 3 more" in result.output


def test_symbols_align_unless_the_plain_tokenizer_is_asked_for(tmp_path: Path) -> None:
    record = {
        "text": "Shares of Microsoft fell MSFT.O.",
        "spans": [{"start": 25, "end": 31, "label": "TICKER"}],
    }
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps(record) + "\n")
    run("convert", source, tmp_path / "a.spacy")
    assert [ent.text for ent in read(tmp_path / "a.spacy")[0].ents] == ["MSFT.O"]
    run("convert", source, tmp_path / "a.spacy", "--plain-tokenizer")
    assert [ent.text for ent in read(tmp_path / "a.spacy")[0].ents] == []


def test_a_table_becomes_tasks_and_a_table_again(tmp_path: Path) -> None:
    rows = [
        ["title", "text", "id"],
        ["T, 1", 'One\n"two"', "a"],
        ["", "x" * 200_000, "b"],
        ["T3", "  ", "c"],
        ["only"],
    ]
    with (tmp_path / "a.csv").open("w", newline="") as file_:
        csv.writer(file_).writerows(rows)
    result = run("export", tmp_path / "a.csv", tmp_path / "a.jsonl")
    assert result.exit_code == 0, result.output
    tasks = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert tasks[0] == {"text": 'One\n"two"', "meta": {"title": "T, 1", "id": "a"}}
    assert [len(task["text"]) for task in tasks] == [9, 200_000]
    assert "Items skipped: blank text 1 Items skipped: malformed 1" in squeeze(result.output)
    assert "a.csv, line 6: 1 fields where the first line has 3" in squeeze(result.output)
    result = run("export", tmp_path / "a.jsonl", tmp_path / "b.csv", "--limit", 1)
    assert (tmp_path / "b.csv").read_text() == 'text,title,id\n"One\n""two""","T, 1",a\n'


def test_a_table_of_annotations_keeps_classes_and_says_what_is_lost(tmp_path: Path) -> None:
    span = {"start": 0, "end": 1, "label": "X"}
    tasks = [
        {"text": "a", "accept": ["A", "B"], "answer": "accept"},
        {"text": "b", "spans": [span], "meta": {"n": 1}},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    result = run("export", tmp_path / "a.jsonl", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "text,accept,answer,n\na,A|B,accept,\nb,,,1\n"
    assert "[NW026] 1 items hold spans, which .csv cannot hold" in squeeze(result.output)


def test_documents_become_tasks_and_the_same_documents(tmp_path: Path) -> None:
    record = {
        "text": "Nokia hired Anna",
        "spans": [
            {"start": 0, "end": 5, "label": "ORG", "kb_id": "x"},
            {"start": 12, "end": 16, "label": "PERSON"},
        ],
        "options": ["A", "B"],
        "accept": ["B"],
        "meta": {"id": "7", "date": "2001"},
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n")
    run("convert", tmp_path / "a.jsonl", tmp_path / "a.spacy")
    result = run("export", tmp_path / "a.spacy", tmp_path / "b.jsonl")
    assert result.exit_code == 0, result.output
    task = json.loads((tmp_path / "b.jsonl").read_text())
    assert task["tokens"][1] == {"text": "hired", "start": 6, "end": 11, "id": 1, "ws": True}
    assert task["spans"][0] == {
        "start": 0,
        "end": 5,
        "token_start": 0,
        "token_end": 0,
        "label": "ORG",
        "kb_id": "x",
    }
    assert (task["accept"], task["meta"]) == (["B"], record["meta"])
    run("convert", tmp_path / "b.jsonl", tmp_path / "b.spacy")
    (first,), (second,) = read(tmp_path / "a.spacy"), read(tmp_path / "b.spacy")
    assert first.to_bytes() == second.to_bytes()


@pytest.mark.parametrize(
    ("name", "content", "target", "code"),
    [
        ("a.csv", "title\nx\n", "a.jsonl", "N034"),
        ("a.csv", "text\n \n", "a.jsonl", "N028"),
        ("a.csv", "", "a.jsonl", "N029"),
        ("a.jsonl", "3\n", "a.csv", "N028"),
        ("a.jsonl", '{"text": "a"}\n', "b.jsonl", "N006"),
        ("a.spacy", "x", "a.jsonl", "N032"),
        ("b.csv", None, "a.jsonl", "N020"),
    ],
)
def test_export_of_what_cannot_be(tmp_path: Path, name: str, content: str | None, target: str, code: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    before = list(tmp_path.iterdir())
    result = run("export", tmp_path / name, tmp_path / target)
    assert result.exit_code == 1
    assert f"[{code}]" in result.output
    assert list(tmp_path.iterdir()) == before


def test_links_of_a_benchmark_with_labels_by_type(tmp_path: Path) -> None:
    labels = [
        {"span": [0, 5], "entity_id": "Q1418", "type": "Q2424752|Q43229"},
        {"span": [12, 21], "entity_id": "<NIL>", "type": "OTHER"},
    ]
    document = {"text": "Nokia hired Anna Berg.", "evaluation_span": [0, 22], "labels": labels}
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps(document) + "\n")
    options = ["--type-labels", "Q215627=PERSON, Q43229=ORG", "--entity-label", "NAME"]
    result = run("convert", source, tmp_path / "a.spacy", *options)
    assert result.exit_code == 0, result.output
    assert all(f"Links: {kind}" in result.output for kind in ("NIL", "linked"))
    (doc,) = read(tmp_path / "a.spacy")
    assert [(ent.label_, ent.kb_id_) for ent in doc.ents] == [("ORG", "Q1418"), ("NAME", "NIL")]
    result = run("convert", source, tmp_path / "b.spacy", "--type-labels", "Q43229")
    assert result.exit_code == 1
    assert "N006" in result.output
    assert "TYPE=LABEL" in squeeze(result.output)
