"""`spacy nlpkit attention`: the page as a browser reads it, the terminal, and what the command refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import get_current_ops, set_current_ops
from typer.testing import CliRunner

from spacy_nlpkit.cli import app
from spacy_nlpkit.cli._attention_page import render
from spacy_nlpkit.ty import Attention, Written

from .pipelines import run_command

EVIL = '<script>alert("x")</script> " onmouseover="x" & \x1b[31m </td>'
WEIGHTS = [[0.9, 0.1, 0.0], [0.0412, 0.0004, 0.9584]]


@pytest.fixture(autouse=True)
def _same_ops_after() -> Any:
    before = get_current_ops()
    yield
    set_current_ops(before)


def make(source: Sequence[str], target: Sequence[str], weights: list[list[float]], text: str = "") -> Written:
    attention: Attention = {"source": list(source), "target": list(target), "weights": weights}
    return {"text": text or "".join(target), "score": 0.25, "nbest": [], "attention": attention}


def bare(text: str) -> Written:
    return {"text": text, "score": 0.25, "nbest": [{"text": text, "score": 0.25}], "attention": None}


class Page(HTMLParser):
    """What a browser would make of a page: the tables by cells, and what stands in the sections."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.tables: list[list[list[tuple[str, dict[str, str | None]]]]] = []
        self.directions: list[str | None] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
            self.directions.append(dict(attrs).get("dir"))
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append(("", dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            text, attributes = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = (text + data, attributes)


def cells(table: list[list[tuple[str, dict[str, str | None]]]]) -> list[list[str]]:
    return [[text for text, _ in row] for row in table]


def test_a_cell_for_each_pair_of_pieces() -> None:
    page = Page(render([make(["▁ein", "▁Haus", "</s>"], ["▁a", "▁house"], WEIGHTS, "a house")]))
    (table,) = page.tables
    assert cells(table) == [["", "▁ein", "▁Haus", "</s>"], ["▁a", "90", "10", ""], ["▁house", "4", "", "96"]]
    assert page.directions == ["ltr"]
    assert "a house" in page.text
    assert "score 0.2500" in page.text
    assert page.open == []


def test_weights_are_opacities_and_titles() -> None:
    (table,) = Page(render([make("abc", "xy", WEIGHTS)])).tables
    shown = [[attributes for _, attributes in row[1:]] for row in table[1:]]
    opacities = [
        [float((cell.get("style") or "--weight:0").removeprefix("--weight:")) for cell in row] for row in shown
    ]
    for row, weights in zip(opacities, WEIGHTS, strict=True):
        assert row == pytest.approx([0.6 * weight for weight in weights], abs=6e-4)
    # Isolates stand round the pieces.
    titles = [[re.sub("[\u2068\u2069]", "", cell.get("title") or "") for cell in row] for row in shown]
    assert titles == [["x → a: 0.9000", "x → b: 0.1000", ""], ["y → a: 0.0412", "", "y → c: 0.9584"]]


def test_what_texts_hold_is_shown_and_never_run() -> None:
    evil = make([EVIL, "b"], [EVIL], [[0.5, 0.5]], EVIL)
    evil["nbest"] = [{"text": EVIL, "score": 0.25}, {"text": "<i>second</i>", "score": 0.1}]
    source = render([evil], title="<b>model</b> & co")
    assert "<script" not in source
    assert "\x1b" not in source
    assert not re.search(r"https?:|//|@import|url\(", source)
    page = Page(source)
    layout = {"html", "head", "meta", "title", "style", "body", "section", "div"}
    shown = {"h1", "h2", "p", "ol", "li", "bdi", "small", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(page.tags) == layout | shown
    assert page.names == {"charset", "http-equiv", "content", "class", "style", "title", "dir", "scope"}
    visible = EVIL.replace("\x1b", "\ufffd")
    assert cells(page.tables[0])[0][1] == cells(page.tables[0])[1][0] == visible
    assert visible in (page.tables[0][1][1][1]["title"] or "")
    assert "<i>second</i>" in page.text
    assert page.text.count("<b>model</b> & co") == 2, "title and heading"
    assert "default-src 'none'" in source


@pytest.mark.parametrize(
    ("source", "direction"),
    [
        (["<de>", "▁البيت", "▁الكبير", "</s>"], "rtl"),
        (["▁שלום", "</s>"], "rtl"),
        (["▁das", "▁Haus"], "ltr"),
        (["42", "!"], "ltr"),
    ],
)
def test_columns_run_as_the_source_is_read(source: list[str], direction: str) -> None:
    page = Page(render([make(source, ["x"], [[1.0, *[0.0] * (len(source) - 1)]])]))
    assert page.directions == [direction]
    assert cells(page.tables[0])[0][1:] == source, "in logical order: the browser turns it"
    headers = [attributes for row in page.tables[0] for _, attributes in row if attributes.get("scope")]
    assert {attributes["dir"] for attributes in headers} == {"auto"}
    assert {attributes["scope"] for attributes in headers} == {"col", "row"}


def test_light_and_dark() -> None:
    source = render([make("a", "b", [[1.0]])])
    assert "color-scheme: light dark" in source
    assert "@media (prefers-color-scheme: dark)" in source


def test_texts_without_attention_have_no_map() -> None:
    page = Page(render([bare("alone"), make("a", " ", [[1.0]], "blank")]))
    assert len(page.tables) == 1
    assert "no attention" in page.text
    assert cells(page.tables[0]) == [["", "a"], ["' '", "100"]], "a blank piece is written out"
    assert page.tags.count("section") == 2
    assert "ol" not in page.tags, "one hypothesis is no ranking"
    assert Page(render([])).tags.count("section") == 0


@pytest.mark.parametrize("weights", [[[1.0]], [[1.0, 0.0]], [[1.0], [1.0]]])
def test_weights_of_another_shape_are_a_mistake_of_the_component(weights: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        render([make("ab", "xy", weights)])


# The command: any component with `attend` will do, as this one, which copies.


class Copier:
    """Writes the tokens of a document again, in capitals."""

    def __call__(self, doc: Doc) -> Doc:
        return doc

    def attend(self, docs: Sequence[Doc]) -> list[Written]:
        return [self._copy([token.text for token in doc]) for doc in docs]

    def _copy(self, pieces: list[str]) -> Written:
        if not pieces:
            return bare("")
        weights = [[float(row == column) for column in range(len(pieces))] for row in range(len(pieces))]
        return make(pieces, [piece.upper() for piece in pieces], weights, " ".join(pieces).upper())

    def to_disk(self, path: Path, exclude: Iterable[str] = ()) -> None:
        pass

    def from_disk(self, path: Path, exclude: Iterable[str] = ()) -> Copier:
        return self


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    Language.factory("test_copier", func=lambda nlp, name: Copier())
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("test_copier", name="seq2seq")
    path = tmp_path_factory.mktemp("attention") / "model"
    nlp.to_disk(path)
    return path


def run(*args: object) -> tuple[int, str]:
    """Exit status and output."""
    result = CliRunner().invoke(app, ["attention", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def refusal(*args: object) -> str:
    status, output = run(*args)
    assert status == 1
    return " ".join(output.split())


def test_texts_in_the_terminal_and_on_the_page(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    status, output = run(model, "a house", "", f"evil {EVIL}", "--html", page)
    assert status == 0
    assert re.findall(r"Text (\d), score (0\.\d{4})", output) == [("1", "0.2500"), ("2", "0.2500"), ("3", "0.2500")]
    assert "A HOUSE" in output
    assert re.search(r"^HOUSE +house +1\.0000$", output, re.MULTILINE)
    assert "\x1b[31m" not in output
    found = Page(page.read_text(encoding="utf8"))
    assert cells(found.tables[0]) == [["", "a", "house"], ["A", "100", ""], ["HOUSE", "", "100"]]
    assert found.tags.count("section") == 3
    assert len(found.tables) == 2
    assert f"Attention of {model}" in found.text


def test_a_file_of_texts_in_several_batches(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(f"line {number}" for number in range(40)) + "\n")
    status, output = run(model, "--input", source)
    assert status == 0
    assert [int(number) for number in re.findall(r"^LINE (\d+)$", output, re.MULTILINE)] == list(range(40))
    status, output = run(model, "--input", source, "--limit", "2")
    assert re.findall(r"^LINE (\d+)$", output, re.MULTILINE) == ["0", "1"]


def test_what_is_refused_leaves_no_page(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert "'attention' to show: no text is given" in refusal(model, "--html", page)
    assert "both" in refusal(model, "a", "--input", "x.txt", "--html", page)
    assert "N251" in refusal(model, "a", "--component", "sentencizer", "--html", page)
    assert "N251" in refusal(model, "a", "--component", "translate", "--html", page)
    assert "N252" in refusal(model, "", "", "--html", page)
    assert "N020" in refusal(model, "--input", tmp_path / "none.txt", "--html", page)
    assert "N090" in refusal(tmp_path / "none", "a", "--html", page)
    assert "N027" in refusal(model, "a \udcff", "--html", page)
    assert "N006" in refusal(model, "a", "--html", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_is_installed(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", name="seq2seq")
    nlp.to_disk(tmp_path / "model")
    done = run_command("attention", tmp_path / "model", "a", cwd=tmp_path)
    assert done.returncode == 1
    assert "N251" in done.stdout
    assert "Traceback" not in done.stderr
