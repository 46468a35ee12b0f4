"""What every command shares: clear failures without a traceback, and tables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from spacy.cli._util import Arg, Opt
from wasabi import msg

from ..errors import NlpkitError
from . import app

__all__ = ["Arg", "Opt", "command", "msg"]

F = TypeVar("F", bound=Callable[..., Any])


def command(name: str, group: typer.Typer = app, **settings: Any) -> Callable[[F], F]:
    """Register a function as `spacy nlpkit NAME`, or `spacy nlpkit GROUP NAME` in a group of commands.

    A coded error is printed as one line and ends the process with status 1, Ctrl-C with 130; a
    programming error keeps its traceback. The undecorated function stays importable as a plain function.
    """

    def decorate(func: F) -> F:
        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return func(*args, **kwargs)
            except NlpkitError as error:
                msg.fail(str(error), exits=1)
            except KeyboardInterrupt:
                msg.warn("Interrupted: nothing half-written was left behind.", exits=130)

        group.command(name, **settings)(run)
        return func

    return decorate
