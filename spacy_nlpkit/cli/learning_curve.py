"""`python -m spacy nlpkit learning-curve`: what more annotation would bring."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..compat import require
from ..errors import Errors, NlpkitError, Warnings
from ._curve_results import CurveResults, Scores
from ._curve_training import CurveConfig, hash_parts, read_config, train
from ._pipelines import show_number
from ._util import Arg, Opt, command, msg
from .evaluate import evaluate

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from ._curve_results import Point

# What `evaluate` measures on its own process, which here scores one pipeline after the other.
NOT_OF_A_RUN = ("peak_rss_mb",)


class PlotFormat(str, Enum):
    """What --plot-format takes."""

    svg = "svg"
    png = "png"


@command("learning-curve", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def learning_curve_cli(
    ctx: typer.Context,
    config_path: Path = Arg(..., metavar="CONFIG", help="Training config; its settings can be overridden as for train"),
    train_path: Path = Opt(..., "--train", help="Training data (.spacy) that the subsets are drawn from"),
    dev_path: Path = Opt(..., "--dev", help="Development data (.spacy) of every training"),
    test_path: Path | None = Opt(None, "--test", help="Data (.spacy) to score on; without it --dev"),
    output: Path = Opt(..., "--output", "-o", help="Folder for the figures and the plot; finished runs in it are kept"),
    sizes: str = Opt("50,100,200,400", "--sizes", "-n", help="Numbers of documents, by comma"),
    seeds: int = Opt(3, "--seeds", "-s", min=1, help="How many subsets of each size to draw and train on"),
    metric: list[str] = Opt([], "--metric", "-m", help="Score to show, default those with a weight; repeatable"),
    ignore: str = Opt("", "--ignore", help="Components, by comma, whose scores may all be null"),
    plot: bool = Opt(True, "--plot/--no-plot", help="Draw the curve, which needs the extra viz"),
    plot_format: PlotFormat = Opt(PlotFormat.svg, "--plot-format", help="Format of the plot"),
    code_path: Path | None = Opt(None, "--code", "-c", help="Python file with functions the config names"),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
) -> None:
    """Train a config on growing parts of the training data, several times each, and show how the scores grow.

    Every training is a `spacy train` of its own; further settings are passed on to it, such as
    --training.max_steps 200. A run that the output folder holds is not trained again, so that the command can be
    interrupted, and called again with more sizes or seeds.
    """
    from spacy.cli._util import import_code, parse_config_overrides

    if plot:
        require("matplotlib", "The plot of a learning curve (without it: --no-plot)")
    numbers = parse_sizes(sizes)
    overrides = parse_config_overrides(list(ctx.args))
    import_code(code_path)
    config = read_config(config_path, overrides, code_path, gpu_id)
    metrics = list(dict.fromkeys(metric)) or config.weighted
    if not metrics:
        problem = "no score has a weight in its [training] score_weights, and there is no --metric."
        raise NlpkitError(Errors.N124.format(config=config_path, problem=problem))
    ignored = {name.strip() for name in ignore.split(",") if name.strip()}
    paths = {"train": train_path, "dev": dev_path, **({} if test_path is None else {"test": test_path})}
    results, numbers = learning_curve(config, paths, output, numbers, seeds, metrics, ignored)
    points = {name: [results.point(name, size, range(seeds)) for size in numbers] for name in metrics}
    seconds = [results.point("train_seconds", size, range(seeds)) for size in numbers]
    scored = "dev" if test_path is None else "test"
    title = f"Scores on {scored} ({paths[scored]})"
    print_curve(title, points, seconds)
    written = [results.path]
    if plot:
        from ._curve_plot import plot_curve

        written.append(output / f"learning_curve.{plot_format.value}")
        plot_curve(written[-1], points, title, seeds)
    msg.good(f"Wrote {', '.join(map(str, written))}")


def learning_curve(
    config: CurveConfig,
    paths: dict[str, Path],
    output: Path,
    sizes: Sequence[int],
    n_seeds: int,
    metrics: Sequence[str],
    ignore: Collection[str] = (),
) -> tuple[CurveResults, list[int]]:
    """Train on subsets of each size with the seeds 0 to `n_seeds` - 1, and score each pipeline.

    config (CurveConfig): From `read_config`.
    paths (dict): `train` and `dev`, and `test` to score on that.
    output (Path): Folder of learning_curve.json; runs in it are not trained again.
    metrics: Scores that every run must have; shown as it goes.
    ignore: Components whose scores may all be null.
    RETURNS (tuple): The results, and the sizes as far as the corpus reaches.
    RAISES: N036, N037, N029, N032, N043 for the data, N127 for the file in the folder, N125 where a training fails,
        N126 for a score that there is not, and what `evaluate` raises.
    """
    from ..data.converters.spacy_files import read_docbin
    from ..data.readers import find_files
    from ..data.subsets import draw_nested_subsets

    files = {name: find_files(path) for name, path in paths.items()}
    data = hash_parts(b"".join(file_.read_bytes() for file_ in files[name]) for name in sorted(files))
    identity = {"scored_on": "test" if "test" in paths else "dev", "config_hash": config.digest, "data_hash": data}
    results = CurveResults(
        output / "learning_curve.json", identity, _command_line(config, paths, output, sizes, n_seeds)
    )
    corpora = {name: [doc for file_ in files[name] for doc in read_docbin(file_, config.nlp)] for name in files}
    for name, docs in corpora.items():
        if not docs:
            raise NlpkitError(Errors.N043.format(split=name))
    docs = corpora["train"]
    sizes = _clip(sizes, len(docs), paths["train"])
    subsets = {seed: draw_nested_subsets(docs, sizes, seed) for seed in range(n_seeds)}
    _warn_of_missing_labels(docs, subsets, sizes)
    # Seed by seed: the first one gives a whole curve, and tells how long each size takes.
    runs = [(size, seed) for seed in range(n_seeds) for size in sizes]
    for number, (size, seed) in enumerate(runs, start=1):
        if (size, seed) not in results.runs:
            _progress(f"Run {number} of {len(runs)}: {size:,} documents, seed {seed}")
            results.add(size, seed, _run(config, subsets[seed][size], paths, seed, output, ignore))
            shown = ", ".join(f"{name} {show_number(results.runs[size, seed].get(name))}" for name in metrics)
            left = _seconds_left(results, [run for run in runs if run not in results.runs])
            _progress(f"  {shown}; {_duration(left)} left" if left else f"  {shown}")
        _check_metrics(metrics, results.runs[size, seed])
    return results, sizes


def parse_sizes(text: str) -> list[int]:
    """Numbers of documents from "50,100,200", growing. RAISES: N099."""
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = [0]
    if sizes[0] < 1:
        problem = "whole numbers above 0 are needed, such as 50,100,200"
        raise NlpkitError(Errors.N099.format(option="--sizes", value=text, problem=problem))
    return sizes


def print_curve(title: str, curves: dict[str, list[Point]], seconds: Sequence[Point]) -> None:
    """Print the table of a curve, and how much its last step brought."""
    msg.divider(title)
    rows = []
    for i, cost in enumerate(seconds):
        cells = [cell for points in curves.values() for cell in (points[i].mean, points[i].std)]
        time_shown = "-" if cost.mean is None else f"{cost.mean:,.1f}"
        rows.append((f"{cost.size:,}", cost.n_runs, *map(show_number, cells), time_shown))
    header = ("Documents", "Runs", *(cell for name in curves for cell in (name, "std")), "Train seconds")
    msg.table(rows, header=header, aligns=["r"] * len(header), divider=True)
    for name, points in curves.items():
        if len(points) > 1 and points[-2].mean is not None and points[-1].mean is not None:
            gain = points[-1].mean - points[-2].mean
            msg.text(f"{name}: {gain:+.4f} by going from {points[-2].size:,} to {points[-1].size:,} documents")


def _run(
    config: CurveConfig, docs: list[Doc], paths: dict[str, Path], seed: int, output: Path, ignore: Collection[str]
) -> Scores:
    """Train on the documents and score the pipeline."""
    from ..data.converters.spacy_files import write_docbins

    if "test" not in paths:
        corpus, overrides = config.dev_corpus, {"paths.dev": str(paths["dev"])}
    elif config.has_test:
        corpus, overrides = "corpora.test", {"paths.test": str(paths["test"])}
    else:
        corpus, overrides = config.dev_corpus, {"paths.dev": str(paths["test"])}
    with tempfile.TemporaryDirectory(prefix="learning-curve-") as folder:
        train_path = Path(folder) / "train.spacy"
        write_docbins({train_path: docs})
        try:
            model, seconds = train(config, train_path, paths["dev"], seed, Path(folder))
        except subprocess.CalledProcessError as error:
            status, lines = error.returncode, error.output
            raise NlpkitError(
                Errors.N125.format(size=len(docs), seed=seed, status=status, lines=lines, output=output)
            ) from error
        scores = evaluate(str(model), corpus, gpu_id=config.gpu_id, overrides=overrides, ignore=ignore)
    return {**{key: value for key, value in scores.items() if key not in NOT_OF_A_RUN}, "train_seconds": seconds}


def _clip(sizes: Sequence[int], n_docs: int, path: Path) -> list[int]:
    beyond = [size for size in sizes if size > n_docs]
    if beyond:
        msg.warn(Warnings.NW124.format(path=path, count=f"{n_docs:,}", sizes=", ".join(f"{size:,}" for size in beyond)))
    return sorted({min(size, n_docs) for size in sizes})


def _warn_of_missing_labels(docs: list[Doc], subsets: dict[int, dict[int, list[Doc]]], sizes: Sequence[int]) -> None:
    from ..data.subsets import missing_labels

    for size in sizes:
        missing = {seed: missing_labels(docs, by_size[size]) for seed, by_size in subsets.items()}
        labels = sorted({label for found in missing.values() for label in found})
        if labels:
            seeds = ", ".join(str(seed) for seed, found in missing.items() if found)
            msg.warn(Warnings.NW125.format(size=f"{size:,}", labels=", ".join(labels), seeds=seeds))


def _check_metrics(metrics: Sequence[str], scores: Scores) -> None:
    """Raise N126 for a score that the pipeline does not give; one that is null is there."""
    for name in metrics:
        if name not in scores or isinstance(scores[name], (dict, str)):
            available = ", ".join(key for key, value in scores.items() if not isinstance(value, (dict, str)))
            raise NlpkitError(Errors.N126.format(metric=name, available=available))


def _seconds_left(results: CurveResults, runs: Sequence[tuple[int, int]]) -> float:
    """A guess from the finished runs: of the same size, or of the largest size so far."""
    seconds: dict[int, list[float]] = {}
    for (size, _), scores in results.runs.items():
        seconds.setdefault(size, []).append(scores["train_seconds"])
    means = {size: sum(found) / len(found) for size, found in seconds.items()}
    return sum(means.get(size, means[max(means)]) for size, _ in runs)


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    if seconds < 90:
        return f"about {math.ceil(seconds)} s"
    return f"about {minutes} min" if minutes < 90 else f"about {seconds / 3600:.1f} h"


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _command_line(config: CurveConfig, paths: dict[str, Path], output: Path, sizes: Sequence[int], n_seeds: int) -> str:
    words = ["python", "-m", "spacy", "nlpkit", "learning-curve", str(config.path)]
    for name, path in paths.items():
        words += [f"--{name}", str(path)]
    words += ["--sizes", ",".join(map(str, sizes)), "--seeds", str(n_seeds), "--output", str(output)]
    if config.code_path is not None:
        words += ["--code", str(config.code_path)]
    for name, value in {"gpu-id": config.gpu_id, **config.overrides}.items():
        words += [f"--{name}", str(value)]
    return shlex.join(words)
