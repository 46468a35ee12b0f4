"""The subwords and the module of a `seq2seq` component: set, and saved and loaded with its weights."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import srsly
from spacy.tokens import Doc

from ..errors import Errors, NlpkitError
from ..hf_subwords import HuggingFaceSubwords
from ..subwords import END, Subwords
from ._unlabelled import UnlabelledPipe

Vocabulary = Subwords | HuggingFaceSubwords
# File of the subwords in the component's folder.
FILE = "subwords"


def encode_sources(side: Vocabulary, texts: Sequence[str], dropout: float = 0.0) -> list[list[int]]:
    """Texts as a model reads them, with its special pieces; dropout of merges is drawn by Python's generator."""
    rows = side.encode(texts, dropout, random.getrandbits(32) if dropout else 0)
    return rows if isinstance(side, HuggingFaceSubwords) else [[*row, END] for row in rows]


def encode_targets(side: Vocabulary, texts: Sequence[str]) -> list[list[int]]:
    """Texts as a model writes them, without start and end."""
    return side.encode_targets(texts) if isinstance(side, HuggingFaceSubwords) else side.encode(texts)


def _short(hashes: Sequence[str]) -> str:
    """The beginnings of SHA-256 hashes, as people compare them."""
    return " and ".join(dict.fromkeys(value[:8] for value in hashes))


class SubwordPipe(UnlabelledPipe):
    """A pipe whose model reads and writes pieces of words, which are saved with it."""

    max_pieces: int
    source: Vocabulary | None = None
    target: Vocabulary | None = None

    def set_subwords(self, source: Vocabulary, target: Vocabulary | None = None) -> None:
        """Read and write by these pieces from now on; `nlp.initialize` then needs no loader for them.

        source: Of both texts, where there is no `target`.
        RAISES: N229 where the pipe was trained with others; it then keeps its own.
        """
        target = source if target is None else target
        if self.is_initialized:
            self._check_known([source, target], self.cfg["subwords"])
        self.source, self.target = source, target

    def require_subwords(self) -> tuple[Vocabulary, Vocabulary]:
        """Those of the source and of the target. RAISES: N227 where there are none."""
        if self.source is None or self.target is None:
            raise NlpkitError(Errors.N227.format(name=self.name))
        return self.source, self.target

    @property
    def is_initialized(self) -> bool:
        """Whether the model has its module."""
        return bool(self.model.shims)

    def _check_known(self, sides: Sequence[Vocabulary], expected: Sequence[str]) -> None:
        """RAISES: N229 where weights belong to other subwords than these. Numbers of pieces would not tell: most
        vocabularies have a round one."""
        found = [side.content_hash for side in sides]
        if found != list(expected):
            raise NlpkitError(Errors.N229.format(name=self.name, found=_short(found), expected=_short(expected)))

    def _set_module(self, module: Any) -> None:
        from ..layers.seq2seq.model import set_module

        if module.max_length is not None and module.max_length < self.max_pieces:
            expected = f"{module.max_length} at most, as the model has no more positions"
            details = {"setting": "max_pieces", "name": self.name, "expected": expected}
            raise NlpkitError(Errors.N006.format(**details, value=self.max_pieces))
        set_module(self.model, module)
        self.cfg["subwords"] = [side.content_hash for side in self.require_subwords()]

    def build_module(self) -> None:
        """Give the model a module for the subwords, with new weights. RAISES: N227 without subwords."""
        from ..layers.seq2seq.model import build_module

        source, target = self.require_subwords()
        sizes = [self.cfg.get("source_width", len(source)), len(target)]
        self._set_module(build_module(self.model, sizes, self.cfg.get("pretrained")))

    def take_pretrained(self, name: str) -> None:
        """Take a model of the `transformers` library, its weights and its subwords.

        name: A folder, or a model of the hub. RAISES: As `load_pretrained` and `HuggingFaceSubwords.load`.
        """
        from ..layers.seq2seq.pretrained import load_pretrained

        self.source = self.target = HuggingFaceSubwords.load(name)
        module = load_pretrained(name)
        self.cfg["pretrained"] = srsly.json_loads(module.config_bytes().decode("utf8"))
        self._set_module(module)

    # Token vectors

    @property
    def listens(self) -> bool:
        """Whether the model reads the token vectors of an encoder in place of pieces."""
        return bool(self.model.layers)

    def find_width(self, doc: Doc) -> None:
        """Ready the encoder whose vectors the model reads, if so, and note their width; the document has tokens."""
        if self.listens:
            encoder: Any = self.model.layers[0]
            encoder.initialize(X=[doc])
            self.cfg["source_width"] = int(encoder.predict([doc])[0].shape[1])

    def listening(self, docs: Sequence[Doc]) -> AbstractContextManager[None]:
        """While it lasts, what the model writes and scores is read from these documents, where it reads vectors."""
        from ..layers.seq2seq.model import listening

        return listening(self.model, docs)

    # Rehearsal

    def rehearse(self, examples: Iterable[Any], **settings: Any) -> dict[str, float]:  # type: ignore[override]
        """There is none: `nlp.rehearse` passes over the pipe, as over all others without it, and no loss is added. To
        keep what it can do, train it on examples of that, with what it writes for them as targets."""
        losses: dict[str, float] | None = settings.get("losses")
        return {} if losses is None else losses

    @property
    def _rehearsal_model(self) -> Any:  # type: ignore[override]
        """By its absence `nlp.resume_training` knows that no copy of the model is to be kept."""
        raise AttributeError("_rehearsal_model")

    @_rehearsal_model.setter
    def _rehearsal_model(self, model: Any) -> None:
        """Where the base drops it, there is nothing to drop."""

    # Storage: the subwords come first, as the module's sizes depend on them

    def _subwords_to_bytes(self) -> bytes:
        if self.source is None or self.target is None:
            return b""
        sides = [self.source] if self.target is self.source else [self.source, self.target]
        pretrained = [isinstance(side, HuggingFaceSubwords) for side in sides]
        return srsly.msgpack_dumps({"pretrained": pretrained, "sides": [side.to_bytes() for side in sides]})

    def _load_subwords(self, data: bytes, cfg: dict[str, Any]) -> None:
        self.source = self.target = None
        if data:
            parts: Any = srsly.msgpack_loads(data)
            kinds = [HuggingFaceSubwords if pretrained else Subwords for pretrained in parts["pretrained"]]
            sides = [kind.from_bytes(side, self.name) for kind, side in zip(kinds, parts["sides"])]
            self.source, self.target = sides[0], sides[-1]
        self.model.shims.clear()
        self.cfg = dict(cfg)
        if cfg.get("subwords"):
            self._check_known(self.require_subwords(), cfg["subwords"])
            self.build_module()

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The pipe with its subwords."""
        pipe = super().to_bytes(exclude=tuple(exclude))
        return srsly.msgpack_dumps({"pipe": pipe, "cfg": self.cfg, FILE: self._subwords_to_bytes()})

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> SubwordPipe:
        """Load the pipe and its subwords. RAISES: N229 where they do not belong together."""
        content: Any = srsly.msgpack_loads(bytes_data)
        self._load_subwords(content[FILE], content["cfg"])
        super().from_bytes(content["pipe"], exclude=exclude)
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """As `to_bytes`, into a folder."""
        super().to_disk(path, exclude=tuple(exclude))
        (Path(path) / FILE).write_bytes(self._subwords_to_bytes())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> SubwordPipe:
        """As `from_bytes`, from a folder."""
        folder = Path(path)
        cfg: Any = srsly.read_json(folder / "cfg")
        self._load_subwords((folder / FILE).read_bytes(), cfg)
        super().from_disk(path, exclude=exclude)
        return self
