"""Self-training: a reader that lets a classifier label texts for itself while it is trained."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import Errors, NlpkitError

Cats = dict[str, float]
# Texts that are labelled at a time.
BATCH = 1000
# How far from 1 the sum of a distribution may be: rounding of float32.
ROUNDING = 1e-3


def create_self_training_corpus(
    gold: Callable,
    unlabelled: Callable,
    component: str = "text_classifier",
    warmup: int = 30,
    keep: float = 0.8,
    limit: int = 0,
    gold_repeats: int = 5,
    seed: int = 0,
) -> Callable[[Language], Iterable[Example]]:
    """The reader `spacy_nlpkit.SelfTrainingCorpus.v1`: see `SelfTrainingCorpus`."""
    return SelfTrainingCorpus(
        gold,
        unlabelled,
        component=component,
        warmup=warmup,
        keep=keep,
        limit=limit,
        gold_repeats=gold_repeats,
        seed=seed,
    )


class SelfTrainingCorpus:
    """The examples of a corpus, and after some rounds texts with the classes that the pipeline in training gives them.

    gold (Callable): The annotated corpus, all of it in every round.
    unlabelled (Callable): A corpus of texts; its own classes are not looked at. Read once.
    component (str): The component that gives the classes, such as a `text_classifier`.
    warmup (int): So many rounds hold the annotated examples alone.
    keep (float): Of the texts to which it gives a label, so large a share is kept: those of which it is most sure. The
        share is of each label, so that easy ones do not crowd out others. Where labels do not exclude one another, it
        is of the decisions about each; the others are left open.
    limit (int): Label at most this many texts, drawn anew each round; 0 for all.
    gold_repeats (int): How often a round holds each annotated example, from the end of the warm-up on.
    seed (int): Rounds of equal number are drawn alike for equal seeds.
    One round is one epoch of `spacy train`, which asks for a new one only where `[training] max_epochs` is -1.
    The method is that of Yarowsky (1995), with the share by label of Zou et al. (2018).
    """

    def __init__(
        self,
        gold: Callable,
        unlabelled: Callable,
        *,
        component: str = "text_classifier",
        warmup: int = 30,
        keep: float = 0.8,
        limit: int = 0,
        gold_repeats: int = 5,
        seed: int = 0,
    ) -> None:
        at_least = {"warmup": (warmup, 1), "limit": (limit, 0), "gold_repeats": (gold_repeats, 1)}
        for setting, (value, least) in at_least.items():
            if value < least:
                raise _wrong(setting, f"{least} or more", value)
        if not 0 < keep <= 1:
            raise _wrong("keep", "above 0 and at most 1", keep)
        self.gold = gold
        self.unlabelled = unlabelled
        self.component = component
        self.warmup = warmup
        self.keep = keep
        self.limit = limit
        self.gold_repeats = gold_repeats
        self.seed = seed
        self.round = 0
        self._texts: list[Doc] = []

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read one round; each call is the next, but for those before the pipeline is initialized.

        RAISES: N144 where `spacy train` would read one round alone; N145 where the pipeline has no such component; N146
            where annotated labels are none of the component's; what the two corpora raise.
        """
        if nlp.config.get("training", {}).get("max_epochs") != -1:
            raise NlpkitError(Errors.N144)
        if not nlp.pipe_names:  # the corpus is only looked at, as by `check-data`
            return iter(self.gold(nlp))
        if self.component not in nlp.pipe_names:
            raise NlpkitError(Errors.N145.format(name=self.component, pipes=", ".join(nlp.pipe_names)))
        pipe: Any = nlp.get_pipe(self.component)
        examples = list(self.gold(nlp))
        if not pipe.labels:
            return iter(examples)
        unknown = {label for example in examples for label in example.reference.cats} - set(pipe.labels)
        if unknown:
            raise NlpkitError(Errors.N146.format(name=self.component, labels=", ".join(sorted(unknown))))
        self.round += 1
        rng = random.Random(f"{self.seed}/{self.round}")
        if self.round > self.warmup:
            examples = examples * self.gold_repeats + self._label(nlp, pipe, rng)
        rng.shuffle(examples)
        return iter(examples)

    def _label(self, nlp: Language, pipe: Any, rng: random.Random) -> list[Example]:
        """Texts with the classes that the pipeline gives them now."""
        if not self._texts:
            self._texts = [example.predicted for example in self.unlabelled(nlp)]
        texts = rng.sample(self._texts, self.limit) if 0 < self.limit < len(self._texts) else self._texts
        names = nlp.pipe_names[: nlp.pipe_names.index(self.component) + 1]
        with nlp.select_pipes(enable=names):
            docs = nlp.pipe((doc.copy() for doc in texts), batch_size=BATCH)
            rows = [[doc.cats[label] for label in pipe.labels] for doc in docs]
        probabilities = np.array(rows, dtype=np.float64).reshape(-1, len(pipe.labels))
        choose = choose_exclusive if _is_exclusive(pipe, probabilities) else choose_each
        examples = []
        for doc, row in zip(texts, choose(probabilities, self.keep).tolist()):
            cats = {label: value for label, value in zip(pipe.labels, row) if value == value}
            if cats:
                reference = doc.copy()
                reference.cats = cats
                examples.append(Example(doc.copy(), reference))
        return examples


def choose_exclusive(probabilities: NDArray[np.float64], keep: float) -> NDArray[np.float64]:
    """(texts, labels) 1 for the most probable label and 0 for the others, of the share of each label's texts that are
    most sure; NaN in the rows of the others."""
    best = probabilities.argmax(axis=1)
    chosen = np.eye(probabilities.shape[1])[best]
    for label in range(probabilities.shape[1]):
        own = np.flatnonzero(best == label)
        chosen[own[~_surest(probabilities[own, label], keep)]] = np.nan
    return chosen


def choose_each(probabilities: NDArray[np.float64], keep: float) -> NDArray[np.float64]:
    """(texts, labels) 1 where a label holds and 0 where it does not, of the share of decisions about each label that
    are most sure; NaN for the others."""
    chosen = (probabilities >= 0.5).astype(np.float64)
    for label in range(probabilities.shape[1]):
        for decision in (0.0, 1.0):
            own = np.flatnonzero(chosen[:, label] == decision)
            sure = _surest(np.abs(probabilities[own, label] - 0.5), keep)
            chosen[own[~sure], label] = np.nan
    return chosen


def _is_exclusive(pipe: Any, probabilities: NDArray[np.float64]) -> bool:
    """As the component tells; of one that does not, such as spaCy's own, whether the labels of each text sum to 1."""
    told = getattr(pipe, "exclusive", None)
    return bool(np.allclose(probabilities.sum(axis=1), 1.0, atol=ROUNDING)) if told is None else told


def _surest(scores: NDArray[np.float64], keep: float) -> NDArray[np.bool_]:
    """Whether each is among the share `keep` of largest scores, at least one; of equal ones the first."""
    order = np.argsort(-scores, kind="stable")
    sure = np.zeros(len(scores), dtype=bool)
    sure[order[: max(round(keep * len(scores)), 1)]] = True
    return sure


def _wrong(setting: str, expected: str, value: Any) -> NlpkitError:
    name = "spacy_nlpkit.SelfTrainingCorpus.v1"
    return NlpkitError(Errors.N006.format(setting=setting, name=name, expected=expected, value=value))
