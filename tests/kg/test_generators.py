"""Generators of candidates on a small graph and on the shipped one."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from spacy import registry
from thinc.api import Config

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.candidates import NO_DAY, SOURCES, Mention
from spacy_nlpkit.kg.graph import INVALID, UNDATED, VALID, Alias, Entity, day_of
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.stores import open_graph

from .graphs import ENTITIES, NEWSWIRE

MORE = [
    Entity(
        id="org:apple",
        label="Apple Inc.",
        prior=0.9,
        aliases=(
            Alias("AAPL", "ticker", exchange="XNAS"),
            Alias("US0378331005", "isin"),
            Alias("BBG000B9XRY4", "figi"),
            Alias("HWUPKR0MPOU8FGXBT394", "lei"),
        ),
    ),
    Entity(id="org:apple-bank", label="Apple Bank", prior=0.2, aliases=(Alias("Apple"),)),
    Entity(
        id="org:berkshire",
        label="Berkshire Hathaway",
        aliases=(Alias("BRK.A", "ticker", exchange="NYSE"), Alias("BRK.B", "ticker", exchange="NYSE")),
    ),
    Entity(id="org:brink", label="Brink", aliases=(Alias("BRK", "ticker", exchange="London"),)),
    Entity(id="org:vodafone", label="Vodafone", aliases=(Alias("VOD.L", "ric"), Alias("VOD.O", "ric"))),
]
UNION = """
[candidates]
@misc = "spacy_nlpkit.UnionCandidates.v1"
[candidates.members]
[candidates.members.exact]
@misc = "spacy_nlpkit.ExactCandidates.v1"
[candidates.members.symbol]
@misc = "spacy_nlpkit.SymbolCandidates.v1"
[candidates.members.identifier]
@misc = "spacy_nlpkit.IdentifierCandidates.v1"
[candidates.fallback]
[candidates.fallback.fuzzy]
@misc = "spacy_nlpkit.FuzzyCandidates.v1"
"""


@pytest.fixture(scope="module")
def graph():
    return MemoryGraph.from_entities([*ENTITIES, *MORE], name="small")


@pytest.fixture(scope="module")
def newswire():
    return open_graph(NEWSWIRE)


@pytest.fixture
def union():
    return registry.resolve(Config().from_str(UNION))["candidates"]


def make(name: str, **settings):
    return registry.get("misc", f"spacy_nlpkit.{name}Candidates.v1")(**settings)


def ids(generator, graph, mention: Mention | str, k: int = 8) -> list[str]:
    mention = Mention(mention) if isinstance(mention, str) else mention
    return graph.ids(generator(graph, [mention], k).entity)


def symbol(text: str, day: str | None = None, **more) -> Mention:
    return Mention(text, "TICKER", NO_DAY if day is None else day_of(day) or 0, **more)


# ---- exact ----


def test_exact_names(graph):
    exact = make("Exact")
    assert ids(exact, graph, "APPLE, Inc.") == ["org:apple", "org:apple-bank"]
    assert ids(exact, graph, "apple", k=1) == ["org:apple"]
    for nothing in ("Aple", "", "$", "x" * 10_000, "AAPL"):
        assert ids(exact, graph, nothing) == []


def test_exact_names_of_the_document(graph):
    found = make("Exact")(graph, [Mention("Hathaway", names=("Berkshire Hathaway Inc.", "Nobody"))], 4)
    assert graph.ids(found.entity) == ["org:berkshire"]
    assert found.source.tolist() == [SOURCES["exact"] | SOURCES["expansion"]]


def test_alias_is_that_of_the_highest_prior(graph):
    found = make("Exact")(graph, [Mention("meta"), Mention("facebook")], 4)
    assert found.mention.tolist() == [0, 0, 1]
    assert graph.ids(found.entity) == ["org:roundhill", "org:meta", "org:meta"]
    assert graph.alias_texts(found.alias) == ["Meta", "Meta", "Facebook"]


# ---- symbols ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AAPL", ["org:apple"]),
        ("$AAPL", ["org:apple"]),
        ("(NASDAQ: AAPL)", ["org:apple"]),
        ("AAPL.O", ["org:apple"]),
        ("AAPL US Equity", ["org:apple"]),
        ("BRK.B", ["org:berkshire", "org:brink"]),
        ("BRKb.N", ["org:berkshire", "org:brink"]),
        ("BRK/A", ["org:berkshire", "org:brink"]),
        ("LSE: BRK", ["org:brink"]),
        ("VOD LN", ["org:vodafone"]),
        ("LSE: VOD", ["org:vodafone"]),
        ("VOD", ["org:vodafone"]),
        ("ZZZZ", []),
        ("", []),
        ("X" * 10_000, []),
        ("US0378331005", []),
    ],
)
def test_notations_of_symbols(graph, text, expected):
    assert ids(make("Symbol"), graph, symbol(text)) == expected


def test_the_venue_decides(graph):
    found = make("Symbol")(graph, [symbol("AAPL.O"), symbol("AAPL"), symbol("AAPL.L")], 4)
    right, unknown, wrong = found.score.tolist()
    assert 1 == right > unknown > 0.9 > wrong > 0


def test_names_are_no_symbols_unless_capitals_of_a_company(graph):
    by_symbol = make("Symbol")
    assert ids(by_symbol, graph, Mention("AAPL", "ORG")) == ["org:apple"]
    for mention in (Mention("AAPL", "PERSON"), Mention("Aapl", "ORG"), Mention("AAPL X", "ORG")):
        assert ids(by_symbol, graph, mention) == []
    assert ids(make("Symbol", capital_labels=[]), graph, Mention("AAPL", "ORG")) == []
    assert ids(make("Symbol", labels=["STOCK"]), graph, Mention("AAPL", "STOCK")) == ["org:apple"]


def test_a_name_with_a_symbol_in_brackets(graph):
    mention = Mention("The maker of phones", "ORG", symbol="AAPL", venue="NASDAQ", mic="XNAS")
    assert ids(make("Symbol"), graph, mention) == ["org:apple"]
    assert ids(make("Symbol"), graph, Mention("Berkshire", symbol="BRK.B", mic="XNYS"))[0] == "org:berkshire"


# ---- point in time ----


@pytest.mark.parametrize(
    ("text", "day", "best", "timings"),
    [
        ("FB", "2022-06-08", "org:meta", [VALID]),
        ("FB", "2022-06-09", "org:meta", [INVALID]),
        ("META", "2022-06-09", "org:meta", [VALID, INVALID]),
        ("META", "2021-12-31", "org:roundhill", [VALID, INVALID]),
        ("META", None, "org:meta", [UNDATED, UNDATED]),
    ],
)
def test_dates_of_symbols(graph, text, day, best, timings):
    found = make("Symbol")(graph, [symbol(text, day)], 4)
    assert graph.ids(found.entity)[0] == best
    assert found.timing.tolist() == timings
    in_use = found.score[found.timing != INVALID]
    assert np.all(found.score[found.timing == INVALID] < in_use.min(initial=1))


def test_dated_symbols_of_the_shipped_graph(newswire):
    """Of every dated symbol, on its first and last day, the company that has it comes before all that have not."""
    mentions, owners = [], []
    for entity in newswire.iterate():
        for alias in entity.aliases:
            if alias.kind in ("ticker", "ric"):
                for day in filter(None, (alias.start, alias.end)):
                    mentions.append(symbol(alias.text, day))
                    owners.append(entity.id)
    assert len(mentions) > 100
    found = make("Symbol")(newswire, mentions, 50)
    entity_ids = newswire.ids(found.entity)
    bounds = np.searchsorted(found.mention, np.arange(len(mentions) + 1))
    for owner, mention, start, end in zip(owners, mentions, bounds[:-1], bounds[1:]):
        place = entity_ids[start:end].index(owner)
        before = found.timing[start : start + place]
        assert found.timing[start + place] == VALID, (owner, mention)
        assert INVALID not in before, (owner, mention)


# ---- identifiers, similar names ----


@pytest.mark.parametrize("text", ["US0378331005", "us0378331005", "037833100", "BBG000B9XRY4", "HWUPKR0MPOU8FGXBT394"])
def test_identifiers(graph, text):
    found = make("Identifier")(graph, [Mention("AAPL"), Mention(text)], 4)
    assert found.mention.tolist() == [1]
    assert graph.ids(found.entity) == ["org:apple"]
    assert found.source.tolist() == [SOURCES["identifier"]]


@pytest.mark.parametrize("text", ["US0378331006", "BRK.A", "", "Apple"])
def test_other_codes_are_no_identifiers(graph, text):
    assert ids(make("Identifier"), graph, text) == []


def test_similar_names(graph):
    fuzzy = make("Fuzzy")
    assert ids(fuzzy, graph, "Berkshir Hathway")[0] == "org:berkshire"
    assert ids(fuzzy, graph, Mention("Berkshir Hathway", "TICKER")) == []
    assert ids(make("Fuzzy", min_score=1.0), graph, "Berkshir Hathway") == []
    for nothing in ("", "$$", "qqqq"):
        assert ids(fuzzy, graph, nothing) == []


# ---- union ----


def test_union_merges_sources(graph, union):
    found = union(graph, [Mention("META", "ORG", names=("Meta Platforms",))], 4)
    assert graph.ids(found.entity) == ["org:meta", "org:roundhill"]
    assert found.source[0] == SOURCES["exact"] | SOURCES["expansion"] | SOURCES["symbol"]


def test_union_asks_for_similar_names_only_where_needed(graph, union):
    found = union(graph, [Mention("Apple"), Mention("Aple"), Mention("Vodafon")], 8)
    fuzzy = (found.source & SOURCES["fuzzy"]) > 0
    assert not fuzzy[found.mention == 0].any()
    assert fuzzy[found.mention > 0].all()
    assert set(found.mention.tolist()) == {0, 1, 2}


def test_union_gives_each_entity_once_best_first(newswire, union):
    texts = ["Dell", "Dell Inc", "BUD", "George Bush", "Washington", "Micorsoft", "", "Smith", "$", "Dell"]
    mentions = [Mention(text, "ORG") for text in texts]
    found = union(newswire, mentions, 3)
    assert np.all(np.diff(found.mention) >= 0)
    for place in range(len(texts)):
        mine = found.mention == place
        assert mine.sum() <= 3
        assert len(set(found.entity[mine].tolist())) == mine.sum()
        keys = list(zip(-found.score[mine], -newswire.aliases.prior[found.alias[mine]], found.entity[mine]))
        assert keys == sorted(keys)
    first, last = (found.entity[found.mention == place].tolist() for place in (0, len(texts) - 1))
    assert first == last


def test_each_mention_has_the_same_candidates_alone_and_in_any_order(newswire, union):
    mentions = [
        Mention(text, label) for text in ("Dell", "Goldman Sach", "IBM", "AMD.O") for label in ("ORG", "TICKER")
    ]
    together = union(newswire, mentions, 5)
    turned = union(newswire, mentions[::-1], 5)
    for place, mention in enumerate(mentions):
        alone = union(newswire, [mention], 5)
        for batch, where in ((together, place), (turned, len(mentions) - 1 - place)):
            for one, other in zip(alone[1:], batch[1:]):
                assert one.tolist() == other[batch.mention == where].tolist()


def test_no_mentions(graph, union):
    assert [len(part) for part in union(graph, [], 4)] == [0] * 6


def test_generators_survive_pickling(graph, union):
    mentions = [Mention("Apple"), Mention("Aple")]
    again = pickle.loads(pickle.dumps(union))(graph, mentions, 4)
    assert [part.tolist() for part in again] == [part.tolist() for part in union(graph, mentions, 4)]


@pytest.mark.parametrize(
    ("name", "settings", "setting"),
    [
        ("Fuzzy", {"min_score": 1.5}, "min_score"),
        ("Fuzzy", {"names": 0}, "names"),
        ("Union", {"members": {}}, "members"),
        ("Union", {"members": {"exact": 3}}, "members.exact"),
        ("Union", {"members": {"exact": len}, "enough": -1}, "enough"),
    ],
)
def test_wrong_settings_are_refused(name, settings, setting):
    with pytest.raises(NlpkitError, match=rf"N006.*'{setting}' of 'spacy_nlpkit.{name}Candidates.v1'"):
        make(name, **settings)
