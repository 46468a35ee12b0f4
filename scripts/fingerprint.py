"""One hash of a pipeline on disk, by which a packaged and installed pipeline is recognised."""

from __future__ import annotations

import hashlib
from pathlib import Path

META_KEY = "fingerprint"


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a saved pipeline, in order of their names.

    meta.json is left out: packaging rewrites it, and its scores do not change what the pipeline does.
    """
    digest = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.is_file())
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in files):
        if name != "meta.json":
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
