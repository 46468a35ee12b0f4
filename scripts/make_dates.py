"""Make pairs for a normaliser of dates: `python scripts/make_dates.py OUTPUT --train 4000 --dev 200 --test 400`.

Writes train.jsonl, dev.jsonl and test.jsonl with lines of {"text", "target"}: a date as news writes it
("March 3, 2021", "the third of March 2021", "Q1 '21") and its ISO form ("2021-03-03", "2021-03", "2021-Q1"; a quarter
is of the calendar). No target of one file is in another. The same numbers and the same seed make the same bytes.

What a reader would have to guess is settled so:
- Slashes stand only where one reading is possible: 02/13/2021, 13/02/2021 and 3/3/21, but never 02/03/2021.
- With dots the day comes first, as in Europe: 2.3.2021 is the second of March.
- Two digits of a year are those of a year from 1970 to 2029.
- "early", "mid-", "late" and "the end of" say no day: the target is the month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, NamedTuple

import srsly
import typer

FIRST, LAST = date(1970, 1, 1), date(2029, 12, 31)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
# As news agencies shorten them before a day.
AGENCY = (*("Jan.", "Feb.", "March", "April", "May", "June"), *("July", "Aug.", "Sept.", "Oct.", "Nov.", "Dec."))
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
STEMS = ("thir", "four", "fif", "six", "seven", "eigh", "nine")
TEENS = ("tenth", "eleventh", "twelfth", *(f"{stem}teenth" for stem in STEMS))
ORDINALS = (*UNITS, *TEENS, "twentieth", *(f"twenty-{unit}" for unit in UNITS), "thirtieth", "thirty-first")
# Of the days, months and quarters, how many of ten lie in each file.
PARTS = {"train": 8, "dev": 1, "test": 1}


class Pair(NamedTuple):
    """A line of a file: `text` as news writes it, `target` in ISO form."""

    text: str
    target: str


def day_pairs(day: date) -> list[Pair]:
    """All the ways to write a day that this script knows, each with YYYY-MM-DD."""
    return [Pair(text, day.isoformat()) for text in dict.fromkeys(_day_texts(day))]


def _day_texts(day: date) -> Iterator[str]:
    year, month, number = day.year, day.month, day.day
    short, name, agency, word = f"'{year % 100:02}", MONTHS[month - 1], AGENCY[month - 1], ORDINALS[number - 1]
    weekday, ordinal, three = WEEKDAYS[day.weekday()], f"{number}{_suffix(number)}", name[:3]
    yield from (f"{name} {number}, {year}", f"{agency} {number}, {year}", f"{name} {ordinal}, {year}")
    yield from (f"{three} {ordinal}, {short}", f"{weekday}, {name} {number}, {year}")
    yield from (f"{weekday} {number} {name} {year}", f"{number} {name} {year}", f"{number} {agency} {year}")
    yield from (f"{ordinal} {name} {year}", f"the {ordinal} of {name} {year}", f"the {word} of {name} {year}")
    yield from (f"{name} the {word}, {year}", f"{number:02}-{three}-{year}", f"{number} {three} {short}")
    yield from (f"{number}.{month}.{year}", f"{number:02}.{month:02}.{year}", f"{year}/{month:02}/{number:02}")
    yield day.isoformat()
    if number > 12 or number == month:
        yield from (f"{month:02}/{number:02}/{year}", f"{month}/{number}/{year % 100:02}")
        yield f"{number:02}/{month:02}/{year}"


def month_pairs(day: date) -> list[Pair]:
    """All the ways to write the month of a day that this script knows, each with YYYY-MM."""
    year, month = day.year, day.month
    name, agency, short = MONTHS[month - 1], AGENCY[month - 1], f"'{year % 100:02}"
    texts = [f"{name} {year}", f"{agency} {year}", f"{name[:3]} {short}", f"{name} of {year}", f"{month:02}/{year}"]
    texts += [f"early {name} {year}", f"mid-{name} {year}", f"late {name} {year}", f"the end of {name} {year}"]
    return [Pair(text, f"{year}-{month:02}") for text in dict.fromkeys(texts)]


def quarter_pairs(day: date) -> list[Pair]:
    """All the ways to write the quarter of a day that this script knows, each with YYYY-Qn."""
    year, number, two = day.year, (day.month + 2) // 3, f"{day.year % 100:02}"
    word = ORDINALS[number - 1]
    texts = [f"Q{number} {year}", f"Q{number} '{two}", f"{number}Q {year}", f"{number}Q{two}", f"{year} Q{number}"]
    texts += [
        f"the {word} quarter of {year}",
        f"{word}-quarter {year}",
        f"the three months to {MONTHS[3 * number - 1]} {year}",
    ]
    return [Pair(text, f"{year}-Q{number}") for text in texts]


def _suffix(number: int) -> str:
    return "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


class Kind(NamedTuple):
    """What stands in the files: how it is written, the days that stand for it, how many of a hundred lines it has."""

    pairs: Callable[[date], list[Pair]]
    begins: Callable[[date], bool]
    share: int


KINDS = (
    Kind(day_pairs, lambda day: True, 75),
    Kind(month_pairs, lambda day: day.day == 1, 15),
    Kind(quarter_pairs, lambda day: day.day == 1 and day.month % 3 == 1, 10),
)


def make_parts(sizes: dict[str, int], seed: int) -> dict[str, list[Pair]]:
    """The pairs of each file, shuffled, no text twice and no target in two files.

    sizes (dict): How many pairs each of train, dev and test has, small enough for what can be written.
    seed (int): Seed of all that is drawn.
    """
    random = Random(seed)
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    parts: dict[str, list[Pair]] = {name: [] for name in sizes}
    # The days come last, and fill up what rounding down has left of the other kinds.
    for kind in reversed(KINDS):
        periods = [day for day in days if kind.begins(day)]
        random.shuffle(periods)
        start = 0
        for name, tenths in PARTS.items():
            end = start + len(periods) * tenths // 10
            pairs = [pair for day in periods[start:end] for pair in kind.pairs(day)]
            count = sizes[name] - len(parts[name]) if kind is KINDS[0] else sizes[name] * kind.share // 100
            parts[name] += random.sample(pairs, count)
            start = end
    return {name: random.sample(pairs, len(pairs)) for name, pairs in parts.items()}


def main(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the three files")],
    train: Annotated[int, typer.Option(min=1, max=15000, help="Lines of train.jsonl")] = 4000,
    dev: Annotated[int, typer.Option(min=1, max=1900, help="Lines of dev.jsonl")] = 200,
    test: Annotated[int, typer.Option(min=1, max=1900, help="Lines of test.jsonl")] = 400,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn")] = 0,
) -> None:
    """Write dates as news writes them, with their ISO form, for training and trying a normaliser."""
    output.mkdir(parents=True, exist_ok=True)
    for name, pairs in make_parts({"train": train, "dev": dev, "test": test}, seed).items():
        srsly.write_jsonl(output / f"{name}.jsonl", [pair._asdict() for pair in pairs])
        print(f"{output / name}.jsonl: {len(pairs)} pairs")


if __name__ == "__main__":
    typer.run(main)
