"""`spacy nlpkit learning-curve`: trained in processes of its own, kept run by run, shown as table, JSON and plot."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time

import pytest
import spacy

from spacy_nlpkit.cli._curve_training import read_config
from spacy_nlpkit.cli.learning_curve import learning_curve, parse_sizes
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.metrics import read_metrics

from .pipelines import run_command, write_corpus

CONFIG = """
[paths]
train = null
dev = null

[system]
seed = 0
gpu_allocator = null

[nlp]
lang = "en"
pipeline = ["textcat"]

[components]

[components.textcat]
factory = "textcat"

[components.textcat.model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = true
ngram_size = 1
no_output_layer = false
length = 4096

[corpora]

[corpora.train]
@readers = "spacy_nlpkit.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy_nlpkit.Corpus.v1"
path = ${paths.dev}

[training]
seed = ${system.seed}
gpu_allocator = ${system.gpu_allocator}
max_steps = 20
eval_frequency = 10

[training.score_weights]
cats_macro_f = 1.0
cats_macro_p = 0.0
cats_score = 0.0
"""
WORDS = {
    "sport": ["match", "goal", "coach", "league", "striker", "cup"],
    "money": ["shares", "bank", "profit", "market", "bonds", "dividend"],
}


def make_texts(n, rare=0):
    """Texts of two classes in turn, one telling word each, and `rare` texts of a third class."""
    nlp = spacy.blank("en")
    labels = (*WORDS, "weather") if rare else tuple(WORDS)
    for i in range(n):
        label = "weather" if i < rare else list(WORDS)[i % 2]
        word = "rain" if label == "weather" else WORDS[label][i // 2 % 6]
        doc = nlp.make_doc(f"Report {i} tells of the {word} today")
        doc.cats = {name: float(name == label) for name in labels}
        yield doc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("learning_curve")
    (path / "bow.cfg").write_text(CONFIG)
    write_corpus(path / "train.spacy", make_texts(24))
    write_corpus(path / "dev.spacy", make_texts(12))
    write_corpus(path / "test.spacy", make_texts(36))
    write_corpus(path / "empty.spacy", [])
    return path


def run_curve(folder, output, *options, config="bow.cfg", train="train.spacy", sizes="4,12", seeds=2):
    options = ["--train", train, "--dev", "dev.spacy", "--sizes", sizes, "--seeds", seeds, "--output", output, *options]
    return run_command("learning-curve", config, *options, cwd=folder)


def paths_of(folder, test=None):
    names = {"train": "train.spacy", "dev": "dev.spacy", **({"test": test} if test else {})}
    return {part: folder / name for part, name in names.items()}


@pytest.fixture(scope="module")
def finished(folder):
    """A curve of two sizes and two seeds, scored on the test data: what the command printed."""
    done = run_curve(folder, "curve", "--test", "test.spacy")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def results_of(path):
    found = read_metrics(path / "learning_curve.json")["results"].values()
    return {result["ours"]["documents"]: result for result in found}


def trained(done):
    """The runs that the command trained, by what it says before each."""
    pairs = re.findall(r"^Run \d+ of \d+: ([\d,]+) documents, seed (\d+)$", done.stderr, re.MULTILINE)
    return [(int(size.replace(",", "")), int(seed)) for size, seed in pairs]


@pytest.mark.slow
def test_every_figure_of_every_run_is_in_the_metrics_file(folder, finished):
    assert trained(finished) == [(4, 0), (12, 0), (4, 1), (12, 1)]
    results = results_of(folder / "curve")
    assert sorted(results) == [4, 12]
    for result in results.values():
        ours = result["ours"]
        assert result["seeds"] == [0, 1]
        assert ours["scored_on"] == "test"
        assert list(ours["runs"]) == ["0", "1"]
        for name in ("cats_macro_f", "cats_macro_auc", "train_seconds"):
            values = [run[name] for run in ours["runs"].values()]
            assert ours[name] == pytest.approx(statistics.fmean(values))
            assert ours["std"][name] == pytest.approx(statistics.stdev(values))
        assert ours["runs"]["0"]["cats_f_per_type"]["sport"].keys() == {"p", "r", "f"}
    # Four texts show two of six telling words of a class, twelve show most.
    assert results[12]["ours"]["cats_macro_f"] > results[4]["ours"]["cats_macro_f"]


@pytest.mark.slow
def test_the_table_shows_the_weighted_score_and_says_what_it_is_of(folder, finished):
    assert "Scores on test (test.spacy)" in finished.stdout
    assert "cats_macro_p" not in finished.stdout
    results = results_of(folder / "curve")
    for size in (4, 12):
        ours = results[size]["ours"]
        cells = [f"{ours['cats_macro_f']:.4f}", f"{ours['std']['cats_macro_f']:.4f}", f"{ours['train_seconds']:.1f}"]
        assert re.search(rf"^ *{size} +2 +{' +'.join(cells)} *$", finished.stdout, re.MULTILINE)
    gain = results[12]["ours"]["cats_macro_f"] - results[4]["ours"]["cats_macro_f"]
    assert f"cats_macro_f: {gain:+.4f} by going from 4 to 12 documents" in finished.stdout


@pytest.mark.slow
def test_the_plot_names_its_axes_and_sizes(folder, finished):
    svg = (folder / "curve" / "learning_curve.svg").read_text(encoding="utf8")
    for text in ("annotated documents", "cats_macro_f", "mean of 2 seeds", "test.spacy", ">4<", ">12<"):
        assert text in svg


@pytest.mark.slow
def test_finished_runs_are_not_trained_again(folder, finished):
    before = results_of(folder / "curve")
    options = ["--test", "test.spacy", "--metric", "cats_macro_auc", "--metric", "cats_score", "--plot-format", "png"]
    done = run_curve(folder, "curve", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert trained(done) == []
    assert f"{before[12]['ours']['cats_macro_auc']:.4f}" in done.stdout
    assert results_of(folder / "curve") == before
    assert (folder / "curve" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_one_more_seed_trains_that_alone(folder, finished, tmp_path):
    (tmp_path / "learning_curve.json").write_bytes((folder / "curve" / "learning_curve.json").read_bytes())
    before = results_of(tmp_path)
    config = read_config(folder / "bow.cfg", {})
    learning_curve(config, paths_of(folder, "test.spacy"), tmp_path, [4], 3, ["cats_macro_f"])
    after = results_of(tmp_path)
    assert after[4]["seeds"] == [0, 1, 2]
    assert after[4]["ours"]["runs"].items() > before[4]["ours"]["runs"].items()
    assert after[12]["ours"] == before[12]["ours"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "overrides", "what"),
    [
        ("test.spacy", {"training.max_steps": 30}, "config_hash"),
        ("train.spacy", {}, "data_hash"),
        (None, {}, "scored_on, data_hash"),
    ],
)
def test_the_curve_of_another_config_or_of_other_data_is_left_alone(folder, finished, test, overrides, what):
    file_ = folder / "curve" / "learning_curve.json"
    before = file_.read_bytes()
    paths = paths_of(folder, test)
    config = read_config(folder / "bow.cfg", overrides)
    with pytest.raises(NlpkitError, match=rf"\[N127\].*learning_curve\.json.*\({what} differs\)"):
        learning_curve(config, paths, folder / "curve", [4, 12], 2, ["cats_macro_f"])
    assert file_.read_bytes() == before


@pytest.mark.slow
def test_sizes_beyond_the_corpus_and_rare_labels_are_said(folder, tmp_path):
    train = write_corpus(tmp_path / "rare.spacy", make_texts(12, rare=1))
    # Without a test the scores are those on dev, and settings of the config reach the training.
    options = ["--training.max_steps", "1", "--no-plot"]
    done = run_curve(folder, tmp_path / "out", *options, train=train, sizes="2,50,12", seeds=1)
    text = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\[NW124\].*has 12 documents: sizes beyond that \(50\)", text)
    assert re.search(r"\[NW125\] The subsets of 2 documents hold no document of weather \(seeds 0\)", text)
    assert text.count("[NW125]") == 1
    assert "Scores on dev (dev.spacy)" in text
    assert trained(done) == [(2, 0), (12, 0)]
    results = results_of(tmp_path / "out")
    assert results[2]["ours"]["scored_on"] == "dev"
    assert results[2]["ours"]["std"]["cats_macro_f"] is None
    assert "--training.max_steps 1" in read_metrics(tmp_path / "out" / "learning_curve.json")["run"]["command"]


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_runs(folder, tmp_path):
    options = ["--train", "train.spacy", "--dev", "dev.spacy", "--sizes", "4,12", "--seeds", "2", "--no-plot"]
    command = [sys.executable, "-m", "spacy", "nlpkit", "learning-curve", "bow.cfg", *options, "--output", tmp_path]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    file_ = tmp_path / "learning_curve.json"
    deadline = time.monotonic() + 60
    while not file_.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    kept = sum(len(result["seeds"]) for result in results_of(tmp_path).values())
    assert kept >= 1
    done = run_curve(folder, tmp_path, "--no-plot")
    assert len(trained(done)) == 4 - kept
    assert [path.name for path in tmp_path.iterdir()] == ["learning_curve.json"]


def test_a_failing_training_shows_what_it_said(folder, tmp_path):
    done = run_curve(folder, tmp_path / "out", "--training.max_steps", "many")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "[N125] Training on 4 documents with seed 0 failed with exit status 1" in text
    assert re.search(r"max_steps \| Input should be a valid integer|max_steps Input should be a valid integer", text)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_score_keeps_the_run_and_lists_the_scores(folder, tmp_path):
    config = read_config(folder / "bow.cfg", {"training.max_steps": 1})
    with pytest.raises(NlpkitError, match=r"\[N126\] No score 'ents_f'.*--metric: .*cats_macro_f"):
        learning_curve(config, paths_of(folder), tmp_path, [4], 1, ["ents_f"])
    assert list(results_of(tmp_path)[4]["ours"]["runs"]) == ["0"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("path = ${paths.train}", 'path = "train.spacy"'), r"corpora\.train does not read \${paths\.train}"),
        (("path = ${paths.dev}", 'path = "dev.spacy"'), r"corpora\.dev does not read \${paths\.dev}"),
        (("seed = ${system.seed}", "seed = 1"), r"seed is not \${system\.seed}"),
        (("TextCatBOW.v3", "NoSuchModel.v1"), r"NoSuchModel\.v1"),
    ],
)
def test_a_config_that_the_command_cannot_vary_is_refused(tmp_path, change, problem):
    config = tmp_path / "other.cfg"
    config.write_text(CONFIG.replace(*change))
    with pytest.raises(NlpkitError, match=rf"\[N124\].*other\.cfg.*{problem}"):
        read_config(config, {})


def test_a_config_without_a_weighted_score_needs_one_named(folder, tmp_path):
    config = tmp_path / "other.cfg"
    config.write_text(CONFIG.replace("cats_macro_f = 1.0", "cats_macro_f = 0.0"))
    done = run_curve(folder, tmp_path / "out", config=config)
    assert done.returncode == 1
    assert re.search(r"\[N124\].*no score has a weight.*--metric", " ".join(done.stdout.split()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["paths.train", "paths.dev", "paths.test", "system.seed"])
def test_settings_of_the_command_itself_cannot_be_overridden(folder, name):
    with pytest.raises(NlpkitError, match=rf"\[N099\].*--{name}"):
        read_config(folder / "bow.cfg", {name: 1})


@pytest.mark.parametrize("sizes", ["ten,20", "0,20", "", "10;20"])
def test_sizes_that_are_no_numbers_are_refused(sizes):
    with pytest.raises(NlpkitError, match=r"\[N099\].*--sizes"):
        parse_sizes(sizes)


@pytest.mark.parametrize(
    ("part", "name", "code"),
    [("train", "nothing.spacy", "N036"), ("test", "bow.cfg", "N032"), ("dev", "empty.spacy", "N043")],
)
def test_data_that_cannot_be_read_is_found_before_any_training(folder, tmp_path, part, name, code):
    paths = {**paths_of(folder), part: folder / name}
    config = read_config(folder / "bow.cfg", {})
    with pytest.raises(NlpkitError, match=rf"\[{code}\].*({re.escape(name)}|'{part}')"):
        learning_curve(config, paths, tmp_path / "out", [4], 1, ["cats_macro_f"])
    assert not (tmp_path / "out").exists()


def test_the_plot_needs_its_package_from_the_start(folder, tmp_path):
    # A folder before all others in which matplotlib cannot be found.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'matplotlib' else find(name, package)\n"
    )
    options = ["--train", "train.spacy", "--dev", "dev.spacy", "--output", str(tmp_path / "out")]
    command = [sys.executable, "-m", "spacy", "nlpkit", "learning-curve", "bow.cfg", *options]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "[N004]" in text
    assert "--no-plot" in text
    assert "spacy-nlpkit[viz]" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_runs_of_one_seed_are_equal_in_a_second_folder(folder, finished, tmp_path):
    config = read_config(folder / "bow.cfg", {})
    learning_curve(config, paths_of(folder, "test.spacy"), tmp_path, [12], 1, ["cats_macro_f"])
    again, first = (results_of(path)[12]["ours"]["runs"]["0"] for path in (tmp_path, folder / "curve"))
    for scores in (again, first):
        del scores["words_per_second"], scores["train_seconds"]
    assert again == first
