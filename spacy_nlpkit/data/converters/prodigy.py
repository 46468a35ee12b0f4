"""Prodigy's JSONL into documents: complete annotations, yes/no answers, classes, several annotators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span
from tqdm import tqdm

from ... import attributes
from ...errors import Errors, Warnings
from .classes import NOT_EXCLUSIVE, exclusive_problem, mean_cats, pick_category, vote_cats
from .records import Task
from .report import ConvertOptions, Report
from .spans import Placed, TokenSpan, place_spans, quote, report_conflict
from .tasks import Parser, parse_task, read_tasks
from .votes import Key, pick_id, vote

INCORRECT_SPANS = "incorrect_spans"
AGREEMENT = "annotator_agreement"


def convert_prodigy(paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """One document for each text (and `meta.id`) in the files, in the order in which the texts first appear.

    All answers are read before the first document comes: those to one text may stand anywhere in the files.
    Documents carry `ents` with entity ids, `spans["incorrect_spans"]` of rejected spans, `cats`,
    `doc._.item_id`, `doc._.date`, `doc._.category`, and, where several annotators saw the text,
    `user_data["annotator_agreement"]`: a list of {"start", "end", "label", "share"} with character offsets.
    """
    return convert_tasks(parse_task, paths, nlp, options, report)


def convert_tasks(
    parse: Parser, paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report
) -> Iterator[Doc]:
    """The documents of lines that `parse` makes tasks of, as `convert_prodigy` has them."""
    groups: dict[tuple[str, str | None], list[Task]] = {}
    for path in paths:
        for task in read_tasks(path, options, nlp.max_length, report, parse):
            groups.setdefault((task.text, task.item_id), []).append(task)
    # The bar shows itself on a terminal alone.
    for tasks in tqdm(groups.values(), desc="Converting", unit="text", disable=None, leave=False):
        doc = build_doc(tasks, nlp, options, report)
        if doc is not None:
            yield doc


def build_doc(tasks: Sequence[Task], nlp: Language, options: ConvertOptions, report: Report) -> Doc | None:
    """The document of all answers to one text; None where its classes are not exclusive, as they should be."""
    latest = _latest(tasks)
    report.notes["answered again by the same annotator"] += len(tasks) - len(latest)
    report.merged += len(tasks) - 1
    cats = _join_cats(latest, options, report)
    if cats is None:
        return None
    for task in latest:
        report.answers_kept["accept" if task.accepted else "reject"] += 1
    text = tasks[0].text
    doc = nlp.make_doc(text)
    doc.cats = cats
    placed = [(task, place_spans(doc, text, task.spans, task.where, options, report, task.open)) for task in latest]
    complete = [answer for task, answer in placed if task.kind == "complete"]
    binary = [(task, answer) for task, answer in placed if task.kind == "binary"]
    if complete:
        decision = vote(complete)
        ents = decision.ents
        missing = [Span(doc, start, end) for start, end in decision.missing]
        doc.set_ents(_to_spans(doc, ents), missing=missing)  # type: ignore[arg-type]
        report.notes["text with undecided tokens"] += bool(missing)
        _report_outvoted(doc, decision.shares, [task.where for task in latest if task.kind == "complete"], report)
        if len(complete) > 1:
            _keep_agreement(doc, decision.shares)
        _add_rejected(doc, binary, ents, report)
    elif binary:
        _set_binary(doc, binary, report)
    _set_item(doc, latest)
    return doc


def _report_outvoted(doc: Doc, shares: dict[Key, float], places: Sequence[str], report: Report) -> None:
    """Count the spans that too few answers have, and name the lines that contradict one another."""
    for (start, end, label), share in shares.items():
        if share <= 0.5:
            votes = round(share * len(places))
            message = Warnings.NW027.format(
                where=", ".join(places), text=quote(doc[start:end].text), label=label, votes=votes, answers=len(places)
            )
            report.skip_span("outvoted", message)
            report.spans_skipped["outvoted"] += votes - 1


def _latest(tasks: Sequence[Task]) -> list[Task]:
    """The answers that count: of one annotator's answers to the same question the last, a correction."""
    latest: dict[object, Task] = {}
    for number, task in enumerate(tasks):
        question: object = tuple(sorted(task.cats)) if task.kind == "none" else ()
        if task.kind == "binary":
            question = tuple(span[:3] for span in task.spans)  # which entity it is, is part of the answer
        key: object = (task.annotator, task.kind, question) if task.annotator else number
        latest[key] = task
    return list(latest.values())


def _join_cats(tasks: Sequence[Task], options: ConvertOptions, report: Report) -> dict[str, float] | None:
    """The classes of a text; None, and the text counted as skipped, where exclusive ones contradict one another."""
    answers = [task for task in tasks if task.cats]
    cats = mean_cats(task.cats for task in answers)
    complete = any(not task.one_class for task in answers)
    problem = exclusive_problem(cats, complete) if options.exclusive and cats else None
    if problem:
        where = ", ".join(task.where for task in answers)
        report.skip(NOT_EXCLUSIVE, Errors.N117.format(where=where, problem=problem))
        return None
    if options.soft_labels == "vote":
        voted = vote_cats(cats, one=options.exclusive and complete)
        report.notes["text with undecided classes"] += len(voted) < len(cats)
        return voted
    return cats


def _to_spans(doc: Doc, spans: Iterable[TokenSpan]) -> list[Span]:
    return [Span(doc, span.start, span.end, label=span.label, kb_id=span.kb_id) for span in spans]


def _keep_agreement(doc: Doc, shares: dict[Key, float]) -> None:
    spans = [(doc[start:end], label, share) for (start, end, label), share in shares.items()]
    doc.user_data[AGREEMENT] = [
        {"start": span.start_char, "end": span.end_char, "label": label, "share": share} for span, label, share in spans
    ]


def _set_binary(doc: Doc, answers: Sequence[tuple[Task, Placed]], report: Report) -> None:
    """Entities from yes/no answers: what more than half accepted, every other token missing."""
    accepted: Counter[Key] = Counter()
    asked: Counter[Key] = Counter()
    ids: dict[Key, Counter[str]] = {}
    places: dict[Key, str] = {}
    for task, answer in answers:
        for span in answer.spans:
            key = span[:3]
            asked[key] += 1
            accepted[key] += task.accepted
            ids.setdefault(key, Counter())[span.kb_id] += task.accepted
            places.setdefault(key, task.where)
    shares = {key: accepted[key] / asked[key] for key in sorted(asked)}
    if max(asked.values(), default=0) > 1:
        _keep_agreement(doc, shares)
    spans = {key: TokenSpan(*key, pick_id(ids[key])) for key in shares}
    ents = [spans[key] for key, share in shares.items() if share > 0.5]
    clashing = [a for a in ents if any(a != b and a.start < b.end and b.start < a.end for b in ents)]
    for span in clashing:
        report_conflict(doc, span, places[span[:3]], report)
    report.spans_skipped["accepted and rejected by as many"] += sum(share == 0.5 for share in shares.values())
    doc.set_ents(_to_spans(doc, [ent for ent in ents if ent not in clashing]), default="missing")
    rejected = [spans[key] for key, share in shares.items() if share < 0.5]
    _keep_rejected(doc, rejected, report)


def _add_rejected(doc: Doc, answers: Sequence[tuple[Task, Placed]], ents: Sequence[TokenSpan], report: Report) -> None:
    """Yes/no answers beside a complete annotation, which they cannot change: rejects that agree are kept."""
    keys = {ent[:3] for ent in ents}
    rejected: set[TokenSpan] = set()
    for task, answer in answers:
        for span in answer.spans:
            if task.accepted != (span[:3] in keys):
                report_conflict(doc, span, task.where, report, "contradicts the complete annotation")
            elif not task.accepted:
                rejected.add(span)
    _keep_rejected(doc, sorted(rejected), report)


def _keep_rejected(doc: Doc, spans: Sequence[TokenSpan], report: Report) -> None:
    if spans:
        doc.spans[INCORRECT_SPANS] = _to_spans(doc, spans)
        report.notes["rejected span kept as negative"] += len(spans)


def _set_item(doc: Doc, tasks: Sequence[Task]) -> None:
    values = {
        attributes.DOC_ITEM_ID: tasks[0].item_id,
        attributes.DOC_DATE: next((task.date for task in tasks if task.date), None),
        attributes.DOC_CATEGORY: pick_category(doc.cats),
    }
    for name, value in values.items():
        if value is not None:
            doc._.set(name, value)
