"""What each service is asked, and what is read of its answers: the forms that the services document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.remote.answers import RemoteResult, scored
from spacy_nlpkit.kg.remote.google import create_google_knowledge_graph
from spacy_nlpkit.kg.remote.openfigi import create_open_figi
from spacy_nlpkit.kg.remote.wikidata import create_wikidata_search

from .conftest import CANARY, KEY_VARIABLE, codes, google_answer, google_item, quick
from .service import Answer, Seen

pytestmark = pytest.mark.filterwarnings(r"ignore:\[NW180\]")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)


def found(graph: Any, *texts: str, k: int = 5) -> Any:
    answers = graph.search(list(texts), k)
    graph.close()
    return answers


def wikidata_hit(identifier: str, label: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "title": identifier,
        "pageid": 1,
        "concepturi": f"http://www.wikidata.org/entity/{identifier}",
        "repository": "wikidata",
        "url": f"//www.wikidata.org/wiki/{identifier}",
        "display": {"label": {"value": label, "language": "en"}},
        "label": label,
        "description": f"what {label} is",
        "match": {"type": "label", "language": "en", "text": label},
        **changes,
    }


def figi(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "figi": f"BBG00000000{number}",
        "name": "EXAMPLE CORP",
        "ticker": "EXM",
        "exchCode": "US",
        "compositeFIGI": f"BBG10000000{number}",
        "shareClassFIGI": "BBG200000001",
        "securityType": "Common Stock",
        "securityType2": "Common Stock",
        "marketSector": "Equity",
        "securityDescription": "EXM",
        **changes,
    }


def test_scores_compare_a_result_with_its_strongest_rival() -> None:
    def scores(*strengths: float, k: int = 10) -> list[float]:
        pairs = [(strength, RemoteResult(str(place), "")) for place, strength in enumerate(strengths)]
        return [result.score for result in scored(pairs, k)]

    assert scores() == []
    assert scores(4850) == [1.0]
    assert scores(30, 10) == scores(3000, 1000) == [0.75, 0.25]
    assert scores(5, 5) == [0.5, 0.5]
    assert scores(10, 30, 20) == pytest.approx([0.6, 0.4, 0.25])
    assert scores(30, 10, k=1) == [0.75]
    twice = [(1.0, RemoteResult("a", "one")), (3.0, RemoteResult("a", "two")), (1.0, RemoteResult("b", ""))]
    assert [(result.label, result.score) for result in scored(twice, 5)] == [("two", 0.75), ("", 0.25)]


def test_google(serve: Any) -> None:
    bare = {"@type": "EntitySearchResult", "result": {"@id": "kg:/g/1"}, "resultScore": 100}
    service = serve(
        [Answer(google_answer(bare, google_item("Ada Lovelace", 300.0, name="Ada Lovelace", url="http://a.b")))]
    )
    graph = create_google_knowledge_graph(KEY_VARIABLE, ["en"], ["Person", "Place"], service.url, connection=quick())
    answers = found(graph, "Lovelace", k=7)
    assert service.seen[0].method == "GET"
    assert service.seen[0].query == {
        "query": ["Lovelace"],
        "limit": ["7"],
        "languages": ["en"],
        "types": ["Person", "Place"],
    }
    assert service.seen[0].headers["x-goog-api-key"] == CANARY
    ada = RemoteResult(
        id="kg:/m/ada_lovelace",
        label="Ada Lovelace",
        description="Ada Lovelace is somebody.",
        types=("Thing", "Person"),
        url="https://en.example.org/Ada_Lovelace",
        score=0.75,
        alias="Ada Lovelace",
    )
    assert answers.results == [[ada, RemoteResult("kg:/g/1", "kg:/g/1", score=0.25)]]
    assert answers.status == ["ok"]
    assert answers.dropped == 0


def test_google_in_several_languages_by_token(serve: Any) -> None:
    item = google_item(
        "x",
        name=[{"@language": "en", "@value": "Vienna"}, {"@language": "de", "@value": "Wien"}],
        description=[{"@language": "en", "@value": "City"}],
        detailedDescription=[
            {"inLanguage": "en", "articleBody": "A city."},
            {"inLanguage": "de", "articleBody": "Stadt."},
        ],
        **{"@type": "City"},
    )
    service = serve([Answer(google_answer(item))])
    path = "/v1/projects/p/locations/global/cloudKnowledgeGraphEntities:Search"
    endpoint = service.url.replace("/api", path)
    graph = create_google_knowledge_graph(KEY_VARIABLE, ["de", "en"], None, endpoint, "bearer", quick())
    (result,) = found(graph, "Wien").results[0]
    assert (result.label, result.description, result.types) == ("Wien", "Stadt.", ("City",))
    assert service.seen[0].path == path
    assert service.seen[0].query["languages"] == ["de", "en"]
    assert service.seen[0].headers["authorization"] == f"Bearer {CANARY}"
    assert "x-goog-api-key" not in service.seen[0].headers


@pytest.mark.parametrize(
    "item",
    [
        None,
        "Ada",
        [],
        {},
        {"result": None, "resultScore": 1},
        {"result": [], "resultScore": 1},
        google_item("X", **{"@id": None}),
        google_item("X", **{"@id": ""}),
        google_item("X", **{"@id": 7}),
        google_item("X", name=3),
        google_item("X", name=[3]),
        google_item("X", name={"@value": []}),
        google_item("X", description=["x"]),
        google_item("X", detailedDescription="text"),
        google_item("X", detailedDescription={"articleBody": 1}),
        google_item("X", detailedDescription={"url": "javascript:alert(1)"}),
        google_item("X", **{"@type": [1]}),
        google_item("X", **{"@type": {"a": 1}}),
        google_item("X", score=None),
        google_item("X", score="9"),
        google_item("X", score=True),
        google_item("X", score=-1),
        google_item("X", score=float("nan")),
        google_item("X", score=float("inf")),
        google_item("X", score=10**400),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_result_that_is_not_in_form_is_left_out_and_counted(serve: Any, google: Any, item: Any) -> None:
    good = google_item("Ada Lovelace")
    graph = google(serve([Answer(google_answer(item, good, item))]))
    with codes() as given:
        answers = graph.search(["Ada"])
    assert [result.label for result in answers.results[0]] == ["Ada Lovelace"]
    assert answers.dropped == 2
    assert given == ["NW183"]


def test_texts_of_an_answer_are_clean_and_short(serve: Any, google: Any) -> None:
    item = google_item("x", name="Ada\x00\n\x1b[31m \ud800Lovelace", detailedDescription={"articleBody": "y" * 50_000})
    (result,) = google(serve([Answer(google_answer(item))])).search(["Ada"]).results[0]
    assert result.label == "Ada [31m Lovelace"
    assert len(result.description) == 10_000


def test_wikidata(serve: Any) -> None:
    hits = [
        wikidata_hit("Q90", "Paris"),
        wikidata_hit("Q167646", "Paris", match={"type": "alias", "language": "en", "text": "Alexander"}),
        wikidata_hit("Q5", "x", id="Paris"),
        wikidata_hit("Q6", "x", match="label"),
        wikidata_hit("Q7", "x", url="data:text/html,x"),
    ]
    service = serve([Answer({"searchinfo": {"search": "Paris"}, "search": hits, "search-continue": 7, "success": 1})])
    with codes() as given:
        answers = found(
            create_wikidata_search(endpoint=service.url, connection=quick(contact="a@example.org")), "Paris"
        )
    assert service.seen[0].query == {
        "action": ["wbsearchentities"],
        "search": ["Paris"],
        "language": ["en"],
        "uselang": ["en"],
        "type": ["item"],
        "limit": ["5"],
        "format": ["json"],
        "formatversion": ["2"],
        "maxlag": ["5"],
    }
    assert service.seen[0].headers["user-agent"].endswith("(a@example.org)")
    first, second = answers.results[0]
    assert first == RemoteResult(
        id="Q90",
        label="Paris",
        description="what Paris is",
        url="https://www.wikidata.org/wiki/Q90",
        score=pytest.approx(2 / 3),
        alias="Paris",
    )
    assert (second.id, second.alias, second.score) == ("Q167646", "Alexander", pytest.approx(1 / 3))
    assert answers.dropped == 3
    assert given == ["NW183"]


def test_wikidata_details_come_once_for_a_batch(serve: Any) -> None:
    def behave(seen: Seen) -> Answer:
        if seen.query["action"] == ["wbgetentities"]:
            entity = {
                "type": "item",
                "id": "Q90",
                "labels": {"de": {"language": "de", "value": "Paris (Stadt)"}},
                "descriptions": {"de": {"language": "en", "value": "capital", "for-language": "de"}},
                "sitelinks": {"dewiki": {"site": "dewiki", "title": "Paris", "url": "https://de.example.org/Paris"}},
            }
            wrong = {"id": "Q2", "descriptions": [1]}
            return Answer({"entities": {"Q90": entity, "Q1": {"id": "Q1", "missing": ""}, "Q2": wrong}, "success": 1})
        number = {"Paris": 90, "London": 1, "Rome": 2}[seen.query["search"][0]]
        hit = wikidata_hit(f"Q{number}", seen.query["search"][0])
        del hit["description"]
        return Answer({"search": [hit], "success": 1})

    service = serve(behave)
    graph = create_wikidata_search("de", details=True, endpoint=service.url, connection=quick())
    with codes() as given:
        answers = graph.search(["Paris", "London", "Rome", "Paris"])
        assert graph.search(["Rome", "Paris"]).results == [answers.results[2], answers.results[0]]
    graph.close()
    assert [seen.query["action"][0] for seen in service.seen] == ["wbsearchentities"] * 3 + ["wbgetentities"]
    assert service.seen[-1].query["ids"] == ["Q90|Q1|Q2"]
    assert service.seen[-1].query["sitefilter"] == ["dewiki"]
    described = [(result.label, result.description, result.url) for (result,) in answers.results]
    paris = ("Paris", "capital", "https://de.example.org/Paris")
    assert described == [
        paris,
        ("London", "", "https://www.wikidata.org/wiki/Q1"),
        ("Rome", "", "https://www.wikidata.org/wiki/Q2"),
        paris,
    ]
    assert given == ["NW183"]


def test_wikidata_without_details_is_not_stored(serve: Any) -> None:
    def behave(seen: Seen) -> Answer:
        if seen.query["action"] == ["wbgetentities"]:
            return Answer(status=500)
        return Answer({"search": [wikidata_hit("Q90", "Paris")], "success": 1})

    service = serve(behave)
    graph = create_wikidata_search(details=True, endpoint=service.url, connection=quick())
    with codes() as given:
        first, second = graph.search(["Paris"]), graph.search(["Paris"])
    graph.close()
    assert first == second
    assert first.status == ["ok"]
    assert given == ["NW181"]
    assert len(service.seen) == 4


def test_wikidata_asks_for_patience_by_status_200(serve: Any) -> None:
    busy = Answer(
        {"error": {"code": "maxlag", "info": "Waiting for a server: 6 seconds lagged."}}, headers={"Retry-After": "0"}
    )
    good = Answer({"search": [wikidata_hit("Q90", "Paris")]})
    service = serve([busy, busy, good])
    assert found(create_wikidata_search(endpoint=service.url, connection=quick(retries=2)), "Paris").status == ["ok"]
    assert len(service.seen) == 3
    for wrong in ({"error": {"code": "badvalue"}}, {"success": 1}, {"search": {}}, []):
        service = serve([Answer(wrong)])
        with codes() as given:
            answers = found(create_wikidata_search(endpoint=service.url, connection=quick(retries=2)), "Paris")
        assert (answers.status, given, len(service.seen)) == (["error"], ["NW181"], 1)


def test_openfigi(serve: Any) -> None:
    def behave(seen: Seen) -> Answer:
        answers: dict[str, Any] = {
            "EXM": {"data": [figi(1), figi(2), figi(3, shareClassFIGI="BBG200000009", name=None)]},
            "NONE": {"warning": "No identifier found."},
            "BAD": {"error": "Invalid idValue format."},
        }
        return Answer([answers.get(job["idValue"], {"data": [figi(1)]}) for job in json.loads(seen.body)])

    service = serve(behave)
    graph = create_open_figi(jobs=4, endpoint=service.url, key_variable=KEY_VARIABLE, connection=quick())
    texts = [
        "EXM",
        "NONE",
        "Example Corp",
        "BAD",
        "DELL.O",
        "BRK.B",
        "US0378331005",
        "037833100",
        "BBG000B9XRY4",
        "EXM",
        "US0378331006",
    ]
    with codes() as given:
        answers = found(graph, *texts)
    assert answers.status == ["ok", "no_match", "no_match", "error", "ok", "ok", "ok", "ok", "ok", "ok", "no_match"]
    assert given == ["NW181"]
    assert [json.loads(seen.body) for seen in service.seen] == [
        [
            {"idType": "TICKER", "idValue": "EXM", "exchCode": "US"},
            {"idType": "TICKER", "idValue": "NONE", "exchCode": "US"},
            {"idType": "TICKER", "idValue": "BAD", "exchCode": "US"},
            {"idType": "TICKER", "idValue": "DELL", "micCode": "XNAS"},
        ],
        [
            {"idType": "TICKER", "idValue": "BRK/B", "exchCode": "US"},
            {"idType": "ID_ISIN", "idValue": "US0378331005"},
            {"idType": "ID_CUSIP", "idValue": "037833100"},
            {"idType": "ID_BB_GLOBAL", "idValue": "BBG000B9XRY4"},
        ],
    ]
    assert {seen.method for seen in service.seen} == {"POST"}
    assert service.seen[0].headers["x-openfigi-apikey"] == CANARY
    assert service.seen[0].headers["content-type"] == "application/json"
    first, second = answers.results[0]
    assert first == RemoteResult(
        id="BBG200000001",
        label="EXAMPLE CORP",
        description="EXM US",
        types=("Common Stock", "Equity"),
        url="https://www.openfigi.com/id/BBG200000001",
        score=pytest.approx(0.75),
        alias="EXM",
    )
    assert (second.id, second.label) == ("BBG200000009", "BBG200000009")


@pytest.mark.parametrize(("level", "id_"), [("composite", "BBG100000001"), ("listing", "BBG000000001")])
def test_openfigi_levels(serve: Any, level: Any, id_: str) -> None:
    graph = create_open_figi(level=level, endpoint=serve([Answer([{"data": [figi(1)]}])]).url, connection=quick())
    assert [result.id for result in found(graph, "EXM").results[0]] == [id_]


@pytest.mark.parametrize("answer", [{}, [], [{"data": []}, {"data": []}], "x"])
def test_openfigi_answers_that_fit_no_job(serve: Any, answer: Any) -> None:
    with codes() as given:
        graph = create_open_figi(endpoint=serve([Answer(answer)]).url, connection=quick())
        assert found(graph, "EXM").status == ["error"]
    assert given == ["NW181"]


@pytest.mark.parametrize("result", [None, 3, {"data": 3}, {"data": [3]}, {"data": [{"figi": 3}]}, {}])
def test_openfigi_results_that_are_not_in_form(serve: Any, result: Any) -> None:
    with codes() as given:
        graph = create_open_figi(endpoint=serve([Answer([{"data": [figi(1)]}, result])]).url, connection=quick())
        answers = found(graph, "EXM", "ABC")
    assert answers.status == ["ok", "error"]
    assert "NW181" in given


def test_openfigi_stays_within_its_limits() -> None:
    """As documented: 25 requests in any minute without a key, 250 with one."""
    for variable, jobs, most in ((None, 5, 25), (KEY_VARIABLE, 100, 250)):
        graph = create_open_figi(key_variable=variable)
        assert graph.batch_size == jobs
        assert graph.default_burst + graph.default_rate <= most
    assert create_open_figi(jobs=10).batch_size == 10


@pytest.mark.parametrize(
    "make",
    [
        lambda: create_google_knowledge_graph(languages=["en&x"]),
        lambda: create_wikidata_search(language=""),
        lambda: create_open_figi(jobs=101),
        lambda: create_open_figi(exchange="New York"),
    ],
)
def test_settings_that_are_refused(make: Any) -> None:
    with pytest.raises(NlpkitError, match="N180"):
        make()
