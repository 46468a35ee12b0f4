"""Prediction and scoring of a trained component (points 3, 7, 8, 9, 11, 12, 19)."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from .conftest import NAME
from .specs import Spec

ODD_TEXTS = {
    "empty": "",
    "one token": "Intel",
    "blank": " ",
    "blanks": " \n\t  \n ",
    "control": "Intel\x00\x07 rose\x1b[0m .",
    "right to left": "شركة إنتل ارتفعت אינטל עלתה .",
    "emoji": "🚀🚀 $DRL 👩‍👩‍👧 to the moon",
    "long": "Shares of Acorn Mills rose . " * 850,
}


@pytest.mark.filterwarnings("ignore:.*W030")
@pytest.mark.parametrize("kind", sorted(ODD_TEXTS))
def test_odd_documents(spec: Spec, trained: Language, kind: str) -> None:
    doc = trained(ODD_TEXTS[kind])
    assert doc.text == ODD_TEXTS[kind]
    json.dumps(spec.snapshot(doc))
    losses = trained.get_pipe(NAME).update([Example(trained.make_doc(doc.text), trained.make_doc(doc.text))])
    assert losses[NAME] == pytest.approx(0.0, abs=1e-3), "a document without annotation has nothing to teach"


def test_only_empty_documents(spec: Spec, trained: Language) -> None:
    docs = list(trained.pipe(["", "", ""]))
    assert len(docs) == 3
    examples = [Example(doc, doc.copy()) for doc in docs]
    assert trained.get_pipe(NAME).update(examples) == {NAME: 0.0}
    assert trained.get_pipe(NAME).update([]) == {NAME: 0.0}


def test_predict_is_pure(spec: Spec, trained: Language, texts: list[str]) -> None:
    with trained.select_pipes(disable=[NAME]):
        docs = list(trained.pipe(texts))
    before = [doc.to_bytes() for doc in docs]
    trained.get_pipe(NAME).predict(docs)
    assert [doc.to_bytes() for doc in docs] == before


def test_same_result_at_every_batch_size(spec: Spec, trained: Language, texts: list[str], same: Any) -> None:
    alone = [spec.snapshot(trained(text)) for text in texts]
    assert any(alone), "the trained component predicts something"
    for batch_size in (1, 3, 1000):
        same([spec.snapshot(doc) for doc in trained.pipe(texts, batch_size=batch_size)], alone)
    backwards = [spec.snapshot(doc) for doc in trained.pipe(reversed(texts))]
    same(backwards[::-1], alone)


def test_running_twice_changes_nothing(spec: Spec, trained: Language, texts: list[str], same: Any) -> None:
    docs = list(trained.pipe(texts))
    first = [spec.snapshot(doc) for doc in docs]
    same([spec.snapshot(doc) for doc in trained.pipe(docs)], first)


def test_evaluation_without_a_scorer(spec: Spec, trained: Language) -> None:
    trained.get_pipe(NAME).scorer = None
    assert spec.score not in trained.evaluate(spec.examples(trained))
    assert trained.get_pipe(NAME).score(spec.examples(trained)) == {}


def test_missing_gold_is_neither_rewarded_nor_punished(spec: Spec, trained: Language) -> None:
    annotated = spec.examples(trained)
    unannotated = [Example.from_dict(trained.make_doc(text), {}) for text, _ in spec.gold]
    assert trained.evaluate(unannotated).get(spec.score) is None
    with_both = trained.evaluate([*annotated, *unannotated])
    assert with_both[spec.score] == trained.evaluate(annotated)[spec.score] == 1.0


def test_scores_are_json(spec: Spec, trained: Language) -> None:
    json.dumps(trained.evaluate(spec.examples(trained)))


def test_error_handler_gets_the_failing_batch_and_the_pipe_goes_on(
    spec: Spec, trained: Language, texts: list[str]
) -> None:
    pipe = trained.get_pipe(NAME)
    predict = pipe.predict

    def fail_at(docs: list[Doc]) -> Any:
        if any(doc.text == "POISON" for doc in docs):
            raise RuntimeError("poisoned")
        return predict(docs)

    pipe.predict = fail_at
    with pytest.raises(RuntimeError, match="poisoned"):
        trained("POISON")
    failed: list[tuple[str, list[str]]] = []
    trained.set_error_handler(lambda name, proc, docs, error: failed.append((name, [doc.text for doc in docs])))
    done = list(trained.pipe([*texts, "POISON", *texts], batch_size=1))
    assert failed == [(NAME, ["POISON"])]
    assert [doc.text for doc in done] == [*texts, *texts]


def test_setting_at_load_wins_over_what_was_learned(spec: Spec, saved: Path, tmp_path: Path, texts: list[str]) -> None:
    if spec.silencing is None:
        return
    nlp = spacy.load(saved)
    if spec.calibrates:
        nlp.get_pipe(NAME).calibrate(spec.examples(nlp))
    nlp.to_disk(tmp_path)
    assert any(spec.decides(doc) for doc in spacy.load(tmp_path).pipe(texts))
    override = {f"components.{NAME}.{key}": value for key, value in spec.silencing.items()}
    silent = spacy.load(tmp_path, config=override)
    assert not any(spec.decides(doc) for doc in silent.pipe(texts))


def test_results_survive_bytes_as_plain_values(spec: Spec, trained: Language, texts: list[str]) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(type(key) is str and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(plain(item) for item in value)
        return value is None or type(value) in (str, int, float, bool)

    for doc in trained.pipe(texts):
        assert all(plain(value) for value in doc.user_data.values())
        again = Doc(trained.vocab).from_bytes(doc.to_bytes())
        assert spec.snapshot(again) == spec.snapshot(doc)


def test_calibration_is_kept_and_touches_nothing_else(spec: Spec, trained: Language, tmp_path: Path, same: Any) -> None:
    pipe = trained.get_pipe(NAME)
    if not spec.calibrates:
        assert not hasattr(pipe, "calibrate")
        return
    weights = pipe.model.to_bytes()
    examples = spec.examples(trained)
    before = [eg.predicted.to_bytes() for eg in examples]
    assert not pipe.cfg["calibrated"]
    pipe.calibrate(iter(examples))
    assert pipe.cfg["calibrated"]
    assert pipe.model.to_bytes() == weights
    assert [eg.predicted.to_bytes() for eg in examples] == before
    trained.to_disk(tmp_path)
    same(spacy.load(tmp_path).get_pipe(NAME).cfg, pipe.cfg)
    if spec.labels:
        pipe.add_label("NEW")
        assert not pipe.cfg["calibrated"], "its outputs are others now"


def test_memory_stays_flat(spec: Spec, trained: Language, texts: list[str]) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")

    def resident_mb() -> float:
        return int(statm.read_text().split()[1]) * 4096 / 2**20

    def run(n_docs: int) -> None:
        for _ in trained.pipe(texts[number % len(texts)] for number in range(n_docs)):
            pass

    run(500)
    before = resident_mb()
    run(2000)
    assert resident_mb() - before < 20
