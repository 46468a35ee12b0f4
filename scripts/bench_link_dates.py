"""Whether symbols that changed hands are linked to the right company, day by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from bench_link_peers import PRIOR, Linker, blank, by_prior, rounded
from spacy.tokens import Doc, Span

from spacy_nlpkit.kg.graph import SYMBOL_KINDS, Alias, KnowledgeGraph

ONE_DAY = timedelta(days=1)
BEFORE, AFTER = "Shares of ", " rose in heavy trading."
LABEL = "TICKER"


class Question(NamedTuple):
    """Who held a symbol on a day; `holders` are ids."""

    symbol: str
    day: str
    holders: frozenset[str]


def questions(graph: KnowledgeGraph) -> list[Question]:
    """Each symbol with dates, on the first and the last day of every spell and on the days beside them, where any
    company held it then."""
    spells: dict[str, list[tuple[str, Alias]]] = defaultdict(list)
    for entity in graph.iterate():
        for alias in entity.aliases:
            if alias.kind in SYMBOL_KINDS:
                spells[alias.text].append((entity.id, alias))
    found = []
    for symbol, held in sorted(spells.items()):
        for day in sorted({day for _, alias in held for day in _turns(alias)}):
            holders = frozenset(entity for entity, alias in held if _is_in_use(alias, day))
            if holders:
                found.append(Question(symbol, day, holders))
    return found


def _turns(alias: Alias) -> Iterator[str]:
    for text, other in ((alias.start, -ONE_DAY), (alias.end, ONE_DAY)):
        if text:
            yield text
            yield (date.fromisoformat(text) + other).isoformat()


def _is_in_use(alias: Alias, day: str) -> bool:
    return (alias.start or "") <= day <= (alias.end or "9999")


def changed(asked: Sequence[Question]) -> list[Question]:
    """The questions about symbols that had several holders."""
    holders: dict[str, set[str]] = defaultdict(set)
    for question in asked:
        holders[question.symbol] |= question.holders
    return [question for question in asked if len(holders[question.symbol]) > 1]


def accuracy(link: Linker, asked: Sequence[Question], dated: bool = True) -> float | None:
    """The share of questions that are answered by a holder of the day."""
    nlp = blank()
    docs = [_document(nlp, question, dated) for question in asked]
    ids = [doc.ents[0].kb_id_ for doc in link(docs)]
    right = [kb_id in question.holders for kb_id, question in zip(ids, asked)]
    return rounded(sum(right) / len(right)) if right else None


def _document(nlp: Any, question: Question, dated: bool) -> Doc:
    words = [*BEFORE.split(), question.symbol, *AFTER.split()]
    doc = Doc(nlp.vocab, words=words)
    place = len(BEFORE.split())
    doc.set_ents([Span(doc, place, place + 1, LABEL)])
    if dated:
        doc._.date = question.day
    return doc


def compare(link: Linker, graph: KnowledgeGraph) -> dict[str, Any]:
    """Ours with and without the date, beside priors alone."""
    asked = questions(graph)
    several = changed(asked)
    ours = {
        "questions": len(asked),
        "symbol_acc": accuracy(link, asked),
        "symbol_acc_without_date": accuracy(link, asked, dated=False),
        "questions_of_changed_symbols": len(several),
        "changed_symbol_acc": accuracy(link, several),
        "changed_symbol_acc_without_date": accuracy(link, several, dated=False),
    }
    prior = by_prior(graph)
    theirs = {"symbol_acc": accuracy(prior, asked), "changed_symbol_acc": accuracy(prior, several)}
    return {"ours": ours, "peers": {PRIOR: theirs}, "seeds": []}
