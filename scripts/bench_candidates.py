"""Benchmark of the candidate index: `python scripts/bench_candidates.py DATA [--million]`.

Names of listed companies come from the tables in DATA/ticker_tables; the queries are such names with noise, by a fixed
seed. A million names are those and others from a word-bigram model of them, which is dense with near-duplicates. An
entity counts as found at rank 10 where it is one of the first ten distinct entities. Each method answers one query a
call, on one thread: no part of any starts more. Ours runs in a process of its own that maps the index into memory.
"""

from __future__ import annotations

import csv
import gzip
import multiprocessing
import random
import re
import resource
import string
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spacy_nlpkit.compat import is_installed
from spacy_nlpkit.kg.name_index import NameIndex
from spacy_nlpkit.normalise import name_key

SEED = 0
PER_NOISE = 200
MILLION = 1_000_000
# Queries for peers that look at every name, among a million.
FEW = 100
RANKS = 10
# Names that ours is asked for, so that ten entities are among them.
ASKED = 40

_SECURITY = re.compile(
    r"\s+(?:Class [A-Z]|Series [A-Z]|Sponsored|Subordinate Voting|American Deposit[ao]ry|Common|Ordinary|Units?"
    r"|Warrants?|Rights?|Preferred|Depositary|New York Registry|Voting)\b.*$"
)
_STATE = re.compile(r"/\w+/?$")
_LEGAL_FORM = re.compile(
    r",?\s+(?:inc|corp|corporation|ltd|limited|plc|co|company|llc|lp|holdings|n\.?v|ag|s\.?a)\.?$", re.IGNORECASE
)
_LEGAL_FORMS = ("Inc", "Inc.", "Corp", "Corp.", "Corporation", "Ltd", "Ltd.", "PLC", "Co", "Company", "LLC", "Holdings")


class Names(NamedTuple):
    """Names, and the number of the entity of each."""

    texts: list[str]
    entities: list[int]


class Query(NamedTuple):
    """A name with noise, the entity that it is of, and the kind of noise."""

    text: str
    entity: int
    noise: str


# ---- names ----


def company_names(data: Path) -> Names:
    """The names of listed companies; those of one number of the SEC, or with one key, are of one entity."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    names: dict[str, set[str]] = defaultdict(set)
    number_of: dict[str, str] = {}
    for row in _table(data / "sec_company_tickers.tsv.gz"):
        names[f"cik {row['cik']}"].add(row["title"])
        number_of.setdefault(row["ticker"], f"cik {row['cik']}")
    for row in _table(data / "us_listed_2026.tsv.gz"):
        names[number_of.get(row["ticker"], f"name {row['name']}")].add(row["name"])
    for owner, texts in sorted(names.items()):
        for text in sorted(texts):
            for form in (text, _SECURITY.sub("", text)):
                parent[root(owner)] = root(f"key {name_key(_STATE.sub('', form))}")
    groups: dict[str, set[str]] = defaultdict(set)
    for owner, texts in names.items():
        groups[root(owner)].update(*((text, _SECURITY.sub("", text)) for text in texts))
    ordered = sorted(sorted(group) for group in groups.values())
    return Names(
        [text for group in ordered for text in group],
        [number for number, group in enumerate(ordered) for _ in group],
    )


def _table(path: Path) -> Iterable[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf8", newline="") as file_:
        yield from csv.DictReader(file_, delimiter="\t")


def million_names(names: Names) -> Names:
    """The names, and as many others of a word-bigram model of them as a million needs, each an entity of its own."""
    rng = random.Random(SEED)
    following: dict[str, list[str]] = defaultdict(list)
    for text in names.texts:
        words = ["", *text.split(), ""]
        for word, after in pairwise(words):
            following[word].append(after)
    seen, texts = set(names.texts), list(names.texts)
    while len(texts) < MILLION:
        made = [rng.choice(following[""])]
        while made[-1] and len(made) <= 10:
            made.append(rng.choice(following[made[-1]]))
        text = " ".join(made).strip()
        if text not in seen:
            seen.add(text)
            texts.append(text)
    first = max(names.entities) + 1
    return Names(texts, [*names.entities, *range(first, first + len(texts) - len(names.texts))])


# ---- noise ----


def _typo(rng: random.Random, text: str) -> str:
    place, letter = rng.randrange(len(text)), rng.choice(string.ascii_lowercase)
    before, here, after = text[:place], text[place], text[place + 1 :]
    turned = f"{before}{after[:1]}{here}{after[1:]}"
    return rng.choice([f"{before}{letter}{after}", f"{before}{letter}{here}{after}", before + after, turned])


def _legal_form(rng: random.Random, text: str) -> str:
    return f"{_LEGAL_FORM.sub('', text)} {rng.choice(_LEGAL_FORMS)}"


def _dropped_word(rng: random.Random, text: str) -> str:
    """Without one word; never the first, which often is all that tells the company from others."""
    words = text.split()
    if len(_LEGAL_FORM.sub("", text).split()) < 2:
        return _typo(rng, text)
    del words[rng.randrange(1, len(words))]
    return " ".join(words)


def _spelling(rng: random.Random, text: str) -> str:
    """Another case, a blank less, or another `and`."""
    conjunction = text.replace("&", "and") if "&" in text else text.replace(" and ", " & ")
    return rng.choice([text.upper(), text.lower(), text.replace(" ", "", 1), conjunction, text.replace(" ", "-")])


NOISES: dict[str, Callable[[random.Random, str], str]] = {
    "one typo": _typo,
    "two typos": lambda rng, text: _typo(rng, _typo(rng, text) or text),
    "legal form": _legal_form,
    "dropped word": _dropped_word,
    "spelling": _spelling,
    "mixed": lambda rng, text: _typo(rng, rng.choice([_legal_form, _dropped_word, _spelling])(rng, text)),
}


def noisy_queries(names: Names) -> list[Query]:
    """`PER_NOISE` queries of each kind of noise."""
    rng = random.Random(SEED)
    return [
        Query(change(rng, names.texts[number]), names.entities[number], noise)
        for noise, change in NOISES.items()
        for number in rng.sample(range(len(names.texts)), PER_NOISE)
    ]


# ---- methods ----


class Answers(NamedTuple):
    """Numbers of the names that a method found, best first; what each query took in seconds of the clock, and all of
    them in seconds of the processor, which counts nothing that other processes did."""

    found: list[list[int]]
    wall: list[float]
    cpu: float


def ask(search: Callable[[str], Iterable[int]], queries: Sequence[Query]) -> Answers:
    """Ask one query after the other; `search` gives numbers of names, best first."""
    search(queries[0].text)
    found, wall, cpu = [], [], time.process_time()
    for query in queries:
        start = time.perf_counter()
        found.append(list(search(query.text)))
        wall.append(time.perf_counter() - start)
    return Answers(found, wall, time.process_time() - cpu)


def figures(answers: Answers, names: Names, queries: Sequence[Query]) -> dict[str, Any]:
    """Recall over distinct entities, and speed."""
    places = []
    for found, query in zip(answers.found, queries):
        entities = list(dict.fromkeys(names.entities[number] for number in found))[:RANKS]
        places.append(entities.index(query.entity) if query.entity in entities else RANKS)
    first, found_at_all = np.array(places) < 1, np.array(places) < RANKS
    kinds = np.array([query.noise for query in queries])
    return {
        "recall_at_1": round(float(first.mean()), 4),
        "recall_at_10": round(float(found_at_all.mean()), 4),
        "recall_at_10_by_noise": {noise: round(float(found_at_all[kinds == noise].mean()), 4) for noise in NOISES},
        "queries": len(queries),
        "queries_per_second": round(len(queries) / sum(answers.wall)),
        "queries_per_cpu_second": round(len(queries) / answers.cpu),
        "median_ms": round(float(np.median(answers.wall)) * 1000, 3),
        "p99_ms": round(float(np.percentile(answers.wall, 99)) * 1000, 3),
    }


def ours(names: Names, queries: Sequence[Query]) -> dict[str, Any]:
    """The index: built here, searched in a new process."""
    start = time.perf_counter()
    index = NameIndex.build(names.texts)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        for name, part in index.arrays().items():
            np.save(Path(folder, f"{name}.npy"), part)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            answers, costs = pool.apply(_search_mapped, (folder, queries))
    found = figures(answers, names, queries)
    return {**found, **costs, "build_seconds": round(seconds, 2), "size_mb": round(size / 2**20, 1)}


def _search_mapped(folder: str, queries: Sequence[Query]) -> tuple[Answers, dict[str, Any]]:
    start = time.perf_counter()
    index = NameIndex.from_arrays({path.stem: np.load(path, mmap_mode="r") for path in Path(folder).glob("*.npy")})
    opened = time.perf_counter() - start
    answers = ask(lambda text: index.search([text], ASKED).alias.tolist(), queries)
    start = time.process_time()
    index.search([query.text for query in queries], ASKED)
    batched = len(queries) / (time.process_time() - start)
    return answers, {
        "batched_queries_per_cpu_second": round(batched),
        "open_seconds": round(opened, 4),
        "peak_rss_mb": round(_peak_mb(), 1),
    }


def _peak_mb() -> float:
    """The most memory that this process had. On Linux `ru_maxrss` also counts what its parent had at the start."""
    if sys.platform == "linux":
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert peak is not None
        return int(peak[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def exact_peer(keys: Sequence[str]) -> Callable[[str], Iterable[int]]:
    """A dictionary of keys."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        numbers[key].append(number)
    return lambda text: numbers.get(name_key(text), [])


def scan_peer(keys: Sequence[str]) -> Callable[[str], Iterable[int]]:
    """rapidfuzz: Jaro-Winkler with every key."""
    from rapidfuzz.distance import JaroWinkler
    from rapidfuzz.process import cdist

    def search(text: str) -> Iterable[int]:
        scores = cdist([name_key(text)], keys, scorer=JaroWinkler.normalized_similarity, dtype=np.float32)[0]
        return _best(np.arange(len(scores)), scores)

    return search


def tfidf_peer(keys: Sequence[str]) -> Callable[[str], Iterable[int]]:
    """scikit-learn: TF-IDF of character trigrams, and a sparse product."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), dtype=np.float32)
    matrix = vectorizer.fit_transform(keys).T.tocsr()

    def search(text: str) -> Iterable[int]:
        product = vectorizer.transform([name_key(text)]) @ matrix
        return _best(product.indices, product.data)

    return search


def _best(numbers: Any, scores: Any) -> list[int]:
    chosen = np.argpartition(scores, -ASKED)[-ASKED:] if len(scores) > ASKED else np.arange(len(scores))
    return list(numbers[chosen[np.lexsort((numbers[chosen], -scores[chosen]))]].tolist())


def compare(names: Names, queries: Sequence[Query]) -> dict[str, Any]:
    """Ours and the peers that are installed, on the same names; peers that are slow on fewer queries."""
    size = {"names": len(names.texts), "entities": max(names.entities) + 1}
    found = {**size, **ours(names, queries)}
    print("ours", found, flush=True)
    keys = [name_key(text) for text in names.texts]
    few = queries if len(keys) < MILLION else random.Random(SEED).sample(queries, FEW)
    makers = {"exact": (exact_peer, queries), "rapidfuzz Jaro-Winkler": (scan_peer, few)}
    if is_installed("sklearn"):
        makers["scikit-learn TF-IDF"] = (tfidf_peer, few)
    peers = {}
    for name, (make, asked) in makers.items():
        peers[name] = figures(ask(make(keys), asked), names, asked)
        print(name, peers[name], flush=True)
    return {"ours": found, "peers": peers, "seeds": [SEED]}


def bench(data: Path, million: bool) -> dict[str, Any]:
    """Results by name of the benchmark, as `spacy_nlpkit.metrics.write_metrics` takes them."""
    names = company_names(data / "ticker_tables")
    queries = noisy_queries(names)
    results = {"candidates_companies": compare(names, queries)}
    if million:
        results["candidates_million"] = compare(million_names(names), queries)
    return results


if __name__ == "__main__":
    bench(Path(sys.argv[1]), "--million" in sys.argv[2:])
