"""`spacy nlpkit train-tokenizer` as people call it, and the files that it reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from click.testing import Result
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_nlpkit.attributes import register_target
from spacy_nlpkit.cli import app
from spacy_nlpkit.subwords import Subwords

from .pipelines import run_command

PAIRS = [
    ("Der Zug fährt ab", "The train leaves"),
    ("Der Zug kommt an", "The train arrives"),
    ("Die Züge fahren", "The trains are leaving"),
]


def run(*args: Any) -> Result:
    return CliRunner().invoke(app, ["train-tokenizer", *map(str, args)])


def squeeze(text: str) -> str:
    """Output without the line breaks that the width of the terminal makes."""
    return " ".join(text.split())


def names_of(path: Path) -> set[str]:
    """The learned pieces that are whole words at the start or within a text."""
    vocab = json.loads(path.read_text(encoding="utf8"))["model"]["vocab"]
    return {name for name in vocab if name.startswith("Ġ")}


def write(path: Path) -> Path:
    """The pairs as a file of any kind; one of lines has the texts alone."""
    kind = path.name.split(".")[1]
    if kind == "spacy":
        register_target()
        nlp = spacy.blank("de")
        docs = []
        for text, target in PAIRS:
            docs.append(nlp.make_doc(text))
            docs[-1]._.target = target
        DocBin(docs=docs, store_user_data=True).to_disk(path)
        return path
    lines = {
        "txt": [text for text, _ in PAIRS],
        "tsv": ["\t".join(pair) for pair in PAIRS],
        "jsonl": [json.dumps({"text": text, "target": target}) for text, target in PAIRS],
    }[kind]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_the_command_writes_pieces_and_reports(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_text("The train\n\n  \nzu viel 👍\n", encoding="utf8")
    done = run_command("train-tokenizer", "out/pieces.json", "a.txt", "b.txt", "--size", "266", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    output = squeeze(done.stdout)
    subwords = Subwords.from_disk(tmp_path / "out" / "pieces.json")
    assert subwords.kind == "bpe"
    assert len(subwords) == 266
    assert "Texts 5 Pieces 266 Pieces per word" in output
    texts = [*(text for text, _ in PAIRS), "The train", "zu viel 👍"]
    assert f"{sum(map(len, subwords.encode(texts))) / 16:.3f}" in output
    # What has no piece of its own is named, and comes back all the same.
    assert "written in bytes 3 Without a piece: ä ü 👍" in output
    assert subwords.decode(subwords.encode(["👍"])) == ["👍"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pieces.json"]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.tsv", "a.tsv.gz", "a.jsonl", "a.jsonl.gz", "a.spacy"])
def test_every_kind_of_file_is_read(tmp_path: Path, name: str) -> None:
    result = run(tmp_path / "out.json", write(tmp_path / name), "--size", "300")
    assert result.exit_code == 0, result.output
    names = names_of(tmp_path / "out.json")
    assert {"ĠDer", "ĠZug"} <= names
    assert ("Ġtrain" in names) == (not name.startswith("a.txt"))
    assert f"Texts {3 if name.startswith('a.txt') else 6} " in squeeze(result.output)


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.spacy"])
def test_one_side_can_be_chosen(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    assert run(tmp_path / "out.json", path, "--size", "300", "--field", "target").exit_code == 0
    assert "ĠZug" not in names_of(tmp_path / "out.json")
    assert "Ġtrain" in names_of(tmp_path / "out.json")


def test_options_reach_the_pieces(tmp_path: Path) -> None:
    path, out = write(tmp_path / "a.txt"), tmp_path / "out.json"
    options = ["--lower", "--normalization", "nfkc", "--min-frequency", "3"]
    result = run(out, path, "--kind", "wordpiece", "--size", "600", *options)
    assert result.exit_code == 0, result.output
    subwords = Subwords.from_disk(out)
    assert subwords.kind == "wordpiece"
    assert subwords.decode(subwords.encode(["Ｄer ﬁsch"])) == ["der fisch"]
    assert "Ġder" not in names_of(out)
    # There is little to learn in three lines.
    assert f"The texts gave {len(subwords)} pieces, not 600" in squeeze(result.output)


@pytest.mark.parametrize(
    ("name", "content", "options", "code"),
    [
        ("missing.txt", None, (), "N020"),
        ("texts.pdf", b"text", (), "N020"),
        ("empty.txt", b"", (), "N029"),
        ("blank.txt", b"\n \n", (), "N240"),
        ("latin.txt", b"gut\nsch\xf6n\n", (), "N027"),
        ("broken.jsonl", b"{\n", (), "N022"),
        ("one.jsonl", b'{"text": "a"}\n', (), "N246"),
        ("one.tsv", b"a\n", (), "N246"),
        ("two.tsv", b"a\tb\n", ("--field", "text,title"), "N246"),
        ("packed.txt.gz", b"no gzip", (), "N032"),
        ("texts.txt", b"text\n", ("--size", "100"), "N006"),
        ("texts.txt", b"text\n", ("--field", "text,"), "N006"),
    ],
)
def test_what_cannot_be_used_ends_with_one_message_and_no_output(
    tmp_path: Path, name: str, content: bytes | None, options: tuple[str, ...], code: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "out.json").write_text("as before")
    result = run(tmp_path / "out.json", tmp_path / name, *options)
    assert result.exit_code == 1, result.output
    assert f"[{code}]" in result.output
    assert (tmp_path / "out.json").read_text() == "as before"
    assert {path.name for path in tmp_path.iterdir()} <= {name, "out.json"}


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt")
    before = path.read_bytes()
    for output in (tmp_path, path, path / "below.json"):
        result = run(output, path)
        assert result.exit_code == 1
        assert "[N006]" in result.output
        assert "OUTPUT" in result.output
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert run(tmp_path / "out.json", path, "--kind", "words").exit_code == 2
