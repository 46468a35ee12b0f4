"""Scores of written texts: BLEU, chrF and TER by sacreBLEU, ROUGE, exact matches, lengths and perplexity."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..attributes import TARGET, register_target
from ..compat import require
from ..errors import Errors, NlpkitError
from .rouge import rouge, split_characters, split_words

METRICS = ("bleu", "chrf", "ter", "rouge", "exact")
BY_SACREBLEU = ("bleu", "chrf", "ter")
# Tokenizers of sacreBLEU that need nothing but sacreBLEU.
TOKENIZERS = ("13a", "intl", "zh", "char", "none")
_QUOTED = 60


class _Pairs(NamedTuple):
    """Texts as written, and for each the targets, one at least; of annotated examples alone."""

    written: list[str]
    targets: list[list[str]]


def make_seq2seq_scorer(
    metrics: Sequence[str] = ("bleu", "chrf"), tokenize: str = "13a", lowercase: bool = False
) -> Callable[..., dict[str, Any]]:
    """Make the scorer of `seq2seq`, registered as `spacy_nlpkit.seq2seq_scorer.v1`.

    metrics, tokenize, lowercase: As in `score_seq2seq`.
    RAISES: N006 for a metric or a tokenizer that is not known, at once and not after the first evaluation.
    """
    _check(metrics, tokenize)
    return partial(score_seq2seq, metrics=tuple(metrics), tokenize=tokenize, lowercase=lowercase)


def score_seq2seq(
    examples: Iterable[Example],
    *,
    attribute: str = "seq2seq",
    metrics: Sequence[str] = ("bleu", "chrf"),
    tokenize: str = "13a",
    lowercase: bool = False,
    spans_key: str | None = None,
    perplexity: float | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """Score the texts that were written against those that are wanted.

    Every score is a share of 1, as all scores of spaCy are: BLEU 0.35 is what the literature calls 35. TER, which
    counts edits, is 0 for a perfect text and can be above 1: less is better, so it is nothing for `score_weights`. The
    same holds for perplexity and length ratio.

    examples (Iterable[Example]): Predicted documents with what was written in `doc._.ATTRIBUTE["text"]`: None counts as
        the empty text. References with the target in `doc._.target`: a text, or a list of several that are right; a
        document without target (None, or an empty list) is never scored.
    attribute (str): The attribute that holds what was written (`ty.Written`).
    metrics (Sequence[str]): Of `METRICS`. `bleu`, `chrf` (chrF2) and `ter` are sacreBLEU's, over all texts at once.
        `rouge` is the mean over texts, always without regard to case. `exact` is the share of texts that equal a
        target, letter by letter.
    tokenize (str): How BLEU finds words, one of `TOKENIZERS`; `none` for texts with blanks between all tokens. With
        `char` and `zh`, ROUGE compares characters.
    lowercase (bool): Whether BLEU, chrF, TER and `exact` take upper and lower case for the same. TER is mostly
        published so; the signature says how it was counted here.
    spans_key (str): The span group whose spans have targets, in `span._.target` of the reference, and texts, in
        `span._.ATTRIBUTE` of the prediction, at the same characters; None for the targets of documents.
    perplexity (float): Of the targets, as the component measured it; given back as `seq2seq_perplexity`.
    RETURNS (dict): `seq2seq_NAME` of each metric, with `rouge` as `seq2seq_rouge1`, `seq2seq_rouge2` and
        `seq2seq_rougel`; `seq2seq_NAME_signature`, a text, of those of sacreBLEU; `seq2seq_length_ratio`, written
        characters by wanted ones, of several targets the closest in length; `seq2seq_perplexity`. None where nothing
        could be scored.
    RAISES: N004 where a metric needs sacreBLEU and it is not installed, N006 for a metric or tokenizer that is not
        known, N250 for a target that is neither text nor list of texts.
    """
    _check(metrics, tokenize)
    for name in BY_SACREBLEU:
        if name in metrics:
            require("sacrebleu", f"The metric '{name}' of the scorer of seq2seq")
    pairs = _collect(examples, attribute, spans_key)
    scores: dict[str, Any] = dict.fromkeys(_keys(metrics))
    if pairs.written:
        for name in metrics:
            scores.update({f"seq2seq_{key}": value for key, value in _measure(name, pairs, tokenize, lowercase)})
        scores["seq2seq_length_ratio"] = _length_ratio(pairs)
    return {**scores, "seq2seq_perplexity": perplexity}


def _check(metrics: Sequence[str], tokenize: str) -> None:
    """RAISES: N006."""
    if isinstance(metrics, str) or not set(metrics) <= set(METRICS):
        _refuse("metrics", f"a list of any of {', '.join(METRICS)}", metrics)
    if tokenize not in TOKENIZERS:
        _refuse("tokenize", f"one of {', '.join(TOKENIZERS)}", tokenize)


def _refuse(setting: str, expected: str, value: Any) -> None:
    name = "spacy_nlpkit.seq2seq_scorer.v1"
    raise NlpkitError(Errors.N006.format(setting=setting, name=name, expected=expected, value=value))


def _keys(metrics: Sequence[str]) -> list[str]:
    names = [
        key
        for name in metrics
        for key in (("rouge1", "rouge2", "rougel") if name == "rouge" else (name,))
        + ((f"{name}_signature",) if name in BY_SACREBLEU else ())
    ]
    return [f"seq2seq_{name}" for name in (*names, "length_ratio")]


def _collect(examples: Iterable[Example], attribute: str, spans_key: str | None) -> _Pairs:
    register_target()
    pairs = _Pairs([], [])
    for example in examples:
        for reference, predicted in _units(example, spans_key):
            targets = _targets(reference)
            if targets:
                pairs.written.append("" if predicted is None else _text(predicted, attribute))
                pairs.targets.append(targets)
    return pairs


def _units(example: Example, spans_key: str | None) -> Iterator[tuple[Doc | Span, Doc | Span | None]]:
    """What may have a target, and the same of the prediction, None where that has no tokens of such bounds."""
    if spans_key is None:
        yield example.reference, example.predicted
    else:
        for span in example.reference.spans.get(spans_key, ()):
            yield span, example.predicted.char_span(span.start_char, span.end_char)


def _text(unit: Doc | Span, attribute: str) -> str:
    written = unit._.get(attribute) if unit.has_extension(attribute) else None
    return written["text"] if written else ""


def _targets(unit: Doc | Span) -> list[str]:
    """The targets of a reference, none where it has no annotation. RAISES: N250."""
    found = unit._.get(TARGET)
    if found is None:
        return []
    # A DocBin makes tuples of lists.
    targets = list(found) if isinstance(found, (list, tuple)) else [found]
    for target in targets:
        if not isinstance(target, str):
            raise NlpkitError(Errors.N250.format(text=unit.text[:_QUOTED], kind=type(target).__name__))
    return targets


def _measure(name: str, pairs: _Pairs, tokenize: str, lowercase: bool) -> Iterable[tuple[str, Any]]:
    """One metric, as keys and values."""
    if name == "exact":
        return [("exact", _exact(pairs, lowercase))]
    if name == "rouge":
        split = split_characters if tokenize in ("char", "zh") else split_words
        return rouge(pairs.targets, pairs.written, split).items()
    metric = _sacrebleu_metric(name, tokenize, lowercase)
    # One list for each place in the lists of targets, None where a text has fewer of them.
    most = max(map(len, pairs.targets))
    columns = [[targets[i] if i < len(targets) else None for targets in pairs.targets] for i in range(most)]
    score = metric.corpus_score(pairs.written, columns).score / 100
    return [(name, float(score)), (f"{name}_signature", str(metric.get_signature()))]


def _sacrebleu_metric(name: str, tokenize: str, lowercase: bool) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    if name == "bleu":
        # `force` keeps quiet about texts that look tokenized: with `none` they are meant to be.
        return BLEU(lowercase=lowercase, tokenize=tokenize, force=tokenize == "none")
    return CHRF(lowercase=lowercase) if name == "chrf" else TER(case_sensitive=not lowercase)


def _exact(pairs: _Pairs, lowercase: bool) -> float:
    matches = 0
    for written, targets in zip(pairs.written, pairs.targets):
        matches += written.lower() in map(str.lower, targets) if lowercase else written in targets
    return matches / len(pairs.written)


def _length_ratio(pairs: _Pairs) -> float | None:
    """None where all that is wanted is empty."""
    wanted = 0
    for written, targets in zip(pairs.written, pairs.targets):
        # Of two that are equally close the shorter one, as in BLEU.
        wanted += min(map(len, targets), key=lambda length: (abs(length - len(written)), length))
    return sum(map(len, pairs.written)) / wanted if wanted else None
