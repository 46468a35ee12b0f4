"""Tagged files, spaCy's own files, and how formats are told apart."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_nlpkit.data.converters import ConvertOptions, Report, convert_path
from spacy_nlpkit.errors import NlpkitError


@pytest.fixture(scope="module")
def nlp() -> spacy.Language:
    return spacy.blank("en")


def convert(path: Path, nlp: spacy.Language, **options: Any) -> tuple[list[Doc], Report]:
    report = Report()
    docs = list(convert_path(path, nlp, ConvertOptions(**options), report))
    assert report.read == report.converted + report.merged + sum(report.skipped.values())
    return docs, report


def tagged(tags: str) -> str:
    """A sentence of tokens w0, w1, ... with the tags."""
    return "".join(f"w{i}\t{tag}\n" for i, tag in enumerate(tags.split())) + "\n"


@pytest.mark.parametrize(
    "tags",
    [
        "B-ORG I-ORG B-ORG O B-PER B-GPE I-GPE I-GPE",
        "I-ORG I-ORG B-ORG O I-PER I-GPE I-GPE I-GPE",
        "B-ORG L-ORG U-ORG O U-PER B-GPE I-GPE L-GPE",
        "B-ORG E-ORG S-ORG O S-PER B-GPE I-GPE E-GPE",
    ],
    ids=["IOB2", "IOB1", "BILUO", "BIOES"],
)
def test_every_scheme_gives_the_same_entities(tmp_path: Path, nlp: spacy.Language, tags: str) -> None:
    path = tmp_path / "a.iob"
    path.write_text(tagged(tags))
    (doc,), _ = convert(path, nlp)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("w0 w1", "ORG"),
        ("w2", "ORG"),
        ("w4", "PER"),
        ("w5 w6 w7", "GPE"),
    ]
    assert doc[3].ent_iob_ == "O"


def test_labels_keep_their_hyphens_and_missing_tags_stay_missing(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.bio"
    path.write_text(tagged("B-creative-work - O"))
    (doc,), _ = convert(path, nlp)
    assert doc.ents[0].label_ == "creative-work"
    assert [token.ent_iob for token in doc] == [3, 0, 2]


def test_sentences_are_grouped(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.conll"
    docs = [["O", "B-X"], ["O"]], [["B-X I-X"]], [["O"]]
    marked = "-DOCSTART- -X- O O\n\n"
    path.write_text("".join(marked + "".join(tagged(" ".join(tags)) for tags in doc) for doc in docs))
    whole, report = convert(path, nlp)
    assert [len(doc) for doc in whole] == [3, 2, 1]
    assert [token.is_sent_start for token in whole[0]] == [True, False, True]
    assert (report.read, report.merged) == (4, 1)
    single, _ = convert(path, nlp, n_sents=1)
    assert [len(doc) for doc in single] == [2, 1, 2, 1]
    path.write_text("".join(tagged("O") for _ in range(5)))
    assert [len(docs) for docs, _ in (convert(path, nlp), convert(path, nlp, n_sents=2))] == [5, 3]


def test_columns_by_blanks_and_gz(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.conll.gz"
    with gzip.open(path, "wt") as file_:
        file_.write("U.N. NNP I-NP I-ORG\nofficial NN I-NP O")
    (doc,), _ = convert(path, nlp)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("U.N.", "ORG")]


def test_a_bad_line_costs_its_sentence(tmp_path: Path, nlp: spacy.Language) -> None:
    path = tmp_path / "a.iob"
    bad = ["lonely\n\n", "a\tB-\n\n", "a\tQ-ORG\n\n", "\tO\n\n"]
    path.write_text(tagged("B-ORG O") + "".join(bad))
    with path.open("ab") as file_:
        file_.write(b"caf\xe9\tO\n\n")
    docs, report = convert(path, nlp)
    assert len(docs) == 1
    assert report.skipped == {"bad line": 5}
    assert [problem[:6] for problem in report.problems] == ["[N031]"] * 4 + ["[N027]"]
    assert f"{path}, line 4: " in report.problems[0]


def test_spacy_2_json(tmp_path: Path, nlp: spacy.Language) -> None:
    tokens = [
        {"id": 0, "orth": "Nokia", "tag": "NNP", "ner": "U-ORG", "space": " "},
        {"id": 1, "orth": "rose", "tag": "VBD", "ner": "O", "space": ""},
        {"id": 2, "orth": ".", "tag": ".", "ner": "-", "space": ""},
    ]
    good = {"raw": "Nokia rose.", "sentences": [{"tokens": tokens}], "cats": [{"label": "A", "value": 1.0}]}
    bad = {"raw": "x", "sentences": [{"tokens": [{"id": 0}]}]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"id": 0, "paragraphs": [good, bad]}, {"id": 1}]))
    (doc,), report = convert(path, nlp)
    assert doc.text == "Nokia rose."
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Nokia", "ORG")]
    assert [token.ent_iob for token in doc] == [3, 2, 0]
    assert doc[0].tag_ == "NNP"
    assert doc.cats == {"A": 1.0}
    assert "document 1, paragraph 2" in report.problems[0]
    assert "document 2" in report.problems[1]


def make_docbin(nlp: spacy.Language, path: Path) -> Path:
    doc = nlp.make_doc("Nokia hired Anna in Oslo")
    doc.set_ents([Span(doc, 0, 1, "ORG", kb_id="x"), Span(doc, 2, 3, "PERSON")], missing=[doc[4:5]])
    doc.spans["incorrect_spans"] = [Span(doc, 4, 5, "ORG"), Span(doc, 3, 4, "GPE")]
    doc.user_data["note"] = "kept"
    DocBin(store_user_data=True, docs=[doc, nlp.make_doc("   ")]).to_disk(path)
    return path


def test_docbin_is_rewritten(tmp_path: Path, nlp: spacy.Language) -> None:
    path = make_docbin(nlp, tmp_path / "a.spacy")
    (doc,), report = convert(path, nlp)
    assert [(ent.text, ent.kb_id_) for ent in doc.ents] == [("Nokia", "x"), ("Anna", "")]
    assert doc.user_data["note"] == "kept"
    assert report.skipped == {"blank text": 1}
    (doc,), _ = convert(path, nlp, labels=frozenset(["ORG"]))
    assert [token.ent_iob for token in doc] == [3, 2, 2, 2, 0]
    assert [span.label_ for span in doc.spans["incorrect_spans"]] == ["ORG"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.spacy", b"no docbin", "N032"),
        ("a.spacy", b"", "N029"),
        ("a.jsonl", b"", "N029"),
        ("a.json", b"", "N029"),
        ("a.iob", b"", "N029"),
        ("a.jsonl", b"\n\n", "N028"),
        ("a.jsonl.gz", b"not packed", "N032"),
        ("a.json", b'[{"paragraphs": ', "N032"),
        ("a.json", b'[{"paragraphs": "\xe9"}]', "N027"),
        ("a.json", b'{"paragraphs": []}', "N032"),
        ("a.csv", b"text\nx\n", "N112"),
        ("a.txt", b"some text\n", "N021"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, nlp: spacy.Language, name: str, content: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(NlpkitError, match=code) as error:
        convert(path, nlp)
    assert str(path) in str(error.value)


def test_content_tells_the_format(tmp_path: Path, nlp: spacy.Language) -> None:
    (tmp_path / "tags.txt").write_text(tagged("B-ORG"))
    (tmp_path / "tasks.txt").write_text('{"text": "T", "spans": []}\n')
    (tmp_path / "README.md").write_text("What this is\n")
    docs, report = convert(tmp_path, nlp)
    assert sorted(doc[0].text for doc in docs) == ["T", "w0"]
    assert report.skipped == {"file of no known format": 1}
    assert "README.md" in report.problems[0]


def test_nothing_to_read(tmp_path: Path, nlp: spacy.Language) -> None:
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(NlpkitError, match="N020"):
            convert(path, nlp)


@pytest.mark.parametrize(
    "options", [{"clean": True}, {"repair": True}, {"binary": False}, {"format": "prodgy"}], ids=str
)
def test_options_that_do_not_fit(tmp_path: Path, nlp: spacy.Language, options: dict[str, Any]) -> None:
    path = tmp_path / "a.iob"
    path.write_text(tagged("O"))
    with pytest.raises(NlpkitError, match="N006"):
        convert(path, nlp, **options)
