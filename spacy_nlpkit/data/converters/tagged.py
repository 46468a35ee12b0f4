"""Files of tokens and tags: a token a line, its tag in the last column, a blank line after a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span

from ...errors import Errors
from ...files import read_lines
from .report import ConvertOptions, Report

DOCSTART = "-DOCSTART-"
PREFIXES = "BILUSEM"
MISSING = "-"


@dataclass
class Sentence:
    """Tokens and tags of a sentence, the message of its first bad line, and whether -DOCSTART- opens it."""

    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    problem: str | None = None
    opens: bool = False


def convert_tagged(paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """Documents of the tokens in the files, with entities and sentence starts.

    Tags are BIO (IOB1 or IOB2), BILUO or BIOES; `-` is a missing tag. The spaces between tokens are not known
    (`doc.has_unknown_spaces`), so that spaCy trains on these tokens. A sentence with a bad line is skipped.
    """
    for path in paths:
        for sentences in _group(read_sentences(path, report), options.n_sents):
            report.merged += len(sentences) - 1
            yield build_doc(sentences, nlp, options, report)


def read_sentences(path: Path, report: Report) -> Iterator[Sentence]:
    """The well-formed sentences of a file. Columns are parted by tabs or, in lines without, by blanks."""
    sentence = Sentence()
    for line in read_lines(path):
        if line.problem:
            sentence.problem = sentence.problem or line.problem
            continue
        if line.text.strip() and not line.text.startswith(DOCSTART):
            _add_line(sentence, line.text, line.where)
            continue
        starts_doc = line.text.startswith(DOCSTART)
        if sentence.words or sentence.problem:
            yield from _check(sentence, report)
            sentence = Sentence()
        sentence.opens = sentence.opens or starts_doc
    if sentence.words or sentence.problem:
        yield from _check(sentence, report)


def _add_line(sentence: Sentence, text: str, where: str) -> None:
    columns = text.split("\t") if "\t" in text else text.split()
    word, tag = columns[0].strip(), columns[-1].strip()
    problem = None
    if len(columns) < 2:
        problem = "a token without a tag"
    elif not word:
        problem = "a tag without a token"
    elif tag not in ("O", MISSING) and not (len(tag) > 2 and tag[0] in PREFIXES and tag[1] == "-"):
        problem = f"unknown tag {tag!r}"
    if problem is not None and sentence.problem is None:
        sentence.problem = Errors.N031.format(where=where, problem=problem)
    sentence.words.append(word)
    sentence.tags.append(tag)


def _check(sentence: Sentence, report: Report) -> Iterator[Sentence]:
    report.read += 1
    if sentence.problem is None:
        yield sentence
    else:
        report.skip("bad line", sentence.problem)


def _group(sentences: Iterator[Sentence], n_sents: int) -> Iterator[list[Sentence]]:
    """Sentences to documents: never over a -DOCSTART-, at most n_sents where that is not 0."""
    group: list[Sentence] = []
    marked = False
    for sentence in sentences:
        marked = marked or sentence.opens
        limit = n_sents or (0 if marked else 1)
        if group and (sentence.opens or (limit and len(group) >= limit)):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def build_doc(sentences: Sequence[Sentence], nlp: Language, options: ConvertOptions, report: Report) -> Doc:
    """One document of some sentences."""
    words = [word for sentence in sentences for word in sentence.words]
    starts = [i == 0 for sentence in sentences for i in range(len(sentence.words))]
    doc = Doc(nlp.vocab, words=words, sent_starts=starts)  # type: ignore[arg-type]
    ents: list[Span] = []
    missing: list[Span] = []
    offset = 0
    for sentence in sentences:
        for start, end, label in decode_tags(sentence.tags):
            group = ents if label else missing
            group.append(Span(doc, offset + start, offset + end, label=label))
        offset += len(sentence.tags)
    report.spans_read += len(ents)
    kept = [ent for ent in ents if options.labels is None or ent.label_ in options.labels]
    report.spans_skipped["label not asked for"] += len(ents) - len(kept)
    doc.set_ents(kept, missing=missing)
    return doc


def decode_tags(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Runs of tags as (start, end exclusive, label), label "" for a missing tag.

    An entity opens at B, U and S, and at any other tag that does not go on with the label before; it closes
    after L, E, U and S. So one rule reads IOB1, IOB2, BILUO and BIOES.
    """
    spans: list[tuple[int, int, str]] = []
    goes_on = False
    for i, tag in enumerate(tags):
        prefix, label = (tag[0], tag[2:]) if tag not in ("O", MISSING) else (tag, "")
        if tag == "O":
            goes_on = False
        elif tag == MISSING:
            spans.append((i, i + 1, ""))
            goes_on = False
        else:
            if goes_on and prefix not in "BUS" and spans[-1][2] == label:
                spans[-1] = (spans[-1][0], i + 1, label)
            else:
                spans.append((i, i + 1, label))
            goes_on = prefix not in "LEUS"
    return spans
