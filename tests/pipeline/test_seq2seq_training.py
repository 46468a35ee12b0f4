"""How `seq2seq` learns: what counts, what is passed over, and that a seed decides."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy  # noqa: E402
from spacy.language import Language  # noqa: E402
from spacy.tokens import Doc, DocBin  # noqa: E402
from spacy.training import Example  # noqa: E402
from thinc.api import SGD, Adam, fix_random_seed  # noqa: E402

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.seq2seq.model import module_of  # noqa: E402
from spacy_nlpkit.subwords import Subwords  # noqa: E402

from .small_written import RECURRENT, TARGETS, TEXTS, TRANSFORMER, build, make_examples, pipe_of, train, written  # noqa: E402

RIGHT = list(TARGETS.values())


def weights(nlp: Language) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in module_of(pipe_of(nlp).model).named_parameters()}


def start(**settings: Any) -> tuple[Language, list[Example]]:
    nlp = build(**settings)
    examples = make_examples(nlp)
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    return nlp, examples


def test_five_runs_are_one() -> None:
    """With all that is drawn: weights, dropout, merges."""
    model = {**TRANSFORMER, "dropout": 0.1, "word_dropout": 0.1}
    runs = {train(build(model=model, source_dropout=0.3), 4, drop=0.1).get_pipe("seq2seq").to_bytes() for _ in range(5)}
    assert len(runs) == 1
    assert train(build(model=model, source_dropout=0.3), 4, drop=0.1, seed=1).get_pipe("seq2seq").to_bytes() not in runs


def test_every_piece_counts_the_same_however_batches_are_cut() -> None:
    found = []
    for parts in ([slice(0, 4)], [slice(0, 1), slice(1, 4)]):
        nlp, examples = start()
        for part in parts:
            nlp.update(examples[part], sgd=False)
        pipe_of(nlp).finish_update(SGD(0.1, L2=0.0, grad_clip=0.0))
        found.append(weights(nlp))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=0, atol=1e-6)


def test_the_loss_is_the_logarithm_of_the_perplexity() -> None:
    """Whatever else is minimised."""
    for settings in ({}, {"label_smoothing": 0.2}, {"r_drop": 3.0}):
        nlp, examples = start(**settings)
        loss = nlp.update(examples, sgd=False)["seq2seq"]
        assert torch.tensor(loss).exp() == pytest.approx(pipe_of(nlp).perplexity(examples), rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"r_drop": 1.0, "model": {**TRANSFORMER, "dropout": 0.1}},
        {"source_dropout": 0.1},
        {"label_smoothing": 0.1},
        {"model": {**TRANSFORMER, "precision": "bfloat16"}},
        {"model": {**TRANSFORMER, "word_dropout": 0.05}},
        {"model": {**RECURRENT, "teacher_forcing": 0.5, "teacher_forcing_steps": 20}},
    ],
    ids=["r-drop", "merges", "smoothing", "bfloat16", "words", "forcing"],
)
def test_ways_to_learn(settings: dict[str, Any]) -> None:
    nlp = train(build(**settings), 60, drop=0.05)
    assert written(nlp) == list(TARGETS.values())


def test_r_drop_and_smoothing_change_the_gradient() -> None:
    found = []
    model = {**TRANSFORMER, "dropout": 0.1}
    for settings in ({}, {"r_drop": 5.0}, {"label_smoothing": 0.3}, {"source_dropout": 0.9}):
        nlp, examples = start(model=model, **settings)
        fix_random_seed(1)
        nlp.update(examples, sgd=SGD(0.1, L2=0.0), drop=0.1)
        found.append(weights(nlp))
    for one, other in itertools.combinations(found, 2):
        assert any(not torch.allclose(value, other[name]) for name, value in one.items())


def test_averages_are_what_is_evaluated() -> None:
    nlp, examples = start()
    optimizer = Adam(0.01)
    for _ in range(8):
        nlp.update(examples, sgd=optimizer)
    own = nlp.evaluate(examples)["seq2seq_perplexity"]
    with nlp.use_params(optimizer.averages):
        averaged = nlp.evaluate(examples)["seq2seq_perplexity"]
        saved = nlp.to_bytes()
    assert nlp.evaluate(examples)["seq2seq_perplexity"] == own != averaged
    again = type(nlp).from_config(nlp.config).from_bytes(saved)
    assert again.evaluate(make_examples(again))["seq2seq_perplexity"] == pytest.approx(averaged)


def test_groups_of_parameters_by_config() -> None:
    groups = {
        "tables": {"pattern": "embedding", "frozen_steps": 2},
        "reader": {"pattern": "^encoder", "frozen_steps": None},
    }
    nlp, examples = start(model={**TRANSFORMER, "groups": groups})
    optimizer, states = Adam(0.01), [weights(nlp)]
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
        states.append(weights(nlp))
    moved = [
        {name for name, value in after.items() if not torch.equal(value, before[name])}
        for before, after in itertools.pairwise(states)
    ]
    for step, names in enumerate(moved):
        assert any("embedding" in name for name in names) == (step == 2)
        assert not any(name.startswith("encoder") for name in names)
        assert any(name.startswith("decoder") for name in names)
    with pytest.raises(NlpkitError, match=r"\[N225\].*'nothing'"):
        start(model={**TRANSFORMER, "groups": {"a": {"pattern": "nothing"}}})


# Targets


def test_several_targets() -> None:
    """The first is learned, any is right; also as a DocBin gives lists back."""
    nlp = build(scorer={"@scorers": "spacy_nlpkit.seq2seq_scorer.v1", "metrics": ["exact"]})
    pairs = [(text, ["left alone", target]) for text, target in TARGETS.items()]
    examples = make_examples(nlp, pairs)
    docs = DocBin(docs=[example.reference for example in examples], store_user_data=True).to_bytes()
    stored = [
        Example(nlp.make_doc(doc.text), doc)
        for doc in DocBin(store_user_data=True).from_bytes(docs).get_docs(nlp.vocab)
    ]
    train(nlp)
    assert nlp.evaluate(examples)["seq2seq_exact"] == nlp.evaluate(stored)["seq2seq_exact"] == 1.0
    for example in (*examples, *stored):
        assert pipe_of(nlp).pairs_of(example) == [(example.text, "left alone")]
    with pytest.raises(NlpkitError, match=r"\[N250\].*dict"):
        nlp.update(make_examples(nlp, [(TEXTS[0], {"text": "up"})]))


def test_targets_of_spans() -> None:
    nlp = build(unit="spans", spans_key="quotes")
    reference = nlp.make_doc(" ".join(TEXTS))
    starts = [reference.text.index(text) for text in TEXTS]
    reference.spans["quotes"] = [
        reference.char_span(start, start + len(text)) for start, text in zip(starts, TEXTS, strict=True)
    ]
    for span, target in zip(reference.spans["quotes"], [*list(TARGETS.values())[:3], None], strict=True):
        span._.target = target
    reference._.target = "not for the whole"
    assert pipe_of(nlp).pairs_of(Example(nlp.make_doc(reference.text), reference)) == list(TARGETS.items())[:3]
    assert pipe_of(nlp).pairs_of(Example(nlp.make_doc("Oslo"), nlp.make_doc("Oslo"))) == []


def test_pairs_that_are_too_long_are_passed_over() -> None:
    nlp, examples = start(max_pieces=16)
    long = make_examples(nlp, [(" ".join(TEXTS), "short"), ("short", " ".join(TEXTS)), ("", "nothing")])
    with pytest.warns(UserWarning, match=r"\[NW227\].*passes over 2 of 6 pairs.*16 pieces"):
        both = nlp.update([*examples, *long], sgd=False)
    assert both["seq2seq"] == pytest.approx(nlp.update(examples, sgd=False)["seq2seq"], rel=1e-5)
    before = weights(nlp)
    assert pipe_of(nlp).update(long, sgd=None) == {"seq2seq": 0.0}
    assert all(torch.equal(value, before[name]) for name, value in weights(nlp).items())


def test_an_empty_target_can_be_learned() -> None:
    nlp = build()
    examples = make_examples(nlp, [(TEXTS[0], ""), (TEXTS[1], "down")])
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(25):
        nlp.update(examples, sgd=optimizer)
    pipe: Any = pipe_of(nlp)
    assert pipe.perplexity(examples) < 1.1


def test_there_is_no_rehearsal() -> None:
    """`nlp.rehearse` passes over it, beside components that have it."""
    nlp = train(build(), 3)
    nlp.add_pipe("text_classifier", config={"model": {"@architectures": "spacy_nlpkit.EmbeddingBag.v1", "rows": 64}})
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": {"A": 1.0, "B": 0.0}}) for text in TEXTS]
    nlp.get_pipe("text_classifier").initialize(lambda: examples)
    before = weights(nlp)
    optimizer = nlp.resume_training()
    assert set(nlp.rehearse(examples, sgd=optimizer)) == {"text_classifier"}
    assert all(torch.equal(value, before[name]) for name, value in weights(nlp).items())


def test_learning_goes_on_after_loading() -> None:
    nlp = train(build(), 12)
    again = type(nlp).from_config(nlp.config).from_bytes(nlp.to_bytes())
    examples = make_examples(again)
    before = pipe_of(again).perplexity(examples)
    optimizer = again.resume_training(sgd=Adam(0.01))
    for _ in range(12):
        again.update(examples, sgd=optimizer)
    assert pipe_of(again).perplexity(examples) < before


# By heart


def sentences(n_pairs: int) -> list[tuple[str, str]]:
    """Simple sentences, and the same in another order with other words; no word says which of all it is."""
    names = ["Anna", "Omar", "Chen", "Lucia", "Pavel"]
    verbs = {"buys": "kauft", "sells": "verkauft", "finds": "findet", "paints": "malt"}
    sizes = {"large": "große", "small": "kleine", "old": "alte", "new": "neue", "red": "rote"}
    things = {"lamps": "Lampen", "boats": "Boote", "coats": "Mäntel", "maps": "Karten"}
    days = {"on Monday": "am Montag", "on Friday": "am Freitag", "in May": "im Mai"}
    pairs = [
        (
            f"{name} {verb} {size} {thing} {day}.",
            f"{days[day].capitalize()} {verbs[verb]} {name} {sizes[size]} {things[thing]}.",
        )
        for name, verb, size, thing, day in itertools.product(names, verbs, sizes, things, days)
    ]
    return pairs[:: len(pairs) // n_pairs][:n_pairs]


@pytest.mark.slow
def test_400_pairs_by_heart() -> None:
    torch.set_num_threads(1)
    pairs = sentences(400)
    assert len(dict(pairs)) == 400
    nlp = spacy.blank("en")
    model = {**TRANSFORMER, "width": 64, "heads": 4, "hidden_width": 128, "encoder_layers": 2, "decoder_layers": 2}
    nlp.add_pipe("seq2seq", config={"model": model})
    pipe_of(nlp).set_subwords(Subwords.train([text for pair in pairs for text in pair], size=500))
    examples = make_examples(nlp, pairs)
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.003)
    for number in range(160):
        nlp.update(examples[number % 4 :: 4], sgd=optimizer)
    scores = nlp.evaluate(examples)
    assert scores["seq2seq_bleu"] > 0.99
    assert scores["seq2seq_perplexity"] < 1.2
    assert isinstance(nlp(pairs[0][0]), Doc)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler itself
def test_compiled_layers_learn_and_write_the_same(tmp_path: Path) -> None:
    """With batches and texts of several lengths, after a reload, and in another process."""
    pytest.importorskip("torch._inductor")
    plain, compiled = (build(model={**TRANSFORMER, "compile": choice}) for choice in (False, True))
    for nlp in (plain, compiled):
        train(nlp, 30)
        assert written(nlp) == RIGHT
    found = [pipe_of(nlp).perplexity(make_examples(nlp)) for nlp in (plain, compiled)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    compiled.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert written(again) == RIGHT
    assert [doc._.seq2seq["text"] for doc in again.pipe(TEXTS, n_process=2, batch_size=2)] == RIGHT
