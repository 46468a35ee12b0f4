"""Self-training: which of its own answers a classifier is taught, and in which rounds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import registry

from spacy_nlpkit.data.readers import Corpus
from spacy_nlpkit.data.self_training import (
    SelfTrainingCorpus,
    choose_each,
    choose_exclusive,
    create_self_training_corpus,
)
from spacy_nlpkit.errors import NlpkitError

from ..contract.specs import ENCODER, LISTENER
from ..pipeline.small_classes import GOLD, GOLD_INDEPENDENT, LABELS, Cats, build, build_linear, cats, pipe_of, train
from .plain_choices import plain_each, plain_exclusive

ROOT = Path(__file__).resolve().parent.parent.parent
TWIN = ROOT / "configs" / "smoke" / "text_classifier_few.cfg"
UNLABELLED = [
    "Maize and wheat fell.",
    "Soy rose after rains.",
    "A dry spring for maize.",
    "Copper stocks fell in Oslo.",
    "Zinc and copper rose.",
    "Miners sold zinc.",
    "The bank left mortgages unchanged.",
    "Lending costs more.",
    "Rains came again today.",
]
Content = list[tuple[str, Cats]]


# What is chosen


def with_none(chosen: np.ndarray) -> list[list[float | None]]:
    return [[None if value != value else value for value in row] for row in chosen.tolist()]


@pytest.mark.parametrize("keep", [0.01, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_choices_are_those_of_plain_python(keep: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Many are equally sure: eighths, so that none is so by rounding.
    distributions = rng.multinomial(8, [0.4, 0.3, 0.3], size=50) / 8
    assert with_none(choose_exclusive(distributions, keep)) == plain_exclusive(distributions.tolist(), keep)
    independent = rng.integers(0, 9, size=(50, 3)) / 8
    assert with_none(choose_each(independent, keep)) == plain_each(independent.tolist(), keep)


def test_the_share_is_of_each_label() -> None:
    """The only text of a label is taught, though all of another label are more certain."""
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.95, 0.05], [0.4, 0.6], [0.7, 0.3]])
    assert with_none(choose_exclusive(rows, 0.6)) == [[1, 0], [None] * 2, [1, 0], [0, 1], [None] * 2]


def test_of_independent_labels_the_share_is_of_decisions() -> None:
    rows = np.array([[0.9, 0.1], [0.8, 0.6], [0.6, 0.4], [0.1, 0.7], [0.3, 0.5]])
    expected = [[1, 0], [1, 1], [None, None], [0, 1], [None, None]]
    assert with_none(choose_each(rows, 0.6)) == expected


@pytest.mark.parametrize("choose", [choose_exclusive, choose_each])
def test_no_texts(choose: Callable) -> None:
    assert choose(np.zeros((0, 3)), 0.5).shape == (0, 3)


# Rounds


def write(path: Path, annotated: Iterable[tuple[str, Cats]]) -> Path:
    nlp = spacy.blank("en")
    docs = []
    for text, values in annotated:
        doc = nlp.make_doc(text)
        doc.cats = values
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


def make_reader(folder: Path, unlabelled: Iterable[tuple[str, Cats]] | None = None, **settings: Any) -> Any:
    """A reader of corpora on disk; every round after the first has labelled texts."""
    given = [(text, {}) for text in UNLABELLED] if unlabelled is None else unlabelled
    gold = Corpus(write(folder / "gold.spacy", settings.pop("annotated", GOLD)))
    texts = Corpus(write(folder / "unlabelled.spacy", given))
    return create_self_training_corpus(gold, texts, **{"warmup": 1, "keep": 1.0, "gold_repeats": 1, **settings})


def streaming(nlp: Language) -> Language:
    nlp.config["training"]["max_epochs"] = -1
    return nlp


@pytest.fixture(scope="module")
def trained() -> Language:
    return streaming(train(build_linear(), GOLD))


def content(examples: Iterable[Example]) -> Content:
    return [(example.reference.text, example.reference.cats) for example in examples]


def in_order(found: Content) -> list[str]:
    return sorted(json.dumps(item) for item in found)


def best_of(nlp: Language, text: str) -> Cats:
    """What the pipeline says now, as annotation."""
    found = nlp(text).cats
    return cats(max(found, key=found.__getitem__))


def test_the_reader_is_registered(trained: Language, tmp_path: Path) -> None:
    reader = registry.readers.get("spacy_nlpkit.SelfTrainingCorpus.v1")(*[make_reader(tmp_path).gold] * 2)
    assert isinstance(reader, SelfTrainingCorpus)
    assert in_order(content(reader(trained))) == in_order(GOLD)


def test_rounds_warm_up_and_then_have_labelled_texts(trained: Language, tmp_path: Path) -> None:
    reader = make_reader(tmp_path, warmup=2, gold_repeats=3)
    for _ in range(2):
        assert in_order(content(reader(trained))) == in_order(GOLD)
    labelled = [(text, best_of(trained, text)) for text in UNLABELLED]
    assert {json.dumps(values) for _, values in labelled} == {json.dumps(cats(label)) for label in LABELS}
    for _ in range(2):
        assert in_order(content(reader(trained))) == in_order([*GOLD * 3, *labelled])


def test_labels_are_those_of_the_pipeline_as_it_is_now(tmp_path: Path) -> None:
    """Between two rounds it learns the opposite of its first labels."""
    nlp = streaming(train(build_linear(), GOLD))
    reader = make_reader(tmp_path, annotated=GOLD[:1])
    list(reader(nlp))
    first = dict(content(reader(nlp)))
    other = {LABELS[0]: LABELS[1], LABELS[1]: LABELS[2], LABELS[2]: LABELS[0]}
    turned = [(text, cats(other[max(values, key=values.__getitem__)])) for text, values in GOLD]
    nlp = streaming(train(nlp, turned))
    second = dict(content(reader(nlp)))
    assert [second[text] for text in UNLABELLED] == [best_of(nlp, text) for text in UNLABELLED]
    assert [first[text] for text in UNLABELLED[:8]] != [second[text] for text in UNLABELLED[:8]]


def test_a_share_of_each_label_is_kept(trained: Language, tmp_path: Path) -> None:
    reader = make_reader(tmp_path, keep=0.34)
    list(reader(trained))
    found = [item for item in content(reader(trained)) if item[0] in UNLABELLED]
    rows = [[trained(text).cats[label] for label in LABELS] for text in UNLABELLED]
    expected = [
        (text, dict(zip(LABELS, row)))
        for text, row in zip(UNLABELLED, plain_exclusive(rows, 0.34))
        if row[0] is not None
    ]
    assert in_order(found) == in_order(expected)  # type: ignore[arg-type]
    assert 0 < len(found) < len(UNLABELLED)


def rounds_of(reader: Any, nlp: Language, count: int = 4) -> list[Content]:
    return [content(reader(nlp)) for _ in range(count)]


def test_rounds_are_drawn_by_seed_and_number(trained: Language, tmp_path: Path) -> None:
    first = rounds_of(make_reader(tmp_path, limit=4), trained)
    assert first == rounds_of(make_reader(tmp_path, limit=4), trained)
    assert first != rounds_of(make_reader(tmp_path, limit=4, seed=1), trained)
    assert [len(each) for each in first] == [len(GOLD), *[len(GOLD) + 4] * 3]
    drawn = [{text for text, _ in each if text in UNLABELLED} for each in first[1:]]
    assert len({frozenset(each) for each in drawn}) > 1
    # Gold and labelled texts are mixed.
    assert [text for text, _ in first[1]][: len(GOLD)] != [text for text, _ in GOLD]


def test_a_limit_beyond_the_texts_takes_all(trained: Language, tmp_path: Path) -> None:
    rounds = rounds_of(make_reader(tmp_path, limit=100), trained, 2)
    assert len(rounds[1]) == len(GOLD) + len(UNLABELLED)


@pytest.mark.parametrize("given", [cats("Rates"), {"Nonsense": 1.0}, dict.fromkeys(LABELS, 7.0)], ids=str)
def test_classes_of_the_unlabelled_corpus_are_never_looked_at(trained: Language, tmp_path: Path, given: Cats) -> None:
    without = rounds_of(make_reader(tmp_path), trained)
    reader = make_reader(tmp_path, [(text, given) for text in UNLABELLED])
    assert rounds_of(reader, trained) == without
    assert not any(example.predicted.cats for example in reader(trained))


def test_the_unlabelled_corpus_is_read_once_and_not_before_it_is_needed(trained: Language, tmp_path: Path) -> None:
    reader = make_reader(tmp_path, warmup=2)
    reads = []
    read = reader.unlabelled

    def counted(nlp: Language) -> Iterator[Example]:
        reads.append(reader.round)
        return read(nlp)

    reader.unlabelled = counted
    rounds_of(reader, trained, 5)
    assert reads == [3]


def test_examples_of_a_round_are_its_own(trained: Language, tmp_path: Path) -> None:
    """What an update writes on a document is not in the next round."""
    reader = make_reader(tmp_path)
    list(reader(trained))
    for example in reader(trained):
        example.predicted.cats = example.reference.cats = {"Nonsense": 1.0}
    assert all("Nonsense" not in values for _, values in content(reader(trained)))


def test_before_initialization_the_annotation_alone(tmp_path: Path) -> None:
    nlp = streaming(build_linear())
    reader = make_reader(tmp_path, gold_repeats=3)
    for _ in range(3):
        assert content(reader(nlp)) == GOLD
    nlp.initialize(lambda: reader(nlp))
    # These were no rounds.
    assert in_order(content(reader(nlp))) == in_order(GOLD)
    assert len(list(reader(nlp))) == 3 * len(GOLD) + len(UNLABELLED)


# Components


def test_labels_that_do_not_exclude_one_another(tmp_path: Path) -> None:
    nlp = streaming(train(build_linear(exclusive=False), GOLD_INDEPENDENT))
    reader = make_reader(tmp_path, annotated=GOLD_INDEPENDENT, keep=0.4)
    list(reader(nlp))
    found = dict(content(reader(nlp)))
    probabilities = pipe_of(nlp).predict([nlp.make_doc(text) for text in UNLABELLED])
    open_ = 0
    for text, row in zip(UNLABELLED, plain_each(probabilities.tolist(), 0.4)):
        decided = {label: value for label, value in zip(LABELS, row) if value is not None}
        # A text without any decision is left out.
        assert found.get(text, {}) == decided
        open_ += not decided
    assert 0 < open_ < len(UNLABELLED)


@pytest.mark.parametrize("factory", ["textcat", "textcat_multilabel"])
def test_components_of_spacy(tmp_path: Path, factory: str) -> None:
    nlp = streaming(spacy.blank("en"))
    exclusive = factory == "textcat"
    model = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": exclusive, "ngram_size": 1, "length": 512}
    nlp.add_pipe(factory, config={"model": {**model, "no_output_layer": False}})
    train(nlp, GOLD if exclusive else GOLD_INDEPENDENT)
    reader = make_reader(tmp_path, component=factory, keep=0.5)
    list(reader(nlp))
    labelled = [values for text, values in content(reader(nlp)) if text in UNLABELLED]
    rows = [[nlp(text).cats[label] for label in LABELS] for text in UNLABELLED]
    plain = plain_exclusive(rows, 0.5) if exclusive else plain_each(rows, 0.5)
    expected = [{label: value for label, value in zip(LABELS, row) if value is not None} for row in plain]
    assert sorted(map(str, labelled)) == sorted(str(values) for values in expected if values)
    assert any(len(values) < len(LABELS) for values in labelled) is not exclusive


def test_what_runs_before_the_component_is_run_and_nothing_else(tmp_path: Path) -> None:
    """It listens to a shared encoder; what is behind it would fail."""
    model = {"@architectures": "spacy_nlpkit.Pooled.v1", "tok2vec": LISTENER}
    nlp = streaming(build(model=model))
    nlp.add_pipe("tok2vec", first=True, config={"model": ENCODER})
    train(nlp, GOLD)
    nlp.add_pipe("ner")  # not initialized
    reader = make_reader(tmp_path)
    assert [len(each) for each in rounds_of(reader, nlp, 2)] == [len(GOLD), len(GOLD) + len(UNLABELLED)]
    assert nlp.pipe_names == ["tok2vec", "text_classifier", "ner"]


# Errors


@pytest.mark.parametrize(
    ("setting", "value"),
    [("warmup", 0), ("limit", -1), ("gold_repeats", 0), ("keep", 0.0), ("keep", 1.5)],
)
def test_settings_out_of_range(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(NlpkitError, match=rf"N006.*'{setting}' of 'spacy_nlpkit.SelfTrainingCorpus.v1'.*got {value}"):
        make_reader(tmp_path, **{setting: value})


def test_a_corpus_that_would_be_read_once(trained: Language, tmp_path: Path) -> None:
    nlp = build_linear()
    for max_epochs in (0, 10):
        nlp.config["training"]["max_epochs"] = max_epochs
        with pytest.raises(NlpkitError, match=r"N144.*max_epochs = -1"):
            make_reader(tmp_path)(nlp)


def test_a_component_that_is_not_there(trained: Language, tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match=r"N145.*'topics'.*it has: text_classifier\)"):
        make_reader(tmp_path, component="topics")(trained)


def test_without_components_the_annotation_alone(tmp_path: Path) -> None:
    """As where `check-data` reads the corpora of a config."""
    assert content(make_reader(tmp_path)(streaming(spacy.blank("en")))) == GOLD


def test_labels_that_the_component_does_not_have(trained: Language, tmp_path: Path) -> None:
    reader = make_reader(tmp_path, annotated=[*GOLD, ("Rain.", {"Weather": 1.0, "Air": 0.0})])
    with pytest.raises(NlpkitError, match=r"N146.*'text_classifier'.*: Air, Weather\."):
        reader(trained)


# `spacy train`


def spacy_run(*words: object, cwd: Path) -> str:
    command = [sys.executable, "-m", "spacy", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_spacy_train_learns_words_that_stand_in_unlabelled_texts_alone(tmp_path: Path) -> None:
    known = {
        "Crops": ["wheat", "maize", "soy"],
        "Metals": ["copper", "zinc", "tin"],
        "Rates": ["bank", "loans", "bonds"],
    }
    new = {"Crops": "harvest", "Metals": "smelter", "Rates": "inflation"}
    annotated = [
        (f"{first} and {second} {verb} .", cats(label))
        for label, words in known.items()
        for first in words
        for second in words
        for verb in ("rose", "fell")
        if first != second
    ]
    texts = [
        (text.replace(" .", f" with {new[max(values, key=values.__getitem__)]} ."), values)
        for text, values in annotated
    ]
    for part in ("train", "dev"):
        write(tmp_path / f"{part}.spacy", annotated)
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text, _ in texts))
    options = ("--window", 0, "--attr", "LOWER", "--keep-length", "--dim", 4, "--min-count", 1, "--plain-tokenizer")
    spacy_run("nlpkit", "train-vectors", "texts.txt", "vectors", *options, cwd=tmp_path)
    weights = {}
    for name, given in {"none": {}, "wrong": cats("Rates")}.items():
        write(tmp_path / "unlabelled.spacy", [(text, given) for text, _ in texts])
        paths = [f"--paths.{part}={part}.spacy" for part in ("train", "dev", "unlabelled")]
        output = spacy_run("train", TWIN, "--output", name, "--paths.vectors=vectors", *paths, cwd=tmp_path)
        # Beyond the rounds of the warm-up.
        epochs = [int(number) for number in re.findall(r"^ *(\d+) +\d+ .*\d$", output, re.MULTILINE)]
        assert max(epochs) > 3, output
        nlp = spacy.load(tmp_path / name / "model-last")
        tfidf: Any = pipe_of(nlp).model.get_ref("logits").layers[0]
        assert tfidf.name == "tfidf_linear"
        for label, word in new.items():
            scores = tfidf.predict([nlp.make_doc(word)])[0]
            assert pipe_of(nlp).labels[int(scores.argmax())] == label
            assert scores.max() > 0 > scores.min()
        weights[name] = pipe_of(nlp).model.to_bytes()
    assert weights["none"] == weights["wrong"]
