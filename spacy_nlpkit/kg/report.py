"""What building a graph tells: how much came in, what was left out and why, and what the graph holds."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Errors
from ..files import ReadReport


@dataclass
class BuildReport(ReadReport):
    """Counts of one build; `skipped` counts entities, aliases and edges that were left out, by reason.

    where (str): Place of the record that is being read, for messages.
    entities, aliases, edges (int): What the graph holds. Edges to plain strings are among them.
    ambiguous_aliases (int): Distinct keys (of names, and of symbols) that more than one entity has.
    dangling_edges (int): Edges to ids that the graph does not have. They are kept, and lead nowhere.
    """

    where: str = ""
    entities: int = 0
    aliases: int = 0
    ambiguous_aliases: int = 0
    edges: int = 0
    dangling_edges: int = 0

    def leave_out(self, what: str, reason: str, problem: str) -> None:
        """Count an entity, alias or edge of the record that is being read as left out."""
        self.skip(f"{what}: {reason}", Errors.N150.format(where=self.where or what, problem=problem))

    def rows(self) -> list[tuple[str, str]]:
        """The counts as rows of a table."""
        rows = [
            ("Records read", self.read),
            ("Entities", self.entities),
            ("Aliases", self.aliases),
            ("Ambiguous aliases", self.ambiguous_aliases),
            ("Edges", self.edges),
            ("Dangling edges", self.dangling_edges),
        ]
        rows += [(f"Left out: {reason}", count) for reason, count in self.skipped.most_common()]
        rows += [(f"Note: {note}", count) for note, count in self.notes.most_common()]
        return [(name, f"{count:,}") for name, count in rows]
