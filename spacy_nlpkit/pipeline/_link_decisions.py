"""What `kg_linker` decides of each mention, and what it writes on the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..attributes import set_link
from ..kg.candidates import SOURCES, Candidates
from ..kg.graph import Entity, KnowledgeGraph
from ..ty import NIL, Candidate, Link
from ._link_mentions import DocMentions
from ._link_scoring import Chances

# Chances are rounded: their last digits depend on which texts were computed together. None is certain, so that a
# threshold of 1 links nothing.
DIGITS = 6
_MOST = 1.0 - 10.0**-DIGITS
# What stands in addresses as it is, beside letters and digits; an id may be one itself.
_PLAIN = "-._~:/?#[]@!$&()*+,;=%"
# First token, end and label of a span.
_Place = tuple[int, int, str]


class Decision:
    """The links of the mentions of a batch, read from the graph all at once.

    threshold: Least chance of a linked entity; None links where an entity is more probable than none.
    """

    def __init__(self, graph: KnowledgeGraph, found: Candidates, chances: Chances, threshold: float | None) -> None:
        self._graph = graph
        self._chance, self._nil = (np.minimum(np.round(each, DIGITS), _MOST) for each in chances)
        self._threshold = threshold
        order = np.lexsort((found.entity, -graph.priors()[found.entity], -self._chance, found.mention))
        self._found = found.take(order)
        self._chance = self._chance[order]
        self._bounds = np.searchsorted(self._found.mention, np.arange(len(self._nil) + 1))
        self._ids = graph.ids(self._found.entity)
        self._labels = graph.labels(self._found.entity)
        self._aliases = graph.alias_texts(self._found.alias)

    def links(self) -> list[tuple[str, Link]]:
        """The id, or NIL, and the link of each mention."""
        best = self._bounds[:-1]
        has = self._bounds[1:] > best
        linked = np.zeros(len(best), bool)
        least = self._nil[has] if self._threshold is None else self._threshold
        linked[has] = self._chance[best[has]] >= least
        distinct = np.unique(self._found.entity[best[linked]])
        described = dict(zip(distinct.tolist(), self._graph.entities(distinct)))
        return [self._link(place, bool(is_linked), described) for place, is_linked in enumerate(linked)]

    def _link(self, place: int, linked: bool, described: Mapping[int, Entity]) -> tuple[str, Link]:
        start, end = int(self._bounds[place]), int(self._bounds[place + 1])
        candidates = [self._candidate(row) for row in range(start, end)]
        if not linked:
            status, score = ("nil", float(self._nil[place])) if candidates else ("no_candidates", None)
            return NIL, make_link(status, candidates, score)
        entity = described[int(self._found.entity[start])]
        template = self._graph.meta.uri_template
        return entity.id, {
            "candidates": candidates,
            "score": candidates[0]["score"],
            "uri": template.replace("{id}", quote(entity.id, safe=_PLAIN)) if template else None,
            "types": list(entity.types),
            "description": entity.description or None,
            "status": "linked",
        }

    def _candidate(self, row: int) -> Candidate:
        bits = int(self._found.source[row])
        return {
            "id": self._ids[row],
            "label": self._labels[row],
            "score": float(self._chance[row]),
            "source": "+".join(name for name, bit in SOURCES.items() if bits & bit),
            "alias": self._aliases[row],
        }


def make_link(status: Any, candidates: list[Candidate] | None = None, score: float | None = None) -> Link:
    """A link to nothing."""
    return {
        "candidates": candidates or [], "score": score, "uri": None, "types": [], "description": None, "status": status
    }  # fmt: skip


def write_links(
    docs: Sequence[Doc],
    mentions: DocMentions,
    links: Sequence[tuple[str, Link]],
    spans_key: str | None,
    no_match: str | None,
) -> None:
    """Write ids and links on the mentions of documents, and on the spans that were passed over that they were, unless
    another linker has looked at them.

    spans_key: The group of the spans; None for entities. no_match: Address and description where nothing is linked.
    """
    # With the id that a span has: another component's.
    skipped = [(span, (span.kb_id_, make_link("skipped"))) for span in mentions.skipped if span._.kb_status is None]
    written = [*zip(mentions.spans, links), *skipped]
    groups: dict[int, dict[_Place, tuple[str, Link]]] = {}
    numbers = {id(doc): number for number, doc in enumerate(docs)}
    for span, (kb_id, link) in written:
        if link["status"] != "linked" and no_match is not None:
            link["uri"] = link["description"] = no_match
        if spans_key is None:
            for token in span:
                token.ent_kb_id_ = kb_id
            set_link(span, link)
        else:
            of_doc = groups.setdefault(numbers[id(span.doc)], {})
            of_doc[(span.start, span.end, span.label_)] = (kb_id, link)
    for number, of_doc in groups.items():
        _write_group(docs[number], str(spans_key), of_doc)


def _write_group(doc: Doc, key: str, links: Mapping[_Place, tuple[str, Link]]) -> None:
    """Make the spans of a group anew: spaCy keeps an id only of a span that was made with it."""
    group = doc.spans[key]
    spans = []
    for span in group:
        kb_id, link = links.get((span.start, span.end, span.label_), (span.kb_id_, None))
        spans.append(Span(doc, span.start, span.end, label=span.label_, kb_id=kb_id, span_id=span.id_))
        if link is not None:
            set_link(spans[-1], link, in_group=True)
    doc.spans[key] = SpanGroup(doc, name=group.name, attrs=dict(group.attrs), spans=spans)
