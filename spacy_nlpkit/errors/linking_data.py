"""Messages of data for entity linking."""


class LinkingDataErrors:
    """What stops the work."""

    # 200-214: data for entity linking
    N200 = "{where}: {problem}. See 'Links to a graph' in docs/data.md for what a line holds."
    N201 = (
        "{where}: the link of {start}:{end} has no entity with these offsets. Add one to 'entities', or remove the "
        "link."
    )


class LinkingDataWarnings:
    """What the work goes on after."""
