"""Benchmark of seq2seq on Multi30k task 1: `python scripts/bench_seq2seq.py STAGE`.

Stages, in the order of the workflow: `convert DATA` writes the pairs and learns subwords; `de-en` trains a Transformer,
which stays in training/seq2seq_multi30k/model-best; `recurrent` trains three recurrent models on the same pairs;
`en-de GPU` trains a Transformer on pairs prepared as in the literature, on the CPU where GPU is -1. Each scores on the
three tests with five beams. After `de-en`: `decode` measures engines of decoding with its weights, `pipe` what the
pipeline costs beside the engine, and `bf16` trains for some steps in both precisions. Each stage writes its part of
metrics/seq2seq.json; `bf16` alone needs no trained pipeline. All figures of time are those of one thread.

A training is passed over where its folder holds a pipeline that this script has trained with the same settings.

With NLPKIT_BENCH_SMALL=1 a stage is tried in about a minute, with the twins of configs/smoke, some of the pairs, and
folders of its own. Such figures go nowhere: nothing is written to metrics/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import spacy
from bench_seq2seq_data import TESTS, convert
from bench_tools import option_name, read_costs, round_or_none, train
from spacy.util import load_config

from spacy_nlpkit.data.parallel import create_parallel_corpus
from spacy_nlpkit.metrics import write_metrics

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
METRICS = ROOT / "metrics" / "seq2seq.json"
COMMAND = "make bench-seq2seq"
SMALL = os.environ.get("NLPKIT_BENCH_SMALL") == "1"
CONFIGS = ROOT / "configs" / "smoke" if SMALL else ROOT / "configs"
# Trials have folders of their own: they never stand in the way of what was trained.
TRIAL = "_trial" if SMALL else ""
CORPUS = ROOT / "corpus" / f"multi30k{TRIAL}"
OUTPUT = ROOT / "training" / f"seq2seq_multi30k{TRIAL}"
CORES = os.cpu_count() or 1

MODEL = "components__seq2seq__model__"
SCORER = "components__seq2seq__scorer__"
BFLOAT16: dict[str, Any] = {f"{MODEL}precision": "bfloat16"}
# One hour on two cores at most. Published for German to English, cased or not by source: the Transformer of the most
# read tutorial (bentrevett/pytorch-seq2seq, notebook 6) 36.5 BLEU; none of that was run here.
GERMAN: dict[str, Any] = {"nlp__lang": "de", **BFLOAT16}
DE_EN: dict[str, Any] = {
    **GERMAN,
    "training__max_steps": 3000,
    "training__eval_frequency": 500,
    "training__optimizer__learn_rate__initial_rate": 0.002,
    "training__optimizer__learn_rate__warmup_steps": 400,
}
# Twenty minutes at most each. The same tutorial: LSTM 13.8 BLEU, GRU 20.6, GRU with attention 28.3.
SHORT = {"training__max_steps": 1200}
RECURRENT: dict[str, dict[str, Any]] = {
    "lstm": {**SHORT, f"{MODEL}cell": "lstm", f"{MODEL}attention": "none"},
    "gru": {**SHORT, f"{MODEL}attention": "none"},
    "gru_attention": {},
}
# The size that Wu et al. (2021) found best for so few pairs, their Transformer-Tiny; published BLEU without images:
# 41.02, 33.36 and 29.88 on the three tests, texts in lower case and tokenised.
EN_DE: dict[str, Any] = {
    "nlp__lang": "en",
    f"{SCORER}tokenize": "none",
    **BFLOAT16,
    f"{MODEL}width": 128,
    f"{MODEL}hidden_width": 256,
    f"{MODEL}encoder_layers": 4,
    f"{MODEL}decoder_layers": 4,
    f"{MODEL}dropout": 0.3,
    "training__max_steps": 8500,
    "training__eval_frequency": 850,
    "training__batcher__size": 2500,
    "training__optimizer__learn_rate__initial_rate": 0.003,
    "training__optimizer__learn_rate__warmup_steps": 1000,
}
# Of a trial, whose size is that of the twin.
TRIAL_EN_DE = {name: EN_DE[name] for name in ("nlp__lang", f"{SCORER}tokenize")}
# Settings of [training] that change nothing of what is learned.
WITHOUT_EFFECT = ("logger", "before_update", "before_to_disk")
FIGURES = ("bleu", "bleu_signature", "chrf", "chrf_signature", "length_ratio", "perplexity")


def save(results: dict[str, Any]) -> None:
    """Write results, or print those of a trial."""
    for bench, result in results.items():
        print(bench, json.dumps(result), flush=True)
    if not SMALL:
        write_metrics(METRICS, results, COMMAND)


def paths_of(direction: str) -> dict[str, Any]:
    """The files of a direction, as settings of a config."""
    folder = CORPUS / direction
    return {
        "paths__train": folder / "train.jsonl",
        "paths__dev": folder / "dev.jsonl",
        "paths__subwords": folder / "subwords.json",
    }


def is_trained(config: Path, output: Path, settings: dict[str, Any]) -> bool:
    """Whether a training of the same components and the same length, in the same language, has ended in a folder."""
    best = output / "model-best" / "config.cfg"
    # The costs are written when a training has ended; a pipeline is there before.
    if not best.is_file() or not (output / "costs.json").is_file():
        return False
    overrides = {option_name(name): value for name, value in settings.items() if "__" in name}
    wanted = load_config(config, {name: _plain(value) for name, value in overrides.items()}, interpolate=True)
    found = load_config(best, interpolate=True)
    for setting in WITHOUT_EFFECT:
        wanted["training"].pop(setting, None)
        found["training"].pop(setting, None)
    same = all(wanted[section] == found[section] for section in ("components", "training"))
    return same and wanted["nlp"]["lang"] == found["nlp"]["lang"]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def train_once(config: str, output: Path, **settings: Any) -> Path:
    """Train, unless that was done; the folder of the best pipeline."""
    path = CONFIGS / f"{config}.cfg"
    if is_trained(path, output, settings):
        print(f"{output / 'model-best'} was trained with these settings: not trained again", flush=True)
    else:
        (output / "costs.json").unlink(missing_ok=True)
        train(path, output, **settings)
    return output / "model-best"


def results_of(name: str, model: Path, direction: str) -> dict[str, Any]:
    """Scores on the three tests with the search of the config, and what the training took, as results of benchmarks."""
    nlp = spacy.load(model)
    costs = read_costs(model.parent)
    results: dict[str, Any] = {}
    for test in TESTS:
        examples = list(create_parallel_corpus(CORPUS / direction / f"{test}.jsonl")(nlp))
        scores = nlp.evaluate(examples)
        figures = {f"seq2seq_{key}": scores[f"seq2seq_{key}"] for key in FIGURES}
        rounded = {key: value if isinstance(value, str) else round_or_none(value) for key, value in figures.items()}
        results[f"{name}_{test}"] = {"ours": {**rounded, **costs}, "peers": {}, "seeds": [0]}
    return results


def bench_convert(data: str) -> None:
    """Make the corpora of both directions."""
    convert(Path(data, "multi30k"), CORPUS, trial=SMALL)


def bench_de_en() -> None:
    """German to English with a Transformer."""
    best = train_once("seq2seq", OUTPUT, **paths_of("de-en"), **DE_EN)
    save(results_of("de_en", best, "de-en"))


def bench_recurrent() -> None:
    """German to English with recurrent models, each trained on a core of its own."""
    folders = {name: OUTPUT / name for name in RECURRENT}
    common = {**paths_of("de-en"), **GERMAN}
    with ThreadPoolExecutor(CORES) as pool:
        best = pool.map(
            lambda name: train_once("seq2seq_recurrent", folders[name], **common, **RECURRENT[name]), RECURRENT
        )
        found = dict(zip(RECURRENT, best))
    results: dict[str, Any] = {}
    for name, model in found.items():
        results |= results_of(f"de_en_{name}", model, "de-en")
    save(results)


def bench_en_de(gpu_id: str) -> None:
    """English to German on texts prepared as in the literature."""
    settings = TRIAL_EN_DE if SMALL else EN_DE
    best = train_once("seq2seq", OUTPUT / "en-de", gpu_id=gpu_id, **paths_of("en-de"), **settings)
    save(results_of("en_de_lowercased_tokenized", best, "en-de"))


def bench_by(script: str, *arguments: str | Path) -> None:
    """Save what a script of measurements prints in a process of its own, on one thread, in its last line."""
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    save(json.loads(done.stdout.splitlines()[-1]))


def bench_decode() -> None:
    """Engines of decoding, with the same weights."""
    bench_by("bench_seq2seq_decode.py", OUTPUT / "model-best", CORPUS / "de-en" / "test2016.jsonl")


def bench_pipe() -> None:
    """The pipeline beside the bare engine, and two processes beside one."""
    bench_by("bench_seq2seq_pipe.py", OUTPUT / "model-best", CORPUS / "de-en" / "test2016.jsonl")


def bench_bf16() -> None:
    """Training in bfloat16 and float32, step by step in turns."""
    bench_by("bench_seq2seq_bf16.py", CONFIGS / "seq2seq.cfg", CORPUS / "de-en")


STAGES: dict[str, Callable[..., None]] = {
    "convert": bench_convert,
    "de-en": bench_de_en,
    "recurrent": bench_recurrent,
    "en-de": bench_en_de,
    "decode": bench_decode,
    "pipe": bench_pipe,
    "bf16": bench_bf16,
}


if __name__ == "__main__":
    STAGES[sys.argv[1]](*sys.argv[2:])
