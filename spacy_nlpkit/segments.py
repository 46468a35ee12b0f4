"""Arrays of consecutive segments: those of a batch's documents, mentions or entities, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def ranges(starts: NDArray[Any], counts: NDArray[Any]) -> Ints:
    """The numbers of all ranges that begin at `starts` and have `counts` members, one range after the other."""
    ends = np.cumsum(counts, dtype=np.int64)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def sum_segments(values: NDArray[Any], lengths: Ints) -> NDArray[Any]:
    """Sums of consecutive segments, of which some may be empty, each by itself: none depends on what stands before.

    RETURNS: int64 for integers and truth values, else float64: (segments,).
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    sums = np.bincount(owner, values, minlength=len(lengths))
    return sums.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def rank_in_group(sorted_groups: Ints) -> Ints:
    """The place of each element among those of its group, from 0; the groups stand in ascending order."""
    return np.arange(len(sorted_groups)) - np.searchsorted(sorted_groups, sorted_groups)
