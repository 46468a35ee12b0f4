"""A packaged pipeline and our own wheel beside it hold all that is needed where this checkout is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.training import Example

ROOT = Path(__file__).resolve().parent.parent
NAME = "en_nlpkit_package_test"
TEXTS = [
    ("Dell (DELL.O) shares rose on Monday.", [(0, 4, "ORG"), (6, 12, "TICKER")]),
    ("Intel (INTC.O) will build in Dublin.", [(0, 5, "ORG"), (7, 13, "TICKER"), (29, 35, "GPE")]),
]
# Printed by the process that loads the package: where our code comes from, the fingerprint, and the entities.
LOAD = f"""
import json, spacy, spacy_nlpkit
nlp = spacy.load("{NAME}")
ents = [[ent.text, ent.label_, ent.kb_id_] for ent in nlp({TEXTS[1][0]!r}).ents]
print(json.dumps([spacy_nlpkit.__file__, nlp.meta["fingerprint"], nlp.meta["requirements"], ents]))
"""

pytestmark = pytest.mark.slow


def call(*words: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def train(seed: int) -> spacy.Language:
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("ticker_ner")
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": spans}) for text, spans in TEXTS]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    linker: Any = nlp.add_pipe("kg_linker")
    linker.set_kb(ROOT / "assets" / "newswire" / "kb.jsonl")
    return nlp


def build(nlp: spacy.Language, folder: Path) -> tuple[Path, Path]:
    """Save and package a pipeline; the folders of the pipeline and of the wheels."""
    model, packages = folder / "model", folder / "packages"
    shutil.rmtree(model, ignore_errors=True)
    nlp.to_disk(model)
    words = (str(ROOT / "scripts" / "build_packages.py"), str(model), str(packages))
    call(sys.executable, *words, "--name", NAME.removeprefix("en_"), "--version", "0.1.0", cwd=folder)
    return model, packages


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    return build(train(seed=0), tmp_path)[1]


def test_own_wheel_is_complete(packages: Path) -> None:
    with zipfile.ZipFile(next(packages.glob("spacy_nlpkit-*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("spacy_nlpkit/")}
        entry_points = wheel.read(next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))).decode()
    source = {p.relative_to(ROOT).as_posix() for p in (ROOT / "spacy_nlpkit").rglob("*.py")}
    assert packed == source | {"spacy_nlpkit/py.typed"}
    assert "ticker_ner = spacy_nlpkit.pipeline.ticker_ner:make_ticker_ner" in entry_points
    assert not (ROOT / "build").exists()


def test_both_wheels_work_without_the_checkout(packages: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(packages), "--no-deps")
    call(sys.executable, *install, "--target", str(site), "spacy-nlpkit", NAME, cwd=tmp_path)
    found = call(sys.executable, "-c", LOAD, cwd=tmp_path, PYTHONPATH=str(site))
    code, _, requirements, ents = srsly.json_loads(found.splitlines()[-1])
    assert Path(code).is_relative_to(site)
    assert "spacy-nlpkit>=0.1.0,<0.2.0" in requirements
    assert ["INTC.O", "TICKER", "org:intel"] in ents


def test_check_installed_tells_one_training_from_another(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    check = (sys.executable, str(ROOT / "scripts" / "check_installed.py"), NAME)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--upgrade"]
    model, packages = build(train(seed=0), tmp_path)
    call(*install, "--find-links", str(packages), "--target", str(site), NAME, cwd=tmp_path)
    assert "is installed: ticker_ner" in call(*check, str(model), cwd=tmp_path, PYTHONPATH=str(site))
    # Trained again under the same name and version, and not yet installed.
    model, packages = build(train(seed=1), tmp_path)
    env = {**os.environ, "PYTHONPATH": str(site)}
    stale = subprocess.run([*check, str(model)], env=env, capture_output=True, text=True, check=False)
    assert stale.returncode == 1
    assert "[N101]" in stale.stderr
    call(*install, "--find-links", str(packages), "--target", str(site), NAME, cwd=tmp_path)
    assert "is installed: ticker_ner" in call(*check, str(model), cwd=tmp_path, PYTHONPATH=str(site))


@pytest.mark.network
def test_clean_environment(packages: Path, tmp_path: Path) -> None:
    """One pip line in a fresh environment brings all that is needed, public packages from the index."""
    call(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    python = str(tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    call(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        *constraints,
        "--find-links",
        str(packages),
        NAME,
        cwd=tmp_path,
    )
    found = call(python, "-c", LOAD, cwd=tmp_path)
    code, _, _, ents = srsly.json_loads(found.splitlines()[-1])
    assert Path(code).is_relative_to(tmp_path)
    assert ["INTC.O", "TICKER", "org:intel"] in ents
