"""What commands share that run a pipeline: loading it, and printing its scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Errors, NlpkitError
from ._util import msg

if TYPE_CHECKING:
    from spacy.language import Language


def load_pipeline(model: str | Path, gpu_id: int = -1, overrides: dict[str, Any] | None = None) -> Language:
    """Load a pipeline on the CPU, with the fast path where it pays on this machine, or on a GPU.

    model (str | Path): A folder, or the name of an installed package.
    gpu_id (int): -1 for the CPU.
    overrides (dict): Settings of its config, by dotted name.
    RAISES: N090 where it cannot be loaded, N097 where there is no such GPU.
    """
    import spacy

    from ..training.fast_ops import use_fast_ops

    if gpu_id >= 0:
        try:
            spacy.require_gpu(gpu_id)
        except ValueError as error:
            raise NlpkitError(Errors.N097.format(gpu_id=gpu_id, problem=one_line(error))) from error
    try:
        nlp = spacy.load(model, config=overrides or {})
    except NlpkitError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise NlpkitError(Errors.N090.format(model=model, problem=one_line(error))) from error
    use_fast_ops(nlp)
    return nlp


def one_line(error: Exception) -> str:
    """The message of an error without line breaks, ending as a sentence does."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith((".", "?", "!")) else f"{text}."


def print_scores(title: str, scores: dict[str, Any]) -> None:
    """Print scores: one table of the single figures, and tables of those that are given by label."""
    msg.divider(title)
    rows = [(key, show_number(value)) for key, value in scores.items() if isinstance(value, (int, float))]
    msg.table(rows, header=("Score", "Value"), aligns=("l", "r"), divider=True)
    for key, by_label in _tables_by_label(scores).items():
        columns = list(dict.fromkeys(name for row in by_label.values() for name in row))
        data = [(label, *(show_number(row.get(name)) for name in columns)) for label, row in by_label.items()]
        msg.table(data, header=(key, *columns), aligns=("l", *["r"] * len(columns)), divider=True)


def _tables_by_label(scores: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Label to figures, by the key of the table. A figure that stands alone, such as the area in `cats_auc_per_type`,
    is a column of the table that its family has for the same labels, or else of one of its own."""
    by_label = {key: value for key, value in scores.items() if isinstance(value, dict) and value}
    tables = {
        key: {label: dict(row) for label, row in rows.items()}
        for key, rows in by_label.items()
        if all(isinstance(row, dict) for row in rows.values())
    }
    for key, figures in by_label.items():
        if key in tables:
            continue
        family, _, name = key.removesuffix("_per_type").rpartition("_")
        hosts = (
            other for other, rows in tables.items() if other.startswith(f"{family}_") and rows.keys() == figures.keys()
        )
        table = tables.setdefault(next(hosts, key), {})
        for label, value in figures.items():
            table.setdefault(label, {})[name] = value
    return tables


def show_number(value: Any) -> str:
    """A figure as the tables show it: large ones without decimals, None as a dash."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"
    return "-" if value is None else str(value)
