"""`spacy nlpkit check-data`: counts of the splits and faults of their annotations, before a training run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from ..errors import Errors, NlpkitError
from ._pipelines import one_line
from ._util import Arg, Opt, command, msg

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.training import Example
    from thinc.api import Config

    from ..data.checks import Finding, Report, Split

PLACES_SHOWN = 5
# Factories that learn classes, and whether their labels exclude one another where no setting says so.
CLASSIFIERS = {"text_classifier": True, "textcat": True, "textcat_multilabel": False}
LINKERS = ("kg_linker", "entity_linker")


class ConfigData(NamedTuple):
    """The corpora of a training config.

    corpora: The examples of train, dev and, where the config has it, test.
    noticed: What the readers warned of.
    exclusive: Whether the labels of its classifiers exclude one another; None where it trains none.
    linked: Whether it trains a linker.
    """

    corpora: dict[str, list[Example]]
    noticed: list[Finding]
    exclusive: bool | None
    linked: bool


@command("check-data", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def check_data_cli(
    ctx: typer.Context,
    config_path: Path | None = Arg(None, help="Training config; its settings can be overridden as for train"),
    train: Path | None = Opt(None, "--train", help="Training data (.spacy), instead of a config"),
    dev: Path | None = Opt(None, "--dev", help="Development data (.spacy)"),
    test: Path | None = Opt(None, "--test", help="Test data (.spacy)"),
    lang: str = Opt("en", "--lang", help="Language of the tokenizer where there is no config"),
    exclusive: bool | None = Opt(
        None, "--exclusive/--no-exclusive", help="Classes exclude one another or not (default: as the config has it)"
    ),
    kb_path: Path | None = Opt(None, "--kb", help="Graph that the entity ids are of, as build-kb makes or reads it"),
    code_path: Path | None = Opt(None, "--code", "-c", help="Python file with functions the config names"),
    json_path: Path | None = Opt(None, "--json", help="Write the report as JSON"),
    strict: bool = Opt(False, "--strict", help="Exit with status 1 on warnings, too"),
) -> None:
    """Count labels and look for faults in annotated data; exit with status 1 where training would not make sense.

    Errors: no documents or no labels in a split, no label shared with the training data, classes that a classifier
    could not learn from or that are not exclusive as they should be, entity ids of another graph. All else warns:
    unseen and rare labels, texts in several splits or annotated in different ways, entities that no token fits, and
    more.
    """
    from spacy.cli._util import import_code, parse_config_overrides

    from ..data.checks import check
    from ..kg.stores import open_graph

    files = {name: path for name, path in (("train", train), ("dev", dev), ("test", test)) if path is not None}
    if config_path is None and "train" not in files:
        raise NlpkitError(Errors.N041.format(problem="There is no --train"))
    if config_path is not None and files:
        raise NlpkitError(Errors.N041.format(problem="Paths in a config are set with --paths.train"))
    overrides = parse_config_overrides(list(ctx.args))
    graph = None if kb_path is None else open_graph(kb_path)
    if config_path is None:
        report = check(read_files(files, lang), exclusive, graph=graph)
    else:
        import_code(code_path)
        data = read_config(config_path, overrides)
        wanted = data.exclusive if exclusive is None else exclusive
        report = check(data.corpora, wanted, graph=graph, linked=data.linked)
        report.findings += data.noticed
    if json_path is not None:
        write_report(report, json_path)
    print_report(report)
    failed = report.findings if strict else report.errors
    if failed:
        n_errors, n_warnings = len(report.errors), len(failed) - len(report.errors)
        counted = f"{n_errors} errors" + (f" and {n_warnings} warnings" if n_warnings else "")
        codes = ", ".join(sorted({finding.code for finding in failed}))
        raise NlpkitError(Errors.N042.format(count=counted, codes=codes))
    msg.good(f"No errors, {len(report.warnings)} warnings")


def read_files(files: Mapping[str, Path], lang: str) -> dict[str, list[Example]]:
    """Read .spacy files with the tokenizer that `convert` uses; documents without tokens included.

    RAISES: N036, N037 for a path, N029, N032 for a file that is no .spacy file.
    """
    from ..attributes import register_item_attributes
    from ..data.converters.spacy_files import read_docbin
    from ..data.readers import find_files, make_example
    from .convert import make_tokenizing_nlp

    register_item_attributes()
    nlp = make_tokenizing_nlp(lang)
    return {
        name: [make_example(nlp, doc) for file_ in find_files(path) for doc in read_docbin(file_, nlp)]
        for name, path in files.items()
    }


def read_config(path: Path, overrides: dict[str, Any]) -> ConfigData:
    """Read the corpora that a training config names with its own readers, without augmentation.

    path (Path): The config. overrides (dict): Settings by dotted name.
    RAISES: N040 where the config cannot be used, and what its readers raise.
    """
    from ..data.checks import finding

    if not path.is_file():
        raise NlpkitError(Errors.N040.format(config=path, problem="there is no such file."))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            nlp, readers, exclusive, linked = _resolve(path, overrides)
            corpora = {name: list(reader(nlp)) for name, reader in readers.items()}
        except NlpkitError:
            raise
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise NlpkitError(Errors.N040.format(config=path, problem=one_line(error))) from error
    noticed = [finding(str(w.message)) for w in caught if str(w.message).startswith("[NW")]
    return ConfigData(corpora, noticed, exclusive, linked)


def _resolve(path: Path, overrides: dict[str, Any]) -> tuple[Language, dict[str, Any], bool | None, bool]:
    """The pipeline of a config without components (the tokenizer is all that a reader needs), its readers, whether the
    labels of its classifiers are exclusive, and whether it has a linker."""
    from spacy.util import load_config, load_model_from_config, resolve_dot_names

    config = load_config(path, overrides=overrides)
    blocks = _trained_blocks(config)
    exclusive = _is_exclusive(blocks)
    linked = any(block.get("factory") in LINKERS for block in blocks)
    config["nlp"]["pipeline"] = []
    config["components"] = {}
    _drop_augmenters(config.get("corpora", {}))
    nlp = load_model_from_config(config, auto_fill=True)
    config = nlp.config.interpolate()
    names = {"train": config["training"]["train_corpus"], "dev": config["training"]["dev_corpus"]}
    if "path" in config["corpora"].get("test", {}) and config["corpora"]["test"]["path"] is not None:
        names["test"] = "corpora.test"
    return nlp, dict(zip(names, resolve_dot_names(config, list(names.values())))), exclusive, linked


def _trained_blocks(config: Config) -> list[dict[str, Any]]:
    """The blocks of a config's components that training changes."""
    config = config.interpolate()
    frozen = config.get("training", {}).get("frozen_components") or []
    names = [name for name in config.get("nlp", {}).get("pipeline", []) if name not in frozen]
    return [config.get("components", {}).get(name, {}) for name in names]


def _is_exclusive(blocks: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether all classifiers among components have exclusive labels; None without one."""
    found = [
        block.get("exclusive", CLASSIFIERS[block["factory"]]) for block in blocks if block.get("factory") in CLASSIFIERS
    ]
    return all(found) if found else None


def _drop_augmenters(block: Any) -> None:
    if isinstance(block, dict):
        for key in block:
            if key == "augmenter":
                block[key] = None
            _drop_augmenters(block[key])


def write_report(report: Report, path: Path) -> None:
    """Write a report as JSON."""
    import srsly

    from ..util import atomic_write

    with atomic_write(path) as file_:
        file_.write(srsly.json_dumps(report.to_dict(), indent=2) + "\n")


def _print_links(names: Sequence[str], splits: Sequence[Split]) -> None:
    labels = dict.fromkeys(label for split in splits for label in split.links)
    kinds = dict.fromkeys(kind for split in splits for counts in split.links.values() for kind in counts)
    if labels:
        msg.divider("Links")
        rows = [
            (label, kind, *(split.links.get(label, {}).get(kind, 0) for split in splits))
            for label in labels
            for kind in kinds
        ]
        msg.table(rows, header=("Label", "Link", *names), aligns=("l", "l", *["r"] * len(names)), divider=True)


def print_report(report: Report) -> None:
    """Print a report: a table of the splits, one of the labels, and the findings with their first places."""
    names = list(report.splits)
    splits = list(report.splits.values())
    msg.divider("Splits")
    rows: list[Sequence[Any]] = [
        ("Documents", *(f"{split.docs:,}" for split in splits)),
        ("Tokens", *(f"{split.tokens:,}" for split in splits)),
        ("Entities", *(f"{split.entities:,}" for split in splits)),
        ("Documents without entities", *(f"{split.without_entities:,}" for split in splits)),
        ("Documents without annotation", *(f"{split.not_annotated:,}" for split in splits)),
        ("Tokens without entity annotation", *(f"{split.missing:.1%}" for split in splits)),
    ]
    msg.table(rows, header=("", *names), aligns=("l", *["r"] * len(names)), divider=True)
    kinds = dict.fromkeys(
        (kind, label) for split in splits for kind, labels in split.labels.items() for label in labels
    )
    if kinds:
        msg.divider("Labels")
        rows = [(kind, label, *(split.labels.get(kind, {}).get(label, 0) for split in splits)) for kind, label in kinds]
        msg.table(rows, header=("Kind", "Label", *names), aligns=("l", "l", *["r"] * len(names)), divider=True)
    _print_links(names, splits)
    if report.findings:
        msg.divider("Findings")
    for finding in report.findings:
        text = f"[{finding.code}] {finding.message}"
        if finding.is_error:
            msg.fail(text)
        else:
            msg.warn(text)
        for place in finding.places[:PLACES_SHOWN]:
            msg.text(f"    {place}")
        if len(finding.places) > PLACES_SHOWN:
            msg.text(f"    and {len(finding.places) - PLACES_SHOWN} more (all of them with --json)")
