"""Bad input from the command line to the end: one coded message that says where and what to do, status 1, no output.

What single functions and commands refuse is tested beside them; here is what goes through several of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import get_current_ops, set_current_ops
from typer.testing import CliRunner

from spacy_nlpkit.cli import app
from spacy_nlpkit.errors import NlpkitError

from .contract.specs import TICKER_NER

SMOKE = Path(__file__).resolve().parent.parent / "configs" / "smoke"
NOKIA = {"start": 0, "end": 5, "label": "ORG"}
GOOD = {"text": "Nokia rose in Oslo", "spans": [NOKIA, {"start": 14, "end": 18, "label": "GPE"}]}
TABLE = "name,symbol\nNokia Oyj,NOK1V\n"

pytestmark = pytest.mark.usefixtures("_same_ops_after")


@pytest.fixture
def _same_ops_after() -> Iterator[None]:
    before = get_current_ops()
    yield
    set_current_ops(before)


def write_lines(path: Path, *items: Any) -> Path:
    lines = [item if isinstance(item, str) else json.dumps(item) for item in items]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
    return path


def write_corpus(path: Path, *items: dict[str, Any]) -> Path:
    nlp = spacy.blank("en")
    docs = []
    for item in items:
        doc = nlp.make_doc(item["text"])
        doc.set_ents([doc.char_span(s["start"], s["end"], label=s["label"]) for s in item["spans"]])
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


def convert(source: Path, output: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["convert", str(source), str(output)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, " ".join(result.output.split())


def run_process(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spacy", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("lines", "code", "reason"),
    [
        (['{"text": "Nokia'], "N022", "not JSON"),
        ([{**GOOD, "spans": [{**NOKIA, "end": 50}]}], "N024", "wrong offsets"),
        ([{**GOOD, "spans": [{"start": 0, "end": 5}]}], "N023", "malformed"),
        ([{"text": " \n"}], "N030", "blank text"),
        ([{"text": "a" * 1_000_001}], "N033", "text too long"),
    ],
)
def test_annotations_of_which_nothing_is_left(tmp_path: Path, lines: list[Any], code: str, reason: str) -> None:
    source = write_lines(tmp_path / "mine.jsonl", *lines)
    status, output = convert(source, tmp_path / "corpus" / "train.spacy")
    assert status == 1
    assert f"[N028] {source}: nothing could be converted (read 1, 1 {reason})" in output
    assert f"[{code}] {source}, line 1" in output
    assert files_below(tmp_path) == ["mine.jsonl"]


def test_bad_lines_among_good_ones_are_named_and_training_goes_on_with_the_rest(tmp_path: Path) -> None:
    """From an export with faults to the gate before training, as `make run` walks."""
    texts = [{**GOOD, "text": f"Nokia rose in Oslo by {number}"} for number in range(25)]
    faulty = ['{"text": ', {**GOOD, "spans": [{**NOKIA, "start": -1}]}]
    source = write_lines(tmp_path / "mine.jsonl", *texts, *faulty)
    status, output = convert(source, tmp_path / "train.spacy")
    assert status == 0
    assert f"[N022] {source}, line 26: not valid JSON" in output
    assert f"[N024] {source}, line 27:" in output
    gate = CliRunner().invoke(app, ["check-data", "--train", str(tmp_path / "train.spacy")])
    assert gate.exit_code == 0, gate.output


def test_a_corpus_without_entities_is_stopped_at_the_gate(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "mine.jsonl", *({**GOOD, "spans": [], "_view_id": "ner_manual"} for _ in range(2)))
    status, output = convert(source, tmp_path / "train.spacy")
    assert (status, "[NW020]" in output) == (0, True)
    gate = CliRunner().invoke(app, ["check-data", "--train", str(tmp_path / "train.spacy")])
    assert gate.exit_code == 1
    assert "[N044] No label in 'train'" in " ".join(gate.output.split())


@pytest.fixture
def run_training(tmp_path: Path) -> Callable[..., None]:
    """`spacy train` on a sound corpus but for what is given."""
    write_corpus(tmp_path / "train.spacy", GOOD)
    write_corpus(tmp_path / "nothing.spacy", {"text": "Nothing happened", "spans": []})
    write_corpus(tmp_path / "none.spacy")
    (tmp_path / "empty.spacy").write_bytes(b"")
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "columns.csv").write_text(TABLE.replace("name,symbol", "title,ticker"))
    (tmp_path / "short.csv").write_text(f"{TABLE}Intel\n")

    def run(twin: str, **settings: Any) -> None:
        paths = {"train": "train.spacy", "dev": "train.spacy", **settings.pop("paths", {})}
        absolute = {f"paths.{name}": path and str(tmp_path / path) for name, path in paths.items()}
        train(SMOKE / f"{twin}.cfg", tmp_path / "out", overrides={**absolute, **settings})

    return run


# The one text of the corpus is less than the ratio of silver asks for.
@pytest.mark.filterwarnings("ignore:.*NW036")
@pytest.mark.parametrize(
    ("twin", "settings", "message"),
    [
        ("news", {"paths": {"train": None}}, r"N035.*--paths\.train"),
        ("news", {"paths": {"train": "absent.spacy"}}, r"N036.*absent\.spacy.*nlpkit convert"),
        ("news", {"paths": {"train": "empty.spacy"}}, r"N029.*empty\.spacy"),
        ("news", {"paths": {"train": "none.spacy"}}, r"N038.*none\.spacy.*check-data"),
        ("news", {"paths": {"train": "nothing.spacy"}}, r"N002.*ticker_ner.*check-data"),
        ("news", {"components.ticker_ner.threshold": 2.0}, r"N006.*threshold.*between 0 and 1"),
        ("news", {"nlp.lang": "zh"}, r"N050.*'zh'"),
        ("ticker_ner_silver", {"paths": {"silver": "train.spacy"}}, r"N060.*--paths\.listings"),
        (
            "ticker_ner_silver",
            {"paths": {"silver": "train.spacy", "listings": "columns.csv"}},
            r"N053.*columns\.csv, line 1.*'columns'",
        ),
        (
            "ticker_ner_silver",
            {"paths": {"silver": "train.spacy", "listings": "short.csv"}},
            r"N054.*short\.csv, line 3",
        ),
        (
            "ticker_ner_silver",
            {"paths": {"silver": "train.spacy", "listings": "table.csv"}},
            r"N007.*ticker_ner.*train-vectors",
        ),
        ("ticker_ner_silver", {"paths": {"listings": "table.csv"}}, r"N035.*no path"),
    ],
)
def test_training_that_cannot_begin(
    run_training: Callable[..., None], tmp_path: Path, twin: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(NlpkitError, match=message):
        run_training(twin, **settings)
    assert files_below(tmp_path / "out") == []


def test_the_last_line_of_a_training_that_fails_is_the_message(tmp_path: Path) -> None:
    (tmp_path / "listings.csv").write_text("title,ticker\nNokia,NOK1V\n")
    write_corpus(tmp_path / "train.spacy", GOOD)
    paths = {"train": "train.spacy", "dev": "train.spacy", "silver": "train.spacy", "listings": "listings.csv"}
    options = [word for name, path in paths.items() for word in (f"--paths.{name}", path)]
    done = run_process("train", SMOKE / "ticker_ner_silver.cfg", "--output", "out", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert "[N053] listings.csv, line 1: a listing table needs a column" in done.stderr.splitlines()[-1]
    assert files_below(tmp_path / "out") == []


@pytest.mark.parametrize("lang", ["de", "ar", "zh"])
def test_other_languages_from_blank_to_trained(lang: str) -> None:
    """`nlp.initialize` and `nlp.update` alone, with the language's own tokenizer."""
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    nlp.add_pipe("ticker_ner", config=TICKER_NER.config)
    text = {"de": "Siemens baut in Bonn", "ar": "أرامكو في الرياض", "zh": "腾讯在深圳"}[lang]
    name = text.split()[0] if " " in text else text[:2]
    doc = nlp.make_doc(text)
    doc.set_ents([doc.char_span(0, len(name), label="ORG")])
    examples = [Example(nlp.make_doc(text), doc)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    assert [(ent.text, ent.label_) for ent in nlp(text).ents] == [(name, "ORG")]


def test_a_text_of_a_million_characters() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("ticker_ner", config=TICKER_NER.config)
    examples = TICKER_NER.examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    sentence = f"{TICKER_NER.gold[0][0]} "
    text = sentence * (nlp.max_length // len(sentence))
    ents = nlp(text).ents
    assert {"ORG", "TICKER", "GPE"} == {ent.label_ for ent in ents}
    assert len(ents) >= 2 * text.count("rose")
