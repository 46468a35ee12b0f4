"""The architecture of `kg_linker`: mentions and their candidates to scores."""

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, Floats2d

from ..errors import Errors, NlpkitError
from ..layers.link_scorer import LinkBatch, link_scorer


def build_link_scorer(
    tok2vec: Model[list[Doc], list[Floats2d]] | None = None,
    width: int = 64,
    hidden_width: int = 32,
    rows: int = 2**15,
) -> Model[LinkBatch, Floats1d]:
    """Scores of candidates and of NIL: linear in what is known of each, plus what a network learns of it, of the
    mention's text and of the words that tell of the entity.

    An entity is seen through its words alone, so one that is new to the graph needs no training.

    tok2vec: Encoder of the text, own or a listener (tok2vec or transformer), run once over whole documents; null for
        the words of the document alone.
    width: Of the vectors of mentions and entities.
    hidden_width: Of the network.
    rows: Of the hashed table of words, a power of two.
    RAISES: N006 where `rows` is no power of two.
    """
    if rows < 2 or rows & (rows - 1):
        raise NlpkitError(
            Errors.N006.format(setting="rows", name="spacy_nlpkit.LinkScorer.v1", expected="a power of two", value=rows)
        )
    return link_scorer(tok2vec, width, hidden_width, rows)
