"""Messages of data for entity linking."""


class LinkingDataErrors:
    """What stops the work."""

    # 200-214: data for entity linking
    N200 = "{where}: {problem}. See 'Links to a graph' in docs/data.md for what a line holds."
    N201 = (
        "{where}: the link of {start}:{end} has no entity with these offsets. Add one to 'entities', or remove the "
        "link."
    )
    N202 = (
        "{path}: no name with its symbol in brackets could be linked in {texts} texts ({counts}), nothing was written. "
        "Check that the graph has symbols, that the dates of the texts are right, or try --agreement overlap."
    )


class LinkingDataWarnings:
    """What the work goes on after."""
