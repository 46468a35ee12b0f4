"""`python -m spacy nlpkit train-vectors`: word vectors of one's own texts."""

from __future__ import annotations

import sys
import time
from enum import Enum
from itertools import islice
from pathlib import Path

from ..errors import Errors, NlpkitError
from ._util import Arg, Opt, command, msg
from .convert import make_tokenizing_nlp, print_report


class Attr(str, Enum):
    """The token attribute that is the word."""

    ORTH = "ORTH"
    LOWER = "LOWER"


@command("train-vectors")
def train_vectors(
    inputs: list[Path] = Arg(..., metavar="INPUT...", help="Files of texts: .txt, .jsonl or .csv, also as .gz"),
    output: Path = Arg(..., metavar="OUTPUT", help="Folder for the vectors, for [initialize] vectors"),
    lang: str = Opt("en", "--lang", "-l", help="Language whose tokenizer splits the texts"),
    plain_tokenizer: bool = Opt(False, "--plain-tokenizer", help="Leave out the rules for stock symbols"),
    dim: int = Opt(100, "--dim", "-d", min=1, help="Dimensions of the vectors"),
    window: int = Opt(
        4, "--window", "-w", min=0, help="Words on each side that count as context; 0 for all of the text (topics)"
    ),
    attr: Attr = Opt(Attr.ORTH, "--attr", help="The word: as written (ORTH), or in lower case (LOWER)"),
    unit_length: bool = Opt(
        True, "--unit-length/--keep-length", help="Scale to length 1, or keep words that say more longer: for means"
    ),
    min_count: int = Opt(3, "--min-count", min=1, help="Occurrences that a word needs for a vector"),
    limit: int | None = Opt(None, "--limit", "-n", min=1, help="How many texts to read at most"),
    clean: bool = Opt(False, "--clean", help="Clean the texts of left-over markup"),
    column: str = Opt("text", "--column", "--text-column", "-t", help="Column of a table, or key of a JSON object"),
    columns: str | None = Opt(
        None, "--columns", help="Numbers, from 0, of the columns of a table without header, such as 1,2"
    ),
    exclude: list[Path] = Opt([], "--exclude", help="File (.spacy, .jsonl, .txt) of texts to leave out; repeatable"),
    show: int = Opt(10, "--show", min=0, help="How many bad lines to list"),
) -> None:
    """Train word vectors on unlabelled texts, for `[initialize] vectors` of a training config.

    Ends with a table of what was read and skipped. Exit status 1, and nothing written, where there is too little text.
    """
    from ..data.converters.report import Report
    from ..data.texts import TextOptions, parse_columns, read_excluded, read_texts
    from ..training import vectors

    start = time.perf_counter()
    if not vectors.can_replace(output):
        raise NlpkitError(Errors.N015.format(path=output))
    nlp = make_tokenizing_nlp(lang, plain_tokenizer)
    options = TextOptions(column, parse_columns(columns, "train-vectors"), clean, read_excluded(exclude, nlp))
    report = Report(max_problems=show)
    try:
        texts = islice(read_texts(inputs, options, report), limit)
        words = vectors.number_words(nlp, texts, min_count, max(window, 1), attr.value)
    finally:
        print_report(report)
    size = len(words.vocabulary)
    print(f"Factorising {size:,} words by {2 * size if window else size:,} contexts", file=sys.stderr, flush=True)
    rows = vectors.train_vectors(words, dim, window, unit_length)
    try:
        blank = make_tokenizing_nlp(lang, plain_tokenizer)
        vectors.save_vectors(blank, words.vocabulary, rows, output)
    except OSError as error:
        expected = f"a path that can be written ({error.strerror})"
        raise NlpkitError(
            Errors.N006.format(setting="OUTPUT", name="train-vectors", expected=expected, value=str(output))
        ) from error
    seconds = time.perf_counter() - start
    msg.text(f"{words.total:,} words of text, vectors of {dim} dimensions for {size:,} words, {seconds:.1f} seconds")
    msg.good(f"Wrote {output}")
