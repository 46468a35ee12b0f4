"""`seq2seq`: writes a text for a document, its sentences or spans: a translation, a summary, a canonical form."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from .. import attributes
from ..errors import Errors, NlpkitError
from ..layers.seq2seq.options import SearchOptions
from ..ty import Attention, Hypothesis, Written
from ._seq2seq_engine import COMPUTE_TYPES, Engine, open_engine
from ._seq2seq_learning import LearnsToWrite
from ._seq2seq_sources import Pieces, Reader, Tokens
from ._seq2seq_store import encode_targets
from ._seq2seq_windows import DOC, SPANS, Window, batches_by_length, units_of

DEFAULT_MODEL = {"@architectures": "spacy_nlpkit.TransformerSeq2Seq.v1"}
DEFAULT_SEARCH: dict[str, Any] = asdict(SearchOptions())


@Language.factory(
    "seq2seq",
    assigns=["doc._.seq2seq"],
    default_config={
        "model": DEFAULT_MODEL,
        "attribute": "seq2seq",
        "unit": DOC,
        "spans_key": "sc",
        "prefix": "",
        "target_prefix": "",
        "search": DEFAULT_SEARCH,
        "max_pieces": 256,
        "batch_pieces": 4000,
        "label_smoothing": 0.1,
        "r_drop": 0.0,
        "source_dropout": 0.0,
        "attention": False,
        "backend": "torch",
        "compute_type": "float32",
        "scorer": {"@scorers": "spacy_nlpkit.seq2seq_scorer.v1"},
    },
    default_score_weights={
        "seq2seq_bleu": 1.0,
        "seq2seq_chrf": None,
        "seq2seq_length_ratio": None,
        "seq2seq_perplexity": None,
    },
)
def make_seq2seq(
    nlp: Language,
    name: str,
    model: Model,
    attribute: str,
    unit: Literal["doc", "sents", "spans"],
    spans_key: str,
    prefix: str,
    target_prefix: str,
    search: dict[str, Any],
    max_pieces: int,
    batch_pieces: int,
    label_smoothing: float,
    r_drop: float,
    source_dropout: float,
    attention: bool,
    backend: Literal["torch", "ctranslate2"],
    compute_type: Literal["float32", "bfloat16", "int8"],
    scorer: Callable | None,
) -> "Seq2Seq":
    """Build a `seq2seq` pipe.

    model: An encoder-decoder: TransformerSeq2Seq, RecurrentSeq2Seq, PretrainedSeq2Seq or ListenerSeq2Seq of this
        package.
    attribute: Name of the attribute in `doc._` and `span._` for what is written.
    unit: Write for the whole document, for each sentence, or for each span of a group.
    spans_key: Name of that group.
    prefix: Text before each source, as models for several tasks want it.
    target_prefix: Text that everything written begins with.
    search: How the best text is found; see `layers.seq2seq.options.SearchOptions`.
    max_pieces: Longest source at once; longer ones are cut at sentence ends, and joined again.
    batch_pieces: Pieces of one forward pass, padding included.
    label_smoothing: Share of the truth that is spread over all pieces in training.
    r_drop: Weight of the divergence of two passes with different dropout.
    source_dropout: Share of the merges of subwords that are left out at random in training.
    attention: Give what each piece looked at, too.
    backend: Decode with torch, or with CTranslate2.
    compute_type: Of decoding: float32, or bfloat16 (torch), or with weights of 8 bits (CTranslate2).
    scorer: A registered scorer.
    """
    return Seq2Seq(
        nlp.vocab,
        model,
        name,
        attribute=attribute,
        unit=unit,
        spans_key=spans_key,
        prefix=prefix,
        target_prefix=target_prefix,
        search=search,
        max_pieces=max_pieces,
        batch_pieces=batch_pieces,
        label_smoothing=label_smoothing,
        r_drop=r_drop,
        source_dropout=source_dropout,
        attention=attention,
        backend=backend,
        compute_type=compute_type,
        scorer=scorer,
    )


class Output(NamedTuple):
    """What was written for the units of a document, and for all of it."""

    units: list[tuple[Span, Written]]
    whole: Written


class Seq2Seq(LearnsToWrite):
    """Writes texts."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "seq2seq",
        *,
        attribute: str = "seq2seq",
        unit: str = DOC,
        spans_key: str = "sc",
        prefix: str = "",
        target_prefix: str = "",
        search: dict[str, Any] = DEFAULT_SEARCH,
        max_pieces: int = 256,
        batch_pieces: int = 4000,
        label_smoothing: float = 0.1,
        r_drop: float = 0.0,
        source_dropout: float = 0.0,
        attention: bool = False,
        backend: str = "torch",
        compute_type: str = "float32",
        scorer: Callable | None = None,
    ) -> None:
        super().__init__(vocab, model, name, scorer=scorer)
        self.attribute = attribute
        self.unit = unit
        self.spans_key = spans_key
        self.prefix = prefix
        self.target_prefix = target_prefix
        self.max_pieces = max_pieces
        self.batch_pieces = batch_pieces
        self.label_smoothing = label_smoothing
        self.r_drop = r_drop
        self.source_dropout = source_dropout
        self.attention = attention
        self.backend = backend
        self.compute_type = compute_type
        self._engine: Engine | None = None
        self._check_settings(search)
        attributes.register_written(attribute)
        attributes.register_target()

    def _check_settings(self, search: dict[str, Any]) -> None:
        """RAISES: N006 for a number out of its range, and for what a model that listens cannot do; N228 for a wrong
        block `search`; N259 for an attribute that is none, or that holds what is wanted."""
        if not self.attribute.isidentifier() or self.attribute == attributes.TARGET:
            problem = "there stands what is wanted of it" if self.attribute.isidentifier() else "that is no name"
            raise NlpkitError(Errors.N259.format(name=self.name, attribute=self.attribute, problem=problem))
        checks = [
            ("max_pieces", self.max_pieces, 2, math.inf),
            ("batch_pieces", self.batch_pieces, 1, math.inf),
            ("label_smoothing", self.label_smoothing, 0, 1),
            ("r_drop", self.r_drop, 0, math.inf),
            ("source_dropout", self.source_dropout, 0, 1),
        ]
        for setting, value, least, most in checks:
            if not least <= value <= most:
                expected = f"{least} or more" if most == math.inf else f"between {least} and {most}"
                raise NlpkitError(Errors.N006.format(setting=setting, name=self.name, expected=expected, value=value))
        if self.listens:
            for setting in ("prefix", "source_dropout"):
                if value := getattr(self, setting):
                    expected = "empty or 0 where the model reads token vectors"
                    details = {"setting": setting, "name": self.name, "expected": expected}
                    raise NlpkitError(Errors.N006.format(**details, value=value))
        if self.compute_type not in COMPUTE_TYPES[self.backend]:
            expected = f"one of {', '.join(COMPUTE_TYPES[self.backend])} with backend = {self.backend!r}"
            details = {"setting": "compute_type", "name": self.name, "expected": expected}
            raise NlpkitError(Errors.N006.format(**details, value=self.compute_type))
        try:
            self.search = SearchOptions(**search)
        except (TypeError, ValueError) as error:
            raise NlpkitError(Errors.N228.format(name=self.name, problem=error)) from error

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[Output]:
        """What is written for each document; the documents are not changed.

        RAISES: N001 before initialization; N226 where sentences are asked for and there are none.
        """
        self.require_initialized()
        docs = list(docs)
        units = [units_of(doc, self.unit, self.spans_key, self.name) for doc in docs]
        flat = [unit for group in units for unit in group]
        self.require_upstream(docs)
        with self.listening(docs):
            written = iter(self._write(flat, self._reader(docs)))
        outputs = []
        for doc, group in zip(docs, units):
            found = [(unit, next(written)) for unit in group]
            outputs.append(Output(found, found[0][1] if self.unit == DOC and found else _whole(doc, found)))
        return outputs

    def _reader(self, docs: Sequence[Doc]) -> Reader:
        return Tokens(docs) if self.listens else Pieces(self.require_subwords()[0], self.prefix)

    def _write(self, units: Sequence[Span], reader: Reader) -> list[Written]:
        _, target = self.require_subwords()
        windows, pieces = reader.read(units, self.max_pieces, self.name)
        forced = encode_targets(target, [self.target_prefix])[0] if self.target_prefix else []
        found: list[list[Any]] = [[] for _ in pieces]
        engine = self._open()
        for places in batches_by_length([len(row) for row in pieces], self.batch_pieces):
            rows = engine.write([pieces[place] for place in places], self.search, [forced] * len(places))
            for place, hypotheses in zip(places, rows):
                found[place] = hypotheses
        texts = iter(target.decode([list(best.pieces) for hypotheses in found for best in hypotheses]))
        results = [[_Scored(next(texts), best.pieces, best.log_probability) for best in row] for row in found]
        results_of = iter(zip(results, pieces))
        return [self._join(group, [next(results_of) for _ in group], reader) for group in windows]

    def _join(self, windows: list[Window], results: list[tuple[list["_Scored"], list[int]]], reader: Reader) -> Written:
        """One text from those of the windows, with the blanks that stood between them."""
        if not windows:
            return Written(text="", score=1.0, nbest=[Hypothesis(text="", score=1.0)], attention=None)
        nbest = []
        for rank in range(max(len(row) for row, _ in results)):
            parts = [row[min(rank, len(row) - 1)] for row, _ in results]
            text = "".join(f"{part.text}{window.blanks}" for part, window in zip(parts, windows))
            n_pieces = sum(len(part.pieces) + 1 for part in parts)
            nbest.append(Hypothesis(text=text, score=math.exp(sum(part.log_probability for part in parts) / n_pieces)))
        attention = self._attention(results[0][1], results[0][0][0].pieces, reader) if len(windows) == 1 else None
        return Written(text=nbest[0]["text"], score=nbest[0]["score"], nbest=nbest, attention=attention)

    def _attention(self, pieces: list[int], written: Sequence[int], reader: Reader) -> Attention | None:
        if not self.attention:
            return None
        from ..layers.seq2seq.model import attend, end_of

        weights = attend(self.model, pieces, list(written))
        if weights is None:
            return None
        _, target = self.require_subwords()
        rows = [[round(weight, 4) for weight in row] for row in weights.tolist()]
        names = target.pieces_of([*written, end_of(self.model)])
        return Attention(source=reader.names_of(pieces), target=names, weights=rows)

    def attend(self, docs: Iterable[Doc]) -> list[Written]:
        """As `predict`, with attention, whatever the setting says: what `spacy nlpkit attention` shows."""
        asked, self.attention = self.attention, True
        try:
            return [written for output in self.predict(docs) for _, written in output.units]
        finally:
            self.attention = asked

    def _open(self) -> Engine:
        """The engine that decodes, opened once a process for the weights as they are."""
        if self._engine is None or not self._engine.is_of_this_process():
            self._engine = open_engine(self.model, self.backend, self.compute_type)
        return self._engine

    def engine_closed(self) -> None:
        """See `LearnsToWrite`."""
        self._engine = None

    def set_annotations(self, docs: Iterable[Doc], outputs: Iterable[Output]) -> None:
        """Write `doc._.seq2seq`, and `span._.seq2seq` for sentences and spans."""
        for doc, output in zip(docs, outputs):
            attributes.set_written(doc, self.attribute, output.whole)
            if self.unit != DOC:
                for unit, written in output.units:
                    attributes.set_written(unit, self.attribute, written)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """The scorer's figures, and the perplexity of the wanted texts."""
        if self.scorer is None:
            return {}
        examples = list(examples)
        perplexity = self.perplexity(examples)
        spans_key = self.spans_key if self.unit == SPANS else None
        settings = {"attribute": self.attribute, "spans_key": spans_key, "perplexity": perplexity}
        return self.scorer(examples, **{**settings, **kwargs})


class _Scored(NamedTuple):
    text: str
    pieces: Sequence[int]
    log_probability: float


def _whole(doc: Doc, found: list[tuple[Span, Written]]) -> Written:
    """The texts of all units, with the blanks that stand between them, or one where something else does."""
    found = [(unit, written) for unit, written in found if unit.text.strip()]
    blanks = _blanks_between(doc.text, [unit for unit, _ in found])
    nbest = []
    for rank in range(max((len(written["nbest"]) for _, written in found), default=1)):
        chosen = [written["nbest"][min(rank, len(written["nbest"]) - 1)] for _, written in found]
        logs = [math.log(max(hypothesis["score"], 1e-38)) for hypothesis in chosen]
        text = "".join(f"{hypothesis['text']}{blank}" for hypothesis, blank in zip(chosen, blanks))
        nbest.append(Hypothesis(text=text, score=math.exp(sum(logs) / len(logs)) if logs else 1.0))
    return Written(text=nbest[0]["text"], score=nbest[0]["score"], nbest=nbest, attention=None)


def _blanks_between(text: str, units: Sequence[Span]) -> list[str]:
    """What follows each unit up to the next: the blanks of the text, or one where these are no neighbours."""
    blanks = []
    for unit, after in itertools.pairwise(units):
        end, start = _end_of(unit), after.start_char + len(after.text) - len(after.text.lstrip())
        between = text[end:start]
        blanks.append(" " if start < end or between.strip() else between)
    return [*blanks, ""]


def _end_of(unit: Span) -> int:
    """Where a unit ends, blanks at its end left out."""
    return unit.start_char + len(unit.text.rstrip())
