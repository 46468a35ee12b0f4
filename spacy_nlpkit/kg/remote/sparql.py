"""Any SPARQL 1.1 endpoint, by two fixed queries. The protocol has no parameters: `literal` and `iri` write the terms.

Source: W3C, SPARQL 1.1 Query Language (grammar: STRING_LITERAL2, IRIREF), SPARQL 1.1 Query Results JSON Format.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ...errors import Errors, NlpkitError
from .answers import MalformedError, RemoteResult, items, mapping, needed, scored, string
from .graph import RemoteGraph
from .settings import RemoteConnection, check_language
from .transport import Request

RDFS_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
RDFS_COMMENT = "http://www.w3.org/2000/01/rdf-schema#comment"
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
SKOS = "http://www.w3.org/2004/02/skos/core#"
DEFAULT_LABELS = (RDFS_LABEL, f"{SKOS}prefLabel", f"{SKOS}altLabel")

# Rows of one entity: one for each of its types and descriptions.
_ROWS = 16
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_FORBIDDEN_IN_IRI = re.compile(r'[\x00-\x20<>"{}|^`\\]')

_QUERY = """\
SELECT ?entity ?name ?place ?label ?description ?type WHERE {{
  {{ SELECT DISTINCT ?entity ?name ?place WHERE {{
    VALUES (?property ?place) {{ {properties} }}
    {match}
    FILTER(isIRI(?entity)){wanted}
  }} ORDER BY ?place ?entity LIMIT {limit} }}
  OPTIONAL {{ ?entity {label} ?label . FILTER({label_language}) }}
  OPTIONAL {{ ?entity {comment} ?description . FILTER({comment_language}) }}
  OPTIONAL {{ ?entity {type} ?type . FILTER(isIRI(?type)) }}
}} LIMIT {rows}
"""
_MATCH = {
    "exact": "VALUES ?name {{ {text} {text}@{language} }} ?entity ?property ?name .",
    "ignore_case": "?entity ?property ?name . FILTER(LCASE(STR(?name)) = LCASE({text}))",
}


def literal(value: str) -> str:
    """A plain literal of SPARQL with exactly this text: what it holds can neither end it nor start anything else."""
    return '"' + "".join(_ESCAPED.get(char, char) for char in value) + '"'


def iri(value: str, setting: str) -> str:
    """An IRI of SPARQL. RAISES: N180 for one that is not absolute or holds what no IRI may."""
    if _FORBIDDEN_IN_IRI.search(value) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", value):
        raise NlpkitError(Errors.N180.format(setting=setting, value=value, expected="an absolute IRI"))
    return f"<{value}>"


class SparqlGraph(RemoteGraph):
    """Looks names up by SPARQL; see `create_sparql_graph`."""

    service = "SPARQL endpoint"
    default_rate = 60.0
    default_burst = 10

    def __init__(
        self,
        endpoint: str,
        key_variable: str | None,
        connection: RemoteConnection | None,
        match: str = "exact",
        language: str = "en",
        label_properties: Sequence[str] = DEFAULT_LABELS,
        description_property: str = RDFS_COMMENT,
        type_property: str = RDF_TYPE,
        types: Sequence[str] = (),
    ) -> None:
        super().__init__(endpoint, key_variable, connection)
        self._match = _MATCH[match]
        self._language = check_language(language)
        self._labels = [iri(each, "label_properties") for each in label_properties]
        self._comment = iri(description_property, "description_property")
        self._type = iri(type_property, "type_property")
        self._types = [iri(each, "types") for each in types]

    def query(self, name: str, k: int) -> str:
        """The query for a name: the text of it stands in one literal, everything else is fixed by the settings."""
        types = f" VALUES ?wanted {{ {' '.join(self._types)} }} ?entity {self._type} ?wanted ."
        return _QUERY.format(
            properties=" ".join(f"({label} {place})" for place, label in enumerate(self._labels)),
            match=self._match.format(text=literal(name), language=self._language),
            wanted=types if self._types else "",
            limit=int(k),
            label=self._labels[0],
            comment=self._comment,
            type=self._type,
            label_language=self._in_language("label"),
            comment_language=self._in_language("description"),
            rows=int(k) * _ROWS,
        )

    def _in_language(self, variable: str) -> str:
        return f'LANG(?{variable}) = "" || LANGMATCHES(LANG(?{variable}), "{self._language}")'

    def request(self, texts: Sequence[str], k: int) -> Request:
        """One query, sent by POST as it is."""
        return Request(
            body=self.query(texts[0], k),
            content_type="application/sparql-query; charset=utf-8",
            accept="application/sparql-results+json",
        )

    def parse(self, answer: Any, texts: Sequence[str], k: int, dropped: list[str]) -> list[list[RemoteResult] | None]:
        """Rows of `results.bindings`, those of one entity as one result; names before alternative names."""
        results = mapping(mapping(answer, "the answer").get("results"), "results")
        if "bindings" not in results:
            raise MalformedError("bindings is missing")
        rows = items(results, "bindings")
        entities: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            try:
                read = _read(row)
            except MalformedError as problem:
                dropped.append(str(problem))
            else:
                entities.setdefault(read["entity"], []).append(read)
        if rows and not entities:
            return [None]
        return [scored([_result(entities[entity]) for entity in sorted(entities)], k)]


def _read(row: Any) -> dict[str, str]:
    """The values of a row, by variable."""
    found = {variable: _value(row, variable) for variable in ("name", "label", "description")}
    for variable in ("entity", "type"):
        found[variable] = _value(row, variable, "uri")
    found["place"] = _value(row, "place")
    if not found["entity"] or not found["place"].isdecimal():
        raise MalformedError("entity or place is missing")
    return found


def _value(row: Any, variable: str, kind: str = "") -> str:
    term = mapping(mapping(row, "a row").get(variable, {}), variable)
    if not term:
        return ""
    if kind and needed(term, "type") != kind:
        raise MalformedError(f"{variable} is no {kind}")
    return string(term, "value", long=variable == "description")


def _result(rows: Sequence[Mapping[str, str]]) -> tuple[float, RemoteResult]:
    """What the rows of one entity say, whatever their order."""
    place, alias = min((int(row["place"][:3]), row["name"]) for row in rows)
    entity = rows[0]["entity"]
    return 1 / (1 + place), RemoteResult(
        id=entity,
        label=min((row["label"] for row in rows if row["label"]), default=alias),
        description=min((row["description"] for row in rows if row["description"]), default=""),
        types=tuple(sorted({row["type"] for row in rows if row["type"]})),
        url=entity if entity.startswith(("http://", "https://")) else "",
        alias=alias,
    )


def create_sparql_graph(
    endpoint: str,
    match: Literal["exact", "ignore_case"] = "exact",
    language: str = "en",
    label_properties: list[str] | None = None,
    description_property: str = RDFS_COMMENT,
    type_property: str = RDF_TYPE,
    types: list[str] | None = None,
    key_variable: str | None = None,
    connection: RemoteConnection | None = None,
) -> RemoteGraph:
    """`spacy_nlpkit.SparqlGraph.v1`: names in any graph that answers SPARQL 1.1.

    endpoint (str): Address of the endpoint.
    match (str): `exact` finds a name as written, by the index that every store has; `ignore_case` compares all names of
        the graph, which suits small graphs alone.
    language (str): Of names, labels and descriptions; those without a language count as well.
    label_properties (list[str]): IRIs of the properties that hold names, the property of labels first; None for
        `DEFAULT_LABELS`.
    description_property, type_property (str): IRIs (for Wikidata, `http://schema.org/description` and
        `http://www.wikidata.org/prop/direct/P31`).
    types (list[str]): IRIs of types, of which a result has at least one; None for all.
    key_variable (str): Name of the environment variable with a bearer token; None for an open endpoint.
    connection: `spacy_nlpkit.RemoteConnection.v1`; None for its defaults.
    RAISES: N180 for a wrong language or IRI, N181 for a refused endpoint.
    """
    return SparqlGraph(
        endpoint,
        key_variable,
        connection,
        match,
        language,
        label_properties or DEFAULT_LABELS,
        description_property,
        type_property,
        types or [],
    )
