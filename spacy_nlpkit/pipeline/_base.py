"""What every trainable pipe of the package shares: labels, updates, calibration state and serialization.

`cfg` holds what was learned (labels, calibration, learned thresholds) and is saved with the weights; settings are
attributes filled from the config, so that `spacy.load(..., config=...)` overrides them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate

from ..errors import Errors, NlpkitError
from ..util import to_float

Item = TypeVar("Item", Doc, Example)

# Documents seen by `initialize` to infer the shapes of the model.
INIT_SAMPLE = 10

# By the name of a listener's node: whether a document holds what the listener reads.
_HAS_ENCODING: dict[str, Callable[[Doc], bool]] = {
    "tok2vec-listener": lambda doc: doc.tensor.size > 0,
    "transformer-listener": lambda doc: doc._.trf_data is not None,
}


class NlpkitPipe(TrainablePipe):
    """Base of the package's trainable pipes. A subclass gives `predict`, `set_annotations`, `get_loss` and the hooks
    `labels_of` and `set_model_output`; `calibrate` where it has probabilities."""

    def __init__(
        self, vocab: Vocab, model: Model, name: str, *, scorer: Callable[..., dict[str, Any]] | None = None
    ) -> None:
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": [], "calibrated": False}
        self._rehearsal_model: Model | None = None

    # Labels

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the model's outputs."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """What `spacy init labels` writes and `initialize(labels=...)` takes back."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, resizing an initialized model, whose calibration does not hold for the new outputs.

        RETURNS (int): 1 where it was added, 0 where it was there.
        RAISES: N013 where the label is no string; N008 where the initialized model cannot be resized.
        """
        if not isinstance(label, str):
            raise NlpkitError(Errors.N013.format(name=self.name, label=label))
        if label in self.labels:
            return 0
        resizing = self.is_initialized
        if resizing and "resize_output" not in self.model.attrs:
            raise NlpkitError(Errors.N008.format(name=self.name, label=label))
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if resizing:
            self._forget()
            self.model.attrs["resize_output"](self.model, len(self.labels))
        return 1

    @property
    def is_initialized(self) -> bool:
        """Whether the output layer has weights."""
        return any(node.has_param("W") for node in self.model.get_ref("output_layer").walk())

    def labels_of(self, example: Example) -> Iterable[str]:
        """Hook: the labels that an example's gold annotation names."""
        raise NotImplementedError(type(self).__name__)

    def take_labels(self, labels: Iterable[str]) -> None:
        """Hook of `initialize`: add the labels of the data, or of the settings. RAISES: N002 where there are none."""
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise NlpkitError(Errors.N002.format(name=self.name, what="annotation with labels"))

    def set_model_output(self) -> None:
        """Hook: fix the model's output dimension from the labels, before the model is initialized."""
        raise NotImplementedError(type(self).__name__)

    def sample_input(self, examples: list[Example]) -> Any:
        """Hook: what a model infers its input dimensions from."""
        return [example.x for example in examples]

    def sample_output(self, n_docs: int) -> Any:
        """Hook: what a model infers its output dimension from where `set_model_output` cannot fix it."""
        return None

    # Training

    # Whether `survey` has to see all examples, even where the labels are given.
    surveys_all = False

    def survey(self, examples: Iterable[Example]) -> Iterable[Example]:
        """Hook of `initialize`: look at the examples while they pass; a corpus is read once for all that is needed."""
        return examples

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Collect the labels in one pass over the examples, unless given, and initialize the model from a sample.

        RAISES: E930 (spaCy) for a wrong `get_examples`; N002 where neither the data nor `labels` name a label; N007
        where the encoder includes word vectors and the pipeline has none.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        self._forget()
        found: set[str] = set()
        sample: list[Example] = []
        for example in self.survey(get_examples()):
            found.update(self.labels_of(example))
            if len(sample) < INIT_SAMPLE:
                sample.append(example)
            elif labels is not None and not self.surveys_all:
                break
        self.take_labels(sorted(found) if labels is None else labels)
        if not self.vocab.vectors.size and any(node.name == "static_vectors" for node in self.model.walk()):
            raise NlpkitError(Errors.N007.format(name=self.name))
        self.set_model_output()
        sample = [example for example in sample if len(example.x)] or sample
        self.model.initialize(X=self.sample_input(sample), Y=self.sample_output(len(sample)))

    def _forget(self) -> None:
        """Drop the calibration: it belongs to the weights it was fitted on, and these change."""
        self.cfg.update(calibrated=False)
        for key in ("calibration", "learned_threshold"):
            self.cfg.pop(key, None)

    def begin_batch(
        self, examples: Iterable[Example], losses: dict[str, float] | None, caller: str
    ) -> tuple[list[Example], dict[str, float]]:
        """What every method that learns from a batch begins with: the examples as a list, and a place for the loss.

        caller (str): The method, for the message. RAISES: E978 (spaCy) for what is no example.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.{caller}")
        return examples, losses

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch. Gradients are passed on even where nothing is annotated: as the last listener of a
        shared encoder this pipe must let the others' gradients through."""
        examples, losses = self.begin_batch(examples, losses, "update")
        self.require_initialized()
        docs = [example.predicted for example in examples]
        if any(len(doc) for doc in docs):
            losses[self.name] += self._step(docs, lambda scores: self.get_loss(examples, scores), drop, sgd)
        return losses

    def _step(
        self,
        inputs: Any,
        get_loss: Callable[[Any], tuple[float, Any]],
        drop: float,
        sgd: Optimizer | None,
    ) -> float:
        """One pass forward and back over what the model reads; `get_loss` gives loss and gradient of the scores."""
        set_dropout_rate(self.model, drop)
        self._forget()
        scores, backprop = self.model.begin_update(inputs)
        loss, d_scores = get_loss(scores)
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return to_float(loss)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
        drop: float = 0.0,
    ) -> dict[str, float]:
        """Pull the model towards what it predicted when `nlp.resume_training` was called; without, it does nothing.

        RAISES: N005 where the model listens to an encoder that has not run: what it predicted cannot be known.
        """
        examples, losses = self.begin_batch(examples, losses, "rehearse")
        docs = [example.predicted for example in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        self.require_upstream(docs)
        target = self._rehearsal_model.predict(docs)
        losses[self.name] += self._step(docs, lambda scores: self.get_teacher_loss(target, scores), drop, sgd)
        return losses

    def get_teacher_loss(self, teacher_scores: Any, scores: Any) -> tuple[float, Any]:
        """Hook of `rehearse`: loss and gradient of the scores against those of the teacher."""
        raise NotImplementedError(type(self).__name__)

    # Prediction

    def require_initialized(self) -> None:
        """RAISES: N001 where the pipe has no labels or weights yet."""
        if not self.labels or not self.is_initialized:
            raise NlpkitError(Errors.N001.format(name=self.name))

    def require_upstream(self, docs: Iterable[Doc]) -> None:
        """Look for the encoder's output, which a listener reads at prediction: without, it would take zeros for it.

        RAISES: N005 where a document with tokens has none.
        """
        for node in self.model.walk():
            if node.name in _HAS_ENCODING:
                for doc in docs:
                    if len(doc) and not _HAS_ENCODING[node.name](doc):
                        encoder = node.name.removesuffix("-listener")
                        raise NlpkitError(Errors.N005.format(name=self.name, encoder=encoder))

    def sub_batches(self, docs: Sequence[Item], max_tokens: int) -> Iterator[list[Item]]:
        """Cut a batch of documents, or of examples, in order, into parts of at most `max_tokens` tokens (or one
        document): `nlp.pipe` hands over up to 1,000 documents of any length."""
        part: list[Item] = []
        size = 0
        for doc in docs:
            if part and size + len(doc) > max_tokens:
                yield part
                part, size = [], 0
            part.append(doc)
            size += len(doc)
        if part:
            yield part

    def check_loaded(self) -> None:
        """Hook: compare what was loaded with the settings."""

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> NlpkitPipe:
        """Load the pipe in place of all it had learned; labels first, then the weights."""
        self._forget()
        self._rehearsal_model = None
        super().from_bytes(bytes_data, exclude=tuple(exclude))
        self.check_loaded()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> NlpkitPipe:
        """As `from_bytes`, from a folder."""
        self._forget()
        self._rehearsal_model = None
        super().from_disk(path, exclude=tuple(exclude))
        self.check_loaded()
        return self
