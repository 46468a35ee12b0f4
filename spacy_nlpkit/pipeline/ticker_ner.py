"""`ticker_ner`: named entities and stock symbols, each with a calibrated probability."""

import warnings
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from .. import attributes
from ..errors import Errors, NlpkitError, Warnings
from ..layers.crf import Floats
from ..layers.crf_loss import distillation_loss, lattice_of, likelihood_loss, rejection_loss
from ..layers.crf_potentials import Potentials
from ..layers.listing_features import set_table
from ..layers.span_decoding import SpanArrays, allowed_tags, biluo_tags, select_spans, span_probabilities
from ..listings import ListingTable
from ..models.ticker_ner import set_tags
from ..symbols import resolve_span
from ._base import NlpkitPipe
from ._span_calibration import (
    apply_calibration,
    best_threshold,
    fit_calibration,
    gold_entities,
    is_complete,
    judge,
)

DEFAULT_MODEL_CONFIG = """
[model]
@architectures = "spacy_nlpkit.CRFTagger.v1"
hidden_width = null

[model.features]

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy_nlpkit.EmbedWithFeatures.v1"
width = 96

[model.tok2vec.embed.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false

[model.tok2vec.embed.features]

[model.tok2vec.embed.features.symbols]
@architectures = "spacy_nlpkit.SymbolFeatures.v1"

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 96
depth = 4
window_size = 1
maxout_pieces = 3
"""
DEFAULT_MODEL = Config().from_str(DEFAULT_MODEL_CONFIG)["model"]
# F1 is largest at a threshold of half its value (Lipton et al. 2014): what holds until one is learned on dev.
DEFAULT_THRESHOLD = 0.45
# Spans less probable than this are no candidates, whatever the threshold: it bounds the work of decoding.
FLOOR = 0.05
# Tokens of one forward pass at prediction.
MAX_TOKENS = 20000
# Documents of one forward pass at calibration.
CALIBRATION_BATCH = 256

Prediction = list[tuple[int, int, str, float]]


@Language.factory(
    "ticker_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.confidence", "span._.ticker"],
    default_config={
        "model": DEFAULT_MODEL,
        "threshold": None,
        "thresholds": {},
        "overwrite": True,
        "incorrect_spans_key": "incorrect_spans",
        "ticker_label": "TICKER",
        "scorer": {"@scorers": "spacy_nlpkit.ticker_ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
        "ents_ece": None,
    },
)
def make_ticker_ner(
    nlp: Language,
    name: str,
    model: Model,
    threshold: float | None,
    thresholds: dict[str, float],
    overwrite: bool,
    incorrect_spans_key: str | None,
    ticker_label: str,
    scorer: Callable | None,
) -> "TickerNER":
    """Build a `ticker_ner` pipe.

    model: An architecture giving CRF potentials, such as `spacy_nlpkit.CRFTagger.v1`.
    threshold: Least confidence of an entity; null for the one learned at calibration.
    thresholds: Least confidence by label, over `threshold`.
    overwrite: Replace entities of earlier components; false keeps them and adds what does not overlap them.
    incorrect_spans_key: Span group of spans known to be wrong (rejected in annotation), learned from; null for none.
    ticker_label: The label whose entities get `span._.ticker`; it need not be among the labels.
    scorer: A registered scorer.
    """
    return TickerNER(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        thresholds=thresholds,
        overwrite=overwrite,
        incorrect_spans_key=incorrect_spans_key,
        ticker_label=ticker_label,
        scorer=scorer,
    )


class TickerNER(NlpkitPipe):
    """Finds entities by the exact probability of each span under a linear-chain CRF over BILUO tags."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "ticker_ner",
        *,
        threshold: float | None = None,
        thresholds: dict[str, float] | None = None,
        overwrite: bool = True,
        incorrect_spans_key: str | None = "incorrect_spans",
        ticker_label: str = "TICKER",
        scorer: Callable | None = None,
    ) -> None:
        super().__init__(vocab, model, name, scorer=scorer)
        for setting, value in [("threshold", threshold), *(thresholds or {}).items()]:
            if value is not None and not 0 <= value <= 1:
                raise NlpkitError(
                    Errors.N006.format(setting=setting, name=name, expected="between 0 and 1", value=value)
                )
        self.threshold = threshold
        self.thresholds = dict(thresholds or {})
        self.overwrite = overwrite
        self.incorrect_spans_key = incorrect_spans_key
        self.ticker_label = ticker_label
        self._warned = False
        attributes.register_confidence()
        attributes.register("Span", "ticker")

    # Labels and shapes

    def labels_of(self, example: Example) -> Iterable[str]:
        """The labels of an example's entities, rejected ones included."""
        yield from (ent.label_ for ent in example.reference.ents)
        if self.incorrect_spans_key in example.reference.spans:
            yield from (span.label_ for span in example.reference.spans[self.incorrect_spans_key])

    def set_model_output(self) -> None:
        """Four tags a label, and O."""
        set_tags(self.model, len(self.labels))

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
        listings: Callable[[Language], ListingTable] | None = None,
    ) -> None:
        """Collect the labels and initialize the model.

        labels (list[str]): Labels, instead of those of the examples.
        listings (Callable): Loader of a table for the layer `spacy_nlpkit.ListingFeatures.v1`.
        RAISES: as `NlpkitPipe.initialize`; N071, N072 where table and layer do not go together; N073 for a loader
            without `nlp`.
        """
        if listings is not None:
            if nlp is None:
                raise NlpkitError(Errors.N073.format(name=self.name))
            self.set_listings(listings(nlp))
        super().initialize(get_examples, nlp=nlp, labels=labels)

    def set_listings(self, table: ListingTable) -> None:
        """Give the pipe a listing table: before training, or in place of the one it was trained with.

        RAISES: N070 where a trained pipe's table had other labels; N072 where the model has no layer for it.
        """
        if not set_table(self.model, table, self.name):
            raise NlpkitError(Errors.N072.format(name=self.name))

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """For each document its entities: first token, token behind the last, label, confidence; no overlaps.

        RAISES: N001 before initialization.
        """
        return self._decode(docs, self._choose)

    def candidates(self, docs: Iterable[Doc]) -> list[Prediction]:
        """As `predict`, with every span whose probability is at least `FLOOR`, whatever the thresholds: spans overlap,
        and where the pipe is sure of nothing they tell what it wavers between."""
        return self._decode(docs, lambda spans, confidence: np.arange(len(confidence)))

    def _decode(self, docs: Iterable[Doc], choose: Callable[[SpanArrays, Floats], np.ndarray]) -> list[Prediction]:
        self.require_initialized()
        predictions: list[Prediction] = []
        docs = list(docs)
        self.require_upstream(docs)
        for part in self.sub_batches(docs, MAX_TOKENS):
            spans, document = self._spans(self.model.predict(part))
            confidence = apply_calibration(spans, self.cfg.get("calibration"), self.labels)
            first_row = np.cumsum([0, *(len(doc) for doc in part)])
            chosen = choose(spans, confidence)
            owners = document[chosen]
            starts, ends = spans.start[chosen] - first_row[owners], spans.end[chosen] - first_row[owners]
            names = [self.labels[label] for label in spans.label[chosen].tolist()]
            found: list[Prediction] = [[] for _ in part]
            columns = zip(owners.tolist(), starts.tolist(), ends.tolist(), names, confidence[chosen].tolist())
            for owner, start, end, name, score in columns:
                found[owner].append((start, end, name, score))
            predictions.extend(found)
        return predictions

    def _choose(self, spans: SpanArrays, confidence: Floats) -> np.ndarray:
        return select_spans(spans, confidence >= self._threshold_of_label()[spans.label], confidence)

    def _spans(self, scores: Potentials) -> tuple[SpanArrays, np.ndarray]:
        """Spans above the floor, and the number of the document each is in."""
        lengths = scores.lengths[scores.lengths > 0]
        if not len(lengths):
            empty = np.zeros(0, dtype=np.int64)
            return SpanArrays(empty, empty, empty, np.zeros(0)), empty
        spans = span_probabilities(lattice_of(scores), lengths, scores.transitions, FLOOR)
        return spans, np.searchsorted(np.cumsum(scores.lengths), spans.start, side="right")

    def _threshold_of_label(self) -> Floats:
        unknown = sorted(set(self.thresholds) - set(self.labels))
        if unknown and not self._warned:
            self._warned = True
            message = Warnings.NW070.format(name=self.name, unknown=", ".join(unknown), known=", ".join(self.labels))
            warnings.warn(message, stacklevel=2)
        general = self.cfg.get("learned_threshold", DEFAULT_THRESHOLD) if self.threshold is None else self.threshold
        return np.array([self.thresholds.get(label, general) for label in self.labels])

    def set_annotations(self, docs: Iterable[Doc], scores: list[Prediction]) -> None:
        """Write `doc.ents`, `span._.confidence` and, for symbols, `span._.ticker`."""
        for doc, entities in zip(docs, scores):
            kept = [] if self.overwrite else list(doc.ents)
            taken = {token.i for ent in kept for token in ent}
            found = []
            for start, end, label, confidence in entities:
                if taken.isdisjoint(range(start, end)):
                    span = Span(doc, start, end, label=label)
                    attributes.set_confidence(span, confidence, component=self.name, calibrated=self.cfg["calibrated"])
                    # None as well: an earlier component may have read a symbol here.
                    span._.ticker = resolve_span(span) if label == self.ticker_label else None
                    found.append(span)
            doc.set_ents(sorted([*kept, *found], key=lambda span: span.start))

    # Training

    def get_loss(self, examples: Iterable[Example], scores: Potentials) -> tuple[float, Potentials]:
        """Negative log-likelihood of the annotation: tokens without annotation are summed over, spans known to be
        wrong add minus the log of the probability that they are not there.

        RETURNS: The loss, summed over documents, and its gradient with respect to the scores.
        """
        examples = list(examples)
        loss, gradient = likelihood_loss(scores, self._allowed(examples, scores))
        numbers = {label: number for number, label in enumerate(self.labels)}
        for number, example in enumerate(examples):
            if len(example.predicted) and self.incorrect_spans_key in example.reference.spans:
                wrong = example.reference.spans[self.incorrect_spans_key]
                for span in example.get_aligned_spans_y2x(wrong, allow_overlap=True):
                    if span.label_ in numbers:
                        label = numbers[span.label_]
                        loss += rejection_loss(scores, number, span.start, span.end, label, gradient)
        return loss, gradient

    def _allowed(self, examples: list[Example], scores: Potentials) -> np.ndarray:
        """(tokens, tags) tags that the gold annotation allows, on the tokens of the predicted documents."""
        codes = np.concatenate([gold_entities(example) for example in examples])
        numbers = {self.vocab.strings[label]: number for number, label in enumerate(self.labels)}
        types, inverse = np.unique(codes[:, 1], return_inverse=True)
        labels = np.array([numbers.get(int(key), -1) for key in types], dtype=np.int64)[inverse]
        lengths = scores.lengths[scores.lengths > 0]
        tags, known = biluo_tags(codes[:, 0].astype(np.int64), labels, lengths)
        return allowed_tags(tags, known, len(self.labels))

    def get_teacher_loss(self, teacher_scores: Potentials, scores: Potentials) -> tuple[float, Potentials]:
        """Loss and gradient of `rehearse`: what the pipe predicted before is the target."""
        return distillation_loss(teacher_scores, scores)

    # Calibration and scoring

    def calibrate(self, examples: Iterable[Example]) -> None:
        """Fit Platt scaling of the span probabilities by label, and the threshold of best F1, on held-out examples.

        Documents whose entity annotation is incomplete are left out. Stored in `cfg`; nothing else changes. Without a
        single gold entity the pipe stays uncalibrated.
        """
        self.require_initialized()
        judged = []
        complete = (example for example in examples if is_complete(example))
        while part := list(islice(complete, CALIBRATION_BATCH)):
            docs = [example.predicted for example in part]
            self.require_upstream(docs)
            spans, document = self._spans(self.model.predict(docs))
            judged.append(judge(part, spans, document, self.labels))
        if not any(batch.n_gold for batch in judged):
            return
        calibration = fit_calibration(judged, self.labels)
        self.cfg["calibration"] = calibration
        self.cfg["learned_threshold"] = best_threshold(judged, calibration, self.labels)
        self.cfg["calibrated"] = True

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score with the configured scorer; an empty dict without one."""
        if self.scorer is None:
            return {}
        return self.scorer(examples, labels=self.labels, ticker_label=self.ticker_label, **kwargs)
