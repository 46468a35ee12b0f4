"""Candidates by stock symbol: every notation that `symbols.resolve` knows, its venue, and the day of the document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import spacy

from .._venues import EXCHANGE_MICS, RIC_VENUES
from ..normalise import symbol_key
from ..symbols import resolve
from .candidates import SOURCES, CandidateGenerator, Candidates, Mention
from .generators import SYMBOL_LABELS
from .graph import SYMBOL_KINDS, Alias, Floats, Ints, KnowledgeGraph
from .merging import merge, weigh

# Shares of a score that are left where the venue is unknown or another, where the symbol of a class of shares stands
# for the company's, and where a word of capitals is not known to be a symbol at all.
UNKNOWN_VENUE, OTHER_VENUE, OTHER_CLASS, CAPITALS = 0.95, 0.6, 0.85, 0.8
# No symbol is longer in any notation.
MAX_SYMBOL = 40
CAPITAL_LABELS = ["ORG"]
_CAPITALS = re.compile("[A-Z]{2,5}")
# Endings of Reuters codes that are tried where the venue is not known: Nasdaq, New York and American.
_US_ENDINGS = ("O", "OQ", "N", "A")
_MICS = {mic for mic in (*EXCHANGE_MICS.values(), *RIC_VENUES.values()) if mic}
_ENDINGS: dict[str, list[str]] = {}
for _ending, _mic in RIC_VENUES.items():
    if _mic:
        _ENDINGS.setdefault(_mic, []).append(_ending)


@dataclass(frozen=True)
class _Symbol:
    """What a mention says of a symbol: its root, its class of shares, its venue as a code of ISO 10383, a share of the
    score that is left for all candidates; and the key of the symbol as written."""

    root: str
    share_class: str = ""
    mic: str = ""
    share: float = 1.0
    written: str = ""


@dataclass(frozen=True)
class SymbolCandidates:
    """Finds the entities that have the stock symbol which the mention is, or which its document ties to it.

    The score is 1 for a symbol of the same class at the same venue, in use on the day of the document, less for others.

    labels: Of mentions that are symbols. capital_labels: Of mentions that may be a symbol where they are one word of 2
    to 5 capitals (`IBM`); of another label such a word is none.
    """

    labels: tuple[str, ...] = tuple(SYMBOL_LABELS)
    capital_labels: tuple[str, ...] = tuple(CAPITAL_LABELS)

    def __call__(self, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int) -> Candidates:
        """See `CandidateGenerator`."""
        places: list[int] = []
        keys: list[str] = []
        shares: list[float] = []
        venues: list[str] = []
        for place, mention in enumerate(mentions):
            symbol = self._symbol(mention)
            if symbol is not None:
                for key, share in _keys(symbol).items():
                    places.append(place)
                    keys.append(key)
                    shares.append(share * symbol.share)
                    venues.append(symbol.mic)
        hits = graph.lookup(keys, symbols=True)
        wanted = np.array([kind in SYMBOL_KINDS for kind in graph.kinds], bool)[graph.aliases.kind[hits.alias]]
        query, aliases = hits.query[wanted], hits.alias[wanted]
        agreement = _agreement(graph, aliases, [venues[number] for number in query])
        scores = np.array(shares, np.float32)[query] * agreement
        source = np.full(len(query), SOURCES["symbol"])
        return merge(graph, [weigh(graph, mentions, np.array(places, np.int64)[query], aliases, scores, source)], k)

    def _symbol(self, mention: Mention) -> _Symbol | None:
        is_symbol = mention.label in self.labels and len(mention.text) <= MAX_SYMBOL
        written = symbol_key(mention.text) if is_symbol else ""
        if mention.symbol:
            root, _, share_class = symbol_key(mention.symbol).partition(".")
            return _Symbol(root, share_class, mention.mic, written=written)
        if is_symbol:
            ticker = resolve(mention.text)
            root, share_class = symbol_key(ticker["root"]), ticker["share_class"] or ""
            return _Symbol(root, share_class, ticker["mic"] or "", written=written)
        if mention.label in self.capital_labels and _CAPITALS.fullmatch(mention.text):
            return _Symbol(mention.text, share=CAPITALS)
        return None


@spacy.registry.misc("spacy_nlpkit.SymbolCandidates.v1")
def create_symbol_candidates(
    labels: list[str] = SYMBOL_LABELS, capital_labels: list[str] = CAPITAL_LABELS
) -> CandidateGenerator:
    """Candidates that have the stock symbol which the mention is; see `SymbolCandidates`."""
    return SymbolCandidates(tuple(labels), tuple(capital_labels))


def _keys(symbol: _Symbol) -> dict[str, float]:
    """The keys under which a graph can have a symbol, and the share of the score that each leaves."""
    shares = {symbol.root: OTHER_CLASS if symbol.share_class else 1.0}
    if symbol.share_class:
        shares |= {f"{symbol.root}.{symbol.share_class}": 1.0, f"{symbol.root}{symbol.share_class}": 1.0}
    endings = _ENDINGS.get(symbol.mic, ()) if symbol.mic else _US_ENDINGS
    keys = {f"{root}.{ending}": share for root, share in shares.items() for ending in endings}
    return {key: share for key, share in {**keys, **shares, symbol.written: 1.0}.items() if key}


def _agreement(graph: KnowledgeGraph, aliases: Ints, venues: Sequence[str]) -> Floats:
    """The share of the score that the venues leave: of each hit its alias, and the venue of its mention."""
    shares = np.full(len(aliases), UNKNOWN_VENUE, np.float32)
    known = [place for place, venue in enumerate(venues) if venue]
    if known:
        listed = _venues(graph, np.unique(aliases[known]))
        for place in known:
            venue = listed[int(aliases[place])]
            if venue:
                shares[place] = 1.0 if venue == venues[place] else OTHER_VENUE
    return shares


def _venues(graph: KnowledgeGraph, aliases: Ints) -> dict[int, str]:
    """The venue of each alias as a code of ISO 10383, empty where it has none."""
    owners = graph.aliases.entity[aliases]
    distinct = np.unique(owners)
    # Aliases are numbered in the order of their entities, and of an entity in their own.
    firsts = np.searchsorted(graph.aliases.entity, distinct).tolist()
    entities = graph.entities(distinct.tolist())
    of_entity = {owner: (first, found.aliases) for owner, first, found in zip(distinct.tolist(), firsts, entities)}
    venues = {}
    for alias, owner in zip(aliases.tolist(), owners.tolist()):
        first, listed = of_entity[owner]
        venues[alias] = _venue(listed[alias - first])
    return venues


def _venue(alias: Alias) -> str:
    if alias.exchange in _MICS:
        return alias.exchange
    ending = alias.text.rpartition(".")[2] if alias.kind == "ric" else ""
    return EXCHANGE_MICS.get(alias.exchange) or RIC_VENUES.get(ending) or ""
