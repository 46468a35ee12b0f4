"""What a pipeline costs beside its engine: `python scripts/bench_seq2seq_pipe.py MODEL PAIRS` prints results.

The bare engine decodes the same pieces in the same batches as `nlp.pipe`, in turns with it, on one thread, in seconds
of the processor. Two processes are set beside one by the clock: on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import spacy
import srsly
import torch

from spacy_nlpkit.pipeline._seq2seq_engine import open_engine
from spacy_nlpkit.pipeline._seq2seq_store import encode_sources
from spacy_nlpkit.pipeline._seq2seq_windows import batches_by_length

SMALL = os.environ.get("NLPKIT_BENCH_SMALL") == "1"
ROUNDS = 2 if SMALL else 5
# Copies of the texts for the comparison of processes, so that starting them weighs little.
COPIES = 1 if SMALL else 3
PEER, ALONE = "the bare engine", "one process"
# By name, settings of the pipe: the defaults, and the fastest there is, which leaves the pipeline the most to cost.
SETTINGS: dict[str, dict[str, Any]] = {
    "torch_beam5": {},
    "torch_greedy": {"search": {"beams": 1}},
    "ctranslate2_int8_greedy": {"backend": "ctranslate2", "compute_type": "int8", "search": {"beams": 1}},
}


def overhead(nlp: Any, texts: list[str]) -> dict[str, Any]:
    """Texts a second of the pipeline and of its engine alone."""
    pipe = nlp.get_pipe("seq2seq")
    engine = open_engine(pipe.model, pipe.backend, pipe.compute_type)
    source, _ = pipe.require_subwords()
    rows = encode_sources(source, [f"{pipe.prefix}{text}" for text in texts])
    batches = []
    for first in range(0, len(rows), nlp.batch_size):
        part = rows[first : first + nlp.batch_size]
        for places in batches_by_length([len(row) for row in part], pipe.batch_pieces):
            batches.append([part[place] for place in places])
    took: dict[str, list[float]] = {"ours": [], PEER: []}
    for number in range(ROUNDS + 1):
        start = time.process_time()
        for batch in batches:
            engine.write(batch, pipe.search, [[]] * len(batch))
        middle = time.process_time()
        for _ in nlp.pipe(texts):
            pass
        if number:
            took[PEER].append(middle - start)
            took["ours"].append(time.process_time() - middle)
    sides = {side: {"texts_per_cpu_second": _rate(len(texts), seconds)} for side, seconds in took.items()}
    share = statistics.median(ours / bare - 1 for ours, bare in zip(took["ours"], took[PEER], strict=True))
    ours = {**sides["ours"], "overhead": round(share, 4)}
    return {"ours": ours, "peers": {PEER: sides[PEER]}, "seeds": []}


def processes(nlp: Any, texts: list[str]) -> dict[str, Any]:
    """Texts a second by the clock of two processes and of one."""
    took: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for n_process, seconds in took.items():
            start = time.perf_counter()
            for _ in nlp.pipe(texts, n_process=n_process):
                pass
            seconds.append(time.perf_counter() - start)
    times = statistics.median(one / two for one, two in zip(took[1], took[2], strict=True))
    ours = {"texts_per_second": _rate(len(texts), took[2]), "times_one_process": round(times, 3)}
    return {"ours": ours, "peers": {ALONE: {"texts_per_second": _rate(len(texts), took[1])}}, "seeds": []}


def _rate(n_texts: int, seconds: list[float]) -> float:
    return round(n_texts / statistics.median(seconds), 1)


def main(model: Path, pairs: Path) -> None:
    """Measure, and print results in one line, as `write_metrics` takes them."""
    torch.set_num_threads(1)
    texts = [line["text"] for line in srsly.read_jsonl(pairs)]
    results = {}
    for name, settings in SETTINGS.items():
        nlp = spacy.load(model, config={"components": {"seq2seq": settings}})
        results[f"pipe_{name}"] = overhead(nlp, texts)
        if name == "torch_beam5":
            results["pipe_two_processes"] = processes(nlp, texts * COPIES)
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
