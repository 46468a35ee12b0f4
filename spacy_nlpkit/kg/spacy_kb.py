"""From spaCy's own `InMemoryLookupKB` to a graph, and back."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, NlpkitError, Warnings
from .graph import Alias, Entity, KnowledgeGraph
from .memory import MemoryGraph

if TYPE_CHECKING:
    from spacy.kb import InMemoryLookupKB
    from spacy.vocab import Vocab

# The relation of the edge that keeps a frequency.
FREQUENCY = "frequency"


def from_lookup_kb(kb: InMemoryLookupKB, name: str = "graph", version: str = "1") -> MemoryGraph:
    """A graph with the entities, aliases, priors and vectors of spaCy's knowledge base.

    The label of an entity is its alias of highest prior, or its id where it has none; its prior that of its most
    ambiguous alias. Its frequency becomes an edge `frequency` to the number as text. There are neither types nor
    descriptions.
    """
    aliases: dict[str, list[Alias]] = defaultdict(list)
    frequencies: dict[str, float] = {}
    for text in sorted(kb.get_alias_strings()):
        for candidate in kb.get_alias_candidates(text):
            aliases[candidate.entity_].append(Alias(text, prior=round(float(candidate.prior_prob), 6)))
            frequencies[candidate.entity_] = float(candidate.entity_freq)
    ids = sorted(kb.get_entity_strings())
    entities = [_entity(identifier, aliases[identifier], frequencies.get(identifier)) for identifier in ids]
    vectors = np.array([kb.get_vector(identifier) for identifier in ids], dtype=np.float32)
    return MemoryGraph.from_entities(entities, name=name, version=version, source="InMemoryLookupKB", vectors=vectors)


def _entity(identifier: str, aliases: list[Alias], frequency: float | None) -> Entity:
    best = max(aliases, key=lambda alias: alias.prior or 0, default=Alias(identifier))
    return Entity(
        id=identifier,
        label=best.text,
        prior=min((alias.prior for alias in aliases if alias.prior is not None), default=0.5),
        aliases=tuple(aliases),
        edges=() if frequency is None else ((FREQUENCY, f"{frequency:g}"),),
    )


def to_lookup_kb(graph: KnowledgeGraph, vocab: Vocab, vectors: NDArray[np.floating] | None = None) -> InMemoryLookupKB:
    """spaCy's knowledge base with the entities, alias texts, priors and vectors of a graph.

    vectors: Of all entities, in their order: (entities, width); None for those of the graph.
    The frequency of an entity is its edge `frequency`, else 1,000 times its prior, at least 1. Where the priors of an
    alias add up to more than 1 they are scaled to 1. WARNS: NW151 of what has no place there. RAISES: N162.
    """
    from spacy.kb import InMemoryLookupKB

    rows = graph.vectors() if vectors is None else vectors
    if rows is None or np.ndim(rows) != 2 or len(rows) != graph.meta.n_entities:
        raise NlpkitError(Errors.N162.format(name=graph.meta.name, n_entities=graph.meta.n_entities))
    kb = InMemoryLookupKB(vocab, entity_vector_length=int(rows.shape[1]))
    entities = list(graph.iterate())
    kb.set_entities([entity.id for entity in entities], list(map(_frequency, entities)), rows.astype(np.float32))
    priors: dict[str, dict[str, float]] = defaultdict(dict)
    for entity in entities:
        for alias in entity.aliases:
            prior = entity.prior if alias.prior is None else alias.prior
            priors[alias.text][entity.id] = max(prior, priors[alias.text].get(entity.id, 0.0))
    for text, shares in priors.items():
        total = max(sum(shares.values()), 1.0)
        kb.add_alias(text, list(shares), [share / total for share in shares.values()])
    lost = _lost(entities)
    if lost:
        warnings.warn(Warnings.NW151.format(name=graph.meta.name, lost=lost), stacklevel=2)
    return kb


def _frequency(entity: Entity) -> float:
    texts = [target for relation, target in entity.edges if relation == FREQUENCY]
    try:
        return float(texts[0])
    except (IndexError, ValueError):
        return max(1.0, round(1000 * entity.prior))


def _lost(entities: list[Entity]) -> str:
    counts = {
        "labels, as one of several names": sum(len(entity.aliases) > 1 for entity in entities),
        "types": sum(bool(entity.types) for entity in entities),
        "descriptions": sum(bool(entity.description) for entity in entities),
        "edges": sum(relation != FREQUENCY for entity in entities for relation, _ in entity.edges),
        "ids in other graphs": sum(len(entity.xref) for entity in entities),
        "kinds of aliases": sum(alias.kind != "name" for entity in entities for alias in entity.aliases),
        "dates of aliases": sum(bool(alias.start or alias.end) for entity in entities for alias in entity.aliases),
        "languages of aliases": sum(bool(alias.language) for entity in entities for alias in entity.aliases),
        "exchanges of aliases": sum(bool(alias.exchange) for entity in entities for alias in entity.aliases),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
