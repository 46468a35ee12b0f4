"""Generators of candidates: by the exact name, by an identifier, by similar names, and several of them in one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import spacy
from numpy.typing import NDArray

from ..errors import Errors, NlpkitError
from ..normalise import name_key
from ..segments import ranges
from .candidates import SOURCES, CandidateGenerator, Candidates, Mention
from .graph import IDENTIFIER_KINDS, Hits, Ints, KnowledgeGraph
from .identifiers import identifier_kind, same_security
from .merging import merge, none_found, weigh

# No alias is longer: longer mentions have no exact name.
MAX_LENGTH = 1000
SYMBOL_LABELS = ["TICKER"]
NO_GENERATORS: dict[str, Any] = {}


@dataclass(frozen=True)
class ExactCandidates:
    """Finds the entities that have a name equal to the mention, or to a longer name of the document that it stands
    for, by `normalise.name_key`. The score is 1, less where the name was not in use."""

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """See `CandidateGenerator`."""
        keys: dict[str, str] = {}
        wanted: dict[str, int] = {}
        places, numbers, source = [], [], []
        for place, mention in enumerate(mentions):
            bits = SOURCES["exact"]
            for text in (mention.text, *mention.names):
                if text not in keys:
                    keys[text] = name_key(text) if len(text) <= MAX_LENGTH else ""
                if keys[text]:
                    places.append(place)
                    numbers.append(wanted.setdefault(keys[text], len(wanted)))
                    source.append(bits)
                bits = SOURCES["exact"] | SOURCES["expansion"]
        hits = graph.lookup(list(wanted))
        request, found = _join(np.array(numbers, np.int64), hits.query)
        which = np.array(places, np.int64)[request]
        bits_found = np.array(source, np.int64)[request]
        found_parts = weigh(graph, mentions, which, hits.alias[found], hits.score[found], bits_found)
        return merge(graph, [found_parts], k)


@dataclass(frozen=True)
class IdentifierCandidates:
    """Finds the entities that have the identifier which the mention is: ISIN, CUSIP, SEDOL, LEI, FIGI.

    Check digits are verified first. A CUSIP or SEDOL is found by the ISIN that holds it as well, and the other way.
    """

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """See `CandidateGenerator`."""
        places, codes = [], []
        for place, mention in enumerate(mentions):
            kind = identifier_kind(mention.text)
            if kind:
                equal = same_security(mention.text.strip().upper(), kind)
                places += [place] * len(equal)
                codes += equal
        hits = graph.lookup(codes, symbols=True)
        wanted = np.array([kind in IDENTIFIER_KINDS for kind in graph.kinds], bool)[graph.aliases.kind[hits.alias]]
        which, aliases = np.array(places, np.int64)[hits.query[wanted]], hits.alias[wanted]
        source = np.full(len(which), SOURCES["identifier"])
        return merge(graph, [weigh(graph, mentions, which, aliases, hits.score[wanted], source)], k)


@dataclass(frozen=True)
class FuzzyCandidates:
    """Finds the entities with names similar to the mention; see `kg.name_index` for the score.

    min_score: Less similar names are left out. names: Similar names that are looked up for each of the candidates asked
    for: an entity has several. skip_labels: Labels of mentions that are symbols, of which no other is a misspelling.
    """

    min_score: float = 0.6
    names: int = 3
    skip_labels: tuple[str, ...] = tuple(SYMBOL_LABELS)

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """See `CandidateGenerator`."""

        def search(texts: Sequence[str]) -> Hits:
            hits = graph.search(texts, self.names * k)
            similar = hits.score >= self.min_score
            return Hits(hits.query[similar], hits.alias[similar], hits.score[similar])

        return search_texts(graph, mentions, k, search, self.skip_labels, "fuzzy")


@dataclass(frozen=True)
class UnionCandidates:
    """Finds what several generators find.

    members: Asked about every mention. fallback: Asked about mentions for which no member found a candidate with a
    score of at least `enough`.
    """

    members: tuple[CandidateGenerator, ...]
    fallback: tuple[CandidateGenerator, ...] = ()
    enough: float = 0.9

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """See `CandidateGenerator`."""
        parts = [none_found(), *(member(graph, mentions, k) for member in self.members)]
        best = np.zeros(len(mentions), np.float32)
        for part in parts:
            np.maximum.at(best, part.mention, part.score)
        unsure = np.flatnonzero(best < self.enough)
        if len(unsure):
            asked = [mentions[place] for place in unsure.tolist()]
            for generator in self.fallback:
                part = generator(graph, asked, k)
                parts.append(part._replace(mention=unsure[part.mention]))
        return merge(graph, parts, k)


@spacy.registry.misc("spacy_nlpkit.ExactCandidates.v1")
def create_exact_candidates() -> CandidateGenerator:
    """Candidates that have a name equal to the mention; see `ExactCandidates`."""
    return ExactCandidates()


@spacy.registry.misc("spacy_nlpkit.IdentifierCandidates.v1")
def create_identifier_candidates() -> CandidateGenerator:
    """Candidates that have the identifier which the mention is; see `IdentifierCandidates`."""
    return IdentifierCandidates()


@spacy.registry.misc("spacy_nlpkit.FuzzyCandidates.v1")
def create_fuzzy_candidates(
    min_score: float = 0.6, names: int = 3, skip_labels: list[str] = SYMBOL_LABELS
) -> CandidateGenerator:
    """Candidates with names similar to the mention; see `FuzzyCandidates`.

    RAISES: N006 for a score outside 0 to 1, or less than one name.
    """
    _check_share("min_score", min_score, "FuzzyCandidates")
    if names < 1:
        raise bad_setting("FuzzyCandidates", "names", "1 or more", names)
    return FuzzyCandidates(min_score, names, tuple(skip_labels))


@spacy.registry.misc("spacy_nlpkit.UnionCandidates.v1")
def create_union_candidates(
    members: dict[str, Any], fallback: dict[str, Any] = NO_GENERATORS, enough: float = 0.9
) -> CandidateGenerator:
    """Candidates of several generators, by names of your own; see `UnionCandidates`.

    members, fallback (dict[str, CandidateGenerator]): Blocks of the config.
    RAISES: N006 for `enough` outside 0 to 1, without members, and for a block that is no generator.
    """
    _check_share("enough", enough, "UnionCandidates")
    # The config refuses blocks in a dict[str, CandidateGenerator]: it checks their type before it makes them.
    for setting, generators in (("members", members), ("fallback", fallback)):
        for name, generator in generators.items():
            if not callable(generator):
                raise bad_setting("UnionCandidates", f"{setting}.{name}", "a generator of candidates", generator)
    if not members:
        raise bad_setting("UnionCandidates", "members", "one generator or more", members)
    return UnionCandidates(tuple(members.values()), tuple(fallback.values()), enough)


def _check_share(setting: str, value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise bad_setting(name, setting, "a number from 0 to 1", value)


def bad_setting(name: str, setting: str, expected: str, value: object) -> NlpkitError:
    """The error for a setting of a registered generator that cannot be (N006)."""
    return NlpkitError(
        Errors.N006.format(setting=setting, name=f"spacy_nlpkit.{name}.v1", expected=expected, value=value)
    )


def search_texts(
    graph: KnowledgeGraph,
    mentions: Sequence[Mention],
    k: int,
    search: Callable[[Sequence[str]], Hits],
    skip_labels: Sequence[str],
    source: str,
) -> Candidates:
    """Candidates by the text of each mention, each distinct text looked for once.

    search: Names of the graph for some texts. skip_labels: Labels of mentions that are passed over. source: One of
        `SOURCES`.
    """
    texts: dict[str, int] = {}
    asked = [place for place, mention in enumerate(mentions) if mention.label not in skip_labels]
    numbers = np.array([texts.setdefault(mentions[place].text, len(texts)) for place in asked], np.int64)
    hits = search(list(texts))
    request, found = _join(numbers, hits.query)
    which = np.array(asked, np.int64)[request]
    bits = np.full(len(which), SOURCES[source])
    return merge(graph, [weigh(graph, mentions, which, hits.alias[found], hits.score[found], bits)], k)


def _join(requests: Ints, sorted_queries: NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Pairs of requests and hits, of which many requests may share one query: place of the request, of the hit.

    requests (n,): Number of the query that each asks for. sorted_queries (hits,): That each hit answers.
    """
    starts = np.searchsorted(sorted_queries, requests, side="left")
    counts = np.searchsorted(sorted_queries, requests, side="right") - starts
    return np.repeat(np.arange(len(requests)), counts), ranges(starts, counts)
