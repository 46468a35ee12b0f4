"""Classes of texts: names of labels, what exclusive labels allow, and what several annotators together say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .report import CONTROL

# What the values of a text's exclusive labels may miss 1 by: shares are often written with two decimals.
TOLERANCE = 0.01
# The reason for leaving out what `exclusive_problem` finds.
NOT_EXCLUSIVE = "classes not exclusive"


def label_problem(label: object) -> str | None:
    """What is wrong with the name of a label; None for a good one. Blanks inside of a name are all right."""
    if not isinstance(label, str):
        return f"the label is a {type(label).__name__}, expected a string"
    if not label.strip():
        return "the label is empty or blank"
    if CONTROL.search(label) or not _is_utf8(label):
        return f"the label {label!r} holds characters that cannot be printed"
    return None


def _is_utf8(label: str) -> bool:
    """Whether spaCy can store a label: JSON can hold halves of a surrogate pair, which UTF-8 cannot."""
    try:
        label.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def exclusive_problem(cats: Mapping[str, float], complete: bool) -> str | None:
    """What keeps values of labels from being those of one text with exclusive labels; None where nothing does.

    complete (bool): Whether the right label must be among them, as opposed to answers to single labels.
    """
    positive = [name for name, value in cats.items() if value > 0.5]
    if len(positive) > 1:
        return f"{len(positive)} labels are right at once ({', '.join(map(repr, positive))})"
    total = sum(cats.values())
    if total > 1 + TOLERANCE or (complete and total < 1 - TOLERANCE):
        return f"the values of the labels add up to {total:.3g}, not to 1"
    return None


def mean_cats(answers: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Soft labels: for each class the mean over those who were asked for it."""
    votes: dict[str, list[float]] = {}
    for cats in answers:
        for name, value in cats.items():
            votes.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in votes.items()}


def vote_cats(shares: Mapping[str, float], one: bool) -> dict[str, float]:
    """Hard labels from soft ones; what is tied is missing.

    one (bool): Whether one label is right: that of the largest share. Otherwise it is each of more than half.
    """
    if not one:
        return {name: float(share > 0.5) for name, share in shares.items() if share != 0.5}
    best = max(shares.values(), default=0.0)
    if sum(share == best for share in shares.values()) != 1:
        return {}
    return {name: float(share == best) for name, share in shares.items()}


def pick_category(cats: Mapping[str, float]) -> str | None:
    """The one class that at least half chose and none equals, or None."""
    best = sorted(cats.items(), key=lambda item: -item[1])[:2]
    if not best or best[0][1] < 0.5 or (len(best) == 2 and best[0][1] == best[1][1]):
        return None
    return best[0][0]


def chosen(cats: Mapping[str, float]) -> list[str]:
    """The classes that at least half chose, sorted."""
    return sorted(name for name, value in cats.items() if value >= 0.5)
