"""Wikidata's search of labels and aliases.

Source: www.wikidata.org/w/api.php?action=help&modules=wbsearchentities (and wbgetentities),
www.mediawiki.org/wiki/API:Etiquette.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from .answers import MalformedError, RemoteResult, items, mapping, needed, read_results, string, web_address
from .graph import RemoteGraph
from .settings import RemoteConnection, check_language
from .transport import Request

WIKIDATA_ENDPOINT = "https://www.wikidata.org/w/api.php"
_MAX_LIMIT = 50
# Errors that pass: the servers are behind, or we ask too often.
_BUSY = frozenset({"maxlag", "ratelimited", "readonly"})


class WikidataSearch(RemoteGraph):
    """Searches Wikidata; see `create_wikidata_search`."""

    service = "Wikidata"
    default_rate = 120.0
    default_burst = 10

    def __init__(
        self,
        endpoint: str,
        key_variable: str | None,
        connection: RemoteConnection | None,
        language: str = "en",
        type: str = "item",
        details: bool = False,
    ) -> None:
        super().__init__(endpoint, key_variable, connection)
        self._language = check_language(language)
        self._type = type
        self._details = details

    @property
    def variant(self) -> str:
        """Whether details are stored with an answer."""
        return "details" if self._details else ""

    def request(self, texts: Sequence[str], k: int) -> Request:
        """One search."""
        return self._request(
            action="wbsearchentities",
            search=texts[0],
            language=self._language,
            uselang=self._language,
            type=self._type,
            limit=str(min(k, _MAX_LIMIT)),
        )

    def _request(self, **parameters: str) -> Request:
        fixed = {"format": "json", "formatversion": "2", "maxlag": "5"}
        return Request(tuple({**parameters, **fixed}.items()), busy=_is_busy)

    def parse(self, answer: Any, texts: Sequence[str], k: int, dropped: list[str]) -> list[list[RemoteResult] | None]:
        """Results of `search`, in their order, which is by use."""
        record = _without_error(answer)
        if "search" not in record:
            raise MalformedError("search is missing")
        return [read_results(items(record, "search"), _read, k, dropped)]

    def detail_requests(self, found: Sequence[RemoteResult]) -> list[Request]:
        """Descriptions in another language where ours has none, and pages of Wikipedia, of 50 entities a request."""
        ids = list(dict.fromkeys(result.id for result in found)) if self._details else []
        return [
            self._request(
                action="wbgetentities",
                ids="|".join(ids[start : start + _MAX_LIMIT]),
                props="labels|descriptions|sitelinks/urls",
                languages=self._language,
                languagefallback="1",
                sitefilter=self._site,
            )
            for start in range(0, len(ids), _MAX_LIMIT)
        ]

    def add_details(self, answer: Any, found: Sequence[RemoteResult], dropped: list[str]) -> list[RemoteResult]:
        """The results with their descriptions and the addresses of their pages in Wikipedia."""
        entities = mapping(_without_error(answer).get("entities"), "entities")
        return [self._detailed(result, entities, dropped) for result in found]

    def _detailed(self, result: RemoteResult, entities: Mapping[str, Any], dropped: list[str]) -> RemoteResult:
        if result.id not in entities:
            return result
        try:
            entity = mapping(entities[result.id], "an entity")
            label = string(_part(entity, "labels", self._language), "value")
            description = string(_part(entity, "descriptions", self._language), "value")
            page = web_address(_part(entity, "sitelinks", self._site), "url")
        except MalformedError as problem:
            dropped.append(str(problem))
            return result
        return replace(
            result,
            label=label if result.label == result.id and label else result.label,
            description=result.description or description,
            url=page or result.url,
        )

    @property
    def _site(self) -> str:
        return f"{self._language.split('-')[0].lower()}wiki"


def _read(record: Mapping[str, Any]) -> RemoteResult:
    identifier = needed(record, "id")
    if not identifier[1:].isdigit():
        raise MalformedError("id is no number of an entity")
    match = record.get("match")
    return RemoteResult(
        id=identifier,
        label=string(record, "label") or identifier,
        description=string(record, "description", long=True),
        url=web_address(record, "url"),
        alias=string(mapping(match, "match"), "text") if match is not None else string(record, "label"),
    )


def _part(entity: Mapping[str, Any], field: str, name: str) -> Mapping[str, Any]:
    """An object in a field of objects, empty where there is none; MediaWiki writes an empty object as a list."""
    parts = entity.get(field) or {}
    return mapping(mapping(parts, field).get(name, {}), field)


def _without_error(answer: Any) -> Mapping[str, Any]:
    record = mapping(answer, "the answer")
    if "error" in record:
        raise MalformedError("it is an error of the service")
    return record


def _is_busy(answer: Any) -> bool:
    error = answer.get("error") if isinstance(answer, dict) else None
    return isinstance(error, dict) and error.get("code") in _BUSY


def create_wikidata_search(
    language: str = "en",
    type: Literal["item", "property", "lexeme"] = "item",
    details: bool = False,
    endpoint: str = WIKIDATA_ENDPOINT,
    key_variable: str | None = None,
    connection: RemoteConnection | None = None,
) -> RemoteGraph:
    """`spacy_nlpkit.WikidataSearch.v1`: search in the labels and aliases of Wikidata, or of another Wikibase.

    language (str): Of the names searched, and of labels and descriptions.
    type (str): Of the entities: `item`, `property` or `lexeme`.
    details (bool): Ask once more, for 50 entities at a time, for descriptions in a related language where this one has
        none, and for the addresses of pages in Wikipedia, which then stand in place of Wikidata's.
    endpoint (str): `api.php` of the Wikibase.
    key_variable (str): Name of the environment variable with an OAuth token, which raises the limits; None for none.
    connection: `spacy_nlpkit.RemoteConnection.v1`, in which `contact` should be set; None for its defaults.
    RAISES: N180 for a wrong language, N181 for a refused endpoint.
    """
    return WikidataSearch(endpoint, key_variable, connection, language, type, details)
