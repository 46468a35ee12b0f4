"""ROUGE: how many n-grams, and how long a common subsequence, a text shares with the one that is wanted.

Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries". Without stemming, and of one text as a whole, not
sentence by sentence (so `rougeL`, not `rougeLsum`).
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from rapidfuzz.distance import LCSseq

Words = list[str]


def split_words(text: str) -> Words:
    """Runs of letters, digits and their marks, in lower case: of English text those that ROUGE has always compared, and
    of other scripts those that its first tokenizers dropped."""
    text = unicodedata.normalize("NFC", text.lower())
    return "".join(char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in text).split()


def split_characters(text: str) -> Words:
    """Letters, digits and marks one by one, in lower case: for scripts that write no blanks between words."""
    return [char for word in split_words(text) for char in word]


def rouge_n(wanted: Words, written: Words, n: int) -> float:
    """F1 of the n-grams that two texts share, each counted as often as both have it; 0 where one has none."""
    grams, found = (Counter(zip(*(words[start:] for start in range(n)))) for words in (wanted, written))
    return _f1((grams & found).total(), grams.total(), found.total())


def rouge_l(wanted: Words, written: Words) -> float:
    """F1 of the longest common subsequence of words; 0 where one text has none."""
    return _f1(LCSseq.similarity(wanted, written), len(wanted), len(written))


def rouge(targets: Sequence[Sequence[str]], texts: Sequence[str], split: Callable[[str], Words]) -> dict[str, float]:
    """Mean F1 over texts, of several targets the most similar one.

    targets: For each text the targets, one at least. texts: As written, one at least.
    split: Finds the words of a text.
    RETURNS (dict): `rouge1`, `rouge2` and `rougel`, 0 to 1.
    """
    totals = dict.fromkeys(("rouge1", "rouge2", "rougel"), 0.0)
    for wanted, text in zip(targets, texts):
        words = split(text)
        pairs = [(split(target), words) for target in wanted]
        totals["rouge1"] += max(rouge_n(*pair, 1) for pair in pairs)
        totals["rouge2"] += max(rouge_n(*pair, 2) for pair in pairs)
        totals["rougel"] += max(rouge_l(*pair) for pair in pairs)
    return {name: total / len(texts) for name, total in totals.items()}


def _f1(shared: int, wanted: int, written: int) -> float:
    return 2 * shared / (wanted + written) if shared else 0.0
