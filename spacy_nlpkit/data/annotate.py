"""Turns what several models think of a text into training material: sure entities, and tokens left open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.attrs import ORTH
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import minibatch

from ..errors import Errors, NlpkitError
from .converters.report import Report

# Texts that every model sees before the next ones are read.
BATCH_SIZE = 256
Prediction = Sequence[tuple[int, int, str, float]]


class Teacher:
    """A trained pipeline up to a component that tells of each document the spans it considers, with their confidence.

    name (str): What messages call the pipeline. component (str): A component with a method `candidates(docs)`, such as
        a `ticker_ner`; what it listens to runs before it, what comes behind it never.
    RAISES: N016 where there is no such component.
    """

    def __init__(self, name: str, nlp: Language, component: str) -> None:
        pipe: Any = nlp.get_pipe(component) if component in nlp.pipe_names else None
        if not hasattr(pipe, "candidates"):
            pipes = ", ".join(nlp.pipe_names) or "none"
            raise NlpkitError(Errors.N016.format(model=name, name=component, pipes=pipes))
        self.name = name
        self.nlp = nlp
        self._pipe = pipe
        self._not_run = nlp.pipe_names[nlp.pipe_names.index(component) :]

    def candidates(self, docs: Sequence[Doc]) -> list[Prediction]:
        """The spans of documents with the tokens of another pipeline.

        RAISES: N017 where this pipeline's tokenizer makes other tokens of a text.
        """
        own = list(self.nlp.pipe((doc.text for doc in docs), disable=self._not_run))
        for doc, theirs in zip(docs, own):
            if not np.array_equal(doc.to_array(ORTH), theirs.to_array(ORTH)):
                raise self._other_tokens(doc, theirs)
        return self._pipe.candidates(own)

    def _other_tokens(self, doc: Doc, own: Doc) -> NlpkitError:
        ends = {token.idx + len(token) for token in doc} ^ {token.idx + len(token) for token in own}
        place = min(ends, default=0)
        return NlpkitError(Errors.N017.format(model=self.name, text=doc.text[max(0, place - 20) : place + 20]))


def annotate_texts(
    teachers: Sequence[Teacher], texts: Iterable[str], min_confidence: float, missing_above: float, report: Report
) -> Iterator[Doc]:
    """One document a text, as `annotate_doc` annotates it by the mean confidence of the teachers.

    report (Report): Counts the entities by label, and in its notes texts, tokens and those left open.
    RAISES: N017 where a teacher's tokens differ from those of the first, N001 for one that is not trained.
    """
    for batch in minibatch(texts, BATCH_SIZE):
        docs = [teachers[0].nlp.make_doc(text) for text in batch]
        predictions = [teacher.candidates(docs) for teacher in teachers]
        for doc, *of_teachers in zip(docs, *predictions):
            missing = annotate_doc(doc, mean_confidence(of_teachers), min_confidence, missing_above)
            report.notes["texts annotated"] += 1
            report.notes["tokens"] += len(doc)
            report.notes["tokens left open"] += len(missing)
            report.labels.update(ent.label_ for ent in doc.ents)
            yield doc


class Candidate(NamedTuple):
    """A span that may be an entity: first token, token behind the last, label."""

    start: int
    end: int
    label: str


def mean_confidence(predictions: Sequence[Prediction]) -> dict[Candidate, float]:
    """The mean over models of the confidence of each span of one text; 0 counts for a model that has it not.

    predictions: Of each model the spans: start, end, label, confidence. Averaging models that were trained on
        different samples of the data steadies what one model wavers on (Breiman 1996, "Bagging predictors").
    """
    means: dict[Candidate, float] = {}
    for spans in predictions:
        for start, end, label, confidence in spans:
            candidate = Candidate(start, end, label)
            means[candidate] = means.get(candidate, 0.0) + confidence / len(predictions)
    return means


def annotate_doc(
    doc: Doc, confidence: Mapping[Candidate, float], min_confidence: float, missing_above: float
) -> list[int]:
    """Write the sure spans as `doc.ents`, leave the tokens of unsure ones missing, and make every other one O.

    Spans of `min_confidence` or more become entities, the best first, as far as they overlap no better one. Tokens of
    all other spans of `missing_above` or more that no entity covers are missing: a component trained on the
    document neither learns an entity there nor that there is none.
    RETURNS (list[int]): The tokens that are missing.
    """
    order = sorted(confidence, key=lambda span: (-confidence[span], span.start - span.end, span))
    taken: set[int] = set()
    unsure: set[int] = set()
    ents = []
    for span in order:
        tokens = range(span.start, span.end)
        if confidence[span] >= min_confidence and taken.isdisjoint(tokens):
            taken.update(tokens)
            ents.append(Span(doc, span.start, span.end, label=span.label))
        elif confidence[span] >= missing_above:
            unsure.update(tokens)
    missing = sorted(unsure - taken)
    doc.set_ents(ents, missing=[Span(doc, token, token + 1) for token in missing], default="outside")
    return missing
