"""The project around the package: Makefile, project.yml, its scripts, and foreign data on their way."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import srsly
from weasel.util.config import load_project_config

from .test_docs import problem_of

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = load_project_config(ROOT)
COMMANDS: dict[str, dict[str, Any]] = {command["name"]: command for command in PROJECT["commands"]}

# The folder of public sets lies outside the project.
DATA = PROJECT["vars"]["data"]


def run(*words: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )


def tracked_files() -> set[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return set(done.stdout.splitlines())


def test_every_dep_is_there_or_made_before() -> None:
    tracked = tracked_files()
    known = tracked | {parent.as_posix() for name in tracked for parent in Path(name).parents}
    known |= {asset["dest"] for asset in PROJECT["assets"]}
    for name, steps in PROJECT["workflows"].items():
        made: set[str] = set()
        for step in steps:
            missing = {dep for dep in COMMANDS[step].get("deps", []) if not dep.startswith(DATA)} - known - made
            assert not missing, f"{name}: {step} needs {missing}"
            made |= set(COMMANDS[step].get("outputs", []))


def test_every_file_a_script_names_is_a_dep_or_an_output() -> None:
    for command in COMMANDS.values():
        declared = [*command.get("deps", []), *command.get("outputs", [])]
        for line in command["script"]:
            named = [word for word in shlex.split(line) if re.match(r"^[\w./-]+/[\w.-]+$", word)]
            for path in named:
                if path == DATA:
                    assert any(dep.startswith(DATA + "/") for dep in declared)
                    continue
                inside = [d for d in declared if d == path or d.startswith(path + "/") or path.startswith(d)]
                assert inside, f"{command['name']} uses {path} and does not declare it"


def test_train_depends_on_every_source_that_shapes_a_pipeline() -> None:
    # What is left: commands, messages, types, and how figures are written down or shown.
    left = {"__init__.py", "about.py", "cli", "compat.py", "displacy_colors.py", "errors", "metrics.py"}
    left |= {"py.typed", "ty.py", "util.py", "__pycache__"}
    source = {path.name for path in (ROOT / "spacy_nlpkit").iterdir()} - left
    declared = {dep for dep in COMMANDS["train"]["deps"] if dep.startswith("spacy_nlpkit/")}
    assert declared == {f"spacy_nlpkit/{name}" for name in source}


@pytest.mark.parametrize("name", COMMANDS)
def test_script_lines_name_commands_that_exist(name: str) -> None:
    for line in COMMANDS[name]["script"]:
        words = shlex.split(line)
        assert words[0] == "python", "weasel replaces only this word by the interpreter that runs it"
        assert problem_of(words) is None


def test_every_variable_is_used() -> None:
    text = (ROOT / "project.yml").read_text()
    unused = [name for name in PROJECT["vars"] if f"${{vars.{name}}}" not in text]
    assert not unused


def test_default_workflow_needs_no_download() -> None:
    assert all(asset["extra"] for asset in PROJECT["assets"])
    assert all(isinstance(asset["checksum"], str) for asset in PROJECT["assets"])
    tracked = tracked_files()
    assert not [asset["dest"] for asset in PROJECT["assets"] if asset["dest"] in tracked]


def test_verify_assets_refuses_a_wrong_checksum(tmp_path: Path) -> None:
    # The checksum of "right\n", by md5sum.
    asset = {"dest": "assets/a.txt", "checksum": "aa1fd6a0f7b485ddcb4b2b066acab6ed", "extra": True}
    absent = {"dest": "assets/b.txt", "checksum": "0" * 32, "extra": True}
    srsly.write_yaml(tmp_path / "project.yml", {"assets": [asset, absent]})
    path = tmp_path / "assets" / "a.txt"
    path.parent.mkdir()
    path.write_bytes(b"right\n")
    right = run("scripts/verify_assets.py", str(tmp_path))
    assert right.returncode == 0, right.stderr
    assert "1 present and right, 1 optional ones absent" in right.stdout
    path.write_bytes(b"wrong\n")
    wrong = run("scripts/verify_assets.py", str(tmp_path))
    assert wrong.returncode == 1
    assert "[N100]" in wrong.stderr
    assert str(path) in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_build_packages_without_a_pipeline(tmp_path: Path) -> None:
    output = tmp_path / "packages"
    output.mkdir()
    (output / "old.whl").write_bytes(b"")
    words = ("scripts/build_packages.py", str(tmp_path), str(output), "--name", "x", "--version", "0.0.1")
    done = run(*words)
    assert done.returncode == 1
    assert "[N102]" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in output.iterdir()] == ["old.whl"]


def test_check_installed_without_a_package(tmp_path: Path) -> None:
    done = run("scripts/check_installed.py", "en_never_installed", str(tmp_path))
    assert done.returncode == 1
    assert "[N101]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["run", "test", "slow", "bench-deps", "clean"])
def test_make_targets(target: str, tmp_path: Path) -> None:
    words = ["make", "--dry-run", target, f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if target == "run":
        assert "transformers]" not in done.stdout, "the main job needs no torch"
        assert "weasel run all" in done.stdout


def test_ci_calls_make_test() -> None:
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert re.search(r"^make .*\btest$", ci.read_text(), re.MULTILINE)


def write_export(path: Path, n_items: int = 120) -> None:
    """A Prodigy export of another field and labels, without ids, categories or dates."""
    rng = random.Random(0)
    drugs = ["aspirin", "ibuprofen", "warfarin", "metformin", "codeine"]
    doses = ["5 mg", "20 mg", "100 mg", "2 g"]
    with path.open("w", encoding="utf8") as file_:
        for i in range(n_items):
            drug, dose = rng.choice(drugs), rng.choice(doses)
            before = rng.choice(["The patient took ", "We prescribed ", "She stopped "])
            text = f"{before}{drug} {dose} on day {i}."
            start = len(before)
            end = start + len(drug)
            spans = [
                {"start": start, "end": end, "label": "DRUG"},
                {"start": end + 1, "end": end + 1 + len(dose), "label": "DOSE"},
            ]
            answer = "ignore" if i % 20 == 0 else "accept"
            file_.write(srsly.json_dumps({"text": text, "spans": spans, "answer": answer}) + "\n")


def copy_project(folder: Path) -> None:
    """What a checkout has, without what runs left behind."""
    left_behind = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("assets", "configs", "scripts", "spacy_nlpkit"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_behind)
    for name in ("project.yml", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)


@pytest.mark.slow
def test_own_data(tmp_path: Path) -> None:
    """A foreign export goes the whole way by `--vars.` alone, and a second run skips what is done."""
    copy_project(tmp_path)
    write_export(tmp_path / "mine.jsonl")
    words = ["-m", "weasel", "run", "all", "."]
    words += ["--vars.annotations", "mine.jsonl", "--vars.name", "nlpkit_own_data_test"]
    words += ["--vars.config", "configs/ticker_ner.cfg"]
    words += ["--vars.train_args", " --training.max_steps 60 --training.eval_frequency 20"]
    # Installed aside, so that the environment of the tests stays as it is.
    target = tmp_path / "site-packages"
    env = {
        "PIP_TARGET": str(target),
        "PIP_UPGRADE": "1",
        "PYTHONPATH": str(target),
        "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache"),
    }
    first = run(*words, cwd=tmp_path, env=env)
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-3000:]
    assert "en_nlpkit_own_data_test 0.1.0 is installed" in first.stdout
    ours = srsly.read_json(tmp_path / "metrics" / "news.json")["results"]
    scores = next(iter(ours.values()))["ours"]
    assert set(scores["ents_per_type"]) == {"DRUG", "DOSE"}
    assert scores["ents_f"] > 0.8
    second = run(*words, cwd=tmp_path, env=env)
    assert second.returncode == 0, second.stdout[-3000:] + second.stderr[-3000:]
    for step in ("convert", "train", "evaluate", "package"):
        assert f"Skipping '{step}': nothing changed" in second.stdout
    # Another training under the same name and version replaces the installed pipeline.
    words[-1] = " --training.max_steps 40 --training.eval_frequency 20 --training.seed 7"
    third = run(*words, cwd=tmp_path, env=env)
    assert third.returncode == 0, third.stdout[-3000:] + third.stderr[-3000:]
    assert "Skipping 'train'" not in third.stdout
