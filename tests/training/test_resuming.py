"""A training that was interrupted and goes on is the training that was not, by spaCy's own loop."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy
import srsly
from spacy.language import Language
from thinc.api import Adam

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.subwords import Subwords

from ..contract.written import TARGETS, subwords
from .small_training import CONFIG, run, start, write_classes, write_corpus

# Five batches an epoch, in the order of the file: an epoch that begins anew is the next.
PLAIN: dict[str, Any] = {"corpora__train__shuffle": False, "training__max_epochs": -1, "training__eval_frequency": 7}
BATCHER = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4, "get_length": None}
# The encoder begins to learn after the interruption.
GROUPS = {"reader": {"pattern": "^encoder", "learn_rate": 0.5, "frozen_steps": 12}}
RATE = {"@schedules": "warmup_linear.v1", "warmup_steps": 5, "total_steps": 40, "initial_rate": 0.005}

OPTIMIZER = {"@optimizers": "Adam.v1", "grad_clip": 1.0, "use_averages": True, "learn_rate": RATE}


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Any]:
    return write_corpus(tmp_path / "corpus", copies=5)


def shim_of(nlp: Language, name: str = "seq2seq") -> Any:
    pipe: Any = nlp.get_pipe(name)
    return pipe.model.shims[0]


def begin(paths: dict[str, Any], n_updates: int, optimizer: dict[str, Any] | None = None, **more: Any) -> Language:
    """A pipeline that the loop is to train for some updates, with all that is drawn at random."""
    blocks = {"training.batcher": BATCHER, "components.seq2seq.model.groups": GROUPS}
    blocks["training.optimizer"] = {**OPTIMIZER, **(optimizer or {})}
    # The loop counts from 0.
    return start(paths, blocks, **PLAIN, training__max_steps=n_updates - 1, **more)


def weights(nlp: Language, pipe: str = "seq2seq") -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in shim_of(nlp, pipe).module.named_parameters()}


def saved_weights(output: Path) -> dict[str, Any]:
    return weights(spacy.load(output / "model-last"))


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((value - other[name]).abs().max()) for name, value in one.items())


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    [
        ({}, "float32"),
        ({"@optimizers": "RAdam.v1"}, "float32"),
        ({"use_averages": False, "L2": 0.01}, "float32"),
        ({}, "float16"),
    ],
    ids=["adam", "radam", "no averages", "half precision"],
)
def test_20_updates_are_10_and_10(
    optimizer: dict[str, Any], precision: str, paths: dict[str, Any], tmp_path: Path
) -> None:
    paths["components.seq2seq.model.precision"] = precision
    whole = begin(paths, 20, optimizer)
    run(whole, tmp_path / "whole")
    state = str(tmp_path / "state")
    run(begin(paths, 10, optimizer, paths__state=state), tmp_path / "first")
    assert sorted(file_.name for file_ in (tmp_path / "state").iterdir()) == ["seq2seq.safetensors", "state.json"]
    second = begin(paths, 10, optimizer, paths__resume=state, paths__state=state)
    run(second, tmp_path / "second")
    assert difference(weights(whole), weights(second)) < 1e-6
    # What is saved are the averages, which go on as well.
    assert difference(saved_weights(tmp_path / "whole"), saved_weights(tmp_path / "second")) < 1e-6
    for count in ("n_updates", "n_steps", "learn_rate"):
        assert getattr(shim_of(second), count) == getattr(shim_of(whole), count)
    assert shim_of(second)._scaler.state_dict() == shim_of(whole)._scaler.state_dict()
    assert bool(shim_of(second)._scaler.state_dict()) == (precision == "float16")
    assert json.loads((tmp_path / "state" / "state.json").read_text())["steps"] == 20
    # Without the state, the same weights go another way.
    again = begin(paths, 10, optimizer)
    shim_of(again).module.load_state_dict(saved_weights(tmp_path / "first"))
    run(again)
    assert difference(weights(whole), weights(again)) > 1e-3


def test_two_components_and_one_that_rests(paths: dict[str, Any], tmp_path: Path) -> None:
    """Schedules of the one optimizer are brought forward once."""

    def two(n_updates: int, **more: Any) -> Language:
        more = {**more, "nlp__pipeline": ["seq2seq", "other", "rests"], "training__frozen_components": ["rests"]}
        config = start(paths).config["components"]["seq2seq"]
        rests = {"source": str(tmp_path / "classifier"), "component": "textcat"}
        blocks = {"components.other": {**config, "attribute": "other"}, "components.rests": rests}
        loader = {"subwords": {"@misc": "spacy_nlpkit.Subwords.v1", "path": paths["paths.subwords"]}}
        blocks |= {"initialize.components.other": loader, "training.batcher": BATCHER, "training.optimizer": OPTIMIZER}
        return start(paths, blocks, **PLAIN, training__max_steps=n_updates - 1, **more)

    classifier = spacy.blank("xx")
    pipe: Any = classifier.add_pipe("textcat")
    for label in ("UP", "DOWN"):
        pipe.add_label(label)
    classifier.initialize()
    classifier.to_disk(tmp_path / "classifier")
    whole, state = two(20), str(tmp_path / "state")
    run(whole)
    run(two(10, paths__state=state), tmp_path / "first")
    second = two(10, paths__resume=state)
    run(second)
    for name in ("seq2seq", "other"):
        assert difference(weights(whole, name), weights(second, name)) < 1e-6
    assert shim_of(whole).learn_rate == shim_of(second).learn_rate


def test_an_evaluation_that_fails_does_not_make_averages_of_the_weights(paths: dict[str, Any], tmp_path: Path) -> None:
    """spaCy's loop then saves once more, while the averages that were evaluated are still in their place."""
    state = tmp_path / "state"
    nlp = begin(paths, 20, paths__state=str(state))

    def fail(*args: Any, **kwargs: Any) -> Any:
        if shim_of(nlp).n_updates > 1:
            before.update(shim_of(nlp)._own)
            raise RuntimeError("no scores")
        return {"seq2seq_bleu": 0.0}

    before: dict[str, Any] = {}
    nlp.get_pipe("seq2seq").scorer = fail  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="no scores"):
        run(nlp, tmp_path / "output")
    other = begin(paths, 20)
    shim_of(other).load_state((state / "seq2seq.safetensors").read_bytes(), "seq2seq")
    assert shim_of(other).n_steps == 8
    # Those that rest have no averages.
    assert difference(before, {name: value for name, value in weights(other).items() if name in before}) == 0.0
    assert difference(saved_weights(tmp_path / "output"), weights(other)) > 1e-4


def test_what_cannot_go_on_is_refused(paths: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "state"
    run(begin(paths, 2, paths__state=str(state)), tmp_path / "first")

    def refused(match: str, *args: Any, **more: Any) -> None:
        nlp = begin(paths, 2, *args, **{"paths__resume": str(state), **more})
        with pytest.raises(NlpkitError, match=match):
            run(nlp)

    refused(r"\[N262\].*nowhere.*cannot be read", paths__resume=str(tmp_path / "nowhere"))
    refused(r"\[N262\].*learn_rate.total_steps was 40 and is 20", {"learn_rate": {**RATE, "total_steps": 20}})
    refused(r"\[N260\].*'seq2seq'.*has the shape", components__seq2seq__model__width=16)
    others = Subwords.train([*TARGETS, *TARGETS.values()] * 2, "unigram", size=len(subwords()))
    others.to_disk(tmp_path / "others.json")
    refused(r"\[N262\].*'seq2seq' has other subwords", paths__subwords=str(tmp_path / "others.json"))
    refused(r"\[N260\].*'seq2seq'.*decoder.1.*and none here", components__seq2seq__model__decoder_layers=1)
    (state / "seq2seq.safetensors").rename(state / "other.safetensors")
    refused(r"\[N262\].*has the components \['other'\], this training \['seq2seq'\]")
    (state / "seq2seq.safetensors").write_bytes(b"no state")
    (state / "other.safetensors").unlink()
    refused(r"\[N260\].*not of safetensors")
    (state / "state.json").write_text("{")
    refused(r"\[N262\].*state.json cannot be read")


@pytest.mark.parametrize(("optimizer", "wrong"), [({}, {"components__seq2seq__model__width": 16}), ({"L2": 0.5}, {})])
def test_a_refusal_leaves_the_state_alone(
    optimizer: dict[str, Any], wrong: dict[str, Any], paths: dict[str, Any], tmp_path: Path
) -> None:
    """spaCy's loop saves what it has when an update ends by an error: that must not be taken for a state."""
    state, first = str(tmp_path / "state"), tmp_path / "first"
    run(begin(paths, 5, paths__state=state), first)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    with pytest.raises(NlpkitError, match=r"\[N26[02]\]"):
        run(begin(paths, 5, optimizer, paths__state=state, paths__resume=state, **wrong), tmp_path / "second")
    assert {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()} == kept
    assert "Goes on after 5 updates" in _printed(begin(paths, 3, paths__state=state, paths__resume=state))


def _printed(nlp: Language) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run(nlp)
    return printed.getvalue()


def test_components_that_thinc_trains_are_refused(paths: dict[str, Any], tmp_path: Path) -> None:
    classes = write_classes(tmp_path)
    more = {"paths__train": classes, "paths__dev": classes, "nlp__pipeline": ["seq2seq", "textcat"]}
    blocks = {"components.textcat": {"factory": "textcat"}}
    nlp = start(paths, blocks, **more, paths__state=str(tmp_path / "state"))
    with pytest.raises(NlpkitError, match=r"\[N261\].*'textcat'"):
        run(nlp, tmp_path / "output")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("family", ["Marian", "T5", "Bart"])
def test_the_state_of_pretrained_models(family: str) -> None:
    """Whose tables are known by several names."""
    transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    import torch

    from spacy_nlpkit.layers.seq2seq.pretrained import PretrainedSeq2Seq
    from spacy_nlpkit.layers.torch_training import LossShim

    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 1, "decoder_attention_heads": 1}
    sizes = {"d_kv": 4, "d_ff": 4, "num_layers": 1, "num_heads": 1} if family == "T5" else layers
    numbers = {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 1}
    config = getattr(transformers, f"{family}Config")(vocab_size=8, d_model=4, **sizes, **numbers)
    shims = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        shims.append(LossShim(PretrainedSeq2Seq(transformers.AutoModelForSeq2SeqLM.from_config(config))))
    shim, other = shims
    learn(shim, Adam(0.01), 3)
    other.load_state(shim.state_bytes(), "seq2seq")
    first, second = Adam(0.01), Adam(0.01)
    learn(shim, first, 3)
    learn(other, second, 3)
    one, two = (dict(found.module.named_parameters()) for found in shims)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    averages = [{name: value for (_, name), value in optimizer.averages.items()} for optimizer in (first, second)]
    assert averages[0].keys() == averages[1].keys() == {name for name, value in one.items() if value.requires_grad}
    assert all((value == averages[1][name]).all() for name, value in averages[0].items())


def learn(shim: Any, optimizer: Any, n_updates: int) -> None:
    """Some updates that move every weight by a gradient of its own."""
    for _ in range(n_updates):
        _, _, backprop = shim.begin_loss(lambda module: (sum((p**2).sum() for p in module.parameters()), 5))
        backprop()
        shim.finish_update(optimizer)


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on(paths: dict[str, Any], tmp_path: Path) -> None:
    """By the command line, as docs/seq2seq.md says."""
    state = tmp_path / "state"
    words = [sys.executable, "-m", "spacy", "train", CONFIG, "--training.eval_frequency", 10, "--paths.state", state]
    words += [word for name, path in paths.items() for word in (f"--{name}", path)]
    words += ["--training.optimizer.learn_rate.total_steps", 1000]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(output: str, *more: object) -> list[str]:
        log = ("--training.logger.output_file", tmp_path / f"{output}.jsonl")
        return [str(word) for word in (*words, "--output", tmp_path / output, *log, *more)]

    def steps_kept() -> int:
        file_ = state / "state.json"
        try:
            return int(json.loads(file_.read_text())["steps"])
        except FileNotFoundError:  # also while one folder takes the place of another
            return 0

    first = subprocess.Popen(command("first", "--training.max_steps", 1000), env=environment, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 180
        while steps_kept() < 31 and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        first.kill()
        first.communicate()
    kept = steps_kept()
    assert kept >= 31
    assert kept % 10 == 1, "saved at an evaluation"
    more = ("--paths.resume", state, "--training.max_steps", 10, "--system.seed", 1)
    done = subprocess.run(command("second", *more), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"Goes on after {kept} updates" in done.stdout
    rows = [list(srsly.read_jsonl(tmp_path / f"{name}.jsonl")) for name in ("first", "second")]
    # In the warm-up of 5 updates and the fall after it, no rate comes twice.
    expected = 0.005 * (1000 - kept) / (1000 - 5)
    assert rows[1][0]["learn_rate"] == pytest.approx(expected)
    assert rows[1][0]["mean_losses"]["seq2seq"] < 0.7 * rows[0][0]["mean_losses"]["seq2seq"]
    assert steps_kept() == kept + 11
