"""RDF from local files: SKOS, plain triples, every format, and nothing that leaves the file."""

from __future__ import annotations

import gzip
import http.server
import threading

import pytest

from spacy_nlpkit import compat
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.report import BuildReport
from spacy_nlpkit.kg.stores import open_graph

pytest.importorskip("pyoxigraph", reason="needs the extra 'rdf'")

PREFIXES = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix schema: <https://schema.org/> .
@prefix ex: <https://ex.example/id/> .
"""
TEMPLATE = "https://ex.example/id/{id}"


def read(path, text, **settings):
    path.write_text(text, encoding="utf8")
    report = BuildReport()
    return list(open_graph(path, report=report, **settings).iterate()), report


def test_a_thesaurus(tmp_path):
    text = f"""{PREFIXES}
    ex:bank a skos:Concept ; skos:prefLabel "Bank"@en, "Banque"@fr ; skos:altLabel "Lender"@en ;
        skos:hiddenLabel "Banc" ; skos:notation "6419" ; skos:definition "Nimmt Geld"@de, "Takes\n deposits"@en ;
        skos:broader ex:finance ; skos:related ex:unlabelled ; skos:exactMatch <http://www.wikidata.org/entity/Q22687> .
    ex:finance skos:prefLabel "Finance"@en ; skos:narrower ex:bank .
    """.replace("\n deposits", " deposits")
    entities, report = read(tmp_path / "a.ttl", text, uri_template=TEMPLATE, languages=("en",))
    assert entities == [
        Entity(
            "bank",
            "Bank",
            types=("Concept",),
            description="Takes deposits",
            aliases=(
                Alias("Bank", language="en"),
                Alias("Lender", language="en"),
                Alias("Banc", "hidden"),
                Alias("6419", "notation"),
            ),
            edges=(("broader", "finance"),),
            xref={"www.wikidata.org": "http://www.wikidata.org/entity/Q22687"},
        ),
        Entity("finance", "Finance", aliases=(Alias("Finance", language="en"),), edges=(("narrower", "bank"),)),
    ]
    assert report.read == 2
    french = read(tmp_path / "a.ttl", text, uri_template=TEMPLATE, languages=("fr", "de"))[0][0]
    assert (french.label, french.description) == ("Banque", "Nimmt Geld")


def test_plain_triples(tmp_path):
    text = f"""{PREFIXES}
    ex:Company rdfs:label "company" .
    ex:acme a ex:Company, owl:Thing ; rdfs:label "Acme" ; rdfs:comment "Tools" ; schema:alternateName "Acme Tools" ;
        schema:tickerSymbol "ACM" ; schema:leiCode "5493001KJTIIGC8Y1R12" ; ex:madeBy ex:bolt ; ex:count 3 ;
        ex:address [ rdfs:label "Here" ] .
    ex:bolt schema:name "Bolt" ; schema:description "Screws" ; owl:sameAs <https://other.example/7> .
    """
    entities, report = read(tmp_path / "a.ttl", text)
    by_label = {entity.label: entity for entity in entities}
    acme, bolt = by_label["Acme"], by_label["Bolt"]
    assert acme.id == "https://ex.example/id/acme"
    assert acme.types == ("company", "Thing")
    assert acme.edges == (("madeBy", bolt.id),)
    assert [(alias.text, alias.kind) for alias in acme.aliases] == [
        ("Acme", "name"),
        ("Acme Tools", "name"),
        ("ACM", "ticker"),
        ("5493001KJTIIGC8Y1R12", "lei"),
    ]
    assert (bolt.description, bolt.xref) == ("Screws", {"other.example": "https://other.example/7"})
    assert report.notes == {"triples about blank nodes": 1, "IRIs without a label": 0}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.nt", '<https://ex.example/id/a> <http://www.w3.org/2000/01/rdf-schema#label> "A"@en .'),
        (
            "a.nq",
            '<https://ex.example/id/a> <http://www.w3.org/2000/01/rdf-schema#label> "A"@en <https://g.example/> .',
        ),
        ("a.trig", PREFIXES + 'ex:g { ex:a rdfs:label "A"@en }'),
        (
            "a.rdf",
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:rdfs="http://www.w3.org/2000/01/'
            'rdf-schema#"><rdf:Description rdf:about="https://ex.example/id/a"><rdfs:label xml:lang="en">A</rdfs:label>'
            "</rdf:Description></rdf:RDF>",
        ),
    ],
)
def test_formats_by_extension(tmp_path, name, text):
    assert read(tmp_path / name, text, uri_template=TEMPLATE)[0] == [
        Entity("a", "A", aliases=(Alias("A", language="en"),))
    ]


def test_packed_files(tmp_path):
    (tmp_path / "a.ttl.gz").write_bytes(gzip.compress(f'{PREFIXES} ex:a rdfs:label "A" .'.encode()))
    assert open_graph(tmp_path / "a.ttl.gz").labels([0]) == ["A"]


def test_files_at_fault(tmp_path):
    with pytest.raises(NlpkitError, match=r"N161.*a\.ttl.*line"):
        read(tmp_path / "a.ttl", 'ex:a rdfs:label "A" .')
    with pytest.raises(NlpkitError, match=r"N161.*a\.nt"):
        read(tmp_path / "a.nt", "<a> <b>")
    with pytest.raises(NlpkitError, match="N153"):
        read(tmp_path / "b.ttl", f"{PREFIXES} ex:a ex:b ex:c .")
    (tmp_path / "c.ttl.gz").write_bytes(b"no gzip")
    with pytest.raises(NlpkitError, match="N032"):
        open_graph(tmp_path / "c.ttl.gz")


def test_nothing_is_fetched(tmp_path):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    rdf = (
        f'<?xml version="1.0"?><!DOCTYPE r SYSTEM "{base}/dtd">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"><rdf:Description rdf:about="{base}/a">'
        f"<rdfs:label>A</rdfs:label></rdf:Description></rdf:RDF>"
    )
    turtle = (
        f"{PREFIXES} @prefix x: <{base}/> . x:a a x:T ; rdfs:label "
        f'"x\\" }} UNION {{ SERVICE <{base}/q> {{ ?s ?p ?o }} }} #" ; owl:imports <{base}/more> .'
    )
    try:
        assert read(tmp_path / "a.rdf", rdf)[0][0].id == f"{base}/a"
        assert "SERVICE" in read(tmp_path / "a.ttl", turtle)[0][0].label
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


def test_entities_of_xml_cannot_read_files(tmp_path):
    (tmp_path / "secret").write_text("secret words")
    rdf = (
        f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY s SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"><rdf:Description rdf:about="https://ex.example/a">'
        "<rdfs:label>A &s;</rdfs:label></rdf:Description></rdf:RDF>"
    )
    with pytest.raises(NlpkitError, match="N161"):
        read(tmp_path / "a.rdf", rdf)


def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "a.ttl").write_text("")
    monkeypatch.setattr(compat, "is_installed", lambda package: package != "pyoxigraph")
    with pytest.raises(NlpkitError, match=r"N004.*spacy-nlpkit\[rdf\]"):
        open_graph(tmp_path / "a.ttl")
