"""Benchmark of text_classifier: `python scripts/bench_text_classifier.py STAGE`.

Stages, in the order of the workflow: `convert DATA` makes the corpora of the sets in a folder; `full`, `few DATA`,
`imdb` and `transformer ENCODER GPU` train ours and the peers on the same rows and score them on the test texts, which
nothing else reads; `speed` measures prediction. Each writes its part of metrics/text_classifier.json. The best pipeline
stays in training/text_classifier_agnews/model-best.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from bench_class_peers import TEXTCAT, Floats, as_texts, peers, textcat_config
from bench_class_speed import speeds
from bench_tools import read_costs, run, train
from numpy.typing import NDArray
from spacy.tokens import Doc, DocBin

from spacy_nlpkit.metrics import write_metrics
from spacy_nlpkit.scoring.calibration import expected_calibration_error

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
AGNEWS, IMDB = ROOT / "corpus" / "ag_news", ROOT / "corpus" / "imdb"
OUTPUT = ROOT / "training" / "text_classifier_agnews"
METRICS = ROOT / "metrics" / "text_classifier.json"
COMMAND = "make bench-text-classifier"
CORES = os.cpu_count() or 1
SEEDS = range(5)
N_DEV, N_FEW = 2000, 800
# A tenth of the few labels chooses the checkpoint and calibrates; peers that need no such part learn from all.
FEW_DEV = 80
# What is enough for 800 labels and a pretrained encoder, on a CPU too.
FEW_STEPS: dict[str, Any] = {
    "training__max_steps": 80,
    "training__eval_frequency": 20,
    "training__batcher__size": 1500,
    "training__optimizer__learn_rate__initial_rate": 0.0002,
    "training__optimizer__learn_rate__warmup_steps": 15,
}
IMDB_STEPS: dict[str, Any] = {"training__max_steps": 1200, "training__eval_frequency": 300}
# Of the recurrent one, whose steps take many times as long.
IMDB_RECURRENT_STEPS: dict[str, Any] = {"training__max_steps": 1500, "training__eval_frequency": 500}
IMDB_COLUMNS = ["--columns=2", "--label-column=0", "--label-names=neg,pos", "--no-quotes", "--clean"]


def read(path: Path) -> list[Doc]:
    """The documents of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def write(docs: Sequence[Doc], path: Path) -> None:
    """Write a .spacy file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def convert(data: str) -> None:
    """Make all corpora: training and development parts by fixed seeds out of the training rows."""
    for part in ("train_subset", "extra_lowercase", "test"):
        source = Path(data, "ag_news", f"{part}.csv.gz")
        run("spacy", "nlpkit", "convert", source, AGNEWS / f"{part}.spacy", "--format=ag-news", "--clean")
    for part in ("train", "test"):
        run("spacy", "nlpkit", "convert", Path(data, "imdb", f"{part}.tsv.xz"), IMDB / f"{part}.spacy", *IMDB_COLUMNS)
    subset, extra = read(AGNEWS / "train_subset.spacy"), read(AGNEWS / "extra_lowercase.spacy")
    split(subset, extra, AGNEWS / "full")
    split(subset, [], AGNEWS / "subset")
    split(read(IMDB / "train.spacy"), [], IMDB / "full")
    rows = [*subset, *extra]
    for seed in SEEDS:
        chosen = random.Random(seed).sample(rows, N_FEW)
        write(chosen[FEW_DEV:], AGNEWS / f"few_{seed}" / "train.spacy")
        write(chosen[:FEW_DEV], AGNEWS / f"few_{seed}" / "dev.spacy")
    for doc in rows:
        doc.cats = {}
    write(rows, AGNEWS / "unlabelled.spacy")


def split(docs: list[Doc], more: list[Doc], folder: Path) -> None:
    """Hold out documents of the first list to choose the checkpoint and to calibrate; train on all others."""
    mixed = random.Random(0).sample(docs, len(docs))
    write([*mixed[N_DEV:], *more], folder / "train.spacy")
    write(mixed[:N_DEV], folder / "dev.spacy")


def figures(probabilities: Floats, truth: NDArray[np.int64]) -> dict[str, Any]:
    """Scores of (texts, labels) probabilities; `truth` (texts,) are numbers of labels."""
    from sklearn.metrics import f1_score, roc_auc_score

    best = probabilities.argmax(axis=1)
    right = best == truth
    of_label = np.eye(probabilities.shape[1])[truth]
    scores = {
        "cats_acc": right.mean(),
        "cats_macro_f": f1_score(truth, best, average="macro"),
        "cats_macro_auc": roc_auc_score(of_label, probabilities, average="macro"),
        "cats_ece": expected_calibration_error(probabilities.max(axis=1), right),
    }
    return {name: round(float(value), 4) for name, value in scores.items()}


def score_pipeline(model: Path, test: Sequence[Doc], labels: Sequence[str]) -> dict[str, Any]:
    """The figures of a trained pipeline, ours or the peer's, and what its training took."""
    nlp = spacy.load(model)
    rows = [[doc.cats[label] for label in labels] for doc in nlp.pipe(doc.text for doc in test)]
    truth = as_texts(test, labels).labels
    return {**figures(np.array(rows), truth), **read_costs(model.parent)}


def run_peers(train_docs: Sequence[Doc], test: Sequence[Doc], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The figures of fastText and scikit-learn on the same rows."""
    training, testing = as_texts(train_docs, labels), as_texts(test, labels)
    found = {}
    for name, run_peer in peers().items():
        result = run_peer(training, testing.words, len(labels))
        seconds = round(result.train_seconds, 1)
        found[name] = {**figures(result.probabilities, testing.labels), "train_seconds": seconds}
    return found


def paths_of(corpus: Path) -> dict[str, Any]:
    """The corpora of a folder, as settings of a config."""
    return {"paths__train": corpus / "train.spacy", "paths__dev": corpus / "dev.spacy"}


def train_pair(config: str, corpus: Path, output: Path, peer_steps: int, **settings: Any) -> None:
    """Train a config of ours, and spaCy's `textcat` on batches of the same size, side by side."""
    paths = paths_of(corpus)
    peer = textcat_config(CONFIGS / "text_classifier_ensemble.cfg", output / "textcat.cfg")
    with ThreadPoolExecutor(CORES) as pool:
        trainings = [
            pool.submit(train, CONFIGS / f"{config}.cfg", output / "ours", **paths, **settings),
            pool.submit(train, peer, output / "textcat", **paths, training__max_steps=peer_steps),
        ]
        for training in trainings:
            training.result()


def bench_full() -> None:
    """AG News with all rows, and without the lower-cased ones; and with all rows the default config, the fastest."""
    test = read(AGNEWS / "test.spacy")
    labels = sorted(test[0].cats)
    results: dict[str, Any] = {}
    for bench, corpus in (("agnews", "full"), ("agnews_without_extra", "subset")):
        folder = OUTPUT / corpus
        train_pair("text_classifier_ensemble", AGNEWS / corpus, folder, 1400)
        docs = [*read(AGNEWS / corpus / "train.spacy"), *read(AGNEWS / corpus / "dev.spacy")]
        others = run_peers(docs, test, labels)
        others[TEXTCAT] = score_pipeline(folder / "textcat" / "model-best", test, labels)
        ours = score_pipeline(folder / "ours" / "model-best", test, labels)
        results[bench] = {"ours": ours, "peers": others, "seeds": [0]}
    train(CONFIGS / "text_classifier.cfg", OUTPUT / "bag", **paths_of(AGNEWS / "full"))
    bag = score_pipeline(OUTPUT / "bag" / "model-best", test, labels)
    results["agnews_bag"] = {"ours": bag, "peers": results["agnews"]["peers"], "seeds": [0]}
    shutil.copytree(OUTPUT / "full" / "ours" / "model-best", OUTPUT / "model-best", dirs_exist_ok=True)
    write_metrics(METRICS, results, COMMAND)


def mean_and_spread(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over seeds, and of the scores the standard deviation as well."""
    means: dict[str, Any] = {}
    for key in runs[0]:
        values = [figures_[key] for figures_ in runs]
        means[key] = round(float(np.mean(values)), 4)
        if key.startswith("cats_"):
            means[f"{key}_std"] = round(float(np.std(values)), 4)
    return means


def bench_few(data: str) -> None:
    """AG News with 800 labels, five times, and all training rows as texts without labels."""
    vectors = AGNEWS / "topic_vectors"
    raw = [Path(data, "ag_news", f"{part}.csv.gz") for part in ("train_subset", "extra_lowercase")]
    options = ["--columns=1,2", "--clean", "--window=0", "--attr=LOWER", "--keep-length", "--dim=300"]
    run("spacy", "nlpkit", "train-vectors", *raw, vectors, *options)
    paths = {"paths__unlabelled": AGNEWS / "unlabelled.spacy", "paths__vectors": vectors}
    test = read(AGNEWS / "test.spacy")
    labels = sorted(test[0].cats)
    ours: list[dict[str, Any]] = []
    others: dict[str, list[dict[str, Any]]] = {}
    for seed in SEEDS:
        corpus, folder = AGNEWS / f"few_{seed}", OUTPUT / f"few_{seed}"
        train_pair("text_classifier_few", corpus, folder, 350, **paths, system__seed=seed)
        docs = [*read(corpus / "train.spacy"), *read(corpus / "dev.spacy")]
        found = run_peers(docs, test, labels)
        found[TEXTCAT] = score_pipeline(folder / "textcat" / "model-best", test, labels)
        for name, scores in found.items():
            others.setdefault(name, []).append(scores)
        ours.append(score_pipeline(folder / "ours" / "model-best", test, labels))
    sides = {name: mean_and_spread(runs) for name, runs in others.items()}
    result = {"ours": mean_and_spread(ours), "peers": sides, "seeds": list(SEEDS)}
    write_metrics(METRICS, {"agnews_800_labels": result}, COMMAND)


def bench_imdb() -> None:
    """IMDb: the linear architectures and a recurrent one."""
    paths = paths_of(IMDB / "full")
    steps = {
        "text_classifier_recurrent": IMDB_RECURRENT_STEPS,
        "text_classifier_tfidf": IMDB_STEPS,
        "text_classifier": IMDB_STEPS,
    }
    folders = {name: ROOT / "training" / "text_classifier_imdb" / name for name in steps}
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda name: train(CONFIGS / f"{name}.cfg", folders[name], **paths, **steps[name]), steps))
    test = read(IMDB / "test.spacy")
    labels = sorted(test[0].cats)
    docs = [*read(IMDB / "full" / "train.spacy"), *read(IMDB / "full" / "dev.spacy")]
    others = run_peers(docs, test, labels)
    results = {}
    for name, folder in folders.items():
        ours = score_pipeline(folder / "model-best", test, labels)
        bench = name.replace("text_classifier", "imdb") if name != "text_classifier" else "imdb_bag"
        results[bench] = {"ours": ours, "peers": others, "seeds": [0]}
    write_metrics(METRICS, results, COMMAND)


def bench_transformer(transformer: str, gpu_id: str) -> None:
    """AG News with 800 labels and a pretrained encoder in a local folder; with all rows on a GPU."""
    test = read(AGNEWS / "test.spacy")
    labels = sorted(test[0].cats)
    config = CONFIGS / "text_classifier_trf.cfg"
    on_gpu = int(gpu_id) >= 0
    runs = []
    for seed in SEEDS:
        corpus, folder = AGNEWS / f"few_{seed}", OUTPUT / f"few_{seed}" / "transformer"
        settings = {"system__seed": seed, "paths__transformer": transformer, "gpu_id": gpu_id, **FEW_STEPS}
        train(config, folder, **paths_of(corpus), **settings)
        runs.append(score_pipeline(folder / "model-best", test, labels))
    results = {"agnews_800_labels_transformer": {"ours": mean_and_spread(runs), "peers": {}, "seeds": list(SEEDS)}}
    if on_gpu:
        folder = OUTPUT / "full" / "transformer"
        train(config, folder, **paths_of(AGNEWS / "full"), paths__transformer=transformer, gpu_id=gpu_id)
        ours = score_pipeline(folder / "model-best", test, labels)
        results["agnews_transformer"] = {"ours": ours, "peers": {}, "seeds": [0]}
    write_metrics(METRICS, results, f"{COMMAND}-trf")


def bench_speed() -> None:
    """Texts a second of whole pipelines and of bare models."""
    write_metrics(METRICS, speeds(AGNEWS, OUTPUT), COMMAND)


STAGES: dict[str, Callable[..., None]] = {
    "convert": convert,
    "full": bench_full,
    "few": bench_few,
    "imdb": bench_imdb,
    "speed": bench_speed,
    "transformer": bench_transformer,
}


if __name__ == "__main__":
    STAGES[sys.argv[1]](*sys.argv[2:])
