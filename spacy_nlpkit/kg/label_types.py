"""Which kinds of entities a recognizer's label stands for, by words in the names of their types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from .candidates import Mention
from .graph import Floats, Ints, KnowledgeGraph

_PERSON = frozenset({
    "person", "human", "people", "actor", "artist", "author", "musician", "politician", "player", "athlete",
    "scientist", "writer", "singer", "composer", "director", "journalist", "lawyer", "poet", "model", "screenwriter",
    "producer",
})  # fmt: skip
_PLACE = frozenset({
    "place", "city", "town", "village", "country", "state", "county", "district", "municipality", "capital", "region",
    "province", "territory", "location", "settlement", "island", "continent", "river", "lake", "mountain", "sea",
    "ocean", "borough", "suburb", "neighborhood", "gpe", "nation", "commune", "republic", "kingdom", "geographic",
})  # fmt: skip
_ORGANIZATION = frozenset({
    "organization", "organisation", "company", "corporation", "business", "enterprise", "bank", "agency", "institution",
    "university", "college", "school", "team", "club", "league", "party", "government", "ministry", "body", "media",
    "newspaper", "broadcaster", "network", "exchange", "band", "union", "association", "airline", "brand", "studio",
    "label", "publisher", "group", "office", "armed", "military", "website", "publication", "foundation",
})  # fmt: skip
_GROUPS = (_PERSON, _PLACE, _ORGANIZATION)
# Labels by the groups of types that fit them.
_FITTING = {
    "PERSON": (0,), "PER": (0,), "GPE": (1,), "LOC": (1,), "FAC": (1,), "LOCATION": (1,), "NORP": (1, 2), "ORG": (2,),
    "ORGANIZATION": (2,), "COMPANY": (2,), "TICKER": (2,),
}  # fmt: skip
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

FITS, CONTRADICTS = 1.0, -1.0


class LabelTypes:
    """Compares labels with the types of a graph's entities.

    allowed: By label the only types, by name, that its mentions may be linked to; labels that are not named may be
        linked to any.
    """

    def __init__(self, graph: KnowledgeGraph, allowed: Mapping[str, Sequence[str]]) -> None:
        self.graph = graph
        self.allowed = {label: frozenset(names) for label, names in allowed.items()}
        self._of_type = np.array([_groups_of(name) for name in graph.type_names], bool).reshape(-1, len(_GROUPS))

    def compare(self, labels: Sequence[str], of_label: Ints, entities: Ints) -> Floats:
        """Whether the types of an entity fit a label (1), contradict it (-1), or tell nothing (0): (pairs,).

        labels: Distinct ones. of_label, entities (pairs,): The label, by its place, and the entity of each pair.
        """
        counts, types = self.graph.types(entities)
        pairs = np.repeat(np.arange(len(entities)), counts)
        has = np.zeros((len(entities), len(_GROUPS)), bool)
        np.logical_or.at(has, pairs, self._of_type[types])
        fitting = np.zeros((len(labels), len(_GROUPS)), bool)
        for place, label in enumerate(labels):
            fitting[place, list(_FITTING.get(label.upper(), ()))] = True
        wanted = fitting[of_label]
        fits = (has & wanted).any(axis=1)
        contradicts = ~fits & has.any(axis=1) & wanted.any(axis=1)
        return np.where(fits, FITS, np.where(contradicts, CONTRADICTS, 0.0)).astype(np.float32)

    def permitted(self, labels: Sequence[str], of_label: Ints, entities: Ints) -> np.ndarray:
        """Which pairs the setting leaves: (pairs,) bool; see `compare`."""
        left = np.ones(len(entities), bool)
        for place, label in enumerate(labels):
            if label not in self.allowed:
                continue
            good = np.array([name in self.allowed[label] for name in self.graph.type_names], bool)
            (asked,) = np.nonzero(of_label == place)
            counts, types = self.graph.types(entities[asked])
            ok = np.zeros(len(asked), bool)
            np.logical_or.at(ok, np.repeat(np.arange(len(asked)), counts), good[types])
            left[asked] = ok
        return left


def number_labels(mentions: Sequence[Mention]) -> tuple[list[str], Ints]:
    """The distinct labels of mentions, sorted, and the place of each mention's among them: (mentions,)."""
    labels = sorted({mention.label for mention in mentions})
    place = {label: number for number, label in enumerate(labels)}
    return labels, np.fromiter((place[mention.label] for mention in mentions), np.int64, len(mentions))


def _groups_of(type_name: str) -> list[bool]:
    words = {word.lower() for word in _WORDS.findall(type_name)}
    return [bool(words & group) for group in _GROUPS]
