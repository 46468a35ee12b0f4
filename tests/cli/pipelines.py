"""Small pipelines and corpora that the tests of the command line make on disk."""

from __future__ import annotations

import subprocess
import sys

import spacy
from spacy.tokens import DocBin
from spacy.training import Example

NEWS = [
    ("Dell Inc. (DELL.O) opens in Paris.", [("Dell Inc.", "ORG"), ("DELL.O", "TICKER"), ("Paris", "GPE")]),
    ("Sony hires in Tokyo & <Paris>.", [("Sony", "ORG"), ("Tokyo", "GPE"), ("Paris", "GPE")]),
    ("Nothing happened on Monday.", []),
]


def run_command(*arguments, cwd):
    """Run `python -m spacy nlpkit ...` in a process of its own."""
    command = [sys.executable, "-m", "spacy", "nlpkit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def make_ruler_pipeline(path, patterns, corpora=None, tokenizer=None):
    """Save a pipeline of one entity_ruler. patterns: text to label; corpora: blocks of [corpora]."""
    config = {"nlp": {"lang": "en"}, "paths": {"test": None}, "corpora": corpora or {}}
    if tokenizer:
        config["nlp"]["tokenizer"] = {"@tokenizers": tokenizer}
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": text} for text, label in patterns.items()])
    nlp.to_disk(path)
    return path


def make_docs(items=NEWS, missing=False):
    """Documents of (text, [(entity, label)]); with `missing` the entities are left unannotated."""
    nlp = spacy.blank("en")
    for text, entities in items:
        doc = nlp.make_doc(text)
        if not missing:
            spans = [doc.char_span(text.index(e), text.index(e) + len(e), label=label) for e, label in entities]
            doc.set_ents(spans)
        yield doc


def write_corpus(path, docs):
    DocBin(docs=list(docs), store_user_data=True).to_disk(path)
    return path


def train_ner(path):
    """Save a stock `ner` that has learned `NEWS` by heart."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in make_docs()]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path)
    return path
