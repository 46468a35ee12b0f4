"""The pairs of Multi30k task 1 (Elliott et al. 2016) as benchmarks of `seq2seq` use them, and the subwords of each.

`de-en` has the texts as they are. `en-de` has them as the literature scores that direction: in lower case, with the
punctuation normalised, and cut into tokens, each by the scripts of Moses, here those of sacremoses, in this order.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import srsly
from bench_tools import run

# Our names of the files.
PARTS = {
    "train": "train",
    "dev": "val",
    "test2016": "test_2016_flickr",
    "test2017": "test_2017_flickr",
    "mscoco": "test_2017_mscoco",
}
TESTS = ("test2016", "test2017", "mscoco")
# What a trial takes of each file, and how many pieces it learns.
TRIAL_PAIRS = {"train": 2000}
TRIAL_TEST, TRIAL_PIECES = 100, 1000


class Direction(NamedTuple):
    """Languages of source and target, whether texts are prepared as in the literature, and how many pieces there are
    for both."""

    source: str
    target: str
    as_published: bool
    pieces: int


DIRECTIONS = {"de-en": Direction("de", "en", False, 8000), "en-de": Direction("en", "de", True, 10_000)}


def convert(data: Path, output: Path, trial: bool) -> None:
    """Write OUTPUT/DIRECTION/PART.jsonl and OUTPUT/DIRECTION/subwords.json.

    data: Folder with the packed files of the set. trial: Take some of the pairs alone.
    """
    for name, direction in DIRECTIONS.items():
        folder = output / name
        folder.mkdir(parents=True, exist_ok=True)
        for part, file_name in PARTS.items():
            sides = []
            for language in (direction.source, direction.target):
                texts = read(data / f"{file_name}.{language}.gz")[
                    : TRIAL_PAIRS.get(part, TRIAL_TEST) if trial else None
                ]
                prepare = preparing(language) if direction.as_published else str
                sides.append([prepare(text) for text in texts])
            pairs = [{"text": text, "target": target} for text, target in zip(*sides, strict=True)]
            srsly.write_jsonl(folder / f"{part}.jsonl", pairs)
        size = TRIAL_PIECES if trial else direction.pieces
        run("spacy", "nlpkit", "train-tokenizer", folder / "subwords.json", folder / "train.jsonl", "--size", str(size))


def read(path: Path) -> list[str]:
    """The lines of a packed file."""
    with gzip.open(path, "rt", encoding="utf8") as file_:
        return [line.rstrip("\n") for line in file_]


def preparing(language: str) -> Callable[[str], str]:
    """What prepares a text: lowercase, normalize-punctuation, tokenizer; apostrophes are escaped, hyphens left."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    return lambda text: tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True)
