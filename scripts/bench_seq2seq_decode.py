"""Engines of decoding with the same weights: `python scripts/bench_seq2seq_decode.py MODEL PAIRS` prints results.

All decode the same batches of 64 sources of about one length, in turns, on one thread; a round is one turn of each.
What counts is seconds of the processor, so that other processes on the machine do not count. Figures are medians of the
rounds. Beside the speed stand the BLEU of what each writes, and of how many sources engines write the same.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import spacy
import srsly
import torch
from bench_seq2seq_generate import Generate
from sacrebleu.metrics import BLEU

from spacy_nlpkit.layers.seq2seq.beam import beam_search
from spacy_nlpkit.layers.seq2seq.constraints import Constraints
from spacy_nlpkit.layers.seq2seq.model import module_of
from spacy_nlpkit.layers.seq2seq.options import SearchOptions
from spacy_nlpkit.layers.seq2seq.padding import pad_pieces
from spacy_nlpkit.pipeline._seq2seq_engine import open_engine
from spacy_nlpkit.pipeline._seq2seq_store import encode_sources

SMALL = os.environ.get("NLPKIT_BENCH_SMALL") == "1"
BATCH = 64
# After one round to warm up, which is not counted.
ROUNDS = 1 if SMALL else 5
PEER = "Hugging Face generate"
TORCH, BF16 = "torch", "torch_bfloat16"
CT2, INT8 = "ctranslate2", "ctranslate2_int8"

Pieces = list[list[int]]
Decode = Callable[[Pieces, SearchOptions], Pieces]


def engines_of(pipe: Any) -> dict[str, Decode]:
    """Ways to decode with the model of a `seq2seq`."""

    def by(backend: str, compute_type: str = "float32") -> Decode:
        engine = open_engine(pipe.model, backend, compute_type)
        return lambda batch, options: [list(row[0].pieces) for row in engine.write(batch, options, [[]] * len(batch))]

    engines = {TORCH: by("torch"), BF16: by("torch", "bfloat16")}
    engines |= {CT2: by("ctranslate2"), INT8: by("ctranslate2", "int8")}
    return {**engines, PEER: Generate(module_of(pipe.model))}


def batches_of(rows: Sequence[list[int]]) -> Iterator[list[int]]:
    """Numbers of rows in batches, longest rows first."""
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
    for first in range(0, len(order), BATCH):
        yield order[first : first + BATCH]


def decode(engine: Decode, rows: Pieces, options: SearchOptions) -> tuple[Pieces, float]:
    """What an engine writes for all rows, and the seconds of the processor it takes."""
    found: Pieces = [[] for _ in rows]
    start = time.process_time()
    for batch in batches_of(rows):
        for number, pieces in zip(batch, engine([rows[number] for number in batch], options)):
            found[number] = pieces
    return found, time.process_time() - start


def by_one_beam(pipe: Any) -> Decode:
    """The search of several beams with one, which must find what the search without beams finds."""
    module = module_of(pipe.model).eval()

    def search(batch: Pieces, options: SearchOptions) -> Pieces:
        device = torch.device("cpu")
        limits = [int(options.max_ratio * len(row) + options.max_extra) for row in batch]
        lowest = [max(options.min_length, int(options.min_ratio * len(row))) for row in batch]
        with torch.inference_mode():
            cache = module.start(module.encode(*pad_pieces(batch, module.special.pad, device)), 1)
            constraints = Constraints(options, module.special, lowest, [[]] * len(batch), 1, device)
            return [list(row[0].pieces) for row in beam_search(module, cache, constraints, limits, options)]

    return search


def equal(one: Pieces, other: Pieces) -> int:
    """How many rows are the same."""
    return sum(a == b for a, b in zip(one, other, strict=True))


def _figures(found: Pieces, seconds: list[float], texts: list[str], wanted: list[str]) -> dict[str, Any]:
    return {
        "sentences_per_cpu_second": round(len(found) / statistics.median(seconds), 1),
        "pieces_written": sum(map(len, found)),
        "seq2seq_bleu": round(BLEU().corpus_score(texts, [wanted]).score / 100, 4),
    }


def main(model: Path, pairs: Path) -> None:
    """Measure, and print results in one line, as `write_metrics` takes them."""
    torch.set_num_threads(1)
    nlp = spacy.load(model)
    pipe: Any = nlp.get_pipe("seq2seq")
    source, target = pipe.require_subwords()
    lines = list(srsly.read_jsonl(pairs))
    rows = encode_sources(source, [line["text"] for line in lines])
    wanted = [line["target"] for line in lines]
    engines = engines_of(pipe)
    results: dict[str, Any] = {}
    written: dict[str, dict[str, Pieces]] = {}
    for search, beams in (("greedy", 1), ("beam5", 5)):
        options = replace(pipe.search, beams=beams, n_best=1)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        found = written[search] = {}
        for number in range(ROUNDS + 1):
            for name, engine in engines.items():
                found[name], took = decode(engine, rows, options)
                if number:
                    seconds[name].append(took)
        peer = _figures(found[PEER], seconds[PEER], target.decode(found[PEER]), wanted)
        for name in [name for name in engines if name != PEER]:
            figures = _figures(found[name], seconds[name], target.decode(found[name]), wanted)
            times = statistics.median(theirs / own for own, theirs in zip(seconds[name], seconds[PEER], strict=True))
            figures |= {"times_generate": round(times, 3), "same_as_generate": equal(found[name], found[PEER])}
            results[f"decode_{search}_{name}"] = {"ours": figures, "peers": {PEER: peer}, "seeds": []}
    greedy = replace(pipe.search, beams=1, n_best=1)
    of_one_beam, _ = decode(by_one_beam(pipe), rows, greedy)
    scores = {name: results[f"decode_beam5_{name}"]["ours"]["seq2seq_bleu"] for name in (TORCH, CT2, BF16, INT8)}
    limits = [int(greedy.max_ratio * len(row) + greedy.max_extra) for row in rows]
    agreement = {
        "sentences": len(rows),
        # Limits of length are those of a source in torch, of a batch in generate, and rounded up in CTranslate2: texts
        # that do not end by themselves differ.
        "greedy_without_end": sum(len(row) >= most for row, most in zip(written["greedy"][TORCH], limits, strict=True)),
        "torch_same_as_ctranslate2_greedy": equal(written["greedy"][TORCH], written["greedy"][CT2]),
        "torch_same_as_ctranslate2_beam5": equal(written["beam5"][TORCH], written["beam5"][CT2]),
        "one_beam_same_as_greedy": equal(of_one_beam, written["greedy"][TORCH]),
        "int8_bleu_loss_beam5": round(scores[CT2] - scores[INT8], 4),
        "bfloat16_bleu_loss_beam5": round(scores[TORCH] - scores[BF16], 4),
    }
    results["decode_agreement"] = {"ours": agreement, "peers": {}, "seeds": []}
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
