"""Tokenizers of pretrained models: what they give, and that they are whole without their folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import srsly

pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.hf_subwords import HuggingFaceSubwords

TEXTS = ["The river rises after the rain.", "Rain falls on the river, the fields and the town.", "Über dem Fluß"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def save_byte_pairs(folder: Path, template: bool = True) -> Path:
    """BART's kind: byte-level BPE with a piece before and one behind."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    if template:
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return folder


def save_words(folder: Path) -> Path:
    """A vocabulary of whole words, which knows no others."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["</s>", "<unk>", "rain", "falls", "river"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 0)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>").save_pretrained(folder)
    return folder


@pytest.fixture
def subwords(tmp_path: Path) -> HuggingFaceSubwords:
    return HuggingFaceSubwords.load(save_byte_pairs(tmp_path / "tokenizer"))


def test_texts_to_pieces_and_back(subwords: HuggingFaceSubwords) -> None:
    sources, targets = subwords.encode(TEXTS), subwords.encode_targets(TEXTS)
    assert all((row[0], row[-1]) == (0, 2) for row in sources)
    assert targets == [row[:-1] for row in sources]
    assert subwords.decode(targets) == subwords.decode(sources) == TEXTS
    assert [subwords.normalise(text) for text in TEXTS] == TEXTS
    names = subwords.pieces_of(targets[0])
    assert (names[0], "".join(names[1:]).replace("Ġ", " ")) == ("<s>", TEXTS[0])
    assert 256 + len(SPECIAL) < len(subwords) <= 320
    assert subwords.pieces_of(range(len(subwords)))[: len(SPECIAL)] == SPECIAL
    assert subwords.encode([]) == subwords.encode_targets([]) == subwords.decode([]) == []
    assert subwords.encode([""]) == [[0, 2]]
    assert subwords.encode_targets([""]) == [[0]]


def test_pieces_that_only_the_model_has_are_no_text(subwords: HuggingFaceSubwords) -> None:
    target = subwords.encode_targets(TEXTS[:1])[0]
    assert subwords.decode([[*target[:4], len(subwords), 5000, *target[4:], 2, 1]]) == TEXTS[:1]
    with pytest.raises(NlpkitError, match=r"\[N238\].*number 5000"):
        subwords.pieces_of([5, 5000])


def test_unknown_characters(subwords: HuggingFaceSubwords, tmp_path: Path) -> None:
    assert subwords.without_piece("aß漢") == []
    words = HuggingFaceSubwords.load(save_words(tmp_path / "words"))
    assert words.without_piece(["rain", "漢"]) == ["漢"]
    assert words.encode(["rain falls"]) == [[2, 3, 0]]
    assert words.encode_targets(["rain falls"]) == [[2, 3]]


def test_bytes_hold_all(tmp_path: Path) -> None:
    """In another process, where the folder is gone."""
    folder = save_byte_pairs(tmp_path / "tokenizer")
    subwords = HuggingFaceSubwords.load(folder)
    data = subwords.to_bytes()
    (tmp_path / "data").write_bytes(data)
    subwords.to_disk(tmp_path / "subwords.bin")
    for path in folder.iterdir():
        path.unlink()
    code = (
        "import sys; from pathlib import Path; from spacy_nlpkit.hf_subwords import HuggingFaceSubwords\n"
        "copy = HuggingFaceSubwords.from_bytes(Path(sys.argv[1]).read_bytes())\n"
        f"print(copy.content_hash, copy.encode({TEXTS!r}), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "data")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"{subwords.content_hash} {subwords.encode(TEXTS)} ")
    copy = HuggingFaceSubwords.from_disk(tmp_path / "subwords.bin")
    assert copy.to_bytes() == HuggingFaceSubwords.from_bytes(data).to_bytes() == data
    assert copy.encode(TEXTS, dropout=0.3, seed=1) == subwords.encode(TEXTS, dropout=0.3, seed=1)


def test_dropout(subwords: HuggingFaceSubwords) -> None:
    texts = [*TEXTS, ""]
    whole = subwords.encode(texts)
    draws = [subwords.encode(texts, dropout=0.5, seed=seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert sum(map(len, draws[0])) > sum(map(len, whole))
    for draw in draws:
        assert subwords.decode(draw) == texts
        assert all((row[0], row[-1]) == (0, 2) for row in draw)
    # Where hardly anything is dropped, pieces are those of the tokenizer itself.
    assert subwords.encode(texts, dropout=1e-9) == subwords.encode(texts) == whole


def test_dropout_where_there_is_none(subwords: HuggingFaceSubwords, tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match=r"\[N239\].*PreTrainedTokenizerFast.*dropout = 0\.1"):
        HuggingFaceSubwords.load(save_words(tmp_path / "words")).encode(TEXTS, dropout=0.1)
    for dropout in (-0.1, 1.0):
        with pytest.raises(NlpkitError, match=r"\[N006\] Setting 'dropout'"):
            subwords.encode(TEXTS, dropout=dropout)


def test_tokenizers_without_an_end(tmp_path: Path) -> None:
    subwords = HuggingFaceSubwords.load(save_byte_pairs(tmp_path / "plain", template=False))
    assert subwords.encode(TEXTS) == subwords.encode_targets(TEXTS)
    assert subwords.decode(subwords.encode(TEXTS, dropout=0.3)) == TEXTS


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../vocab.json": b"{}"}, "a file name leads out of the folder"),
        ({"tokenizer.json": b"{", "tokenizer_config.json": b"{}"}, ""),
        ({}, ""),
    ],
)
def test_files_that_make_no_tokenizer(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N238\] The tokenizer 'model' cannot be loaded: .*{reason}"):
        HuggingFaceSubwords.from_bytes(srsly.msgpack_dumps(files), "model")


@pytest.mark.parametrize("data", [b"\xc1", b"", srsly.msgpack_dumps([1]), srsly.msgpack_dumps({"a": "text"})])
def test_bytes_that_are_no_files(data: bytes) -> None:
    with pytest.raises(NlpkitError, match=r"\[N238\]"):
        HuggingFaceSubwords.from_bytes(data)


def test_folders_that_hold_none(tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match=r"\[N238\].*there is no such folder"):
        HuggingFaceSubwords.load(tmp_path / "nothing")
    with pytest.raises(NlpkitError, match=r"\[N238\]"):
        HuggingFaceSubwords.load(tmp_path)


def test_sentencepiece_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marian's files as its tokenizer stores them."""
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    for name in ("source.spm", "target.spm", "vocab.json"):
        (tmp_path / name).write_bytes(b"{}")
    srsly.write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "MarianTokenizer"})
    with pytest.raises(NlpkitError, match=r"\[N004\].*'sentencepiece', which is not installed"):
        HuggingFaceSubwords.load(tmp_path)
