"""The tokenizers of pretrained Hugging Face models, as subwords of an encoder-decoder, stored without their folder."""

from __future__ import annotations

import hashlib
import json
import random
import re
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import srsly

from .compat import require
from .errors import Errors, NlpkitError
from .files import read_bytes
from .subword_dropout import BpeDropout
from .util import atomic_write

# With this file a tokenizer needs no other package; without it, files of these kinds are for sentencepiece.
_FAST = "tokenizer.json"
_SENTENCEPIECE = (".spm", ".model")


class HuggingFaceSubwords:
    """Pieces of texts, numbered as a pretrained model numbers them; used as `Subwords` is. Make one with `load`,
    `from_bytes` or `from_disk`.

    Sources hold the special pieces of the model, as it has learnt them. Targets come without the piece that ends them,
    but with what a model writes before the text (BART's start, the language of NLLB): training adds start and end.

    kind (str): "pretrained".
    content_hash (str): SHA-256 (hex) of what `to_bytes` gives.
    """

    kind = "pretrained"

    def __init__(self, files: Mapping[str, bytes], where: str | Path = "the data") -> None:
        """files: What `save_pretrained` of the tokenizer writes, by file name. where: They are from, for messages.

        RAISES: N004 where a package is missing, N238 where the files make no tokenizer.
        """
        if any(Path(name).name != name for name in files):
            raise NlpkitError(Errors.N238.format(name=str(where), reason="a file name leads out of the folder."))
        with tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                (Path(folder) / name).write_bytes(data)
            self._tokenizer = _load(folder, str(where))
        self._data: bytes = srsly.msgpack_dumps(dict(files))
        self._size = max(self._tokenizer.get_vocab().values()) + 1
        self._dropout = _find_dropout(json.loads(files[_FAST])) if _FAST in files else None
        self.content_hash = hashlib.sha256(self._data).hexdigest()

    @classmethod
    def load(cls, name: str | Path) -> HuggingFaceSubwords:
        """Read a folder, or fetch a model of the hub. Runs no code of the model's own. RAISES: N004, N238."""
        tokenizer = _load(str(name), str(name))
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_pretrained(folder)
            files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.is_file()}
        return cls(files, name)

    def encode(self, texts: Sequence[str], dropout: float = 0.0, seed: int = 0) -> list[list[int]]:
        """Pieces of sources, of any length, with the model's special ones.

        dropout: BPE-dropout: the probability, below 1, that a merge is dropped. Special pieces that stand in the text
            itself are then read as text.
        seed: Of the draw: the same texts, dropout and seed give the same pieces.
        RAISES: N006 for a dropout that cannot be, N239 for one of pieces that are not made of bytes by merging.
        """
        if not 0 <= dropout < 1:
            setting = {"setting": "dropout", "name": type(self).__name__, "expected": "0 or more, and below 1"}
            raise NlpkitError(Errors.N006.format(**setting, value=dropout))
        if not texts:
            return []
        if not dropout:
            return self._tokenizer(list(texts), verbose=False)["input_ids"]
        if self._dropout is None:
            raise NlpkitError(Errors.N239.format(type=type(self._tokenizer).__name__, dropout=dropout))
        found = self._tokenizer(list(texts), verbose=False, return_special_tokens_mask=True)
        rng = random.Random(seed)
        rows = []
        for text, pieces, special in zip(texts, found["input_ids"], found["special_tokens_mask"]):
            first = special.index(0) if 0 in special else len(special)
            last = len(special) - (special[::-1].index(0) if 0 in special else 0)
            rows.append([*pieces[:first], *self._dropout.encode(self._words(text), dropout, rng), *pieces[last:]])
        return rows

    def encode_targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Pieces of what is to be written, without the end and what a model writes behind it."""
        if not texts:
            return []
        end = self._tokenizer.eos_token_id
        rows = self._tokenizer(text_target=list(texts), verbose=False)["input_ids"]
        # The last one: a model may begin with it, too.
        return [row[: len(row) - 1 - row[::-1].index(end)] if end in row else row for row in rows]

    def decode(self, pieces: Sequence[Sequence[int]]) -> list[str]:
        """The text of each sequence of pieces. Special pieces have none, nor have those that only the model has: its
        table is often longer than the tokenizer's list."""
        rows = [[int(piece) for piece in row if piece < self._size] for row in pieces]
        return self._tokenizer.batch_decode(rows, skip_special_tokens=True)

    def pieces_of(self, ids: Iterable[int]) -> list[str]:
        """The names of pieces, as the tokenizer writes them. RAISES: N238 for a number that no piece has."""
        ids = [int(number) for number in ids]
        if unknown := [number for number in ids if not 0 <= number < self._size]:
            reason = f"it has no piece of the number {unknown[0]}."
            raise NlpkitError(Errors.N238.format(name=self._tokenizer.name_or_path, reason=reason))
        return self._tokenizer.convert_ids_to_tokens(ids)

    def normalise(self, text: str) -> str:
        """A text as `decode` gives it back."""
        return self.decode(self.encode_targets([text]))[0]

    def without_piece(self, characters: Iterable[str]) -> list[str]:
        """Those of some characters that the tokenizer does not know, so that they are lost."""
        characters = list(characters)
        unknown = self._tokenizer.unk_token_id
        return [character for character, row in zip(characters, self.encode(characters)) if unknown in row]

    def __len__(self) -> int:
        """How many pieces there are, special ones included; the model may have more, unused ones."""
        return self._size

    def to_bytes(self) -> bytes:
        """The tokenizer's files, as msgpack."""
        return self._data

    @classmethod
    def from_bytes(cls, data: bytes, where: str | Path = "the data") -> HuggingFaceSubwords:
        """Undo `to_bytes`; the files lie in a temporary folder for as long as this takes. RAISES: N004, N238."""
        try:
            files = srsly.msgpack_loads(data)
        except ValueError as error:
            raise NlpkitError(Errors.N238.format(name=str(where), reason=f"{error}.")) from error
        if not isinstance(files, dict) or not all(isinstance(value, bytes) for value in files.values()):
            raise NlpkitError(Errors.N238.format(name=str(where), reason="it holds no files."))
        return cls(files, where)

    def to_disk(self, path: str | Path) -> None:
        """Write the tokenizer's files to one file, which appears whole or not at all."""
        with atomic_write(path, "wb") as file_:
            file_.write(self._data)

    @classmethod
    def from_disk(cls, path: str | Path) -> HuggingFaceSubwords:
        """Read a file that `to_disk` wrote. RAISES: N004, N032 where it cannot be read, N238 where it is another."""
        return cls.from_bytes(read_bytes(Path(path)), path)

    def _words(self, text: str) -> list[str]:
        tokenizer = self._tokenizer.backend_tokenizer
        text = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def unknown_place(name: str) -> str | None:
    """Why a pretrained model of this name can be nowhere: no folder has it, and no model of the hub may."""
    if Path(name).is_dir() or re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        return None
    return "there is no such folder."


def _load(folder: str, name: str) -> Any:
    """The tokenizer of a folder or of a model of the hub; `name` is for messages."""
    require("transformers", "A tokenizer of a pretrained model")
    from transformers import AutoTokenizer

    if problem := unknown_place(folder):
        raise NlpkitError(Errors.N238.format(name=name, reason=problem))
    files = [path.name for path in Path(folder).iterdir()] if Path(folder).is_dir() else []
    if _FAST not in files and any(file_.endswith(_SENTENCEPIECE) for file_ in files):
        require("sentencepiece", f"The tokenizer '{name}'")
    try:
        with warnings.catch_warnings():
            # Marian's tokenizer makes a normaliser of that package, but never uses it.
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # the library raises nothing more exact for a file that it cannot read
        reason = " ".join(str(error).replace(folder, name).split())
        raise NlpkitError(Errors.N238.format(name=name, reason=reason)) from error


def _find_dropout(tokenizer: Mapping[str, Any]) -> BpeDropout | None:
    """What drops merges, for a tokenizer (the content of its JSON) that merges bytes; None for one of another kind."""
    model, before = tokenizer["model"], json.dumps(tokenizer["pre_tokenizer"])
    affixes = ("continuing_subword_prefix", "end_of_word_suffix")
    if model["type"] != "BPE" or '"ByteLevel"' not in before or any(model.get(name) for name in affixes):
        return None
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    return BpeDropout(model["vocab"], merges)
