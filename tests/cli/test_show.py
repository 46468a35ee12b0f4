"""`python -m spacy nlpkit show`: scores and annotated texts in the terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_nlpkit.metrics import write_metrics


def show(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spacy", "nlpkit", "show", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ORG", "pattern": "Dell"}])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def write_corpus(path: Path, *texts: str) -> Path:
    nlp = spacy.blank("en")
    DocBin(docs=[nlp(text) for text in texts]).to_disk(path)
    return path


def test_scores_and_texts(model: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "news.json"
    per_type = {"ORG": {"p": 0.5, "r": 1.0, "f": 0.6667}}
    ours = {"ents_f": 0.6667, "ents_per_type": per_type, "words_per_second": 12345.0}
    write_metrics(metrics, {"news.test": {"ours": ours, "peers": {}, "seeds": [0]}}, "a command")
    corpus = write_corpus(tmp_path / "test.spacy", "Shares of Dell fell.", "A second text.", "A third one.")
    done = show(model, "--metrics", metrics, "--corpus", corpus, "--n-texts", "2")
    assert done.returncode == 0, done.stderr
    assert "news.test" in done.stdout
    assert "12,345" in done.stdout
    assert "Shares of [Dell ORG] fell." in done.stdout
    assert "A second text." in done.stdout
    assert "A third one." not in done.stdout
    assert "\x1b[" not in done.stdout.split("As the pipeline annotates it")[1].split("\n", 1)[1]


def test_classes_of_a_text(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("text_classifier")
    texts = ["The goalkeeper saved it.", "Shares of Dell fell."]
    gold = [{"cats": {"Sports": float(sport), "Business": float(not sport)}} for sport in (True, False)]
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc(text), cats) for text, cats in zip(texts, gold)])
    assert set(pipe.labels) == {"Sports", "Business"}  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "classes")
    done = show(tmp_path / "classes", "--corpus", write_corpus(tmp_path / "test.spacy", *texts))
    assert done.returncode == 0, done.stderr
    assert "=>  Business 0.50  Sports 0.50" in done.stdout


def test_links_by_the_date_of_the_text(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "TICKER", "pattern": "META"}])  # type: ignore[attr-defined]
    linker: Any = nlp.add_pipe("kg_linker")
    aliases = [{"text": "META", "kind": "ticker", "from": "2022-06-09"}]
    fund = [{"text": "META", "kind": "ticker", "to": "2022-01-31"}]
    entities = [
        {"id": "org:meta", "label": "Meta Platforms", "types": ["Company"], "aliases": aliases},
        {"id": "org:roundhill", "label": "Roundhill Ball Metaverse", "types": ["Company"], "aliases": fund},
    ]
    srsly.write_jsonl(tmp_path / "kb.jsonl", entities)
    linker.set_kb(tmp_path / "kb.jsonl")
    nlp.to_disk(tmp_path / "linked")
    docs = [nlp.make_doc("Shares of META fell."), nlp.make_doc("Shares of META rose.")]
    docs[0]._.date, docs[1]._.date = "2021-11-02", "2023-11-02"
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "test.spacy")
    done = show(tmp_path / "linked", "--corpus", tmp_path / "test.spacy")
    assert done.returncode == 0, done.stderr
    assert re.search(r"of \[META TICKER -> org:roundhill 0\.\d\d\] fell", done.stdout)
    assert re.search(r"of \[META TICKER -> org:meta 0\.\d\d\] rose", done.stdout)


@pytest.mark.parametrize(
    ("option", "content", "code"),
    [
        ("--metrics", None, "N096"),
        ("--metrics", b"{}", "N096"),
        ("--corpus", None, "N032"),
        ("--corpus", b"no corpus", "N032"),
        ("--corpus", b"", "N029"),
    ],
)
def test_bad_files(model: Path, tmp_path: Path, option: str, content: bytes | None, code: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    done = show(model, option, path)
    assert done.returncode == 1
    assert code in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_corpus_without_texts(model: Path, tmp_path: Path) -> None:
    done = show(model, "--corpus", write_corpus(tmp_path / "empty.spacy"))
    assert done.returncode == 1
    assert "N104" in done.stdout + done.stderr


def test_no_pipeline(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "test.spacy", "A text.")
    done = show(tmp_path / "nothing", "--corpus", corpus)
    assert done.returncode == 1
    assert "N090" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
