"""Several answers to one text: what the annotators together say of its entities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .spans import Placed, TokenSpan

# start, end, label
Key = tuple[int, int, str]


class Decision(NamedTuple):
    """What the votes come to.

    ents (list[TokenSpan]): The entities.
    missing (list[tuple[int, int]]): Runs of tokens (end exclusive) on which nothing was decided.
    shares (dict[Key, float]): Every span that anyone marked and the share of those who did.
    """

    ents: list[TokenSpan]
    missing: list[tuple[int, int]]
    shares: dict[Key, float]


def vote(answers: Sequence[Placed]) -> Decision:
    """Decide on complete annotations of one text.

    A span is an entity where more than half of the annotators have it with these bounds and this label.
    A token outside these is O where more than half leave it outside of any span; all others are missing: a
    tie decides nothing.
    """
    needed = len(answers) / 2
    counts: Counter[Key] = Counter()
    ids: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    covered: Counter[int] = Counter()
    for answer in answers:
        tokens = set(answer.open_tokens)
        for span in answer.spans:
            counts[span[:3]] += 1
            ids[span[:3]][span.kb_id] += 1
            tokens.update(range(span.start, span.end))
        covered.update(tokens)
    ents = [TokenSpan(*key, pick_id(ids[key])) for key in sorted(counts) if counts[key] > needed]
    inside = {i for ent in ents for i in range(ent.start, ent.end)}
    undecided = [i for i in sorted(covered) if i not in inside and len(answers) - covered[i] <= needed]
    shares = {key: count / len(answers) for key, count in sorted(counts.items())}
    return Decision(ents, _runs(undecided), shares)


def pick_id(ids: Mapping[str, int]) -> str:
    """The entity id that most gave, of those who gave one; "" on a tie."""
    known = Counter({kb_id: count for kb_id, count in ids.items() if kb_id}).most_common(2)
    if not known or (len(known) == 2 and known[0][1] == known[1][1]):
        return ""
    return known[0][0]


def _runs(tokens: Iterable[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as ranges, end exclusive."""
    runs: list[tuple[int, int]] = []
    for token in tokens:
        if runs and runs[-1][1] == token:
            runs[-1] = (runs[-1][0], token + 1)
        else:
            runs.append((token, token + 1))
    return runs
