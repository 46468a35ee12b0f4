"""Write docs/benchmarks.md from metrics/*.json: `python scripts/make_benchmarks_page.py [--check]`.

A file without a single peer holds scores of a run on one machine, not a benchmark, and is left off the page.
With --check nothing is written: exit status 1 where the page is not what the files make.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.metrics import read_metrics
from spacy_nlpkit.util import atomic_write

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

This page is made from `metrics/*.json` by `python scripts/make_benchmarks_page.py`: do not edit it. Every
table sets our figures beside those of a named peer; *ratio* is ours divided by the peer's. A dash means that
there is no such figure. What the results mean is said in the component's own page.
"""


def build_page(metrics_dir: Path) -> str:
    """The page as Markdown. RAISES: N096 where a metrics file does not match the schema."""
    parts = [HEAD]
    for path in sorted(metrics_dir.glob("*.json")):
        data = read_metrics(path)
        if any(result["peers"] for result in data["results"].values()):
            parts.extend(_task(path.stem, data))
    if len(parts) == 1:
        parts.append("No benchmark has been run yet.\n")
    return "\n".join(parts)


def _task(name: str, data: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    for bench, result in data["results"].items():
        yield f"### {bench}\n"
        yield "\n".join(_table(result)) + "\n"
        yield "\n".join(_origin(result.get("run", data["run"]), result["seeds"])) + "\n"


def _table(result: dict[str, Any]) -> Iterator[str]:
    ours = dict(_flat(result["ours"]))
    peers = {name: dict(_flat(figures)) for name, figures in result["peers"].items()}
    columns = ["figure", "ours", *(cell for name in peers for cell in (name, "ratio"))]
    yield _row(columns)
    yield _row(["---", *["---:"] * (len(columns) - 1)])
    rows = dict.fromkeys([*ours, *(key for figures in peers.values() for key in figures)])
    for key in rows:
        cells = [_show(ours.get(key))]
        for figures in peers.values():
            cells += [_show(figures.get(key)), _ratio(ours.get(key), figures.get(key))]
        # What no side has says nothing.
        if any(cell != "–" for cell in cells):
            yield _row([f"`{key}`", *cells])


def _origin(run: dict[str, Any], seeds: list[int]) -> Iterator[str]:
    machine = run["machine"]
    yield f"* Made by `{run['command']}`, {run['date']}, commit `{(run['commit'] or 'unknown')[:12]}`" + (
        f", seeds {', '.join(map(str, seeds))}." if seeds else "."
    )
    yield (
        "* Machine: " + ", ".join(f"{key} {_show(value)}" for key, value in machine.items() if value is not None) + "."
    )
    yield ("* Versions: " + ", ".join(f"{package} {number}" for package, number in run["versions"].items()) + ".")


def _flat(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _show(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return " – ".join(_show(item) for item in value) or "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", r"\|").replace("\n", " ")


def _ratio(ours: Any, theirs: Any) -> str:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (ours, theirs))
    return f"{ours / theirs:.2f}" if numbers and theirs else "–"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> int:
    """Write or check the page; returns the exit status."""
    if arguments not in ([], ["--check"]):
        print("Usage: python scripts/make_benchmarks_page.py [--check]", file=sys.stderr)
        return 2
    try:
        page = build_page(ROOT / "metrics")
    except NlpkitError as error:
        print(error, file=sys.stderr)
        return 1
    if not arguments:
        with atomic_write(PAGE) as file_:
            file_.write(page)
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf8") == page:
        return 0
    print(
        f"{PAGE.relative_to(ROOT)} is out of date: run python scripts/make_benchmarks_page.py",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
