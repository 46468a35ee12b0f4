"""What self-training chooses, in plain Python: slow, and independent of the code under test.

Rows are texts, columns labels; None where nothing was chosen.
"""

from __future__ import annotations

from collections.abc import Callable

Rows = list[list[float]]
Chosen = list[list[float | None]]


def surest(numbers: list[int], sureness: Callable[[int], float], keep: float) -> list[int]:
    """The share of the numbers that are most sure, at least one; of equal ones the first."""
    return sorted(numbers, key=lambda number: -sureness(number))[: max(round(keep * len(numbers)), 1)]


def plain_exclusive(rows: Rows, keep: float) -> Chosen:
    best = [row.index(max(row)) for row in rows]
    chosen: Chosen = [[None] * len(row) for row in rows]
    for label in set(best):
        own = [number for number, each in enumerate(best) if each == label]
        for number in surest(own, lambda number: rows[number][best[number]], keep):
            chosen[number] = [float(column == label) for column in range(len(rows[number]))]
    return chosen


def plain_each(rows: Rows, keep: float) -> Chosen:
    chosen: Chosen = [[None] * len(row) for row in rows]
    for column in range(len(rows[0])):
        holds = [number for number, row in enumerate(rows) if row[column] >= 0.5]
        does_not = [number for number, row in enumerate(rows) if row[column] < 0.5]
        for number in surest(holds, lambda number: rows[number][column], keep):  # noqa: B023
            chosen[number][column] = 1.0
        for number in surest(does_not, lambda number: -rows[number][column], keep):  # noqa: B023
            chosen[number][column] = 0.0
    return chosen
