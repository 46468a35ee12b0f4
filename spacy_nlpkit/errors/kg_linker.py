"""Messages of `kg_linker`."""


class KgLinkerErrors:
    """What stops the work."""


class KgLinkerWarnings:
    """What the work goes on after."""
