"""`spacy nlpkit evaluate`, as a command and as a function."""

from __future__ import annotations

import json
import shlex

import pytest
import spacy
from spacy.training import Example
from thinc.api import get_current_ops, set_current_ops

from spacy_nlpkit.cli.evaluate import evaluate
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.metrics import read_metrics

from .pipelines import NEWS, make_docs, make_ruler_pipeline, run_command, write_corpus

# Finds one of two companies and one of two towns, and no symbol.
PATTERNS = {"Sony": "ORG", "Paris": "GPE"}
READER = {"@readers": "spacy_nlpkit.Corpus.v1", "path": "${paths.test}"}
STOCK_READER = {"@readers": "spacy.Corpus.v1", "path": "${paths.test}", "gold_preproc": False}


@pytest.fixture(autouse=True)
def _same_ops_after():
    before = get_current_ops()
    yield
    set_current_ops(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluate")
    # A reader for training that cannot be made without a path, as in every packaged pipeline.
    corpora = {"test": READER, "stock": STOCK_READER, "train": {**STOCK_READER, "path": None}}
    make_ruler_pipeline(path / "model", PATTERNS, corpora)
    write_corpus(path / "test.spacy", make_docs())
    write_corpus(path / "unannotated.spacy", make_docs(missing=True))
    write_corpus(path / "empty.spacy", [])
    return path


def test_the_command_scores_and_writes_the_metrics_file(folder):
    options = ["--corpus", "corpora.test", "--paths.test", "test.spacy", "--output", "out/news.json"]
    done = run_command("evaluate", "model", *options, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TICKER" in done.stdout
    assert "words_per_second" in done.stdout
    data = read_metrics(folder / "out" / "news.json")
    ours = data["results"]["news.test"]["ours"]
    # 3 of 6 entities are found (Paris twice, Sony), and nothing else.
    assert (ours["ents_p"], ours["ents_r"]) == (1.0, pytest.approx(3 / 6))
    assert ours["ents_per_type"]["TICKER"] == {"p": 0.0, "r": 0.0, "f": 0.0}
    assert ours["words_per_second"] > 0.0
    assert "speed" not in ours
    assert data["results"]["news.test"]["seeds"] == [0]
    arguments = shlex.split(data["run"]["command"])
    assert arguments[:5] == ["python", "-m", "spacy", "nlpkit", "evaluate"]
    assert arguments[-2:] == ["--paths.test", "test.spacy"]


def test_a_null_score_ends_with_one_line_and_status_1(folder):
    done = run_command("evaluate", "model", "--paths.test", "unannotated.spacy", "--output", "null.json", cwd=folder)
    assert done.returncode == 1
    assert "[N095]" in done.stdout + done.stderr
    assert "entity_ruler" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (folder / "null.json").exists()


@pytest.mark.parametrize("corpus", ["corpora.test", "corpora.stock"])
def test_readers_of_the_config_and_a_path_give_the_same_scores(folder, corpus):
    path = str(folder / "test.spacy")
    configured = evaluate(str(folder / "model"), corpus, overrides={"paths.test": path})
    named = evaluate(str(folder / "model"), path)
    for scores in (configured, named):
        assert scores.pop("words_per_second") > 0.0
        assert scores.pop("peak_rss_mb") > 10.0
    assert configured == named
    assert configured["ents_f"] == pytest.approx(2 / 3)
    assert json.loads(json.dumps(configured)) == configured


def test_results_of_several_corpora_share_a_file(folder, tmp_path):
    output = tmp_path / "news.json"
    for name in ("test", "unseen"):
        corpus = write_corpus(tmp_path / f"{name}.spacy", make_docs())
        evaluate(str(folder / "model"), str(corpus), output=output)
    assert list(read_metrics(output)["results"]) == ["news.test", "news.unseen"]


def test_components_can_be_left_out_of_the_check(folder):
    path = str(folder / "unannotated.spacy")
    with pytest.raises(NlpkitError, match=r"N095.*entity_ruler.*--ignore entity_ruler"):
        evaluate(str(folder / "model"), path)
    assert evaluate(str(folder / "model"), path, ignore={"entity_ruler"})["ents_f"] is None


def test_an_unknown_corpus_lists_those_of_the_config(folder):
    with pytest.raises(NlpkitError, match=r"N091.*corpora\.heldout.*corpora\.test, corpora\.stock"):
        evaluate(str(folder / "model"), "corpora.heldout")


@pytest.mark.parametrize("corpus", ["corpora", "paths.test.x", "corpora.test.path.x"])
def test_what_is_no_corpus_is_refused(folder, corpus):
    with pytest.raises(NlpkitError, match=r"\[N09[13]\]"):
        evaluate(str(folder / "model"), corpus)


def test_a_corpus_without_its_path_names_what_to_do(folder):
    with pytest.raises(NlpkitError, match=r"\[N\d\d\d\]"):
        evaluate(str(folder / "model"), "corpora.test")
    with pytest.raises(NlpkitError, match=r"N093.*corpora\.stock.*--paths\.test"):
        evaluate(str(folder / "model"), "corpora.stock")


def test_a_file_that_is_no_metrics_file_is_not_touched(folder, tmp_path):
    output = tmp_path / "notes.json"
    output.write_text('{"mine": 1}')
    with pytest.raises(NlpkitError, match=r"N096.*notes\.json"):
        evaluate(str(folder / "model"), str(folder / "test.spacy"), output=output)
    assert output.read_text() == '{"mine": 1}'


def test_an_empty_corpus_is_an_error(folder):
    with pytest.raises(NlpkitError, match=r"\[N\d\d\d\].*empty\.spacy"):
        evaluate(str(folder / "model"), str(folder / "empty.spacy"))
    overrides = {"paths.test": str(folder / "empty.spacy")}
    with pytest.raises(NlpkitError, match=r"N094.*corpora\.stock"):
        evaluate(str(folder / "model"), "corpora.stock", overrides=overrides)


def test_a_broken_file_is_a_coded_error(folder, tmp_path):
    broken = tmp_path / "broken.spacy"
    broken.write_bytes(b"no DocBin")
    with pytest.raises(NlpkitError, match=r"\[N\d\d\d\].*broken"):
        evaluate(str(folder / "model"), str(broken))
    with pytest.raises(NlpkitError, match=r"N093.*corpora\.stock"):
        evaluate(str(folder / "model"), "corpora.stock", overrides={"paths.test": str(broken)})


@pytest.mark.parametrize(
    ("model", "overrides"), [("no_such_model", {}), ("model", {"components.entity_ruler.no_setting": 1})]
)
def test_a_pipeline_that_cannot_be_loaded_is_a_coded_error(folder, model, overrides):
    model = str(folder / model) if model == "model" else model
    with pytest.raises(NlpkitError, match=rf"N090.*{model}"):
        evaluate(model, str(folder / "test.spacy"), overrides=overrides)


def test_a_missing_gpu_is_a_coded_error(folder):
    with pytest.raises(NlpkitError, match=r"N097.*--gpu-id -1"):
        evaluate(str(folder / "model"), str(folder / "test.spacy"), gpu_id=99)


def test_a_corpus_of_texts_without_entities_scores_what_is_predicted(folder, tmp_path):
    corpus = write_corpus(tmp_path / "none.spacy", make_docs([(text, []) for text, _ in NEWS]))
    scores = evaluate(str(folder / "model"), str(corpus))
    assert (scores["ents_p"], scores["ents_f"]) == (0.0, 0.0)


# Classes

CLASSES = {"oil prices rose": "Business", "the match ended": "Sport", "stocks fell": "Business", "a late goal": "Sport"}


def make_class_docs(*labels, missing=False):
    nlp = spacy.blank("en")
    for text, gold in CLASSES.items():
        doc = nlp.make_doc(text)
        doc.cats = {} if missing else {label: float(label == gold) for label in labels}
        yield doc


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory):
    """A stock `textcat` with the scorer of text_classifier, and corpora; of three labels one is never gold."""
    path = tmp_path_factory.mktemp("classes")
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat", config={"scorer": {"@scorers": "spacy_nlpkit.text_classifier_scorer.v1"}})
    docs = list(make_class_docs("Business", "Sport", "World"))
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path / "model")
    write_corpus(path / "test.spacy", docs)
    write_corpus(path / "unannotated.spacy", make_class_docs(missing=True))
    return path


def test_scores_of_classes_are_printed_by_label_and_written(class_folder):
    done = run_command("evaluate", "model", "--corpus", "test.spacy", "--output", "classes.json", cwd=class_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    table = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.split()}
    assert table["cats_f_per_type"] == ["p", "r", "f", "auc"]
    assert table["Business"] == table["Sport"] == ["1.0000"] * 4
    assert table["World"] == ["-"] * 4
    assert "cats_auc_per_type" not in table
    assert (table["cats_acc"], table["cats_coverage"], table["cats_macro_auc"]) == (["1.0000"],) * 3
    ours = read_metrics(class_folder / "classes.json")["results"]["classes.test"]["ours"]
    assert (ours["cats_acc"], ours["cats_score"], ours["cats_score_desc"]) == (1.0, 1.0, "macro F")
    assert ours["cats_auc_per_type"] == {"Business": 1.0, "Sport": 1.0, "World": None}
    assert ours["cats_f_per_type"]["World"] == {"p": None, "r": None, "f": None}
    assert 0.0 < ours["cats_ece"] < 1.0


def test_classes_without_annotation_are_nothing_to_score(class_folder):
    model, corpus = str(class_folder / "model"), str(class_folder / "unannotated.spacy")
    with pytest.raises(NlpkitError, match=r"N095.*textcat"):
        evaluate(model, corpus)
    scores = evaluate(model, corpus, ignore={"textcat"})
    assert (scores["cats_acc"], scores["cats_f_per_type"]["Sport"]["f"]) == (None, None)


def test_several_classes_of_which_one_should_hold_end_with_one_line(class_folder):
    docs = list(make_class_docs("Business", "Sport"))
    docs[1].cats = {"Business": 1.0, "Sport": 1.0}
    write_corpus(class_folder / "several.spacy", docs)
    done = run_command("evaluate", "model", "--corpus", "several.spacy", cwd=class_folder)
    assert done.returncode == 1
    assert "[N110] The text 'the match ended'" in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr
