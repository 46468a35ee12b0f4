"""The frame of pages that commands write: one HTML file without scripts or outside resources, light or dark as the
browser is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html import escape
from pathlib import Path
from typing import IO

from ..errors import Errors, NlpkitError
from ..util import atomic_write

# Black letters stay readable on the strongest shade of a light page, and white ones on that of a dark page.
STRONGEST = 0.6
_STYLE = """
:root { color-scheme: light dark; --line: #ccc; --back: #fff; }
body { font: 16px/1.6 sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #111;
  background: var(--back); }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 0 1rem 1rem; margin: 1.5rem 0; }
h2 { font-size: 1rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: .9rem; }
@media (prefers-color-scheme: dark) {
  :root { --line: #555; --back: #181818; }
  body { color: #eee; }
}
"""
# Browsers load nothing and run nothing, whatever the texts hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
FOOT = "</body>\n</html>\n"


def head(title: str, style: str, legend: str) -> str:
    """What stands before the sections of a page.

    title (str): Plain text. style (str): CSS beside that of every page. legend (str): HTML that explains the page.
    """
    title = escape(title)
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{legend}"
    )


@contextmanager
def open_page(path: Path, command: str) -> Iterator[IO[str]]:
    """A file that stands under its name when the block ends without an error.

    command (str): The command whose option --html names the file.
    RAISES: N006 where the file cannot be written.
    """
    with ExitStack() as stack:
        try:
            file_ = stack.enter_context(atomic_write(path))
        except OSError as error:
            expected = f"a path that can be written ({error.strerror})"
            problem = Errors.N006.format(setting="--html", name=command, expected=expected, value=str(path))
            raise NlpkitError(problem) from error
        yield file_
