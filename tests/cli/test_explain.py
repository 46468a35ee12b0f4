"""`spacy nlpkit explain`: the tokens in the terminal and on the page, and what it refuses."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import get_current_ops, set_current_ops
from typer.testing import CliRunner

from spacy_nlpkit.cli import app

from .pipelines import run_command

TEXTS = {
    "the striker scored a goal": "Sport",
    "a goal for the striker": "Sport",
    "shares of the bank": "<b>Money & co</b>",
    "the bank sold shares": "<b>Money & co</b>",
}
EVIL = '<script>alert("x")</script> striker " onmouseover="x" & \x1b[31m bank'


@pytest.fixture(autouse=True)
def _same_ops_after() -> Any:
    before = get_current_ops()
    yield
    set_current_ops(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "model"
    fix_random_seed(0)
    nlp = spacy.blank("en")
    bag = {"@architectures": "spacy_nlpkit.EmbeddingBag.v1", "width": 8, "rows": 4096, "word_ngrams": 1}
    nlp.add_pipe("text_classifier", config={"model": {**bag, "ngram_dropout": 0.0}})
    labels = sorted(set(TEXTS.values()))
    cats = [(text, {"cats": {label: float(label == right) for label in labels}}) for text, right in TEXTS.items()]
    examples = [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in cats]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    nlp.add_pipe("sentencizer")
    nlp.to_disk(path)
    return path


def run(*args: object) -> tuple[int, str]:
    """Exit status and output."""
    result = CliRunner().invoke(app, ["explain", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def refusal(*args: object) -> str:
    status, output = run(*args)
    assert status == 1
    return " ".join(output.split())


def figures(output: str) -> dict[str, float]:
    """The last column of the tables, by the first."""
    rows = re.findall(r"^ *(\S+(?: tokens\))?) .*([+-]\d+\.\d{4})$", output, re.MULTILINE)
    return {name: float(value) for name, value in rows}


class Page(HTMLParser):
    """What a browser would make of a page: tags, attributes and visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.titles: dict[str, str] = {}
        self.text = ""
        self._mark: str | None = None
        self.feed(path.read_text(encoding="utf8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._mark = dict(attrs).get("class") if tag == "mark" else None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._mark:
            self.titles[data] = self._mark
            self._mark = None


def test_a_text_in_the_terminal(model: Path) -> None:
    done = run_command("explain", model, "the striker and the bank", "--label", "Sport", cwd=model.parent)
    assert done.returncode == 0, done.stderr
    assert "Text 1: Sport, probability 0." in done.stdout
    text = next(line for line in done.stdout.splitlines() if "and" in line)
    assert re.search(r"\[striker \+\d\.\d\d\]", text)
    assert re.search(r"\[bank -\d\.\d\d\]", text)
    assert "\x1b" not in text
    found = figures(done.stdout)
    assert found["striker"] > 0 > found["bank"]
    total = sum(value for name, value in found.items() if name != "(score)")
    assert total == pytest.approx(found["(score)"], abs=1e-3)


def test_the_table_counts_what_occurs_several_times(model: Path) -> None:
    status, output = run(model, "bank bank striker goal scored", "--label", "Sport", "--top", "1")
    assert status == 0
    assert len(re.findall(r"^\S+ +\d+ ", output, re.MULTILINE)) == 2
    assert re.search(r"^bank +2 +-", output, re.MULTILINE)
    assert figures(output)["(other tokens)"] > 0


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colours_on_a_terminal_alone(model: Path, no_color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    parent, child = pty.openpty()
    with os.fdopen(child, "w", encoding="utf8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        app(["explain", str(model), "striker bank", "--label", "Sport"], standalone_mode=False)
        terminal.flush()
        shown = os.read(parent, 65536).decode("utf8")
        monkeypatch.undo()
    os.close(parent)
    text = next(line for line in shown.splitlines() if "striker" in line)
    assert ("48;5;75m" in text) is not bool(no_color)
    assert ("[striker" in text) is bool(no_color)


def test_the_page_shows_texts_and_runs_nothing_of_them(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    status, output = run(model, EVIL, "the bank", "", "--html", page)
    assert status == 0
    assert "\x1b[31m" not in output
    source = page.read_text(encoding="utf8")
    assert "<script" not in source
    assert "<b>" not in source
    assert "\x1b" not in source
    assert not re.search(r"https?:|//|@import|url\(", source)
    found = Page(page)
    layout = {"html", "head", "meta", "title", "style", "body", "section"}
    assert set(found.tags) == {*layout, "h1", "h2", "p", "mark", "table", "tr", "th", "td"}
    assert found.attributes == {"charset", "http-equiv", "content", "class", "style", "title", "dir"}
    assert EVIL.replace("\x1b", "\ufffd") in found.text
    assert "Text 2: <b>Money & co</b>, probability 0." in found.text
    assert "Text 3" in found.text
    assert "no tokens" in found.text
    assert found.titles["bank"] == "for", "of the second text, which is about money"
    assert found.tags.count("section") == 3
    assert re.search(r"default-src 'none'", source)


def test_a_file_of_texts(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    lines = [json.dumps({"body": text}) for text in TEXTS]
    source.write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n")
    status, output = run(model, "--input", source, "--column", "body")
    assert status == 0
    assert re.findall(r"Text (\d): (\S+)", output) == [
        ("1", "Sport,"),
        ("2", "Sport,"),
        ("3", "<b>Money"),
        ("4", "<b>Money"),
    ]
    assert "N022" in output
    status, output = run(model, "--input", source, "--column", "body", "--limit", "1")
    assert re.findall(r"Text (\d)", output) == ["1"]


def test_a_very_long_text(model: Path, tmp_path: Path) -> None:
    source, page = tmp_path / "texts.txt", tmp_path / "page.html"
    source.write_text("the striker of the bank " * 4000 + "goal\n")
    status, output = run(model, "--input", source, "--html", page)
    assert status == 0
    assert len(output) < 30_000
    assert "... and 19,501 more tokens" in output
    assert Page(page).text.count("striker") > 4000


def test_an_empty_text(model: Path) -> None:
    status, output = run(model, "")
    assert status == 0
    assert "no tokens" in output


def test_what_is_refused_leaves_no_page(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert "N140" in refusal(model, "goal", "--label", "Nope", "--html", page)
    assert "no text is given" in refusal(model, "--html", page)
    assert "both" in refusal(model, "goal", "--input", "x.txt", "--html", page)
    assert "N142" in refusal(model, "goal", "--component", "sentencizer", "--html", page)
    assert "N142" in refusal(model, "goal", "--component", "textcat", "--html", page)
    assert "N020" in refusal(model, "--input", tmp_path / "none.txt", "--html", page)
    assert "N090" in refusal(tmp_path / "none", "goal", "--html", page)
    assert "N027" in refusal(model, "goal \udcff", "--html", page)
    assert list(tmp_path.iterdir()) == []


def test_pages_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("goal\n")
    assert "N006" in refusal(model, "goal", "--html", tmp_path)
    assert "N006" in refusal(model, "--input", source, "--html", source)
    assert "N006" in refusal(model, "goal", "--html", source / "page.html")
    assert source.read_text() == "goal\n"


def test_pipelines_that_were_not_trained(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("text_classifier")
    nlp.to_disk(tmp_path / "untrained")
    assert "N001" in refusal(tmp_path / "untrained", "goal")
    nlp.add_pipe("tagger", first=True)
    nlp.to_disk(tmp_path / "upstream")
    assert "N122" in refusal(tmp_path / "upstream", "goal")
