"""The suite runs over every spec, and every factory that the package declares has one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed

from .specs import ENCODER, LISTENER, SPECS, Spec

UPDATES = 30
NAME = "component"


@pytest.fixture(params=sorted(SPECS), scope="session")
def spec(request: pytest.FixtureRequest) -> Spec:
    return SPECS[request.param]


def build(spec: Spec, **settings: Any) -> Language:
    """A blank pipeline with the component and what it needs alone, not initialized."""
    nlp = spacy.blank("en")
    nlp.add_pipe(spec.factory, name=NAME, config={**spec.config, **settings})
    spec.prepare(nlp, NAME)
    return nlp


def build_listening(spec: Spec, *others: str) -> Language:
    """A shared encoder, other listeners, and the component as the last one."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": ENCODER})
    for other in others:
        nlp.add_pipe(other, config={"model": {"tok2vec": LISTENER}})
    nlp.add_pipe(spec.factory, name=NAME, config=spec.listening_config())
    spec.prepare(nlp, NAME)
    return nlp


def train(nlp: Language, examples: list[Example], updates: int = UPDATES, seed: int = 0) -> list[dict[str, float]]:
    """Initialize and update on the whole batch; the losses of every step."""
    fix_random_seed(seed)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses: list[dict[str, float]] = []
    for _ in range(updates):
        losses.append({})
        nlp.update(examples, sgd=optimizer, losses=losses[-1])
    return losses


@pytest.fixture(scope="session")
def saved(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that has learned its examples by heart, as saved."""
    nlp = build(spec)
    train(nlp, spec.examples(nlp))
    path = tmp_path_factory.mktemp(spec.name) / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture
def trained(saved: Path) -> Language:
    return spacy.load(saved)


@pytest.fixture(scope="session")
def texts(spec: Spec) -> list[str]:
    """Known and unknown texts, an empty one in their midst."""
    known = [text for text, _ in spec.gold]
    return [*known, "", *(text.replace("rose", "fell").upper() for text in known), "Intel"]


@pytest.fixture(scope="session")
def same() -> Callable[[Any, Any], None]:
    """Assert that two snapshots are equal, floats to rounding."""

    def compare(left: Any, right: Any) -> None:
        assert type(left) is type(right)
        if isinstance(left, float):
            assert left == pytest.approx(right, rel=1e-3, abs=1e-4)
        elif isinstance(left, dict):
            assert left.keys() == right.keys()
            for key, value in left.items():
                compare(value, right[key])
        elif isinstance(left, list):
            assert len(left) == len(right)
            for one, other in zip(left, right):
                compare(one, other)
        else:
            assert left == right

    return compare
