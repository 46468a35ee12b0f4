"""How a learning curve trains: what it needs of a config, and one `spacy train` in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import Errors, NlpkitError
from ._pipelines import one_line

if TYPE_CHECKING:
    from spacy.language import Language

# What the command sets for each run, with a value by which the check below finds where the config uses it.
MARKS: dict[str, Any] = {
    "paths.train": "learning-curve/train",
    "paths.dev": "learning-curve/dev",
    "paths.test": "learning-curve/test",
    "system.seed": 9_081_726,
}
# Of what a failed training printed.
LINES_SHOWN = 8
LINE_LENGTH = 300


class CurveConfig(NamedTuple):
    """A training config that a curve can be drawn with.

    overrides, code_path, gpu_id: as for `spacy train`. nlp: the untrained pipeline. weighted: the scores that have a
    weight in [training] score_weights. dev_corpus: dotted name. has_test: whether corpora.test reads ${paths.test}.
    digest: a hash of all settings and the code, without what the command sets for each run.
    """

    path: Path
    overrides: dict[str, Any]
    code_path: Path | None
    gpu_id: int
    nlp: Language
    weighted: list[str]
    dev_corpus: str
    has_test: bool
    digest: str


def read_config(path: Path, overrides: dict[str, Any], code_path: Path | None = None, gpu_id: int = -1) -> CurveConfig:
    """Read a training config, and make sure that its data and its seed can be set for each run.

    RAISES: N099 for an override of what the command itself sets, N124 where the config cannot be used.
    """
    from spacy.util import load_config, load_model_from_config

    for name in MARKS.keys() & overrides.keys():
        problem = "the command sets it itself, by --train, --dev, --test and --seeds"
        raise NlpkitError(Errors.N099.format(option=f"--{name}", value=overrides[name], problem=problem))
    try:
        config = load_config(path, overrides={**overrides, **MARKS})
        digest = hash_parts([config.to_str().encode(), code_path.read_bytes() if code_path else b""])
        nlp = load_model_from_config(config, auto_fill=True)
        filled = nlp.config.interpolate()
    except NlpkitError:
        raise
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise NlpkitError(Errors.N124.format(config=path, problem=one_line(error))) from error
    training = filled["training"]
    for part in ("train", "dev"):
        if not _reads(filled, training[f"{part}_corpus"], MARKS[f"paths.{part}"]):
            problem = f"its {training[f'{part}_corpus']} does not read ${{paths.{part}}}, which the command sets."
            raise NlpkitError(Errors.N124.format(config=path, problem=problem))
    if training["seed"] != MARKS["system.seed"]:
        problem = "its [training] seed is not ${system.seed}, which the command sets."
        raise NlpkitError(Errors.N124.format(config=path, problem=problem))
    return CurveConfig(
        path,
        overrides,
        code_path,
        gpu_id,
        nlp,
        weighted=[name for name, weight in nlp.config["training"]["score_weights"].items() if weight],
        dev_corpus=training["dev_corpus"],
        has_test=_reads(filled, "corpora.test", MARKS["paths.test"]),
        digest=digest,
    )


def _reads(config: dict[str, Any], corpus: str, path: str) -> bool:
    """Whether the block of a corpus holds a path: `corpora.x.y` may be what the reader of `corpora.x` returns."""
    section, _, rest = corpus.partition(".")
    return path in _values(config.get(section, {}).get(rest.partition(".")[0]))


def _values(block: Any) -> Iterable[Any]:
    if isinstance(block, dict):
        for value in block.values():
            yield from _values(value)
    else:
        yield block


def hash_parts(parts: Iterable[bytes]) -> str:
    """One hash of several pieces of data and their order."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def train(curve: CurveConfig, train_path: Path, dev_path: Path, seed: int, folder: Path) -> tuple[Path, float]:
    """Run `spacy train` in a process of its own.

    folder (Path): An existing folder for the pipeline and for what the training prints.
    RETURNS (tuple): The best pipeline, and the seconds it took.
    RAISES: CalledProcessError where it fails, with the last lines of what it printed as `output`, in one line.
    """
    import srsly

    settings = {
        **curve.overrides,
        "paths.train": str(train_path),
        "paths.dev": str(dev_path),
        "system.seed": seed,
    }
    command = [sys.executable, "-m", "spacy", "train", str(curve.path), "--output", str(folder)]
    command += ["--gpu-id", str(curve.gpu_id)]
    if curve.code_path is not None:
        command += ["--code", str(curve.code_path)]
    for name, value in settings.items():
        command += [f"--{name}", srsly.json_dumps(value)]
    log = folder / "train.log"
    start = time.perf_counter()
    with log.open("wb") as file_:
        environment = {**os.environ, "ANSI_COLORS_DISABLED": "1"}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file_, stderr=subprocess.STDOUT, env=environment
        )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, _last_lines(log))
    return folder / "model-best", seconds


def _last_lines(log: Path) -> str:
    lines = [" ".join(line.split()) for line in log.read_text(encoding="utf8", errors="replace").splitlines()]
    return " | ".join(line[:LINE_LENGTH] for line in [line for line in lines if line][-LINES_SHOWN:])
