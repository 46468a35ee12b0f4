"""Benchmark of ticker_ner on real news: `python scripts/bench_ticker_ner.py train|score DATA`, and, for the config with
a transformer, `python scripts/bench_ticker_ner.py transformer DATA FOLDER [GPU]`.

DATA is the folder of the benchmark sets. On the 1,000 training texts of ag_news_ner it trains our pipelines and, from
the same config with the component exchanged, spaCy's `ner`; both also with the same word vectors and self-labelled
texts. It scores the test texts by character offsets, with and without the notation of their symbols, and three sets of
other domains, and writes metrics/ticker_ner.json. The best pipeline stays in training/ticker_ner_agnews/model-best.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import spacy
import srsly
from bench_listings import build_listings
from bench_tools import Gold, predict, read_costs, run, score, train, words_per_second
from thinc.api import Config

from spacy_nlpkit.data.augmenters import strip_notation
from spacy_nlpkit.data.converters import ConvertOptions, Report, convert_path
from spacy_nlpkit.metrics import write_metrics
from spacy_nlpkit.scoring.calibration import expected_calibration_error

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
CORPUS = ROOT / "corpus" / "ag_news_ner"
OUTPUT = ROOT / "training" / "ticker_ner_agnews"
METRICS = ROOT / "metrics" / "ticker_ner.json"
COMMAND = "make bench-ticker-ner"
TRAINED = ("plain", "plain_peer", "full", "full_peer")
# Self-training: how many models label the texts for the next round, and the steps of their training.
ROUNDS = ((3, 1200), (2, 2000))
CORES = os.cpu_count() or 1
SILVER_TEXTS = 25000
PEER = "spaCy ner, same encoder and data"
# What makes the config with a transformer affordable on a CPU: smaller batches, fewer of them, larger steps.
ON_CPU: dict[str, Any] = {
    "training__accumulate_gradient": 1,
    "training__eval_frequency": 100,
    "training__max_steps": 300,
    "training__batcher__size": 1500,
    "training__optimizer__learn_rate__initial_rate": 0.0002,
}
# Labels of other sets by ours; where theirs is wider (locations include rivers and regions) the figure says so little.
FOREIGN = {
    "wnut17": ("wnut17/test.bio.gz", {"person": "PERSON", "corporation": "ORG", "group": "ORG", "location": "GPE"}),
    "wikigold": ("wikigold/wikigold.bio.gz", {"PER": "PERSON", "ORG": "ORG", "LOC": "GPE"}),
    "finer_ord": ("finer_ord/test.bio.gz", {"PER": "PERSON", "ORG": "ORG", "LOC": "GPE"}),
}
STOCK_NER: dict[str, Any] = {
    "factory": "ner",
    "incorrect_spans_key": "incorrect_spans",
    "moves": None,
    "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    "update_with_oracle_cut_size": 100,
    "model": {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
        "nO": None,
    },
}


def convert(data: Path) -> None:
    """Make the corpora of the annotated texts."""
    for part in ("train", "dev", "test"):
        run("spacy", "nlpkit", "convert", data / "ag_news_ner" / f"{part}.jsonl", CORPUS / f"{part}.spacy")


def exchange(config: Path, name: str) -> Path:
    """A copy of a config of ours with spaCy's `ner` in place of `ticker_ner`, all else equal but for listing tables,
    which it has no door for."""
    peer = Config().from_disk(config, interpolate=False)
    ours = peer["components"].pop("ticker_ner")
    encoder = ours["model"]["tok2vec"]
    encoder.get("embed", {}).get("features", {}).pop("listings", None)
    # The settings of its own tok2vec refer to one another by their place.
    own = Config({"tok2vec": encoder}).to_str(interpolate=False).replace("components.ticker_ner.", "components.ner.")
    model = {**STOCK_NER["model"], **Config().from_str(own, interpolate=False)}
    peer["components"]["ner"] = {**STOCK_NER, "model": model}
    peer["nlp"]["pipeline"] = ["ner" if pipe == "ticker_ner" else pipe for pipe in peer["nlp"]["pipeline"]]
    peer["initialize"]["components"] = {}
    peer["training"]["before_to_disk"] = None
    peer["training"]["score_weights"] = {"ents_f": 1.0}
    path = OUTPUT / f"{name}.cfg"
    path.parent.mkdir(parents=True, exist_ok=True)
    peer.to_disk(path)
    return path


def exclude_options() -> list[str]:
    """The options that keep the dev and test texts out of what is learned without labels."""
    return [f"--exclude={CORPUS / part}.spacy" for part in ("dev", "test")]


def train_all(data: Path) -> None:
    """Train every pipeline: ours and the peer on the annotated texts alone, then both with the full recipe.

    Trainings that do not need one another run side by side, one on a core.
    """
    paths: dict[str, Any] = {"paths__train": CORPUS / "train.spacy", "paths__dev": CORPUS / "dev.spacy"}
    plain, full = CONFIGS / "ticker_ner.cfg", CONFIGS / "ticker_ner_silver.cfg"
    listings, vectors, silver = CORPUS / "listings.jsonl", CORPUS / "vectors", CORPUS / "silver.spacy"
    build_listings(data, ROOT / "assets" / "newswire" / "kb.jsonl", listings)
    raw = data / "ag_news" / "train_subset.csv.gz"
    exclude = [f"--exclude={CORPUS / part}.spacy" for part in ("dev", "test")]
    seconds = run("spacy", "nlpkit", "train-vectors", raw, vectors, "--columns=1,2", "--clean", *exclude).cpu
    with ThreadPoolExecutor(CORES) as pool:
        alone = [
            pool.submit(train, plain, OUTPUT / "plain", **paths),
            pool.submit(train, exchange(plain, "plain_peer"), OUTPUT / "plain_peer", **paths),
        ]
        paths.update(paths__vectors=vectors, paths__silver=silver, paths__listings=listings)
        options = ["--columns=2", "--clean", f"--limit={SILVER_TEXTS}", *exclude]
        for number, (n_models, steps) in enumerate(ROUNDS):
            teachers = [OUTPUT / f"round_{number}_{seed}" for seed in range(n_models)]
            # Nothing is labelled yet in the first round: it learns from the annotated texts alone.
            more = {**paths, "training__max_steps": steps, **({} if number else {"corpora__train__ratio": 0})}
            trained = [
                pool.submit(train, full, folder, **more, system__seed=seed) for seed, folder in enumerate(teachers)
            ]
            seconds += sum(training.result() for training in trained)
            models = [folder / "model-best" for folder in teachers]
            seconds += run("spacy", "nlpkit", "annotate", *models, raw, silver, *options).cpu
        best = [
            pool.submit(train, full, OUTPUT / "full", seconds, **paths),
            pool.submit(train, exchange(full, "full_peer"), OUTPUT / "full_peer", seconds, **paths),
        ]
        for training in [*alone, *best]:
            training.result()
    shutil.copytree(OUTPUT / "full" / "model-best", OUTPUT / "model-best", dirs_exist_ok=True)


def read_gold(path: Path, stripped: bool = False) -> tuple[list[str], list[Gold]]:
    """Texts and entities of Prodigy's JSONL; `stripped` of the brackets and exchanges around symbols."""
    texts, gold = [], []
    for item in srsly.read_jsonl(path):
        text, spans = item["text"], item["spans"]
        if stripped:
            text, spans = strip_notation(text, spans)
        texts.append(text)
        gold.append({(span["start"], span["end"], span["label"]) for span in spans})
    return texts, gold


def read_foreign(data: Path, name: str) -> tuple[list[str], list[Gold]]:
    """Sentences of a BIO file joined by blanks, and their entities under our labels."""
    file_, labels = FOREIGN[name]
    docs = list(convert_path(data / file_, spacy.blank("en"), ConvertOptions(), Report()))
    gold = [
        {(ent.start_char, ent.end_char, labels[ent.label_]) for ent in doc.ents if ent.label_ in labels} for doc in docs
    ]
    return [doc.text for doc in docs], gold


def score_all(data: Path, models: dict[str, Path]) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Bench by bench, the figures of every pipeline by its name."""
    pipelines = {name: spacy.load(folder) for name, folder in models.items()}
    test = data / "ag_news_ner" / "test.jsonl"
    texts, gold = read_gold(test)
    figures = {}
    for name, nlp in pipelines.items():
        figures[name] = {**score(gold, predict(nlp, texts)), "ents_ece": calibration_error(nlp, texts, gold)}
    yield "agnews", figures
    texts, gold = read_gold(test, stripped=True)
    yield "agnews_stripped", {name: score(gold, predict(nlp, texts)) for name, nlp in pipelines.items()}
    for foreign in FOREIGN:
        texts, gold = read_foreign(data, foreign)
        labels = sorted(set(FOREIGN[foreign][1].values()))
        yield foreign, {name: score(gold, predict(nlp, texts), labels) for name, nlp in pipelines.items()}


def calibration_error(nlp: spacy.Language, texts: list[str], gold: list[Gold]) -> float | None:
    """Expected calibration error of the entities' confidence; None for a pipeline without."""
    if "ticker_ner" not in nlp.pipe_names:
        return None
    docs = nlp.pipe(texts)
    pairs = [
        (ent._.confidence, (ent.start_char, ent.end_char, ent.label_) in right)
        for doc, right in zip(docs, gold)
        for ent in doc.ents
    ]
    return round(expected_calibration_error([pair[0] for pair in pairs], [pair[1] for pair in pairs]), 4)


def speeds(data: Path) -> dict[str, float]:
    """Words per second of ours and spaCy's `ner` on one thread, with and without the fast path."""
    texts = CORPUS / "speed.jsonl"
    rows = [text for part in ("train", "dev", "test") for text in read_gold(data / "ag_news_ner" / f"{part}.jsonl")[0]]
    srsly.write_jsonl(texts, [{"text": text} for text in rows])
    models = {}
    for name in TRAINED:
        models[f"{name}.fast"] = (OUTPUT / name / "model-best", 0.0)
        models[f"{name}.blis"] = (OUTPUT / name / "model-best", 1e9)
    return words_per_second(models, texts)


def score_trained(data: Path) -> None:
    """Score what `train` left, and write the metrics file."""
    rates = speeds(data)
    results: dict[str, Any] = {}
    for bench, figures in score_all(data, {name: OUTPUT / name / "model-best" for name in TRAINED}):
        for kind, suffix in (("full", ""), ("plain", "_gold_only")):
            sides = {name: figures[name] for name in (kind, f"{kind}_peer")}
            if bench == "agnews":
                for name, side in sides.items():
                    side.update(read_costs(OUTPUT / name))
                    side["words_per_second"] = rates[f"{name}.fast"]
                    side["words_per_second_without_fast_path"] = rates[f"{name}.blis"]
            ours, peer = sides.values()
            results[bench + suffix] = {"ours": ours, "peers": {PEER: peer}, "seeds": [0]}
    write_metrics(METRICS, results, COMMAND)


def bench_transformer(data: Path, transformer: str, gpu_id: str) -> None:
    """Train and score `ticker_ner_trf.cfg` on an encoder in a local folder, on the CPU (-1) or a GPU."""
    convert(data)
    folder = OUTPUT / "transformer"
    paths: dict[str, Any] = {"paths__train": CORPUS / "train.spacy", "paths__dev": CORPUS / "dev.spacy"}
    settings = {} if int(gpu_id) >= 0 else ON_CPU
    train(CONFIGS / "ticker_ner_trf.cfg", folder, **paths, **settings, paths__transformer=transformer, gpu_id=gpu_id)
    results: dict[str, Any] = {}
    for bench, figures in score_all(data, {"transformer": folder / "model-best"}):
        extra = read_costs(folder) if bench == "agnews" else {}
        ours = {**figures["transformer"], **extra}
        results[f"{bench}_transformer"] = {"ours": ours, "peers": {}, "seeds": [0]}
    write_metrics(METRICS, results, f"{COMMAND}-trf")


def main(stage: str, data: Path, transformer: str = "roberta-base", gpu_id: str = "-1") -> None:
    """Run one stage: train, score or transformer."""
    if stage == "train":
        convert(data)
        train_all(data)
    elif stage == "score":
        score_trained(data)
    else:
        bench_transformer(data, transformer, gpu_id)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
