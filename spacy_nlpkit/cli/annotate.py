"""`python -m spacy nlpkit annotate`: trained pipelines label texts, as training material for the next pipeline."""

from __future__ import annotations

import random
from pathlib import Path

from ..errors import Errors, NlpkitError, Warnings
from ._pipelines import load_pipeline
from ._util import Arg, Opt, command, msg
from .convert import print_report


@command("annotate")
def annotate(
    models: list[Path] = Arg(..., metavar="MODEL...", help="One or more trained pipelines, by folder or name"),
    input_path: Path = Arg(..., metavar="INPUT", help="File of texts: .txt, .jsonl or .csv, also as .gz"),
    output_path: Path = Arg(..., metavar="OUTPUT", help="A .spacy file"),
    component: str = Opt("ticker_ner", "--component", help="The component whose entities are wanted"),
    min_confidence: float = Opt(0.5, "--min-confidence", min=0, max=1, help="Least mean confidence of an entity"),
    missing_above: float = Opt(
        0.15, "--missing-above", min=0, max=1, help="Mean confidence from which other spans are left open"
    ),
    limit: int | None = Opt(None, "--limit", "-n", min=1, help="How many texts, drawn at random, to label"),
    seed: int = Opt(0, "--seed", "-s", help="Seed of the draw"),
    clean: bool = Opt(False, "--clean", help="Clean the texts of left-over markup"),
    column: str = Opt("text", "--column", "--text-column", "-t", help="Column of a table, or key of a JSON object"),
    columns: str | None = Opt(
        None, "--columns", help="Numbers, from 0, of the columns of a table without header, such as 1,2"
    ),
    exclude: list[Path] = Opt([], "--exclude", help="File (.spacy, .jsonl, .txt) of texts to leave out; repeatable"),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to run on, -1 for the CPU"),
    show: int = Opt(10, "--show", min=0, help="How many bad lines to list"),
) -> None:
    """Label unlabelled texts with trained pipelines: entities they are sure of, and tokens left open where they waver.

    Ends with a table of what was read, skipped and labelled. Exit status 1, nothing written, where there is no text.
    """
    from tqdm import tqdm

    from ..data.annotate import Teacher, annotate_texts
    from ..data.converters import Report, write_docbins
    from ..data.texts import TextOptions, parse_columns, read_excluded, read_texts

    check_options(output_path, min_confidence, missing_above)
    numbers = parse_columns(columns, "annotate")
    teachers = [Teacher(str(model), load_pipeline(model, gpu_id), component) for model in models]
    options = TextOptions(column, numbers, clean, read_excluded(exclude, teachers[0].nlp))
    report = Report(max_problems=show)
    try:
        texts = list(read_texts([input_path], options, report))
        if limit is not None and limit < len(texts):
            texts = random.Random(seed).sample(texts, limit)
        docs = annotate_texts(teachers, texts, min_confidence, missing_above, report)
        # The bar shows itself on a terminal alone.
        write_docbins({output_path: tqdm(docs, total=len(texts), unit="text", disable=None, leave=False)})
    except OSError as error:
        raise _bad_setting("OUTPUT", f"a path that can be written ({error.strerror})", str(output_path)) from error
    finally:
        print_report(report)
    if not report.labels:
        msg.warn(Warnings.NW014.format(path=output_path, min_confidence=min_confidence))
    msg.good(f"Wrote {output_path}")


def check_options(output_path: Path, min_confidence: float, missing_above: float) -> None:
    """Raise N006 where the output is no .spacy file, or the confidences are in the wrong order."""
    if output_path.is_dir() or output_path.suffix != ".spacy":
        raise _bad_setting("OUTPUT", "a file that ends in .spacy", str(output_path))
    if missing_above > min_confidence:
        raise _bad_setting("--missing-above", f"at most --min-confidence ({min_confidence})", missing_above)


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting=setting, name="annotate", expected=expected, value=value))
