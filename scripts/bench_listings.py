"""A listing table for the ticker_ner benchmark, made of the benchmark folder's graph and ticker tables and of newswire.

Rows are names with a label: ORG, PERSON, GPE, TICKER, and the parts of people's names as FIRST and LAST.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import srsly

from spacy_nlpkit.util import atomic_write

Row = tuple[str, str]

# What the short descriptions of the graph's entities begin with, by label; the first that fits decides.
_KINDS = {
    "ORG": "company|corporation|university|college|organi[sz]ation|team|club|agency|party|studio|network|bank|"
    "newspaper|magazine|airline|manufacturer|publisher|league|institution|school|conglomerate|retailer|label|channel|franchise|"
    "association|federation|brand",
    "PERSON": "act(?:or|ress)|politician|singer|songwriter|player|footballer|director|writer|author|president|king|"
    "queen|emperor|musician|rapper|composer|producer|screenwriter|journalist|lawyer|business(?:man|woman)|philosopher|"
    "scientist|physicist|comedian|model|coach|athlete|cinematographer|editor|artist|painter|poet|novelist|economist|"
    "mathematician|general|statesman|golfer|wrestler|boxer|engineer|inventor",
    "GPE": "country|city|state|province|county|town|capital|municipality|republic|kingdom|commune|borough|village|"
    "district",
}
_PATTERNS = {label: re.compile(rf"\b(?:{words})\b") for label, words in _KINDS.items()}
_NEWSWIRE = {"org": "ORG", "person": "PERSON", "gpe": "GPE"}


def build_listings(data: Path, newswire: Path, output: Path) -> None:
    """Write the table as JSONL, each name once a label."""
    rows = dict.fromkeys([*_graph(data / "knowledge_graph"), *_newswire(newswire), *_tickers(data / "ticker_tables")])
    with atomic_write(output) as file_:
        file_.writelines(json.dumps({"name": name, "label": label}) + "\n" for name, label in rows if len(name) > 1)


def _graph(folder: Path) -> Iterator[Row]:
    with gzip.open(folder / "entities.jsonl.gz", "rt", encoding="utf8") as lines:
        for entity in map(json.loads, lines):
            label = _kind(entity["description"] or "")
            if label and entity["label"][:1].isupper():
                aliases = (alias for alias in entity["aliases"] if alias[:1].isupper() and len(alias) > 3)
                yield from _named(entity["label"], aliases, label)


def _kind(description: str) -> str | None:
    head = description.split(" in ")[0]
    for text in (head, description):
        for label, pattern in _PATTERNS.items():
            if pattern.search(text):
                return label
    return None


def _newswire(path: Path) -> Iterator[Row]:
    for entity in srsly.read_jsonl(path):
        aliases = (alias["text"] for alias in entity["aliases"] if alias["kind"] == "name")
        yield from _named(entity["label"], aliases, _NEWSWIRE[entity["id"].split(":")[0]])


def _named(name: str, aliases: Iterator[str], label: str) -> Iterator[Row]:
    yield name, label
    for alias in aliases:
        yield alias, label
    parts = name.split()
    if label == "PERSON" and len(parts) > 1:
        yield parts[0], "FIRST"
        yield parts[-1], "LAST"


def _tickers(folder: Path) -> Iterator[Row]:
    for row in _read_table(folder / "sec_company_tickers.tsv.gz", delimiter="\t"):
        yield row["title"], "ORG"
        yield row["ticker"], "TICKER"
    for row in _read_table(folder / "wikidata_ticker_aliases.csv.gz"):
        for alias in row["aliases"].split("|"):
            if len(alias) > 3:
                yield alias, "ORG"


def _read_table(path: Path, **settings: Any) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf8", newline="") as lines:
        yield from csv.DictReader(lines, **settings)
