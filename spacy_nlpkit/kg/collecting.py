"""What all builds of a graph share: entities are checked, each id is kept once, all else is counted."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import Errors, NlpkitError, Warnings
from .graph import Entity, GraphMeta
from .records import check_entity, join
from .report import BuildReport

# What happens to an entity whose id came before: it is left out, replaces the former, or is joined with it.
DUPLICATES = ("first", "last", "join")


class GraphInfo(NamedTuple):
    """What a graph says of itself; see `GraphMeta`."""

    name: str = "graph"
    version: str = "1"
    uri_template: str = ""
    licence: str = ""
    source: str = ""
    snapshot: str = ""

    def meta(self, content_hash: str, report: BuildReport) -> GraphMeta:
        """With the counts of what was built."""
        return GraphMeta(
            content_hash=content_hash, n_entities=report.entities, n_aliases=report.aliases, **self._asdict()
        )


def collect(entities: Iterable[Entity], report: BuildReport, duplicates: str = "first") -> list[Entity]:
    """The checked entities in the order of their ids, each id once; all others are counted in the report."""
    kept: dict[str, Entity] = {}
    for entity in entities:
        checked = check_entity(entity, report)
        if checked is not None:
            former = kept.get(checked.id)
            kept[checked.id] = checked if former is None else settle(former, checked, report, duplicates)
    return sorted(kept.values(), key=lambda entity: entity.id)


def settle(former: Entity, entity: Entity, report: BuildReport, duplicates: str) -> Entity:
    """Which of two entities of one id is kept, as one of `DUPLICATES` says."""
    if duplicates == "join":
        report.notes["entities of one id joined"] += 1
        return join(former, entity)
    if duplicates == "last":
        report.notes["entities replaced"] += 1
        return entity
    report.leave_out("entity", "duplicate id", f"the id {entity.id!r} came before")
    return former


def require_entities(count: int, path: object, report: BuildReport) -> None:
    """RAISES: N153 where a build has no entity."""
    if not count:
        first = report.problems[0] if report.problems else "there is no record"
        raise NlpkitError(Errors.N153.format(path=path, counts=report.counts(), first=first))


def warn_of_losses(name: str, report: BuildReport) -> None:
    """WARNS: NW150 where entities, aliases or edges were left out."""
    if report.skipped:
        losses = ", ".join(f"{count} {reason}" for reason, count in report.skipped.most_common())
        warnings.warn(Warnings.NW150.format(name=name, counts=losses, first=report.problems[0]), stacklevel=3)
