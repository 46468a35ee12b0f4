"""What every converter is told and what it tells: the options, and the counts of one run."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from ...errors import Warnings
from ...files import ReadReport
from ...ty import NIL

# Reasons and notes that the warnings depend on.
MISALIGNED = "misaligned"
CONTROL_CHARACTERS = "control characters in the text"
# What the `kb_id_` of an entity says.
LINK_KINDS = LINKED, NIL_LINK, UNKNOWN_LINK = ("linked", NIL, "unknown")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class TableOptions:
    """Where the texts and labels of a table are.

    text_columns (tuple[str | int, ...]): The columns joined to the text: names in the header line, or numbers from 0
        of a table without one.
    label_column (str | int): The column of the label, a name or a number as well.
    label_names (tuple[str, ...]): The labels: the column holds them, or their numbers from 1. Empty: as they are.
    quotes (bool): Whether fields may stand in double quotes; otherwise quotes are text.
    """

    text_columns: tuple[str | int, ...] = ("text",)
    label_column: str | int = "label"
    label_names: tuple[str, ...] = ()
    quotes: bool = True


@dataclass(frozen=True)
class LinkOptions:
    """What labels spans get in formats that link spans without labels.

    label (str): Of all spans without a type that is named here.
    type_labels (tuple[tuple[str, str], ...]): A type of the entity, and the label of its spans; of several types of an
        entity the first that is named counts.
    """

    label: str = "ENTITY"
    type_labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    format (str): One of `FORMATS`, or "auto": known by extension and content, file by file.
    labels (frozenset[str] | None): Entity labels to keep, None for all. Tokens of other labels count as O.
    repair (bool): Move misaligned spans to the nearest token boundaries, instead of leaving them out.
    clean (bool): Clean the texts (`spacy_nlpkit.data.cleaning`) and move the spans with them.
    binary (bool | None): Whether Prodigy's lines are yes/no answers to one span; None: decided line by line.
    n_sents (int): Sentences to a document of tagged files; 0: as -DOCSTART- says, without it one.
    table (TableOptions | None): Where the texts and labels of tables are; None: columns "text" and "label", and
        .tsv files are no tables but tagged tokens.
    exclusive (bool): Refuse texts that have not just one label: of several right ones, or whose values miss 1.
    soft_labels (str): What several annotators of one text come to: "distribution", or the label of a "vote".
    links (LinkOptions | None): What labels linked spans get where the format has none; None: "ENTITY".
    """

    format: str = "auto"
    labels: frozenset[str] | None = None
    repair: bool = False
    clean: bool = False
    binary: bool | None = None
    n_sents: int = 0
    table: TableOptions | None = None
    exclusive: bool = False
    soft_labels: str = "distribution"
    links: LinkOptions | None = None


def link_kind(kb_id: str) -> str:
    """Which of `LINK_KINDS` an id is: "" where nobody said, "NIL" where the entity is known not to be in the graph."""
    return {"": UNKNOWN_LINK, NIL: NIL_LINK}.get(kb_id, LINKED)


@dataclass
class Report(ReadReport):
    """Counts of one run. Every item read is converted, merged into another or skipped.

    read, converted, merged (int): Items: lines, sentences, paragraphs or documents, as the format has it. A rejected or
        ignored answer is skipped without being a problem.
    spans_read (int), spans_skipped (Counter[str]): Annotated spans, and those left out, by reason.
    labels, classes (Counter[str]): Entities of the converted items, and items that have a class, by label.
    links (Counter[str]): Entities of the converted items, by what their `kb_id_` says: `LINK_KINDS`.
    answers_read, answers_kept (Counter[str]): Annotations that came in, and those that count, by answer.
    """

    converted: int = 0
    merged: int = 0
    spans_read: int = 0
    spans_skipped: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    answers_read: Counter[str] = field(default_factory=Counter)
    answers_kept: Counter[str] = field(default_factory=Counter)

    def skip_span(self, reason: str, message: str | None = None) -> None:
        """Count a span as left out; its item is kept."""
        self.spans_skipped[reason] += 1
        self.add_problem(message)

    def warnings(self, path: str) -> list[str]:
        """The coded warnings that the counts of a finished run call for."""
        found = []
        if self.converted and not self.labels and not self.classes:
            found.append(Warnings.NW020.format(path=path, converted=self.converted))
        if self.notes[CONTROL_CHARACTERS]:
            found.append(Warnings.NW021.format(count=self.notes[CONTROL_CHARACTERS]))
        if self.spans_skipped[MISALIGNED]:
            found.append(Warnings.NW022.format(count=self.spans_skipped[MISALIGNED]))
        return found

    def rows(self) -> list[tuple[str, str]]:
        """The counts as rows of a table, without those that are zero (but always read and converted)."""
        rows = [("Items read", self.read), ("Items converted", self.converted), ("Items merged", self.merged)]
        rows += [(f"Items skipped: {reason}", count) for reason, count in self.skipped.most_common()]
        rows += [("Annotations in", self.answers_read.total())]
        rows += [(f"Annotations in: {answer}", count) for answer, count in self.answers_read.most_common()]
        rows += [(f"Answers kept: {answer}", count) for answer, count in self.answers_kept.most_common()]
        rows += [("Spans read", self.spans_read)]
        rows += [(f"Spans skipped: {reason}", count) for reason, count in self.spans_skipped.most_common()]
        rows += [(f"Note: {note}", count) for note, count in self.notes.most_common()]
        rows += [(f"Entities: {label}", count) for label, count in self.labels.most_common()]
        if self.links.keys() - {UNKNOWN_LINK}:
            rows += [(f"Links: {kind}", count) for kind, count in self.links.most_common()]
        rows += [(f"Class: {label}", count) for label, count in self.classes.most_common()]
        kept = [row for i, row in enumerate(rows) if i < 2 or row[1]]
        return [(name, f"{count:,}") for name, count in kept]
