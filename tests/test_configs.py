"""The training configs: complete, each with a small twin, and trained by `spacy train` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.cli.init_config import fill_config
from spacy.util import load_config
from thinc.api import get_current_ops, set_current_ops

from spacy_nlpkit.compat import is_installed
from spacy_nlpkit.data.converters import ConvertOptions, Report, convert_path, write_docbins
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.pipeline.tokenizer import add_symbol_rules

from .tiny_transformer import save_tiny_transformer

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
TWINS = sorted((ROOT / "configs" / "smoke").glob("*.cfg"))
NEWSWIRE = ROOT / "assets" / "newswire" / "newswire.jsonl"
GRAPH = ROOT / "assets" / "newswire" / "kb.jsonl"
TEXT = "Shares of Nokia (NOK1V.HE) fell in Helsinki, but Intel (INTC.O) rose."
# What a twin may set otherwise: how large the model is and how long it learns.
SIZES = {"width", "depth", "rows", "max_steps", "eval_frequency", "warmup_steps", "initial_rate"}
SIZES |= {"accumulate_gradient", "size", "transformer", "filters", "input_width", "hidden_width", "warmup"}
SIZES |= {"frozen_steps"}
# What the meta of a pipeline says that needs the extra.
TRANSFORMERS = ["spacy-nlpkit[transformers]>=0.1.0,<0.2.0"]
TORCH = ["spacy-nlpkit[torch]>=0.1.0,<0.2.0"]
# Printed by the process that loads a pipeline; an uncalibrated confidence would warn, and a warning is an error there.
LOAD = f"""
import json, sys, spacy
nlp = spacy.load(sys.argv[1])
ents = [[e.text, e.label_, e._.confidence, e._.ticker and e._.ticker["root"]] for e in nlp({TEXT!r}).ents]
print(json.dumps([nlp.get_pipe("ticker_ner").cfg, nlp.meta.get("requirements", []), ents]))
"""
# The same of a classifier, for the texts it learned from.
LOAD_CLASSES = """
import json, sys, spacy
from spacy.tokens import DocBin
nlp = spacy.load(sys.argv[1])
gold = list(DocBin().from_disk("train.spacy").get_docs(nlp.vocab))
texts = [[doc.cats, doc._.prediction] for doc in nlp.pipe(doc.text for doc in gold)]
requirements, truth = nlp.meta.get("requirements", []), [doc.cats for doc in gold]
print(json.dumps([nlp.get_pipe("text_classifier").cfg, requirements, texts, truth]))
"""
# The same of a linker, with the annotated entities, for which their ids are right.
LOAD_LINKS = """
import json, sys, spacy
nlp = spacy.load(sys.argv[1])
from spacy_nlpkit.data.readers import create_corpus
examples = list(create_corpus("train.spacy", entities="gold")(nlp))
docs = list(nlp.pipe(example.predicted for example in examples))
links = [[ent.kb_id_, ent._.kb_status, ent._.kb_score] for doc in docs for ent in doc.ents]
gold = [ent.kb_id_ for example in examples for ent in example.reference.ents]
requirements = nlp.meta.get("requirements", [])
print(json.dumps([nlp.get_pipe("kg_linker").cfg, requirements, links, gold]))
"""
# Hides a package as if it had never been installed: neither its modules nor its entry points are found.
HIDE = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] != "spacy_transformers":
            return super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, *args, **kwargs):
        return (found for found in super().find_distributions(*args, **kwargs) if found.name != "spacy-transformers")

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""


def run(*words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, without a network for encoders and without those kept by earlier runs."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cwd / "hf_home"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **offline, **env}, capture_output=True, text=True, check=False
    )


def run_spacy(*words: object, cwd: Path) -> str:
    done = run("-m", "spacy", *words, cwd=cwd)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def train(twin: str, output: str, corpus: Path, *more: object, **paths: str) -> Path:
    paths = {"train": "train.spacy", "dev": "dev.spacy", **paths}
    options = [word for name, path in paths.items() for word in (f"--paths.{name}", path)]
    run_spacy("train", ROOT / "configs" / "smoke" / f"{twin}.cfg", "--output", output, *options, *more, cwd=corpus)
    return corpus / output / "model-best"


def load_in_a_fresh_process(model: Path, cwd: Path) -> tuple[dict[str, Any], list[str], list[Any]]:
    done = run("-W", "error", "-c", LOAD, model, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    cfg, requirements, ents = json.loads(done.stdout)
    return cfg, requirements, ents


def check_entities(cfg: dict[str, Any], ents: list[Any]) -> None:
    """Calibrated, and it has learned something: it finds entities, and resolves what it takes for symbols."""
    assert cfg["calibrated"] is True
    assert {"ORG", "PERSON", "GPE", "TICKER"} == set(cfg["labels"])
    assert ents
    assert all(0 < confidence <= 1 for _, _, confidence, _ in ents)
    assert all((label == "TICKER") == (root is not None) for _, label, _, root in ents)


def check_classes(model: Path, cwd: Path, requirements: Sequence[str] = (), accuracy: float = 0.6) -> None:
    """Calibrated, and it knows the classes of the texts that it learned from."""
    done = run("-W", "error", "-c", LOAD_CLASSES, model, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    cfg, found_requirements, texts, gold = json.loads(done.stdout)
    assert cfg["calibrated"] is True
    assert cfg["labels"] == ["Business", "Sci_Tech", "Sports", "World"]
    assert found_requirements == list(requirements)
    right = 0
    for (cats, prediction), truth in zip(texts, gold):
        assert sum(cats.values()) == pytest.approx(1)
        best = max(cats, key=cats.__getitem__)
        assert prediction == {"label": best, "probability": cats[best], "abstained": False}
        right += truth[best]
    assert right / len(gold) > accuracy
    # Not one answer to everything: the calibration alone could give that the right probability.
    assert len({json.dumps(cats) for cats, _ in texts}) > len(gold) / 2


def check_links(model: Path, cwd: Path, requirements: Sequence[str] = ()) -> None:
    """Calibrated, with its graph, and it links what it learned from."""
    done = run("-W", "error", "-c", LOAD_LINKS, model, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    cfg, found_requirements, links, gold = json.loads(done.stdout)
    assert cfg["calibrated"] is True
    assert 0 < cfg["learned_threshold"] < 1
    assert found_requirements == list(requirements)
    assert all((status == "linked") == (kb_id not in ("", "NIL")) for kb_id, status, _ in links)
    assert all(0 < score < 1 for _, status, score in links if status in ("linked", "nil"))
    assert "NIL" in {kb_id for kb_id, _, _ in links}
    assert sum(kb_id == right for (kb_id, _, _), right in zip(links, gold, strict=True)) / len(gold) > 0.95


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first news items as train.spacy and dev.spacy, and texts of others without annotation."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = NEWSWIRE.read_text(encoding="utf8").splitlines()
    nlp = spacy.blank("en")
    add_symbol_rules(nlp)
    for name, part in (("train", lines[:60]), ("dev", lines[60:80])):
        (folder / f"{name}.jsonl").write_text("\n".join(part) + "\n", encoding="utf8")
        docs = convert_path(folder / f"{name}.jsonl", nlp, ConvertOptions(repair=True), Report())
        write_docbins({folder / f"{name}.spacy": docs})
    texts = [" ".join(json.loads(line)["text"].split()) for line in lines[80:240]]
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf8")
    write_docbins({folder / "unlabelled.spacy": map(nlp.make_doc, texts)})
    return folder


@pytest.fixture(scope="module")
def first(corpus: Path) -> Path:
    """The pipeline of the twin of ticker_ner.cfg."""
    return train("ticker_ner", "first", corpus)


@pytest.fixture(scope="module")
def transformer(corpus: Path) -> Path:
    """The pipeline of the twin of ticker_ner_trf.cfg; the folder that its encoder came from is gone."""
    texts = (corpus / "texts.txt").read_text(encoding="utf8").splitlines()
    encoder = save_tiny_transformer(corpus / "tiny_transformer", texts)
    model = train("ticker_ner_trf", "trf", corpus, transformer=str(encoder))
    encoder.rename(corpus / "moved_away")
    return model


@pytest.fixture
def _same_ops_after() -> Iterator[None]:
    before = get_current_ops()
    yield
    set_current_ops(before)


@pytest.mark.usefixtures("_same_ops_after")
@pytest.mark.parametrize("path", [*CONFIGS, *TWINS], ids=lambda path: path.relative_to(ROOT / "configs").as_posix())
def test_nothing_is_left_to_fill(path: Path, tmp_path: Path) -> None:
    if "trf" in path.stem and not is_installed("spacy_transformers"):
        pytest.skip("the extra 'transformers' is not installed")
    fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert (tmp_path / "filled.cfg").read_text(encoding="utf8") == path.read_text(encoding="utf8")


def settings(block: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield f"{path}{key}.", None
            yield from settings(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def test_every_config_has_a_twin_that_differs_in_size_alone() -> None:
    assert [path.name for path in TWINS] == [path.name for path in CONFIGS]
    for config, twin in zip(CONFIGS, TWINS):
        large, small = dict(settings(load_config(config))), dict(settings(load_config(twin)))
        assert large.keys() == small.keys(), twin
        assert {key.rpartition(".")[2] for key in large if large[key] != small[key]} <= SIZES, twin


def test_the_twin_of_ticker_ner(first: Path, corpus: Path) -> None:
    cfg, requirements, ents = load_in_a_fresh_process(first, corpus)
    check_entities(cfg, ents)
    assert requirements == []


@pytest.mark.slow
def test_the_twin_of_news(corpus: Path) -> None:
    model = train("news", "news", corpus, kb=str(GRAPH))
    cfg, _, ents = load_in_a_fresh_process(model, corpus)
    check_entities(cfg, ents)
    assert (model / "kg_linker" / "kb" / "kb.sqlite").is_file()


@pytest.mark.slow
def test_the_twin_of_silver_at_the_end_of_its_recipe(corpus: Path) -> None:
    """The steps of docs/ticker_ner.md: vectors of texts, teachers, what they label together, and the pipeline."""
    run_spacy("nlpkit", "train-vectors", "texts.txt", "vectors", "--dim", "16", "--exclude", "dev.spacy", cwd=corpus)
    (corpus / "listings.csv").write_text("name,symbol\nNokia Oyj,NOK1V\nIntel Corp.,INTC\n")
    paths = {"vectors": "vectors", "silver": "silver.spacy", "listings": "listings.csv"}
    teachers = [
        train(
            "ticker_ner_silver", f"teacher_{seed}", corpus, "--system.seed", seed, "--corpora.train.ratio", 0, **paths
        )
        for seed in (0, 1)
    ]
    run_spacy("nlpkit", "annotate", *teachers, "texts.txt", "silver.spacy", "--exclude", "dev.spacy", cwd=corpus)
    model = train("ticker_ner_silver", "silver", corpus, **paths)
    # A trained pipeline holds its vectors and its table.
    for path in paths.values():
        (corpus / path).rename(corpus / f"moved_{path}")
    cfg, _, ents = load_in_a_fresh_process(model, corpus)
    check_entities(cfg, ents)


def test_the_twin_of_the_transformer_loads_offline(transformer: Path, corpus: Path) -> None:
    cfg, requirements, ents = load_in_a_fresh_process(transformer, corpus)
    check_entities(cfg, ents)
    assert requirements == TRANSFORMERS


def test_the_twin_of_kg_linker(corpus: Path) -> None:
    check_links(train("kg_linker", "links", corpus, kb=str(GRAPH)), corpus)


@pytest.mark.slow
def test_the_twin_of_the_transformer_that_links(corpus: Path) -> None:
    texts = (corpus / "texts.txt").read_text(encoding="utf8").splitlines()
    encoder = save_tiny_transformer(corpus / "tiny_linker", texts)
    model = train("kg_linker_trf", "trf_links", corpus, transformer=str(encoder), kb=str(GRAPH))
    encoder.rename(corpus / "moved_linker")
    check_links(model, corpus, TRANSFORMERS)


def test_the_twin_of_text_classifier(corpus: Path) -> None:
    check_classes(train("text_classifier", "classes", corpus), corpus)


@pytest.mark.slow
def test_the_twin_of_few_labels_at_the_end_of_its_recipe(corpus: Path) -> None:
    """The steps of docs/text_classifier.md: vectors of topics, and the pipeline, trained on its own answers too."""
    options = ("--window", "0", "--attr", "LOWER", "--keep-length", "--dim", "16", "--exclude", "dev.spacy")
    run_spacy("nlpkit", "train-vectors", "texts.txt", "topics", *options, cwd=corpus)
    paths = {"vectors": "topics", "unlabelled": "unlabelled.spacy"}
    model = train("text_classifier_few", "few", corpus, **paths)
    # A trained pipeline holds its vectors.
    (corpus / "topics").rename(corpus / "moved_topics")
    check_classes(model, corpus)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "ensemble", "pooled", "recurrent", "tfidf"])
def test_the_twins_of_other_classifiers(name: str, corpus: Path) -> None:
    """Those that start without knowing any word learn longer; the best on other texts may be an earlier one."""
    longer = ("--training.max_steps", 90, "--training.eval_frequency", 45)
    model = train(f"text_classifier_{name}", name, corpus, *longer)
    check_classes(model.with_name("model-last"), corpus, TORCH if name in ("recurrent", "ensemble") else [])


@pytest.mark.slow
def test_the_twin_of_the_transformer_that_classifies(corpus: Path) -> None:
    texts = (corpus / "texts.txt").read_text(encoding="utf8").splitlines()
    encoder = save_tiny_transformer(corpus / "tiny_encoder", texts)
    model = train("text_classifier_trf", "trf_classes", corpus, transformer=str(encoder))
    encoder.rename(corpus / "moved_encoder")
    # In so few steps a random encoder teaches nothing.
    check_classes(model, corpus, TRANSFORMERS, accuracy=0.0)


def test_a_missing_extra_is_named_with_its_pip_line(transformer: Path, corpus: Path) -> None:
    """Neither training nor loading says that a factory cannot be found: both say what to install."""
    site = corpus / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(HIDE)
    message = "[N004] This pipeline needs the package 'spacy_transformers', which is not installed."
    pip = "pip install 'spacy-nlpkit[transformers]'"
    options = ("--paths.train", "train.spacy", "--paths.dev", "dev.spacy")
    words = ("-m", "spacy", "train", ROOT / "configs" / "ticker_ner_trf.cfg", *options)
    training = run(*words, cwd=corpus, PYTHONPATH=str(site))
    assert training.returncode == 1
    assert training.stderr.splitlines()[-1].endswith(f"{message} Install it with: {pip}")
    words = ("-m", "spacy", "nlpkit", "evaluate", transformer, "--corpus", "dev.spacy", "--output", "metrics.json")
    command = run(*words, cwd=corpus, PYTHONPATH=str(site))
    assert command.returncode == 1
    assert message in " ".join(command.stdout.split())
    assert "Traceback" not in command.stdout + command.stderr
    assert not (corpus / "metrics.json").exists()


@pytest.mark.parametrize("extra", ["transformer", ["torch", "transformer"]])
def test_an_extra_that_does_not_exist_is_refused(extra: str | list[str]) -> None:
    callback = {"@callbacks": "spacy_nlpkit.require_extra.v1", "extra": extra}
    with pytest.raises(NlpkitError, match=r"N006.*'extra'.*must be torch or .* or rdf, got 'transformer'"):
        spacy.util.load_model_from_config({"nlp": {"lang": "en", "after_creation": callback}}, auto_fill=True)
