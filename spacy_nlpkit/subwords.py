"""Subword pieces: learned from texts, and texts as numbers of pieces and back, without loss.

Pieces are made of the bytes of UTF-8, as Radford et al. (2019) have them for GPT-2, so every text has pieces: no
character is unknown, and what comes back is the text in the chosen Unicode normalisation, runs of blanks included. A
blank before the first word, which only the pieces see, makes a word the same at the start of a text and within it.

Kinds: "bpe", Sennrich, Haddow and Birch (2016), "Neural machine translation of rare words with subword units";
"unigram", Kudo (2018), "Subword regularization"; "wordpiece", Schuster and Nakajima (2012), "Japanese and Korean voice
search".
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compat import require
from .errors import Errors, NlpkitError
from .files import read_bytes
from .subword_dropout import BpeDropout
from .util import atomic_write

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The special pieces, in the order of their numbers.
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")
PAD, UNK, START, END = range(len(SPECIAL_PIECES))

KINDS = ("bpe", "unigram", "wordpiece")
NORMALIZATIONS = ("nfc", "nfkc", "none")
# Each byte is a piece, and in "wordpiece" another within a word.
BYTES = 256
# Marks a piece of "wordpiece" within a word; no byte is written so.
CONTINUES = "‿"
# A piece lies within one of these: letters, digits or other signs, each with a blank before, or blanks alone. Bounds,
# because the work for "wordpiece" grows with the square of their length.
WORDS = r" ?(?:[\p{L}\p{M}]{1,64}|\p{N}{1,64}|[^\s\p{L}\p{M}\p{N}]{1,64})|\s{1,64}(?!\S)|\s"
# The learner of "unigram" looks for what two different words have in common: if signs were cut off, it would never find
# most whole words. The name of a special piece within a text is cut at its first sign.
UNIGRAM_WORDS = r" ?[^\s<]{1,64}|<|\s{1,64}(?!\S)|\s"


class Subwords:
    """The pieces of a vocabulary. Make one with `train`, `from_bytes` or `from_disk`.

    kind (str): One of `KINDS`.
    content_hash (str): SHA-256 (hex) of what `to_bytes` gives.

    Work runs on one thread unless the environment variable TOKENIZERS_PARALLELISM is "true": where it is not set, it is
    set to "false" for the process, else the library would warn in every process that is forked later.
    """

    def __init__(self, data: str, where: str | Path = "the data") -> None:
        """Read what `to_bytes` gave, as a string; `where` it is from, for messages. RAISES: N004, N241."""
        require("tokenizers", "Subwords")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_str(data)
            model = json.loads(data)["model"]
        except Exception as error:  # the library raises nothing more exact
            raise NlpkitError(Errors.N241.format(where=where, problem=error)) from error
        problem = _find_problem(self._tokenizer, model)
        if problem:
            raise NlpkitError(Errors.N241.format(where=where, problem=problem))
        self._data = data
        self.kind: str = model["type"].lower()
        self.content_hash = hashlib.sha256(data.encode("utf8")).hexdigest()
        self._size = self._tokenizer.get_vocab_size()
        self._dropout = BpeDropout(model["vocab"], model["merges"]) if self.kind == "bpe" else None

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        kind: str = "bpe",
        size: int = 8000,
        lower: bool = False,
        normalization: str = "nfc",
        min_frequency: int = 2,
        show_progress: bool = False,
    ) -> Subwords:
        """Learn pieces; the same for the same texts, but for "unigram", whose learner sums in another order each time.

        texts (Iterable[str]): Read once. size (int): How many pieces at most, special ones and those of single bytes
            among them; little text gives fewer.
        lower (bool): Write texts in lower case: the pieces know no other.
        normalization (str): Unicode normalisation of every text: one of `NORMALIZATIONS`.
        min_frequency (int): How often a pair of pieces stands in the texts at least to become one; "unigram" weighs
            pieces otherwise and does not look at it.
        show_progress (bool): Draw a bar on the terminal.
        RAISES: N004 where `tokenizers` is not installed, N006 for settings that cannot be, N240 where the texts hold
            too little, N248 for a text that UTF-8 cannot hold.
        """
        minimum = len(SPECIAL_PIECES) + BYTES * (2 if kind == "wordpiece" else 1)
        _check("kind", kind, kind in KINDS, f"one of {', '.join(KINDS)}")
        _check("size", size, size >= minimum, f"{minimum} or more for {kind!r}")
        _check("normalization", normalization, normalization in NORMALIZATIONS, f"one of {', '.join(NORMALIZATIONS)}")
        _check("min_frequency", min_frequency, min_frequency >= 1, "1 or more")
        require("tokenizers", "Subwords")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import pre_tokenizers

        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = _make_tokenizer(kind, lower, normalization)
        trainer = _make_trainer(kind, size, min_frequency, alphabet, show_progress)
        seen = [0]
        try:
            tokenizer.train_from_iterator(_checked(texts, seen), trainer)
        except NlpkitError:
            raise
        except Exception as error:  # the library raises nothing more exact
            raise NlpkitError(Errors.N240.format(problem=f"{seen[0]} texts ({error})")) from error
        if not seen[0]:
            raise NlpkitError(Errors.N240.format(problem="0 texts that are not empty"))
        data = json.loads(tokenizer.to_str())
        # Known to the library as special, they would be found in texts that hold their names, and lost at decoding.
        data["added_tokens"] = []
        if kind == "unigram":
            data["model"]["vocab"] = _finish_unigram(data["model"]["vocab"], size)
        return cls(json.dumps(data, ensure_ascii=False))

    def encode(self, texts: Sequence[str], dropout: float = 0.0, seed: int = 0) -> list[list[int]]:
        """The pieces of each text, without special ones; no piece holds parts of two words.

        dropout (float): BPE-dropout: the probability, below 1, that a merge is dropped. 0 cuts a word always alike.
        seed (int): Of the draw: the same texts, dropout and seed give the same pieces.
        RAISES: N006 for a dropout that cannot be, N243 for one of pieces that are not of "bpe", N248 for a text that
            UTF-8 cannot hold.
        """
        _check("dropout", dropout, 0 <= dropout < 1, "0 or more, and below 1")
        texts = list(texts)
        if dropout and self._dropout is None:
            raise NlpkitError(Errors.N243.format(kind=self.kind))
        try:
            if dropout and self._dropout is not None:
                rng = random.Random(seed)
                return [self._dropout.encode(self._words(text), dropout, rng) for text in texts]
            return [found.ids for found in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        except (TypeError, UnicodeEncodeError):
            list(_checked(texts, [0]))
            raise

    def decode(self, pieces: Sequence[Sequence[int]]) -> list[str]:
        """The text of each sequence of pieces. Special pieces have none; bytes that are not UTF-8, as a model may put
        them together, become U+FFFD.

        RAISES: N242 for a number that no piece has.
        """
        rows = [[int(piece) for piece in row if not PAD <= piece <= END] for row in pieces]
        for row in rows:
            if row and not 0 <= min(row) <= max(row) < self._size:
                self._refuse(row)
        return self._tokenizer.decode_batch(rows, skip_special_tokens=False)

    def pieces_of(self, ids: Iterable[int]) -> list[str]:
        """The names of pieces: bytes as characters (`Ġ` is the blank). RAISES: N242 for a number that no piece has."""
        ids = [int(number) for number in ids]
        if ids and not 0 <= min(ids) <= max(ids) < self._size:
            self._refuse(ids)
        return [str(self._tokenizer.id_to_token(number)) for number in ids]

    def normalise(self, text: str) -> str:
        """A text as `decode` gives it back: in the normalisation, and where so trained in lower case."""
        normalizer: Any = self._tokenizer.normalizer
        return normalizer.normalize_str(text)[1:]

    def without_piece(self, characters: Iterable[str]) -> list[str]:
        """Those of some characters that have no piece of their own and are written in bytes; such are rare ones."""
        from tokenizers import pre_tokenizers

        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        vocab = self._tokenizer.get_vocab()
        missing = []
        for character in characters:
            names = [as_bytes.pre_tokenize_str(part)[0][0] for part in self.normalise(character)]
            if any(name not in vocab and CONTINUES + name not in vocab for name in names):
                missing.append(character)
        return missing

    def __len__(self) -> int:
        """How many pieces there are, special ones included."""
        return self._size

    def to_bytes(self) -> bytes:
        """The pieces as JSON of the library `tokenizers`, in UTF-8."""
        return self._data.encode("utf8")

    @classmethod
    def from_bytes(cls, data: bytes, where: str | Path = "the data") -> Subwords:
        """Read what `to_bytes` gave; `where` it is from, for messages. RAISES: N004, N241."""
        try:
            text = data.decode("utf8")
        except UnicodeDecodeError as error:
            raise NlpkitError(Errors.N241.format(where=where, problem=error)) from error
        return cls(text, where)

    def to_disk(self, path: str | Path) -> None:
        """Write the pieces to a file, which appears whole or not at all."""
        with atomic_write(path, "wb") as file_:
            file_.write(self.to_bytes())

    @classmethod
    def from_disk(cls, path: str | Path) -> Subwords:
        """Read a file that `to_disk` wrote. RAISES: N004, N032 where it cannot be read, N241 where it is another."""
        return cls.from_bytes(read_bytes(Path(path)), path)

    def _words(self, text: str) -> Iterator[str]:
        normalizer: Any = self._tokenizer.normalizer
        pre_tokenizer: Any = self._tokenizer.pre_tokenizer
        return (word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text)))

    def _refuse(self, ids: Iterable[int]) -> None:
        number = next(number for number in ids if not 0 <= number < self._size)
        raise NlpkitError(Errors.N242.format(number=number, size=self._size))


def _make_tokenizer(kind: str, lower: bool, normalization: str) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    model = {
        "bpe": lambda: models.BPE(),
        "unigram": lambda: models.Unigram(),
        "wordpiece": lambda: models.WordPiece(
            unk_token=SPECIAL_PIECES[UNK], continuing_subword_prefix=CONTINUES, max_input_chars_per_word=1000
        ),
    }[kind]()
    tokenizer = Tokenizer(model)
    unicode = {"nfc": [normalizers.NFC()], "nfkc": [normalizers.NFKC()], "none": []}[normalization]
    # In lower case a text may have parts that can be composed once more.
    tokenizer.normalizer = normalizers.Sequence(
        [*unicode, *([normalizers.Lowercase(), *unicode] if lower else []), normalizers.Prepend(" ")]
    )
    words = Regex(UNIGRAM_WORDS if kind == "unigram" else WORDS)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(CONTINUES, ""), decoders.ByteLevel(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def _make_trainer(kind: str, size: int, min_frequency: int, alphabet: list[str], show_progress: bool) -> Any:
    from tokenizers import trainers

    shared: dict[str, Any] = {
        "vocab_size": size,
        "special_tokens": list(SPECIAL_PIECES),
        "initial_alphabet": alphabet,
        "show_progress": show_progress,
    }
    if kind == "bpe":
        return trainers.BpeTrainer(min_frequency=min_frequency, **shared)
    if kind == "unigram":
        return trainers.UnigramTrainer(unk_token=SPECIAL_PIECES[UNK], **shared)
    # The learner numbers what it sees within words as it comes, differently in every run, unless it is told before.
    shared["special_tokens"] += [CONTINUES + character for character in alphabet]
    return trainers.WordPieceTrainer(min_frequency=min_frequency, continuing_subword_prefix=CONTINUES, **shared)


def _finish_unigram(vocab: list[list[Any]], size: int) -> list[list[Any]]:
    """The pieces of "unigram", no more than `size`, in an order that does not hang on their scores: these differ a
    little from run to run."""
    special = len(SPECIAL_PIECES)
    # The learner stops above the size where texts are few; single bytes are needed.
    learned = sorted(vocab[special:], key=lambda item: (len(item[0]) > 1, -item[1]))
    return vocab[:special] + sorted(learned[: size - special])


def _find_problem(tokenizer: Tokenizer, model: dict[str, Any]) -> str | None:
    """Why this is no vocabulary that `train` makes, None where it is one."""
    from tokenizers import pre_tokenizers

    if str(model.get("type")).lower() not in KINDS:
        return f"its kind is {model.get('type')!r}"
    for number, piece in enumerate(SPECIAL_PIECES):
        if tokenizer.token_to_id(piece) != number:
            return f"{piece} has the number {tokenizer.token_to_id(piece)}, not {number}"
    if any(tokenizer.token_to_id(character) is None for character in pre_tokenizers.ByteLevel.alphabet()):
        return "some bytes have no piece"
    if tokenizer.normalizer is None or tokenizer.pre_tokenizer is None or tokenizer.decoder is None:
        return "it does not say how texts are written"
    return None


def _checked(texts: Iterable[str], seen: list[int]) -> Iterator[str]:
    """The texts, those that are not empty counted. RAISES: N248 for one that UTF-8 cannot hold."""
    for number, text in enumerate(texts):
        try:
            seen[0] += bool(text.encode("utf8"))
        except (AttributeError, UnicodeEncodeError) as error:
            raise NlpkitError(Errors.N248.format(number=number, reason=error)) from error
        yield text


def _check(setting: str, value: object, right: bool, expected: str) -> None:
    if not right:
        raise NlpkitError(Errors.N006.format(setting=setting, name="Subwords", expected=expected, value=value))
