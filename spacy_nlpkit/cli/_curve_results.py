"""The figures of a learning curve: each run kept in a metrics file as soon as it is finished, and their summary."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Errors, NlpkitError
from ..metrics import read_metrics, write_metrics

Scores = dict[str, Any]


class Point(NamedTuple):
    """One score at one size: mean and sample standard deviation over `n_runs` runs; None where there are too few."""

    size: int
    mean: float | None
    std: float | None
    n_runs: int


class CurveResults:
    """The runs of one curve, by size and seed, in a metrics file (see `spacy_nlpkit.metrics`).

    path (Path): The file; runs that it holds are taken over.
    identity: What the curve depends on beside size and seed, such as hashes of config and data.
    RAISES: N096 where the file is no metrics file, N127 where it is the curve of something else.
    """

    def __init__(self, path: Path, identity: Mapping[str, str], command: str) -> None:
        self.path = path
        self.identity = dict(identity)
        self.command = command
        self.runs: dict[tuple[int, int], Scores] = {}
        if path.exists():
            for result in read_metrics(path)["results"].values():
                self._take_over(result["ours"])

    def _take_over(self, figures: Scores) -> None:
        differing = [name for name, value in self.identity.items() if figures.get(name) != value]
        if differing:
            raise NlpkitError(Errors.N127.format(path=self.path, what=", ".join(differing)))
        for seed, scores in figures["runs"].items():
            self.runs[figures["documents"], int(seed)] = scores

    def add(self, size: int, seed: int, scores: Scores) -> None:
        """Keep the scores of a finished run, in the file as well."""
        self.runs[size, seed] = scores
        by_seed = {key[1]: run for key, run in sorted(self.runs.items()) if key[0] == size}
        names = dict.fromkeys(name for run in by_seed.values() for name in run if _is_number(run[name]))
        points = {name: self.point(name, size, by_seed) for name in names}
        figures = {
            "documents": size,
            **self.identity,
            **{name: point.mean for name, point in points.items()},
            "std": {name: point.std for name, point in points.items()},
            "runs": {str(key): run for key, run in by_seed.items()},
        }
        result = {f"{self.path.stem}.{size}": {"ours": figures, "seeds": list(by_seed)}}
        write_metrics(self.path, result, self.command)

    def point(self, name: str, size: int, seeds: Iterable[int]) -> Point:
        """Summarise one score at one size over the runs of these seeds that have it."""
        found = [self.runs[size, seed].get(name) for seed in seeds if (size, seed) in self.runs]
        values = [float(value) for value in found if value is not None]
        mean = statistics.fmean(values) if values else None
        return Point(size, mean, statistics.stdev(values) if len(values) > 1 else None, len(values))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
