"""A few texts of three classes, and spaCy's own text classifiers over the architectures of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config, fix_random_seed

LABELS = ("BUSINESS", "SCIENCE", "SPORT")
GOLD = [
    ("Shares of Acorn Mills fell in Oslo .", "BUSINESS"),
    ("Borea Foods reported a smaller profit .", "BUSINESS"),
    ("A probe reached the far side of the moon .", "SCIENCE"),
    ("Chemists made a new catalyst .", "SCIENCE"),
    ("The keeper saved a late penalty .", "SPORT"),
    ("United won the cup final on Sunday .", "SPORT"),
]
# For labels that do not exclude one another.
MORE = [("A chemist won the cup .", ("SCIENCE", "SPORT")), ("Nothing happened .", ())]
CONFIG = """
[nlp]
lang = "en"
pipeline = ["textcat"]

[components]

[components.textcat]
factory = "textcat"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = null
max_length = 0
gold_preproc = false
limit = 0
augmenter = null

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = null
max_length = 0
gold_preproc = false
limit = 0
augmenter = null

[training]
max_steps = 20
eval_frequency = 10

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
use_averages = true

[initialize]

[initialize.before_init]
@callbacks = "spacy_nlpkit.document_frequencies.v1"
"""


def gold_docs(nlp: Language) -> list[Doc]:
    """Annotated documents."""
    docs = []
    for text, gold in GOLD:
        doc = nlp.make_doc(text)
        doc.cats = {label: float(label == gold) for label in LABELS}
        docs.append(doc)
    return docs


def write_corpus(path: Path) -> Path:
    """The annotated texts as a corpus."""
    DocBin(docs=gold_docs(spacy.blank("en"))).to_disk(path)
    return path


def config_of(corpus: Path, model: dict[str, Any], factory: str = "textcat") -> Config:
    """A training config in which nothing but the model's block, and the factory, is set."""
    config = Config().from_str(CONFIG)
    config["components"]["textcat"] = {"factory": factory, "model": model}
    for reader in config["corpora"].values():
        reader["path"] = str(corpus)
    return config


def build(corpus: Path, model: dict[str, Any], factory: str = "textcat") -> Language:
    """The pipeline of the config, not initialized."""
    fix_random_seed(0)
    return load_model_from_config(config_of(corpus, model, factory), auto_fill=True)


def examples_of(nlp: Language) -> list[Example]:
    """Fresh annotated examples."""
    return [Example(nlp.make_doc(doc.text), doc) for doc in gold_docs(nlp)]


def examples_of_more(nlp: Language) -> list[Example]:
    """The texts, one with two labels, one with none."""
    more = [
        Example.from_dict(nlp.make_doc(text), {"cats": {label: float(label in held) for label in LABELS}})
        for text, held in MORE
    ]
    return [*examples_of(nlp), *more]


def train(nlp: Language, updates: int = 15, examples: list[Example] | None = None) -> Language:
    """Learn the texts, or others, by heart."""
    examples = examples_of(nlp) if examples is None else examples
    nlp.initialize(lambda: examples)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)
    return nlp


def probabilities(nlp: Language) -> list[dict[str, float]]:
    """What the pipeline gives each label of each text."""
    return [doc.cats for doc in nlp.pipe(text for text, _ in GOLD)]


def answers(nlp: Language) -> list[str]:
    """The most probable label of each text."""
    return [max(cats, key=cats.__getitem__) for cats in probabilities(nlp)]
