"""Random graphs of a few dozen entities, to compare arrays with plain Python."""

from __future__ import annotations

import numpy as np

from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.report import BuildReport

WORDS = (
    "amber", "basalt", "cedar", "delta", "ember", "flint", "garnet", "harbor", "iris", "jasper", "kelp", "lotus",
    "maple", "nickel", "onyx", "pearl",
)  # fmt: skip
TYPES = ("Company", "Bank", "City", "NewsMedia", "Person", "Vein")


def random_graph(seed: int, n: int = 40) -> MemoryGraph:
    """Entities with names, descriptions, types and edges drawn from few words, so that much is shared."""
    rng = np.random.default_rng(seed)

    def some(most: int) -> list[str]:
        return rng.choice(WORDS, rng.integers(1, most)).tolist()

    entities = []
    for number in range(n):
        edges = [("knows", f"e:{target}") for target in rng.integers(0, n + 3, rng.integers(0, 5)) if target != number]
        entities.append(
            Entity(
                id=f"e:{number}",
                label=" ".join(some(3)).title(),
                types=tuple(rng.choice(TYPES, rng.integers(0, 3), replace=False).tolist()),
                description=" ".join(some(9)) if number % 5 else "",
                prior=float(rng.random()),
                aliases=tuple(Alias(text.title()) for text in dict.fromkeys([" ".join(some(3)), " ".join(some(4))])),
                edges=tuple(dict.fromkeys([*edges, ("made_of", " ".join(some(3)).title())])),
            )
        )
    return MemoryGraph.from_entities(entities, report=BuildReport())
