"""Twins: entities of one name that a text tells apart only to those who have learned which words go together."""

from __future__ import annotations

from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.pipeline.kg_linker import KgLinker
from spacy_nlpkit.ty import NIL

NAMES = ("Acorn", "Borea", "Cedar", "Delta")
URI = "https://kb.example.org/{id}"


def twins(*names: str) -> list[Entity]:
    """Of each name a mine and a bank, as likely as each other."""
    return [
        Entity(
            id=f"{name.lower()}-{kind}",
            label=f"{name} {kind.title()}",
            types=("Company",),
            description=description,
            prior=0.5,
            aliases=(Alias(name, prior=0.5),),
        )
        for name in names
        for kind, description in (("bank", "Lends money"), ("mine", "Digs copper"))
    ]


GRAPH = MemoryGraph.from_entities(twins(*NAMES), name="twins", uri_template=URI)


def linked(text: str, name: str, kb_id: str) -> tuple[str, dict[str, Any]]:
    """A text with one organization and its id."""
    start = text.index(name)
    bounds = (start, start + len(name))
    return text, {"entities": [(*bounds, "ORG")], "links": {bounds: {kb_id: 1.0}}}


# No word of a description stands in a text.
GOLD = [
    linked("The shaft of Acorn was drilled today .", "Acorn", "acorn-mine"),
    linked("A branch of Acorn took deposits today .", "Acorn", "acorn-bank"),
    linked("Borea closed a shaft after rain .", "Borea", "borea-mine"),
    linked("Borea rose as deposits grew .", "Borea", "borea-bank"),
    linked("Fans of Cedar sang in the stadium .", "Cedar", NIL),
]


@Language.component("contract_names")
def mark_names(doc: Doc) -> Doc:
    """Mark the names as entities, as a recognizer that forgets nothing when it is initialized."""
    names = {name.lower() for name in NAMES}
    doc.ents = doc.ents or [Span(doc, token.i, token.i + 1, "ORG") for token in doc if token.lower_ in names]
    return doc


def prepare(nlp: Language, name: str) -> None:
    """Names are marked before the linker and what it listens to, and it gets the graph."""
    nlp.add_pipe("contract_names", first=True)
    pipe = nlp.get_pipe(name)
    assert isinstance(pipe, KgLinker)
    pipe.set_kb(GRAPH)


def snapshot_links(doc: Doc) -> list[dict[str, Any]]:
    """All that `kg_linker` writes on the entities of a document."""
    return [
        {
            "start": ent.start_char,
            "id": ent.kb_id_,
            "candidates": ent._.kb_candidates,
            "score": ent._.kb_score,
            "uri": ent._.kb_uri,
            "types": ent._.kb_types,
            "description": ent._.kb_description,
            "status": ent._.kb_status,
        }
        for ent in doc.ents
        if ent._.kb_status is not None
    ]


def decides_for_links(doc: Doc) -> bool:
    """Whether any entity of a document is linked."""
    return any(ent.kb_id_ not in ("", NIL) for ent in doc.ents)
