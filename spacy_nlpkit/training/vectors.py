"""Word vectors of one's own texts: positive pointwise mutual information with neighbouring words, factorised.

The method counts and factorises: one pass over the texts and no learning rate. Contexts are weighted and smoothed as
Levy, Goldberg and Dagan (2015), "Improving distributional similarity with lessons learned from word embeddings",
found that it then does as well as methods that sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.vectors import Vectors

from ..errors import Errors, NlpkitError
from ..util import replace_folder

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Counts of contexts to this power: rare contexts would get too much weight (Levy et al. 2015, "cds").
SMOOTHING = 0.75
# Rows shorter than this part of the longest are rounding errors of float32.
NOISE = 1e-5
# The key of the empty string, which no token has.
GAP = 0
UNKNOWN = -1


class Words(NamedTuple):
    """Texts as numbers of words.

    vocabulary (list[str]): The words, the most frequent first.
    ids (np.ndarray): int64, the number of each word of the texts in their order; `UNKNOWN` for words that are too rare
        and for at least a window between texts.
    texts (np.ndarray): int64, the number of the text of each of them.
    total (int): How many words there are, rare ones included and blanks left out.
    """

    vocabulary: list[str]
    ids: np.ndarray
    texts: np.ndarray
    total: int


def train_vectors(words: Words, dim: int, window: int, unit_length: bool = True) -> np.ndarray:
    """Vectors for the words of a vocabulary; the same for the same texts.

    dim (int): Dimensions, fewer than words. window (int): Words on each side that count as context, no more than
        `number_words` was told; 0 for all of the same text, which makes words of one topic neighbours.
    unit_length (bool): Scale them to length 1. Without, words that say much of their contexts are longer than words
        that stand everywhere: in a mean over a text they count more.
    RETURNS (np.ndarray): float32, (words, dim). A word that says nothing of its neighbours has zeros.
    RAISES: N014 where the texts hold too few words.
    """
    size = len(words.vocabulary)
    if size <= dim:
        raise _too_little(words, dim, f"only {size:,} different words are frequent enough")
    counts = count_contexts(words.ids, size, window) if window else count_texts(words, size)
    information = weigh_contexts(counts)
    if not information.nnz:
        raise _too_little(words, dim, "no words are found together more often than by chance")
    return factorise(information, dim, unit_length)


def _too_little(words: Words, dim: int, problem: str) -> NlpkitError:
    return NlpkitError(Errors.N014.format(dim=dim, words=words.total, problem=problem))


def number_words(nlp: Language, texts: Iterable[str], min_count: int, window: int, attr: str = "ORTH") -> Words:
    """Tokenise texts and number the words that occur `min_count` times or more.

    attr (str): The token attribute that is the word: `ORTH`, as written, or `LOWER`.
    """
    gap = np.full(window, GAP, dtype="uint64")
    parts: list[np.ndarray] = [gap]
    tokenizer: Any = nlp.tokenizer
    for doc in tokenizer.pipe(texts):
        parts += [doc.to_array(attr), gap]
    text_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    keys, places, counts = np.unique(np.concatenate(parts), return_inverse=True, return_counts=True)
    strings = [nlp.vocab.strings[int(key)] for key in keys]
    is_blank = np.array([key != GAP and string.isspace() for key, string in zip(keys, strings)])
    is_word = (keys != GAP) & ~is_blank
    frequent = np.nonzero(is_word & (counts >= min_count))[0]
    frequent = frequent[np.lexsort((keys[frequent], -counts[frequent]))]
    number_of = np.full(len(keys), UNKNOWN)
    number_of[frequent] = np.arange(len(frequent))
    kept = ~is_blank[places]
    vocabulary = [strings[place] for place in frequent]
    return Words(vocabulary, number_of[places[kept]], text_of[kept], int(counts[is_word].sum()))


def count_texts(words: Words, size: int) -> csr_matrix:
    """In how many texts two words stand together: (size, size), float32."""
    from scipy.sparse import csr_matrix

    known = words.ids != UNKNOWN
    shape = (int(words.texts.max(initial=0)) + 1, size)
    ones = np.ones(int(known.sum()), dtype="float32")
    holds = csr_matrix((ones, (words.texts[known], words.ids[known])), shape=shape)
    holds.data[:] = 1.0  # a word counts once a text
    return (holds.T @ holds).tocsr()


def count_contexts(ids: np.ndarray, size: int, window: int) -> csr_matrix:
    """How often words stand near each other, divided by their distance.

    ids (np.ndarray): Of `Words`. size (int): Of the vocabulary.
    RETURNS (csr_matrix): (size, 2 * size): of each word (row) the words before it, then the words behind it.
    """
    from scipy.sparse import coo_matrix, csr_matrix, hstack

    behind = csr_matrix((size, size), dtype="float64")
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        known = (left != UNKNOWN) & (right != UNKNOWN)
        weights = np.full(int(known.sum()), 1 / distance)
        behind = behind + coo_matrix((weights, (left[known], right[known])), shape=(size, size)).tocsr()
    return hstack([behind.T, behind], format="csr")


def weigh_contexts(counts: csr_matrix) -> csr_matrix:
    """The positive pointwise mutual information of words (rows) and contexts (columns), contexts smoothed; float32."""
    from scipy.sparse import csr_matrix

    of_word = np.asarray(counts.sum(axis=1)).ravel()
    of_context = np.asarray(counts.sum(axis=0)).ravel() ** SMOOTHING
    share = of_context / max(of_context.sum(), 1e-12)
    pairs = counts.tocoo()
    information = np.log(pairs.data / (of_word[pairs.row] * share[pairs.col]))
    positive = information > 0
    data = information[positive].astype("float32")
    return csr_matrix((data, (pairs.row[positive], pairs.col[positive])), shape=counts.shape)


def factorise(matrix: Any, dim: int, unit_length: bool = True) -> np.ndarray:
    """Rows of a sparse matrix as `dim` numbers: left singular vectors by the root of their singular values.

    RETURNS (np.ndarray): float32, (rows, dim), the largest singular value first, rows of unit length or
        zero; without `unit_length` as long as they come out.
    """
    from scipy.sparse.linalg import svds

    # The start is fixed, and with it the result but for the sign of each column.
    start = np.random.default_rng(0).standard_normal(min(matrix.shape)).astype(matrix.dtype)
    left, values, _ = svds(matrix, k=dim, v0=start)
    largest = np.argmax(np.abs(left), axis=0)
    left = left * np.sign(left[largest, np.arange(dim)])
    rows = (left * np.sqrt(values))[:, ::-1]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    # A row that should be zero comes out as the rounding errors of the others.
    is_zero = lengths <= NOISE * lengths.max()
    scale = np.where(is_zero, 1, lengths) if unit_length else 1.0
    return np.where(is_zero, 0, rows / scale).astype("float32", order="C")


def save_vectors(nlp: Language, vocabulary: list[str], vectors: np.ndarray, path: Path) -> None:
    """Write a pipeline without components for `[initialize] vectors`: its tokenizer and the vectors.

    nlp (Language): A blank pipeline that gets the vectors.
    path (Path): A folder, which appears whole or not at all; vectors of an earlier run are replaced.
    RAISES: N015 where something else is there.
    """
    if not can_replace(path):
        raise NlpkitError(Errors.N015.format(path=path))
    for word in vocabulary:
        nlp.vocab.strings.add(word)
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=vectors, keys=vocabulary, name=f"{nlp.lang}_vectors")
    with replace_folder(path) as aside:
        nlp.to_disk(aside)


def can_replace(path: Path) -> bool:
    """Whether vectors may be written there: nothing, an empty folder, or a pipeline without components."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return True
    try:
        return json.loads((path / "meta.json").read_text(encoding="utf8"))["pipeline"] == []
    except (OSError, ValueError, KeyError, TypeError):
        return False
