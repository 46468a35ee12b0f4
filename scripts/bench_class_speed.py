"""Speed of prediction: whole pipelines from text beside spaCy's `textcat`, and bare models beside fastText."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spacy
import srsly
from bench_class_peers import FASTTEXT, TEXTCAT, as_texts, predict_fasttext, train_fasttext
from bench_tools import words_per_second
from spacy.tokens import DocBin

from spacy_nlpkit.compat import is_installed

PASSES = 5


def speeds(corpus: Path, output: Path) -> dict[str, Any]:
    """Texts a second on one thread.

    corpus (Path): Folder of AG News as the benchmark converts it; its test texts are read.
    output (Path): Folder with trained pipelines: `bag`, `full/ours` and `full/textcat`.
    RETURNS: Results for the metrics file: whole pipelines by `nlp.pipe`, tokenizer included, each in processes of its
        own, and bare models given the tokens, in turns in this one.
    """
    docs = list(DocBin().from_disk(corpus / "test.spacy").get_docs(spacy.blank("en").vocab))
    texts = corpus / "speed.jsonl"
    srsly.write_jsonl(texts, [{"text": doc.text} for doc in docs])
    n_words = sum(len(doc) for doc in docs)
    models = {"bag": output / "bag", "ensemble": output / "full" / "ours", TEXTCAT: output / "full" / "textcat"}
    rates = words_per_second({name: (folder / "model-best", 0.0) for name, folder in models.items()}, texts)
    sides = {
        name: {"words_per_second": rate, "texts_per_second": round(rate * len(docs) / n_words, 1)}
        for name, rate in rates.items()
    }
    results = {
        f"agnews_speed_{name}": {"ours": sides[name], "peers": {TEXTCAT: sides[TEXTCAT]}, "seeds": [0]}
        for name in ("bag", "ensemble")
    }
    if is_installed("fasttext"):
        results["agnews_speed_bare_model"] = bare(corpus, output / "bag" / "model-best")
    return results


def bare(corpus: Path, model: Path) -> dict[str, Any]:
    """Texts a second of the model alone, given spaCy's tokens, and of fastText, given words joined by blanks."""
    nlp = spacy.load(model)
    pipe: Any = nlp.get_pipe("text_classifier")
    tokenizer: Any = nlp.tokenizer
    docs = list(tokenizer.pipe(item["text"] for item in srsly.read_jsonl(corpus / "speed.jsonl")))
    words = [" ".join(token.lower_ for token in doc) for doc in docs]
    train = list(DocBin().from_disk(corpus / "full" / "train.spacy").get_docs(nlp.vocab))
    peer = train_fasttext(as_texts(train, pipe.labels))
    ours, theirs = _in_turns(lambda: pipe.predict(docs), lambda: predict_fasttext(peer, words))
    sides = [{"texts_per_second": round(len(docs) / seconds, 1)} for seconds in (ours, theirs)]
    return {"ours": sides[0], "peers": {FASTTEXT: sides[1]}, "seeds": [0]}


def _in_turns(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of each over passes by turns, after one to warm up."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(PASSES + 1):
        for function, found in zip((first, second), seconds):
            start = time.perf_counter()
            function()
            found.append(time.perf_counter() - start)
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])
