"""Transformers of random layers with their tokenizers, built in code: no test downloads one."""

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


def save_tiny_marian(folder: Path, texts: Iterable[str]) -> Path:
    """Save a Marian of a layer a side, and a byte-level BPE tokenizer trained on the texts, as `from_pretrained` reads
    them. Skips the test where the extra 'transformers' is not installed."""
    transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", SPECIAL.index("</s>"))])
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"d_model": WIDTH, "encoder_ffn_dim": 2 * WIDTH, "decoder_ffn_dim": 2 * WIDTH}
    numbers = {"pad_token_id": 1, "decoder_start_token_id": 1, "eos_token_id": 2, "forced_eos_token_id": None}
    size = tokenizer.get_vocab_size()
    config = transformers.MarianConfig(
        vocab_size=size, max_position_embeddings=MAX_WORDPIECES, **layers, **widths, **numbers
    )
    transformers.MarianMTModel(config).save_pretrained(folder)
    return folder
