"""The confidence of entities: what it means, when it is calibrated, and how it travels."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_nlpkit.pipeline.ticker_ner import FLOOR

from .small_ner import GOLD, SHAPE_ENCODER, TEXTS, annotate, build, found, make_examples, pipe_of, train, update

# Of the names in this frame the model cannot know which is a company: its probability is the share that it has seen.
FRAME = "Then {} said so."
# In this one they always are.
CERTAIN = "He left {} of the UK"
NAMES = ["Ardo", "Bemi", "Culo", "Dasa", "Ekro", "Fimo", "Gelu", "Hapa", "Iwen", "Joro"]


def framed(nlp: Language, right_of_ten: int) -> list[Example]:
    """Both frames with each name, in the first only some of them a company."""
    doubtful = [(FRAME.format(name), [(name, "ORG")] if n < right_of_ten else []) for n, name in enumerate(NAMES)]
    return make_examples(nlp, [*doubtful, *((CERTAIN.format(name), [(name, "ORG")]) for name in NAMES)])


@pytest.fixture
def unsure() -> Language:
    """A pipeline that sees shapes of words alone and has learned that eight in ten of `FRAME` are companies."""
    nlp = build(model={"@architectures": "spacy_nlpkit.CRFTagger.v1", "tok2vec": SHAPE_ENCODER, "features": {}})
    return train(nlp, framed(nlp, 8))


def confidence_of(nlp: Language, text: str) -> float | None:
    """The confidence of the one entity, without a warning where there is none to give."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*NW001")
        (ent,) = nlp(text).ents
        confidence: float | None = ent._.confidence
        return confidence


def test_confidence_is_a_probability(unsure: Language) -> None:
    confidence = confidence_of(unsure, FRAME.format("Zizo"))
    assert type(confidence) is float
    assert confidence == pytest.approx(0.8, abs=0.05)


def test_only_what_the_component_found_has_one(nlp: Language) -> None:
    pipe_of(nlp).calibrate(make_examples(nlp))
    doc = nlp(TEXTS[0])
    assert all(0.5 < ent._.confidence < 1.0 for ent in doc.ents)
    assert doc[0:1]._.confidence is None
    assert doc[:]._.confidence is None


def test_candidates_are_told_whatever_the_thresholds(unsure: Language) -> None:
    pipe = pipe_of(unsure)
    docs = [unsure.make_doc(text) for text in (FRAME.format("Zizo"), "", "Then they went home.")]
    pipe.threshold = 1.0
    assert pipe.predict(docs) == [[], [], []]
    (first, empty, _) = pipe.candidates(docs)
    assert [(start, end, label) for start, end, label, score in first if score > 0.5] == [(1, 2, "ORG")]
    assert all(score >= FLOOR for *_, score in first)
    assert empty == []
    assert pipe.candidates([]) == []


def test_candidates_may_overlap(nlp: Language) -> None:
    """After a look at other annotation of the same words the model wavers between the two."""
    text = "We met Ann Bell there."
    gold = [(text, [("Ann Bell", "ORG")]), (text, [("Bell", "ORG")])]
    nlp = train(build(), make_examples(nlp, gold))
    (candidates,) = pipe_of(nlp).candidates([nlp.make_doc(text)])
    scores = {(start, end): score for start, end, _, score in candidates}
    assert scores[(2, 4)] == pytest.approx(0.5, abs=0.1)
    assert scores[(3, 4)] == pytest.approx(0.5, abs=0.1)
    assert len(nlp(text).ents) == 1


# Calibration


def test_reading_warns_once_unless_calibrated(saved: Path, tmp_path: Path) -> None:
    nlp = spacy.load(saved)
    nlp.rename_pipe("ticker_ner", "never_calibrated")
    nlp.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    first, second = nlp(TEXTS[0]), nlp(TEXTS[1])
    with pytest.warns(UserWarning, match=r"\[NW001\].*'never_calibrated'"):
        assert first.ents[0]._.confidence > 0.5
    assert all(ent._.confidence > 0.5 for doc in (first, second) for ent in doc.ents)  # a warning would raise


def test_a_calibrated_confidence_does_not_warn(saved: Path, tmp_path: Path) -> None:
    nlp = spacy.load(saved)
    nlp.rename_pipe("ticker_ner", "calibrated")
    nlp.to_disk(tmp_path / "before")
    nlp = spacy.load(tmp_path / "before")
    doc = nlp(TEXTS[0])
    nlp.get_pipe("calibrated").calibrate(make_examples(nlp))  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "after")
    nlp = spacy.load(tmp_path / "after")
    assert all(ent._.confidence > 0.5 for ent in nlp(TEXTS[0]).ents)
    assert all(ent._.confidence > 0.5 for ent in nlp(doc).ents), "its earlier, uncalibrated result is gone"


def test_calibration_moves_the_confidence_to_the_share_that_is_right(unsure: Language) -> None:
    """Trained where eight in ten are right, calibrated where four in ten are."""
    pipe = pipe_of(unsure)
    text = FRAME.format("Zizo")
    before = confidence_of(unsure, text)
    pipe.calibrate([eg for _ in range(4) for eg in framed(unsure, 4)])
    after = {item[:3]: item[3] for item in pipe.candidates([unsure.make_doc(text)])[0]}[(1, 2, "ORG")]
    assert before == pytest.approx(0.8, abs=0.05)
    assert after == pytest.approx(0.4, abs=0.05)


def test_the_learned_threshold_holds_until_the_config_names_one(unsure: Language, tmp_path: Path) -> None:
    """At four right in ten taking all is best, which the threshold before calibration would not."""
    text = FRAME.format("Zizo")
    pipe_of(unsure).calibrate([eg for _ in range(4) for eg in framed(unsure, 4)])
    unsure.to_disk(tmp_path)
    assert pipe_of(unsure).cfg["learned_threshold"] < 0.4
    assert found(spacy.load(tmp_path), text) == [("Zizo", "ORG")]
    cases: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
        ({"threshold": 0.45}, []),
        ({"threshold": 0.3}, [("Zizo", "ORG")]),
        ({"thresholds": {"ORG": 0.45}}, []),
    ]
    for settings, entities in cases:
        override = {f"components.ticker_ner.{key}": value for key, value in settings.items()}
        assert found(spacy.load(tmp_path, config=override), text) == entities, settings


def incomplete(nlp: Language) -> list[Example]:
    """Annotated entities among tokens without annotation, and documents without any."""
    docs = [annotate(nlp.make_doc(text), ents, default="missing") for text, ents in GOLD]
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def without_entities(nlp: Language) -> list[Example]:
    """Complete, and no entity in any."""
    return make_examples(nlp, [(text, []) for text in TEXTS])


@pytest.mark.parametrize("examples_of", [lambda nlp: [], incomplete, without_entities], ids=["none", "part", "empty"])
def test_nothing_to_calibrate_on(nlp: Language, examples_of: Callable[[Language], list[Example]]) -> None:
    pipe = pipe_of(nlp)
    before = json.dumps(pipe.cfg)
    pipe.calibrate(examples_of(nlp))
    assert json.dumps(pipe.cfg) == before
    assert not pipe.cfg["calibrated"]


def test_incomplete_documents_are_left_out_of_calibration(nlp: Language) -> None:
    pipe = pipe_of(nlp)
    pipe.calibrate(make_examples(nlp))
    alone = json.dumps(pipe.cfg)
    pipe.calibrate([*incomplete(nlp), *make_examples(nlp), *incomplete(nlp)])
    assert json.dumps(pipe.cfg) == alone


def test_calibration_goes_with_the_weights_it_was_fitted_on(nlp: Language, tmp_path: Path) -> None:
    """It is dropped by an update, a rehearsal, a new start, and by loading other weights."""
    pipe = pipe_of(nlp)
    examples = make_examples(nlp)
    plain = pipe.to_bytes()
    pipe.to_disk(tmp_path / "plain")
    nlp.resume_training()
    changes: dict[str, Callable[[], object]] = {
        "update": lambda: update(nlp, examples, updates=1),
        "rehearse": lambda: nlp.rehearse(examples),
        "from_bytes": lambda: pipe.from_bytes(plain),
        "from_disk": lambda: pipe.from_disk(tmp_path / "plain"),
        "initialize": lambda: nlp.initialize(lambda: examples),
    }
    for name, change in changes.items():
        pipe.calibrate(examples)
        assert pipe.cfg["calibrated"]
        change()
        assert pipe.cfg == {"labels": ["GPE", "ORG", "TICKER"], "calibrated": False}, name


# On its way


def results(doc: Doc) -> list[tuple[object, ...]]:
    """All that the component says of the entities."""
    return [(ent.text, ent.label_, ent._.confidence, ent._.ticker) for ent in doc.ents]


def test_results_go_where_the_document_goes(nlp: Language) -> None:
    pipe_of(nlp).calibrate(make_examples(nlp))
    docs = list(nlp.pipe(TEXTS))
    expected = [results(doc) for doc in docs]
    assert expected[0][1][3]
    binary = DocBin(docs=docs, store_user_data=True).to_bytes()
    assert [results(doc) for doc in DocBin().from_bytes(binary).get_docs(nlp.vocab)] == expected
    assert [results(Doc(nlp.vocab).from_bytes(doc.to_bytes())) for doc in docs] == expected
    assert [results(doc.copy()) for doc in docs] == expected
    message = json.loads(json.dumps(docs[0].to_json(underscore=["confidence", "ticker"])))
    assert results(Doc(nlp.vocab).from_json(message)) == expected[0]


def test_results_go_with_the_parts_of_a_document(nlp: Language) -> None:
    pipe_of(nlp).calibrate(make_examples(nlp))
    docs = list(nlp.pipe(TEXTS[:2]))
    both = Doc.from_docs(docs)
    assert results(both) == [result for doc in docs for result in results(doc)]
    assert results(both[len(docs[0]) :].as_doc(copy_user_data=True)) == results(docs[1])
