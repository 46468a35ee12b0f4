"""What `seq2seq` writes, and where; what it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy  # noqa: E402
from spacy.language import Language  # noqa: E402
from spacy.tokens import Doc, Span  # noqa: E402

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.model import module_of  # noqa: E402
from spacy_nlpkit.subwords import END, START  # noqa: E402

from .small_written import TARGETS, TEXTS, TRANSFORMER, build, load, make_examples, pipe_of, written  # noqa: E402

TWO = "Borea fell on Monday .\n\nThe dollar rose again .  "


@pytest.fixture(scope="module")
def nlp(writer: Path) -> Language:
    return load(writer)


def load_by_sentence(path: Path, **settings: Any) -> Language:
    nlp = load(path, unit="sents", **settings)
    nlp.add_pipe("sentencizer", first=True)
    return nlp


# Units, and where results go


def test_documents(nlp: Language) -> None:
    for text, target in TARGETS.items():
        doc = nlp(text)
        found = doc._.seq2seq
        assert found["text"] == target
        assert found["nbest"] == [{"text": target, "score": found["score"]}]
        assert 0.9 < found["score"] <= 1.0
        assert found["attention"] is None
        assert doc[:]._.seq2seq is None
        assert nlp.make_doc(text)._.seq2seq is None


def test_sentences(writer: Path) -> None:
    """The texts of all, with the blanks between sentences, wherever the sentencizer puts these."""
    doc = load_by_sentence(writer)(TWO)
    assert [sent._.seq2seq["text"] for sent in doc.sents][:2] == ["down : borea", "up : dollar"]
    assert doc._.seq2seq["text"] == "down : borea\n\nup : dollar"
    scores = [sent._.seq2seq["score"] for sent in doc.sents if sent.text.strip()]
    assert doc._.seq2seq["score"] == pytest.approx(math.sqrt(scores[0] * scores[1]))


@pytest.mark.parametrize("blank", [" ", "   ", "\n", " \n\t ", "\u3000", ""])
def test_blanks_between_units(writer: Path, blank: str) -> None:
    nlp = load(writer, unit="spans")
    first, second = TEXTS[1].split(), TEXTS[2].split()
    words = [*first, *([blank] if blank else []), *second]
    spaces = [number not in (len(first) - 1, len(words) - len(second) - 1) for number in range(len(words))]
    doc = Doc(nlp.vocab, words, spaces=spaces)
    found = doc.text.index("The")
    assert doc.text[len(TEXTS[1]) : found] == blank
    doc.spans["sc"] = [doc.char_span(0, len(TEXTS[1])), doc.char_span(found, found + len(TEXTS[2]))]
    assert nlp(doc)._.seq2seq["text"] == f"down : borea{blank}up : dollar"


def test_spans(writer: Path) -> None:
    nlp = load(writer, unit="spans", spans_key="quotes")
    doc = nlp.make_doc(f"Mr. Bell said {TEXTS[1]} Then he said {TEXTS[2]}")
    starts = [doc.text.index(text) for text in TEXTS[1:3]]
    doc.spans["quotes"] = [
        doc.char_span(start, start + len(text)) for start, text in zip(starts, TEXTS[1:3], strict=True)
    ]
    doc = nlp(doc)
    assert [span._.seq2seq["text"] for span in doc.spans["quotes"]] == ["down : borea", "up : dollar"]
    assert doc._.seq2seq["text"] == "down : borea up : dollar", "other words stand between"
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert [span._.seq2seq for span in again.spans["quotes"]] == [span._.seq2seq for span in doc.spans["quotes"]]
    with pytest.warns(UserWarning, match=r"\[NW228\].*quotes.*spans_key"):
        nlp("No group here .")
    alone = nlp.make_doc("No quotes here .")
    alone.spans["quotes"] = []
    alone = nlp(alone)
    assert (alone._.seq2seq["text"], alone._.seq2seq["nbest"]) == ("", [{"text": "", "score": 1.0}])


def test_two_components_side_by_side(writer: Path) -> None:
    nlp = load(writer)
    nlp.add_pipe("seq2seq", name="other", source=load(writer, attribute="headline", target_prefix="shut"))
    assert Doc.has_extension("headline")
    assert Span.has_extension("headline")
    doc = nlp(TEXTS[0])
    assert doc._.seq2seq["text"] == "up : acorn"
    assert doc._.headline["text"].startswith("shut")


def test_an_attribute_that_is_taken() -> None:
    Doc.set_extension("taken", default=1)
    try:
        with pytest.raises(NlpkitError, match=r"\[N003\].*taken"):
            build(attribute="taken")
    finally:
        Doc.remove_extension("taken")


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_nothing_to_read(writer: Path, text: str) -> None:
    for nlp in (load(writer), load_by_sentence(writer)):
        found = nlp(text)._.seq2seq
        assert found == {"text": "", "score": 1.0, "nbest": [{"text": "", "score": 1.0}], "attention": None}


# Search


def test_prefixes(writer: Path) -> None:
    nlp = load(writer, prefix="translate : ", target_prefix="shut", attention=True)
    for doc in nlp.pipe(TEXTS):
        assert doc._.seq2seq["text"].startswith("shut")
        assert "".join(doc._.seq2seq["attention"]["source"]).replace("Ġ", " ").startswith(f" translate : {doc.text}")
    pairs = [pipe_of(nlp).pairs_of(example) for example in make_examples(nlp)]
    assert pairs == [[(f"translate : {text}", target)] for text, target in TARGETS.items()]


@pytest.mark.parametrize("unit", ["doc", "sents"])
def test_best_hypotheses(writer: Path, unit: str) -> None:
    nlp = load_by_sentence(writer, **{"search.beams": 4, "search.n_best": 4})
    pipe_of(nlp).unit = unit
    for text, best in [*TARGETS.items(), (TWO, None)]:
        found = nlp(text)._.seq2seq
        assert len(found["nbest"]) == 4
        assert len({hypothesis["text"] for hypothesis in found["nbest"]}) == 4
        scores = [hypothesis["score"] for hypothesis in found["nbest"]]
        assert scores == sorted(scores, reverse=True)
        assert found["nbest"][0] == {"text": found["text"], "score": found["score"]}
        assert best is None or found["text"] == best


def test_drawn_texts_are_the_same_in_any_batch(writer: Path) -> None:
    search = {"search.beams": 1, "search.temperature": 3.0, "search.n_best": 3}
    first, other = load(writer, **search, **{"search.seed": 1}), load(writer, **search, **{"search.seed": 2})
    alone = [first(text)._.seq2seq for text in TEXTS]
    together = [doc._.seq2seq for doc in first.pipe(TEXTS[::-1])][::-1]
    assert [found["text"] for found in alone] == [found["text"] for found in together]
    assert [found["text"] for found in alone] != written(other)


# Attention, perplexity, scores


def test_attention(writer: Path) -> None:
    nlp = load(writer, attention=True)
    for text in TEXTS:
        found = nlp(text)._.seq2seq["attention"]
        assert "".join(found["source"][:-1]).replace("Ġ", " ") == f" {text}"
        assert "".join(found["target"][:-1]).replace("Ġ", " ") == f" {TARGETS[text]}"
        assert found["source"][-1] == found["target"][-1] == "</s>"
        assert len(found["weights"]) == len(found["target"])
        for row in found["weights"]:
            assert len(row) == len(found["source"])
            assert sum(row) == pytest.approx(1.0, abs=1e-4 * len(row))
        assert len({tuple(row) for row in found["weights"]}) > 1


def test_attention_on_demand(nlp: Language, writer: Path) -> None:
    pipe = pipe_of(nlp)
    asked = pipe.attend([nlp.make_doc(text) for text in TEXTS])
    assert asked == [doc._.seq2seq for doc in load(writer, attention=True).pipe(TEXTS)]
    assert pipe.attention is False


def test_perplexity_by_hand(nlp: Language) -> None:
    """Piece by piece, as search goes on; no padding, no smoothing."""
    pairs = [(TEXTS[0], TARGETS[TEXTS[0]]), ("Oslo rose .", "up : oslo"), ("Mills .", [": : :", "shut"])]
    module, (source, target) = module_of(pipe_of(nlp).model), pipe_of(nlp).require_subwords()
    total = n_pieces = 0.0
    for text, wanted in pairs:
        (read,), (pieces,) = source.encode([text]), target.encode([wanted if isinstance(wanted, str) else wanted[0]])
        with torch.no_grad():
            memory = module.encode(torch.tensor([[*read, END]]), torch.ones(1, len(read) + 1, dtype=torch.bool))
            cache = module.start(memory, 1)
            for told, said in zip([START, *pieces], [*pieces, END], strict=True):
                total -= float(torch.log_softmax(module.step(cache, torch.tensor([told])), dim=1)[0, said])
                n_pieces += 1
    expected = math.exp(total / n_pieces)
    examples = make_examples(nlp, pairs)
    assert pipe_of(nlp).perplexity(examples) == pytest.approx(expected, rel=1e-4)
    assert nlp.evaluate(examples)["seq2seq_perplexity"] == pytest.approx(expected, rel=1e-4)
    assert pipe_of(nlp).perplexity(make_examples(nlp, [("Oslo", None)])) is None
    assert pipe_of(nlp).perplexity([]) is None


def test_scores(nlp: Language, writer: Path) -> None:
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["seq2seq_chrf"] == pytest.approx(1.0)
    assert scores["seq2seq_bleu"] == 0.0, "targets are shorter than four words"
    assert 1.0 < scores["seq2seq_perplexity"] < 1.1
    by_span = load(writer, unit="spans", attribute="other")
    examples = make_examples(by_span, [(" ".join(TEXTS[1:3]), None)])
    for doc in (examples[0].predicted, examples[0].reference):
        doc.spans["sc"] = [doc.char_span(0, len(TEXTS[1])), doc.char_span(len(TEXTS[1]) + 1, len(doc.text))]
    for span, text in zip(examples[0].reference.spans["sc"], TEXTS[1:3], strict=True):
        span._.target = TARGETS[text]
    scores = pipe_of(by_span).score([type(examples[0])(by_span(eg.predicted), eg.reference) for eg in examples])
    assert scores["seq2seq_chrf"] == pytest.approx(1.0)
    assert 1.0 < scores["seq2seq_perplexity"] < 1.1


# Refusals


def test_missing_sentences(writer: Path) -> None:
    nlp = load(writer, unit="sents")
    with pytest.raises(NlpkitError, match=r"\[N226\].*sentencizer"):
        nlp(TEXTS[0])
    assert nlp("")._.seq2seq["text"] == ""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"search": {"beam": 5}}, r"\[N228\].*seq2seq\.search.*beam"),
        ({"search": {"beams": 0}}, r"\[N228\].*\[N230\].*beams"),
        ({"search": {"beams": 2, "n_best": 3}}, r"\[N230\].*n_best"),
        ({"max_pieces": 1}, r"\[N006\].*max_pieces"),
        ({"batch_pieces": 0}, r"\[N006\].*batch_pieces"),
        ({"label_smoothing": 1.5}, r"\[N006\].*label_smoothing.*between 0 and 1"),
        ({"r_drop": -1.0}, r"\[N006\].*r_drop.*0 or more"),
        ({"source_dropout": 2.0}, r"\[N006\].*source_dropout"),
        ({"model": {**TRANSFORMER, "heads": 3}}, r"\[N006\].*heads"),
        ({"model": {**TRANSFORMER, "heads": 0}}, r"\[N006\].*heads"),
        ({"model": {**TRANSFORMER, "groups": {"a": {"pattern": "x", "learn_rate": -1}}}}, r"\[N006\].*learn_rate"),
        ({"search": {"beams": 3.5}}, r"\[N228\].*\[N230\].*beams.*a whole number"),
        ({"search": {"temperature": "x"}}, r"\[N230\].*temperature.*a number"),
        ({"search": {"seed": -1}}, r"\[N230\].*seed.*0 or more"),
        ({"attribute": "target"}, r"\[N259\].*target.*translation"),
        ({"attribute": "my attr"}, r"\[N259\].*no name"),
        ({"model": {**TRANSFORMER, "groups": {"a": {"patern": "x"}}}}, r"\[N006\].*groups.*patern"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(NlpkitError, match=expected):
        build(**settings)


def test_what_is_missing_or_wrong_at_initialization() -> None:
    nlp = spacy.blank("en")
    pipe: Any = nlp.add_pipe("seq2seq", config={"model": TRANSFORMER})
    with pytest.raises(NlpkitError, match=r"\[N227\].*train-tokenizer"):
        nlp.initialize(lambda: make_examples(nlp))
    nlp = build()
    for targets in ([None], [[]], [()], [" "]):
        with pytest.raises(NlpkitError, match=r"\[N258\].*doc\._\.target"):
            nlp.initialize(lambda given=targets: make_examples(nlp, [("Acorn rose .", target) for target in given]))
    short = build(model={**TRANSFORMER, "positions": "learned", "max_length": 64})
    with pytest.raises(NlpkitError, match=r"\[N006\].*max_pieces.*64 at most"):
        short.initialize(lambda: make_examples(short))
    with pytest.raises(NlpkitError, match=r"\[N250\].*Acorn rose.*int"):
        nlp.initialize(lambda: make_examples(nlp, [("Acorn rose .", 5)]))
    with pytest.raises(NlpkitError, match=r"\[N256\].*NEW"):
        pipe.add_label("NEW")
