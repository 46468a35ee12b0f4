"""Training in bfloat16 beside float32: `python scripts/bench_seq2seq_bf16.py CONFIG CORPUS` prints results.

Two pipelines start from the same weights and learn from the same batches with the same dropout. They take steps in
turns, on one thread, in seconds of the processor. Then both are asked for their loss on the development part, with the
averages of the weights, in float32.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry

SMALL = os.environ.get("NLPKIT_BENCH_SMALL") == "1"
STEPS = 10 if SMALL else 200
PRECISIONS = {"ours": "bfloat16", "float32": "float32"}


class Learner:
    """A pipeline of a config that learns, with its optimizer."""

    def __init__(self, config: Path, corpus: Path, precision: str) -> None:
        """corpus: Folder with train.jsonl, dev.jsonl and subwords.json."""
        overrides: dict[str, Any] = {f"paths.{part}": str(corpus / f"{part}.jsonl") for part in ("train", "dev")}
        overrides["paths.subwords"] = str(corpus / "subwords.json")
        overrides["components.seq2seq.model.precision"] = precision
        filled = load_config(config, overrides, interpolate=True)
        self.nlp = init_nlp(filled)
        self.training = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
        self.corpora = registry.resolve({"corpora": filled["corpora"]})["corpora"]
        self.optimizer = self.training["optimizer"]
        self.seconds: list[float] = []

    def batches(self) -> Iterator[list[Example]]:
        """Batches of training, epoch after epoch."""
        while True:
            yield from self.training["batcher"](self.corpora["train"](self.nlp))

    def step(self, batch: list[Example], seed: int) -> None:
        """Learn from a batch; what is drawn at random is drawn by the seed."""
        random.seed(seed)
        torch.manual_seed(seed)
        start = time.process_time()
        self.nlp.update(batch, sgd=self.optimizer, drop=self.training["dropout"])
        self.optimizer.step_schedules()
        self.seconds.append(time.process_time() - start)

    def loss(self) -> float:
        """On the development part, per piece."""
        pipe: Any = self.nlp.get_pipe("seq2seq")
        with self.nlp.use_params(self.optimizer.averages):
            return math.log(pipe.perplexity(list(self.corpora["dev"](self.nlp))))


def main(config: Path, corpus: Path) -> None:
    """Measure, and print results in one line, as `write_metrics` takes them."""
    torch.set_num_threads(1)
    learners = {side: Learner(config, corpus, precision) for side, precision in PRECISIONS.items()}
    batches = zip(*(learner.batches() for learner in learners.values()))
    for seed, same in enumerate(itertools.islice(batches, STEPS)):
        for learner, batch in zip(learners.values(), same):
            learner.step(batch, seed)
    ours, theirs = (learner.seconds for learner in learners.values())
    sides = {
        side: {
            "steps": STEPS,
            "train_cpu_seconds": round(sum(learner.seconds), 1),
            "dev_loss": round(learner.loss(), 4),
        }
        for side, learner in learners.items()
    }
    # The ratio of each two steps of a batch: a step that something disturbed does not count.
    times = round(statistics.median(other / own for own, other in zip(ours, theirs, strict=True)), 3)
    result = {"ours": {**sides.pop("ours"), "times_float32": times}, "peers": sides, "seeds": [0]}
    print(json.dumps({"train_bfloat16": result}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
