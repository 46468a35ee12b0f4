"""`text_classifier`: classes of documents, exclusive or not, with calibrated probabilities and abstention."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate

from .. import attributes
from ..counting import new_counters, uncounted
from ..errors import Errors, NlpkitError, Warnings
from ..layers.class_loss import exclusive_loss, independent_loss
from ..layers.class_output import set_exclusive
from ..layers.mixture import TRAIN_APART, begin_apart
from ..ty import Explanation
from ..util import to_float
from ._base import NlpkitPipe
from ._class_calibration import DIGITS, apply_calibration, fit_calibration
from ._class_decisions import decide_each, decide_one
from ._class_explanation import explain_docs
from ._class_targets import (
    Annotation,
    Floats,
    annotation_of,
    balanced_weights,
    by_vote,
    describe_first,
    fits_exclusive,
    fits_range,
    require_probabilities,
    truth_of,
)

DEFAULT_MODEL = {"@architectures": "spacy_nlpkit.EmbeddingBag.v1"}
# Of labels that do not exclude one another, until thresholds are learned.
DEFAULT_THRESHOLD = 0.5
# Tokens of one forward pass at prediction.
MAX_TOKENS = 20000
# Examples read at a time where all are passed over.
BATCH = 1000


@Language.factory(
    "text_classifier",
    assigns=["doc.cats", "doc._.prediction"],
    default_config={
        "model": DEFAULT_MODEL,
        "exclusive": True,
        "threshold": None,
        "thresholds": {},
        "abstain_below": 0.0,
        "soft_labels": "distribution",
        "class_weights": None,
        "label_smoothing": 0.0,
        "focal_gamma": 0.0,
        "prediction_attribute": "prediction",
        "scorer": {"@scorers": "spacy_nlpkit.text_classifier_scorer.v1"},
    },
    default_score_weights={
        "cats_score": 1.0,
        "cats_acc": None,
        "cats_macro_f": None,
        "cats_micro_f": None,
        "cats_macro_auc": None,
        "cats_ece": None,
    },
)
def make_text_classifier(
    nlp: Language,
    name: str,
    model: Model,
    exclusive: bool,
    threshold: float | None,
    thresholds: dict[str, float],
    abstain_below: float,
    soft_labels: Literal["distribution", "vote"],
    class_weights: Literal["balanced"] | dict[str, float] | None,
    label_smoothing: float,
    focal_gamma: float,
    prediction_attribute: str,
    scorer: Callable | None,
) -> "TextClassifier":
    """Build a `text_classifier` pipe.

    model: An architecture from documents to probabilities: of this package, or one of spaCy's `textcat`.
    exclusive: Whether exactly one label holds for a document.
    threshold: Least probability of a label that excludes no other; null for learned ones, and for exclusive labels.
    thresholds: Least probability by label, over `threshold`; an exclusive prediction below it abstains.
    abstain_below: Abstain where the decision is less probable than this.
    soft_labels: Learn from probabilities in the annotation as they are (`distribution`), or from the label most of the
        annotators chose (`vote`).
    class_weights: Weight of each label's documents in training: by label, or `balanced` by frequency; null for 1.
    label_smoothing: Share of the truth that is spread over all labels.
    focal_gamma: Above 0, focal loss with this exponent.
    prediction_attribute: Name of the attribute in `doc._` for the decision.
    scorer: A registered scorer.
    """
    return TextClassifier(
        nlp.vocab,
        model,
        name,
        exclusive=exclusive,
        threshold=threshold,
        thresholds=thresholds,
        abstain_below=abstain_below,
        soft_labels=soft_labels,
        class_weights=class_weights,
        label_smoothing=label_smoothing,
        focal_gamma=focal_gamma,
        prediction_attribute=prediction_attribute,
        scorer=scorer,
    )


class TextClassifier(NlpkitPipe):
    """Gives every document the probability of each label, and a decision."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "text_classifier",
        *,
        exclusive: bool = True,
        threshold: float | None = None,
        thresholds: dict[str, float] | None = None,
        abstain_below: float = 0.0,
        soft_labels: str = "distribution",
        class_weights: str | dict[str, float] | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        prediction_attribute: str = "prediction",
        scorer: Callable | None = None,
    ) -> None:
        super().__init__(vocab, model, name, scorer=scorer)
        self.exclusive = exclusive
        self.threshold = threshold
        self.thresholds = dict(thresholds or {})
        self.abstain_below = abstain_below
        self.soft_labels = soft_labels
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.prediction_attribute = prediction_attribute
        self._warned_of_unfit = False
        self._annotations: list[Annotation] = []  # those that `survey` sees, until they are weighed
        self._check_settings()
        attributes.register_prediction(prediction_attribute)

    def _check_settings(self) -> None:
        """RAISES: N006 for a number out of its range, or for the threshold of all labels where they are exclusive; N131
        where the model was built for the other kind of labels."""
        share, positive = (1.0, "between 0 and 1"), (np.inf, "0 or more")
        no_threshold = (-1.0, "null where exclusive = true, which has abstain_below and, by label, thresholds")
        weights = self.class_weights if isinstance(self.class_weights, dict) else {}
        checks = [
            ("threshold", self.threshold, no_threshold if self.exclusive else share),
            ("abstain_below", self.abstain_below, share),
            ("label_smoothing", self.label_smoothing, share),
            ("focal_gamma", self.focal_gamma, positive),
            *((label, value, share) for label, value in self.thresholds.items()),
            *((f"class_weights.{label}", weight, positive) for label, weight in weights.items()),
        ]
        for setting, value, (most, expected) in checks:
            if value is not None and not 0 <= value <= most:
                raise NlpkitError(Errors.N006.format(setting=setting, name=self.name, expected=expected, value=value))
        if not set_exclusive(self.model, self.exclusive):
            other = not self.exclusive
            raise NlpkitError(Errors.N131.format(name=self.name, exclusive=self.exclusive, model_exclusive=other))

    # Labels and shapes

    def labels_of(self, example: Example) -> Iterable[str]:
        """The labels that an example's annotation names, those that do not hold included."""
        return example.reference.cats

    def set_model_output(self) -> None:
        """One output a label."""
        if "resize_output" in self.model.attrs:
            self.model = self.model.attrs["resize_output"](self.model, len(self.labels))

    def sample_output(self, n_docs: int) -> Any:
        """Zeros, from whose shape those of spaCy's architectures that cannot be resized infer the labels."""
        return None if "resize_output" in self.model.attrs else self.model.ops.alloc2f(n_docs, len(self.labels))

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Collect the labels, weigh them, count documents where nothing else has, initialize the model.

        RAISES: as `NlpkitPipe.initialize`; N129 for one exclusive label; N130 where exclusive labels do not sum to one;
            N132 for settings that name unknown labels; N134 for annotation that is no probability.
        """
        self._annotations = []
        super().initialize(get_examples, nlp=nlp, labels=labels)
        if self.exclusive and len(self.labels) < 2:
            raise NlpkitError(Errors.N129.format(name=self.name, label=self.labels[0]))
        self._check_label_settings()
        truth = truth_of(self._annotations, self.labels, self.exclusive)
        require_probabilities(self._annotations, truth, self.labels, self.exclusive, self.name)
        self._annotations = []
        self.cfg["exclusive"] = self.exclusive
        self.cfg["class_weights"] = [round(weight, DIGITS) for weight in self._weights_of(truth)]

    def check_loaded(self) -> None:
        """RAISES: N135 where the pipe was trained for the other kind of labels."""
        if self.cfg.get("exclusive", self.exclusive) != self.exclusive:
            raise NlpkitError(Errors.N135.format(name=self.name, trained=not self.exclusive, exclusive=self.exclusive))

    # The labels are checked and weighed over all examples.
    surveys_all = True

    def survey(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Keep the annotation, and count documents for the layers that need it."""
        counters = new_counters(uncounted(self.model))
        for part in minibatch(examples, BATCH):
            for counter in counters:
                counter.add([example.predicted for example in part])
            self._annotations += [annotation_of(example) for example in part]
            yield from part
        for counter in counters:
            counter.finish()

    def _usable_truth(self, examples: list[Example]) -> Floats:
        """As `truth_of`. Documents that `initialize` would have refused are passed over, with one warning: of a corpus
        that is streamed it does not see the whole."""
        annotations = [annotation_of(example) for example in examples]
        truth = truth_of(annotations, self.labels, self.exclusive)
        wrong = ~(fits_range(truth) & (fits_exclusive(truth) | (not self.exclusive)))
        if wrong.any():
            details = describe_first(annotations, truth, self.labels, wrong)
            truth[wrong] = np.nan
            if not self._warned_of_unfit:
                self._warned_of_unfit = True
                warnings.warn(Warnings.NW130.format(name=self.name, **details), stacklevel=2)
        return truth

    def _weights_of(self, truth: Floats) -> list[float]:
        if self.class_weights == "balanced":
            return balanced_weights(truth, self.exclusive)
        weights = self.class_weights if isinstance(self.class_weights, dict) else {}
        return [float(weights.get(label, 1.0)) for label in self.labels]

    def _check_label_settings(self) -> None:
        by_label = {"thresholds": self.thresholds, "class_weights": self.class_weights}
        for setting, value in by_label.items():
            unknown = sorted(set(value) - set(self.labels)) if isinstance(value, dict) else []
            if unknown:
                names = {"unknown": ", ".join(unknown), "known": ", ".join(self.labels)}
                raise NlpkitError(Errors.N132.format(setting=setting, name=self.name, **names))

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> Floats:
        """(docs, labels) calibrated probabilities. A document without tokens gives no evidence: exclusive labels are
        equally probable then, others have probability 0.

        RAISES: N001 before initialization; N005 without the encoder's output.
        """
        return self._calibrated(self._raw(list(docs)))

    def _raw(self, docs: list[Doc]) -> Floats:
        """Probabilities as the model gives them."""
        self.require_initialized()
        self.require_upstream(docs)
        found = np.full((len(docs), len(self.labels)), 1.0 / len(self.labels) if self.exclusive else 0.0)
        start = 0
        for part in self.sub_batches(docs, MAX_TOKENS):
            filled = [len(doc) > 0 for doc in part]
            if any(filled):
                scores = self.model.ops.to_numpy(self.model.predict(part))
                found[start : start + len(part)][filled] = scores[filled]
            start += len(part)
        return found

    def _calibrated(self, probabilities: Floats) -> Floats:
        calibration = self.cfg.get("calibration")
        return probabilities if calibration is None else apply_calibration(calibration, probabilities, self.labels)

    def label_thresholds(self) -> dict[str, float]:
        """The least probability of each label: set, learned at calibration, or the default; 0 for exclusive ones."""
        stored = self.cfg.get("calibration", {}).get("thresholds", {})
        learned = {label: round(value, DIGITS) for label, value in stored.items()}
        general = 0.0 if self.exclusive else self.threshold
        return {
            label: self.thresholds.get(label, learned.get(label, DEFAULT_THRESHOLD) if general is None else general)
            for label in self.labels
        }

    def set_annotations(self, docs: Iterable[Doc], scores: Floats) -> None:
        """Write `doc.cats`, of which other components' labels stay, and `doc._.prediction`."""
        self._check_label_settings()
        decide: Callable[..., Iterator] = decide_one if self.exclusive else decide_each
        predictions = decide(scores, self.labels, list(self.label_thresholds().values()), self.abstain_below)
        made = {"component": self.name, "calibrated": self.cfg["calibrated"]}
        for doc, row, prediction in zip(docs, scores.tolist(), predictions):
            doc.cats.update(zip(self.labels, row))
            attributes.set_prediction(doc, self.prediction_attribute, prediction, **made)

    def explain(self, docs: Iterable[Doc], label: str | None = None) -> list[Explanation]:
        """What each token contributed to the score of a label, by default of each document's most probable one.

        RAISES: N140 for an unknown label; N141 for a model of other architectures; N001 and N005 as `predict`.
        """
        return explain_docs(self, list(docs), label)

    # Training

    def _step(
        self,
        docs: list[Doc],
        get_loss: Callable[[Any], tuple[float, Any]],
        drop: float,
        sgd: Optimizer | None,
    ) -> float:
        """As in the base; the members of an ensemble are trained each by its own error, unless its config says not."""
        mixture = next((node for node in self.model.walk() if node.attrs.get(TRAIN_APART)), None)
        if mixture is None:
            return super()._step(docs, get_loss, drop, sgd)
        set_dropout_rate(self.model, drop)
        self._forget()
        to_probabilities = self.model.layers[-1].predict
        found, backprop = begin_apart(mixture, docs)
        results = [get_loss(to_probabilities(scores)) for scores in found]
        backprop([gradient for _, gradient in results])
        if sgd not in (None, False):
            self.finish_update(sgd)
        return to_float(results[-1][0])

    def get_loss(self, examples: Iterable[Example], scores: Any) -> tuple[float, Any]:
        """Cross-entropy, a mean over the examples, and its gradient with respect to the scores before the softmax or
        logistic function. Labels without annotation are neutral; a document whose annotation cannot be is as well,
        with a warning (NW130)."""
        truth = self._usable_truth(list(examples))
        if self.soft_labels == "vote":
            truth = by_vote(truth, self.exclusive)
        known = self.cfg.get("class_weights", [])
        weights = np.array([*known, *[1.0] * (len(self.labels) - len(known))])
        loss_of = exclusive_loss if self.exclusive else independent_loss
        probabilities = self.model.ops.to_numpy(scores).astype(np.float64)
        settings = {"smoothing": self.label_smoothing, "gamma": self.focal_gamma}
        loss, gradient = loss_of(probabilities, truth, weights, **settings)
        return loss / len(truth), self._to_model(gradient / len(truth), probabilities)

    def get_teacher_loss(self, teacher_scores: Any, scores: Any) -> tuple[float, Any]:
        """Loss and gradient of `rehearse`: what the pipe predicted before is the target. Of labels that it had not
        then, nothing is known: they keep what they have, unless they are exclusive, where the old ones sum to one."""
        truth, probabilities = (self.model.ops.to_numpy(found).astype(np.float64) for found in (teacher_scores, scores))
        added = probabilities[:, truth.shape[1] :]
        truth = np.concatenate([truth, np.zeros_like(added) if self.exclusive else added], axis=1)
        loss_of = exclusive_loss if self.exclusive else independent_loss
        weights = np.ones(len(self.labels))
        loss, gradient = loss_of(probabilities, truth, weights)
        loss -= loss_of(truth, truth, weights)[0]  # the teacher's own doubt is no error of the pipe
        return loss / len(truth), self._to_model(gradient / len(truth), probabilities)

    def _to_model(self, gradient: Any, probabilities: Floats) -> Any:
        """Architectures of this package, and Thinc's Softmax layer, take the gradient of the scores. Other last layers
        of spaCy's architectures take that of the probabilities, and multiply by their own derivative."""
        last: Model = self.model
        while last.layers:
            last = last.layers[-1]
        if last.name == "logistic":
            gradient = gradient / np.maximum(probabilities * (1.0 - probabilities), 1e-6)
        elif last.name == "softmax_activation":
            gradient = gradient / np.maximum(probabilities, 1e-6)
        return self.model.ops.asarray2f(gradient.astype("float32"))

    # Calibration and scoring

    def calibrate(self, examples: Iterable[Example]) -> None:
        """Fit a temperature for exclusive labels, or Platt scaling and the threshold of best F1 for each other one, on
        held-out examples. Stored in `cfg`; nothing else changes. Without annotation the pipe stays uncalibrated."""
        self.require_initialized()
        found, gold = [], []
        for part in minibatch(examples, BATCH):
            filled = [example for example in part if len(example.predicted)]
            found.append(self._raw([example.predicted for example in filled]))
            gold.append(self._usable_truth(filled))
        probabilities, truth = (np.concatenate(rows) if rows else np.zeros((0, 1)) for rows in (found, gold))
        calibration = fit_calibration(probabilities, truth, self.labels, self.exclusive) if len(truth) else None
        if calibration is not None:
            self.cfg.update(calibration=calibration, calibrated=True)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score with the configured scorer; an empty dict without one."""
        if self.scorer is None:
            return {}
        settings = {"exclusive": self.exclusive, "thresholds": self.label_thresholds()}
        return self.scorer(examples, labels=self.labels, abstain_below=self.abstain_below, **{**settings, **kwargs})
