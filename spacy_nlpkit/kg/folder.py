"""The folder of a built graph: `kb.sqlite`, arrays as `*.npy`, and `meta.json` with size and SHA-256 of each.

Opening compares sizes, which finds what was cut off; `verify` compares hashes, which finds all else. No file is ever
written to after it was built, and none is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, NlpkitError
from .graph import GraphMeta

FORMAT = "spacy_nlpkit.kg"
SCHEMA = 1
META, DATABASE = "meta.json", "kb.sqlite"
_HASH_BLOCK = 1 << 20


class FolderMeta(NamedTuple):
    """What `meta.json` holds: see `GraphMeta`; kinds and types as words; size and SHA-256 of each file by name."""

    graph: GraphMeta
    kinds: tuple[str, ...]
    type_names: tuple[str, ...]
    files: dict[str, tuple[int, str]]


def is_graph_folder(path: Path) -> bool:
    """Whether a folder looks like a built graph, of whatever schema."""
    try:
        return json.loads((path / META).read_text(encoding="utf8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_meta(path: Path, graph: GraphMeta, kinds: tuple[str, ...], type_names: tuple[str, ...]) -> None:
    """Write `meta.json`, last of all: it holds the hashes of all files of the folder."""
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        **graph._asdict(),
        "kinds": kinds,
        "type_names": type_names,
        "files": {
            file.name: {"bytes": file.stat().st_size, "sha256": file_hash(file)} for file in sorted(path.iterdir())
        },
    }
    (path / META).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


def read_meta(path: Path) -> FolderMeta:
    """Read `meta.json` and check that every file is there in its full size.

    RAISES: N154 where the folder is none of a graph, N155 where it has another schema, N156 where a file is damaged.
    """
    if not path.is_dir():
        raise NlpkitError(Errors.N154.format(path=path, problem="there is no such folder"))
    try:
        content = json.loads((path / META).read_text(encoding="utf8"))
    except FileNotFoundError:
        raise NlpkitError(Errors.N154.format(path=path, problem=f"the folder has no {META}")) from None
    except (OSError, ValueError) as error:
        raise NlpkitError(Errors.N156.format(path=path / META, problem=f"it cannot be read ({error})")) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise NlpkitError(Errors.N154.format(path=path, problem=f"its {META} is not that of a graph"))
    if content.get("schema") != SCHEMA:
        raise NlpkitError(Errors.N155.format(path=path, found=content.get("schema"), wanted=SCHEMA))
    try:
        files = {name: (int(file["bytes"]), str(file["sha256"])) for name, file in content["files"].items()}
        graph = GraphMeta(**{field: content[field] for field in GraphMeta._fields})
        meta = FolderMeta(graph, tuple(content["kinds"]), tuple(content["type_names"]), files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"a part of it is missing or wrong ({error!r})"
        raise NlpkitError(Errors.N156.format(path=path / META, problem=problem)) from error
    for name, (size, _) in files.items():
        _check_size(path, name, size)
    return meta


def _check_size(path: Path, name: str, size: int) -> None:
    if Path(name).name != name:
        raise NlpkitError(
            Errors.N156.format(path=path / META, problem=f"it names a file outside of the folder: {name!r}")
        )
    file = path / name
    if not file.is_file():
        raise NlpkitError(Errors.N156.format(path=file, problem="the file is missing"))
    if file.stat().st_size != size:
        problem = f"it has {file.stat().st_size:,} bytes, {META} says {size:,}"
        raise NlpkitError(Errors.N156.format(path=file, problem=problem))


def open_arrays(path: Path, meta: FolderMeta) -> dict[str, NDArray[Any]]:
    """Memory-map the arrays of a folder, by name.

    RAISES: N156 where a file is no array.
    """
    arrays = {}
    for name in meta.files:
        if name.endswith(".npy"):
            try:
                arrays[name.removesuffix(".npy")] = _open_array(path / name)
            except (OSError, ValueError) as error:
                raise NlpkitError(Errors.N156.format(path=path / name, problem=f"it is no array ({error})")) from error
    return arrays


def _open_array(path: Path) -> NDArray[Any]:
    array: np.memmap[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    # A plain view: each slice of a memmap object costs microseconds more.
    return array.view(np.ndarray)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as `NAME.npy`."""
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array, allow_pickle=False)


def verify_files(path: Path, meta: FolderMeta) -> None:
    """Read every file of a folder and compare its hash.

    RAISES: N156 for the first file that is not what was built.
    """
    for name, (size, expected) in meta.files.items():
        _check_size(path, name, size)
        found = file_hash(path / name)
        if found != expected:
            problem = f"its SHA-256 is {found}, {META} says {expected}"
            raise NlpkitError(Errors.N156.format(path=path / name, problem=problem))


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file_:
        while block := file_.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
