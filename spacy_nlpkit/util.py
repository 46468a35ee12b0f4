"""Small helpers for every room: files and folders written whole, floats that msgpack takes, offsets in text files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when the block ends without an error.

    path (str | Path): Where the file goes; missing parent folders are made.
    mode (str): "w" (UTF-8, newline as given) or "wb".
    An error or Ctrl-C removes the partial file and leaves what was there before as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open(mode, **({} if "b" in mode else {"encoding": "utf8", "newline": ""})) as file_:  # type: ignore[call-overload]
            yield file_
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder that appears under the name `path` only when the block ends without an error.

    path (str | Path): Where the folder goes; missing parents are made, a folder that is there is replaced.
    An error or Ctrl-C removes the partial folder and leaves what was there before as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    before = path.with_name(f".{path.name}.{os.getpid()}.before")
    try:
        aside.mkdir()
        yield aside
        if path.exists():
            path.rename(before)
        aside.rename(path)
    except BaseException:
        if before.exists() and not path.exists():
            before.rename(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def to_float(value: Any) -> float:
    """A Python float of any scalar: numpy, cupy or torch."""
    return float(value.item()) if hasattr(value, "item") else float(value)
