"""Reads entities from local files of RDF: thesauri in SKOS, and plain triples with labels.

Files are parsed by pyoxigraph (extra `rdf`), triple by triple. No query is ever run, and nothing that a file
names is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import compat
from ..errors import Errors, NlpkitError
from ..files import open_bytes, unpacked_suffix
from .graph import Alias, Entity
from .report import BuildReport

# Formats by extension, as pyoxigraph names them.
SUFFIXES = {
    ".ttl": "TURTLE",
    ".nt": "N_TRIPLES",
    ".nq": "N_QUADS",
    ".trig": "TRIG",
    ".n3": "N3",
    ".rdf": "RDF_XML",
    ".owl": "RDF_XML",
}
_SKOS, _RDFS = "http://www.w3.org/2004/02/skos/core#", "http://www.w3.org/2000/01/rdf-schema#"
_RDF, _OWL = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/2002/07/owl#"
_SCHEMA = ("https://schema.org/", "http://schema.org/")
_FOAF, _TERMS = "http://xmlns.com/foaf/0.1/", "http://purl.org/dc/terms/"
LABELS = {f"{_SKOS}prefLabel", f"{_RDFS}label", f"{_FOAF}name", *(f"{base}name" for base in _SCHEMA)}
# Kinds of the aliases that these properties give.
ALIASES = {
    f"{_SKOS}altLabel": "name",
    f"{_SKOS}hiddenLabel": "hidden",
    f"{_SKOS}notation": "notation",
    **{f"{base}{name}": "name" for base in _SCHEMA for name in ("alternateName", "legalName")},
    **{f"{base}tickerSymbol": "ticker" for base in _SCHEMA},
    **{f"{base}leiCode": "lei" for base in _SCHEMA},
}
DESCRIPTIONS = {
    f"{_SKOS}definition",
    f"{_RDFS}comment",
    f"{_TERMS}description",
    *(f"{base}description" for base in _SCHEMA),
}
TYPE = f"{_RDF}type"
SAME = {f"{_OWL}sameAs", f"{_SKOS}exactMatch", *(f"{base}sameAs" for base in _SCHEMA)}
_LOCAL_NAME = re.compile(r"[^/#:]+(?=[/#]?\Z)")
_HOST = re.compile(r"\w+://([^/]+)")


@dataclass
class _Node:
    """What the triples say of one IRI; texts with their languages."""

    labels: list[tuple[str, str]] = field(default_factory=list)
    aliases: list[tuple[str, str, str]] = field(default_factory=list)
    descriptions: list[tuple[str, str]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def read_rdf(
    path: Path, report: BuildReport, languages: Sequence[str] = (), uri_template: str = ""
) -> Iterator[Entity]:
    """The entities of a file: every IRI that has a label (`LABELS`).

    languages: Of labels and descriptions, the preferred first; then any. Aliases come in all languages.
    uri_template: With `{id}` at its end, IRIs that begin as it does have the rest as id; else the IRI is the id.
    RAISES: N004 without pyoxigraph, N161 where the file is no RDF of the format that its name says, N032 where it
        cannot be unpacked.
    """
    compat.require("pyoxigraph", f"reading {path}")
    nodes: dict[str, _Node] = {}
    for subject, predicate, value in _triples(path, report):
        _add(nodes.setdefault(subject, _Node()), predicate, value)
    base = uri_template.removesuffix("{id}") if uri_template.endswith("{id}") else ""
    for iri, node in nodes.items():
        if node.labels:
            report.read += 1
            report.where = f"{path}, {iri}"
            yield _entity(iri, node, nodes, list(languages), base)
    report.notes["IRIs without a label"] += sum(not node.labels for node in nodes.values())


def _triples(path: Path, report: BuildReport) -> Iterator[tuple[str, str, Any]]:
    """Subject and predicate as IRIs, and the object; statements about blank nodes are counted as notes."""
    import pyoxigraph

    suffix = unpacked_suffix(path)
    formats = ", ".join(SUFFIXES)
    if suffix not in SUFFIXES:
        raise NlpkitError(
            Errors.N161.format(path=path, reason=f"no format has the extension {suffix!r}", formats=formats)
        )
    rdf_format = getattr(pyoxigraph.RdfFormat, SUFFIXES[suffix])
    with open_bytes(path) as file_:
        try:
            for quad in pyoxigraph.parse(file_, format=rdf_format, base_iri=path.resolve().as_uri()):
                if isinstance(quad.subject, pyoxigraph.NamedNode):
                    yield quad.subject.value, quad.predicate.value, quad.object
                else:
                    report.notes["triples about blank nodes"] += 1
        except SyntaxError as error:
            raise NlpkitError(Errors.N161.format(path=path, reason=error, formats=formats)) from error


def _add(node: _Node, predicate: str, value: Any) -> None:
    import pyoxigraph

    if isinstance(value, pyoxigraph.Literal):
        language = value.language or ""
        if predicate in LABELS:
            node.labels.append((value.value, language))
        elif predicate in ALIASES:
            node.aliases.append((value.value, ALIASES[predicate], language))
        elif predicate in DESCRIPTIONS:
            node.descriptions.append((value.value, language))
    elif isinstance(value, pyoxigraph.NamedNode):
        if predicate == TYPE:
            node.types.append(value.value)
        elif predicate in SAME:
            node.same.append(value.value)
        else:
            node.links.append((predicate, value.value))


def _entity(iri: str, node: _Node, nodes: dict[str, _Node], languages: list[str], base: str) -> Entity:
    label = _preferred(node.labels, languages)
    aliases = [Alias(text, language=language) for text, language in node.labels]
    aliases += [Alias(text, kind, language=language) for text, kind, language in node.aliases]
    # The label stands first.
    aliases.sort(key=lambda alias: alias.text != label)
    return Entity(
        id=_short(iri, base),
        label=label,
        types=tuple(_name_of(name, nodes, languages) for name in node.types),
        description=" ".join(_preferred(node.descriptions, languages).split()),
        aliases=tuple(aliases),
        edges=tuple(
            (_local_name(relation), _short(target, base))
            for relation, target in node.links
            if target in nodes and nodes[target].labels
        ),
        xref={_host(same): same for same in node.same},
    )


def _preferred(texts: list[tuple[str, str]], languages: list[str]) -> str:
    """The first text in the first of the languages that has one; one without language before one in another."""

    def rank(item: tuple[int, tuple[str, str]]) -> tuple[int, int]:
        place, (_, language) = item
        main = language.split("-")[0].lower()
        return (languages.index(main) if main in languages else len(languages) + bool(language), place)

    return min(enumerate(texts), key=rank)[1][0] if texts else ""


def _name_of(iri: str, nodes: dict[str, _Node], languages: list[str]) -> str:
    """The label of an IRI where the file has one, else the end of the IRI."""
    return _preferred(nodes[iri].labels if iri in nodes else [], languages) or _local_name(iri)


def _local_name(iri: str) -> str:
    match = _LOCAL_NAME.search(iri)
    return match[0].strip("/#") if match else iri


def _short(iri: str, base: str) -> str:
    return iri[len(base) :] if base and iri.startswith(base) and len(iri) > len(base) else iri


def _host(iri: str) -> str:
    match = _HOST.match(iri)
    return match[1] if match else iri
