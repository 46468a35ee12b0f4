"""An API key in memory: read from the environment for each batch, shown nowhere, stored nowhere."""

from __future__ import annotations

import os
import re
from typing import NoReturn

from ...errors import Errors, NlpkitError
from .failure import Failure

# Shorter strings may stand in an answer by chance.
_MIN_REDACTED = 8


class Secret:
    """A text that `repr`, `str`, formatting and pickling do not give away; `reveal` does."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The text itself, for the header of a request and nothing else."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise NlpkitError(Errors.N183)

    def redact(self, content: bytes) -> bytes:
        """Take the key out of what a service sent back, before anything of it is kept."""
        value = self.__value.encode("ascii")
        return content.replace(value, b"[key]") if len(value) >= _MIN_REDACTED else content


def read_key(variable: str | None) -> Secret | None:
    """The key in an environment variable; None for no variable.

    RAISES: Failure of kind `setup` where the variable is not set, or holds what no header may.
    """
    if variable is None:
        return None
    value = os.environ.get(variable, "").strip()
    if not value:
        raise Failure("setup", f"the environment variable {variable} with the API key is not set")
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise Failure("setup", f"the environment variable {variable} holds blanks or characters that no key has")
    return Secret(value)
