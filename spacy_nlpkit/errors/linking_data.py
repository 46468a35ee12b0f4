"""Messages of data for entity linking."""


class LinkingDataErrors:
    """What stops the work."""


class LinkingDataWarnings:
    """What the work goes on after."""
