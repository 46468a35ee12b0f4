"""`python -m spacy nlpkit distant-links`: links of companies from texts that name them beside their symbol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Errors, NlpkitError
from ._util import Arg, Opt, command, msg
from .convert import print_report

if TYPE_CHECKING:
    from ..data.texts import TextRecord


@command("distant-links")
def distant_links(
    kb_path: Path = Arg(..., metavar="KB", help="Graph: folder of build-kb, or a file that build-kb reads"),
    input_path: Path = Arg(..., metavar="INPUT", help="File of texts: .txt, .jsonl or .csv, also as .gz"),
    output_path: Path = Arg(..., metavar="OUTPUT", help="A .jsonl file of Prodigy tasks"),
    mask: float = Opt(0.7, "--mask", min=0, max=1, help="Share of pairs whose bracket is removed from the text"),
    agreement: str = Opt("prefix", "--agreement", help="How name and graph must agree: exact, prefix or overlap"),
    date: str | None = Opt(None, "--date", help="Date of texts without one (YYYY, YYYY-MM or YYYY-MM-DD)"),
    name_label: str = Opt("ORG", "--name-label", help="Label of the names"),
    symbol_label: str = Opt("TICKER", "--symbol-label", help="Label of the symbols"),
    clean: bool = Opt(False, "--clean", help="Clean the texts of left-over markup"),
    column: str = Opt("text", "--column", "--text-column", "-t", help="Column of a table, or key of a JSON object"),
    columns: str | None = Opt(
        None, "--columns", help="Numbers, from 0, of the columns of a table without header, such as 1,2"
    ),
    exclude: list[Path] = Opt([], "--exclude", help="File (.spacy, .jsonl, .txt) of texts to leave out; repeatable"),
    seed: int = Opt(0, "--seed", "-s", help="Seed of the draw which brackets are removed"),
    show: int = Opt(10, "--show", min=0, help="How many bad lines to list"),
) -> None:
    """Make training data for links from raw texts: where a name stands before a symbol in brackets, `Name (TICKER)`,
    the graph tells whose symbol it was at the date of the text, and the names must agree.

    Ends with tables of what was read and what became of the pairs. Exit status 1, nothing written, where none was kept.
    """
    import srsly
    from tqdm import tqdm

    from ..data.converters import Report
    from ..data.texts import TextOptions, parse_columns, read_excluded, read_records
    from ..kg.distant import KEPT, DistantOptions, find_links
    from ..kg.stores import open_graph
    from ..util import atomic_write
    from .convert import make_tokenizing_nlp

    options = DistantOptions(mask, agreement, name_label, symbol_label, seed)
    check_options(output_path, [kb_path, input_path, *(exclude or ())], options.agreement, date)
    numbers = parse_columns(columns, "distant-links")
    excluded = read_excluded(exclude, make_tokenizing_nlp("en", plain_tokenizer=True))
    text_options = TextOptions(column, numbers, clean, excluded)
    graph = open_graph(kb_path)
    report = Report(max_problems=show)
    counts: Counter[str] = Counter()
    texts = with_dates(read_records([input_path], text_options, report), date)
    try:
        with atomic_write(output_path) as file_:
            # The bar shows itself on a terminal alone.
            shown = tqdm(texts, desc="Linking", unit="text", disable=None, leave=False)
            for task in find_links(graph, shown, options, counts):
                counts["texts written"] += 1
                file_.write(srsly.json_dumps(task) + "\n")
            if not counts[KEPT]:
                raise NlpkitError(Errors.N202.format(path=input_path, texts=report.converted, counts=listed(counts)))
    except OSError as error:
        expected = f"a path that can be written ({error.strerror})"
        raise _bad_setting("OUTPUT", expected, str(output_path)) from error
    finally:
        print_report(report)
    rows = [(what, f"{count:,}") for what, count in counts.most_common()]
    msg.table(rows, header=("Names with symbols", "Count"), aligns=("l", "r"), divider=True, max_col=80)
    msg.good(f"Wrote {output_path}")


def with_dates(records: Iterator[TextRecord], date: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Texts with their `meta`, and the date for those without one."""
    for text, meta in records:
        yield text, meta if meta.get("date") or date is None else {**meta, "date": date}


def check_options(output_path: Path, inputs: Sequence[Path], agreement: str, date: str | None) -> None:
    """Raise N006 for settings that cannot be."""
    from ..kg.distant import AGREEMENTS
    from ..kg.graph import day_of

    if output_path.is_dir() or output_path.suffix != ".jsonl":
        raise _bad_setting("OUTPUT", "a file that ends in .jsonl", str(output_path))
    if output_path.resolve() in [path.resolve() for path in inputs]:
        raise _bad_setting("OUTPUT", "another file than those that are read", str(output_path))
    if agreement not in AGREEMENTS:
        raise _bad_setting("--agreement", ", ".join(AGREEMENTS), agreement)
    try:
        day_of(date)
    except ValueError as error:
        raise _bad_setting("--date", f"YYYY, YYYY-MM or YYYY-MM-DD ({error})", date) from error


def listed(counts: Counter[str]) -> str:
    """Counts in one line."""
    return ", ".join(f"{what}: {count:,}" for what, count in counts.most_common()) or "no symbol in brackets"


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="distant-links", expected=expected, value=value))
