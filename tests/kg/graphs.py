"""Small graphs that the tests of the knowledge graph share."""

from __future__ import annotations

import json
from pathlib import Path

from spacy_nlpkit.kg.build import build_graph
from spacy_nlpkit.kg.collecting import GraphInfo
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.report import BuildReport

ROOT = Path(__file__).resolve().parents[2]
NEWSWIRE = ROOT / "assets" / "newswire" / "kb.jsonl"

ENTITIES = [
    Entity(
        id="org:meta",
        label="Meta Platforms",
        types=("Company", "NewsMedia"),
        description="Owner of Facebook",
        prior=0.9,
        aliases=(
            Alias("Facebook", prior=0.8),
            Alias("Meta", prior=0.25, language="en"),
            Alias("FB", "ticker", exchange="NASDAQ", start="2012-05-18", end="2022-06-08"),
            Alias("META", "ticker", exchange="NASDAQ", start="2022-06-09"),
        ),
        edges=(("headquartered_in", "gpe:menlo-park"), ("sector", "media"), ("parent", "org:nobody")),
        xref={"wikidata": "Q380"},
    ),
    Entity(
        id="org:roundhill",
        label="Roundhill Ball Metaverse",
        types=("Fund",),
        prior=0.4,
        aliases=(Alias("META", "ticker", exchange="NYSE", start="2021-06-30", end="2022-01-31"), Alias("Meta")),
    ),
    Entity(id="gpe:menlo-park", label="Menlo Park", types=("City",), edges=(("state", "gpe:california"),)),
    Entity(id="gpe:california", label="California", aliases=(Alias("Kalifornien", language="de"), Alias("☀"))),
]


def build(path: Path, entities=ENTITIES, **settings) -> Path:
    """Build a folder of a graph; returns its path."""
    build_graph(entities, path, GraphInfo("small"), settings.pop("report", None) or BuildReport(), **settings)
    return path


def write_records(path: Path, *records) -> Path:
    """Write records of JSON, or lines as they are."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
    return path
