"""The metrics files: their schema, their writer, and the page made from them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_nlpkit import metrics
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.metrics import COST_KEYS, read_metrics, validate_metrics, write_metrics

ROOT = Path(__file__).resolve().parent.parent
MAKE_PAGE = ROOT / "scripts" / "make_benchmarks_page.py"

RESULT = {
    "ours": {"ents_f": 0.9, "words_per_second": 12000.0, "ents_per_type": {"ORG": {"f": 0.8}}},
    "peers": {"ner": {"ents_f": 0.8, "train_seconds": 60}},
    "seeds": [0, 1],
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics" / "ticker_ner.json"


def test_what_is_written_matches_the_schema_and_fills_gaps_with_null(path):
    written = write_metrics(path, {"agnews": RESULT}, "python bench.py")
    assert json.loads(path.read_text()) == written == read_metrics(path)
    result = written["results"]["agnews"]
    assert result["ours"]["train_seconds"] is None
    assert result["peers"]["ner"]["ents_per_type"] is None
    assert set(COST_KEYS) < set(result["ours"]) == set(result["peers"]["ner"])
    assert result["seeds"] == [0, 1]
    run = written["run"]
    assert run["command"] == "python bench.py"
    assert run["versions"]["python"] == sys.version.split()[0]
    assert {"spacy", "numpy", "spacy-nlpkit"} < set(run["versions"])


def test_other_results_stay_with_the_run_that_made_them(path):
    write_metrics(path, {"agnews": RESULT, "wnut17": RESULT}, "first command")
    write_metrics(path, {"agnews": {"ours": {"ents_f": 0.5}}}, "second command")
    data = write_metrics(path, {"wikigold": RESULT}, "third command")
    assert list(data["results"]) == ["agnews", "wikigold", "wnut17"]
    assert data["results"]["agnews"]["ours"]["ents_f"] == 0.5
    assert data["run"]["command"] == "third command"
    assert data["results"]["agnews"]["run"]["command"] == "second command"
    assert data["results"]["wnut17"]["run"]["command"] == "first command"
    assert "run" not in data["results"]["wikigold"]


def test_figures_that_are_no_json_leave_the_file_as_it_was(path):
    write_metrics(path, {"agnews": RESULT}, "first command")
    before = path.read_bytes()
    with pytest.raises(NlpkitError, match=r"N096.*agnews.*ents_f.*finite"):
        write_metrics(path, {"agnews": {"ours": {"ents_f": math.nan}}}, "second command")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_broken_file_is_not_overwritten(path):
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(NlpkitError, match=r"N096.*ticker_ner\.json.*not JSON"):
        write_metrics(path, {"agnews": RESULT}, "command")
    assert path.read_text() == "{"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data.update(schema=2), '"schema": 1'),
        (lambda data: data.update(extra=1), "nothing else"),
        (lambda data: data["run"].pop("commit"), "run must hold command, commit"),
        (lambda data: data["run"].update(commit="main"), "40 hexadecimal"),
        (lambda data: data["run"].update(date="yesterday"), "YYYY-MM-DD"),
        (lambda data: data["run"].update(command=""), "command line"),
        (lambda data: data["run"].update(machine={}), "run.machine"),
        (lambda data: data["results"]["agnews"].pop("seeds"), "ours, peers and seeds"),
        (lambda data: data["results"]["agnews"].update(seeds=["0"]), "whole numbers"),
        (lambda data: data["results"]["agnews"].update(run={}), r"\.run must hold"),
        (lambda data: data["results"]["agnews"].update(ours=[]), "ours must be an object"),
        (lambda data: data["results"]["agnews"].update(peers=None), "peers must be an object"),
        (lambda data: data["results"]["agnews"]["ours"].pop("peak_rss_mb"), "ours lacks peak_rss_mb"),
        (lambda data: data["results"]["agnews"]["peers"]["ner"].pop("ents_f"), "lacks ents_f"),
        (lambda data: data["results"]["agnews"]["ours"].update(ents_f=math.inf), "ents_f must be finite"),
    ],
)
def test_each_rule_of_the_schema_is_checked(path, change, problem):
    data = write_metrics(path, {"agnews": RESULT}, "command")
    validate_metrics(data)
    change(data)
    with pytest.raises(NlpkitError, match=rf"N096.*{problem}"):
        validate_metrics(data, path)


@pytest.mark.parametrize("data", [None, [], {}, {"schema": 1}])
def test_anything_else_is_refused(data):
    with pytest.raises(NlpkitError, match="N096"):
        validate_metrics(data)


def test_the_machine_is_described_without_its_name():
    machine = metrics.machine()
    assert machine["cores"] >= 1
    assert machine["memory_gb"] is None or machine["memory_gb"] > 0.1
    assert machine["cpu"]
    assert set(machine) == {"system", "cpu", "cores", "memory_gb", "gpu"}
    assert 1.0 < (metrics.peak_rss_mb() or 2.0) < 1e6


def test_the_commit_is_that_of_the_checkout():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a git checkout")
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert (metrics.commit() or "").removesuffix("-dirty") == head.stdout.strip()


def run_script(root, *arguments):
    command = [sys.executable, str(root / "scripts" / MAKE_PAGE.name), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path):
    """A project of its own with the script, a metrics file and a docs folder."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(MAKE_PAGE, tmp_path / "scripts")
    return tmp_path


def test_the_page_shows_figures_and_ratios_and_is_checked(project):
    write_metrics(project / "metrics" / "ticker_ner.json", {"agnews": RESULT}, "weasel run bench-ticker-ner")
    assert run_script(project, "--check").returncode == 1
    assert run_script(project).returncode == 0
    assert run_script(project, "--check").returncode == 0
    page = (project / "docs" / "benchmarks.md").read_text()
    assert "| figure | ours | ner | ratio |" in page
    assert re.search(r"\| `ents_f` \| 0\.900 \| 0\.800 \| 1\.1[23] \|", page)
    assert "| `words_per_second` | 12,000 | – | – |" in page
    assert "| `ents_per_type.ORG.f` | 0.800 | – | – |" in page
    assert "weasel run bench-ticker-ner" in page
    assert "seeds 0, 1" in page
    write_metrics(project / "metrics" / "ticker_ner.json", {"more": RESULT}, "another command")
    done = run_script(project, "--check")
    assert done.returncode == 1
    assert "docs/benchmarks.md is out of date" in done.stderr


def test_scores_without_a_peer_are_no_benchmark(project):
    write_metrics(project / "metrics" / "news.json", {"news.test": {"ours": {"ents_f": 0.9}}}, "evaluate")
    assert run_script(project).returncode == 0
    assert "news.test" not in (project / "docs" / "benchmarks.md").read_text()


def test_a_bad_metrics_file_stops_the_page_without_a_traceback(project):
    (project / "metrics").mkdir()
    (project / "metrics" / "bad.json").write_text("{}")
    done = run_script(project)
    assert done.returncode == 1
    assert "[N096]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "docs").exists()


def test_the_metrics_files_match_the_schema():
    for file in sorted((ROOT / "metrics").glob("*.json")):
        read_metrics(file)


def test_the_benchmarks_page_is_what_the_metrics_files_make():
    done = run_script(ROOT, "--check")
    assert done.returncode == 0, done.stderr
