"""`python -m spacy nlpkit select`: the texts that are most worth annotating, as Prodigy tasks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Errors, NlpkitError, Warnings
from ._pipelines import load_pipeline, one_line, show_number
from ._util import Arg, Opt, command, msg
from .convert import print_problems

if TYPE_CHECKING:
    import numpy as np
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..data.converters import Report
    from ..data.selection import Floats
    from ..data.texts import TextOptions, TextRecord

RANDOM = "random"
DIVERSITY = 0.3
# A label that does not exclude others counts as predicted from this probability on, where the component has no other.
PREDICTED = 0.5
# How far from 1 the sum of a distribution may be, and a probability outside 0 to 1: rounding of float32.
ROUNDING = 1e-3
# Whether the labels of spaCy's own factories exclude each other.
STOCK = {"textcat": True, "textcat_multilabel": False}


@command("select")
def select(
    model: Path = Arg(..., metavar="MODEL", help="A trained pipeline, by folder or name"),
    input_path: Path = Arg(..., metavar="INPUT", help="File of texts: .txt, .jsonl or .csv, also as .gz"),
    output_path: Path = Arg(..., metavar="OUTPUT", help="A .jsonl file, for the tasks"),
    count: int = Opt(100, "--count", "-k", min=1, help="How many texts to select"),
    strategy: str = Opt("margin", "--strategy", help="least-confidence, margin, entropy or random"),
    diversity: float | None = Opt(
        None, "--diversity", min=0, max=1, help=f"Weight of being unlike the others ({DIVERSITY}; with random 0)"
    ),
    component: str = Opt("text_classifier", "--component", help="The component that writes doc.cats"),
    exclude: list[Path] = Opt([], "--exclude", help="File (.spacy, .jsonl, .txt) of texts to leave out; repeatable"),
    limit: int | None = Opt(None, "--limit", "-n", min=1, help="How many texts, drawn at random, to look at"),
    seed: int = Opt(0, "--seed", "-s", min=0, help="Seed of all that is drawn"),
    clean: bool = Opt(False, "--clean", help="Clean the texts of left-over markup"),
    column: str = Opt("text", "--column", "--text-column", "-t", help="Column of a table, or key of a JSON object"),
    columns: str | None = Opt(
        None, "--columns", help="Numbers, from 0, of the columns of a table without header, such as 1,2"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to run on, -1 for the CPU"),
    show: int = Opt(10, "--show", min=0, help="How many bad lines to list"),
) -> None:
    """Select the unlabelled texts that a classifier is least sure of and that are unlike each other, to annotate them.

    Ends with a table of what was read, skipped and selected. Exit status 1, nothing written, where there is no text.
    """
    import numpy as np

    from ..data.converters import Report
    from ..data.texts import TextOptions, parse_columns, read_excluded

    check_options(input_path, output_path, strategy)
    numbers = parse_columns(columns, "select")
    classifier = Classifier(str(model), load_pipeline(model, gpu_id), component)
    options = TextOptions(column, numbers, clean, read_excluded(exclude, classifier.nlp))
    report = Report(max_problems=show)
    generator = np.random.default_rng(seed)
    try:
        source = Source.read(input_path, options, report, limit, generator)
    finally:
        print_problems(report)
    if count > len(source.keys):
        msg.warn(Warnings.NW120.format(count=count, found=len(source.keys)))
    pool = classifier.predict(source)
    # An order drawn at random says nothing of the texts: what is told of them is the entropy.
    scores = pool.uncertainty("entropy" if strategy == RANDOM else strategy)
    if not scores.any():
        msg.warn(Warnings.NW121.format(model=model, name=component))
    priority = generator.random(len(scores)) if strategy == RANDOM else scores
    if diversity is None:
        diversity = 0.0 if strategy == RANDOM else DIVERSITY
    picks = pick_texts(source, priority, count, diversity, classifier.nlp, generator)
    write_tasks(output_path, (make_task(record, pool, scores, strategy, number) for number, record in picks))
    print_selection(report, pool, scores, [number for number, _ in picks])
    msg.good(f"Wrote {output_path}")


def check_options(input_path: Path, output_path: Path, strategy: str) -> None:
    """Raise N006 for an unknown strategy, or an output that is no .jsonl file or the input itself."""
    from ..data.selection import STRATEGIES

    if strategy not in (*STRATEGIES, RANDOM):
        raise _bad_setting("--strategy", f"{', '.join(STRATEGIES)} or {RANDOM}", strategy)
    if output_path.is_dir() or output_path.suffix != ".jsonl":
        raise _bad_setting("OUTPUT", "a file that ends in .jsonl", str(output_path))
    if output_path.resolve() == input_path.resolve():
        raise _bad_setting("OUTPUT", "another file than INPUT", str(output_path))


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="select", expected=expected, value=value))


@dataclass(frozen=True)
class Source:
    """The distinct texts of a file, which is read anew each time that they are wanted: only their keys are held.

    keys (list[int]): A hash of each text, in the order of the file.
    """

    path: Path
    options: TextOptions
    keys: list[int]

    @classmethod
    def read(
        cls, path: Path, options: TextOptions, report: Report, limit: int | None, generator: np.random.Generator
    ) -> Source:
        """Find the texts, without copies and those to leave out; of more than `limit` so many, drawn at random.

        RAISES: As `data.texts.read_texts`, where there is no text among others.
        """
        from ..data.texts import read_texts

        seen: dict[int, None] = {}
        for text in read_texts([path], options, report):
            key = text_key(text)
            if key in seen:
                report.skip("copy of another text")
            seen[key] = None
        keys = list(seen)
        if limit is not None and limit < len(keys):
            report.skipped["not drawn"] += len(keys) - limit
            drawn = generator.choice(len(keys), limit, replace=False)
            keys = [keys[number] for number in sorted(drawn.tolist())]
        # What was to be left out has no key.
        return cls(path, replace(options, excluded=None), keys)

    def take(self, numbers: Iterable[int]) -> Iterator[tuple[int, TextRecord]]:
        """The texts of these numbers in the order of the file, each with its number (its place in `keys`)."""
        from ..data.converters import Report
        from ..data.texts import read_records

        wanted = {self.keys[number]: number for number in numbers}
        for record in read_records([self.path], self.options, Report()):
            number = wanted.pop(text_key(record.text), None)
            if number is not None:
                yield number, record
            if not wanted:
                break


def text_key(text: str) -> int:
    """A hash of a text, equal for texts that differ in blanks and upper case alone."""
    plain = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.blake2b(plain.encode("utf8"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Pool:
    """What a classifier says of the texts of a `Source`.

    thresholds (dict[str, float]): Its labels, and from which probability on each is predicted where not `exclusive`.
    exclusive (bool): Whether exactly one of the labels is right.
    probabilities (texts, labels): float32.
    """

    thresholds: dict[str, float]
    exclusive: bool
    probabilities: Floats

    def uncertainty(self, strategy: str) -> Floats:
        """(texts,) how unsure it is of each, 0 to 1."""
        from ..data.selection import uncertainty

        return uncertainty(self.probabilities, strategy, self.exclusive)

    def predicted(self, number: int) -> list[str]:
        """The likeliest label of a text, or where they do not exclude each other all that reach their threshold."""
        row = self.probabilities[number]
        if self.exclusive:
            return [list(self.thresholds)[row.argmax()]]
        return [label for value, (label, least) in zip(row, self.thresholds.items()) if value >= least] or ["none"]


class Classifier:
    """A trained pipeline up to a component that writes `doc.cats`; what comes behind it never runs.

    model (str): What messages call the pipeline. name (str): The component.
    RAISES: N120 where there is no such component, N121 where it writes no `doc.cats`, N122 (or N001) where it or what
        it needs is not trained.
    """

    def __init__(self, model: str, nlp: Language, name: str) -> None:
        self.nlp = nlp
        self._place = {"name": name, "model": model}
        if name not in nlp.pipe_names:
            raise NlpkitError(Errors.N120.format(pipes=", ".join(nlp.pipe_names) or "none", **self._place))
        self._not_run = nlp.pipe_names[nlp.pipe_names.index(name) + 1 :]
        self._pipe: Any = nlp.get_pipe(name)
        self._factory = nlp.get_pipe_meta(name).factory
        cats = self._try().cats
        self.labels = tuple(getattr(self._pipe, "labels", cats))
        if not self.labels or not cats.keys() >= set(self.labels):
            raise NlpkitError(Errors.N121.format(**self._place))

    def _try(self) -> Doc:
        try:
            return next(iter(self.nlp.pipe(["text"], disable=self._not_run)))
        except NlpkitError:
            raise
        except (ValueError, KeyError, AttributeError) as error:
            raise NlpkitError(Errors.N122.format(problem=one_line(error), **self._place)) from error

    def predict(self, source: Source) -> Pool:
        """The probabilities of all texts of a source.

        RAISES: N123 for a value that is no probability.
        """
        import numpy as np
        from tqdm import tqdm

        total = len(source.keys)
        probabilities = np.zeros((total, len(self.labels)), dtype=np.float32)
        texts = ((record.text, number) for number, record in source.take(range(total)))
        docs = self.nlp.pipe(texts, as_tuples=True, disable=self._not_run)
        # The bar shows itself on a terminal alone.
        for doc, number in tqdm(docs, desc="Predicting", total=total, unit="text", disable=None, leave=False):
            for label in self.labels:
                if not -ROUNDING <= doc.cats[label] <= 1 + ROUNDING:
                    raise NlpkitError(
                        Errors.N123.format(label=label, value=doc.cats[label], text=doc.text[:40], **self._place)
                    )
            probabilities[number] = [doc.cats[label] for label in self.labels]
        np.clip(probabilities, 0, 1, out=probabilities)
        return Pool(self._thresholds(), self._is_exclusive(probabilities), probabilities)

    def _thresholds(self) -> dict[str, float]:
        if hasattr(self._pipe, "label_thresholds"):
            return self._pipe.label_thresholds()
        return dict.fromkeys(self.labels, PREDICTED)

    def _is_exclusive(self, probabilities: Floats) -> bool:
        """As the component says, or spaCy's own is known to be; of any other, whether each text's sum to 1."""
        exclusive = getattr(self._pipe, "exclusive", STOCK.get(self._factory))
        return bool((abs(probabilities.sum(axis=1) - 1) < ROUNDING).all() if exclusive is None else exclusive)


def pick_texts(
    source: Source,
    priority: Floats,
    count: int,
    diversity: float,
    nlp: Language,
    generator: np.random.Generator,
) -> list[tuple[int, TextRecord]]:
    """The texts to annotate with their numbers, the most worthwhile first.

    priority (texts,): What counts beside diversity. nlp (Language): Gives the words that texts have in common.
    """
    from tqdm import tqdm

    from ..data.selection import count_candidates, rank, select_diverse, word_features

    order = rank(priority, generator)[: count_candidates(count, diversity)].tolist()
    records = dict(source.take(order))
    words = (nlp.make_doc(records[number].text).to_array("LOWER") for number in order)
    features = word_features(words)
    places = select_diverse(priority[order], features, count, diversity)
    # The bar shows itself on a terminal alone.
    bar = tqdm(places, desc="Selecting", total=min(count, len(order)), unit="text", disable=None, leave=False)
    return [(order[place], records[order[place]]) for place in bar]


def make_task(record: TextRecord, pool: Pool, scores: Floats, strategy: str, number: int) -> dict[str, Any]:
    """A choice between the labels, as `textcat.manual` shows it; `meta` has what the texts' own says and the scores."""
    probabilities = {label: round(float(value), 4) for label, value in zip(pool.thresholds, pool.probabilities[number])}
    told = {"score": round(float(scores[number]), 4), "strategy": strategy, "probabilities": probabilities}
    return {
        "text": record.text,
        "options": [{"id": label, "text": label} for label in pool.thresholds],
        "meta": {**record.meta, **told},
    }


def write_tasks(path: Path, tasks: Iterable[dict[str, Any]]) -> None:
    """Write tasks as JSONL.

    RAISES: N006 where the file cannot be written.
    """
    import srsly

    from ..util import atomic_write

    try:
        with atomic_write(path) as file_:
            file_.writelines(f"{srsly.json_dumps(task)}\n" for task in tasks)
    except OSError as error:
        raise _bad_setting("OUTPUT", f"a path that can be written ({error.strerror})", str(path)) from error


def print_selection(report: Report, pool: Pool, scores: Floats, picks: Sequence[int]) -> None:
    """Print the table of a run: texts read and skipped, and what was selected of those that were scored."""
    predicted = Counter(label for number in picks for label in pool.predicted(number))
    rows = [("Texts read", report.read)]
    rows += [(f"Texts skipped: {reason}", number) for reason, number in report.skipped.most_common()]
    rows += [(f"Note: {note}", number) for note, number in report.notes.most_common()]
    rows += [("Texts scored", len(scores)), ("Texts selected", len(picks))]
    rows += [(f"Selected, predicted: {label}", number) for label, number in predicted.most_common()]
    table = [(name, f"{number:,}") for name, number in rows]
    table += [("Labels", "exclusive" if pool.exclusive else "not exclusive")]
    table += [("Mean score, selected", show_number(float(scores[list(picks)].mean())))]
    table += [("Mean score, all", show_number(float(scores.mean())))]
    msg.table(table, header=("What", "Count"), aligns=("l", "r"), divider=True, max_col=80)
