"""Candidates by a part of their name, or by its initials: surnames, first names, acronyms."""

from collections.abc import Sequence
from dataclasses import dataclass

import spacy

from .candidates import CandidateGenerator, Candidates, Mention
from .generators import SYMBOL_LABELS, bad_setting, search_texts
from .graph import Hits, KnowledgeGraph


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

        def search(texts: Sequence[str]) -> Hits:
            return graph.containing(texts, self.names * k)

        return search_texts(graph, mentions, k, search, self.skip_labels, "partial")


@spacy.registry.misc("spacy_nlpkit.PartialCandidates.v1")
def create_partial_candidates(names: int = 2, skip_labels: list[str] = SYMBOL_LABELS) -> CandidateGenerator:
    """Candidates by a part of their name, or by its initials; see `PartialCandidates`.

    RAISES: N006 for less than one name.
    """
    if names < 1:
        raise bad_setting("PartialCandidates", "names", "1 or more", names)
    return PartialCandidates(names, tuple(skip_labels))
