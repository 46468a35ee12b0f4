"""Checks of annotated corpora before training: counts of each split, and findings with code, places and next step."""

from __future__ import annotations

import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..attributes import DOC_ITEM_ID
from ..errors import Errors, Warnings
from .converters.classes import chosen, exclusive_problem
from .converters.report import LINK_KINDS, LINKED, UNKNOWN_LINK, link_kind

TRAIN = "train"
FEW_EXAMPLES = 20
INCORRECT_SPANS = "incorrect_spans"
ENTITY, CLASS, SPAN = "entity", "class", "span"
_MISSING = 0  # ENT_IOB of a token that nobody annotated
# Punctuation that names and symbols do not start or end with; `Inc.`, `Yahoo!`, `.IXIC` and `(AP)` are all right.
_BAD_START = frozenset(string.whitespace + ",;:!?)]}\"'-/&%*–—")
_BAD_END = frozenset(string.whitespace + ",;:([{\"'-/&*–—")


@dataclass(frozen=True)
class Finding:
    """A fault of the data.

    code (str): N... for errors, with which training makes no sense, NW... for warnings.
    message (str): What it is, how often, and what to do.
    places (list[str]): Where: split, number of the document from 1, its id where it has one, and the text concerned.
    """

    code: str
    message: str
    places: list[str] = field(default_factory=list)

    @property
    def is_error(self) -> bool:
        """Whether the finding stops the command, as opposed to a warning."""
        return not self.code.startswith("NW")


@dataclass
class Split:
    """Counts of one split.

    labels: Kind of annotation ("entity", "class", "span") to label to number of examples; rejected spans do not count.
    links: Label to number of entities and spans that are linked to an id, known to be in no graph ("NIL"), or unknown;
        empty where none is linked or NIL.
    missing (float): The share of tokens without entity annotation, 0 to 1.
    """

    docs: int = 0
    tokens: int = 0
    entities: int = 0
    without_entities: int = 0
    not_annotated: int = 0
    missing: float = 0.0
    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    links: dict[str, dict[str, int]] = field(default_factory=dict)


class HoldsEntities(Protocol):
    """What the checks ask of a graph."""

    def numbers(self, ids: Sequence[str]) -> NDArray[Any]:
        """The number of each id, -1 where the graph has no such entity."""
        ...


@dataclass
class Report:
    """What `check` found: counts by split, and findings, errors first."""

    splits: dict[str, Split]
    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        """What training would fail on or not make sense with."""
        return [finding for finding in self.findings if finding.is_error]

    @property
    def warnings(self) -> list[Finding]:
        """What deserves a look."""
        return [finding for finding in self.findings if not finding.is_error]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        splits = {name: dict(vars(split)) for name, split in self.splits.items()}
        findings = [{"level": "error" if f.is_error else "warning", **vars(f)} for f in self.findings]
        return {"splits": splits, "findings": findings}


def finding(message: str, places: Iterable[str] = ()) -> Finding:
    """A finding of a coded message such as "[NW040] ..."."""
    code, text = message.removeprefix("[").split("] ", 1)
    return Finding(code, text, list(places))


def check(
    corpora: Mapping[str, Sequence[Example]],
    exclusive: bool | None = None,
    *,
    graph: HoldsEntities | None = None,
    linked: bool = False,
) -> Report:
    """Check the splits of a corpus.

    corpora: Name of split ("train", "dev", ...) to its examples, the predicted side as the tokenizer makes it.
    exclusive: Whether the classes that a classifier is to learn exclude one another; None where there is none.
    graph: The graph that the ids of entities are of. linked: Whether a linker is to learn from them, or a graph given.
    RETURNS (Report): Errors are N043 (no documents), N044 (no labels), N045 (no label shared with train), N114 (class
        values that are no probabilities), N203 (ids of another graph), and with a classifier N118 (classes that are not
        exclusive) and N119 (classes that leave nothing to learn); all else is a warning, NW037 to NW046, NW112, NW200
        and NW201.
    """
    splits = {name: count(examples) for name, examples in corpora.items()}
    findings = [*_check_labels(splits), *_check_repeated(corpora), *_check_learnable(corpora, exclusive)]
    for name, examples in corpora.items():
        findings += _check_spans(name, examples)
        findings += _check_links(name, examples, splits[name], graph, linked or graph is not None)
        findings += _check_values(name, examples, _class_names(corpora.get(TRAIN, ())) if exclusive else None)
    return Report(splits, sorted(findings, key=lambda found: not found.is_error))


def count(examples: Sequence[Example]) -> Split:
    """Count documents, tokens and labels of one split."""
    split = Split(docs=len(examples))
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    links: dict[str, Counter[str]] = defaultdict(Counter)
    n_missing = 0
    for example in examples:
        doc = example.reference
        annotated = doc.has_annotation("ENT_IOB")
        split.tokens += len(doc)
        split.entities += len(doc.ents)
        split.not_annotated += not (annotated or doc.cats or doc.spans)
        split.without_entities += annotated and not doc.ents
        n_missing += sum(token.ent_iob == _MISSING for token in doc)
        labels[ENTITY].update(ent.label_ for ent in doc.ents)
        labels[CLASS].update(chosen(doc.cats))
        for span in _group_spans(doc):
            labels[SPAN][span.label_] += 1
        for span in _linkable(doc):
            links[span.label_][link_kind(span.kb_id_)] += 1
    split.missing = n_missing / split.tokens if split.tokens else 0.0
    split.labels = {kind: dict(counts.most_common()) for kind, counts in labels.items() if counts}
    if any(counts.keys() - {UNKNOWN_LINK} for counts in links.values()):
        split.links = {label: {kind: counts[kind] for kind in LINK_KINDS} for label, counts in links.items()}
    return split


def _group_spans(doc: Doc) -> Iterator[Span]:
    for key, group in doc.spans.items():
        if key != INCORRECT_SPANS:
            yield from group


def _linkable(doc: Doc) -> Iterator[Span]:
    yield from doc.ents
    yield from _group_spans(doc)


def _check_labels(splits: Mapping[str, Split]) -> Iterator[Finding]:
    for name, split in splits.items():
        if not split.docs:
            yield finding(Errors.N043.format(split=name))
        elif not split.labels:
            yield finding(Errors.N044.format(split=name))
    train = splits.get(TRAIN, Split()).labels
    for name, split in splits.items():
        for kind, labels in split.labels.items():
            unseen = sorted(labels.keys() - train.get(kind, {}).keys())
            if TRAIN not in splits or not train or not unseen:
                continue
            if len(unseen) == len(labels):
                listed, known = _listed(unseen), _listed(train.get(kind, {})) or "none"
                yield finding(Errors.N045.format(split=name, kind=kind, labels=listed, train_labels=known))
            else:
                message = Warnings.NW037.format(split=name, kind=kind.capitalize(), labels=_listed(unseen))
                yield finding(message, [f"{name}: {label}, {labels[label]} examples" for label in unseen])
    for kind, labels in train.items():
        few = {label: n for label, n in labels.items() if n < FEW_EXAMPLES}
        if few:
            message = Warnings.NW038.format(count=len(few), kind=kind, threshold=FEW_EXAMPLES, labels=_listed(few))
            yield finding(message, [f"{TRAIN}: {label}, {n} examples" for label, n in few.items()])


def _class_names(examples: Sequence[Example]) -> set[str]:
    return {label for example in examples for label in example.reference.cats}


def _check_learnable(corpora: Mapping[str, Sequence[Example]], exclusive: bool | None) -> Iterator[Finding]:
    """Classes that are all the same, or are missing where a classifier is to learn them."""
    for name, examples in corpora.items():
        if exclusive is not None and examples and not _class_names(examples):
            yield finding(Errors.N119.format(split=name, problem="no text has any"))
    annotated = [example.reference.cats for example in corpora.get(TRAIN, ()) if example.reference.cats]
    names = _class_names(corpora.get(TRAIN, ()))
    right = {label for cats in annotated for label in chosen(cats)}
    always = len(right) == 1 and all(right.issubset(chosen(cats)) for cats in annotated)
    if exclusive and len(names) == 1:
        problem = f"there is only {names.pop()!r}, and exclusive labels are at least two"
        yield finding(Errors.N119.format(split=TRAIN, problem=problem))
    elif always and exclusive is not None:
        yield finding(Errors.N119.format(split=TRAIN, problem=f"{right.pop()!r} is right for every text"))
    elif always:
        yield finding(Warnings.NW112.format(split=TRAIN, label=right.pop()))


def _check_values(name: str, examples: Sequence[Example], exclusive: set[str] | None) -> Iterator[Finding]:
    """Values of classes that are no probabilities, or do not fit labels that exclude one another (given by name)."""
    wrong, several = [], []
    for number, example in enumerate(examples, start=1):
        cats = example.reference.cats
        place = _place(name, number, example.reference)
        bad = [f"{label} {value}" for label, value in cats.items() if not 0 <= value <= 1]
        if bad:
            wrong.append(f"{place}: {', '.join(bad)}")
        elif exclusive is not None and cats:
            problem = exclusive_problem(cats, complete=cats.keys() >= exclusive)
            several += [f"{place}: {problem}"] if problem else []
    if wrong:
        yield finding(Errors.N114.format(count=len(wrong), split=name), wrong)
    if several:
        yield finding(Errors.N118.format(count=len(several), split=name), several)


def _check_repeated(corpora: Mapping[str, Sequence[Example]]) -> Iterator[Finding]:
    """Texts that occur more than once, in one split or several, and those annotated in different ways."""
    copies: dict[str, list[tuple[str, int, Doc]]] = defaultdict(list)
    for name, examples in corpora.items():
        for number, example in enumerate(examples, start=1):
            text = " ".join(example.reference.text.split())
            if text:
                copies[text].append((name, number, example.reference))
    within: dict[str, list[str]] = defaultdict(list)
    between, conflicts = [], []
    for found in copies.values():
        if len(found) == 1:
            continue
        places = " = ".join(_place(*copy) for copy in found)
        names = Counter(name for name, _, _ in found)
        if len(names) > 1:
            between.append(places)
        for name in names:
            if names[name] > 1:
                within[name].append(places)
        differing = _differing([doc for _, _, doc in found])
        if differing:
            conflicts.append(f"{places}: {'; '.join(differing)}")
    if between:
        yield finding(Warnings.NW039.format(count=len(between)), between)
    for name, places_ in within.items():
        yield finding(Warnings.NW040.format(count=len(places_), split=name), places_)
    if conflicts:
        yield finding(Warnings.NW041.format(count=len(conflicts)), conflicts)


def _differing(docs: Sequence[Doc]) -> list[str]:
    """Entities and classes that not all copies of a text have; what was not annotated is no difference."""
    complete = [doc for doc in docs if len(doc) and all(token.ent_iob != _MISSING for token in doc)]
    spans = [{_without_runs_of_blanks(ent) for ent in doc.ents} for doc in complete]
    classes = [{f"class {label}" for label in chosen(doc.cats)} for doc in docs if doc.cats]
    result = []
    for copies in (spans, classes):
        counts = Counter(item for copy in copies for item in copy)
        for item, n_have in sorted(counts.items()):
            if n_have < len(copies):
                result.append(f"{item} in {n_have} of {len(copies)}")
    return result


def _check_spans(name: str, examples: Sequence[Example]) -> Iterator[Finding]:
    found: dict[str, list[str]] = defaultdict(list)
    for number, example in enumerate(examples, start=1):
        doc = example.reference
        place = _place(name, number, doc)
        if not doc.text.strip():
            found["NW045"].append(place)
            continue
        kept = {_offsets(span) for span in example.get_aligned_spans_y2x(doc.ents)}
        rejected = {_offsets(span) for span in doc.spans.get(INCORRECT_SPANS, ())}
        for ent in doc.ents:
            shown = f"{place}: {ent.text!r} {_offsets(ent)}"
            if ent.text[0] in _BAD_START or ent.text[-1] in _BAD_END:
                found["NW042"].append(shown)
            if "\n" in ent.text.strip():
                found["NW043"].append(shown)
            if _offsets(ent) not in kept:
                found["NW044"].append(shown)
            if _offsets(ent) in rejected:
                found["NW046"].append(shown)
    for code in sorted(found):
        message = getattr(Warnings, code).format(count=len(found[code]), split=name)
        yield finding(message, found[code])


def _check_links(
    name: str, examples: Sequence[Example], split: Split, graph: HoldsEntities | None, linked: bool
) -> Iterator[Finding]:
    """Entities without ids where a linker is to learn from them, and ids that the graph does not have."""
    if linked and examples and not any(counts[LINKED] for counts in split.links.values()):
        yield finding(Warnings.NW200.format(split=name))
    if graph is None:
        return
    found = [
        (span.kb_id_, f"{_place(name, number, example.reference)}: {span.text!r} {_offsets(span)} {span.kb_id_}")
        for number, example in enumerate(examples, start=1)
        for span in _linkable(example.reference)
        if link_kind(span.kb_id_) == LINKED
    ]
    ids = sorted({kb_id for kb_id, _ in found})
    absent = {kb_id for kb_id, number in zip(ids, graph.numbers(ids).tolist()) if number < 0}
    places = [place for kb_id, place in found if kb_id in absent]
    if ids and len(absent) == len(ids):
        yield finding(Errors.N203.format(split=name, count=len(ids), first=ids[0]), places)
    elif absent:
        yield finding(Warnings.NW201.format(count=len(places), total=len(found), split=name, ids=len(absent)), places)


def _without_runs_of_blanks(ent: Span) -> str:
    """An entity with its offsets in the text with single blanks, by which copies are known."""
    start = len(" ".join(f"{ent.doc.text[: ent.start_char]}x".split())) - 1
    text = " ".join(ent.text.split())
    return f"{text!r} ({start}:{start + len(text)} {ent.label_})"


def _offsets(span: Span) -> str:
    return f"({span.start_char}:{span.end_char} {span.label_})"


def _place(name: str, number: int, doc: Doc) -> str:
    item_id = doc._.get(DOC_ITEM_ID) if Doc.has_extension(DOC_ITEM_ID) else None
    return f"{name}, document {number}" + (f" ({item_id})" if item_id else "")


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(labels)
