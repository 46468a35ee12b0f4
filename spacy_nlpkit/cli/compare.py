"""`python -m spacy nlpkit compare`: two pipelines on the same data, by character offsets of their
entities."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import srsly

from ..errors import Errors, NlpkitError
from ..util import atomic_write
from ._pipelines import load_pipeline, show_number
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

CharSpan = tuple[int, int, str]
Spans = frozenset[CharSpan]

OUTCOMES = (
    "both right",
    "base right, custom wrong",
    "base wrong, custom right",
    "both wrong, alike",
    "both wrong, differently",
)
# Run before the clock starts, so that what is loaded at the first prediction is not timed.
_WARM_UP_TEXTS = 8


@dataclass(frozen=True)
class Gold:
    """A text with its annotated spans, and the stretches (start, end) of which nothing is known."""

    text: str
    spans: Spans
    unknown: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Side:
    """One of the two pipelines: its entities in each text, its scores as `score_offsets` gives them, its
    speed."""

    name: str
    spans: list[Spans]
    scores: dict[str, Any]
    words_per_second: float


@dataclass(frozen=True)
class Comparison:
    """What two pipelines make of the same texts. `direction` is that of the writing, "ltr" or "rtl"."""

    data: str
    labels: list[str]
    gold: list[Gold]
    base: Side
    custom: Side
    direction: str

    def outcome(self, number: int) -> str:
        """Which of `OUTCOMES` a text is: a pipeline is right where its entities are those of the gold."""
        gold, base, custom = self.gold[number].spans, self.base.spans[number], self.custom.spans[number]
        if base == custom:
            return OUTCOMES[0] if base == gold else OUTCOMES[3]
        return OUTCOMES[1] if base == gold else OUTCOMES[2] if custom == gold else OUTCOMES[4]

    def outcomes(self) -> dict[str, int]:
        """How many texts are of each outcome, in the order of `OUTCOMES`."""
        counts = Counter(self.outcome(number) for number in range(len(self.gold)))
        return {outcome: counts[outcome] for outcome in OUTCOMES}

    def differing(self) -> list[int]:
        """The numbers of the texts in which the entities of the two pipelines differ."""
        return [n for n, pair in enumerate(zip(self.base.spans, self.custom.spans)) if pair[0] != pair[1]]

    def rows(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """(label, scores of base, scores of custom), each with `p`, `r`, `f`; "all" is the last."""
        for label in self.labels:
            yield label, self.base.scores["ents_per_type"][label], self.custom.scores["ents_per_type"][label]
        micro = [{key: side.scores[f"ents_{key}"] for key in "prf"} for side in (self.base, self.custom)]
        yield "all", micro[0], micro[1]


@command("compare")
def compare_cli(
    base: str = Arg(..., help="Folder or package name of the pipeline to compare with"),
    custom: str = Arg(..., help="Folder or package name of the other pipeline"),
    data: Path = Arg(..., help="Annotations: a .spacy file or Prodigy's JSONL"),
    labels: str = Opt("", "--labels", "-l", help="Labels to compare, by comma; without it those of the data"),
    html: Path | None = Opt(None, "--html", help="Page to write, with the texts in which the two differ"),
    json: Path | None = Opt(None, "--json", help="JSON file to write"),
    limit_docs: int = Opt(50, "--limit-docs", "-n", min=0, help="How many differing texts the page shows"),
    label_map: str = Opt("", "--map", help="Labels of BASE to rename: BASE_LABEL=LABEL, by comma"),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
) -> None:
    """Score two pipelines on the same data, label by label, and show where they differ.

    Entities count by characters, so the two may cut words differently.
    """
    wanted = [label.strip() for label in labels.split(",") if label.strip()]
    result = compare(base, custom, data, wanted or None, parse_map(label_map), gpu_id)
    print_comparison(result)
    if html is not None:
        from ._compare_page import render_page

        with atomic_write(html) as file_:
            file_.write(render_page(result, limit_docs))
        msg.good(f"Saved the page to {html}")
    if json is not None:
        with atomic_write(json) as file_:
            file_.write(srsly.json_dumps(to_json(result), indent=2) + "\n")
        msg.good(f"Saved the figures to {json}")


def compare(
    base: str,
    custom: str,
    data: str | Path,
    labels: Collection[str] | None = None,
    label_map: Mapping[str, str] | None = None,
    gpu_id: int = -1,
) -> Comparison:
    """Run two pipelines over annotated texts.

    base, custom (str): Folders, or names of installed packages.
    data (str | Path): A .spacy file or Prodigy's JSONL.
    labels: The labels to compare; None for those of the data.
    label_map: New names for labels that BASE predicts.
    gpu_id (int): -1 for the CPU.
    RAISES: N090, N097 for the pipelines, N094, N098 for the data, N092 where there is nothing to compare.
    """
    pipelines = {"base": load_pipeline(base, gpu_id), "custom": load_pipeline(custom, gpu_id)}
    max_length = min(nlp.max_length for nlp in pipelines.values())
    gold = read_gold(Path(data), pipelines["custom"], max_length)
    names = sorted(set(labels) if labels is not None else {span[2] for item in gold for span in item.spans})
    if not names:
        raise NlpkitError(Errors.N094.format(corpus=data, what="entities"))
    gold = [Gold(item.text, _limit(item.spans, names), item.unknown) for item in gold]
    n_words = sum(len(pipelines["base"].make_doc(item.text)) for item in gold)
    base_side = run_side(base, pipelines["base"], gold, names, n_words, label_map or {})
    custom_side = run_side(custom, pipelines["custom"], gold, names, n_words, {})
    if not any(item.spans for item in gold) and not any((*base_side.spans, *custom_side.spans)):
        raise NlpkitError(Errors.N092.format(labels=", ".join(names), data=data))
    direction = pipelines["custom"].vocab.writing_system["direction"]
    return Comparison(str(data), names, gold, base_side, custom_side, direction)


def run_side(
    name: str,
    nlp: Language,
    gold: Sequence[Gold],
    labels: Sequence[str],
    n_words: int,
    label_map: Mapping[str, str],
) -> Side:
    """Predict and score. `n_words` is the same for both pipelines, so that speeds compare as times do."""
    from ..scoring.offsets import score_offsets

    texts = [item.text for item in gold]
    for _ in nlp.pipe(texts[:_WARM_UP_TEXTS]):
        pass
    start = time.perf_counter()
    docs = list(nlp.pipe(texts))
    seconds = time.perf_counter() - start
    found = []
    for doc, item in zip(docs, gold):
        spans = ((ent.start_char, ent.end_char, label_map.get(ent.label_, ent.label_)) for ent in doc.ents)
        found.append(_limit((span for span in spans if not _touches(span, item.unknown)), labels))
    scores = score_offsets([item.spans for item in gold], found, labels)
    return Side(name, found, scores, n_words / max(seconds, 1e-9))


def read_gold(path: Path, nlp: Language, max_length: int) -> list[Gold]:
    """Read complete annotations, offsets as they stand in the file; what says nothing of entities is left
    out.

    RAISES: N098 where there is no such file, or nothing complete in it.
    """
    from ..data.converters import ConvertOptions, Report, read_docbin
    from ..data.converters.tasks import read_tasks

    if not path.is_file():
        raise NlpkitError(Errors.N098.format(path=path, problem="there is no such file."))
    if path.suffix == ".spacy":
        gold = [_from_doc(doc) for doc in read_docbin(path, nlp) if doc.has_annotation("ENT_IOB")]
        problem = "its documents have no entity annotation."
    else:
        report = Report()
        tasks = read_tasks(path, ConvertOptions(format="prodigy"), max_length, report)
        gold = [
            Gold(task.text, frozenset((span.start, span.end, span.label) for span in task.spans))
            for task in tasks
            if task.kind == "complete"
        ]
        problem = next(iter(report.problems), "no line of it is a complete, accepted annotation.")
        for message in report.problems if gold else ():
            msg.warn(message)
    if not gold:
        raise NlpkitError(Errors.N098.format(path=path, problem=problem))
    return gold


def parse_map(text: str) -> dict[str, str]:
    """Read `A=B,C=D`. RAISES: N099 for anything else."""
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    renamed = {}
    for pair in pairs:
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals and new):
            problem = f"'{pair}' is not of the form BASE_LABEL=LABEL"
            raise NlpkitError(Errors.N099.format(option="--map", value=text, problem=problem))
        renamed[old] = new
    return renamed


def print_comparison(result: Comparison) -> None:
    """Print the scores side by side, the speeds, and how many texts are of each outcome."""
    msg.divider(f"{result.base.name} (base) and {result.custom.name} (custom)")
    header = ("Label", "Base P", "R", "F", "Custom P", "R", "F", "F +/-")
    rows = [
        (label, *(show_number(side[key]) for side in sides for key in "prf"), show_difference(*sides))
        for label, *sides in result.rows()
    ]
    msg.table(rows, header=header, aligns=("l", *"rrrrrrr"), divider=True)
    speeds = [result.base.words_per_second, result.custom.words_per_second]
    ratio = speeds[1] / speeds[0]
    msg.text(f"Words per second: base {speeds[0]:,.0f}, custom {speeds[1]:,.0f} (ratio {ratio:.2f})")
    outcomes = [(name, str(count)) for name, count in result.outcomes().items()]
    msg.table(outcomes, header=("Texts", ""), aligns=("l", "r"), divider=True)


def show_difference(base: dict[str, Any], custom: dict[str, Any]) -> str:
    """The F of custom less that of base, with its sign; a dash where one of them has none."""
    return "-" if base["f"] is None or custom["f"] is None else f"{custom['f'] - base['f']:+.4f}"


def to_json(result: Comparison) -> dict[str, Any]:
    """The comparison as one JSON object: scores, speeds, outcomes, and the texts that differ."""
    return {
        "base": result.base.name,
        "custom": result.custom.name,
        "data": result.data,
        "texts": len(result.gold),
        "labels": {label: {"base": base, "custom": custom} for label, base, custom in result.rows()},
        "words_per_second": {
            "base": result.base.words_per_second,
            "custom": result.custom.words_per_second,
        },
        "outcomes": result.outcomes(),
        "differences": [
            {
                "text": result.gold[number].text,
                "outcome": result.outcome(number),
                "gold": sorted(result.gold[number].spans),
                "base": sorted(result.base.spans[number]),
                "custom": sorted(result.custom.spans[number]),
            }
            for number in result.differing()
        ],
    }


def _from_doc(doc: Doc) -> Gold:
    spans = frozenset((ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
    unknown = tuple((token.idx, token.idx + len(token)) for token in doc if token.ent_iob == 0)
    return Gold(doc.text, spans, unknown)


def _limit(spans: Collection[CharSpan] | Iterator[CharSpan], labels: Collection[str]) -> Spans:
    return frozenset(span for span in spans if span[2] in labels)


def _touches(span: CharSpan, stretches: Sequence[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in stretches)
