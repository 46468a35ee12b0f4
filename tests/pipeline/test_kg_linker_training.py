"""What `kg_linker` learns, alone and through shared encoders; at prediction it sees what it saw in training."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.lang.en import English
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.layers import link_scorer
from spacy_nlpkit.pipeline import _link_learning
from spacy_nlpkit.pipeline._link_scoring import link_loss
from spacy_nlpkit.pipeline._link_training import truth_of
from spacy_nlpkit.pipeline.kg_linker import KgLinker
from spacy_nlpkit.ty import NIL

from ..contract import links
from ..contract.links import linked, snapshot_links
from ..contract.specs import ENCODER, LISTENER
from ..tiny_transformer import save_tiny_transformer
from .small_links import linker, pipe_of, train, twin_examples, update

SCORER = {"@architectures": "spacy_nlpkit.LinkScorer.v1", "width": 64, "hidden_width": 16, "rows": 1024}
TRANSFORMER_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
ENCODERS = ["words", "own", "tok2vec", "transformer"]
# What goes together is learned of two names, and holds for the two others.
MINES = ["The shaft of {} was drilled today .", "{} closed a shaft after rain .", "They drilled for {} again ."]
BANKS = ["A branch of {} took deposits today .", "{} rose as deposits grew .", "They left the branch of {} ."]
WRITTEN = [(text, "mine") for text in MINES] + [(text, "bank") for text in BANKS]
TWINS = [linked(text.format(n), n, f"{n.lower()}-{kind}") for n in ("Acorn", "Borea") for text, kind in WRITTEN]
UNSEEN = [linked(text.format(n), n, f"{n.lower()}-{kind}") for n in ("Cedar", "Delta") for text, kind in WRITTEN]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Saves the transformer when it is first asked for."""
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    texts = [text for text, _ in TWINS]
    return lambda: folder if folder.exists() else save_tiny_transformer(folder, texts)


def build(encoder: str, tiny: Callable[[], Path], **settings: Any) -> Language:
    """Names are marked, encoded where an encoder is shared, and linked."""
    nlp = spacy.blank("en")
    model: dict[str, Any] = dict(SCORER)
    if encoder == "own":
        model["tok2vec"] = ENCODER
    elif encoder == "tok2vec":
        nlp.add_pipe("tok2vec", config={"model": ENCODER})
        model["tok2vec"] = LISTENER
    elif encoder == "transformer":
        block = {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(tiny()),
            "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96},
            "tokenizer_config": {"use_fast": True},
            "transformer_config": NO_DROPOUT,
            "mixed_precision": False,
            "grad_scaler_config": {},
        }
        nlp.add_pipe("transformer", config={"model": block})
        model["tok2vec"] = TRANSFORMER_LISTENER
    nlp.add_pipe("kg_linker", config={"model": model, **settings})
    links.prepare(nlp, "kg_linker")
    return nlp


def right(nlp: Language, gold: list[tuple[str, dict[str, Any]]]) -> float:
    """The share of texts whose entity is found."""
    score = nlp.evaluate(twin_examples(nlp, gold))["links_acc"]
    assert isinstance(score, float)
    return score


# Learning


@pytest.mark.parametrize("encoder", ENCODERS)
def test_learns_and_comes_back(encoder: str, tiny: Callable[[], Path], tmp_path: Path) -> None:
    nlp = build(encoder, tiny)
    train(nlp, twin_examples(nlp, TWINS))
    assert right(nlp, TWINS) == 1.0
    texts = [text for text, _ in TWINS + UNSEEN]
    expected = [snapshot_links(doc) for doc in nlp.pipe(texts)]
    nlp.to_disk(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    copies = [spacy.load(tmp_path / "there"), English.from_config(nlp.config).from_bytes(nlp.to_bytes())]
    if encoder in ("words", "own"):
        # Stock shared encoders hold on to what no pickle takes.
        copies.append(pickle.loads(pickle.dumps(nlp)))
    for copy in copies:
        close([snapshot_links(doc) for doc in copy.pipe(texts)], expected)


def close(found: list[list[dict[str, Any]]], expected: list[list[dict[str, Any]]]) -> None:
    """Ids and order are the same, and scores to rounding."""
    assert [[link["id"] for link in each] for each in found] == [[link["id"] for link in each] for each in expected]
    for ours, theirs in zip((link for each in found for link in each), (link for each in expected for link in each)):
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-4)
        scores = [[candidate["score"] for candidate in link["candidates"]] for link in (ours, theirs)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


@pytest.mark.parametrize("encoder", ["words", "own"])
def test_learns_what_only_the_context_tells(encoder: str, tiny: Callable[[], Path]) -> None:
    """No word of a text is one of the graph, so that untrained half is guessed; what was learned holds for entities
    that no text of the training had."""
    nlp = build(encoder, tiny)
    untrained = right(nlp, TWINS), right(nlp, UNSEEN)
    assert untrained == (0.5, 0.5)
    train(nlp, twin_examples(nlp, TWINS))
    assert right(nlp, TWINS) == 1.0
    assert right(nlp, UNSEEN) >= 0.9


def test_one_seed_gives_the_same_ids(tiny: Callable[[], Path]) -> None:
    texts = [text for text, _ in TWINS + UNSEEN]
    runs = []
    for _ in range(5):
        nlp = build("own", tiny)
        train(nlp, twin_examples(nlp, TWINS), updates=12)
        runs.append([snapshot_links(doc) for doc in nlp.pipe(texts)])
    assert all(run == runs[0] for run in runs)


# The same in training and at prediction


class Seen:
    """Records the vectors of mentions that the layer computes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.vectors: list[np.ndarray] = []
        encode = link_scorer._encode

        def record(*args: Any) -> Any:
            encoded, backprop = encode(*args)
            self.vectors.append(np.asarray(encoded))
            return encoded, backprop

        monkeypatch.setattr(link_scorer, "_encode", record)

    def take(self) -> np.ndarray:
        """What was seen since it was last asked."""
        found = np.concatenate(self.vectors)
        self.vectors.clear()
        return found


@pytest.mark.parametrize("encoder", ["own", "tok2vec", "transformer"])
def test_vectors_of_mentions(encoder: str, tiny: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """In an update and at prediction, alone and in a batch."""
    nlp = build(encoder, tiny)
    train(nlp, twin_examples(nlp, TWINS), updates=3)
    texts = [text for text, _ in TWINS]
    seen = Seen(monkeypatch)
    nlp.update(twin_examples(nlp, TWINS), sgd=False, drop=0.0)
    updated = seen.take()
    list(nlp.pipe(texts))
    together = seen.take()
    for text in texts:
        nlp(text)
    alone = seen.take()
    assert updated.shape == (len(texts), SCORER["width"])
    assert np.abs(updated).max() > 1e-3, "zeros are what stock spaCy would see"
    assert together == pytest.approx(updated, abs=1e-5)
    assert alone == pytest.approx(updated, abs=1e-5)


@pytest.mark.parametrize("encoder", ["tok2vec", "transformer"])
def test_a_missing_encoder_is_an_error(encoder: str, tiny: Callable[[], Path]) -> None:
    nlp = build(encoder, tiny)
    train(nlp, twin_examples(nlp, TWINS), updates=1)
    with nlp.select_pipes(disable=[encoder]), pytest.raises(NlpkitError, match=rf"\[N005\].*{encoder}"):
        nlp(TWINS[0][0])


# What is learned from


def masked(nlp: Language, kb_id: str, name: str = "Acorn") -> list[Example]:
    return twin_examples(nlp, [linked("Nothing is said of Acorn here .".replace("Acorn", name), name, kb_id)])


def loss(nlp: Language, examples: list[Example]) -> float:
    return pipe_of(nlp).update(examples)["kg_linker"]


@pytest.fixture
def learner(tiny: Callable[[], Path]) -> Language:
    nlp = build("words", tiny)
    return train(nlp, twin_examples(nlp), updates=2)


def test_unknown_links_teach_nothing(learner: Language) -> None:
    examples = masked(learner, "acorn-bank")
    assert loss(learner, examples) > 0.1
    for example in examples:
        for token in example.reference:
            token.ent_kb_id_ = ""
    assert loss(learner, examples) == 0.0


def test_entities_that_are_no_candidates(tiny: Callable[[], Path]) -> None:
    """They teach nothing, or NIL where it is asked for."""
    for setting in (False, True):
        nlp = build("words", tiny, missing_as_nil=setting)
        train(nlp, twin_examples(nlp), updates=2)
        for kb_id in ("delta-mine", "of-another-graph"):
            assert (loss(nlp, masked(nlp, kb_id)) > 0.1) is setting
        assert loss(nlp, masked(nlp, NIL)) > 0.1


def test_only_labels_that_are_linked_teach(tiny: Callable[[], Path]) -> None:
    nlp = build("words", tiny, only_labels=["PERSON"])
    train(nlp, twin_examples(nlp), updates=1)
    assert loss(nlp, masked(nlp, "acorn-bank")) == 0.0


def test_gold_that_fits_no_tokens(learner: Language) -> None:
    """It is left out, and the others teach."""
    words = ["They", "drilled", "for", "Aco", "rn", "and", "Borea", "."]
    spaces = [True, True, True, False, True, True, True, False]
    gold = Doc(learner.vocab, words=words, spaces=spaces)
    gold.set_ents([Span(gold, 3, 4, "ORG", kb_id="acorn-mine"), Span(gold, 6, 7, "ORG", kb_id="borea-mine")])
    example = Example(learner.make_doc(gold.text), gold)
    alone = twin_examples(learner, [linked(gold.text, "Borea", "borea-mine")])
    assert loss(learner, [example]) == pytest.approx(loss(learner, alone))


def test_spans_of_a_group_teach(tiny: Callable[[], Path]) -> None:
    nlp = build("words", tiny, spans_key="names")
    examples = []
    for text, annotation in TWINS:
        gold = Example.from_dict(nlp.make_doc(text), annotation).reference
        gold.spans["names"] = list(gold.ents)
        gold.set_ents([])
        predicted = nlp.make_doc(text)
        predicted.spans["names"] = [Span(predicted, span.start, span.end, "ORG") for span in gold.spans["names"]]
        examples.append(Example(predicted, gold))
    train(nlp, examples)
    for example in examples:
        pipe_of(nlp)(example.predicted)
    assert pipe_of(nlp).score(examples)["links_acc"] == 1.0


def test_data_without_links_are_refused(tiny: Callable[[], Path]) -> None:
    nlp = build("words", tiny)
    examples = masked(nlp, "")
    with pytest.raises(NlpkitError, match=r"\[N002\].*'kg_linker' holds no mentions"):
        nlp.initialize(lambda: examples)


def test_training_needs_a_graph() -> None:
    nlp = linker(None)
    with pytest.raises(NlpkitError, match=r"\[N216\]"):
        nlp.initialize(lambda: masked(nlp, "acorn-bank"))


# Calibration


def test_calibration_chooses_when_to_link(tiny: Callable[[], Path]) -> None:
    """Of texts in which a name mostly means nothing of the graph."""
    nlp = build("words", tiny)
    train(nlp, twin_examples(nlp, TWINS), updates=12)
    pipe = pipe_of(nlp)
    uncertain = [linked(f"Text {n} says Acorn .", "Acorn", NIL if n % 4 else "acorn-bank") for n in range(20)]
    gold = [*uncertain, *TWINS[:3]]

    def mean_loss() -> float:
        examples = twin_examples(nlp, gold)
        found, truth = pipe._find_gold(examples)
        held = truth_of(links.GRAPH, found, truth, False)
        scores = pipe.scores(found) / (pipe.cfg.get("calibration") or 1.0)
        return link_loss(scores, found.candidates.mention, *held)[0]

    before, accuracy = mean_loss(), right(nlp, gold)
    pipe.calibrate(iter(twin_examples(nlp, gold)))
    assert pipe.cfg["calibrated"]
    assert mean_loss() < before
    assert right(nlp, gold) >= accuracy
    assert 0.0 < pipe.cfg["learned_threshold"] <= 1.0
    update(nlp, twin_examples(nlp), updates=1)
    assert "learned_threshold" not in pipe.cfg, "the weights are others now"


def test_calibration_in_parts_is_the_same(tiny: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = build("own", tiny)
    train(nlp, twin_examples(nlp, TWINS), updates=5)
    fitted = []
    for most in (20000, 10):
        monkeypatch.setattr(_link_learning, "MAX_TOKENS", most)
        pipe_of(nlp).calibrate(twin_examples(nlp, TWINS))
        fitted.append((pipe_of(nlp).cfg["calibration"], pipe_of(nlp).cfg["learned_threshold"]))
    assert fitted[0] == pytest.approx(fitted[1], rel=1e-3)


def test_calibration_without_links_changes_nothing(learner: Language) -> None:
    pipe: KgLinker = pipe_of(learner)
    pipe.calibrate([])
    pipe.calibrate(masked(learner, ""))
    assert not pipe.cfg["calibrated"]


def test_untrained_it_can_be_calibrated(tiny: Callable[[], Path]) -> None:
    nlp = build("words", tiny)
    pipe_of(nlp).calibrate(twin_examples(nlp, TWINS))
    assert pipe_of(nlp).cfg["calibrated"]
    assert right(nlp, TWINS) >= 0.5


def test_a_few_right_mentions_do_not_make_every_chance_one(tiny: Callable[[], Path]) -> None:
    """Nothing was wrong, so that the likelihood alone would want the coldest temperature that is tried."""
    nlp = build("words", tiny)
    pipe: KgLinker = pipe_of(nlp)
    sure = [
        linked("Acorn Bank paid .", "Acorn Bank", "acorn-bank"),
        linked("Acorn Bank fell .", "Acorn Bank", "acorn-bank"),
    ]
    pipe.calibrate(twin_examples(nlp, sure))
    assert 0.5 < pipe.cfg["calibration"] < 1.0
    pipe.calibrate(twin_examples(nlp, sure * 300))
    assert pipe.cfg["calibration"] < 0.5, "many tell more"


def test_a_graph_without_the_annotated_entities_is_refused(tiny: Callable[[], Path]) -> None:
    nlp = build("words", tiny)
    strange = [linked("Acorn fell .", "Acorn", "Q1"), linked("Acorn rose .", "Acorn", NIL)]
    with pytest.raises(NlpkitError, match=r"\[N221\].*none of the 1 entities.*'Q1'"):
        nlp.initialize(lambda: twin_examples(nlp, strange))
    nlp.initialize(lambda: twin_examples(nlp, [*strange, *TWINS]))
