"""Every message a user can meet, with a code that documentation and tests refer to.

Blocks: 001-019 every pipe, 020-049 data, 050-069 symbols and listings, 070-089 ticker_ner, 090-109 command line,
evaluation and metrics. A message names the thing, the place and the next step.
"""

from __future__ import annotations

from typing import Any


class _Coded(type):
    """Prefix every message with its code: `Errors.N001` reads "[N001] ...", and a code that is missing raises."""

    def __getattribute__(cls, code: str) -> Any:
        message = super().__getattribute__(code)
        if code.startswith("__"):
            return message
        return f"[{code}] {message}"


class Errors(metaclass=_Coded):
    # 001-019: every pipe
    N001 = (
        "The component '{name}' is not initialized: it has no labels or weights yet. Call `nlp.initialize(get_examples)` "
        "or train it with `spacy train`, or load a trained pipeline with `spacy.load`."
    )
    N002 = (
        "The training data given to '{name}' holds no {what}. Check the corpus with "
        "`python -m spacy nlpkit check-data CONFIG`, or give the labels in [initialize.components.{name}] labels."
    )
    N003 = (
        "The extension attribute '{owner}._.{attr}' is already registered by other code with another definition. "
        "Choose another name in the config of the component, or remove the other registration."
    )
    N004 = "'{what}' needs the package '{package}', which is not installed. Install it with: pip install '{pip}'"
    N005 = (
        "The component '{name}' reads '{upstream}' at prediction, but the document has none. Run the component that "
        "sets it first: nlp.analyze_pipes() shows the order."
    )
    N006 = "Setting '{setting}' of '{name}' must be {expected}, got {value!r}."
    # 020-049: data
    # 050-069: symbols and listings
    # 070-089: ticker_ner
    # 090-109: command line, evaluation and metrics


class Warnings(metaclass=_Coded):
    # 001-019: every pipe
    NW001 = (
        "The component '{name}' was never calibrated: its confidence is the model's own probability. Add "
        "[training.before_to_disk] @callbacks = \"spacy_nlpkit.calibrate.v1\" to the config to calibrate on the dev corpus."
    )
    # 020-049: data
    # 050-069: symbols and listings
    # 070-089: ticker_ner
    # 090-109: command line, evaluation and metrics


class NlpkitError(ValueError):
    """What the package raises for bad input or settings: commands print it as one line and exit with status 1."""
