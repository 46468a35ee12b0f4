"""Messages of the knowledge graph: stores, building, candidates."""


class KgErrors:
    """What stops the work."""


class KgWarnings:
    """What the work goes on after."""
