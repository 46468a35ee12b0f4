"""The training configs of `seq2seq`: their small twins are trained and written with, each in a process of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from spacy.util import load_config

from .test_configs import ROOT, TRANSFORMERS, run, run_spacy, train
from .tiny_transformer import save_tiny_marian

SEQ2SEQ = ["spacy-nlpkit[seq2seq]>=0.1.0,<0.2.0"]
# German sentences and their translation.
PAIRS = [ROOT / "assets" / "translate" / f"dev.{language}" for language in ("de", "en")]
# Printed by the process that loads a pipeline: what it writes for the texts of a file.
LOAD_WRITTEN = """
import json, sys, spacy
nlp = spacy.load(sys.argv[1])
texts = open(sys.argv[2], encoding="utf8").read().splitlines()
written = [doc.user_data["._.", sys.argv[3], None, None] for doc in nlp.pipe(texts)]
print(json.dumps([nlp.meta.get("requirements", []), written]))
"""


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("seq2seq", "seq2seq"),
        pytest.param("seq2seq_recurrent", "seq2seq", marks=pytest.mark.slow),
        pytest.param("translate", "translation", marks=pytest.mark.slow),
        pytest.param("dates", "iso", marks=pytest.mark.slow),
    ],
)
def test_the_twins_that_write(name: str, attribute: str, tmp_path: Path) -> None:
    """By the steps of the project, from its own folder: the example of a translation names its files in its config."""
    table = write_pairs(tmp_path)
    pieces = tmp_path / "subwords.json"
    run_spacy("nlpkit", "train-tokenizer", pieces, *PAIRS, "--size", 400, cwd=ROOT)
    paths = [] if name == "translate" else ["--paths.train", table, "--paths.dev", table]
    config = ROOT / "configs" / "smoke" / f"{name}.cfg"
    run_spacy("train", config, "--output", tmp_path / "made", "--paths.subwords", pieces, *paths, cwd=ROOT)
    pieces.unlink()
    moved = (tmp_path / "made" / "model-best").rename(tmp_path / "moved")
    check_written(moved, attribute, SEQ2SEQ)


@pytest.mark.slow
def test_the_twin_that_starts_from_pretrained_weights(tmp_path: Path) -> None:
    """Its encoder rests at first, and nothing is left of the folder that its weights came from."""
    table = write_pairs(tmp_path)
    downloaded = save_tiny_marian(tmp_path / "downloaded", table.read_text(encoding="utf8").splitlines())
    model = train("seq2seq_pretrained", "made", tmp_path, train=table.name, dev=table.name, pretrained=str(downloaded))
    downloaded.rename(tmp_path / "moved_away")
    check_written(model.rename(tmp_path / "moved"), "seq2seq", [*SEQ2SEQ, *TRANSFORMERS])


@pytest.mark.parametrize("family", ["Marian", "T5", "Bart"])
def test_what_rests_in_the_pretrained_model_is_its_encoder(family: str) -> None:
    """The table that encoder and decoder share learns, and so does what the decoder reads the encoder with."""
    transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    pattern = load_config(ROOT / "configs" / "seq2seq_pretrained.cfg")["components"]["seq2seq"]["model"]["groups"]
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 1, "decoder_attention_heads": 1}
    sizes = {"d_kv": 4, "d_ff": 4, "num_layers": 1, "num_heads": 1} if family == "T5" else layers
    numbers = {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 1}
    config = getattr(transformers, f"{family}Config")(vocab_size=8, d_model=4, **sizes, **numbers)
    names = [name for name, _ in transformers.AutoModelForSeq2SeqLM.from_config(config).named_parameters()]
    encoder = next(name.partition("encoder.")[0] for name in names if "encoder." in name) + "encoder."
    found = {name for name in names if re.search(pattern["encoder"]["pattern"], f"model.{name}")}
    assert found == {name for name in names if name.startswith(encoder)}
    assert any("shared" in name for name in set(names) - found)
    assert any("encoder_attn" in name or "EncDecAttention" in name for name in set(names) - found)


def write_pairs(folder: Path) -> Path:
    """The sentences and their translations as a table."""
    lines = [path.read_text(encoding="utf8").splitlines() for path in PAIRS]
    table = folder / "pairs.tsv"
    table.write_text("".join(f"{source}\t{target}\n" for source, target in zip(*lines)), encoding="utf8")
    return table


def check_written(model: Path, attribute: str, requirements: Sequence[str]) -> None:
    """In a process of its own it writes something."""
    done = run("-W", "error", "-c", LOAD_WRITTEN, model, PAIRS[0], attribute, cwd=model.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    found_requirements, written = json.loads(done.stdout)
    assert found_requirements == list(requirements)
    assert len(written) == len(PAIRS[0].read_text(encoding="utf8").splitlines())
    assert any(each["text"] for each in written)
    assert all(0.0 <= each["score"] <= 1.0 for each in written)
