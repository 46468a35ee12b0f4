"""Candidates by a part of their name, or by its initials: surnames, first names, acronyms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import spacy

from ..errors import Errors, NlpkitError
from .candidates import SOURCES, CandidateGenerator, Candidates, Mention
from .generators import SYMBOL_LABELS, join
from .graph import KnowledgeGraph
from .merging import merge, weigh


@dataclass(frozen=True)
class PartialCandidates:
    """Finds the entities with a name that holds all words of the mention (`Angela Merkel` for `Merkel`), or whose
    initials it is; see `kg.word_index` for the score.

    names: Names that are looked at for each of the candidates asked for, the likeliest first. skip_labels: Labels of
        mentions that are no names.
    """

    names: int = 2
    skip_labels: tuple[str, ...] = tuple(SYMBOL_LABELS)

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """See `CandidateGenerator`."""
        texts: dict[str, int] = {}
        asked = [place for place, mention in enumerate(mentions) if mention.label not in self.skip_labels]
        numbers = np.array([texts.setdefault(mentions[place].text, len(texts)) for place in asked], np.int64)
        hits = graph.containing(list(texts), self.names * k)
        request, found = join(numbers, hits.query)
        which = np.array(asked, np.int64)[request]
        source = np.full(len(which), SOURCES["partial"])
        return merge(graph, [weigh(graph, mentions, which, hits.alias[found], hits.score[found], source)], k)


@spacy.registry.misc("spacy_nlpkit.PartialCandidates.v1")
def create_partial_candidates(names: int = 2, skip_labels: list[str] = SYMBOL_LABELS) -> CandidateGenerator:
    """Candidates by a part of their name, or by its initials; see `PartialCandidates`.

    RAISES: N006 for less than one name.
    """
    if names < 1:
        raise NlpkitError(
            Errors.N006.format(
                setting="names", name="spacy_nlpkit.PartialCandidates.v1", expected="1 or more", value=names
            )
        )
    return PartialCandidates(names, tuple(skip_labels))
