"""`spacy nlpkit check-data`: tables, JSON, exit status, and one line for input that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_nlpkit.attributes import register_item_attributes
from spacy_nlpkit.cli import app

CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["tok2vec","absent"]

[components]

[components.tok2vec]
factory = "tok2vec"

[components.absent]
factory = "no_such_factory"

[corpora]

[corpora.train]
@readers = "spacy_nlpkit.Corpus.v1"
path = ${paths.train}
max_length = 40

[corpora.train.augmenter]
@augmenters = "spacy.lower_case.v1"
level = 1.0

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}
"""


def write(path: Path, texts: list[str], label: str = "ORG") -> Path:
    register_item_attributes()
    nlp = spacy.blank("en")
    docs = []
    for number, text in enumerate(texts):
        doc = nlp.make_doc(text)
        doc._.item_id = f"item-{number}"
        doc.set_ents([doc.char_span(0, 4, label=label)] if text.startswith("Acme") else [])
        docs.append(doc)
    DocBin(store_user_data=True, docs=docs).to_disk(path)
    return path


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write(tmp_path / "train.spacy", [f"Acme rose by {i}" for i in range(25)])


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    return write(tmp_path / "dev.spacy", ["Acme fell by 1", "Acme fell by 2"])


def run(*args: str | Path, status: int = 0) -> str:
    """What the command prints, as one line of words."""
    result = CliRunner().invoke(app, ["check-data", *map(str, args)])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def test_as_a_process(train: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spacy", "nlpkit", "check-data", "--train", str(train)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "No errors, 0 warnings" in done.stdout
    (tmp_path / "train.spacy").write_bytes(b"no DocBin")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count("[N032]") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_sound_files(train: Path, dev: Path) -> None:
    output = run("--train", train, "--dev", dev, "--strict")
    assert "No errors, 0 warnings" in output
    assert "entity ORG 25 2" in output


def test_warnings_and_json(train: Path, tmp_path: Path) -> None:
    dev = write(tmp_path / "dev.spacy", ["Acme rose by 3", "Nothing here"])
    report_path = tmp_path / "out" / "report.json"
    output = run("--train", train, "--dev", dev, "--json", report_path)
    assert "[NW039] 1 texts stand in more than one split" in output
    assert "train, document 4 (item-3) = dev, document 1 (item-0)" in output
    report = srsly.read_json(report_path)
    assert report["splits"]["dev"]["without_entities"] == 1
    assert [found["code"] for found in report["findings"]] == ["NW039"]
    output = run("--train", train, "--dev", dev, "--strict", status=1)
    assert "[N042] check-data found 0 errors and 1 warnings in the data (NW039)" in output


def test_errors_end_with_status_1_and_the_report_is_written(train: Path, tmp_path: Path) -> None:
    dev = write(tmp_path / "dev.spacy", ["Acme fell"], label="COMPANY")
    output = run("--train", train, "--dev", dev, "--json", tmp_path / "report.json", status=1)
    assert "[N045] No entity label of 'dev' occurs in 'train'" in output
    assert "[N042] check-data found 1 errors in the data (N045)" in output
    assert srsly.read_json(tmp_path / "report.json")["findings"][0]["level"] == "error"


def test_config_with_overrides_reads_its_own_corpora(train: Path, dev: Path, tmp_path: Path) -> None:
    """Components are not built, augmenters are left out, and what the reader leaves out is reported."""
    config = tmp_path / "train.cfg"
    config.write_text(CONFIG, encoding="utf8")
    write(train, [*(f"Acme rose by {i}" for i in range(25)), "Acme " + "rose " * 50])
    output = run(config, "--paths.train", train, "--paths.dev", dev)
    assert "Documents 25 2" in output
    assert "[NW035]" in output
    assert "No errors, 1 warnings" in output
    output = run(config, "--paths.train", train, "--paths.dev", train)
    assert "[NW039] 25 texts stand in more than one split" in output
    assert "[NW041]" not in output
    output = run(config, "--paths.dev", dev, status=1)
    assert "[N035] A corpus of the config has no path" in output


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("[nlp]\nlang = 'xx", "N040"),
        ("nonsense", "N040"),
        ('[corpora]\n[corpora.train]\n@readers = "no.such"\n[corpora.dev]\n@readers = "no.such"\n', "N040"),
        (None, "N040"),
    ],
)
def test_configs_that_cannot_be_used(tmp_path: Path, content: str | None, code: str) -> None:
    config = tmp_path / "train.cfg"
    if content is not None:
        config.write_text(content, encoding="utf8")
    assert f"[{code}] Cannot check the data of" in run(config, status=1)


@pytest.mark.parametrize(
    ("content", "code"), [(None, "N036"), (b"", "N029"), (b"\x00 no DocBin", "N032"), ("folder", "N037")]
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | str | None, code: str) -> None:
    path = tmp_path / "train.spacy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()
    output = run("--train", path, "--json", tmp_path / "report.json", status=1)
    assert f"[{code}]" in output
    assert "train.spacy" in output
    assert not (tmp_path / "report.json").exists()


def test_nothing_to_check(train: Path, tmp_path: Path) -> None:
    assert "[N041]" in run(status=1)
    assert "[N041]" in run("--dev", train, status=1)
    assert "'tlh'" in run("--train", train, "--lang", "tlh", status=1)
    assert "[N041]" in run(tmp_path / "train.cfg", "--train", train, status=1)
    empty = write(tmp_path / "empty.spacy", [])
    assert "[N043] No document in 'train'" in run("--train", empty, status=1)
    bare = write(tmp_path / "bare.spacy", ["Nothing here"])
    assert "[N044] No label in 'train'" in run("--train", bare, status=1)


def write_classes(path: Path, *cats: dict[str, float]) -> Path:
    nlp = spacy.blank("en")
    docs = []
    for number in range(25 * len(cats)):
        doc = nlp.make_doc(f"{path.stem} {number}")
        doc.cats = cats[number % len(cats)]
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


@pytest.mark.parametrize(
    ("component", "is_exclusive"),
    [
        ('factory = "text_classifier"', True),
        ('factory = "text_classifier"\nexclusive = true', True),
        ('factory = "text_classifier"\nexclusive = ${system.exclusive}', False),
        ('factory = "textcat"', True),
        ('factory = "textcat_multilabel"', False),
        ('factory = "tagger"', False),
    ],
)
def test_exclusive_classes_of_a_config(tmp_path: Path, component: str, is_exclusive: bool) -> None:
    config = tmp_path / "train.cfg"
    text = CONFIG.replace('"absent"]', '"absent","classes"]').replace(
        "[corpora]\n", f"[components.classes]\n{component}\n\n[corpora]\n\n[system]\nexclusive = false\n", 1
    )
    config.write_text(text, encoding="utf8")
    train = write_classes(tmp_path / "train.spacy", {"A": 1.0, "B": 0.0}, {"A": 1.0, "B": 1.0}, {"A": 0.0, "B": 1.0})
    dev = write_classes(tmp_path / "dev.spacy", {"A": 1.0, "B": 0.0})
    paths = ["--paths.train", train, "--paths.dev", dev]
    output = run(config, *paths, status=int(is_exclusive))
    assert ("[N118] 25 texts of 'train' have classes that are not exclusive" in output) == is_exclusive
    assert ("train, document 2: 2 labels are right at once ('A', 'B')" in output) == is_exclusive
    assert "[N118]" not in run(config, *paths, "--no-exclusive")


def test_exclusive_classes_of_files(tmp_path: Path) -> None:
    train = write_classes(tmp_path / "train.spacy", {"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0}, {"A": 0.4, "B": 0.4})
    assert "No errors, 0 warnings" in run("--train", train)
    output = run("--train", train, "--exclusive", status=1)
    assert "train, document 3: the values of the labels add up to 0.8, not to 1" in output
    assert "[N042] check-data found 1 errors in the data (N118)" in output


def write_links(path: Path, *ids: str) -> Path:
    nlp = spacy.blank("en")
    docs = []
    for number in range(25 * len(ids)):
        doc = nlp.make_doc(f"Acme {path.stem} {number}")
        doc.ents = [doc.char_span(0, 4, label="ORG", kb_id=ids[number % len(ids)])]
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


def test_links_of_files_and_a_graph(tmp_path: Path) -> None:
    kb = tmp_path / "kb.jsonl"
    kb.write_text('{"id": "org:acme", "label": "Acme"}\n')
    train = write_links(tmp_path / "train.spacy", "org:acme", "NIL", "")
    dev = write_links(tmp_path / "dev.spacy", "org:acme", "org:other")
    report_path = tmp_path / "report.json"
    output = run("--train", train, "--dev", dev, "--kb", kb, "--json", report_path)
    assert "Label Link train dev" in output
    assert all(row in output for row in ("ORG linked 25 50", "ORG NIL 25 0", "ORG unknown 25 0"))
    assert "[NW201] 25 of 50 links of 'dev' go to 1 ids" in output
    assert srsly.read_json(report_path)["splits"]["dev"]["links"] == {"ORG": {"linked": 50, "NIL": 0, "unknown": 0}}
    kb.write_text('{"id": "Q1", "label": "Acme"}\n')
    assert "[N203] None of the 1 entity ids of 'train'" in run("--train", train, "--kb", kb, status=1)
    assert "[N154]" in run("--train", train, "--kb", tmp_path / "no", status=1)


def test_a_linker_in_a_config_wants_links(train: Path, dev: Path, tmp_path: Path) -> None:
    config = tmp_path / "train.cfg"
    linker = '[components]\n\n[components.linker]\nfactory = "entity_linker"\n'
    config.write_text(CONFIG.replace('"absent"]', '"linker"]').replace("[components]\n", linker), encoding="utf8")
    paths = ["--paths.train", train, "--paths.dev", dev]
    assert "[NW200] No entity of 'train' has an id" in run(config, *paths)
    config.write_text(config.read_text() + '\n[training]\nfrozen_components = ["linker"]\n', encoding="utf8")
    assert "[NW200]" not in run(config, *paths)
