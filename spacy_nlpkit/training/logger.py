"""A logger of `spacy train` that tells how fast a training is and what an update loses, beside spaCy's own columns."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from timeit import default_timer
from typing import IO, Any, Literal

from spacy.errors import Errors as SpacyErrors
from spacy.language import Language
from spacy.training.loggers import setup_table
from tqdm import tqdm
from wasabi import Printer

LogStep = Callable[[dict[str, Any] | None], None]
Setup = Callable[..., tuple[LogStep, Callable[[], None]]]
# Where there is no figure, such as a speed of the first row.
NONE = "-"
SPACING = 2


def create_throughput_logger(
    progress_bar: Literal["train", "eval"] | None = None,
    console_output: bool = True,
    output_file: str | None = None,
) -> Setup:
    """`spacy_nlpkit.ThroughputLogger.v1` for `[training.logger]`: the table of `spacy.ConsoleLogger.v3` with more.

    Since the row before: the mean loss of each component, and the words that were trained on in a second, without the
    time of evaluation. A component of `seq2seq` has the mean of its batches, whose loss is that of a piece; others have
    that of an update. Also the learning rate of the last update, where a component trains in torch, and the time since
    the start.
    progress_bar (str): `train` for all steps, `eval` for those up to the next row, or null.
    console_output (bool): Print the table.
    output_file (str): JSONL for the rows. They are added to what is there, as where a training goes on.
    RETURNS (Setup): Called by spaCy's loop, with the pipeline and streams for table and progress bar.
    """

    def setup(
        nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        measured = _Measured(nlp)
        table = _Table(nlp, measured, stdout, stderr, progress_bar) if console_output else None
        lines = None
        if output_file is not None:
            Path(output_file).parent.mkdir(parents=True, exist_ok=True)
            lines = open(output_file, "a", encoding="utf8")  # noqa: SIM115

        def log_step(info: dict[str, Any] | None) -> None:
            measured.count_step(evaluated=info is not None)
            if info is not None:
                row = measured.row(info)
                if table is not None:
                    table.write(row)
                if lines is not None:
                    # Not by srsly, which rounds to ten decimals: small learning rates have fewer figures there.
                    lines.write(json.dumps(row) + "\n")
                    lines.flush()
                measured.start_row()
            elif table is not None:
                table.advance()

        def finalize() -> None:
            if table is not None:
                table.close()
            if lines is not None:
                lines.close()

        return log_step, finalize

    return setup


class _Measured:
    """What a pipeline has learned from since the last row, and in which time."""

    def __init__(self, nlp: Language) -> None:
        self.pipes = {name: pipe for name, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)}
        weights = nlp.config["training"]["score_weights"]
        self.scores = [name for name, weight in weights.items() if weight is not None]
        self._words = 0
        self.start_row()

    def start_row(self) -> None:
        """Count from here."""
        self._steps = self._timed_steps = 0
        self._seconds = 0.0
        self._batches = {name: _counted(pipe, "n_batches") for name, pipe in self.pipes.items()}
        self._last = default_timer()

    def count_step(self, *, evaluated: bool) -> None:
        """One more step has ended, by which its time is known unless it was followed by an evaluation."""
        now = default_timer()
        self._steps += 1
        if not evaluated:
            self._timed_steps += 1
            self._seconds += now - self._last
        self._last = now

    def row(self, info: dict[str, Any]) -> dict[str, Any]:
        """The figures of a row, of what spaCy's loop says and of what was counted."""
        losses = {name: float(info["losses"].get(name, 0.0)) for name in self.pipes}
        words, self._words = info["words"] - self._words, info["words"]
        speed = None
        if self._seconds > 0.0:
            # The step before an evaluation is taken to last as long as the others.
            speed = words / (self._seconds * self._steps / self._timed_steps)
        return {
            "epoch": info["epoch"],
            "step": info["step"],
            "losses": losses,
            "mean_losses": {name: self._mean(name, loss) for name, loss in losses.items()},
            "scores": {name: _score(name, info["other_scores"]) for name in self.scores},
            "score": float(info["score"]),
            "learn_rate": self.learn_rate,
            "words": info["words"],
            "words_per_second": speed,
            "seconds": info["seconds"],
        }

    def _mean(self, name: str, loss: float) -> float | None:
        before, now = self._batches[name], _counted(self.pipes[name], "n_batches")
        # A count starts with the weights, which another process or an initialization may have made meanwhile.
        count = self._steps if now is None else now - (before or 0)
        return loss / count if count > 0 else None

    @property
    def learn_rate(self) -> float | None:
        """That of the last update of the first component which tells it."""
        found = (_counted(pipe, "learn_rate") for pipe in self.pipes.values())
        return next((rate for rate in found if rate is not None), None)


class _Table:
    """Rows on the console, and a bar for what comes before the next."""

    def __init__(
        self, nlp: Language, measured: _Measured, stdout: IO[str], stderr: IO[str], progress_bar: str | None
    ) -> None:
        training = nlp.config["training"]
        self._total = training["max_steps"] if progress_bar == "train" else training["eval_frequency"]
        self._kind, self._stdout, self._stderr = progress_bar, stdout, stderr
        self._bar: Any = None
        self._printer = Printer(no_print=True)
        pipes = list(measured.pipes)
        names = ["E", "#", *(f"Loss {name}" for name in pipes), *(f"Mean {name}" for name in pipes)]
        names += [*measured.scores, "Score", "Rate", "Words/s", "Time"]
        widths = [3, 6, *(8 for _ in pipes), *(8 for _ in pipes), *(6 for _ in measured.scores), 6, 8, 7, 8]
        header, self._widths, self._aligns = setup_table(cols=names, widths=widths)
        self._print(header)
        self._print(["-" * width for width in self._widths])

    def _print(self, cells: Sequence[str]) -> None:
        text = self._printer.row(cells, widths=self._widths, aligns=self._aligns, spacing=SPACING)
        print(text, file=self._stdout, flush=True)

    def write(self, row: dict[str, Any]) -> None:
        """A row of figures; then the bar starts anew."""
        self.close()
        cells = [str(row["epoch"]), str(row["step"])]
        cells += [f"{loss:.2f}" for loss in row["losses"].values()]
        cells += [_shown(loss, ".4f") for loss in row["mean_losses"].values()]
        cells += [f"{score:.2f}" for score in (*row["scores"].values(), row["score"])]
        minutes, seconds = divmod(row["seconds"], 60)
        time = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        self._print([*cells, _shown(row["learn_rate"], ".2e"), _shown(row["words_per_second"], ".0f"), time])
        if self._kind is not None:
            # disable=None: no bar where the stream is no terminal, as in spaCy.
            done = row["step"] if self._kind == "train" else 0
            self._bar = tqdm(total=self._total, disable=None, leave=False, file=self._stderr, initial=done)
            self._bar.set_description(f"Epoch {row['epoch'] + 1}")

    def advance(self) -> None:
        """One step without a row."""
        if self._bar is not None:
            self._bar.update(1)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def _counted(pipe: Any, name: str) -> Any:
    """What a shim of the pipe's model counts under a name; None where it has none that does."""
    model: Any = getattr(pipe, "model", None)
    shims = (shim for node in model.walk() for shim in node.shims) if hasattr(model, "walk") else ()
    return next((getattr(shim, name) for shim in shims if hasattr(shim, name)), None)


def _shown(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _score(name: str, scores: dict[str, Any]) -> float:
    """As spaCy shows it: of 100, but for its speed. RAISES: E916 (spaCy) where it is no number."""
    value = scores.get(name, 0.0)
    try:
        score = float(value)
    except TypeError as error:
        raise ValueError(SpacyErrors.E916.format(name=name, score_type=type(value))) from error
    return score if name == "speed" else score * 100
