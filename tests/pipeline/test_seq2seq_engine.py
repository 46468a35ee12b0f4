"""CTranslate2 beside torch: the same texts, the same scores, always of the weights as they are."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")
pytest.importorskip("ctranslate2", reason="the extra 'ctranslate2' is not installed")

from spacy.language import Language  # noqa: E402
from thinc.api import Adam, fix_random_seed  # noqa: E402

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.model import module_of  # noqa: E402

from .small_written import RECURRENT, TEXTS, TRANSFORMER, build, load, make_examples, pipe_of, train, written  # noqa: E402

ODD = ["Oslo", "Mills in Oslo rose again on Monday .", "The The The", *TEXTS]
BACKEND: dict[str, Any] = {"backend": "ctranslate2"}


def weights(nlp: Language) -> dict[str, Any]:
    return {name: value.clone() for name, value in module_of(pipe_of(nlp).model).state_dict().items()}


def compare(nlp: Language, texts: list[str] = ODD) -> None:
    """All hypotheses of both backends, with their scores."""
    pipe = pipe_of(nlp)
    found = {}
    for backend in ("torch", "ctranslate2"):
        pipe.backend = backend
        pipe.engine_closed()
        found[backend] = [doc._.seq2seq["nbest"] for doc in nlp.pipe(texts)]
    for one, other in zip(found["torch"], found["ctranslate2"], strict=True):
        assert [hypothesis["text"] for hypothesis in one] == [hypothesis["text"] for hypothesis in other]
        assert [h["score"] for h in one] == pytest.approx([h["score"] for h in other], abs=1e-3)


def half_trained(model: dict[str, Any], updates: int = 12, **settings: Any) -> Language:
    """Weights that are no longer drawn, and not yet sure. Without beams and with nothing forbidden both searches have
    one rule; with beams CTranslate2 stops earlier, and of what is forbidden it shares out the probability."""
    search = {"beams": 1, "max_ratio": 0.0, "max_extra": 16, "min_length": 0}
    return train(build(model={**TRANSFORMER, **model}, search=search, **settings), updates)


VARIANTS = [
    *({"norm": norm, "pre_norm": pre} for norm, pre in itertools.product(("layer", "rms"), (True, False))),
    *({"activation": activation} for activation in ("gelu", "swiglu")),
    *({"tied": tied} for tied in ("target", "none")),
    {"positions": "learned", "max_length": 300},
    {"positions": "learned", "norm": "rms", "activation": "swiglu", "tied": "none", "encoder_layers": 2, "heads": 4},
]


@pytest.mark.parametrize("model", VARIANTS, ids=lambda model: "-".join(map(str, model.values())))
def test_both_write_the_same(model: dict[str, Any]) -> None:
    nlp = half_trained(model)
    before = weights(nlp)
    compare(nlp)
    for name, value in weights(nlp).items():
        assert torch.equal(value, before[name]), f"{name} was changed"


@pytest.mark.parametrize(
    "search",
    [
        {"beams": 1},
        {"beams": 2},
        {"length_penalty": 0.6},
        {"no_repeat_ngram": 2, "beams": 1},
        {"repetition_penalty": 1.2, "beams": 1},
    ],
    ids=str,
)
def test_searches_agree_on_what_is_known(writer: Path, search: dict[str, Any]) -> None:
    compare(load(writer, **{f"search.{key}": value for key, value in search.items()}), TEXTS)


@pytest.mark.parametrize("prefix", ["shut", "shut : acorn"])
def test_prefixes_count_for_scores(writer: Path, prefix: str) -> None:
    compare(load(writer, target_prefix=prefix, **{"search.beams": 1, "search.min_length": 0}))


def test_hypotheses_that_do_not_end(writer: Path) -> None:
    """They are cut off at the greatest length, and have no probability of an end."""
    nlp = load(writer, **{"search.beams": 1, "search.min_length": 15, "search.max_extra": 16}, **BACKEND)
    compare(load(writer, **{"search.beams": 1, "search.min_length": 0}), ["Oslo", "The The The"])
    assert all(len(text.split()) >= 10 for text in written(nlp))


def test_eight_bits(writer: Path) -> None:
    assert written(load(writer, compute_type="int8", **BACKEND)) == written(load(writer))


def test_half_precision(writer: Path) -> None:
    """The texts are the same where the model is sure of them, the scores are not quite."""
    half, full = (load(writer, compute_type=kind) for kind in ("bfloat16", "float32"))
    assert written(half) == written(full)
    scores = [[doc._.seq2seq["score"] for doc in nlp.pipe(TEXTS)] for nlp in (half, full)]
    assert scores[0] == pytest.approx(scores[1], abs=0.05)
    assert scores[0] != scores[1]


@pytest.mark.parametrize(("backend", "compute_type"), [("torch", "int8"), ("ctranslate2", "bfloat16")])
def test_a_compute_type_of_the_other_backend(writer: Path, backend: str, compute_type: str) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N006\] Setting 'compute_type'.*'{backend}', got '{compute_type}'"):
        load(writer, backend=backend, compute_type=compute_type)


def test_attention_comes_from_the_module(writer: Path) -> None:
    found = [doc._.seq2seq["attention"] for doc in load(writer, attention=True, **BACKEND).pipe(TEXTS)]
    assert found == [doc._.seq2seq["attention"] for doc in load(writer, attention=True).pipe(TEXTS)]


@pytest.mark.parametrize(
    ("model", "search", "what"),
    [
        ({"positions": "rotary"}, {}, 'positions = "rotary"'),
        (RECURRENT, {}, "RecurrentSeq2Seq"),
        ({}, {"length_norm": "gnmt"}, "length_norm = 'gnmt'"),
    ],
)
def test_what_it_cannot_do(model: dict[str, Any], search: dict[str, Any], what: str) -> None:
    full = model if "@architectures" in model else {**TRANSFORMER, **model}
    nlp = train(build(model=full, search={"beams": 2, **search}, **BACKEND), 1)
    with pytest.raises(NlpkitError, match=rf"\[N255\].*{what}"):
        nlp(TEXTS[0])


# It is always that of the weights as they are


def score_of(nlp: Language) -> float:
    return float(nlp(TEXTS[0])._.seq2seq["score"])


def test_an_update_reopens_it() -> None:
    nlp = half_trained({}, 5, **BACKEND)
    examples, optimizer = make_examples(nlp), Adam(0.01)
    before = score_of(nlp)
    nlp.update(examples, sgd=optimizer)
    after = score_of(nlp)
    assert after != before
    # As where it annotates for later components: it writes between the update and the step.
    nlp.update(examples, sgd=optimizer, annotates=["seq2seq"])
    assert score_of(nlp) != after
    compare(nlp, TEXTS)


def test_averages_reopen_it() -> None:
    nlp = build(search={"beams": 2, "max_ratio": 0.0, "max_extra": 16, "min_length": 0}, **BACKEND)
    examples = make_examples(nlp)
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(6):
        nlp.update(examples, sgd=optimizer)
    own = score_of(nlp)
    with nlp.use_params(optimizer.averages):
        averaged = score_of(nlp)
        pipe_of(nlp).backend = "torch"
        pipe_of(nlp).engine_closed()
        assert score_of(nlp) == pytest.approx(averaged, abs=1e-4)
        pipe_of(nlp).backend = "ctranslate2"
    assert score_of(nlp) == pytest.approx(own, abs=1e-6)
    assert abs(own - averaged) > 1e-3


def test_loaded_weights_reopen_it(writer: Path) -> None:
    nlp = half_trained({}, 2, **BACKEND)
    before = written(nlp)
    nlp.from_bytes(load(writer, **BACKEND).to_bytes())
    assert written(nlp) == written(load(writer)) != before


def test_processes_open_their_own(writer: Path) -> None:
    """Two of them, after it was open here: a forked one has none of its threads."""
    nlp = load(writer, **BACKEND)
    expected = written(nlp)
    assert [doc._.seq2seq["text"] for doc in nlp.pipe(TEXTS * 3, n_process=2, batch_size=3)] == expected * 3
    assert written(nlp) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_ends(writer: Path) -> None:
    """It must not close what its parent has opened, neither when it opens its own nor when it ends."""
    nlp = load(writer, **BACKEND)
    expected = written(nlp)
    queue = multiprocessing.get_context("fork").SimpleQueue()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            queue.put(written(nlp) == expected)
            pipe_of(nlp).engine_closed()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(process, 0)[1] == 0
    assert queue.get() is True


def test_copies_open_their_own(writer: Path) -> None:
    import copy

    nlp = load(writer, **BACKEND)
    expected = written(nlp)
    other = copy.deepcopy(pipe_of(nlp))
    assert [written["text"] for written in (output.whole for output in other.predict([nlp.make_doc(TEXTS[0])]))] == [
        expected[0]
    ]
