"""`spacy nlpkit annotate` with pipelines that have learned a little, and how confidences become annotation."""

from __future__ import annotations

import json

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import get_current_ops, set_current_ops
from typer.testing import CliRunner

from spacy_nlpkit.cli import app
from spacy_nlpkit.data.annotate import annotate_doc, mean_confidence
from spacy_nlpkit.pipeline.tokenizer import add_symbol_rules

from .pipelines import make_ruler_pipeline, run_command

ENCODER = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 32, "depth": 1, "embed_size": 300}
ENCODER |= {"pretrained_vectors": None, "window_size": 1, "maxout_pieces": 2, "subword_features": True}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
GOLD = [
    ("Nokia opens in Oslo today", [(0, 5, "ORG"), (15, 19, "GPE")]),
    ("Sony hires in Lima today", [(0, 4, "ORG"), (14, 18, "GPE")]),
    ("Nothing happens in winter", []),
]
TEXTS = [text for text, _ in GOLD]


def train(path, labels, listening=False, news_tokenizer=False, updates=30):
    """Save a pipeline that has learned the entities of `GOLD` with these labels by heart."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    if news_tokenizer:
        add_symbol_rules(nlp)
    if listening:
        nlp.add_pipe("tok2vec", config={"model": ENCODER})
    model = {"@architectures": "spacy_nlpkit.CRFTagger.v1", "features": {}}
    nlp.add_pipe("ticker_ner", config={"model": {**model, "tok2vec": LISTENER if listening else ENCODER}})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": [span for span in spans if span[2] in labels]})
        for text, spans in GOLD
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path)


@pytest.fixture(autouse=True)
def _same_ops_after():
    before = get_current_ops()
    yield
    set_current_ops(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("annotate")
    train(path / "all", {"ORG", "GPE"})
    train(path / "org", {"ORG"}, listening=True)
    train(path / "news", {"ORG"}, news_tokenizer=True, updates=1)
    make_ruler_pipeline(path / "ruler", {"Sony": "ORG"})
    (path / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    return path


def run(*args):
    return CliRunner().invoke(app, ["annotate", *map(str, args)])


def squeeze(text):
    """Output without the line breaks that the width of the terminal makes."""
    return " ".join(text.split())


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def entities_of(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def missing_of(doc):
    return [token.text for token in doc if token.ent_iob == 0]


def test_one_model_gives_its_entities_and_every_other_token_is_outside(folder, tmp_path):
    done = run_command("annotate", "all", "texts.txt", tmp_path / "out.spacy", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    docs = read(tmp_path / "out.spacy")
    assert [(doc.text, entities_of(doc)) for doc in docs] == GOLD
    assert [missing_of(doc) for doc in docs] == [[], [], []]
    output = squeeze(done.stdout)
    assert "left open" not in output
    for row in ("texts annotated 3", "tokens 14", "Entities: ORG 2", "Entities: GPE 2"):
        assert row in output


def test_what_models_do_not_agree_on_is_left_open(folder, tmp_path):
    """The second model, which listens to an encoder before it, has never heard of towns."""
    models = [folder / "all", folder / "org", folder / "texts.txt"]
    result = run(*models, tmp_path / "out.spacy", "--min-confidence", "0.7")
    assert result.exit_code == 0, result.output
    assert "tokens left open 2" in squeeze(result.output)
    docs = read(tmp_path / "out.spacy")
    assert [entities_of(doc) for doc in docs] == [[span for span in spans if span[2] == "ORG"] for _, spans in GOLD]
    assert [missing_of(doc) for doc in docs] == [["Oslo"], ["Lima"], []]
    # The mean of a sure yes and a no is nearly a half.
    options = ["--min-confidence", "0.7", "--missing-above", "0.6"]
    assert run(*models, tmp_path / "out.spacy", *options).exit_code == 0
    assert [missing_of(doc) for doc in read(tmp_path / "out.spacy")] == [[], [], []]
    assert run(*models, tmp_path / "out.spacy", "--min-confidence", "0.4").exit_code == 0
    assert [entities_of(doc) for doc in read(tmp_path / "out.spacy")] == [spans for _, spans in GOLD]


def test_the_limit_draws_texts_by_seed_and_excluded_texts_are_not_among_them(folder, tmp_path):
    lines = [f"Sony hires {number} more people in Lima" for number in range(40)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    (tmp_path / "test.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines[10:]))
    arguments = [folder / "all", tmp_path / "texts.jsonl", tmp_path / "out.spacy"]
    drawn = []
    for seed in (0, 0, 1):
        assert run(*arguments, "--limit", "5", "--seed", seed).exit_code == 0
        drawn.append([doc.text for doc in read(tmp_path / "out.spacy")])
    assert [len(set(texts)) for texts in drawn] == [5, 5, 5]
    assert drawn[0] == drawn[1] != drawn[2]
    result = run(*arguments, "--exclude", tmp_path / "test.jsonl")
    assert result.exit_code == 0, result.output
    assert [doc.text for doc in read(tmp_path / "out.spacy")] == lines[:10]


def test_a_spacy_file_as_made_teaches_the_next_pipeline(folder, tmp_path):
    models = [folder / "all", folder / "org", folder / "texts.txt"]
    assert run(*models, tmp_path / "out.spacy", "--min-confidence", "0.7").exit_code == 0
    fix_random_seed(0)
    nlp = spacy.load(folder / "all")
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in read(tmp_path / "out.spacy")]
    optimizer = nlp.resume_training()
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    # Towns were left open, so they are still known.
    assert [entities_of(nlp(text)) for text, _ in GOLD] == [spans for _, spans in GOLD]


def test_a_warning_tells_of_a_file_without_entities(folder, tmp_path):
    (tmp_path / "texts.txt").write_text("Nothing happens in winter\n")
    result = run(folder / "all", tmp_path / "texts.txt", tmp_path / "out.spacy")
    assert result.exit_code == 0
    assert "[NW014]" in result.output
    assert len(read(tmp_path / "out.spacy")) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["{models}/none", "{texts}", "{out}"], "N090"),
        (["{models}/ruler", "{texts}", "{out}"], "N016"),
        (["{models}/ruler", "{texts}", "{out}", "--component", "entity_ruler"], "N016"),
        (["{models}/all", "missing.txt", "{out}"], "N020"),
        (["{models}/all", "{texts}", "out.json"], "N006"),
        (["{models}/all", "{texts}", "{out}", "--missing-above", "0.8"], "N006"),
        (["{models}/all", "{texts}", "{out}", "--exclude", "{texts}"], "N028"),
        (["{models}/all", "{models}/news", "{symbols}", "{out}"], "N017"),
    ],
)
def test_what_cannot_be_used_ends_with_one_message_and_keeps_the_old_file(folder, tmp_path, arguments, code):
    symbols = tmp_path / "symbols.txt"
    symbols.write_text("Nokia opens in Oslo today\nMerck and Corp.(MRK.N) rose\n")
    out = tmp_path / "out.spacy"
    out.write_text("before")
    paths = {"models": folder, "texts": folder / "texts.txt", "symbols": symbols, "out": out}
    result = run(*(argument.format(**paths) for argument in arguments))
    assert result.exit_code == 1, result.output
    assert f"[{code}]" in result.output
    assert out.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"symbols.txt", "out.spacy"}
    if code == "N017":
        assert "Corp.(MRK.N" in squeeze(result.output)


def test_the_mean_counts_a_span_that_a_model_has_not_as_zero():
    means = mean_confidence([[(0, 1, "ORG", 0.9), (2, 4, "GPE", 0.5)], [(0, 1, "ORG", 0.7), (2, 3, "GPE", 0.2)]])
    assert means == {(0, 1, "ORG"): pytest.approx(0.8), (2, 4, "GPE"): 0.25, (2, 3, "GPE"): 0.1}


@pytest.mark.parametrize(
    ("confidence", "entities", "missing"),
    [
        ({}, [], []),
        ({(0, 2, "A"): 0.5}, [(0, 2, "A")], []),
        ({(0, 2, "A"): 0.49}, [], [0, 1]),
        ({(0, 2, "A"): 0.15, (3, 4, "A"): 0.14}, [], [0, 1]),
        # An unsure span beside a sure one that it overlaps: what the sure one leaves is open.
        ({(0, 2, "A"): 0.8, (1, 4, "B"): 0.3}, [(0, 2, "A")], [2, 3]),
        # Two sure spans that overlap: the better one counts; of equals the longer, then the earlier.
        ({(0, 2, "A"): 0.6, (1, 4, "B"): 0.7}, [(1, 4, "B")], [0]),
        ({(0, 1, "A"): 0.5, (0, 2, "B"): 0.5}, [(0, 2, "B")], []),
        ({(2, 4, "A"): 0.5, (1, 3, "A"): 0.5}, [(1, 3, "A")], [3]),
        ({(0, 1, "B"): 0.5, (0, 1, "A"): 0.5}, [(0, 1, "A")], []),
        ({(0, 1, "A"): 0.9, (1, 2, "A"): 0.8}, [(0, 1, "A"), (1, 2, "A")], []),
    ],
)
def test_confidences_become_entities_and_open_tokens(confidence, entities, missing):
    doc = spacy.blank("en").make_doc("a b c d e")
    candidates = mean_confidence([[(*span, value) for span, value in confidence.items()]])
    assert annotate_doc(doc, candidates, min_confidence=0.5, missing_above=0.15) == missing
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == entities
    inside = {token.i for ent in doc.ents for token in ent}
    assert [token.ent_iob == 2 for token in doc] == [i not in inside and i not in missing for i in range(5)]
