"""A transformer of two random layers with its tokenizer, built in code: no test downloads one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

WIDTH = 32
MAX_WORDPIECES = 512
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def save_tiny_transformer(folder: Path, texts: Iterable[str]) -> Path:
    """Save a RoBERTa of two layers, and a byte-level BPE tokenizer trained on the texts, as `from_pretrained` reads
    them. Skips the test where the extra 'transformers' is not installed."""
    pytest.importorskip("spacy_transformers", reason="the extra 'transformers' is not installed")
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    folder.mkdir(parents=True)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=400, min_frequency=1, special_tokens=SPECIAL, show_progress=False)
    bpe.save_model(str(folder))
    files = {"vocab_file": str(folder / "vocab.json"), "merges_file": str(folder / "merges.txt")}
    RobertaTokenizerFast(**files, model_max_length=MAX_WORDPIECES).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=bpe.get_vocab_size(),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        # RoBERTa counts positions from behind that of the padding.
        max_position_embeddings=MAX_WORDPIECES + 2,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder
