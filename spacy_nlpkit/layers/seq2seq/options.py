"""What a search is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...errors import Errors, NlpkitError

_LEAST: dict[str, float] = {
    "beams": 1,
    "n_best": 1,
    "max_ratio": 0,
    "max_extra": 0,
    "min_ratio": 0,
    "min_length": 0,
    "temperature": 0,
    "top_k": 0,
    "no_repeat_ngram": 0,
    "seed": 0,
}
_WHOLE = ("beams", "n_best", "max_extra", "min_length", "top_k", "seed", "no_repeat_ngram")


@dataclass(frozen=True)
class SearchOptions:
    """How targets are searched for.

    beams: Hypotheses that go on together; 1 takes the best piece at each step. length_penalty, length_norm: The sum of
    log-probabilities is divided by l ** length_penalty ("ctranslate2"; also that of Hugging Face) or by
    ((5 + l) / 6) ** length_penalty ("gnmt", Wu et al., 2016), where l counts all pieces of the hypothesis, its end
    included, the start not. n_best: Hypotheses that are given for each source, best first; at most `beams`, unless
    drawn. max_ratio, max_extra: A hypothesis has at most max_ratio * length of the source + max_extra pieces, its end
    included, and no more than the module has positions; one that has not ended by then is taken as it stands.
    min_ratio, min_length: It has at least so many pieces, its end not counted: the greater of min_length and min_ratio
    * length of the source. temperature: 0 searches; else pieces are drawn, from the softmax of scores divided by it,
    without beams. top_k, top_p: Drawn are only the `top_k` likeliest pieces (0: all), of them only the likeliest whose
    probabilities reach `top_p` together (Holtzman et al., 2020). seed: Of what is drawn: a source gives the same in
    any batch. repetition_penalty: Scores of pieces that the hypothesis has already are divided by it if positive, else
    multiplied (Keskar et al., 2019). no_repeat_ngram: No such number of pieces in a row stands twice in a hypothesis; 0
    allows it.

    RAISES: NlpkitError for a value that cannot be.
    """

    beams: int = 5
    length_penalty: float = 1.0
    length_norm: str = "ctranslate2"
    n_best: int = 1
    max_ratio: float = 1.5
    max_extra: int = 10
    min_ratio: float = 0.0
    min_length: int = 1
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        for name in (*_LEAST, "length_penalty", "top_p", "repetition_penalty"):
            number = int if name in _WHOLE else (int, float)
            self._check(name, isinstance(getattr(self, name), number), f"a {'whole ' * (number is int)}number")
        for name, least in _LEAST.items():
            self._check(name, getattr(self, name) >= least, f"{least} or more")
        self._check("length_norm", self.length_norm in ("ctranslate2", "gnmt"), '"ctranslate2" or "gnmt"')
        self._check("top_p", 0 < self.top_p <= 1, "more than 0, and not more than 1")
        self._check("repetition_penalty", self.repetition_penalty > 0, "more than 0")
        self._check("max_extra", self.max_ratio > 0 or self.max_extra > 0, "1 or more where max_ratio is 0")
        if self.temperature == 0:
            self._check("n_best", self.n_best <= self.beams, f"not more than beams ({self.beams})")
            self._check("top_k", self.top_k == 0, "0 where temperature is 0: nothing is drawn")
            self._check("top_p", self.top_p == 1, "1 where temperature is 0: nothing is drawn")
        else:
            self._check("beams", self.beams == 1, "1 where temperature is set: what is drawn has no beams")

    def _check(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            value = getattr(self, name)
            raise NlpkitError(Errors.N230.format(setting=name, owner="the search", value=value, allowed=allowed))

    def most_of(self, n_source: int) -> int:
        """The greatest length of a target of a source of so many pieces, its end included; 1 at least."""
        return max(1, int(self.max_ratio * n_source + self.max_extra))

    def least_of(self, n_source: int) -> int:
        """The least length of a target of a source of so many pieces, its end not counted."""
        return max(self.min_length, int(self.min_ratio * n_source))

    def normalise(self, log_probability: float, length: int) -> float:
        """The score of a hypothesis of `length` pieces, its end included."""
        size = length if self.length_norm == "ctranslate2" else (5 + length) / 6
        return float(log_probability / size**self.length_penalty)


class Hypothesis(NamedTuple):
    """A target that was found.

    pieces: Without special ones, its prefix included. score: `log_probability`, normalised by length, by which
    hypotheses are ranked. log_probability: The sum over all pieces, the prefix and the end included, of what the module
    gives them; after the repetition penalty, but before anything is forbidden and before `temperature`.
    """

    pieces: list[int]
    score: float
    log_probability: float
