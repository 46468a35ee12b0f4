"""`seq2seq` that reads the token vectors of an encoder: its own, a shared tok2vec, a shared transformer."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy  # noqa: E402
from spacy.language import Language  # noqa: E402
from spacy.tokens import Doc  # noqa: E402
from spacy.training import Example  # noqa: E402
from thinc.api import fix_random_seed  # noqa: E402

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.model import module_of  # noqa: E402
from spacy_nlpkit.pipeline._seq2seq_sources import Tokens  # noqa: E402

from ..contract.specs import ENCODER, LISTENER, LISTENER_SEQ2SEQ  # noqa: E402
from ..tiny_transformer import save_tiny_transformer  # noqa: E402
from .small_written import SEARCH, TARGETS, TEXTS, load, make_examples, pipe_of, subwords, train, written  # noqa: E402

RIGHT = list(TARGETS.values())
TRANSFORMER_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}


def build(tok2vec: dict[str, Any] = LISTENER, **settings: Any) -> Language:
    """A pipeline of `seq2seq`, not initialized, behind the shared encoder that it listens to."""
    nlp = spacy.blank("en")
    if tok2vec is LISTENER:
        nlp.add_pipe("tok2vec", config={"model": ENCODER})
    model = {**LISTENER_SEQ2SEQ, "tok2vec": tok2vec, **settings.pop("model", {})}
    nlp.add_pipe("seq2seq", config={"model": model, "search": SEARCH, "label_smoothing": 0.0, **settings})
    pipe_of(nlp).set_subwords(subwords())
    return nlp


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained pipeline of a tok2vec and a `seq2seq` that listens to it."""
    path = tmp_path_factory.mktemp("listener") / "model"
    train(build()).to_disk(path)
    return path


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_learns_with_a_shared_encoder(precision: str, tmp_path: Path) -> None:
    nlp = train(build(model={"precision": precision, "norm": "rms", "positions": "rotary"}), updates=1)
    before = nlp.get_pipe("tok2vec").model.to_bytes()  # type: ignore[attr-defined]
    train(nlp, updates=40)
    assert written(nlp) == RIGHT
    assert nlp.get_pipe("tok2vec").model.to_bytes() != before  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert [doc._.seq2seq for doc in again.pipe(TEXTS)] == [doc._.seq2seq for doc in nlp.pipe(TEXTS)]
    assert [doc._.seq2seq["text"] for doc in again.pipe(TEXTS, n_process=2, batch_size=2)] == RIGHT


def test_learns_over_a_transformer(tmp_path: Path) -> None:
    block = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(save_tiny_transformer(tmp_path / "tiny", TEXTS)),
        "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96},
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
        "mixed_precision": False,
        "grad_scaler_config": {},
    }
    nlp = build(TRANSFORMER_LISTENER)
    nlp.add_pipe("transformer", config={"model": block}, first=True)
    train(nlp, updates=40)
    assert written(nlp) == RIGHT
    nlp.to_disk(tmp_path / "model")
    assert written(spacy.load(tmp_path / "model")) == RIGHT


def test_gradient_of_vectors_is_that_of_the_mean_loss() -> None:
    """As for the other listeners of an encoder: by differences, whatever the number of pairs."""
    nlp = train(build(ENCODER), updates=3)
    pipe, examples = pipe_of(nlp), make_examples(nlp)
    encoder: Any = pipe.model.layers[0]
    node = next(node for node in encoder.walk() if node.has_param("b"))
    pipe.update(examples, sgd=None)
    gradient = node.get_grad("b").copy().ravel()
    place = int(np.abs(gradient).argmax())
    losses = []
    for change in (1e-2, -2e-2):
        bias = node.get_param("b").copy()
        bias.reshape(-1)[place] += change
        node.set_param("b", bias)
        losses.append(np.log(pipe.perplexity(examples)))
    assert (losses[0] - losses[1]) / 2e-2 == pytest.approx(gradient[place], rel=0.05)


def test_units_share_the_vectors_of_their_document(listener: Path) -> None:
    """A sentence is read with what the encoder saw around it, and nothing of it is computed twice."""
    nlp = load(listener, unit="sents")
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp(f"  {TEXTS[1]}  {TEXTS[2]} ")
    assert [sent._.seq2seq["text"] for sent in doc.sents if sent.text.strip()] == ["down : borea", "up : dollar"]
    assert doc._.seq2seq["text"] == "down : borea  up : dollar"
    assert module_of(pipe_of(nlp).model).vectors is None, "nothing is kept of the documents"


def test_long_documents_are_cut_at_sentence_ends(listener: Path) -> None:
    nlp = load(listener, max_pieces=6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        doc = nlp(f"{TEXTS[1]} {TEXTS[2]}\n\n{TEXTS[3]}")
    assert doc._.seq2seq["text"] == "down : borea up : dollar\n\nshut : mills"
    with pytest.warns(UserWarning, match="NW226"):
        assert nlp("word " * 20)._.seq2seq["text"]


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("a b c", 3, ["a b c"]),
        ("a b . c d . e f", 6, ["a b . c d .", "e f"]),
        ("a b . c d . e f", 5, ["a b .", "c d . e f"]),
        ("a b . c d e f g . h", 4, ["a b .", "c d e f", "g . h"]),
        ("a b c d e", 2, ["a b", "c d", "e"]),
        ("a . \n\n b", 2, ["a .", "b"]),
        (" \n ", 1, []),
    ],
)
@pytest.mark.filterwarnings("ignore:.*NW226")
def test_windows_of_tokens(text: str, limit: int, parts: list[str]) -> None:
    doc = spacy.blank("en")(text)
    windows, rows = Tokens([spacy.blank("en")("before it"), doc]).read([doc[:]], limit, "seq2seq")
    assert [[window.text for window in group] for group in windows] == [parts]
    assert [[doc[place - 2].text for place in row] for row in rows] == [part.split() for part in parts]
    assert max(map(len, rows), default=0) <= limit


def test_other_tokens_in_the_reference() -> None:
    nlp = build(ENCODER)
    words = Doc(nlp.vocab, ["Shares of Acorn", "rose", "today", "."])
    words._.target = "up : acorn"
    example = Example(nlp.make_doc(words.text), words)
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: [example])
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update([example], sgd=optimizer)
    assert written(nlp, [words.text]) == ["up : acorn"]


def test_attention_names_tokens(listener: Path) -> None:
    nlp = load(listener, attention=True)
    docs = list(nlp.pipe(TEXTS))
    for doc in docs:
        assert doc._.seq2seq["attention"]["source"] == [token.text for token in doc]


def test_nothing_to_learn_and_empty_documents() -> None:
    nlp = train(build(), updates=2)
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in ("", "No target here .")]
    assert nlp.update(examples, sgd=nlp.create_optimizer())["seq2seq"] == 0.0
    assert nlp.update(examples[:1], sgd=nlp.create_optimizer())["seq2seq"] == 0.0
    assert nlp("")._.seq2seq["text"] == ""
    assert nlp("  \n ")._.seq2seq["text"] == ""


def test_what_token_vectors_cannot_do(listener: Path) -> None:
    pytest.importorskip("ctranslate2")
    with pytest.raises(NlpkitError, match=r"N255.*ListenerSeq2Seq"):
        load(listener, backend="ctranslate2")(TEXTS[0])
    for setting in ({"prefix": "translate: "}, {"source_dropout": 0.1}):
        with pytest.raises(NlpkitError, match=rf"N006.*{next(iter(setting))}.*token vectors"):
            load(listener, **setting)
    with pytest.raises(NlpkitError, match=r"N006.*heads"):
        build(model={"width": 30, "heads": 4})
