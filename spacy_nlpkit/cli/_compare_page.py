"""The page of `spacy nlpkit compare`: one HTML file without a single outside resource, entities drawn by
displaCy."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from spacy.displacy import EntityRenderer

from ._pipelines import show_number
from .compare import show_difference

if TYPE_CHECKING:
    from .compare import Comparison, Gold, Spans

_STYLE = """
body { font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
section { border: 1px solid #ccc; border-radius: .5rem; padding: 0 1rem 1rem; margin: 1.5rem 0; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; }
.sides > div, .gold { min-width: 0; overflow-wrap: anywhere; }
.gold { border-top: 1px dashed #ccc; margin-top: 1rem; }
h3 { font-size: .9rem; margin: .8rem 0 .2rem; color: #555; }
@media (max-width: 50rem) { .sides { grid-template-columns: 1fr; } }
"""


def render_page(result: Comparison, limit_docs: int) -> str:
    """Render the scores, and the first `limit_docs` texts in which the two pipelines differ.

    An entity that is not in the gold annotation is marked with a cross.
    """
    differing = result.differing()
    shown = differing[:limit_docs]
    base, custom, data = (escape(name) for name in (result.base.name, result.custom.name, result.data))
    title = f"{base} and {custom}"
    parts = [
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">',
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        f"<p>Base: <b>{base}</b>. Custom: <b>{custom}</b>. {len(result.gold)} texts of <b>{data}</b>.</p>",
        *_score_table(result),
        *_outcome_table(result),
        f"<h2>Where they differ: {len(shown)} of {len(differing)} texts</h2>",
        *(_text_section(result, number) for number in shown),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _score_table(result: Comparison) -> Iterator[str]:
    header = ("Label", "Base P", "R", "F", "Custom P", "R", "F", "F +/-")
    yield f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"
    for label, base, custom in result.rows():
        cells = "".join(f"<td>{show_number(side[key])}</td>" for side in (base, custom) for key in "prf")
        difference = show_difference(base, custom)
        yield f"<tr><td>{escape(label)}</td>{cells}<td>{difference}</td></tr>"
    ratio = result.custom.words_per_second / result.base.words_per_second
    speeds = [f"<td colspan=3>{side.words_per_second:,.0f}</td>" for side in (result.base, result.custom)]
    yield f"<tr><td>words per second</td>{''.join(speeds)}<td>ratio {ratio:.2f}</td></tr></table>"


def _outcome_table(result: Comparison) -> Iterator[str]:
    yield "<table><tr><th>Texts</th><th></th></tr>"
    for outcome, count in result.outcomes().items():
        yield f"<tr><td>{outcome}</td><td>{count}</td></tr>"
    yield "</table>"


def _text_section(result: Comparison, number: int) -> str:
    gold = result.gold[number]
    base = _entities(gold, result.base.spans[number], result.direction)
    custom = _entities(gold, result.custom.spans[number], result.direction)
    return (
        f"<section><h3>Text {number + 1}: {result.outcome(number)}</h3>"
        f'<div class="sides"><div><h3>Base</h3>{base}</div><div><h3>Custom</h3>{custom}</div></div>'
        f'<div class="gold"><h3>Gold</h3>{_entities(gold, gold.spans, result.direction)}</div></section>'
    )


def _entities(gold: Gold, spans: Spans, direction: str) -> str:
    # displaCy escapes the text alone: the label it prints is given as a parameter, escaped here.
    entities = [
        {
            "start": start,
            "end": end,
            "label": label,
            "params": {"label": escape(label) + ("" if (start, end, label) in gold.spans else " ✗")},
        }
        for start, end, label in sorted(spans)
    ]
    parsed = {"text": gold.text, "ents": entities, "settings": {"lang": "", "direction": direction}}
    return EntityRenderer().render([parsed])
