"""Trainings by spaCy's own loop from a shipped config, small enough for a test."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from ..contract.written import TARGETS, subwords

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke" / "seq2seq.cfg"


def write_corpus(folder: Path, copies: int = 1) -> dict[str, Any]:
    """Files of pairs and subwords. RETURNS: The overrides of the config that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{text}\t{target}\n" for text, target in TARGETS.items())
    (folder / "train.tsv").write_text(lines * copies, encoding="utf8")
    (folder / "dev.tsv").write_text(lines, encoding="utf8")
    subwords().to_disk(folder / "subwords.json")
    names = {"train": "train.tsv", "dev": "dev.tsv", "subwords": "subwords.json"}
    return {f"paths.{name}": str(folder / file_name) for name, file_name in names.items()}


def start(overrides: dict[str, Any], blocks: dict[str, dict[str, Any]] | None = None, **more: Any) -> Language:
    """A pipeline of the config, initialized.

    blocks: Whole sections by their dotted names, in place of those of the config.
    more: Values of further dotted names, with __ for the dots.
    """
    named = {name.replace("__", "."): value for name, value in more.items()}
    search = {"components.seq2seq.search.beams": 1, "components.seq2seq.search.max_extra": 4}
    config = load_config(CONFIG, overrides={"training.eval_frequency": 3, **search, **overrides, **named})
    for path, block in (blocks or {}).items():
        parent, _, name = path.rpartition(".")
        section: Any = config
        for key in parent.split("."):
            section = section[key]
        section[name] = block
    return init_nlp(config)


def run(nlp: Language, output: Path | None = None, stderr: Any = None) -> str:
    """Train to the end. RETURNS: What the loop printed."""
    stdout = io.StringIO()
    if output is not None:
        output.mkdir(exist_ok=True)
    train(nlp, output, stdout=stdout, stderr=stderr or io.StringIO())
    return stdout.getvalue()


def write_classes(folder: Path) -> str:
    """The pairs as a .spacy file whose documents have classes as well. RETURNS: Its path."""
    import spacy

    from spacy_nlpkit.attributes import register_target

    register_target()
    nlp = spacy.blank("xx")
    docs = []
    for text, target in TARGETS.items():
        doc = nlp.make_doc(text)
        doc._.target = target
        doc.cats = {"UP": float(target.startswith("up")), "DOWN": float(not target.startswith("up"))}
        docs.append(doc)
    path = folder / "classes.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return str(path)
