"""`python -m spacy nlpkit evaluate`: score a pipeline on a corpus that its own config describes."""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import Errors, NlpkitError
from ..metrics import peak_rss_mb, read_metrics, write_metrics
from ..util import to_float
from ._pipelines import load_pipeline, one_line, print_scores
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.training import Example

    Reader = Callable[[Language], Iterable[Example]]


@command("evaluate", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def evaluate_cli(
    ctx: typer.Context,
    model: str = Arg(..., help="Folder or package name of the pipeline"),
    corpus: str = Opt("corpora.test", "--corpus", "-c", help="Corpus of the config, or a .spacy file"),
    output: Path | None = Opt(None, "--output", "-o", help="Metrics file to write"),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
    ignore: str = Opt("", "--ignore", help="Components, by comma, whose scores may all be null"),
) -> None:
    """Score a pipeline with the reader that its own config names, so that entities, dates and whatever else
    the reader gives reach the components, which `spacy evaluate` does not do.

    Settings of the config are changed by their dotted names: --paths.test corpus/test.spacy. Ends with
    status 1 where the corpus is empty, or where every score of a component is null.
    """
    from spacy.cli._util import parse_config_overrides

    overrides = parse_config_overrides(ctx.args)
    ignored = {name.strip() for name in ignore.split(",") if name.strip()}
    scores = evaluate(model, corpus, gpu_id=gpu_id, overrides=overrides, ignore=ignored, output=output)
    print_scores(f"{model} on {corpus}", scores)
    if output is not None:
        msg.good(f"Saved the scores to {output}")


def evaluate(
    model: str,
    corpus: str = "corpora.test",
    *,
    gpu_id: int = -1,
    overrides: dict[str, Any] | None = None,
    ignore: Collection[str] = (),
    output: str | Path | None = None,
) -> dict[str, Any]:
    """Score a pipeline on a corpus and write the metrics file.

    model (str): A folder, or the name of an installed package.
    corpus (str): Dotted name of a corpus in the pipeline's config, or the path of an existing .spacy file.
    gpu_id (int): -1 for the CPU.
    overrides (dict): Settings of the config, by dotted name.
    ignore: Components whose scores may all be null.
    output (str | Path): Metrics file to write or to add to: the result is called after the file and the
        corpus, such as `news.test` for metrics/news.json and corpora.test.
    RETURNS (dict): The scores as Python floats, None where there is nothing to score, with
        `words_per_second` and `peak_rss_mb`.
    RAISES: N090, N097 for the pipeline, N091, N093, N094 for the corpus, N095 for null scores, N096 for the
        file.
    """
    if output is not None and Path(output).exists():
        read_metrics(output)  # a file that cannot be added to is known before the work, not after it
    nlp = load_pipeline(model, gpu_id, overrides)
    examples = read_examples(nlp, corpus, model)
    by_component = nlp.evaluate(examples, per_component=True)
    speed = by_component.pop("speed")
    for name, scores in by_component.items():
        if name not in ignore and scores and all(leaf is None for leaf in _leaves(scores)):
            raise NlpkitError(Errors.N095.format(name=name, corpus=corpus))
    scores = {key: _plain(value) for part in by_component.values() for key, value in part.items()}
    scores.update(words_per_second=_plain(speed), peak_rss_mb=peak_rss_mb())
    if output is not None:
        bench_id = f"{Path(output).stem}.{_corpus_name(corpus)}"
        seed = nlp.config.interpolate()["training"].get("seed")
        results = {bench_id: {"ours": scores, "seeds": [] if seed is None else [seed]}}
        write_metrics(output, results, _command_line(model, corpus, output, overrides))
    return scores


def read_examples(nlp: Language, corpus: str, model: str) -> list[Example]:
    """Read all examples of a corpus: its dotted name in the config, or the path of an existing file.

    RAISES: N091 where there is neither, N093 where it cannot be read, N094 where it is empty.
    """
    from spacy.util import registry

    try:
        if Path(corpus).exists():
            reader: Reader = registry.readers.get("spacy_nlpkit.Corpus.v1")(corpus)
        else:
            reader = _configured_reader(nlp, corpus, model)
        examples = list(reader(nlp))
    except NlpkitError:
        raise
    except (OSError, ValueError, zlib.error) as error:
        raise NlpkitError(Errors.N093.format(corpus=corpus, model=model, problem=one_line(error))) from error
    if not examples:
        raise NlpkitError(Errors.N094.format(corpus=corpus, what="examples"))
    return examples


def _configured_reader(nlp: Language, corpus: str, model: str) -> Reader:
    """Resolve one block of the config alone: the others may lack what they need, such as a path."""
    from spacy.util import registry

    node: Any = nlp.config.interpolate()
    for key in corpus.split("."):
        if isinstance(node, dict) and any(name.startswith("@") for name in node):
            node = registry.resolve({"corpora": node})["corpora"]
        if not isinstance(node, dict) or key not in node:
            available = ", ".join(f"corpora.{name}" for name in nlp.config.get("corpora", {})) or "none"
            raise NlpkitError(Errors.N091.format(model=model, corpus=corpus, available=available))
        node = node[key]
    return registry.resolve({"corpus": node})["corpus"] if isinstance(node, dict) else node


def _leaves(scores: dict[str, Any]) -> Iterator[Any]:
    """The figures of scores; text, such as what `cats_score` is, says nothing of them."""
    for value in scores.values():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif not isinstance(value, str):
            yield value


def _plain(value: Any) -> Any:
    """Python numbers; None for NaN, by which some scorers say that there is nothing to score."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = to_float(value)
    return None if number != number else number


def _corpus_name(corpus: str) -> str:
    return Path(corpus).stem if Path(corpus).exists() else corpus.rpartition(".")[2]


def _command_line(model: str, corpus: str, output: str | Path, overrides: dict[str, Any] | None) -> str:
    options = ["--corpus", corpus, "--output", str(output)]
    for key, value in (overrides or {}).items():
        options += [f"--{key}", str(value)]
    return shlex.join(["python", "-m", "spacy", "nlpkit", "evaluate", str(model), *options])
