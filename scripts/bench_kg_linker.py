"""Benchmark of kg_linker: `python scripts/bench_kg_linker.py STAGE`.

Stages: `candidates DATA` asks for misspelt names of companies, and of a million names; `newswire` trains ours and
spaCy's `entity_linker` on the shipped corpus; `wikidata DATA` links four public benchmarks to a graph of 19,419
entities of Wikidata; `dates` asks who held a symbol on a day; `speed`, after `newswire`, counts mentions a second. Each
writes its part of metrics/kg_linker.json. All but `candidates` and `wikidata` need corpus/*.spacy and corpus/kb, which
the workflow makes first.

To try the stages, make them small by the environment: NLPKIT_BENCH_STEPS=20 trains for 20 steps, and
NLPKIT_BENCH_SMALL=1 leaves the million names out. Such figures go nowhere: nothing is written.

On public benchmarks mentions have no label, as those sets have none; spans that no token boundary fits are moved to the
nearest. The graph holds about 4,900 of their right entities for the benchmarks' sake, by label and coarse type alone:
`links_coverage` says which share of the mentions it covers, accuracy is that on these. spaCy's linker needs training to
use the context: it learns from five other sets of the collection, and so does a second one of ours beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_candidates
import bench_link_dates
import spacy
from bench_link_peers import PRIOR, STOCK, Linker, blank, by_prior, figures, read, stock_config
from bench_tools import read_costs, run, train
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_nlpkit.kg.graph import KnowledgeGraph
from spacy_nlpkit.kg.stores import open_graph
from spacy_nlpkit.metrics import write_metrics

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "kg_linker.cfg"
CORPUS, WIKIDATA = ROOT / "corpus", ROOT / "corpus" / "kg_linker"
OUTPUT = ROOT / "training" / "kg_linker_newswire"
WIKIDATA_OUTPUT = ROOT / "training" / "kg_linker_wikidata"
METRICS = ROOT / "metrics" / "kg_linker.json"
COMMAND = "make bench-kg-linker"
UNTRAINED, TRAINED = "kg_linker, untrained", "kg_linker, trained on the same"
# Steps of spaCy's linker, which starts from nothing.
STOCK_STEPS, STOCK_EVERY = 1000, 200
TEST_SETS = ("reuters-128", "kore50", "rss-500", "wiki-fair-v2")
TRAIN_SETS = ("oke-2015-train", "oke-2016-train", "derczynski", "spotlight")
DEV_SET = "oke-2016-eval"
STEPS = int(os.environ.get("NLPKIT_BENCH_STEPS", "0"))
SMALL = bool(STEPS) or os.environ.get("NLPKIT_BENCH_SMALL") == "1"
# Passes over the texts; the first is not counted.
PASSES = 2 if SMALL else 7
BATCH = 256


def save(results: dict[str, Any]) -> None:
    """Write results, or print those of a trial."""
    for bench, result in results.items():
        print(bench, result, flush=True)
    if not SMALL:
        write_metrics(METRICS, results, COMMAND)


def length_of(n: int, every: int) -> dict[str, Any]:
    """Settings of the length of a training; of a trial its own."""
    return {"training__max_steps": STEPS or n, "training__eval_frequency": STEPS or every}


def untrained(graph: KnowledgeGraph, **settings: Any) -> Language:
    """A pipeline of one linker with a graph, as it comes."""
    nlp = blank()
    linker: Any = nlp.add_pipe("kg_linker", config=settings)
    linker.set_kb(graph)
    return nlp


def linker_of(nlp: Language) -> Linker:
    """A pipeline as a function of documents that have entities."""
    return lambda docs: nlp.pipe(docs, batch_size=BATCH)


def paths_of(corpora: Path) -> dict[str, Any]:
    """The corpora of a folder, as settings of a config."""
    return {f"paths__{part}": corpora / f"{part}.spacy" for part in ("train", "dev")}


def train_ours(corpora: Path, kb: Path, output: Path) -> Path:
    """Train the config of ours; the folder of the pipeline."""
    length = length_of(STEPS, STEPS) if STEPS else {}
    train(CONFIG, output, **paths_of(corpora), paths__kb=kb, **length)
    return output / "model-best"


def train_stock(corpora: Path, graph: KnowledgeGraph, output: Path) -> Path:
    """Train spaCy's linker on the same; the folder of the pipeline."""
    config = stock_config(CONFIG, graph, output)
    train(config, output, **paths_of(corpora), **length_of(STOCK_STEPS, STOCK_EVERY))
    return output / "model-best"


def bench_candidates_(data: str) -> None:
    """Recall and speed of the index of names, beside other ways to search."""
    save(bench_candidates.bench(Path(data), million=not SMALL))


def bench_newswire() -> None:
    """The shipped corpus: trained and untrained, on both tests."""
    graph = open_graph(CORPUS / "kb")
    ours = train_ours(CORPUS, CORPUS / "kb", OUTPUT)
    stock = train_stock(CORPUS, graph, OUTPUT / "entity_linker")
    loaded = {name: spacy.load(path) for name, path in (("ours", ours), (STOCK, stock))}
    linkers = {name: linker_of(nlp) for name, nlp in loaded.items()}
    linkers |= {UNTRAINED: linker_of(untrained(graph)), PRIOR: by_prior(graph)}
    costs = {"ours": read_costs(OUTPUT), STOCK: read_costs(OUTPUT / "entity_linker")}
    results = {}
    for part in ("test", "test_unseen"):
        examples = read(CORPUS / f"{part}.spacy", blank())
        sides = {name: {**figures(link, examples, graph), **costs.get(name, {})} for name, link in linkers.items()}
        results[f"newswire_{part}"] = {"ours": sides.pop("ours"), "peers": sides, "seeds": [0]}
    save(results)


def convert(data: Path) -> None:
    """The graph, the tests, and a corpus of the other sets."""
    run("spacy", "nlpkit", "build-kb", data / "knowledge_graph", WIKIDATA / "kb", "--name", "wikidata")
    for name in (*TEST_SETS, *TRAIN_SETS, DEV_SET):
        source = data / "entity_linking" / f"{name}.jsonl.gz"
        run("spacy", "nlpkit", "convert", source, WIKIDATA / f"{name}.spacy", "--format=elevant", "--repair")
    vocab = blank().vocab
    for part, names in (("train", TRAIN_SETS), ("dev", (DEV_SET,))):
        docs = [doc for name in names for doc in DocBin().from_disk(WIKIDATA / f"{name}.spacy").get_docs(vocab)]
        DocBin(docs=docs, store_user_data=True).to_disk(WIKIDATA / f"{part}.spacy")


def bench_wikidata(data: str) -> None:
    """Public benchmarks with a graph of Wikidata: ours untrained, with its own decision and without one for NIL."""
    convert(Path(data))
    graph = open_graph(WIKIDATA / "kb")
    stock = train_stock(WIKIDATA, graph, WIKIDATA_OUTPUT / "entity_linker")
    trained = train_ours(WIKIDATA, WIKIDATA / "kb", WIKIDATA_OUTPUT)
    always = linker_of(untrained(graph, threshold=0.0))
    linkers = {
        "ours": linker_of(untrained(graph)),
        TRAINED: linker_of(spacy.load(trained)),
        PRIOR: by_prior(graph),
        STOCK: linker_of(spacy.load(stock)),
    }
    results = {}
    for name in TEST_SETS:
        examples = read(WIKIDATA / f"{name}.spacy", blank())
        sides = {side: figures(link, examples, graph) for side, link in linkers.items()}
        ours = sides.pop("ours")
        ours["links_acc_in_graph_at_threshold_0"] = figures(always, examples, graph)["links_acc_in_graph"]
        results[f"wikidata_{name}"] = {"ours": ours, "peers": sides, "seeds": [0]}
    save(results)


def bench_dates() -> None:
    """The dated symbols of the shipped graph."""
    graph = open_graph(CORPUS / "kb")
    save({"dates": bench_link_dates.compare(linker_of(untrained(graph)), graph)})


def bench_speed() -> None:
    """Mentions a second of the trained linkers; spaCy's runs its own encoder, ours has none."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "measure"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    sides = json.loads(done.stdout)
    save({"speed": {"ours": sides["ours"], "peers": {STOCK: sides[STOCK]}, "seeds": [0]}})


def measure() -> None:
    """Print median mentions a second of both, in turns, in this process; `bench_speed` gives it one thread."""
    pipes: dict[str, Any] = {
        "ours": spacy.load(OUTPUT / "model-best"),
        STOCK: spacy.load(OUTPUT / "entity_linker" / "model-best"),
    }
    docs = [example.predicted for example in read(CORPUS / "train.spacy", blank())][: 20 if SMALL else None]
    count = sum(len(doc.ents) for doc in docs)
    rates: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(PASSES):
        for name, nlp in pipes.items():
            rates[name].append(count / _seconds(nlp, docs))
    medians = {name: round(statistics.median(found[1:])) for name, found in rates.items()}
    print(json.dumps({name: {"mentions_per_second": rate, "mentions": count} for name, rate in medians.items()}))


def _seconds(nlp: Language, docs: list[Doc]) -> float:
    """Seconds that the linker of a pipeline takes for documents that are ready for it."""
    ready = []
    for doc in docs:
        copy = Doc(nlp.vocab).from_bytes(doc.to_bytes())
        for name, pipe in nlp.pipeline:
            if not name.endswith("_linker"):
                copy = pipe(copy)
        ready.append(copy)
    linker: Any = nlp.get_pipe(nlp.pipe_names[-1])
    start = time.perf_counter()
    for _ in linker.pipe(ready, batch_size=BATCH):
        pass
    return time.perf_counter() - start


STAGES: dict[str, Callable[..., None]] = {
    "candidates": bench_candidates_,
    "newswire": bench_newswire,
    "wikidata": bench_wikidata,
    "dates": bench_dates,
    "speed": bench_speed,
    "measure": measure,
}


if __name__ == "__main__":
    STAGES[sys.argv[1]](*sys.argv[2:])
