"""`python -m spacy nlpkit train-tokenizer`: subword pieces of one's own texts."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ..errors import Errors, NlpkitError
from ._util import Arg, Opt, command, msg

# How many texts are kept to count their pieces afterwards.
KEPT = 100_000
# How many characters without a piece the report names.
NAMED = 20
# Endings of files with a text a line.
LINES = re.compile(r"\.(txt|[a-z]{2})")


class Kind(str, Enum):
    """How pieces are learned."""

    BPE = "bpe"
    UNIGRAM = "unigram"
    WORDPIECE = "wordpiece"


class Normalization(str, Enum):
    """Unicode normalisation of the texts."""

    NFC = "nfc"
    NFKC = "nfkc"
    NONE = "none"


@dataclass
class Counts:
    """What went by: texts that are not blank, their characters, and the first of them."""

    texts: int = 0
    characters: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)

    def count(self, texts: Iterator[str]) -> Iterator[str]:
        """The texts, counted as they go by."""
        for text in texts:
            if text.strip():
                self.texts += 1
                self.characters.update(text)
                if len(self.kept) < KEPT:
                    self.kept.append(text)
                yield text


@command("train-tokenizer")
def train_tokenizer(
    output: Path = Arg(..., metavar="OUTPUT", help="File for the pieces (.json)"),
    inputs: list[Path] = Arg(
        ...,
        metavar="INPUT...",
        help="Files of texts: a text a line (.txt, or a language: .de), .tsv, .jsonl, all also as .gz, or .spacy",
    ),
    kind: Kind = Opt(Kind.BPE, "--kind", "-k", help="How pieces are learned"),
    size: int = Opt(8000, "--size", "-s", min=1, help="How many pieces at most"),
    lower: bool = Opt(False, "--lower", help="Write all texts in lower case"),
    normalization: Normalization = Opt(Normalization.NFC, "--normalization", help="Unicode normalisation of texts"),
    min_frequency: int = Opt(2, "--min-frequency", min=1, help="How often a pair stands to become one (not unigram)"),
    fields: str = Opt(
        "text,target", "--field", "-f", help="What holds texts: keys of .jsonl, columns of .tsv, doc._ of .spacy"
    ),
) -> None:
    """Learn subword pieces from the texts of files, for a component of sequence to sequence.

    Ends with a table of what was learned. Exit status 1, and nothing written, where a line cannot be read. With the
    environment variable TOKENIZERS_PARALLELISM=true the work runs on all cores.
    """
    from ..subwords import Subwords

    start = time.perf_counter()
    # After hours of learning it would be too late to say so.
    if output.is_dir():
        raise _bad_setting("OUTPUT", "a file, not a folder", str(output))
    if any(path.exists() and output.exists() and path.samefile(output) for path in inputs):
        raise _bad_setting("OUTPUT", "another file than the INPUT", str(output))
    names = tuple(name.strip() for name in fields.split(","))
    if not all(names):
        raise _bad_setting("--field", "names with commas between, such as text,target", fields)
    counts = Counts()
    subwords = Subwords.train(
        counts.count(read_inputs(inputs, names)),
        kind=kind.value,
        size=size,
        lower=lower,
        normalization=normalization.value,
        min_frequency=min_frequency,
        show_progress=sys.stderr.isatty(),
    )
    try:
        subwords.to_disk(output)
    except OSError as error:
        raise _bad_setting("OUTPUT", f"a path that can be written ({error.strerror})", str(output)) from error
    missing = subwords.without_piece(character for character, _ in counts.characters.most_common())
    words = sum(len(text.split()) for text in counts.kept)
    pieces = sum(map(len, subwords.encode(counts.kept)))
    of_kept = f", first {KEPT:,} texts" if counts.texts > KEPT else ""
    rows = [
        ("Texts", f"{counts.texts:,}"),
        ("Pieces", f"{len(subwords):,}"),
        (f"Pieces per word{of_kept}", f"{pieces / words:.3f}"),
        ("Characters", f"{len(counts.characters):,}"),
        ("Characters without a piece, written in bytes", f"{len(missing):,}"),
    ]
    msg.table(rows, aligns=("l", "r"))
    if missing:
        named = " ".join(ascii(character)[1:-1] if character.isspace() else character for character in missing[:NAMED])
        msg.text(f"Without a piece: {named}{' ...' if len(missing) > NAMED else ''}")
    if len(subwords) < size:
        msg.warn(f"The texts gave {len(subwords):,} pieces, not {size:,}: there was no more to learn.")
    msg.text(f"{time.perf_counter() - start:.1f} seconds")
    msg.good(f"Wrote {output}")


def read_inputs(paths: list[Path], fields: tuple[str, ...]) -> Iterator[str]:
    """The texts of files one after the other; a text a line of a .txt, or of a file with a language for its ending, as
    those of parallel corpora have (`train.de`).

    RAISES: What `data.pair_files` raises, N020 before anything is read where a file is missing or of another kind.
    """
    import spacy

    from ..data.pair_files import PAIR_SUFFIXES, checked_text, read_texts_of
    from ..files import read_lines, unpacked_suffix

    suffixes = f".txt, a language such as .de, {', '.join(PAIR_SUFFIXES)}"
    for path in paths:
        suffix = unpacked_suffix(path)
        if not path.is_file() or not (suffix in PAIR_SUFFIXES or LINES.fullmatch(suffix)):
            problem = f"the name ends in none of {suffixes}" if path.is_file() else "no such file"
            raise NlpkitError(Errors.N020.format(path=path, problem=problem, formats=f"texts ({suffixes})"))
    nlp = spacy.blank("xx")
    for path in paths:
        if LINES.fullmatch(unpacked_suffix(path)):
            yield from map(checked_text, read_lines(path))
        else:
            for found in read_texts_of(path, fields, nlp):
                yield from found.texts


def _bad_setting(setting: str, expected: str, value: str) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="train-tokenizer", expected=expected, value=value))
