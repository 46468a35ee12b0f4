"""The files in metrics/: one schema for every figure that the project reports, and the one writer of it.

    {"schema": 1,
     "run": {"command", "commit", "versions", "machine", "date"},
     "results": {"<bench id>": {"ours": {...}, "peers": {"<name>": {...}}, "seeds": [...]}}}

Figures carry the scorer's own keys, and `words_per_second`, `train_seconds` and `peak_rss_mb`; null where
there is none. A result that an earlier run left in the file carries that run of its own as `run`.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import srsly

from .errors import Errors, NlpkitError
from .util import atomic_write

SCHEMA = 1
RUN_KEYS = ("command", "commit", "versions", "machine", "date")
COST_KEYS = ("words_per_second", "train_seconds", "peak_rss_mb")
PACKAGES = (
    "spacy-nlpkit",
    "spacy",
    "thinc",
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "spacy-transformers",
    "tokenizers",
    "sacrebleu",
    "sacremoses",
    "ctranslate2",
    "cupy",
)


def write_metrics(path: str | Path, results: Mapping[str, Mapping[str, Any]], command: str) -> dict[str, Any]:
    """Write results into a metrics file, whole or not at all; other results in the file are kept.

    path (str | Path): The file, made where it does not exist.
    results: Bench id to `{"ours": figures, "peers": {name: figures}, "seeds": [...]}`, where figures are
        numbers, text, None, or lists and dicts of these. Keys that one side lacks (and `COST_KEYS`) are
        written as null.
    command (str): The command line that makes these results again.
    RETURNS (dict): What the file holds now.
    RAISES: N096 where the file, or a result, does not match the schema.
    """
    path = Path(path)
    kept: dict[str, Any] = {}
    if path.exists():
        old = read_metrics(path)
        kept = {
            bench: {"run": old["run"], **result} for bench, result in old["results"].items() if bench not in results
        }
    run = {
        "command": command,
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }
    new = {bench: _complete(result) for bench, result in results.items()}
    data = {"schema": SCHEMA, "run": run, "results": dict(sorted({**kept, **new}.items()))}
    validate_metrics(data, path)
    with atomic_write(path) as file_:
        file_.write(srsly.json_dumps(data, indent=2) + "\n")
    return data


def read_metrics(path: str | Path) -> dict[str, Any]:
    """Read a metrics file. RAISES: N096 where it is no JSON or does not match the schema."""
    try:
        data = srsly.read_json(path)
    except ValueError as error:
        raise NlpkitError(Errors.N096.format(path=path, problem=f"not JSON ({error})")) from error
    validate_metrics(data, path)
    return data


def validate_metrics(data: Any, path: str | Path = "(in memory)") -> None:
    """Check that data match the schema of this module.

    data (Any): What a metrics file holds, as parsed JSON.
    path (str | Path): The place that the message names.
    RAISES: N096 naming the first thing that does not match.
    """
    for problem in _problems(data):
        raise NlpkitError(Errors.N096.format(path=path, problem=problem))


def versions() -> dict[str, str]:
    """The versions of Python and of those of `PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What figures of speed depend on, and no name or path of the machine.

    RETURNS (dict): `system`, `cpu` (model), `cores` (that this process may use), `memory_gb`, and `gpu` (the
        model of the one that torch has in use, or None).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    # Never an import: who runs on the GPU has torch loaded.
    torch = sys.modules.get("torch")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gb": None if memory is None else round(memory / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch is not None and torch.cuda.is_initialized() else None,
    }


def peak_rss_mb() -> float | None:
    """The most memory this process has held so far, in MB of 2**20 bytes; None where no system tells it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def commit() -> str | None:
    """The commit of the checkout this package runs from; None for an installed package.

    "-dirty" follows where the code or the configs in the checkout differ from the commit.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(
            root, "status", "--porcelain", "--untracked-files=no", "--", "spacy_nlpkit", "scripts", "configs"
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}-dirty" if changed else head


def _complete(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result with null for every figure that another side has and this one lacks."""
    peers = result.get("peers", {})
    keys = dict.fromkeys([*result["ours"], *(key for figures in peers.values() for key in figures), *COST_KEYS])
    return {
        "ours": {key: result["ours"].get(key) for key in keys},
        "peers": {name: {key: figures.get(key) for key in keys} for name, figures in peers.items()},
        "seeds": list(result.get("seeds", ())),
    }


def _problems(data: Any) -> Iterable[str]:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        yield f'the top level must be an object with "schema": {SCHEMA}'
        return
    yield from _run_problems("run", data.get("run"))
    results = data.get("results")
    if not isinstance(results, dict) or set(data) != {"schema", "run", "results"}:
        yield 'the top level must hold "schema", "run" and "results" (an object), and nothing else'
        return
    for bench, result in results.items():
        yield from _result_problems(f'results["{bench}"]', result)


def _run_problems(place: str, run: Any) -> Iterable[str]:
    if not isinstance(run, dict) or set(run) != set(RUN_KEYS):
        yield f"{place} must hold {', '.join(RUN_KEYS)}, and nothing else"
        return
    if not isinstance(run["command"], str) or not run["command"]:
        yield f"{place}.command must be the command line that makes the figures"
    if not (run["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", str(run["commit"]))):
        yield f"{place}.commit must be a commit of 40 hexadecimal digits, or null"
    if not isinstance(run["date"], str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", run["date"]):
        yield f"{place}.date must be a date YYYY-MM-DD"
    for key in ("versions", "machine"):
        if not isinstance(run[key], dict) or not run[key]:
            yield f"{place}.{key} must be an object that is not empty"


def _result_problems(place: str, result: Any) -> Iterable[str]:
    if not isinstance(result, dict) or set(result) - {"run"} != {"ours", "peers", "seeds"}:
        yield f"{place} must hold ours, peers and seeds"
        return
    if "run" in result:
        yield from _run_problems(f"{place}.run", result["run"])
    if not isinstance(result["seeds"], list) or not all(type(seed) is int for seed in result["seeds"]):
        yield f"{place}.seeds must be a list of whole numbers"
    if not isinstance(result["peers"], dict):
        yield f"{place}.peers must be an object of names and figures"
        return
    for side, figures in (
        ("ours", result["ours"]),
        *((f"peers[{name!r}]", peer) for name, peer in result["peers"].items()),
    ):
        if not isinstance(figures, dict):
            yield f"{place}.{side} must be an object of figures"
            continue
        for key in (*COST_KEYS, *result["ours"]):
            if key not in figures:
                yield f"{place}.{side} lacks {key} (null where there is no such figure)"
        for key, value in figures.items():
            if not _is_figure(value):
                yield f"{place}.{side}.{key} must be finite numbers, text, null, or lists and objects of them"


def _is_figure(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_figure(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_figure(item) for item in value)
    if type(value) is float:
        return value - value == 0.0
    return value is None or type(value) in (int, str, bool)


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists() and (match := re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)):
        return match.group(1)
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
