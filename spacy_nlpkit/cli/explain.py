"""`python -m spacy nlpkit explain`: which tokens carried the decision of a text_classifier."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Errors, NlpkitError
from ._explain_page import open_explanations
from ._explain_text import ExplainedText, print_explained
from ._pipelines import load_pipeline
from ._texts import check_options, read_source, run_upstream
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language

    from ..pipeline.text_classifier import TextClassifier


@command("explain")
def explain(
    model: str = Arg(..., metavar="MODEL", help="A trained pipeline, by folder or name"),
    texts: list[str] = Arg([], metavar="[TEXT]...", help="Texts to explain"),
    input_path: Path | None = Opt(None, "--input", "-i", help="File of texts: .txt, .jsonl or .csv, also as .gz"),
    label: str | None = Opt(
        None, "--label", "-l", help="The label to explain; without, the most probable of each text"
    ),
    component: str = Opt("text_classifier", "--component", help="The text_classifier to explain"),
    top: int = Opt(5, "--top", min=1, help="How many of the strongest tokens to list for the label, and against it"),
    html: Path | None = Opt(None, "--html", help="A page to write, with every text and its tokens shaded"),
    limit: int | None = Opt(None, "--limit", "-n", min=1, help="How many texts of the file to explain"),
    column: str = Opt("text", "--column", "--text-column", "-t", help="Column of a table, or key of a JSON object"),
    columns: str | None = Opt(
        None, "--columns", help="Numbers, from 0, of the columns of a table without header, such as 1,2"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to run on, -1 for the CPU"),
) -> None:
    """Show what the tokens of texts contribute to the score of a label: for it, and against it.

    What runs is the pipeline up to the component. Exit status 1, and no page, where there is nothing to explain.
    """
    from ..data.texts import TextOptions, parse_columns

    check_options("explain", texts, input_path, html)
    options = TextOptions(column, parse_columns(columns, "explain"))
    nlp, pipe = load_classifier(model, gpu_id, component)
    source = read_source(texts, input_path, options, limit)
    with ExitStack() as stack:
        page = stack.enter_context(open_explanations(html, model)) if html is not None else None
        for number, doc in enumerate(run_upstream(nlp, model, component, source), 1):
            explained = ExplainedText.of(doc, pipe.explain([doc], label)[0])
            print_explained(number, explained, top)
            if page is not None:
                page.add(number, explained, top)
    if html is not None:
        msg.good(f"Wrote {html}")


def load_classifier(model: str, gpu_id: int, name: str) -> tuple[Language, TextClassifier]:
    """The pipeline, and its component of this name.

    RAISES: N142 where that is no text_classifier; N090 and N097 as `load_pipeline`.
    """
    from ..pipeline.text_classifier import TextClassifier

    nlp = load_pipeline(model, gpu_id)
    pipe: Any = nlp.get_pipe(name) if name in nlp.pipe_names else None
    if not isinstance(pipe, TextClassifier):
        raise NlpkitError(Errors.N142.format(model=model, name=name, pipes=", ".join(nlp.pipe_names) or "none"))
    return nlp, pipe
