"""Check the assets of project.yml that are present against their checksums.

Usage: python scripts/verify_assets.py [PROJECT_DIR]

`weasel assets` reports a wrong checksum and goes on with the bad file; this ends with status 1.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import srsly

from spacy_nlpkit.errors import Errors, NlpkitError


def verify(project: Path) -> tuple[int, int]:
    """Return how many assets are present and right, and how many absent; raise N100 on a wrong one."""
    right = absent = 0
    for asset in srsly.read_yaml(project / "project.yml").get("assets", []):
        path = project / asset["dest"]
        if not path.exists():
            absent += 1
            continue
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if found != asset["checksum"]:
            raise NlpkitError(Errors.N100.format(path=path, expected=asset["checksum"], found=found))
        right += 1
    return right, absent


def main() -> None:
    """Check the project in the working directory, or in the folder given."""
    try:
        right, absent = verify(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    except NlpkitError as error:
        sys.exit(str(error))
    print(f"Assets: {right} present and right, {absent} optional ones absent")


if __name__ == "__main__":
    main()
