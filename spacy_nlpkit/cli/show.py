"""`python -m spacy nlpkit show`: the scores of a pipeline as a table, and texts as it annotates them."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from wasabi import color
from wasabi.util import supports_ansi

from ..errors import Errors, NlpkitError
from ..metrics import read_metrics
from ._pipelines import load_pipeline, print_scores
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

# So many classes of a text are shown, the most probable first.
N_CLASSES = 3
# Foreground colours of the terminal, given to the labels in alphabetical order.
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


@command("show")
def show(
    model: str = Arg(..., help="Folder or package name of the pipeline"),
    metrics: Path | None = Opt(None, "--metrics", "-m", help="Metrics file written by `evaluate`"),
    corpus: Path | None = Opt(None, "--corpus", "-c", help="The .spacy file whose texts are annotated"),
    n_texts: int = Opt(3, "--n-texts", "-n", min=1, help="How many texts to annotate"),
) -> None:
    """Print the scores in a metrics file as a table, and texts of a corpus as the pipeline annotates them.

    Raises N090 without a pipeline, N096 for a file that holds no metrics, and N029, N032 or N104 for a
    corpus without texts.
    """
    if metrics is not None:
        show_metrics(metrics)
    if corpus is not None:
        nlp = load_pipeline(model)
        docs = read_docs(nlp, corpus, n_texts)
        msg.divider("As the pipeline annotates it")
        for doc in nlp.pipe(docs):
            print("\n".join([render(doc), *render_classes(doc)]) + "\n")


def show_metrics(path: Path) -> None:
    """Print each result of a metrics file: a table of its scores, and one of precision, recall and F."""
    for name, result in read_metrics(path)["results"].items():
        print_scores(name, result["ours"])


def read_docs(nlp: Language, corpus: Path, n_texts: int) -> list[Doc]:
    """The first texts of a .spacy file with their dates, without annotation; raise N104 if it has none, N029 or N032 if
    it is no such file."""
    from ..attributes import register_item_attributes
    from ..data.converters.spacy_files import read_docbin
    from ..data.readers import make_example

    register_item_attributes()
    docs = [make_example(nlp, doc).predicted for doc in islice(read_docbin(corpus, nlp), n_texts)]
    if not docs:
        raise NlpkitError(Errors.N104.format(path=corpus))
    return docs


def render(doc: Doc) -> str:
    """The text with each entity as [text LABEL confidence -> id score], in colour where the terminal shows colours.

    The confidence stands where a component of the pipeline set `span._.confidence`, what follows where one linked it.
    """
    labels = sorted({ent.label_ for ent in doc.ents})
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    in_colour = sys.stdout.isatty() and supports_ansi()
    parts, end = [], 0
    for ent in doc.ents:
        parts.append(doc.text[end : ent.start_char])
        parts.append(color(_mark(ent), fg=colours[ent.label_]) if in_colour else _mark(ent))
        end = ent.end_char
    return "".join([*parts, doc.text[end:]])


def render_classes(doc: Doc) -> list[str]:
    """One line with the most probable classes of the text, none where no component gave it any."""
    probable = sorted(doc.cats.items(), key=lambda item: -item[1])[:N_CLASSES]
    return ["  ".join(["=>", *(f"{label} {value:.2f}" for label, value in probable)])] if probable else []


def _mark(ent: Span) -> str:
    parts = [ent.text, ent.label_, _figure(ent, "confidence")]
    if ent.kb_id_:
        parts += ["->", ent.kb_id_, _figure(ent, "kb_score")]
    return f"[{' '.join(part for part in parts if part)}]"


def _figure(ent: Span, attribute: str) -> str:
    value = ent._.get(attribute) if ent.has_extension(attribute) else None
    return "" if value is None else f"{value:.2f}"
