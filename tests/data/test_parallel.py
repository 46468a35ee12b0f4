"""The reader of pairs of texts: what the reference holds and the predicted side does not, and what is an error."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import load_config_from_str, registry, resolve_dot_names

from spacy_nlpkit.attributes import register_target
from spacy_nlpkit.data.parallel import ParallelCorpus, create_parallel_corpus
from spacy_nlpkit.errors import NlpkitError

PAIRS = [
    ("Ein Hund läuft.", "A dog is running."),
    ("Zwei  Frauen \u2028 lesen “Bücher”.", "Two women read\u0085 books 👩‍👩‍👧."),
    ("แมวนอน", "The cat sleeps; e\u0301."),
    ('Er sagt "ja', 'He says "yes'),
]

CONFIG = """
[paths]
train = null

[nlp]
lang = "de"
pipeline = []

[corpora]

[corpora.train]
@readers = "spacy_nlpkit.ParallelCorpus.v1"
path = ${paths.train}
limit = 3
max_length = 100
shuffle = true
seed = 4

[corpora.dev]
@readers = "spacy_nlpkit.ParallelCorpus.v1"
source = ${paths.train}
target = ${paths.train}
"""


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("de")


def pairs_of(examples: Any) -> list[tuple[str, str]]:
    return [(example.reference.text, example.reference._.target) for example in examples]


def write_lines(path: Path, lines: list[str]) -> Path:
    data = "".join(f"{line}\n" for line in lines).encode()
    pack: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress}
    path.write_bytes(pack.get(path.suffix, bytes)(data))
    return path


def write_pairs(path: Path, nlp: Language, pairs: list[tuple[str, str]] = PAIRS) -> Path:
    """A file of pairs of any kind."""
    if ".spacy" in path.suffixes:
        register_target()
        docs = []
        for text, target in pairs:
            docs.append(nlp.make_doc(text))
            docs[-1]._.target = target
        DocBin(docs=docs, store_user_data=True).to_disk(path)
    elif ".jsonl" in path.suffixes:
        write_lines(path, [json.dumps({"text": text, "target": target, "id": 1}) for text, target in pairs])
    else:
        write_lines(path, ["\t".join(pair) for pair in pairs])
    return path


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.jsonl", "a.jsonl.xz", "a.spacy"])
def test_one_file_of_pairs(nlp: Language, tmp_path: Path, name: str) -> None:
    corpus = create_parallel_corpus(write_pairs(tmp_path / name, nlp))
    for _ in range(2):
        assert pairs_of(corpus(nlp)) == PAIRS


@pytest.mark.parametrize(("source", "target"), [("a.de", "a.en"), ("a.de.gz", "a.en.xz"), ("train.de", "a.en.gz")])
def test_two_files_of_lines(nlp: Language, tmp_path: Path, source: str, target: str) -> None:
    sources, targets = zip(*PAIRS)
    # Only a line feed ends a line, or a carriage return with one, and the last one needs none.
    write_lines(tmp_path / source, list(sources))
    write_lines(tmp_path / target, list(targets))
    if target == "a.en":
        (tmp_path / target).write_bytes("\r\n".join(targets).encode())
    corpus = ParallelCorpus(source=tmp_path / source, target=tmp_path / target)
    assert pairs_of(corpus(nlp)) == PAIRS


def test_the_target_stands_on_the_reference_alone_and_goes_through_files(nlp: Language, tmp_path: Path) -> None:
    examples = list(ParallelCorpus(write_pairs(tmp_path / "a.tsv", nlp))(nlp))
    for example, (text, target) in zip(examples, PAIRS, strict=True):
        assert example.predicted.text == example.reference.text == text
        assert example.reference._.target == target
        assert example.predicted._.target is None
        assert not example.predicted.user_data
    DocBin(docs=[example.reference for example in examples], store_user_data=True).to_disk(tmp_path / "b.spacy")
    for again in (ParallelCorpus(tmp_path / "b.spacy")(nlp), Corpus(tmp_path / "b.spacy")(nlp)):
        found = list(again)
        assert pairs_of(found) == PAIRS
        assert all(example.predicted._.target is None for example in found)


def test_annotation_of_documents_stays(nlp: Language, tmp_path: Path) -> None:
    register_target()
    doc = nlp.make_doc("Ein Hund in Ulm")
    doc.ents = [doc.char_span(12, 15, label="LOC")]
    doc._.target = ["A dog in Ulm", "One dog in Ulm"]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    (example,) = ParallelCorpus(tmp_path / "a.spacy")(nlp)
    assert [entity.text for entity in example.reference.ents] == ["Ulm"]
    # Several right texts stay several.
    assert list(example.reference._.target) == ["A dog in Ulm", "One dog in Ulm"]


def test_a_folder_of_documents(nlp: Language, tmp_path: Path) -> None:
    write_pairs(tmp_path / "1.spacy", nlp, PAIRS[:1])
    write_pairs(tmp_path / "2.spacy", nlp, PAIRS[1:])
    assert pairs_of(ParallelCorpus(tmp_path)(nlp)) == PAIRS


def test_a_config_names_the_reader(tmp_path: Path) -> None:
    def read(path: Path) -> list[list[tuple[str, str]]]:
        config = load_config_from_str(CONFIG, overrides={"paths.train": str(path)})
        nlp = spacy.util.load_model_from_config(config, auto_fill=True)
        (corpus,) = resolve_dot_names(nlp.config.interpolate(), ["corpora.train"])
        return [pairs_of(corpus(nlp)) for _ in range(4)]

    path = write_pairs(tmp_path / "a.tsv", spacy.blank("de"))
    rounds = read(path)
    assert all(sorted(pairs) == sorted(PAIRS[:3]) for pairs in rounds)
    # Each round has its own order, the same in every process with this seed.
    assert len({tuple(pairs) for pairs in rounds}) > 1
    assert read(path) == rounds
    assert registry.readers.get("spacy_nlpkit.ParallelCorpus.v1") is create_parallel_corpus


def test_empty_sides_are_passed_over_with_one_warning(nlp: Language, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.de", ["eins", "", "drei", " \t", "fünf", ""])
    target = write_lines(tmp_path / "a.en", ["one", "two", "", "", "five", ""])
    corpus = ParallelCorpus(source=source, target=target, limit=2)
    expected = [("eins", "one"), ("fünf", "five")]
    with pytest.warns(UserWarning, match=r"NW240") as caught:
        assert pairs_of(corpus(nlp)) == expected
    (warning,) = caught
    assert "passed over 3 pairs" in str(warning.message)
    assert re.findall(r"a\.de, line (\d)", str(warning.message)) == ["2", "3", "4"]
    # Once is enough.
    assert pairs_of(corpus(nlp)) == expected


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.spacy"])
def test_empty_sides_of_every_kind_of_file(nlp: Language, tmp_path: Path, name: str) -> None:
    path = write_pairs(tmp_path / name, nlp, [("eins", ""), ("", ""), *PAIRS])
    with pytest.warns(UserWarning, match=r"NW240.*over 2 pairs"):
        assert pairs_of(ParallelCorpus(path)(nlp)) == PAIRS


def test_long_pairs_are_left_out_with_one_warning(nlp: Language, tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "a.tsv", nlp, [("a b c", "a b c"), ("a b c d", "a"), ("a", "a b c d"), ("b", "b")])
    corpus = ParallelCorpus(path, max_length=3)
    with pytest.warns(UserWarning, match=r"NW241.*out 2 of 4 pairs.*\(3\)"):
        assert pairs_of(corpus(nlp)) == [("a b c", "a b c"), ("b", "b")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(ParallelCorpus(path, max_length=4)(nlp))) == 4


@pytest.mark.parametrize(("first", "second"), [(3, 5), (5, 3)])
def test_files_of_unequal_length_are_refused_before_any_pair(
    nlp: Language, tmp_path: Path, first: int, second: int
) -> None:
    source = write_lines(tmp_path / "a.de", ["wort"] * first)
    target = write_lines(tmp_path / "a.en", ["word"] * second)
    with pytest.raises(NlpkitError, match=rf"N244\].*a\.de has {first} lines.*a\.en has {second}"):
        next(ParallelCorpus(source=source, target=target, limit=1)(nlp))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.tsv", b"a\tb\nc\t\xff\n", r"N027\].*line 2: not UTF-8"),
        ("a.jsonl", b'{"text": "a", "target": "b"}\n{"text": "\xff", "target": "b"}\n', r"N027\].*line 2"),
        ("a.jsonl", b'{"text": "a", "target": "b"}\n\n{"text": \n', r"N022\].*line 3"),
        ("a.jsonl", b'{"text": "a"}\n', r"N246\].*line 1.*'target'"),
        ("a.jsonl", b'{"text": "a", "target": 3}\n', r"N246\].*line 1.*'target'"),
        ("a.jsonl", b'["a", "b"]\n', r"N246\].*line 1.*'text'"),
        ("a.jsonl", b'{"text": "a", "target": "\\ud800"}\n', r"N246\].*line 1.*surrogate"),
        ("a.tsv", b"a\tb\nc\n", r"N246\].*line 2: 1 columns"),
        ("a.tsv", b"a\tb\tc\n", r"N246\].*line 1: 3 columns"),
        ("a.tsv", b"", "N029"),
        ("a.tsv", b"\n \t \n", r"N247\].*in 2: 2 have an empty side"),
        ("a.tsv", b"a b c d e f\tb\n", r"N247\].*0 have an empty side, 1 more than max_length \(5\)"),
        ("a.tsv.gz", b"no gzip", "N032"),
        ("a.spacy", b"no documents", "N032"),
        ("a.csv", b"a,b\n", "N020"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*NW240")
def test_what_cannot_be_read(nlp: Language, tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NlpkitError, match=match):
        list(ParallelCorpus(tmp_path / name, max_length=5)(nlp))


def test_a_document_without_target_is_named(nlp: Language, tmp_path: Path) -> None:
    DocBin(docs=[nlp.make_doc("eins")]).to_disk(tmp_path / "a.spacy")
    with pytest.raises(NlpkitError, match=r"N246\].*a\.spacy, document 1.*'target'"):
        list(ParallelCorpus(tmp_path / "a.spacy")(nlp))


def test_bytes_that_are_not_utf8_are_found_in_either_file(nlp: Language, tmp_path: Path) -> None:
    good, bad = write_lines(tmp_path / "good", ["a", "b"]), tmp_path / "bad"
    bad.write_bytes(b"a\n\xe4\n")
    for files in ({"source": good, "target": bad}, {"source": bad, "target": good}):
        with pytest.raises(NlpkitError, match=r"N027\].*bad, line 2"):
            list(ParallelCorpus(**files)(nlp))


def test_paths_that_are_missing(nlp: Language, tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match="N035"):
        create_parallel_corpus()(nlp)
    with pytest.raises(NlpkitError, match="N036"):
        create_parallel_corpus(tmp_path / "none.tsv")(nlp)
    with pytest.raises(NlpkitError, match="N020"):
        next(iter(create_parallel_corpus(source=tmp_path / "a", target=tmp_path / "b")(nlp)))


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"path": "a", "source": "b", "target": "c"}, r"N245.*path, source, target"),
        ({"source": "b"}, r"N245.*given source"),
        ({"path": "a", "target": "c"}, "N245"),
        ({"path": "a", "limit": -1}, r"N006.*limit"),
        ({"path": "a", "max_length": -1}, r"N006.*max_length"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], code: str) -> None:
    with pytest.raises(NlpkitError, match=code):
        create_parallel_corpus(**settings)


def test_examples_are_ready_for_training(nlp: Language, tmp_path: Path) -> None:
    examples = list(ParallelCorpus(write_pairs(tmp_path / "a.tsv", nlp))(nlp))
    assert all(isinstance(example, Example) for example in examples)
    assert nlp.evaluate(examples)["token_acc"] == 1.0


def test_spans_with_targets_are_given(tmp_path: Path, nlp: Language) -> None:
    """Nothing that runs before would find them; other groups are for the pipeline to find, and no target is given."""
    register_target()
    doc = Doc(nlp.vocab, ["am", "3.", "Mai", "."], spaces=[True, True, False, False])
    doc.spans["dates"], doc.spans["other"] = [doc[1:3]], [doc[0:1]]
    doc.spans["dates"][0]._.target = "05-03"
    doc._.target = "-"
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    (example,) = ParallelCorpus(tmp_path / "docs.spacy")(nlp)
    assert [span.text for span in example.predicted.spans["dates"]] == ["3. Mai"]
    assert list(example.predicted.spans) == ["dates"]
    assert example.predicted.spans["dates"][0]._.target is None
    assert example.reference.spans["dates"][0]._.target == "05-03"
