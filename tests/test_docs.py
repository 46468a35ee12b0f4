"""README.md, CONTRIBUTING.md and docs/: every Python block runs, every shell line names things that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import srsly
import typer.main
from spacy.cli import app as spacy_app

import spacy_nlpkit.cli  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SHELL = {"bash", "sh", "shell", "console"}
# Programs whose arguments are not ours to check.
OTHER_PROGRAMS = {"cd", "cp", "curl", "export", "git", "head", "ls", "mkdir", "source"}
# Modules that a line may run by `python -m` without a check of its arguments.
OTHER_MODULES = {"venv", "ruff", "mypy", "pytest"}
# A comment above a Python block that needs what a test machine may lack, with the reason.
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*\Z")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page: where it starts, its language, its text, and whether it is run."""

    where: str
    line: int
    language: str
    text: str
    run: bool


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        run = NOT_RUN.search(text[: match.start()]) is None
        yield Block(f"{page.relative_to(ROOT)}:{line}", line, match[1], match[2], run)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell block: continued lines joined, comments and prompts dropped."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words:
            yield words


def spacy_problem(words: list[str]) -> str | None:
    """What is wrong with the words after `python -m spacy`, by the parsers of the commands themselves."""
    command: Any = typer.main.get_command(spacy_app)
    used = []
    while hasattr(command, "commands"):
        if not words or words[0] == "--help":
            return None
        used.append(words[0])
        if words[0] not in command.commands:
            return f"no command {' '.join(used)!r}"
        command, words = command.commands[words[0]], words[1:]
    context = command.context_class(command, info_name=used[-1], **command.context_settings)
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
    except Exception as error:  # click's errors, which typer brings as a copy of its own
        return f"{' '.join(used)}: {error}"
    unknown = [word for word in rest if word.startswith("--") and "." not in word]
    missing = [p.name for p in command.params if p.required and values.get(p.name) is None]
    if not values.get("help") and (unknown or missing):
        return f"{' '.join(used)}: unknown {unknown}, missing {missing}"
    return None


def weasel_problem(words: list[str]) -> str | None:
    project = srsly.read_yaml(ROOT / "project.yml")
    if words[0] != "run":
        return None if words[0] in {"assets", "document", "pull", "push"} else f"weasel has no {words[0]!r}"
    names = {command["name"] for command in project["commands"]} | set(project["workflows"])
    if len(words) > 1 and words[1] not in names:
        return f"project.yml has no command or workflow {words[1]!r}"
    return variable_problem(words[2:], project)


def variable_problem(words: list[str], project: dict[str, Any]) -> str | None:
    for word in words:
        name = word.split("=")[0]
        if name.startswith("--vars.") and name.removeprefix("--vars.") not in project["vars"]:
            return f"project.yml has no variable {name!r}"
    return None


def make_problem(words: list[str]) -> str | None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    project = srsly.read_yaml(ROOT / "project.yml")
    for word in words:
        if word.startswith("ARGS="):
            if problem := variable_problem(shlex.split(word.removeprefix("ARGS=")), project):
                return problem
        elif "=" not in word and word not in targets:
            return f"the Makefile has no target {word!r}"
    return None


def pip_problem(words: list[str]) -> str | None:
    """Extras that setup.cfg does not have, and files that are not there."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for word in words:
        for extra in re.findall(r"(?:^\.|spacy-nlpkit)\[([\w,]+)\]", word):
            if unknown := set(extra.split(",")) - set(setup["options.extras_require"]):
                return f"setup.cfg has no extra {unknown}"
        if word.endswith(".txt") and not (ROOT / word).exists():
            return f"there is no file {word!r}"
    return None


def problem_of(words: list[str]) -> str | None:
    """Why the command cannot work, or None. A program that is not known here is a problem as well."""
    while re.match(r"^[A-Z_]+=", words[0]):
        words = words[1:]
    program, arguments = Path(words[0]).name, words[1:]
    if program in OTHER_PROGRAMS:
        return None
    if program == "make":
        return make_problem(arguments)
    if program == "pip":
        return pip_problem(arguments)
    if program in {"python", "python3"} and arguments[:1] == ["-m"]:
        module, arguments = arguments[1], arguments[2:]
        checks = {"spacy": spacy_problem, "weasel": weasel_problem, "pip": pip_problem}
        if module in checks:
            return checks[module](arguments)
        return None if module in OTHER_MODULES else f"unknown module {module!r}"
    if program in {"python", "python3"} and arguments:
        return None if (ROOT / arguments[0]).is_file() else f"there is no file {arguments[0]!r}"
    return f"unknown program {program!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A page is read from top to bottom: its blocks share their names, in a folder like a checkout.
    for name in ("assets", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python" and block.run:
            code = "\n" * (block.line - 1) + block.text
            exec(compile(code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_shell_lines_name_what_exists(page: Path) -> None:
    problems = [
        f"{block.where}: {' '.join(words)}: {problem}"
        for block in blocks(page)
        if block.language in SHELL
        for words in commands(block.text)
        if (problem := problem_of(words))
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf8"))
    local = [link for link in links if not link.startswith(("https://", "http://", "mailto:"))]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("python -m spacy nlpkit show model --metrics m.json", None),
        ("python -m spacy nlpkit shows model", "no command"),
        ("python -m spacy nlpkit show model --metric m.json", "metric"),
        ("python -m spacy nlpkit show", "missing"),
        ("python -m spacy train config.cfg --output out --training.max_steps 3", None),
        ("python -m weasel run all . --vars.annotations mine.jsonl", None),
        ("python -m weasel run everything", "everything"),
        ("python -m weasel run all . --vars.annotation mine.jsonl", "annotation"),
        ("make tests", "tests"),
        ('make run ARGS="--vars.labels x"', "labels"),
        ("pip install 'spacy-nlpkit[transformer]'", "transformer"),
        ("python scripts/nothing.py", "nothing.py"),
        ("frobnicate --now", "frobnicate"),
    ],
)
def test_the_check_of_a_shell_line(line: str, problem: str | None) -> None:
    found = problem_of(shlex.split(line))
    assert found is None if problem is None else problem in (found or "")
