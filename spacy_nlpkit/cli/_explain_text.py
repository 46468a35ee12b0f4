"""An explained text in the terminal: its tokens in colour, and a table that adds up to the score."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from wasabi import color
from wasabi.util import supports_ansi

from ._texts import token_name, visible
from ._util import msg

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from ..ty import Explanation

# Backgrounds of the 256 colours, weak to strong, under black letters: blue for the label, orange against it.
FOR = (153, 111, 75)
AGAINST = (223, 215, 208)
BLACK = 16
# A token is shaded from this share of the strongest one on.
LEAST_SHADE = 0.05
# Tokens of a text that are printed.
MAX_TOKENS = 500


@dataclass(frozen=True)
class ExplainedText:
    """The tokens of a text with the blanks behind them, and what they contributed."""

    tokens: list[str]
    blanks: list[str]
    explanation: Explanation

    @classmethod
    def of(cls, doc: Doc, explanation: Explanation) -> ExplainedText:
        """Take from a document what is shown; control characters could act on a terminal or a page, and are not."""
        return cls([visible(token.text) for token in doc], [token.whitespace_ for token in doc], explanation)

    def shades(self) -> list[float]:
        """Contribution of each token as a share of the strongest, -1 to 1; 0 where it is too weak to show."""
        contributions = self.explanation["contributions"]
        strongest = max(map(abs, contributions), default=0.0) or 1.0
        shares = [value / strongest for value in contributions]
        return [share if abs(share) >= LEAST_SHADE else 0.0 for share in shares]

    def strongest(self, top: int) -> list[tuple[str, int, float]]:
        """Tokens with how often they occur and what they contribute in all: the `top` strongest for the label, then
        those against it."""
        times: Counter[str] = Counter()
        total: dict[str, float] = {}
        for token, value in zip(self.tokens, self.explanation["contributions"]):
            times[token] += 1
            total[token] = total.get(token, 0.0) + value
        order = sorted(total, key=lambda token: (-total[token], token))
        favour = [token for token in order if total[token] > 0][:top]
        against = [token for token in reversed(order) if total[token] < 0][:top]
        return [(token, times[token], total[token]) for token in [*favour, *against]]

    def sums(self, top: int) -> list[tuple[str, float]]:
        """What is left of the score beside the strongest tokens, and the score."""
        explanation = self.explanation
        named = sum(value for _, _, value in self.strongest(top))
        return [
            ("(other tokens)", sum(explanation["contributions"]) - named),
            ("(baseline)", explanation["baseline"]),
            ("(gap)", explanation["gap"]),
            ("(score)", explanation["score"]),
        ]

    @property
    def title(self) -> str:
        """The label, its probability and how the contributions were found."""
        explanation = self.explanation
        return f"{visible(explanation['label'])}, probability {explanation['probability']:.4f}, {explanation['method']}"


def print_explained(number: int, explained: ExplainedText, top: int) -> None:
    """Print a text, and the table of its strongest tokens: without colours, these are marked in the text."""
    msg.divider(f"Text {number}: {explained.title}")
    if not explained.tokens:
        msg.text("The text has no tokens: nothing speaks for a label or against it.")
        return
    print(_render(explained, top))
    rows = [
        (token_name(token), f"{times:,}", show_contribution(value)) for token, times, value in explained.strongest(top)
    ]
    rows += [(name, "", show_contribution(value)) for name, value in explained.sums(top)]
    msg.table(rows, header=("Token", "Times", "Contribution"), aligns=("l", "r", "r"), divider=True, max_col=60)


def show_contribution(value: float) -> str:
    """A figure with its sign, which rounding does not leave to zero."""
    return f"{round(value, 4) + 0.0:+.4f}"


def _render(explained: ExplainedText, top: int) -> str:
    in_colour = sys.stdout.isatty() and supports_ansi() and not os.getenv("NO_COLOR")
    named = {token for token, _, _ in explained.strongest(top)}
    contributions = explained.explanation["contributions"]
    columns = zip(explained.tokens, explained.blanks, explained.shades(), contributions)
    parts = []
    for token, blank, share, value in islice(columns, MAX_TOKENS):
        if in_colour and share:
            level = math.ceil(abs(share) * len(FOR)) - 1
            token = color(token, fg=BLACK, bg=(FOR if share > 0 else AGAINST)[level])
        elif share and token in named:
            token = f"[{token} {value:+.2f}]"
        parts.append(token + blank)
    left = len(explained.tokens) - MAX_TOKENS
    return "".join(parts) + (f"... and {left:,} more tokens, which a page (--html) shows" if left > 0 else "")
