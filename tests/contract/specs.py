"""What the contract suite has to know about a component to test it: one spec a factory, more for other kinds of models.

A new component gets its entry here; `tests/contract` then runs over it without further code.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from . import links, written

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

    name: Of the spec: the factory, or the factory and what is special.
    config: Settings for a smoke model; where it listens, with an encoder of its own at `model.tok2vec`.
    gold: Annotated texts as `Example.from_dict` takes them; 30 updates on them reach a score of 1.
    snapshot: What the component wrote on a document, as JSON values; empty where it wrote nothing.
    decides: Whether the component decided for anything in a document.
    score: The scorer's key that counts.
    wrong_type: A setting with a value that the config must refuse.
    silencing: Settings under which the trained component decides for nothing, as an override at load.
    requires: What it needs of earlier components, as `nlp.analyze_pipes` names it.
    annotate: Sets on the reference of an example what `gold` cannot say.
    prepare: Adds what it needs in a pipeline, by the component's name: earlier components, and what is set by a call.
    untrained: Whether it predicts before it is trained.
    labels, listens, rehearses, calibrates: What it can do; where it says no, the component must say so too.
    """

    name: str
    factory: str
    config: dict[str, Any]
    gold: list[tuple[str, dict[str, Any]]]
    snapshot: Callable[[Doc], Any]
    decides: Callable[[Doc], bool]
    score: str
    wrong_type: dict[str, Any]
    silencing: dict[str, Any] | None = None
    requires: tuple[str, ...] = ()
    annotate: Callable[[Doc], None] = lambda doc: None
    prepare: Callable[[Language, str], None] = lambda nlp, name: None
    untrained: bool = False
    labels: bool = True
    listens: bool = True
    rehearses: bool = True
    calibrates: bool = True
    attributes: tuple[str, ...] = field(default=())

    def examples(self, nlp: Language) -> list[Example]:
        """Fresh annotated examples."""
        return [self.example(nlp, text, annotation) for text, annotation in self.gold]

    def example(self, nlp: Language, text: str, annotation: dict[str, Any]) -> Example:
        """A fresh example of one of the texts, annotated."""
        example = Example.from_dict(nlp.make_doc(text), annotation)
        self.annotate(example.reference)
        return example

    def listening_config(self) -> dict[str, Any]:
        """The smoke config with a listener in place of the encoder, if it can listen."""
        if not self.listens:
            return self.config
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
    name="ticker_ner",
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
    decides=lambda doc: bool(doc.ents),
    score="ents_f",
    wrong_type={"overwrite": "yes"},
    silencing={"threshold": 1.0},
    attributes=("confidence", "ticker"),
)


def snapshot_classes(doc: Doc) -> dict[str, Any]:
    """Probabilities and decision of `text_classifier`, calibrated or not."""
    return {"cats": dict(doc.cats), "prediction": decision(doc)} if doc.cats else {}


def decision(doc: Doc) -> Any:
    """`doc._.prediction` without its warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*NW001")
        return doc._.prediction


def decides_for_classes(doc: Doc) -> bool:
    """Whether a class is chosen: one of exclusive classes, or any of others."""
    found = decision(doc)
    return bool(found) and not (isinstance(found, dict) and found["abstained"])


CLASSES = ("Crops", "Metals", "Rates")


def classes(*held: str) -> dict[str, Any]:
    """Complete annotation."""
    return {"cats": {label: float(label in held) for label in CLASSES}}


CLASS_GOLD = [
    ("Wheat rose after a dry spring .", classes("Crops")),
    ("Miners sold copper in Oslo today .", classes("Metals")),
    ("The bank left its key lending unchanged .", classes("Rates")),
    ("Maize and soy fell as rains came .", classes("Crops")),
    ("Zinc stocks rose again .", classes("Metals")),
]
BAG = {
    "@architectures": "spacy_nlpkit.EmbeddingBag.v1",
    "width": 64,
    "rows": 4096,
    "min_chars": 3,
    "max_chars": 4,
    "ngram_dropout": 0.0,
    "scale": 5.0,
}
TFIDF = {"@architectures": "spacy_nlpkit.TfidfLinear.v1", "rows": 4096, "ngram_dropout": 0.0, "scale": 10.0}

TEXT_CLASSIFIER = Spec(
    name="text_classifier",
    factory="text_classifier",
    config={"model": BAG},
    gold=CLASS_GOLD,
    snapshot=snapshot_classes,
    decides=decides_for_classes,
    score="cats_score",
    wrong_type={"exclusive": "yes"},
    silencing={"abstain_below": 1.0},
    listens=False,
    attributes=("prediction",),
)
TEXT_CLASSIFIERS = (
    TEXT_CLASSIFIER,
    replace(
        TEXT_CLASSIFIER,
        name="text_classifier-independent",
        config={"exclusive": False, "model": {"@architectures": "spacy_nlpkit.Pooled.v1", "tok2vec": ENCODER}},
        gold=[*CLASS_GOLD, ("Wheat and copper rose today .", classes("Crops", "Metals")), ("Mr. Bell .", classes())],
        silencing={"threshold": 1.0},
        listens=True,
    ),
    replace(
        TEXT_CLASSIFIER,
        name="text_classifier-ensemble",
        config={
            "model": {"@architectures": "spacy_nlpkit.Ensemble.v1", "members": {"bag": BAG, "tfidf": TFIDF}},
        },
    ),
    replace(
        TEXT_CLASSIFIER,
        name="text_classifier-recurrent",
        config={
            "model": {
                "@architectures": "spacy_nlpkit.Recurrent.v1",
                "tok2vec": ENCODER,
                "input_width": 8,
                "hidden_width": 8,
                "dropout": 0.0,
            }
        },
        listens=True,
    ),
)

SCORER = {"@architectures": "spacy_nlpkit.LinkScorer.v1", "width": 64, "hidden_width": 16, "rows": 1024}
KG_LINKER = Spec(
    name="kg_linker",
    factory="kg_linker",
    config={"model": SCORER},
    gold=links.GOLD,
    snapshot=links.snapshot_links,
    decides=links.decides_for_links,
    score="links_acc",
    wrong_type={"missing_as_nil": "yes"},
    silencing={"threshold": 1.0},
    requires=("doc.ents",),
    prepare=links.prepare,
    untrained=True,
    labels=False,
    listens=False,
    attributes=("kb_candidates", "kb_score", "kb_uri", "kb_types", "kb_description", "kb_status"),
)
KG_LINKERS = (
    KG_LINKER,
    replace(KG_LINKER, name="kg_linker-encoder", config={"model": {**SCORER, "tok2vec": ENCODER}}, listens=True),
)

TRANSFORMER = {
    "@architectures": "spacy_nlpkit.TransformerSeq2Seq.v1",
    "width": 32,
    "heads": 2,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "hidden_width": 64,
    "dropout": 0.0,
}
RECURRENT = {
    "@architectures": "spacy_nlpkit.RecurrentSeq2Seq.v1",
    "width": 64,
    "hidden_width": 128,
    "attention": "additive",
    "dropout": 0.0,
}
SEQ2SEQ = Spec(
    name="seq2seq",
    factory="seq2seq",
    config={
        "model": TRANSFORMER,
        "search": {"beams": 2, "n_best": 2, "max_ratio": 0.0, "max_extra": 24},
        "max_pieces": 64,
        "label_smoothing": 0.0,
        "attention": True,
        "scorer": {"@scorers": "spacy_nlpkit.seq2seq_scorer.v1", "metrics": ["exact", "chrf"]},
    },
    gold=[(text, {}) for text in written.TARGETS],
    snapshot=written.snapshot_written,
    decides=written.decides_for_text,
    score="seq2seq_exact",
    wrong_type={"unit": "page"},
    annotate=written.annotate,
    prepare=written.prepare,
    labels=False,
    listens=False,
    rehearses=False,
    calibrates=False,
    attributes=("seq2seq",),
)
LISTENER_SEQ2SEQ = {**TRANSFORMER, "@architectures": "spacy_nlpkit.ListenerSeq2Seq.v1", "tok2vec": ENCODER}
SEQ2SEQS = (
    SEQ2SEQ,
    replace(SEQ2SEQ, name="seq2seq-recurrent", config={**SEQ2SEQ.config, "model": RECURRENT}),
    replace(SEQ2SEQ, name="seq2seq-encoder", config={**SEQ2SEQ.config, "model": LISTENER_SEQ2SEQ}, listens=True),
)

SPECS = {spec.name: spec for spec in (TICKER_NER, *TEXT_CLASSIFIERS, *KG_LINKERS, *SEQ2SEQS)}
