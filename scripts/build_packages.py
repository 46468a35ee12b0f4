"""Turn a trained pipeline into an installable package, and put the wheel of spacy_nlpkit beside it.

Usage: python scripts/build_packages.py training/news/model-best packages --name nlpkit_news --version 0.1.0

Needs no package index: both wheels are built in the running environment. The folder then holds all that
`pip install --find-links` needs on another machine, apart from public packages.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import srsly
from fingerprint import META_KEY, fingerprint
from spacy.cli.package import package

from spacy_nlpkit.errors import Errors, NlpkitError

ROOT = Path(__file__).resolve().parent.parent
# What setuptools reads to build our wheel. It is copied aside, because a build in place leaves a build/
# folder whose stale files would go into the next wheel.
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "spacy_nlpkit")


def build_wheel(source: Path, output: Path) -> None:
    """Build one wheel from a source folder into `output`; raise N103 with pip's own words if that fails."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(output), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NlpkitError(Errors.N103.format(source=source, output=(done.stderr or done.stdout).strip()))


def build_own_wheel(output: Path) -> None:
    """Build the wheel of spacy_nlpkit itself from this checkout into `output`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy / name)
        build_wheel(copy, output)


def build_pipeline_wheel(model: Path, output: Path, name: str, version: str) -> None:
    """Package the pipeline in `model` as LANG_NAME, its fingerprint in the meta, into `output`."""
    if not (model / "meta.json").is_file():
        raise NlpkitError(Errors.N102.format(path=model))
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder)
        meta_path = aside / "meta.json"
        srsly.write_json(meta_path, {**srsly.read_json(model / "meta.json"), META_KEY: fingerprint(model)})
        package(model, aside, meta_path=meta_path, name=name, version=version, create_sdist=False)
        source = next(path.parent for path in aside.glob("*/setup.py"))
        build_wheel(source, output)


def main() -> None:
    """Build both wheels aside, then replace the content of the output folder by them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of the trained pipeline")
    parser.add_argument("output", type=Path, help="folder for the wheels")
    parser.add_argument("--name", required=True, help="name of the package, without the language")
    parser.add_argument("--version", required=True, help="version of the package")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=args.output, prefix=".build-") as folder:
            build_pipeline_wheel(args.model, Path(folder), args.name, args.version)
            build_own_wheel(Path(folder))
            for old in args.output.glob("*.whl"):
                old.unlink()
            for wheel in sorted(Path(folder).glob("*.whl")):
                print(f"Built {wheel.replace(args.output / wheel.name)}")
    except NlpkitError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
