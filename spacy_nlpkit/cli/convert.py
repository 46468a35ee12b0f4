"""`python -m spacy nlpkit convert`: annotations to .spacy files, split where asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Errors, NlpkitError, Warnings
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..data.converters import LinkOptions, Report, TableOptions

PARTS = {2: ("train", "dev"), 3: ("train", "dev", "test")}
UNSEEN_PART = "test_unseen"


@command("convert")
def convert(
    input_path: Path = Arg(..., metavar="INPUT", help="File or folder of annotations"),
    output_path: Path = Arg(..., metavar="OUTPUT", help="A .spacy file, or a folder with --split and the like"),
    format_: str = Opt("auto", "--format", "-f", help="auto, or one of docs/data.md: prodigy, links, table, ..."),
    lang: str = Opt("en", "--lang", "-l", help="Language whose tokenizer splits the texts"),
    plain_tokenizer: bool = Opt(False, "--plain-tokenizer", help="Leave out the rules for stock symbols"),
    labels: str | None = Opt(None, "--labels", "-L", help="Entity labels to keep, separated by commas"),
    binary: bool | None = Opt(None, "--binary/--no-binary", help="Lines are yes/no answers to one span or not"),
    repair: bool = Opt(False, "--repair", help="Move misaligned spans to the nearest token boundaries"),
    clean: bool = Opt(False, "--clean", help="Clean the texts of left-over markup and move the spans with them"),
    text_column: list[str] = Opt(
        [], "--text-column", "-t", help="Column of a table that holds the text; several are joined; repeatable"
    ),
    columns: str | None = Opt(None, "--columns", help="Instead, for a table without header: numbers, from 0"),
    label_column: str | None = Opt(
        None, "--label-column", help="Column of the label: its name or, without header, number"
    ),
    label_names: str | None = Opt(None, "--label-names", help="Names of the classes 1, 2, ..., separated by commas"),
    quotes: bool = Opt(True, "--quotes/--no-quotes", help="Fields of a table may stand in quotes, or quotes are text"),
    exclusive: bool = Opt(False, "--exclusive", help="Leave out texts that have not just one class"),
    soft_labels: str = Opt("distribution", "--soft-labels", help="Several annotators' classes: distribution or vote"),
    entity_label: str = Opt("ENTITY", "--entity-label", help="Label of linked spans where the format has none"),
    type_labels: str = Opt("", "--type-labels", help="Labels by entity type, such as Q43229=ORG,Q215627=PERSON"),
    n_sents: int = Opt(0, "--n-sents", "-n", min=0, help="Sentences to a document of tagged files"),
    eval_split: float | None = Opt(None, "--eval-split", help="Share of items for dev.spacy"),
    split: str | None = Opt(None, "--split", help="Shares of train, dev and test, such as 0.8,0.1,0.1"),
    stratify: str | None = Opt(None, "--stratify", help="'category': split every category or class by the same shares"),
    unseen_entities: float | None = Opt(
        None,
        "--unseen-entities",
        help="Share of items, or number of entities, to hold out for test_unseen.spacy",
    ),
    seed: int = Opt(0, "--seed", "-s", help="Seed of the split"),
    show: int = Opt(10, "--show", min=0, help="How many bad lines to list"),
) -> None:
    """Convert annotations (Prodigy's JSONL, links, tables, tagged tokens, spaCy 2's JSON, .spacy) to .spacy files.

    Ends with a table of what was read, converted and skipped. Exit status 1, and nothing written, where
    nothing could be converted.
    """
    from ..data.converters import ConvertOptions, Report, convert_path, write_docbins

    shares = parse_shares(split, eval_split)
    check_output(output_path, bool(shares) or unseen_entities is not None, stratify)
    options = ConvertOptions(
        format=format_,
        labels=None if labels is None else frozenset(filter(None, split_names(labels))),
        repair=repair,
        clean=clean,
        binary=binary,
        n_sents=n_sents,
        table=parse_table_options(text_column, columns, label_column, label_names, quotes),
        exclusive=exclusive,
        soft_labels=soft_labels,
        links=parse_link_options(entity_label, type_labels),
    )
    report = Report(max_problems=show)
    nlp = make_tokenizing_nlp(lang, plain_tokenizer)
    try:
        docs = convert_path(input_path, nlp, options, report)
        files: dict[Path, Iterable[Doc]] = {output_path: docs}
        sizes: dict[str, int] = {}
        if shares or unseen_entities is not None:
            parts = split_parts(list(docs), shares, unseen_entities, stratify, seed)
            files = {output_path / f"{name}.spacy": part for name, part in parts.items()}
            sizes = {name: len(part) for name, part in parts.items()}
        try:
            write_docbins(files)
        except OSError as error:
            raise _bad_output(f"a path that can be written ({error.strerror})", output_path) from error
    finally:
        print_report(report)
    for warning in report.warnings(str(input_path)):
        msg.warn(warning)
    for name, size in sizes.items():
        msg.text(f"{name}: {size:,} items")
    for stale in find_stale(output_path, sizes):
        msg.warn(Warnings.NW025.format(path=stale))
    msg.good(f"Wrote {', '.join(map(str, files))}")


def parse_shares(split: str | None, eval_split: float | None) -> dict[str, float]:
    """Names and shares of the parts; empty where no split was asked for.

    Raises N006 for what cannot be read as two or three numbers, or for both options at once.
    """
    if split is not None and eval_split is not None:
        raise _bad_setting("--eval-split", "left out beside --split", eval_split)
    if eval_split is not None:
        return dict(zip(PARTS[2], (1 - eval_split, eval_split)))
    if split is None:
        return {}
    try:
        numbers = [float(number) for number in split.split(",")]
        return dict(zip(PARTS[len(numbers)], numbers))
    except (ValueError, KeyError) as error:
        raise _bad_setting("--split", "two or three numbers, such as 0.8,0.1,0.1", split) from error


def parse_table_options(
    text_columns: list[str], columns: str | None, label_column: str | None, label_names: str | None, quotes: bool
) -> TableOptions | None:
    """Where the texts and labels of tables are; None where no option says so.

    Raises N006 for options that contradict one another, or that cannot be read.
    """
    from ..data.converters import TableOptions
    from ..data.texts import parse_columns

    numbers = parse_columns(columns, "convert")
    named = tuple(name for value in text_columns for name in split_names(value))
    names = split_names(label_names or "")
    if not (numbers or named or label_column is not None or label_names is not None or not quotes):
        return None
    if label_names is not None and ("" in names or not names or len(set(names)) < len(names)):
        raise _bad_setting("--label-names", "different names with commas between, such as World,Sports", label_names)
    if numbers and named:
        raise _bad_setting("--text-column", "left out beside --columns", ",".join(named))
    if numbers:
        options = TableOptions(numbers, parse_label_number(label_column), names, quotes)
    else:
        label = TableOptions.label_column if label_column is None else label_column
        options = TableOptions(named or TableOptions.text_columns, label, names, quotes)
    if options.label_column in options.text_columns:
        raise _bad_setting("--label-column", "another column than those of the text", label_column)
    return options


def parse_link_options(label: str, type_labels: str) -> LinkOptions:
    """What labels linked spans get; raises N006 for what is no list of TYPE=LABEL."""
    from ..data.converters import LinkOptions

    pairs = [tuple(part.strip() for part in item.split("=")) for item in split_names(type_labels)]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise _bad_setting("--type-labels", "TYPE=LABEL with commas between, such as Q43229=ORG", type_labels)
    return LinkOptions(label, tuple((type_, name) for type_, name in pairs))


def parse_label_number(value: str | None) -> int:
    """The number of the label's column in a table without header; raises N006 where it is none."""
    if value is None or not (value.isascii() and value.isdecimal()):
        raise _bad_setting("--label-column", "the number of a column, from 0, together with --columns", value)
    return int(value)


def split_names(value: str) -> tuple[str, ...]:
    """Names with commas between, without the blanks around them; none for an empty value."""
    return tuple(name.strip() for name in value.split(",")) if value else ()


def check_output(path: Path, is_split: bool, stratify: str | None) -> None:
    """Raise N006 where the output or the stratification does not fit the other options."""
    if stratify is not None and (stratify != "category" or not is_split):
        raise _bad_setting("--stratify", "'category', together with --split or --eval-split", stratify)
    if is_split and (path.is_file() or path.suffix == ".spacy"):
        raise _bad_output("a folder, for the files of the split", path)
    if not is_split and (path.is_dir() or path.suffix != ".spacy"):
        raise _bad_output("a file that ends in .spacy, or a folder together with --split", path)


def _bad_output(expected: str, path: Path) -> NlpkitError:
    return _bad_setting("OUTPUT", expected, str(path))


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="convert", expected=expected, value=value))


def make_tokenizing_nlp(lang: str, plain_tokenizer: bool = False) -> Language:
    """A blank pipeline of a language, with the rules for stock symbols unless they are not wanted.

    Raises N006 for a language that spaCy does not have.
    """
    import spacy

    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        raise _bad_setting("--lang", "a language of spaCy whose packages are installed", lang) from error
    if not plain_tokenizer:
        from ..pipeline.tokenizer import add_symbol_rules

        add_symbol_rules(nlp)
    return nlp


def split_parts(
    docs: list[Doc], shares: dict[str, float], unseen_entities: float | None, stratify: str | None, seed: int
) -> dict[str, list[Doc]]:
    """The parts by name: those of the shares (one, train, where there are none) and the held-out test."""
    from ..data.split import hold_out_entities, split_docs

    rest, unseen = docs, docs[:0]
    if unseen_entities is not None:
        rest, unseen, entities = hold_out_entities(docs, unseen_entities, seed)
        _report_held_out(unseen_entities, len(docs), len(unseen), len(entities))
    without = sum(get_category(doc) is None for doc in rest) if stratify else 0
    if without == len(rest):
        msg.info("No item has a category: the split is not stratified.")
    elif without:
        msg.warn(Warnings.NW023.format(count=without))
    parts = split_docs(rest, shares or {"train": 1.0}, seed, get_category if stratify else None)
    if unseen_entities is not None:
        parts[UNSEEN_PART] = unseen
    return parts


def get_category(doc: Doc) -> str | None:
    """The category of an annotated item, else the classes that at least half chose; None where there are none."""
    from ..data.converters.classes import chosen

    return doc._.category or " + ".join(chosen(doc.cats)) or None


def _report_held_out(amount: float, n_docs: int, n_unseen: int, n_entities: int) -> None:
    if not n_entities:
        msg.info(f"{UNSEEN_PART}: no item could be held out, as none has entity ids of its own ('kb_id').")
        return
    wanted, found, what = (
        (int(amount), n_entities, "entities") if amount >= 1 else (round(amount * n_docs), n_unseen, "items")
    )
    msg.info(f"{UNSEEN_PART}: {n_unseen:,} items, with {n_entities:,} entities that no other item names.")
    if found < wanted:
        msg.warn(Warnings.NW024.format(found=found, wanted=wanted, what=what))


def find_stale(folder: Path, parts: Iterable[str]) -> list[Path]:
    """Files of an earlier split in the folder that this split has not written."""
    names = set(parts)
    if not names:
        return []
    return [
        folder / f"{name}.spacy"
        for name in (*PARTS[3], UNSEEN_PART)
        if name not in names and (folder / f"{name}.spacy").exists()
    ]


def print_report(report: Report) -> None:
    """Print the first bad lines and the table of a run; nothing where nothing was read."""
    if not report.read:
        return
    print_problems(report)
    msg.table(report.rows(), header=("What", "Count"), aligns=("l", "r"), divider=True, max_col=80)


def print_problems(report: Report) -> None:
    """Print the first bad lines of a run, and how many more there were."""
    for problem in report.problems:
        msg.text(problem)
    if report.problem_count > len(report.problems):
        msg.text(f"... and {report.problem_count - len(report.problems):,} more")
