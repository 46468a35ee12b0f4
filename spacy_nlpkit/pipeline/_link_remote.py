"""Links by a remote graph, for mentions that the linker's own graph knows nothing of, or where it has none."""

from __future__ import annotations

from collections.abc import Sequence

from ..kg.candidates import Mention
from ..kg.remote.answers import OK, TIMEOUT, RemoteResult
from ..kg.remote.graph import RemoteGraph
from ..ty import NIL, Candidate, Link
from ._link_decisions import DIGITS, make_link


def ask_remote(
    remote: RemoteGraph, mentions: Sequence[Mention], k: int, threshold: float | None
) -> list[tuple[str, Link]]:
    """The id, or NIL, and the link of each mention. The text of each is sent, and nothing else.

    The score of a candidate is the service's own for it, times the similarity of its name and the mention.
    """
    answers = remote.search([mention.text for mention in mentions], k)
    links: list[tuple[str, Link]] = []
    for mention, results, status in zip(mentions, answers.results, answers.status):
        if status == TIMEOUT:
            links.append((NIL, make_link("timeout")))
        elif status != OK or not results:
            # Of a service that failed it is not known whether it has the entity; the graph warned of it once.
            links.append((NIL, make_link("no_candidates" if status in (OK, "no_match") else "timeout")))
        else:
            links.append(_decide(mention, results, f"remote:{remote.service}", threshold))
    return links


def _decide(
    mention: Mention, results: Sequence[RemoteResult], source: str, threshold: float | None
) -> tuple[str, Link]:
    from rapidfuzz.distance import JaroWinkler

    rated = [
        (round(result.score * JaroWinkler.similarity(mention.text.casefold(), name.casefold()), DIGITS), result)
        for result in results
        for name in (result.alias or result.label,)
    ]
    rated.sort(key=lambda pair: -pair[0])
    candidates: list[Candidate] = [
        {"id": result.id, "label": result.label, "score": score, "source": source, "alias": result.alias}
        for score, result in rated
    ]
    score, best = rated[0]
    if threshold is not None and score < threshold:
        return NIL, make_link("nil", candidates, round(1.0 - score, DIGITS))
    return best.id, {
        "candidates": candidates,
        "score": score,
        "uri": best.url or None,
        "types": list(best.types),
        "description": best.description or None,
        "status": "linked",
    }
