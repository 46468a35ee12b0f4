"""How `seq2seq` learns: from documents and the texts that are wanted for them, `doc._.target` of the reference."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_get_examples
from thinc.api import Optimizer, set_dropout_rate

from ..attributes import TARGET
from ..errors import Errors, NlpkitError, Warnings
from ._seq2seq_sources import Tokens
from ._seq2seq_store import SubwordPipe, Vocabulary, encode_sources, encode_targets
from ._seq2seq_windows import SPANS, batches_by_length

if TYPE_CHECKING:
    from ..layers.seq2seq.model import PairBatch

# Gives the subwords of source and target, or of one.
Loader = Callable[[Language | None], Vocabulary]
# Of models whose weights come from elsewhere: see `build_pretrained_seq2seq`.
_PRETRAINED = "pretrained"
# Characters of a text in a message.
_QUOTED = 60


class LearnsToWrite(SubwordPipe):
    """The part of `Seq2Seq` that learns."""

    no_labels = Errors.N256
    unit: str
    spans_key: str
    prefix: str
    max_pieces: int
    batch_pieces: int
    label_smoothing: float
    r_drop: float
    source_dropout: float
    _warned_of_long = False

    # Pairs

    def targets_of(self, example: Example) -> list[tuple[Span, str]]:
        """Units of the reference that hold any text, and what is to be written for them, if anything is: of several
        that are right the first.

        RAISES: N250 for a target that is neither text nor list of texts.
        """
        reference = example.reference
        if self.unit == SPANS:
            units = [(span, span._.get(TARGET)) for span in reference.spans.get(self.spans_key, ())]
        else:
            units = [(reference[:], reference._.get(TARGET))]
        found = []
        for span, target in units:
            if isinstance(target, (list, tuple)):
                target = target[0] if target else None
            if target is not None and not isinstance(target, str):
                raise NlpkitError(Errors.N250.format(text=span.text[:_QUOTED], kind=type(target).__name__))
            if target is not None and target.strip() and span.text.strip():
                found.append((span, target))
        return found

    def pairs_of(self, example: Example) -> list[tuple[str, str]]:
        """Texts that the pipe reads, and those that it is to write. RAISES: As `targets_of`."""
        return [(f"{self.prefix}{span.text.strip()}", target) for span, target in self.targets_of(example)]

    def _read(self, examples: Sequence[Example], *, learning: bool) -> list[list[int]]:
        """The sources of all pairs, as numbers of pieces, or of the tokens of the documents that are read."""
        if self.listens:
            tokens = Tokens([example.predicted for example in examples])
            spans = ((example.predicted, span) for example in examples for span, _ in self.targets_of(example))
            return [tokens.row_of(_same_span(doc, span)) for doc, span in spans]
        texts = [text for example in examples for text, _ in self.pairs_of(example)]
        source, _ = self.require_subwords()
        return encode_sources(source, texts, self.source_dropout if learning else 0.0)

    def _batch(self, examples: Sequence[Example], *, learning: bool) -> "PairBatch":
        """The pairs as pieces; with dropout of merges and smoothing where they are learned from."""
        from ..layers.seq2seq.model import PairBatch

        _, target = self.require_subwords()
        read = self._read(examples, learning=learning)
        written = encode_targets(target, [text for example in examples for _, text in self.targets_of(example)])
        # One piece more is the end of the target.
        fits = [max(len(one), len(other) + 1) <= self.max_pieces for one, other in zip(read, written)]
        if not all(fits) and not self._warned_of_long:
            self._warned_of_long = True
            counts = {"count": fits.count(False), "total": len(fits), "limit": self.max_pieces}
            warnings.warn(Warnings.NW227.format(name=self.name, **counts), stacklevel=3)
        kept = [number for number, fit in enumerate(fits) if fit]
        return PairBatch(
            [read[number] for number in kept],
            [written[number] for number in kept],
            smoothing=self.label_smoothing if learning else 0.0,
            r_drop=self.r_drop if learning else 0.0,
            docs=[example.predicted for example in examples] if learning and self.listens else [],
        )

    # Training

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        subwords: Loader | None = None,
        target_subwords: Loader | None = None,
        pretrained: Callable[[], str] | None = None,
    ) -> None:
        """Take subwords, if loaders give some, and build the model for them.

        subwords: Loader of those of the source, and of the target where `target_subwords` is null, such as
            `spacy_nlpkit.Subwords.v1`; where the model reads token vectors, of the target.
        pretrained: Gives the name of a model whose weights and subwords are taken; see `take_pretrained`.
        RAISES: E930 (spaCy) for a wrong `get_examples`; N258 where no example has a target; N227 without subwords; N224
            where the architecture is for pretrained weights and there are none, N257 where it is not and there are; as
            the loaders.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        sample = next((example for example in get_examples() if self.targets_of(example)), None)
        if sample is None:
            spans = f'span._.target of the spans of reference.spans["{self.spans_key}"]'
            place = spans if self.unit == SPANS else "doc._.target of the reference"
            raise NlpkitError(Errors.N258.format(name=self.name, unit=self.unit, place=place))
        if pretrained is None and _PRETRAINED in self.model.attrs:
            raise NlpkitError(Errors.N224)
        if pretrained is not None and _PRETRAINED not in self.model.attrs:
            raise NlpkitError(Errors.N257.format(name=self.name))
        self.model.shims.clear()
        self.cfg.pop("pretrained", None)
        if subwords is not None:
            self.set_subwords(subwords(nlp), None if target_subwords is None else target_subwords(nlp))
        if pretrained is not None:
            self.take_pretrained(pretrained())
        else:
            self.find_width(sample.predicted)
            self.build_module()
        self._forget()

    def _forget(self) -> None:
        """Drop what was made of the weights, as they change."""
        super()._forget()
        self.engine_closed()

    def finish_update(self, sgd: Optimizer) -> None:
        """Change the weights. Since the update the pipe may have written, as one of `annotating_components`."""
        self._forget()
        super().finish_update(sgd)

    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:  # type: ignore[override]
        """Write with other weights, such as averages, and after that with its own again."""
        self.engine_closed()
        with self.model.use_params(params):
            yield
        self.engine_closed()

    def engine_closed(self) -> None:
        """Hook: an engine that was opened for the weights holds old ones now."""

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch; the loss is that of one piece, without smoothing: the logarithm of the perplexity."""
        examples, losses = self.begin_batch(examples, losses, "update")
        self.require_initialized()
        batch = self._batch(examples, learning=True)
        if batch.source or any(len(doc) for doc in batch.docs):
            self._forget()
            set_dropout_rate(self.model, drop)
            found, backprop = self.model.begin_update(batch)
            backprop(found)
            _, n_pieces, nll = (float(value) for value in self.model.ops.to_numpy(found))
            losses[self.name] += nll / max(1.0, n_pieces)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def perplexity(self, examples: Sequence[Example]) -> float | None:
        """Of the wanted texts, per piece; None where no example has one."""
        self.require_initialized()
        docs = [example.predicted for example in examples]
        self.require_upstream(docs)
        batch = self._batch(examples, learning=False)
        total = n_total = 0.0
        lengths = [max(len(one), len(other)) for one, other in zip(batch.source, batch.target)]
        with self.listening(docs):
            for places in batches_by_length(lengths, self.batch_pieces):
                part = type(batch)([batch.source[place] for place in places], [batch.target[place] for place in places])
                _, n_pieces, nll = (float(value) for value in self.model.ops.to_numpy(self.model.predict(part)))
                total, n_total = total + nll, n_total + n_pieces
        return math.exp(total / n_total) if n_total else None


def _same_span(doc: Doc, span: Span) -> Span:
    """The tokens of a document that hold the text of a span of its reference, which may have other tokens."""
    found = doc.char_span(span.start_char, span.end_char, alignment_mode="expand")
    assert found is not None  # spaCy compares the texts of both
    return found
