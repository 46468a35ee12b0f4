"""The logger of speed and mean loss, in trainings by spaCy's own loop."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra 'seq2seq' is not installed")

import spacy
import srsly
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from thinc.api import ConfigValidationError

from spacy_nlpkit.data.parallel import create_parallel_corpus
from spacy_nlpkit.training.logger import create_throughput_logger

from .small_training import CONFIG, run, start, write_classes, write_corpus

STEPS = {"training__max_steps": 6, "components__seq2seq__source_dropout": 0.0}


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Any]:
    return write_corpus(tmp_path)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(srsly.read_jsonl(path))


def test_the_figures_of_the_rows(paths: dict[str, Any], tmp_path: Path) -> None:
    """Weights that never change lose in each update what the perplexity says."""
    log = tmp_path / "logs" / "log.jsonl"
    model = {"components__seq2seq__model__dropout": 0.0, "training__dropout": 0.0}
    rates = {"training__optimizer__learn_rate": 1e-30, "training__logger__output_file": str(log)}
    nlp = start(paths, **STEPS, **model, **rates)
    printed = run(nlp)
    pipe: Any = nlp.get_pipe("seq2seq")
    expected = math.log(pipe.perplexity(list(create_parallel_corpus(paths["paths.dev"])(nlp))))
    rows = rows_of(log)
    assert [row["step"] for row in rows] == [0, 3, 6]
    for row, n_updates in zip(rows, [1, 3, 3], strict=True):
        assert row["mean_losses"]["seq2seq"] == pytest.approx(expected, rel=1e-4)
        assert row["losses"]["seq2seq"] == pytest.approx(n_updates * expected, rel=1e-4)
        assert row["learn_rate"] == 1e-30
    # All words of the texts in each update; no speed before a step that no evaluation followed.
    words = sum(len(example) for example in create_parallel_corpus(paths["paths.dev"])(nlp))
    assert [row["words"] for row in rows] == [words, 4 * words, 7 * words]
    assert rows[0]["words_per_second"] is None
    assert all(row["words_per_second"] > 0 for row in rows[1:])
    header, _, *table = [line.split() for line in printed.splitlines()[-5:]]
    assert " ".join(header) == "E # LOSS SEQ2SEQ MEAN SEQ2SEQ SEQ2SEQ_BLEU SCORE RATE WORDS/S TIME"
    for row, cells in zip(rows, table, strict=True):
        assert cells[:4] == [
            str(row["epoch"]),
            str(row["step"]),
            f"{row['losses']['seq2seq']:.2f}",
            f"{expected:.4f}",
        ]
        assert cells[-3:-1] == [f"{1e-30:.2e}", f"{row['words_per_second']:.0f}" if row["step"] else "-"]
        assert cells[-1].startswith("0:0")


def test_every_batch_of_an_update_counts(paths: dict[str, Any], tmp_path: Path) -> None:
    """4 pairs cut in 3 are 4 batches, which `accumulate_gradient` does not say."""
    log = tmp_path / "log.jsonl"
    run(start(paths, **STEPS, training__accumulate_gradient=3, training__logger__output_file=str(log)))
    for row, n_batches in zip(rows_of(log), [4, 12, 12], strict=True):
        assert row["mean_losses"]["seq2seq"] == pytest.approx(row["losses"]["seq2seq"] / n_batches)
        # The logarithm of the number of pieces, at most, as nearly nothing is known.
        assert 0 < row["mean_losses"]["seq2seq"] < 10


def test_beside_other_components_and_with_a_bar(paths: dict[str, Any], tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    classes = {name: write_classes(tmp_path) for name in ("paths.train", "paths.dev")}
    search = {"beams": 1, "max_extra": 4}
    config = load_config(CONFIG, overrides={**paths, **classes, "training.max_steps": 4, "training.eval_frequency": 2})
    config["nlp"]["pipeline"] = ["seq2seq", "sentencizer", "textcat", "frozen"]
    config["components"]["seq2seq"]["search"].update(search)
    config["components"].update({name: {"factory": name} for name in ("sentencizer", "textcat")})
    config["components"]["frozen"] = {"source": str(saved_classifier(tmp_path)), "component": "textcat"}
    config["training"]["frozen_components"] = ["frozen"]
    log = tmp_path / "log.jsonl"
    for kind in ("train", "eval"):
        config["training"]["logger"].update(progress_bar=kind, output_file=str(log))
        nlp, stderr = init_nlp(config), Terminal()
        printed = run(nlp, stderr=stderr)
        assert "Epoch 3" in stderr.getvalue()
        assert f"/{4 if kind == 'train' else 2} [" in stderr.getvalue()
        assert "MEAN TEXTCAT" in printed
    rows = rows_of(log)
    # The second training goes on in the file of the first.
    assert [row["step"] for row in rows] == [0, 2, 4] * 2
    for row, n_updates in zip(rows, [1, 2, 2] * 2, strict=True):
        assert set(row["mean_losses"]) == {"seq2seq", "textcat"}
        assert row["mean_losses"]["textcat"] == pytest.approx(row["losses"]["textcat"] / n_updates)


def saved_classifier(folder: Path) -> Path:
    nlp = spacy.blank("xx")
    pipe: Any = nlp.add_pipe("textcat")
    for label in ("UP", "DOWN"):
        pipe.add_label(label)
    nlp.initialize()
    nlp.to_disk(folder / "classifier")
    return folder / "classifier"


def test_nothing_learned_is_no_error(paths: dict[str, Any], tmp_path: Path) -> None:
    """Pairs that are all too long give neither loss nor update, and every step is evaluated."""
    log = tmp_path / "log.jsonl"
    quiet = {"training__logger__console_output": False, "training__logger__output_file": str(log)}
    nlp = start(paths, **{**STEPS, "training__max_steps": 2}, training__eval_frequency=1, **quiet)
    pipe: Any = nlp.get_pipe("seq2seq")
    pipe.max_pieces = 3
    with pytest.warns(UserWarning, match="NW22[67]"):
        printed = run(nlp)
    assert "LOSS" not in printed
    rows = rows_of(log)
    assert [row["step"] for row in rows] == [0, 1, 2]
    for row in rows:
        assert (row["mean_losses"], row["losses"]) == ({"seq2seq": None}, {"seq2seq": 0.0})
        assert (row["words_per_second"], row["learn_rate"]) == (None, None)


def test_a_score_that_is_no_number_is_refused(paths: dict[str, Any]) -> None:
    nlp = start(paths)
    log_step, finalize = create_throughput_logger()(nlp, io.StringIO(), io.StringIO())
    info = {"epoch": 0, "step": 0, "losses": {}, "score": 0.0, "other_scores": {"seq2seq_bleu": {}}, "words": 0}
    with pytest.raises(ValueError, match=r"\[E916\].*seq2seq_bleu"):
        log_step({**info, "seconds": 0, "checkpoints": []})
    finalize()


def test_another_bar_is_refused(paths: dict[str, Any]) -> None:
    with pytest.raises(ConfigValidationError, match="progress_bar"):
        run(start(paths, training__logger__progress_bar="all"))
