"""One declared spec a factory: what the contract suite has to know about a component to test it.

A new component gets its entry here; `tests/contract` then runs over it without further code.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

WIDTH = 32
ENCODER = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": WIDTH,
    "depth": 1,
    "embed_size": 300,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH, "upstream": "*"}


@dataclass(frozen=True)
class Spec:
    """What a factory promises.

    config: Settings for a smoke model with an encoder of its own at `model.tok2vec`.
    gold: Annotated texts as `Example.from_dict` takes them; 30 updates on them reach a score of 1.
    snapshot: What the component wrote on a document, as JSON values.
    score: The scorer's key that counts.
    wrong_type: A setting with a value that the config must refuse.
    silencing: Settings under which the trained component predicts nothing, as an override at load.
    labels, listens, rehearses, calibrates: What it can do; where it says no, the component must say so too.
    """

    factory: str
    config: dict[str, Any]
    gold: list[tuple[str, dict[str, Any]]]
    snapshot: Callable[[Doc], Any]
    score: str
    wrong_type: dict[str, Any]
    silencing: dict[str, Any] | None = None
    labels: bool = True
    listens: bool = True
    rehearses: bool = True
    calibrates: bool = True
    attributes: tuple[str, ...] = field(default=())

    def examples(self, nlp: Language) -> list[Example]:
        """Fresh annotated examples."""
        return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in self.gold]

    def listening_config(self) -> dict[str, Any]:
        """The smoke config with a listener in place of the encoder."""
        return {**self.config, "model": {**self.config["model"], "tok2vec": LISTENER}}


def snapshot_entities(doc: Doc) -> list[dict[str, Any]]:
    """Entities with all that `ticker_ner` writes on them, calibrated or not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*NW001")
        return [_record(ent) for ent in doc.ents]


def _record(ent: Span) -> dict[str, Any]:
    return {
        "start": ent.start_char,
        "end": ent.end_char,
        "label": ent.label_,
        "confidence": ent._.confidence,
        "ticker": ent._.ticker,
    }


TICKER_NER = Spec(
    factory="ticker_ner",
    config={"model": {"@architectures": "spacy_nlpkit.CRFTagger.v1", "tok2vec": ENCODER}},
    gold=[
        (
            "Shares of Acorn Mills ( NYSE : ACM ) rose in Lisbon .",
            {"entities": [(10, 21, "ORG"), (31, 34, "TICKER"), (45, 51, "GPE")]},
        ),
        (
            "Borea Foods fell 3 percent , Carla Mendez said .",
            {"entities": [(0, 11, "ORG"), (29, 41, "PERSON")]},
        ),
        ("The dollar was little changed on Monday .", {"entities": []}),
        (
            "Traders in Oslo bought $DRL after Delta Rail reported .",
            {"entities": [(11, 15, "GPE"), (24, 27, "TICKER"), (34, 44, "ORG")]},
        ),
    ],
    snapshot=snapshot_entities,
    score="ents_f",
    wrong_type={"overwrite": "yes"},
    silencing={"threshold": 1.0},
    attributes=("confidence", "ticker"),
)

SPECS = {spec.factory: spec for spec in (TICKER_NER,)}
