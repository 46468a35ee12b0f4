"""What the benchmark scripts share: training in a process of its own, speed by turns, and scores by offsets."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language

from spacy_nlpkit.scoring.offsets import bootstrap_interval, score_offsets

Gold = set[tuple[int, int, str]]
# Words per second are the median of this many passes, in each of as many processes.
PASSES = 2
ROUNDS = 3


class Cost(NamedTuple):
    """What a process took: wall seconds, seconds of the processor (whatever else ran), MB of 2**20 bytes at most."""

    wall: float
    cpu: float
    memory: float


def run(*arguments: str | Path) -> Cost:
    """Run `python -m ...` on one thread. RAISES: CalledProcessError where it fails."""
    command = [sys.executable, "-m", *(str(argument) for argument in arguments)]
    print("$ python", *command[1:], flush=True)
    start = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def train(config: Path, output: Path, earlier: float = 0.0, **overrides: Any) -> float:
    """Train by `spacy train`; overrides are dotted names with `__` for the dot.

    The costs are written beside the pipeline, with `recipe_cpu_seconds`: this training and what it took before it,
    `earlier`. RETURNS: The processor seconds of this training.
    """
    arguments = [f"--{option_name(name)}={json_value(value)}" for name, value in overrides.items()]
    cost = run("spacy", "train", config, "--output", output, *arguments)
    costs = {
        "train_seconds": cost.wall,
        "train_cpu_seconds": cost.cpu,
        "recipe_cpu_seconds": cost.cpu + earlier,
        "peak_rss_mb": cost.memory,
    }
    rounded = {name: round(value, 1) for name, value in costs.items()}
    (output / "costs.json").write_text(json.dumps(rounded), encoding="utf8")
    return cost.cpu


def read_costs(output: Path) -> dict[str, float]:
    """The costs that `train` wrote."""
    return json.loads((output / "costs.json").read_text(encoding="utf8"))


def option_name(name: str) -> str:
    """A keyword as an option of `spacy train`: `paths__train` is `paths.train`, `gpu_id` is `gpu-id`."""
    return name.replace("__", ".") if "__" in name else name.replace("_", "-")


def json_value(value: Any) -> str:
    """A value as the command line of spaCy takes it."""
    return str(value) if isinstance(value, str | Path) else json.dumps(value)


def predict(nlp: Language, texts: Iterable[str]) -> list[Gold]:
    """The entities of each text by character offsets."""
    return [{(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents} for doc in nlp.pipe(texts)]


def score(gold: Sequence[Gold], found: Sequence[Gold], labels: Sequence[str] | None = None) -> dict[str, Any]:
    """Precision, recall and F1 over all labels with the 95 percent interval of F1, and F1 by label."""
    scores = score_offsets(gold, found, labels)
    figures: dict[str, Any] = {key: round_or_none(scores[key]) for key in ("ents_f", "ents_p", "ents_r")}
    interval = bootstrap_interval(gold, found, labels=labels)
    figures["ents_f_interval"] = None if interval is None else " - ".join(f"{end:.3f}" for end in interval)
    figures["f_by_label"] = {label: round_or_none(row["f"]) for label, row in scores["ents_per_type"].items()}
    return figures


def round_or_none(value: float | None) -> float | None:
    """Four digits, as the tables show them."""
    return None if value is None else round(value, 4)


def words_per_second(models: dict[str, tuple[Path, float]], texts: Path) -> dict[str, float]:
    """Words per second of whole pipelines on one thread, each in processes of its own, in turns.

    models: By name, the folder and the `min_gain` of the fast path (0 forces it, a large number switches it off).
    texts: JSONL file of texts.
    """
    rates: dict[str, list[float]] = {name: [] for name in models}
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for _ in range(ROUNDS):
        for name, (model, min_gain) in models.items():
            command = [sys.executable, __file__, str(model), str(min_gain), str(texts)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            rates[name].append(float(done.stdout))
    return {name: round(statistics.median(found), 1) for name, found in rates.items()}


def measure_speed(model: str, min_gain: float, path: str) -> float:
    """Median words per second of `PASSES` passes over the texts, after one to warm up."""
    nlp = spacy.load(model, config={"nlp": {"after_pipeline_creation": {"min_gain": min_gain}}})
    with open(path, encoding="utf8") as file_:
        texts = [json.loads(line)["text"] for line in file_]
    rates = []
    for _ in range(PASSES + 1):
        start = time.perf_counter()
        words = sum(len(doc) for doc in nlp.pipe(texts))
        rates.append(words / (time.perf_counter() - start))
    return statistics.median(rates[1:])


if __name__ == "__main__":
    print(measure_speed(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
