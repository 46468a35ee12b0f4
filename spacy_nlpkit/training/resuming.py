"""Callbacks of `spacy train` by which a training that was interrupted goes on as if it had not been.

spaCy saves weights alone, and averages of them where the optimizer makes averages. What a training needs beside that is
saved next to each checkpoint, of components that train in torch.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy
import spacy
from spacy.language import Language
from wasabi import msg

from ..errors import Errors, NlpkitError
from ..util import replace_folder

# The file of what belongs to no component, and the ending of those of the components.
FILE, ENDING = "state.json", ".safetensors"


@spacy.registry.callbacks("spacy_nlpkit.save_training_state.v1")
def make_save_training_state(path: str | None = None) -> Callable[[Language], Language]:
    """A callback for `[training] before_to_disk`: keep what a training needs to go on, at each checkpoint.

    path (str): Folder, which appears whole or not at all; null keeps nothing.
    RAISES: When called, N261 where a component that learns does not train in torch.
    """

    def save(nlp: Language) -> Language:
        shims = {} if path is None else _shims(nlp)
        # Before the first update there is nothing to keep, and a training that was refused must not write over what it
        # was to go on from.
        if path is not None and any(shim.n_steps for shim in shims.values()):
            with replace_folder(path) as folder:
                for name, shim in shims.items():
                    (folder / f"{name}{ENDING}").write_bytes(shim.state_bytes())
                steps = max(shim.n_steps for shim in shims.values())
                state = {"steps": steps, "subwords": _subwords(nlp, shims), "optimizer": _optimizer(nlp)}
                state["random"] = _random_state()
                # Not by srsly, which rounds to ten decimals.
                (folder / FILE).write_text(json.dumps(state), encoding="utf8")
        return nlp

    return save


@spacy.registry.callbacks("spacy_nlpkit.resume_training.v1")
def make_resume_training(path: str | None = None) -> Callable[[Language, dict[str, Any]], None]:
    """A callback for `[training] before_update`: before the first update, take up what `save_training_state` kept.

    path (str): Its folder; null starts anew.
    Weights, the optimizer's state and schedules, averages and random generators are those after the last update.
    RAISES: When called, N262 for a folder that is none, or of a training with another optimizer, other subwords or
        other components; N260 where a component has other parameters; N261 as `save_training_state`.
    """

    def resume(nlp: Language, info: dict[str, Any]) -> None:
        if path is None or info["step"] > 0:
            return
        shims, folder = _shims(nlp), Path(path)
        state = _read(folder, nlp, list(shims))
        try:
            for number, (name, shim) in enumerate(shims.items()):
                shim.load_state((folder / f"{name}{ENDING}").read_bytes(), name, step_schedules=number == 0)
        except NlpkitError:
            for shim in shims.values():
                shim.n_steps = 0  # nothing is kept of what was taken up in part
            raise
        _set_random_state(state["random"])
        msg.info(f"Goes on after {state['steps']} updates, from {path}")

    return resume


def _shims(nlp: Language) -> dict[str, Any]:
    """What trains each component that learns, in the order in which the loop updates them. RAISES: N261."""
    frozen = nlp.config["training"]["frozen_components"]
    found = {}
    for name, pipe in nlp.pipeline:
        if name in frozen or not getattr(pipe, "is_trainable", False):
            continue
        nodes = list(pipe.model.walk())  # type: ignore[attr-defined]
        shims = [shim for node in nodes for shim in node.shims]
        if len(shims) != 1 or not hasattr(shims[0], "state_bytes") or any(node.param_names for node in nodes):
            raise NlpkitError(Errors.N261.format(name=name))
        found[name] = shims[0]
    return found


def _read(folder: Path, nlp: Language, names: list[str]) -> dict[str, Any]:
    """What belongs to no component. RAISES: N262."""
    try:
        state: Any = json.loads((folder / FILE).read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise NlpkitError(Errors.N262.format(path=folder, problem=f"{FILE} cannot be read ({error}).")) from error
    problem = None
    there = sorted(file_.name.removesuffix(ENDING) for file_ in folder.glob(f"*{ENDING}"))
    if there != sorted(names):
        problem = f"it has the components {there}, this training {sorted(names)}."
    for name, hashes in _subwords(nlp, names).items():
        if problem is None and state["subwords"].get(name) != hashes:
            problem = f"the component '{name}' has other subwords there."
    optimizer = _optimizer(nlp)
    if state["optimizer"] != optimizer:
        other = _first_difference(state["optimizer"], optimizer)
        problem = f"the optimizer differs: {other}. Schedules have to be those of the whole training."
    if problem is not None:
        raise NlpkitError(Errors.N262.format(path=folder, problem=problem))
    return state


def _subwords(nlp: Language, names: Iterable[str]) -> dict[str, list[str]]:
    """What the pieces of components are known by: numbers of other pieces would fit the weights as well."""
    pipes: dict[str, Any] = {name: nlp.get_pipe(name) for name in names}
    return {name: list(pipe.cfg["subwords"]) for name, pipe in pipes.items() if "subwords" in getattr(pipe, "cfg", {})}


def _optimizer(nlp: Language) -> dict[str, Any]:
    """The optimizer's block of the config, by dotted names."""
    return dict(_flat(nlp.config.interpolate()["training"]["optimizer"], "training.optimizer"))


def _flat(block: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value


def _first_difference(there: dict[str, Any], here: dict[str, Any]) -> str:
    name = next(name for name in sorted({*there, *here}) if there.get(name) != here.get(name))
    return f"{name} was {there.get(name)!r} and is {here.get(name)!r}"


# Random generators: of dropout, of the order of the data, of subwords


def _random_state() -> dict[str, Any]:
    name, keys, *rest = numpy.random.get_state()
    torch: Any = sys.modules["torch"]  # which trains what is saved
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "python": random.getstate(),
        "numpy": [name, numpy.asarray(keys).tolist(), *rest],
        "torch": [state.numpy().tobytes().hex() for state in (torch.get_rng_state(), *devices)],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))
    torch: Any = sys.modules["torch"]
    processor, *devices = (torch.frombuffer(bytearray.fromhex(each), dtype=torch.uint8) for each in state["torch"])
    torch.set_rng_state(processor)
    # Those of GPUs are of use on as many GPUs alone.
    if torch.cuda.is_available() and len(devices) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(devices)
