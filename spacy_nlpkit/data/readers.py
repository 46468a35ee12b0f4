"""Registered corpus readers: .spacy files as examples, and a mixture of two corpora.

Unlike with `spacy.Corpus.v1`, the predicted side of an example gets what components read at prediction, and a
corpus that cannot be read or is empty is an error.
"""

import random
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.augment import dont_augment

from ..attributes import DOC_CATEGORY, DOC_DATE, DOC_ITEM_ID, register_item_attributes
from ..errors import Errors, NlpkitError, Warnings
from .converters.spacy_files import read_docbin

# The category is what text_classifier predicts: the predicted side does not get it.
READ_AT_PREDICTION = (DOC_DATE, DOC_ITEM_ID)
# Where the entities of the predicted side come from.
GOLD_ENTITIES, PREDICTED_ENTITIES = "gold", "predicted"


def create_corpus(
    path: str | Path | None,
    limit: int = 0,
    max_length: int = 0,
    gold_preproc: bool = False,
    augmenter: Callable | None = None,
    shuffle: bool = False,
    entities: str = PREDICTED_ENTITIES,
    spans_key: str | None = None,
) -> Callable[[Language], Iterable[Example]]:
    """The reader `spacy_nlpkit.Corpus.v1`: see `Corpus`. The path is looked at when the corpus is read."""
    return Corpus(
        path,
        limit=limit,
        max_length=max_length,
        gold_preproc=gold_preproc,
        augmenter=augmenter,
        shuffle=shuffle,
        entities=entities,
        spans_key=spans_key,
    )


def create_mixed_corpus(
    gold: Callable, extra: Callable, ratio: float = 1.0, seed: int = 0
) -> Callable[[Language], Iterable[Example]]:
    """The reader `spacy_nlpkit.MixedCorpus.v1`: see `MixedCorpus`."""
    return MixedCorpus(gold, extra, ratio=ratio, seed=seed)


class Corpus:
    """Examples from a .spacy file, or from all such files of a folder.

    path (str | Path): File or folder; None is an error when the corpus is read.
    limit (int): Read at most this many documents; 0 for all.
    max_length (int): Documents of this many tokens or more are split into sentences where they have
        boundaries; what is still too long is left out, with one warning (NW035). 0 for no limit.
    gold_preproc (bool): Give the predicted side the gold tokens and sentences.
    augmenter (Callable): Called as `augmenter(nlp, example)`, yields examples.
    shuffle (bool): Shuffle the documents with `random` at each call.
    entities (str): "gold" gives the predicted side the annotated entities, with labels but without ids, as components
        read that link them; "predicted" leaves them to a component of the pipeline.
    spans_key (str): With "gold", a span group that the predicted side gets as well, None for none.
    RAISES: N006 for other `entities`, or a span group without "gold".
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        limit: int = 0,
        max_length: int = 0,
        gold_preproc: bool = False,
        augmenter: Callable | None = None,
        shuffle: bool = False,
        entities: str = PREDICTED_ENTITIES,
        spans_key: str | None = None,
    ) -> None:
        if entities not in (GOLD_ENTITIES, PREDICTED_ENTITIES):
            raise _bad_setting("entities", f"{GOLD_ENTITIES!r} or {PREDICTED_ENTITIES!r}", entities)
        if spans_key is not None and entities != GOLD_ENTITIES:
            raise _bad_setting("spans_key", f"null unless entities = {GOLD_ENTITIES!r}", spans_key)
        register_item_attributes()
        self.path = path
        self.limit = limit
        self.max_length = max_length
        self.gold_preproc = gold_preproc
        self.augmenter = augmenter or dont_augment
        self.shuffle = shuffle
        self.gives_entities = entities == GOLD_ENTITIES
        self.spans_key = spans_key
        self._warned = False

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the examples; may be called again.

        RAISES: N035 where the path is not set, N036 where it does not exist, N037 for a folder without
            .spacy files; while reading N029 or N032 for other files, N038 where there is no example.
        """
        return self._read(nlp, find_files(self.path))

    def _read(self, nlp: Language, files: list[Path]) -> Iterator[Example]:
        docs: Iterable[Doc] = (doc for file_ in files for doc in read_docbin(file_, nlp))
        if self.limit > 0:
            docs = islice(docs, self.limit)
        if self.shuffle:
            docs = list(docs)
            random.shuffle(docs)
        n_docs = n_empty = n_long = n_examples = 0
        for doc in docs:
            pieces = list(self._split(doc))
            fitting = [piece for piece in pieces if not self.max_length or len(piece) < self.max_length]
            n_docs += 1
            n_empty += not pieces
            n_long += len(pieces) - len(fitting)
            for piece in fitting:
                for example in self.augmenter(nlp, make_example(nlp, piece, gold_tokens=self.gold_preproc)):
                    n_examples += 1
                    if self.gives_entities:
                        give_entities(example, self.spans_key)
                    yield example
        left_out = {"empty": n_empty, "long": n_long, "max_length": self.max_length}
        if not n_examples:
            raise NlpkitError(Errors.N038.format(path=self.path, count=n_docs, **left_out))
        if n_empty + n_long and not self._warned:
            self._warned = True
            warnings.warn(Warnings.NW035.format(path=self.path, **left_out), stacklevel=2)

    def _split(self, doc: Doc) -> Iterator[Doc]:
        """The document, or its sentences where it is too long or gold sentences are asked for."""
        too_long = 0 < self.max_length <= len(doc)
        if doc.has_annotation("SENT_START") and (self.gold_preproc or too_long):
            for sent in doc.sents:
                piece = sent.as_doc()
                _copy_attributes(doc, piece, (*READ_AT_PREDICTION, DOC_CATEGORY))
                yield piece
        elif len(doc):
            yield doc


class MixedCorpus:
    """All examples of one corpus with a fresh sample of another, shuffled.

    gold (Callable): The corpus of which each round holds every example.
    extra (Callable): The corpus to sample from, such as texts labelled by an earlier pipeline; read once.
    ratio (float): How many extra examples a round holds for one of the gold corpus, 0 or more.
    seed (int): Rounds of equal number are equal for equal seeds.
    `spacy train` reads a corpus once and reuses its examples, unless `[training] max_epochs` is -1: set that
    for a fresh sample at each epoch.
    """

    def __init__(self, gold: Callable, extra: Callable, *, ratio: float = 1.0, seed: int = 0) -> None:
        if ratio < 0:
            raise NlpkitError(
                Errors.N006.format(
                    setting="ratio", name="spacy_nlpkit.MixedCorpus.v1", expected="0 or more", value=ratio
                )
            )
        self.gold = gold
        self.extra = extra
        self.ratio = ratio
        self.seed = seed
        self.epoch = 0
        self._extra_examples: list[Example] = []
        self._extra_read_with: weakref.ref[Language] | None = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read one round; each call is the next. RAISES: what the two corpora raise."""
        rng = random.Random(f"{self.seed}/{self.epoch}")
        self.epoch += 1
        return self._read(nlp, rng)

    def _read(self, nlp: Language, rng: random.Random) -> Iterator[Example]:
        examples = list(self.gold(nlp))
        wanted = round(self.ratio * len(examples))
        pool = self._read_extra(nlp) if wanted else []
        if wanted > len(pool):
            message = Warnings.NW036.format(ratio=self.ratio, wanted=wanted, found=len(pool))
            warnings.warn(message, stacklevel=2)
        examples += rng.sample(pool, min(wanted, len(pool)))
        rng.shuffle(examples)
        yield from examples

    def _read_extra(self, nlp: Language) -> list[Example]:
        """The extra examples; they hold the vocabulary of the pipeline they were read with."""
        if self._extra_read_with is None or self._extra_read_with() is not nlp:
            self._extra_examples = list(self.extra(nlp))
            self._extra_read_with = weakref.ref(nlp)
        return self._extra_examples


def find_files(path: str | Path | None) -> list[Path]:
    """The .spacy file of a path, or all those of a folder in sorted order, without hidden ones.

    RAISES: N035 where the path is None, N036 where it does not exist, N037 for a folder without .spacy files.
    """
    if path is None:
        raise NlpkitError(Errors.N035)
    path = Path(path)
    if not path.exists():
        raise NlpkitError(Errors.N036.format(path=path))
    if not path.is_dir():
        return [path]
    files = [
        file_
        for file_ in sorted(path.rglob("*.spacy"))
        if not any(part.startswith(".") for part in file_.relative_to(path).parts)
    ]
    if not files:
        raise NlpkitError(Errors.N037.format(path=path))
    return files


def make_example(nlp: Language, reference: Doc, *, gold_tokens: bool = False) -> Example:
    """An example of an annotated document, its predicted side as it will be at prediction.

    gold_tokens (bool): Take the tokens of the reference, as is always done where its spaces are unknown.
    """
    if gold_tokens or reference.has_unknown_spaces:
        words = [token.text for token in reference]
        spaces = [bool(token.whitespace_) for token in reference]
        predicted = Doc(nlp.vocab, words=words, spaces=spaces)
    else:
        predicted = nlp.make_doc(reference.text)
    _copy_attributes(reference, predicted, READ_AT_PREDICTION)
    return Example(predicted, reference)


def give_entities(example: Example, spans_key: str | None = None) -> None:
    """Give the predicted side of an example the annotated entities without their ids.

    Tokens that the reference says nothing of stay without annotation; what fits no token of the predicted side is left
    out.

    spans_key (str): A span group to copy as well.
    """
    reference, predicted = example.reference, example.predicted
    if reference.has_annotation("ENT_IOB"):
        spans = [_without_id(span) for span in example.get_aligned_spans_y2x(reference.ents)]
        known = all(token.ent_iob for token in reference)
        predicted.set_ents(spans, default="outside" if known else "missing")
    if spans_key is not None and spans_key in reference.spans:
        give_spans(example, spans_key)


def give_spans(example: Example, spans_key: str) -> None:
    """Give the predicted side of an example the spans of an annotated group, without their ids; what fits no token
    there is left out."""
    group = example.get_aligned_spans_y2x(list(example.reference.spans[spans_key]), allow_overlap=True)
    example.predicted.spans[spans_key] = [_without_id(span) for span in group]


def _without_id(span: Span) -> Span:
    return Span(span.doc, span.start, span.end, label=span.label)


def _bad_setting(setting: str, expected: str, value: object) -> NlpkitError:
    name = "spacy_nlpkit.Corpus.v1"
    return NlpkitError(Errors.N006.format(setting=setting, name=name, expected=expected, value=value))


def _copy_attributes(source: Doc, target: Doc, names: tuple[str, ...]) -> None:
    for name in names:
        value = source._.get(name)
        if value is not None:
            target._.set(name, value)
