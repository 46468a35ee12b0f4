"""Queries that a store answers as meant, whatever stands in a mention: run by pyoxigraph, and served over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.remote.answers import RemoteResult
from spacy_nlpkit.kg.remote.sparql import create_sparql_graph, iri, literal

from .conftest import CANARY, KEY_VARIABLE, codes, quick
from .service import Answer, Seen

pyoxigraph = pytest.importorskip("pyoxigraph", reason="the extra spacy-nlpkit[rdf] is not installed")
pytestmark = pytest.mark.filterwarnings(r"ignore:\[NW180\]")

GRAPH = """
@prefix : <http://example.org/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
:paris a :City, :Capital ; rdfs:label "Paris"@en, "Paris (Stadt)"@de ; skos:altLabel "City of Light"@en ;
    rdfs:comment "capital of France"@en, "Hauptstadt"@de .
:hero a :Person ; rdfs:label "Alexander" ; skos:altLabel "Paris" .
:quoted rdfs:label "say \\"hi\\" \\\\ there" .
:secret :password "hunter2" ; rdfs:label "The Secret"@en .
"""
INJECTIONS = [
    'x" } UNION { ?entity ?property ?name } #',
    'x" } UNION { ?entity <http://example.org/password> ?name . BIND(0 AS ?place) } #',
    '"} } LIMIT 5 } #',
    "x' } UNION { ?s ?p ?o } #",
    "\\",
    '\\"} UNION {?s ?p ?o} #',
    "\\\\",
    "\\u0022 } UNION { ?entity ?property ?name } #",
    "\\u005C\\u0022 } } #",
    'x"@en } #',
    'x"^^<http://example.org/type>',
    'x"""',
    "x # comment",
    "{0} {name} {{}} %s ?name $name",
    '"; DROP ALL; #',
    'x" "The Secret"@en "',
    'x") || LCASE("a") = LCASE("a',
    'x" } SERVICE <http://127.0.0.1/> { ?s ?p ?o } #',
    "<http://example.org/secret>",
    "x\n} UNION { ?entity ?property ?name }\n#",
    "\r\n\t\b\f\0\x7f\u2028",
    "é€😀",
]


@pytest.fixture(scope="module")
def store() -> Any:
    store = pyoxigraph.Store()
    store.load(GRAPH.encode(), format=pyoxigraph.RdfFormat.TURTLE)
    return store


@pytest.fixture
def endpoint(serve: Any, store: Any) -> Any:
    """A SPARQL endpoint over the graph."""

    def behave(seen: Seen) -> Answer:
        solutions = store.query(seen.body)
        return Answer(solutions.serialize(format=pyoxigraph.QueryResultsFormat.JSON))

    return serve(behave)


def search(service: Any, *texts: str, **changes: Any) -> Any:
    graph = create_sparql_graph(service.url, connection=quick(), **changes)
    answers = graph.search(list(texts), 5)
    graph.close()
    return answers


def test_names_before_alternative_names(endpoint: Any) -> None:
    answers = search(endpoint, "Paris", "City of Light", "Berlin", 'say "hi" \\ there')
    assert answers.status == ["ok", "ok", "no_match", "ok"]
    paris, hero = answers.results[0]
    assert paris == RemoteResult(
        id="http://example.org/paris",
        label="Paris",
        description="capital of France",
        types=("http://example.org/Capital", "http://example.org/City"),
        url="http://example.org/paris",
        score=pytest.approx(0.75),
        alias="Paris",
    )
    assert (hero.id, hero.label, hero.alias) == ("http://example.org/hero", "Alexander", "Paris")
    assert [result.alias for result in answers.results[1]] == ["City of Light"]
    assert endpoint.seen[0].method == "POST"
    assert endpoint.seen[0].headers["content-type"].startswith("application/sparql-query")
    assert endpoint.seen[0].headers["accept"] == "application/sparql-results+json"


def test_settings_of_the_query(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    people = search(endpoint, "Paris", types=["http://example.org/Person"], key_variable=KEY_VARIABLE)
    assert [result.id for result in people.results[0]] == ["http://example.org/hero"]
    assert endpoint.seen[-1].headers["authorization"] == f"Bearer {CANARY}"
    german = search(endpoint, "Paris (Stadt)", language="de")
    assert [result.description for result in german.results[0]] == ["Hauptstadt"]
    assert search(endpoint, "pARIS").status == ["no_match"]
    assert len(search(endpoint, "pARIS", match="ignore_case").results[0]) == 2
    names = search(endpoint, "Paris", label_properties=["http://www.w3.org/2000/01/rdf-schema#label"])
    assert [result.id for result in names.results[0]] == ["http://example.org/paris"]


@pytest.mark.parametrize("match", ["exact", "ignore_case"])
def test_injections_find_nothing(endpoint: Any, match: Any) -> None:
    answers = search(endpoint, *INJECTIONS, match=match)
    assert answers.results == [[] for _ in INJECTIONS]
    assert set(answers.status) == {"no_match"}


@pytest.mark.parametrize(
    ("match", "text"), [("exact", 'x" "The Secret"@en "'), ("ignore_case", 'x") || LCASE("a") = LCASE("a')]
)
def test_the_injections_would_work(store: Any, match: Any, text: str) -> None:
    """Put into the query between quotes as it is, a mention gives the secret away: so the tests can fail."""
    graph: Any = create_sparql_graph("https://query.example.org/sparql", match=match)
    safe, naive = graph.query(text, 10), graph.query("MENTION", 10).replace('"MENTION"', f'"{text}"')
    assert "/secret" in str([solution["entity"] for solution in store.query(naive)])
    assert list(store.query(safe)) == []


@pytest.mark.parametrize("match", ["exact", "ignore_case"])
@pytest.mark.parametrize("text", INJECTIONS)
def test_any_text_is_found_as_one_literal(match: Any, text: str) -> None:
    """The text as it is, before a search cleans it: the very entity with that name is found, and nothing else."""
    store = pyoxigraph.Store()
    label = pyoxigraph.NamedNode("http://www.w3.org/2000/01/rdf-schema#label")
    for name in (text, "The Secret"):
        entity = pyoxigraph.NamedNode(f"http://example.org/{'named' if name == text else 'secret'}")
        store.add(pyoxigraph.Quad(entity, label, pyoxigraph.Literal(name)))
    graph: Any = create_sparql_graph("https://query.example.org/sparql", match=match)
    found = [solution["entity"].value for solution in store.query(graph.query(text, 10))]
    assert found == ["http://example.org/named"]


@given(
    st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\"\\'{}#\n\r\tu0022")), max_size=40)
)
@settings(max_examples=200, deadline=None)
def test_a_literal_is_read_as_it_was_written(text: str) -> None:
    (solution,) = pyoxigraph.Store().query(f"SELECT ({literal(text)} AS ?text) {{}}")
    assert solution["text"].value == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "label",
        "rdfs:",
        "http://a b",
        "http://a>",
        "http://a> ?x . ?s <b",
        'http://a"',
        "http://a\n",
        "http://a\\u003E",
        "{a}:b",
    ],
)
def test_terms_that_are_no_iri(value: str) -> None:
    with pytest.raises(NlpkitError, match=r"N180.*types"):
        iri(value, "types")
    for setting in ("types", "label_properties"):
        with pytest.raises(NlpkitError, match=f"N180.*{setting}"):
            create_sparql_graph("https://query.example.org/sparql", **{setting: [value]})
    for setting in ("description_property", "type_property"):
        with pytest.raises(NlpkitError, match=f"N180.*{setting}"):
            create_sparql_graph("https://query.example.org/sparql", **{setting: value})


def test_a_language_cannot_carry_a_query() -> None:
    with pytest.raises(NlpkitError, match=r"N180.*language"):
        create_sparql_graph("https://query.example.org/sparql", language='en" } UNION {')


@pytest.mark.parametrize(
    ("answer", "status", "dropped"),
    [
        ({}, "error", 0),
        ({"results": {}}, "error", 0),
        ({"results": {"bindings": {}}}, "error", 0),
        ({"boolean": True}, "error", 0),
        ({"results": {"bindings": [3, {"entity": 3}, {"entity": {"type": "bnode", "value": "b"}}]}}, "error", 3),
        ({"results": {"bindings": []}}, "no_match", 0),
    ],
)
def test_answers_that_are_not_in_form(serve: Any, answer: Any, status: str, dropped: int) -> None:
    with codes() as given:
        answers = search(serve([Answer(answer)]), "Paris")
    assert (answers.status, answers.dropped) == ([status], dropped)
    assert ("NW181" in given, "NW183" in given) == (status == "error", bool(dropped))
