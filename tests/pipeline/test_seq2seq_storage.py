"""A `seq2seq` elsewhere: with its subwords, and with weights that came from a pretrained model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy  # noqa: E402
import srsly  # noqa: E402
from spacy.lang.en import English  # noqa: E402
from spacy.language import Language  # noqa: E402
from thinc.api import fix_random_seed  # noqa: E402

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.subwords import Subwords  # noqa: E402

from ..test_hf_subwords import save_byte_pairs  # noqa: E402
from .small_written import RECURRENT, TARGETS, TEXTS, TRANSFORMER, build, load, make_examples, pipe_of, subwords, train  # noqa: E402

MORE = [*TEXTS, "", "Oslo", "MILLS CLOSED TODAY ."]


def results(nlp: Language) -> list[Any]:
    return [doc._.seq2seq for doc in nlp.pipe(MORE)]


def two_sides() -> tuple[Subwords, Subwords]:
    """One for each language, of different sizes."""
    return Subwords.train([*TARGETS] * 2, size=300), Subwords.train([*TARGETS.values()] * 2, size=280)


# Subwords and weights


@pytest.mark.parametrize("kind", ["transformer", "recurrent", "two sides"])
def test_disk_and_bytes_give_the_same(tmp_path: Path, kind: str) -> None:
    nlp = build(model=RECURRENT if kind == "recurrent" else {**TRANSFORMER, "tied": "target"})
    if kind == "two sides":
        pipe_of(nlp).set_subwords(*two_sides())
    expected = results(train(nlp, 15))
    nlp.to_disk(tmp_path / "model")
    copies = [spacy.load(tmp_path / "model"), English.from_config(nlp.config).from_bytes(nlp.to_bytes())]
    copies.append(English.from_config(nlp.config).from_disk(tmp_path / "model"))
    for copy in copies:
        assert results(copy) == expected
        sides = pipe_of(copy).require_subwords()
        assert [side.content_hash for side in sides] == [side.content_hash for side in pipe_of(nlp).require_subwords()]
        assert (sides[0] is sides[1]) == (kind != "two sides")


def test_two_processes_at_a_time(writer: Path) -> None:
    expected = results(load(writer))
    found = [doc._.seq2seq for doc in load(writer).pipe(MORE, n_process=2, batch_size=2)]
    assert [item["text"] for item in found] == [item["text"] for item in expected]
    assert [item["score"] for item in found] == pytest.approx([item["score"] for item in expected], abs=1e-5)


def write_elsewhere(path: Path, home: Path) -> list[str]:
    """What a pipeline writes in another process, which has no network and no cache of models."""
    code = (
        "import json, sys, spacy\n"
        f"print(json.dumps([doc._.seq2seq['text'] for doc in spacy.load(sys.argv[1]).pipe({MORE!r})]))"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return [str(text) for text in json.loads(done.stdout)]


@pytest.mark.slow
def test_elsewhere(writer: Path, tmp_path: Path) -> None:
    assert write_elsewhere(writer, tmp_path) == [found["text"] for found in results(load(writer))]


def test_untrained_pipes_keep_their_subwords(tmp_path: Path) -> None:
    nlp = build()
    nlp.to_disk(tmp_path / "with")
    again = spacy.load(tmp_path / "with")
    assert not pipe_of(again).is_initialized
    train(again, 1)
    bare = spacy.blank("en")
    bare.add_pipe("seq2seq", config={"model": TRANSFORMER})
    bare.to_disk(tmp_path / "without")
    assert pipe_of(spacy.load(tmp_path / "without")).source is None


def test_loading_replaces_all_that_was_learned(writer: Path) -> None:
    nlp = build()
    pipe_of(nlp).set_subwords(subwords(300))
    train(nlp, 2)
    nlp.from_disk(writer)
    assert results(nlp) == results(load(writer))


def test_other_subwords_than_those_of_the_weights(writer: Path, tmp_path: Path) -> None:
    """Also where there are as many: numbers of pieces would mean others."""
    nlp = load(writer)
    own = pipe_of(nlp).require_subwords()[0]
    other = Subwords.train(["other words than those of the texts"] * 9 + TEXTS, size=len(own))
    expected = results(nlp)
    for given in (subwords(300), other):
        with pytest.raises(NlpkitError, match=rf"\[N229\].*{given.content_hash[:8]}.*{own.content_hash[:8]}"):
            pipe_of(nlp).set_subwords(given)
    assert results(nlp) == expected, "it keeps its own"
    pipe_of(nlp).set_subwords(Subwords.from_bytes(own.to_bytes()))
    shutil.copytree(writer, tmp_path / "mixed")
    foreign = build()
    pipe_of(foreign).set_subwords(other)
    foreign.to_disk(tmp_path / "foreign")
    shutil.copy(tmp_path / "foreign" / "seq2seq" / "subwords", tmp_path / "mixed" / "seq2seq" / "subwords")
    with pytest.raises(NlpkitError, match=r"\[N229\]"):
        spacy.load(tmp_path / "mixed")


def test_loaders_bring_subwords(tmp_path: Path) -> None:
    source, target = two_sides()
    source.to_disk(tmp_path / "source.json")
    target.to_disk(tmp_path / "target.json")
    nlp = spacy.blank("en")
    nlp.add_pipe("seq2seq", config={"model": {**TRANSFORMER, "tied": "target"}})
    block = {
        f"{side}subwords": {"@misc": "spacy_nlpkit.Subwords.v1", "path": str(tmp_path / name)}
        for side, name in (("", "source.json"), ("target_", "target.json"))
    }
    nlp.config["initialize"]["components"]["seq2seq"] = block
    for _ in range(2):  # and again, over what it has learned
        nlp.initialize(lambda: make_examples(nlp))
        found = pipe_of(nlp).require_subwords()
        assert [side.content_hash for side in found] == [source.content_hash, target.content_hash]
    wrong = spacy.blank("en")
    wrong.add_pipe("seq2seq", config={"model": TRANSFORMER})
    pipe_of(wrong).set_subwords(source, target)
    with pytest.raises(NlpkitError, match=rf"\[N231\].*{len(source)} pieces.*{len(target)} of the target"):
        wrong.initialize(lambda: make_examples(wrong))


# Pretrained models


def save_pretrained(folder: Path, family: str) -> Path:
    """A model of random weights with its tokenizer, as a download would lie there."""
    transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    from spacy_nlpkit.hf_subwords import HuggingFaceSubwords

    size = len(HuggingFaceSubwords.load(save_byte_pairs(folder)))
    torch.manual_seed(0)
    numbers = {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None}
    if family == "t5":
        sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
        numbers.pop("forced_eos_token_id")
        model = transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=size, **sizes, **numbers))
    else:
        layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
        sizes = {
            "d_model": 32,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 64,
            "dropout": 0.0,
        }
        config = transformers.MarianConfig(vocab_size=size, **layers, **sizes, **numbers)
        model = transformers.MarianMTModel(config)
    model.save_pretrained(folder)
    return folder


def build_pretrained(folder: Path | None, model: str = "PretrainedSeq2Seq", **settings: Any) -> Language:
    nlp = spacy.blank("en")
    search = {"beams": 2, "max_ratio": 0.0, "max_extra": 24}
    config = {"model": {"@architectures": f"spacy_nlpkit.{model}.v1", **settings}, "search": search, "max_pieces": 60}
    nlp.add_pipe("seq2seq", config={**config, "label_smoothing": 0.0})
    if folder is not None:
        block = {"@misc": "spacy_nlpkit.PretrainedWeights.v1", "name": str(folder)}
        nlp.config["initialize"]["components"]["seq2seq"] = {"pretrained": block}
    return nlp


@pytest.mark.parametrize("family", ["marian", "t5"])
def test_pretrained_models_are_trained_saved_and_loaded_without_their_folder(tmp_path: Path, family: str) -> None:
    folder = save_pretrained(tmp_path / "downloaded", family)
    nlp = build_pretrained(folder)
    examples = make_examples(nlp)
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = []
    for _ in range(100):
        losses.append(nlp.update(examples, sgd=optimizer)["seq2seq"])
    assert losses[-1] < 0.1 * losses[0]
    expected = results(nlp)
    assert expected[0]["text"] == TARGETS[TEXTS[0]]
    nlp.to_disk(tmp_path / "model")
    data = nlp.to_bytes()
    shutil.rmtree(folder)
    assert results(English.from_config(nlp.config).from_bytes(data)) == expected
    for path in (tmp_path / "model" / "seq2seq").iterdir():
        assert str(folder).encode() not in path.read_bytes(), "no trace of the folder"
    assert results(spacy.load(tmp_path / "model")) == expected


@pytest.mark.slow
@pytest.mark.parametrize("family", ["marian", "t5"])
def test_pretrained_models_elsewhere(tmp_path: Path, family: str) -> None:
    nlp = build_pretrained(save_pretrained(tmp_path / "downloaded", family))
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "model")
    shutil.rmtree(tmp_path / "downloaded")
    assert write_elsewhere(tmp_path / "model", tmp_path) == [found["text"] for found in results(nlp)]


def test_pretrained_weights_are_those_of_the_folder(tmp_path: Path) -> None:
    """Frozen by config, they stay so."""
    folder = save_pretrained(tmp_path / "downloaded", "marian")
    from safetensors.torch import load_file

    groups = {"all": {"pattern": "encoder|shared", "frozen_steps": None}, "rest": {"pattern": "", "learn_rate": 0.5}}
    nlp = build_pretrained(folder, groups=groups)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    pipe: Any = pipe_of(nlp)
    found = pipe.model.shims[0].module.model.state_dict()
    given = load_file(folder / "model.safetensors")
    same = {name for name, value in given.items() if torch.equal(found[name], value)}
    assert {name for name in given if "encoder" in name or "shared" in name} <= same
    assert any("decoder.layers.0.fc1" in name for name in set(given) - same)
    assert pipe.cfg["pretrained"] == srsly.json_loads(srsly.json_dumps(pipe.cfg["pretrained"]))


def test_weights_and_architecture_have_to_fit(tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match=r"\[N224\].*PretrainedWeights"):
        build_pretrained(None).initialize(lambda: make_examples(build()))
    nlp = build_pretrained(tmp_path, "TransformerSeq2Seq", width=32, heads=2)
    with pytest.raises(NlpkitError, match=r"\[N257\].*PretrainedSeq2Seq"):
        nlp.initialize(lambda: make_examples(nlp))
    with pytest.raises(NlpkitError, match=r"\[N238\]"):
        build_pretrained(tmp_path / "nothing").initialize(lambda: make_examples(build()))
