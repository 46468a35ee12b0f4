"""Messages of remote knowledge graphs."""


class RemoteErrors:
    """What stops the work."""


class RemoteWarnings:
    """What the work goes on after."""
