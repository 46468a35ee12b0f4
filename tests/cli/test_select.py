"""`spacy nlpkit select` with small classifiers: what is selected, what the tasks hold, and how they come back."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import get_current_ops, set_current_ops
from typer.testing import CliRunner

from spacy_nlpkit.attributes import register_item_attributes
from spacy_nlpkit.cli import app

from .pipelines import run_command

SPORT = ["match", "goal", "coach", "league", "striker"]
MONEY = ["bank", "shares", "profit", "bond", "market"]
LABELS = ["Sport", "Business"]
SURE = [f"{a} {b} {c}" for words in (SPORT, MONEY) for a, b, c in zip(words, words[1:], words[2:])]
UNSURE = [f"{a} {b}" for a, b in zip(SPORT, MONEY)]
NEITHER = "rain in may"


def is_about(text: str) -> dict[str, float]:
    words = set(text.split())
    return {"Sport": float(bool(words & set(SPORT))), "Business": float(bool(words & set(MONEY)))}


def train(path: Path, factory: str, texts: list[str], **settings: Any) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy.TextCatBOW.v3", "ngram_size": 1, "length": 1000, "no_output_layer": False}
    model["exclusive_classes"] = factory == "textcat"
    pipe = nlp.add_pipe(factory, config={"model": model, **settings})
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": is_about(text)}) for text in texts]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    if hasattr(pipe, "calibrate"):
        pipe.calibrate(examples)
    nlp.to_disk(path)


@Language.component("select_test_cats")
def read_cats(doc: Doc) -> Doc:
    """Probabilities as the text has them: "0.25 ..." says that of Sport, the rest is Business."""
    value = float(doc.text.split()[0]) if doc.text[0].isdigit() else 0.5
    doc.cats = {"Sport": value, "Business": 1 - value}
    return doc


@Language.component("select_test_no_cats")
def write_nothing(doc: Doc) -> Doc:
    return doc


@pytest.fixture(autouse=True)
def _same_ops_after() -> Any:
    before = get_current_ops()
    yield
    set_current_ops(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("select")
    train(path / "textcat", "textcat", SURE)
    train(path / "multilabel", "textcat_multilabel", [*SURE, *UNSURE, NEITHER])
    for name in ("select_test_cats", "select_test_no_cats", "textcat"):
        nlp = spacy.blank("en")
        nlp.add_pipe(name)
        nlp.to_disk(path / ("untrained" if name == "textcat" else name))
    write_lines(path / "texts.jsonl", [{"text": text} for text in [*SURE, *UNSURE]])
    return path


def write_lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def run(*args: object, component: str = "textcat") -> tuple[int, str]:
    """Exit status, and output without the line breaks that the width of the terminal makes."""
    result = CliRunner().invoke(app, ["select", *map(str, args), "--component", component])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, " ".join(result.output.split())


def texts_of(path: Path) -> list[str]:
    return [task["text"] for task in read_lines(path)]


def test_the_least_sure_texts_come_first_as_tasks(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = run_command("select", "textcat", "texts.jsonl", output, "--component", "textcat", "-k", "6", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    tasks = read_lines(output)
    assert set(UNSURE) <= {task["text"] for task in tasks[:5]}
    for task in tasks:
        assert sorted(task) == ["meta", "options", "text"]
        assert sorted(task["options"], key=str) == [{"id": label, "text": label} for label in sorted(LABELS)]
        assert task["meta"]["strategy"] == "margin"
        probabilities = task["meta"]["probabilities"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=2e-4)
        distance = abs(probabilities["Sport"] - probabilities["Business"])
        assert task["meta"]["score"] == pytest.approx(1 - distance, abs=3e-4)


def test_the_table_at_the_end_counts_everything(folder: Path, tmp_path: Path) -> None:
    records = [{"text": text} for text in ("0.9 a", "0.6 b", "0.3 c", "0.3  C", "0.2 left out", " ")]
    source = write_lines(tmp_path / "texts.jsonl", [*records, {"txt": "0.5 d"}])
    (tmp_path / "old.txt").write_text("0.2 left out\n")
    args = [folder / "select_test_cats", source, tmp_path / "out.jsonl", "-k", 2, "--diversity", 0]
    status, output = run(*args, "--exclude", tmp_path / "old.txt", component="select_test_cats")
    assert status == 0, output
    assert texts_of(tmp_path / "out.jsonl") == ["0.6 b", "0.3 c"]
    assert f"[N030] {source}, line 6" in output
    assert f"[N023] {source}, line 7" in output
    for row in (
        *("Texts read 7", "skipped: copy of another text 1", "skipped: blank text 1", "skipped: malformed 1"),
        *("skipped: excluded 1", "Texts scored 3", "Texts selected 2", "predicted: Sport 1", "predicted: Business 1"),
        *("Labels exclusive", "Mean score, selected 0.7000", "Mean score, all 0.5333"),
    ):
        assert row in output


def test_answered_tasks_are_converted_with_their_own_meta(folder: Path, tmp_path: Path) -> None:
    meta = {"id": "news-7", "date": "2024-05-01", "source": "wire", "score": 3}
    source = write_lines(tmp_path / "texts.jsonl", [{"text": "goal bank", "meta": meta}, {"text": "match goal coach"}])
    assert run(folder / "textcat", source, tmp_path / "out.jsonl", "-k", 2)[0] == 0
    tasks = read_lines(tmp_path / "out.jsonl")
    assert tasks[0]["meta"].items() >= {"id": "news-7", "date": "2024-05-01", "source": "wire"}.items()
    assert tasks[0]["meta"]["score"] <= 1
    answers = [{**task, "accept": ["Sport"], "answer": "accept", "_view_id": "choice"} for task in tasks]
    write_lines(tmp_path / "answers.jsonl", answers)
    done = CliRunner().invoke(app, ["convert", str(tmp_path / "answers.jsonl"), str(tmp_path / "train.spacy")])
    assert done.exit_code == 0, done.output
    register_item_attributes()
    docs = list(DocBin().from_disk(tmp_path / "train.spacy").get_docs(spacy.blank("en").vocab))
    assert [doc.text for doc in docs] == ["goal bank", "match goal coach"]
    assert [doc.cats for doc in docs] == [{"Sport": 1.0, "Business": 0.0}] * 2
    assert (docs[0]._.item_id, docs[0]._.date) == ("news-7", "2024-05-01")
    # What has been answered is not asked again.
    arguments = [folder / "textcat", folder / "texts.jsonl", tmp_path / "next.jsonl", "-k", 50]
    assert run(*arguments, "--exclude", tmp_path / "answers.jsonl")[0] == 0
    assert set(texts_of(tmp_path / "next.jsonl")) == {*SURE, *UNSURE} - {"goal bank", "match goal coach"}


def test_labels_that_do_not_exclude_each_other(folder: Path, tmp_path: Path) -> None:
    arguments = [folder / "multilabel", folder / "texts.jsonl", tmp_path / "out.jsonl", "-k", 11]
    status, output = run(*arguments, component="textcat_multilabel")
    assert status == 0, output
    assert "Labels not exclusive" in output
    tasks = {task["text"]: task["meta"] for task in read_lines(tmp_path / "out.jsonl")}
    # Both labels hold, which is sure: an exclusive reading would call it a tie.
    both = tasks[UNSURE[0]]
    assert min(both["probabilities"].values()) > 0.7
    expected = Counter(
        label
        for meta in tasks.values()
        for label in [name for name, p in meta["probabilities"].items() if p >= 0.5] or ["none"]
    )
    for label, number in expected.items():
        assert f"predicted: {label} {number}" in output
    best, least = sorted(max(p, 1 - p) for p in both["probabilities"].values())[::-1]
    assert both["score"] == pytest.approx(1 - best * least + best * (1 - least), abs=1e-3)


def test_a_text_classifier_tells_whether_labels_are_exclusive_and_from_where_on_they_hold(tmp_path: Path) -> None:
    settings = {"exclusive": False, "thresholds": {"Sport": 0.0, "Business": 1.0}}
    train(tmp_path / "model", "text_classifier", [*SURE, *UNSURE, NEITHER], **settings)
    texts = ["goal coach", "bank bond", "goal bank"]
    source = write_lines(tmp_path / "texts.jsonl", [{"text": text} for text in texts])
    arguments = [tmp_path / "model", source, tmp_path / "out.jsonl", "-k", 3]
    status, output = run(*arguments, component="text_classifier")
    assert status == 0, output
    assert "Labels not exclusive" in output
    assert "predicted: Sport 3" in output
    assert "predicted: Business" not in output
    nlp = spacy.load(tmp_path / "model")
    for task in read_lines(tmp_path / "out.jsonl"):
        assert task["meta"]["probabilities"] == pytest.approx(nlp(task["text"]).cats, abs=1e-4)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("least-confidence", lambda p: 2 * (1 - max(p, 1 - p))),
        ("margin", lambda p: 1 - abs(2 * p - 1)),
        ("entropy", lambda p: -sum(q * math.log2(q) for q in (p, 1 - p))),
        ("random", lambda p: -sum(q * math.log2(q) for q in (p, 1 - p))),
    ],
)
def test_the_score_of_each_strategy(folder: Path, tmp_path: Path, strategy: str, expected: Any) -> None:
    values = (0.9, 0.45, 0.2, 0.7)
    source = write_lines(tmp_path / "texts.jsonl", [{"text": f"{value} text"} for value in values])
    arguments = [folder / "select_test_cats", source, tmp_path / "out.jsonl", "--diversity", 0, "-k", 4]
    status, output = run(*arguments, "--strategy", strategy, component="select_test_cats")
    assert status == 0, output
    tasks = read_lines(tmp_path / "out.jsonl")
    scores = {float(task["text"].split()[0]): task["meta"]["score"] for task in tasks}
    assert scores == {value: pytest.approx(expected(value), abs=1e-4) for value in values}
    assert {task["meta"]["strategy"] for task in tasks} == {strategy}
    if strategy != "random":
        assert list(scores) == [0.45, 0.7, 0.2, 0.9]


def test_diversity_reaches_topics_that_are_a_little_surer(folder: Path, tmp_path: Path) -> None:
    topics = ["oil crude barrel pump", "ballot vote poll mayor", "vaccine trial dose clinic", "orbit launch moon probe"]
    texts = [
        f"{0.5 if topic == 0 else 0.55} {' '.join(words[:3])} {number}"
        for topic, line in enumerate(topics)
        for number, words in enumerate(permutations(line.split()))
    ]
    source = write_lines(tmp_path / "texts.jsonl", [{"text": text} for text in texts])
    arguments = [folder / "select_test_cats", source, tmp_path / "out.jsonl", "-k", 4]
    assert run(*arguments, "--diversity", 0, component="select_test_cats")[0] == 0
    assert all(text.startswith("0.5 ") for text in texts_of(tmp_path / "out.jsonl"))
    assert run(*arguments, component="select_test_cats")[0] == 0
    selected = texts_of(tmp_path / "out.jsonl")
    assert selected[0].startswith("0.5 ")
    assert all(any(set(text.split()) & set(line.split()) for text in selected) for line in topics)


def test_the_seed_decides_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "texts.jsonl", [{"text": f"0.5 word{number}"} for number in range(60)])
    arguments = [folder / "select_test_cats", source]
    for options in (["--strategy", "random"], ["--limit", 20], ["--diversity", 0]):
        drawn = []
        for seed in (1, 1, 2):
            output = tmp_path / "out.jsonl"
            status, text = run(*arguments, output, "-k", 10, "--seed", seed, *options, component="select_test_cats")
            assert status == 0, text
            drawn.append(output.read_text())
        assert drawn[0] == drawn[1]
        assert drawn[0] != drawn[2]
    assert len(set(texts_of(tmp_path / "out.jsonl"))) == 10


def test_a_limit_looks_at_so_many_texts(folder: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "texts.jsonl", [{"text": f"0.5 word{number}"} for number in range(60)])
    arguments = [folder / "select_test_cats", source, tmp_path / "out.jsonl", "-k", 30, "--limit", 20]
    status, output = run(*arguments, component="select_test_cats")
    assert status == 0
    assert "[NW120] 30 texts were to be selected, but there are only 20" in output
    assert "skipped: not drawn 40" in output
    assert len(set(texts_of(tmp_path / "out.jsonl"))) == 20


def test_tables_and_packed_files(folder: Path, tmp_path: Path) -> None:
    with (tmp_path / "texts.csv").open("w", newline="") as file_:
        csv.writer(file_).writerows([["id", "title", "region"], ["a1", "0.6 &lt;b&gt;oil&lt;/b&gt;", "EU"]])
    arguments = [folder / "select_test_cats", tmp_path / "texts.csv", tmp_path / "out.jsonl"]
    status, output = run(*arguments, "-k", 1, "--column", "title", "--clean", component="select_test_cats")
    assert status == 0, output
    (task,) = read_lines(tmp_path / "out.jsonl")
    assert task["text"] == "0.6 oil"
    assert task["meta"].items() >= {"id": "a1", "region": "EU"}.items()
    assert "title" not in task["meta"]
    with gzip.open(tmp_path / "texts.txt.gz", "wt") as packed:
        packed.write("0.6 gas\n0.5 coal\n")
    arguments[1] = tmp_path / "texts.txt.gz"
    assert run(*arguments, "-k", 1, component="select_test_cats")[0] == 0
    assert texts_of(tmp_path / "out.jsonl") == ["0.5 coal"]


def test_what_lies_behind_the_component_never_runs_and_what_lies_before_does(folder: Path, tmp_path: Path) -> None:
    nlp = spacy.load(folder / "select_test_cats")
    nlp.add_pipe("textcat", name="never_trained", last=True)
    nlp.add_pipe("sentencizer", first=True)
    nlp.to_disk(tmp_path / "model")
    source = write_lines(tmp_path / "texts.jsonl", [{"text": "0.5 a"}])
    arguments = [tmp_path / "model", source, tmp_path / "out.jsonl", "-k", 1]
    status, output = run(*arguments, component="select_test_cats")
    assert status == 0, output


def test_a_classifier_that_is_wholly_sure_is_named(folder: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "texts.jsonl", [{"text": "1.0 a"}, {"text": "0.0 b"}])
    arguments = [folder / "select_test_cats", source, tmp_path / "out.jsonl", "-k", 1]
    status, output = run(*arguments, component="select_test_cats")
    assert (status, "[NW121]" in output) == (0, True)
    assert len(read_lines(tmp_path / "out.jsonl")) == 1


@pytest.mark.parametrize(
    ("arguments", "component", "code"),
    [
        (["{models}/absent", "{texts}", "{out}"], "textcat", "N090"),
        (["{models}/textcat", "{texts}", "{out}"], "text_classifier", "N120"),
        (["{models}/select_test_no_cats", "{texts}", "{out}"], "select_test_no_cats", "N121"),
        (["{models}/untrained", "{texts}", "{out}"], "textcat", "N122"),
        (["{models}/select_test_cats", "{wrong}", "{out}"], "select_test_cats", "N123"),
        (["{models}/textcat", "missing.jsonl", "{out}"], "textcat", "N020"),
        (["{models}/textcat", "{empty}", "{out}"], "textcat", "N028"),
        (["{models}/textcat", "{half}", "{out}"], "textcat", "N027"),
        (["{models}/textcat", "{texts}", "{out}", "--exclude", "{texts}"], "textcat", "N028"),
        (["{models}/textcat", "{texts}", "{out}", "--strategy", "best"], "textcat", "N006"),
        (["{models}/textcat", "{texts}", "{out}", "--columns", "a"], "textcat", "N006"),
        (["{models}/textcat", "{texts}", "out.csv"], "textcat", "N006"),
        (["{models}/textcat", "{out}", "{out}"], "textcat", "N006"),
        (["{models}/textcat", "{texts}", "{texts}/out.jsonl"], "textcat", "N006"),
    ],
)
def test_what_cannot_be_used_ends_with_one_message_and_keeps_the_old_file(
    folder: Path, tmp_path: Path, arguments: list[str], component: str, code: str
) -> None:
    paths = {
        "models": folder,
        "texts": folder / "texts.jsonl",
        "out": write_lines(tmp_path / "out.jsonl", [{"text": "before"}]),
        "wrong": write_lines(tmp_path / "wrong.jsonl", [{"text": "0.4 a"}, {"text": "1.5 b"}]),
        "empty": write_lines(tmp_path / "empty.jsonl", [{"text": " "}]),
        "half": tmp_path / "half.jsonl",
    }
    paths["half"].write_text('{"text": "goal \\ud83d bank"}\n')
    files = {path.name for path in tmp_path.iterdir()}
    status, output = run(*(argument.format(**paths) for argument in arguments), component=component)
    assert status == 1, output
    assert f"[{code}]" in output
    assert texts_of(paths["out"]) == ["before"]
    assert {path.name for path in tmp_path.iterdir()} == files
    if code == "N123":
        assert "'Sport' 1.5 for the text '1.5 b'" in output
