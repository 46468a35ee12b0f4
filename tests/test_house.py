"""The rules of the house, read from the source: who imports whom, what imports cost, what functions say."""

import ast
import configparser
import importlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from spacy_nlpkit import errors
from spacy_nlpkit.errors import Errors, Warnings

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spacy_nlpkit"
MODULES = sorted(PACKAGE.rglob("*.py"))
BOTTOM = ""
MESSAGES = sorted((PACKAGE / "errors").glob("*.py"))
# The messages are a folder, but no room: every room may use them.
ROOMS = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} - {"errors"}
# The rooms that a room may import beside itself; the bottom is what lies in the package's own folder.
MAY_IMPORT = {
    BOTTOM: set(),
    "data": {BOTTOM},
    "kg": {BOTTOM},
    "layers": {BOTTOM},
    "scoring": {BOTTOM},
    "models": {BOTTOM, "layers"},
    "pipeline": {BOTTOM, "models", "layers", "kg", "scoring"},
    "training": {BOTTOM, "data", "kg", "scoring"},
    "cli": {BOTTOM, "data", "kg", "layers", "scoring", "models", "pipeline", "training"},
}
HEAVY = (
    *("torch", "transformers", "spacy_transformers", "tokenizers", "safetensors"),
    *("scipy", "matplotlib", "pyoxigraph"),
)
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
MAX_LINES = 400
IMPORT_SECONDS = 0.3

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def imported_modules(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Absolute names of all that a module imports, inside functions as well."""
    package = ["spacy_nlpkit", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "spacy_nlpkit":
                yield from ((f"{module}.{alias.name}", node) for alias in node.names)
            else:
                yield module, node


def room_of(parts: list[str]) -> str:
    return parts[0] if parts and parts[0] in ROOMS else BOTTOM


def entry_points_declared() -> dict[str, dict[str, str]]:
    config = configparser.ConfigParser(delimiters=("=",))
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read(ROOT / "setup.cfg", encoding="utf8")
    section = config["options.entry_points"]
    return {
        group: dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines.strip().splitlines())
        for group, lines in section.items()
    }


def functions_of(body: list[ast.stmt]) -> Iterator[tuple[FunctionNode, bool]]:
    """Public functions and methods of public classes, with whether it is a method."""
    for node in body:
        if isinstance(node, FunctionNode) and not node.name.startswith("_"):
            yield node, False
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, FunctionNode) and (not item.name.startswith("_") or item.name == "__init__"):
                    yield item, True


def test_imports_run_one_way() -> None:
    assert set(MAY_IMPORT) - {BOTTOM, "kg"} <= ROOMS <= set(MAY_IMPORT)
    wrong = []
    for path in MODULES:
        room = room_of(list(path.relative_to(PACKAGE).parts[:-1]))
        for name, node in imported_modules(path):
            top, *rest = name.split(".")
            if top == "spacy_nlpkit" and room_of(rest) not in {room, *MAY_IMPORT[room]}:
                wrong.append(f"{where(path, node)}: {room or 'the bottom'} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_torch_is_imported_in_layers_alone() -> None:
    wrong = [
        f"{where(path, node)}: {name}"
        for path in MODULES
        for name, node in imported_modules(path)
        if name.split(".")[0] == "torch" and PACKAGE / "layers" not in path.parents
    ]
    assert not wrong, "\n".join(wrong)


def test_entry_points_load_and_are_known() -> None:
    declared = entry_points_declared()
    for points in declared.values():
        for target in points.values():
            module, attribute = target.split(":")
            assert hasattr(importlib.import_module(module), attribute), target
    names = {group: sorted(points) for group, points in declared.items()}
    assert names == json.loads((ROOT / "tests" / "registry.json").read_text(encoding="utf8"))


def test_installed_entry_points_are_the_declared() -> None:
    installed: dict[str, dict[str, str]] = {}
    for point in distribution("spacy-nlpkit").entry_points:
        installed.setdefault(point.group, {})[point.name] = point.value
    assert installed == entry_points_declared(), "setup.cfg changed: install the package again"


def test_registered_names_resolve() -> None:
    from spacy import registry

    for group, points in entry_points_declared().items():
        name = group.removeprefix("spacy_")
        if group.startswith("spacy_") and name not in ("cli", "factories"):
            for point in points:
                assert registry.get(name, point) is not None


def test_import_is_light_and_needs_no_extra(tmp_path: Path) -> None:
    """Every factory module is imported at each `spacy.blank`, the command line at each command of spaCy. As installed:
    from bytecode, which a first import writes."""
    declared = entry_points_declared()
    modules = sorted(
        {
            target.split(":")[0]
            for group in ("spacy_factories", "spacy_cli", "spacy_displacy_colors")
            for target in declared.get(group, {}).values()
        }
    )
    imports = "\n".join(f"import {name}" for name in modules)
    code = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r}))\n{imports}"
    command = [sys.executable, "-X", "importtime", "-X", f"pycache_prefix={tmp_path}", "-c", code]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr[-2000:]
    own = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(spacy_nlpkit\S*)", done.stderr)
    assert {name for _, name in own} >= set(modules)
    assert sum(int(microseconds) for microseconds, _ in own) / 1e6 < IMPORT_SECONDS


def codes_defined() -> Iterator[tuple[str, str]]:
    """Each definition of a message, in whatever class it stands: the name of its module, and its code."""
    for path in MESSAGES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.Assign):
                        yield from ((path.name, ast.unparse(target)) for target in item.targets)


def test_codes_are_unique_used_and_known() -> None:
    codes = Counter(code for _, code in codes_defined())
    assert [code for code, count in codes.items() if count > 1] == []
    users = [*(path for path in MODULES if path not in MESSAGES), *(ROOT / "scripts").glob("*.py")]
    used = {code for path in users for code in codes_named(parse(path))}
    defined = set(map(class_and, codes))
    assert used - defined == set(), "codes without a message"
    assert defined - used == set(), "messages that nothing raises"


def test_codes_are_looked_up_in_two_classes() -> None:
    for messages, pattern in ((Errors, r"N\d{3}"), (Warnings, r"NW\d{3}")):
        codes = sorted(code for _, code in codes_defined() if re.fullmatch(pattern, code))
        assert sorted(code for code in dir(messages) if not code.startswith("_")) == codes
        assert all(re.match(rf"\[{code}\] [^\s\[]", getattr(messages, code)) for code in codes)
        with pytest.raises(AttributeError, match="N999"):
            getattr(messages, "N999")  # noqa: B009


def test_codes_stand_in_their_blocks() -> None:
    listed = re.findall(r"^(\d{3})-(\d{3}) (\w+\.py)", str(errors.__doc__), re.MULTILINE)
    blocks = [(int(first), int(last), name) for first, last, name in listed]
    assert all(last + 1 == first for (_, last, _), (first, _, _) in itertools.pairwise(blocks))
    assert {name for _, _, name in blocks} == {path.name for path in MESSAGES} - {"__init__.py"}
    block_of = {number: block for block in blocks for number in range(block[0], block[1] + 1)}
    for name, code in codes_defined():
        assert block_of[int(code[-3:])][2] == name, code
    # What a module says of its blocks is what the list says.
    for path in MESSAGES:
        for first, last in re.findall(r"^    # (\d{3})-(\d{3}): ", path.read_text(encoding="utf8"), re.MULTILINE):
            assert (int(first), int(last), path.name) in blocks


def class_and(code: str) -> str:
    return f"{'Warnings' if 'W' in code else 'Errors'}.{code}"


def codes_named(tree: ast.Module) -> Iterator[str]:
    """Codes a module names, as attributes (`Errors.N001`) or as strings that it looks up later."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("Errors", "Warnings"):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and re.fullmatch(r"NW?\d{3}", str(node.value)):
            yield class_and(str(node.value))


@pytest.mark.parametrize("folder", ["spacy_nlpkit", "tests", "scripts"])
def test_files_stay_short(folder: str) -> None:
    lengths = {path: len(path.read_text(encoding="utf8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_no_pickle_is_read() -> None:
    wrong = [
        f"{where(path, node)}: imports {name}"
        for path in MODULES
        for name, node in imported_modules(path)
        if name.split(".")[0] in UNSAFE
    ]
    for path in MODULES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
                given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
                reads_torch = ast.unparse(node.func) == "torch.load" and given.get("weights_only") is not True
                if reads_torch or given.get("allow_pickle"):
                    wrong.append(f"{where(path, node)}: {ast.unparse(node)}")
    assert not wrong, "\n".join(wrong)


def test_public_functions_are_documented_and_annotated() -> None:
    wrong = []
    for path in MODULES:
        tree = parse(path)
        if not ast.get_docstring(tree) and tree.body and path.name != "about.py":
            wrong.append(f"{where(path, tree)}: the module has no docstring")
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                wrong.append(f"{where(path, node)}: {node.name} has no docstring")
        for function, is_method in functions_of(tree.body):
            if not ast.get_docstring(function) and function.name != "__init__":
                wrong.append(f"{where(path, function)}: {function.name} has no docstring")
            if missing := list(unannotated(function, is_method)):
                wrong.append(f"{where(path, function)}: {function.name} lacks annotations of {', '.join(missing)}")
    assert not wrong, "\n".join(wrong)


def unannotated(function: FunctionNode, is_method: bool) -> Iterator[str]:
    arguments = function.args
    static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in function.decorator_list)
    positional = [*arguments.posonlyargs, *arguments.args][1 if is_method and not static else 0 :]
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    yield from (a.arg for a in [*positional, *arguments.kwonlyargs, *extra] if a.annotation is None)
    if function.returns is None:
        yield "the result"
