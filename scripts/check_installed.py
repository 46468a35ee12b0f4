"""Load an installed pipeline by its name in this fresh process and make sure that it is the one trained last.

Usage: python scripts/check_installed.py en_nlpkit_news training/news/model-best
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import spacy
from fingerprint import META_KEY, fingerprint

from spacy_nlpkit.errors import Errors, NlpkitError


def check(name: str, model: Path) -> spacy.Language:
    """Load the package `name`; raise N101 where it is missing or comes from another training than `model`."""
    try:
        nlp = spacy.load(name)
    except OSError as error:
        raise NlpkitError(Errors.N101.format(name=name, found="nothing", model=model)) from error
    if nlp.meta.get(META_KEY) != fingerprint(model):
        found = f"version {nlp.meta['version']} from another training"
        raise NlpkitError(Errors.N101.format(name=name, found=found, model=model))
    return nlp


def main() -> None:
    """Check the installed pipeline and print what it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="name of the installed package")
    parser.add_argument("model", type=Path, help="folder of the trained pipeline")
    args = parser.parse_args()
    try:
        nlp = check(args.name, args.model)
    except NlpkitError as error:
        sys.exit(str(error))
    print(f"{args.name} {nlp.meta['version']} is installed: {' > '.join(nlp.pipe_names)}")
    print(f'Use it with: spacy.load("{args.name}")')


if __name__ == "__main__":
    main()
