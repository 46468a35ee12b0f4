"""`spacy nlpkit train-vectors` as people call it, and the texts that it reads."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.util import registry
from typer.testing import CliRunner

from spacy_nlpkit.cli import app

from .pipelines import run_command

ITEMS = [
    ("Stocks", "Shares of Nokia rose near Oslo"),
    ("", "Shares of Sony rose near Lima"),
    ("Plans", "AT amp;T sold Nokia plants near Lima"),
    ("Plans", "Sony sold its plants near Oslo in the year of the long and cold winter"),
]
SMALL = ("--dim", "2", "--min-count", "1")


def run(*args):
    return CliRunner().invoke(app, ["train-vectors", *map(str, args)])


def squeeze(text):
    """Output without the line breaks that the width of the terminal makes."""
    return " ".join(text.split())


def words_of(path):
    nlp = spacy.load(path)
    return {nlp.vocab.strings[key] for key in nlp.vocab.vectors}


def write_lines(path, lines):
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def texts(tmp_path):
    return write_lines(tmp_path / "texts.txt", [text for _, text in ITEMS])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file_:
        csv.writer(file_).writerows([(number, *item) for number, item in enumerate(ITEMS)])
    return path


def test_the_command_makes_vectors_that_a_pipeline_loads(texts, tmp_path):
    done = run_command("train-vectors", "texts.txt", "out/vectors", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Factorising" in done.stderr
    assert "34 words of text, vectors of 2 dimensions for 20 words" in squeeze(done.stdout)
    nlp = spacy.load(tmp_path / "out" / "vectors")
    assert nlp.pipe_names == []
    assert nlp.vocab["Nokia"].has_vector
    assert nlp.vocab["Nokia"].vector.shape == (2,)
    # The rules for stock symbols are there, unless they are not wanted.
    assert [token.text for token in nlp("Corp.(MRK.N")] == ["Corp.", "(", "MRK.N"]
    assert run(texts, tmp_path / "plain", *SMALL, "--plain-tokenizer").exit_code == 0
    assert [token.text for token in spacy.load(tmp_path / "plain")("Corp.(MRK.N")] == ["Corp.(MRK.N"]


def test_vectors_of_topics_for_words_in_lower_case(tmp_path):
    lines = [text for _, text in ITEMS]
    texts = write_lines(tmp_path / "texts.txt", [*lines, *(text.upper() for text in lines)])
    result = run(texts, tmp_path / "topics", *SMALL, "--window", "0", "--attr", "LOWER", "--keep-length")
    assert result.exit_code == 0, result.output
    # Texts are contexts, not words on either side.
    assert "Factorising 20 words by 20 contexts" in squeeze(result.output)
    nlp = spacy.load(tmp_path / "topics")
    assert all(word == word.lower() for word in words_of(tmp_path / "topics"))
    assert len(set(np.linalg.norm(nlp.vocab.vectors.data, axis=1).round(3).tolist())) > 5
    # They serve texts in any case.
    encoder = registry.architectures.get("spacy_nlpkit.StaticVectors.v1")("LOWER")
    title, lower, upper = encoder.predict([nlp("Nokia rose"), nlp("nokia rose"), nlp("NOKIA ROSE")])
    assert title.all()
    assert title.tolist() == lower.tolist() == upper.tolist()


@pytest.mark.parametrize("options", [("--attr", "lemma"), ("--window", "-1")], ids=" ".join)
def test_options_that_cannot_be(texts, tmp_path, options):
    result = run(texts, tmp_path / "out", *SMALL, *options)
    assert result.exit_code == 2
    assert options[0] in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["more.txt", "more.txt.gz", "more.jsonl", "more.csv", "more.csv.gz"])
def test_every_kind_of_file_is_read_with_others(texts, tmp_path, name):
    lines = {
        "txt": ["", "Jolla rose"],
        "jsonl": [json.dumps({"text": "Jolla rose"})],
        "csv": ["id,text", "1,Jolla rose"],
    }
    more = write_lines(tmp_path / name, lines[name.split(".")[1]])
    result = run(texts, more, tmp_path / "out", *SMALL)
    assert result.exit_code == 0, result.output
    assert "Items converted 5" in squeeze(result.output)
    assert words_of(tmp_path / "out") >= {"Nokia", "Jolla"}


def test_columns_of_a_table_are_chosen_by_name_or_number(table, tmp_path):
    assert run(table, tmp_path / "both", *SMALL, "--columns", "1,2").exit_code == 0
    assert words_of(tmp_path / "both") >= {"Stocks", "Nokia", "."}
    assert run(table, tmp_path / "one", *SMALL, "--columns", "2").exit_code == 0
    assert "Stocks" not in words_of(tmp_path / "one")
    table.write_text(f"id,description\n{table.read_text()}".replace(",Stocks", "").replace(",Plans", ""))
    assert run(table, tmp_path / "named", *SMALL, "--column", "description").exit_code == 0
    assert "Shares" in words_of(tmp_path / "named")
    result = run(table, tmp_path / "no", *SMALL, "--column", "titel")
    assert result.exit_code == 1
    assert "[N034]" in result.output
    assert "'titel'" in result.output


def test_markup_is_cleaned_on_request(texts, tmp_path):
    assert run(texts, tmp_path / "raw", *SMALL).exit_code == 0
    assert run(texts, tmp_path / "clean", *SMALL, "--clean").exit_code == 0
    assert "AT&T" not in words_of(tmp_path / "raw")
    assert "AT&T" in words_of(tmp_path / "clean")


def test_the_limit_counts_texts(texts, tmp_path):
    assert run(texts, tmp_path / "out", *SMALL, "--limit", "2").exit_code == 0
    assert words_of(tmp_path / "out") == {"Shares", "of", "Nokia", "Sony", "rose", "near", "Oslo", "Lima"}


@pytest.mark.parametrize("name", ["test.spacy", "test.jsonl", "test.txt"])
def test_texts_to_exclude_are_left_out_with_their_copies(texts, tmp_path, name):
    long = ITEMS[3][1]
    # In other case, with markup, cut off, and joined with a title.
    excluded = ["AT & T SOLD NOKIA PLANTS NEAR LIMA.", f"Winter plans: {long[:-10]}"]
    path = tmp_path / name
    if name == "test.spacy":
        nlp = spacy.blank("en")
        DocBin(docs=[nlp(text) for text in excluded]).to_disk(path)
    else:
        write_lines(path, [json.dumps({"text": text}) if "jsonl" in name else text for text in excluded])
    result = run(texts, tmp_path / "out", *SMALL, "--exclude", path)
    assert result.exit_code == 0, result.output
    assert "Items skipped: excluded 2" in squeeze(result.output)
    assert "sold" not in words_of(tmp_path / "out")


def test_bad_lines_are_listed_and_cost_themselves_alone(tmp_path):
    lines = [json.dumps({"text": text}) for _, text in ITEMS]
    path = write_lines(tmp_path / "texts.jsonl", [*lines, "{", '{"body": "a"}', '{"text": " "}', "[1]"])
    path.write_bytes(path.read_bytes() + b'{"text": "\xff"}\n' + json.dumps({"text": "a" * 1_000_001}).encode())
    result = run(path, tmp_path / "out", *SMALL)
    assert result.exit_code == 0, result.output
    output = squeeze(result.output)
    for code, line in (("N022", 5), ("N023", 6), ("N030", 7), ("N023", 8), ("N027", 9), ("N033", 10)):
        assert f"[{code}] {path}, line {line}:" in output
    assert "Items converted 4" in output


@pytest.mark.parametrize(
    ("name", "content", "options", "code"),
    [
        ("missing.txt", None, (), "N020"),
        ("texts.pdf", "text", (), "N020"),
        ("empty.txt", "", (), "N029"),
        ("blank.txt", "\n \n", (), "N028"),
        ("broken.jsonl", "{\n", (), "N028"),
        ("short.csv", "a,b\nc\n", ("--columns", "2"), "N028"),
        ("few.txt", "one two three\n", (), "N014"),
        ("rare.txt", "one two three four\n", ("--min-count", "2"), "N014"),
        ("texts.txt", "one two three four\n", ("--dim", "4"), "N014"),
        ("texts.csv", "a,b\n", ("--columns", "one"), "N006"),
        ("texts.txt", "one two\n", ("--lang", "xx-none"), "N006"),
        ("texts.txt", "one two\n", ("--exclude", "missing.jsonl"), "N020"),
        ("packed.txt.gz", "no gzip", (), "N032"),
    ],
)
def test_what_cannot_be_used_ends_with_one_message_and_no_output(tmp_path, name, content, options, code):
    if content is not None:
        (tmp_path / name).write_text(content)
    result = run(tmp_path / name, tmp_path / "out", "--dim", "3", "--min-count", "1", *options)
    assert result.exit_code == 1, result.output
    assert f"[{code}]" in result.output
    assert {path.name for path in tmp_path.iterdir()} <= {name}


def test_an_exclusion_that_cannot_be_read_is_an_error(texts, tmp_path):
    path = write_lines(tmp_path / "test.jsonl", ['{"text": "a"}', '{"text": '])
    result = run(texts, tmp_path / "out", *SMALL, "--exclude", path)
    assert result.exit_code == 1
    assert f"[N022] {path}, line 2" in squeeze(result.output)


def test_another_folder_is_refused_before_anything_is_read(texts, tmp_path):
    result = run(texts, tmp_path, *SMALL)
    assert result.exit_code == 1
    assert "[N015]" in result.output
    assert "Items read" not in result.output
    assert list(tmp_path.iterdir()) == [texts]
