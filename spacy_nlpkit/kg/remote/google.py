"""Google's Knowledge Graph: the Search API, and the Enterprise API, which answers in the same form.

Source: developers.google.com/knowledge-graph/reference/rest/v1,
cloud.google.com/enterprise-knowledge-graph/docs/search-api.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .answers import RemoteResult, items, mapping, needed, read_results, string, web_address
from .graph import RemoteGraph
from .settings import RemoteConnection, check_language
from .transport import Request

GOOGLE_ENDPOINT = "https://kgsearch.googleapis.com/v1/entities:search"
_MAX_LIMIT = 500


class GoogleKnowledgeGraph(RemoteGraph):
    """Searches Google's Knowledge Graph; see `create_google_knowledge_graph`."""

    service = "Google Knowledge Graph"
    # Counted by day: 100,000 requests are free, so that what is asked now and then may go faster than 69 a minute.
    default_rate = 300.0
    default_burst = 20

    def __init__(
        self,
        endpoint: str,
        key_variable: str | None,
        connection: RemoteConnection | None,
        languages: Sequence[str] = ("en",),
        types: Sequence[str] = (),
        bearer: bool = False,
    ) -> None:
        super().__init__(endpoint, key_variable, connection)
        self.key_header = ("Authorization", "Bearer ") if bearer else ("X-Goog-Api-Key", "")
        self._languages = [check_language(language) for language in languages]
        self._types = list(types)

    def request(self, texts: Sequence[str], k: int) -> Request:
        """One search."""
        parameters = [("query", texts[0]), ("limit", str(min(k, _MAX_LIMIT)))]
        parameters += [("languages", language) for language in self._languages]
        parameters += [("types", type_) for type_ in self._types]
        return Request(tuple(parameters))

    def parse(self, answer: Any, texts: Sequence[str], k: int, dropped: list[str]) -> list[list[RemoteResult] | None]:
        """Results of `itemListElement`, by `resultScore`."""
        records = items(mapping(answer, "the answer"), "itemListElement")
        return [read_results(records, self._read, k, dropped, "resultScore")]

    def _read(self, record: Mapping[str, Any]) -> RemoteResult:
        result = mapping(record.get("result"), "result")
        article = self._in_language(result, "detailedDescription")
        name = self._value(result, "name")
        # All fields are read before one is chosen: a result that is wrong in any of them is left out.
        body, short = string(article, "articleBody", long=True), self._value(result, "description")
        page, site = web_address(article, "url"), web_address(result, "url")
        return RemoteResult(
            id=needed(result, "@id"),
            label=name or needed(result, "@id"),
            description=body or short,
            types=_types(result),
            url=page or site,
            alias=name,
        )

    def _value(self, result: Mapping[str, Any], field: str) -> str:
        """A text, which is one of several by language where several languages are asked for."""
        if isinstance(result.get(field), list | dict):
            return string(self._in_language(result, field), "@value")
        return string(result, field)

    def _in_language(self, result: Mapping[str, Any], field: str) -> Mapping[str, Any]:
        """An object, or of a list of them the one in the first of our languages that it has."""
        value = result.get(field)
        if value is None:
            return {}
        if not isinstance(value, list):
            return mapping(value, field)
        by_language: dict[str, Mapping[str, Any]] = {}
        for each in value:
            part = mapping(each, field)
            by_language.setdefault(string(part, "@language") or string(part, "inLanguage"), part)
        known = [by_language[language] for language in self._languages if language in by_language]
        return next(iter([*known, *by_language.values()]), {})


def _types(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Types, which JSON-LD writes as a list, or as a text where there is one."""
    types = result.get("@type")
    listed = [types] if isinstance(types, str) else items(result, "@type")
    return tuple(needed({"@type": each}, "@type") for each in listed)


def create_google_knowledge_graph(
    key_variable: str | None = "GOOGLE_KG_API_KEY",
    languages: list[str] | None = None,
    types: list[str] | None = None,
    endpoint: str = GOOGLE_ENDPOINT,
    authorization: Literal["key", "bearer"] = "key",
    connection: RemoteConnection | None = None,
) -> RemoteGraph:
    """`spacy_nlpkit.GoogleKnowledgeGraph.v1`: search in Google's Knowledge Graph.

    key_variable (str): Name of the environment variable with the API key.
    languages (list[str]): Of names and descriptions, the preferred first; None for English.
    types (list[str]): Types of schema.org, of which a result has at least one (`Person`, `Corporation`); None for all.
    endpoint (str): For the Enterprise API
        `https://enterpriseknowledgegraph.googleapis.com/v1/projects/PROJECT/locations/global/cloudKnowledgeGraphEntities:Search`.
    authorization (str): `key` sends the key as `X-Goog-Api-Key`, `bearer` as an OAuth token, for the Enterprise API.
    connection: `spacy_nlpkit.RemoteConnection.v1`; None for its defaults.
    RAISES: N180 for a wrong language, N181 for a refused endpoint.
    """
    bearer = authorization == "bearer"
    return GoogleKnowledgeGraph(endpoint, key_variable, connection, languages or ["en"], types or [], bearer)
