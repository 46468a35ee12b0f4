"""`spacy nlpkit compare`, as a command and as a function."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
import spacy
import srsly
from spacy.tokenizer import Tokenizer
from thinc.api import get_current_ops, set_current_ops

from spacy_nlpkit.cli._compare_page import render_page
from spacy_nlpkit.cli.compare import compare, parse_map, to_json
from spacy_nlpkit.displacy_colors import COLORS
from spacy_nlpkit.errors import NlpkitError

from .pipelines import NEWS, make_docs, make_ruler_pipeline, run_command, train_ner, write_corpus


@spacy.registry.tokenizers("spacy_nlpkit_test.Whitespace.v1")
def make_whitespace_tokenizer():
    return lambda nlp: Tokenizer(nlp.vocab)


BASE = {"Sony": "COMPANY", "Paris": "GPE", "Monday": "DATE"}
CUSTOM = {"Sony": "ORG", "Dell Inc.": "ORG", "DELL.O": "TICKER", "Tokyo": "GPE", "Monday": "GPE"}


@pytest.fixture(autouse=True)
def _same_ops_after():
    before = get_current_ops()
    yield
    set_current_ops(before)


def to_jsonl(path, items=NEWS, **extra):
    lines = []
    for text, entities in items:
        spans = [
            {"start": text.index(entity), "end": text.index(entity) + len(entity), "label": label}
            for entity, label in entities
        ]
        lines.append({"text": text, "spans": spans, "answer": "accept", **extra})
    srsly.write_jsonl(path, lines)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare")
    make_ruler_pipeline(path / "base", BASE)
    make_ruler_pipeline(path / "custom", CUSTOM)
    write_corpus(path / "test.spacy", make_docs())
    to_jsonl(path / "test.jsonl")
    return path


def run(folder, data="test.spacy", **settings):
    return compare(str(folder / "base"), str(folder / "custom"), folder / data, **settings)


class Page(HTMLParser):
    """Collects what a browser would fetch, the text it would show, and the background of each mark."""

    def __init__(self, html):
        super().__init__()
        self.resources, self.tags, self.text, self.colours = [], [], "", set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data"):
                self.resources.append(value)
            if tag == "mark" and name == "style":
                self.colours.add(re.search(r"background: ([^;]+);", value).group(1))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("data", ["test.spacy", "test.jsonl"])
def test_scores_speeds_and_outcomes(folder, data):
    result = run(folder, data)
    rows = {label: (base, custom) for label, base, custom in result.rows()}
    assert list(rows) == ["GPE", "ORG", "TICKER", "all"]
    assert rows["GPE"][0] == {"p": 1.0, "r": pytest.approx(2 / 3), "f": 0.8, "support": 3}
    assert rows["GPE"][1] == {"p": 0.5, "r": pytest.approx(1 / 3), "f": 0.4, "support": 3}
    assert [side["f"] for side in rows["ORG"]] == [0.0, 1.0]
    assert rows["all"][1]["f"] == pytest.approx(2 * 4 / (5 + 6))
    # DATE is no label of the data: the base is right about the last text, the custom pipeline is not.
    assert result.outcomes() == {
        "both right": 0,
        "base right, custom wrong": 1,
        "base wrong, custom right": 0,
        "both wrong, alike": 0,
        "both wrong, differently": 2,
    }
    assert result.differing() == [0, 1, 2]
    assert result.base.words_per_second > 0.0 < result.custom.words_per_second


def test_labels_can_be_limited_and_renamed(folder):
    result = run(folder, labels=["ORG"], label_map={"COMPANY": "ORG"})
    rows = {label: base for label, base, _ in result.rows()}
    assert list(rows) == ["ORG", "all"]
    assert rows["ORG"]["r"] == 0.5
    assert result.outcomes()["both right"] == 2  # Sony, and the text without a company


def test_labels_that_nobody_has_are_refused(folder):
    with pytest.raises(NlpkitError, match=r"\[N092\].*MADEUP"):
        run(folder, labels=["MADEUP"])


def test_the_command_writes_a_page_and_figures(folder):
    options = [
        "--labels",
        "ORG,GPE,TICKER",
        "--map",
        "COMPANY=ORG",
        "--html",
        "out/page.html",
        "--json",
        "out/c.json",
    ]
    done = run_command("compare", "base", "custom", "test.jsonl", *options, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Words per second: base" in done.stdout
    assert re.search(r"ORG +1\.0000 +0\.5000 +0\.6667 +1\.0000 +1\.0000 +1\.0000 +\+0\.3333", done.stdout)
    figures = json.loads((folder / "out" / "c.json").read_text())
    assert figures["labels"]["ORG"]["base"]["r"] == 0.5
    assert figures["differences"][0]["gold"] == [[0, 9, "ORG"], [11, 17, "TICKER"], [28, 33, "GPE"]]
    page = Page((folder / "out" / "page.html").read_text())
    assert page.resources == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("section") == len(figures["differences"]) == 3


def test_the_page_escapes_texts_labels_and_names_and_colours_symbols(folder, tmp_path):
    label = "<script>alert(1)</script>"
    make_ruler_pipeline(tmp_path / "custom", {"Sony": label, "DELL.O": "TICKER"})
    result = compare(str(folder / "base"), str(tmp_path / "custom"), folder / "test.spacy", ["TICKER", label, "GPE"])
    page = Page(render_page(result, 50))
    assert "script" not in page.tags
    assert label in page.text
    assert "Tokyo & <Paris" in page.text.replace("\n", "").replace("    ", "")
    assert COLORS["TICKER"] in page.colours
    assert "✗" in page.text


def test_the_page_shows_as_many_texts_as_asked_for(folder):
    result = run(folder)
    assert Page(render_page(result, 1)).tags.count("section") == 1
    assert "1 of 3 texts" in render_page(result, 1)


def test_equal_pipelines_give_a_page_without_texts(folder, tmp_path):
    result = compare(str(folder / "custom"), str(folder / "custom"), folder / "test.spacy")
    assert result.differing() == to_json(result)["differences"] == []
    page = Page(render_page(result, 50))
    assert "section" not in page.tags
    assert "0 of 0 texts" in page.text


def test_a_trained_ner_is_compared_with_rules(folder, tmp_path):
    model = train_ner(tmp_path / "ner")
    result = compare(str(folder / "base"), str(model), folder / "test.spacy")
    assert result.custom.scores["ents_f"] == 1.0
    assert result.outcomes()["base wrong, custom right"] == 2


def test_pipelines_may_cut_words_differently(folder, tmp_path):
    text = "(MRK.N: Quote) rose."
    data = to_jsonl(tmp_path / "symbols.jsonl", [(text, [("MRK.N", "TICKER")])])
    # Cut at blanks alone, the symbol is part of a longer word: no span of that pipeline is the gold one.
    for name, pattern in (("stock", "MRK.N"), ("whitespace", "(MRK.N:")):
        tokenizer = None if name == "stock" else "spacy_nlpkit_test.Whitespace.v1"
        make_ruler_pipeline(tmp_path / name, {pattern: "TICKER"}, tokenizer=tokenizer)
    result = compare(str(tmp_path / "stock"), str(tmp_path / "whitespace"), data)
    assert result.gold[0].spans == {(1, 6, "TICKER")}
    assert result.base.scores["ents_f"] == 1.0
    assert result.custom.spans[0] == {(0, 7, "TICKER")}
    assert result.custom.scores["ents_r"] == 0.0


def test_what_is_not_annotated_is_not_scored(folder, tmp_path):
    docs = list(make_docs())
    dell = docs[0].char_span(0, 9, label="ORG")
    docs[0].set_ents([dell], missing=[docs[0].char_span(11, 17)], default="outside")
    data = write_corpus(tmp_path / "partial.spacy", [docs[0], *make_docs(NEWS[1:2], missing=True)])
    result = compare(str(folder / "base"), str(folder / "custom"), data, ["ORG", "TICKER"])
    assert len(result.gold) == 1
    assert result.custom.scores["ents_f"] == 1.0  # the symbol it finds is neither right nor wrong


def test_answers_that_do_not_settle_a_text_are_left_out(folder, tmp_path):
    first, second = tmp_path / "accepted.jsonl", tmp_path / "rejected.jsonl"
    to_jsonl(first)
    to_jsonl(second, answer="reject")
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(first.read_text() + second.read_text() + "{broken\n")
    result = compare(str(folder / "base"), str(folder / "custom"), mixed)
    assert len(result.gold) == 3
    with pytest.raises(NlpkitError, match=r"N098.*rejected\.jsonl"):
        compare(str(folder / "base"), str(folder / "custom"), second)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.spacy", None, "N098.*no such file"),
        ("broken.jsonl", "{broken\n", r"N098.*broken\.jsonl"),
        ("broken.spacy", "no DocBin", r"\[N\d\d\d\].*broken\.spacy"),
        ("empty.jsonl", "", r"\[N\d\d\d\].*empty\.jsonl"),
        ("none.jsonl", '{"text": "Nothing.", "spans": []}\n', r"N094.*none\.jsonl.*entities"),
    ],
)
def test_data_that_cannot_be_compared_on(folder, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(NlpkitError, match=message):
        compare(str(folder / "base"), str(folder / "custom"), tmp_path / name)


def test_a_bad_option_ends_with_one_line_and_status_1(folder):
    done = run_command("compare", "base", "custom", "test.jsonl", "--map", "ORG", "--html", "bad.html", cwd=folder)
    assert done.returncode == 1
    assert "[N099]" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (folder / "bad.html").exists()


@pytest.mark.parametrize("text", ["ORG", "=ORG", "A=B,C="])
def test_maps_that_are_none(text):
    with pytest.raises(NlpkitError, match="N099"):
        parse_map(text)


def test_maps():
    assert parse_map("PER=PERSON, LOC = GPE,") == {"PER": "PERSON", "LOC": "GPE"}
