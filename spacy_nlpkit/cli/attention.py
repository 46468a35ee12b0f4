"""`python -m spacy nlpkit attention`: which pieces of a text each piece that a seq2seq wrote looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..errors import Errors, NlpkitError
from ._attention_page import piece_name, render, show_score
from ._html_page import open_page
from ._pipelines import load_pipeline
from ._texts import BATCH_SIZE, check_options, read_source, run_upstream, visible
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..ty import Attention, Written


@runtime_checkable
class Attends(Protocol):
    """What the command asks of a component."""

    def attend(self, docs: Sequence[Doc]) -> list[Written]:
        """Write for each document, and keep the attention."""
        ...


@command("attention")
def attention(
    model: str = Arg(..., metavar="MODEL", help="A trained pipeline, by folder or name"),
    texts: list[str] = Arg([], metavar="[TEXT]...", help="Texts to write for"),
    input_path: Path | None = Opt(None, "--input", "-i", help="File of texts: .txt, .jsonl or .csv, also as .gz"),
    component: str = Opt("seq2seq", "--component", help="The seq2seq to show"),
    html: Path | None = Opt(None, "--html", help="A page to write, with a map of the attention for every text"),
    limit: int | None = Opt(None, "--limit", "-n", min=1, help="How many texts of the file to show"),
    column: str = Opt("text", "--column", "--text-column", "-t", help="Column of a table, or key of a JSON object"),
    columns: str | None = Opt(
        None, "--columns", help="Numbers, from 0, of the columns of a table without header, such as 1,2"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to run on, -1 for the CPU"),
) -> None:
    """Show what a seq2seq writes for texts, and where in the text each piece of it looked.

    What runs is the pipeline up to the component. Exit status 1, and no page, where there is no attention to show.
    """
    from spacy.util import minibatch

    from ..data.texts import TextOptions, parse_columns

    check_options("attention", texts, input_path, html)
    options = TextOptions(column, parse_columns(columns, "attention"))
    nlp, pipe = load_attending(model, gpu_id, component)
    source = read_source(texts, input_path, options, limit)
    found: list[Written] = []
    with ExitStack() as stack:
        # Before the work: a page that cannot be written is known at once.
        page = stack.enter_context(open_page(html, "attention")) if html is not None else None
        for docs in minibatch(run_upstream(nlp, model, component, source), BATCH_SIZE):
            for written in pipe.attend(docs):
                found.append(written)
                print_written(len(found), written)
        if all(written["attention"] is None for written in found):
            raise NlpkitError(Errors.N252.format(name=component, model=model, count=len(found)))
        if page is not None:
            page.write(render(found, f"Attention of {model}"))
    if html is not None:
        msg.good(f"Wrote {html}")


def load_attending(model: str, gpu_id: int, name: str) -> tuple[Language, Attends]:
    """The pipeline, and its component of this name.

    RAISES: N251 where that cannot show its attention; N090 and N097 as `load_pipeline`.
    """
    nlp = load_pipeline(model, gpu_id)
    pipe = nlp.get_pipe(name) if name in nlp.pipe_names else None
    if not isinstance(pipe, Attends):
        raise NlpkitError(Errors.N251.format(model=model, name=name, pipes=", ".join(nlp.pipe_names) or "none"))
    return nlp, pipe


def print_written(number: int, written: Written) -> None:
    """Print what was written for a text, and where each piece of it looked most."""
    msg.divider(f"Text {number}, score {show_score(written['score'])}")
    print(visible(written["text"]))
    if written["attention"] is not None:
        header = ("Piece", "Looked most at", "Weight")
        msg.table(strongest(written["attention"]), header=header, aligns=("l", "l", "r"), divider=True, max_col=60)


def strongest(found: Attention) -> list[tuple[str, str, str]]:
    """For each piece of the target the piece of the source that it looked at most, and the weight of that."""
    rows = []
    for piece, weights in zip(found["target"], found["weights"], strict=True):
        best = max(range(len(weights)), key=weights.__getitem__)
        rows.append((piece_name(piece), piece_name(found["source"][best]), f"{weights[best]:.4f}"))
    return rows
