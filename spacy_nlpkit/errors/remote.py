"""Messages of remote knowledge graphs."""


class RemoteErrors:
    """What stops the work."""

    N180 = "Setting '{setting}' of a remote graph is {value!r}, but must be {expected}. Correct the config."
    N181 = (
        "The endpoint of a remote graph ({endpoint}) is refused: {problem}. Give an address like "
        "https://host/path; hosts that may be reached without https or on a private network are listed in "
        "`allow_hosts` of the connection."
    )
    N182 = (
        "A remote graph is offline, but has no cache to answer from. Set `cache` of the connection to the file that "
        "was filled online, or set offline = false."
    )
    N183 = "An API key cannot be pickled. Store the name of its environment variable (`key_variable`) in its place."


class RemoteWarnings:
    """What the work goes on after."""

    NW180 = (
        "The text of mentions is sent to {host} ({service}); nothing else of the documents is. Leave `remote` out of "
        "the config, or set offline = true, where no text may leave this machine."
    )
    NW181 = (
        "{service} at {host} did not answer: {problem}. Mentions without an answer get the status '{status}'; what is "
        "tried again, and when, the settings of the connection say. Given once for this kind of failure."
    )
    NW182 = (
        "{service} at {host} cannot be used as it is set up: {problem}. Mentions get the status 'error'. Correct the "
        "config or the environment; given once for this problem."
    )
    NW183 = (
        "{service} at {host} gave {count} of {total} results in a form that is not its own (first: {problem}); they "
        "are left out. `RemoteAnswers.dropped` counts such results; given once."
    )
    NW184 = (
        "The cache file {path} cannot be used: {problem}. Answers are kept in {instead} in its place. Move the file "
        "away or name another in `cache` of the connection."
    )
