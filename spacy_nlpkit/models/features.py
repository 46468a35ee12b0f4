"""Embedding layers with features of the text beside the usual hash embeddings."""

from typing import Any, Literal

from spacy.ml.featureextractor import FeatureExtractor
from spacy.tokens import Doc
from thinc.api import Dropout, HashEmbed, Maxout, Model, chain, concatenate, list2ragged, ragged2list, with_array
from thinc.types import Floats2d

from ..layers.features import symbol_features
from ..layers.listing_features import listing_features
from ..layers.static_vectors import static_vectors


def build_symbol_features() -> Model[list[Doc], list[Floats2d]]:
    """Columns for the notation of stock symbols: see `spacy_nlpkit.symbols.notation_codes`."""
    return symbol_features()


def build_listing_features() -> Model[list[Doc], list[Floats2d]]:
    """Columns for membership in the table of `[initialize.components.ticker_ner.listings]`."""
    return listing_features()


def build_static_vectors(attr: Literal["ORTH", "LOWER", "NORM"] = "ORTH") -> Model[list[Doc], list[Floats2d]]:
    """The pipeline's word vectors as they are, an encoder without parameters: (tokens, dimensions) a document.

    attr: The token attribute that is looked up: `LOWER` for vectors of words in lower case.
    """
    return static_vectors(attr)


def build_word_embedding(
    width: int = 96, rows: int = 40000, attr: Literal["LOWER", "NORM", "ORTH"] = "LOWER"
) -> Model[list[Doc], list[Floats2d]]:
    """A learned vector for each word, hashed: (tokens, width) a document.

    Unlike `spacy.MultiHashEmbed.v2` it has no layer of its own that gives all vectors one length: words that tell
    nothing stay short, which is what classifiers that pool over a text need.

    width: Size of the vectors. rows: Size of the table, in which each word has four rows. attr: The word.
    """
    embed: Any = with_array(chain(HashEmbed(width, rows, column=0, seed=7), Dropout()))
    columns: list[str | int] = [attr]
    features: Any = FeatureExtractor(columns)
    return chain(features, list2ragged(), embed, ragged2list())


def join_features(
    encoder: Model[list[Doc], list[Floats2d]], features: dict[str, Any]
) -> Model[list[Doc], list[Floats2d]]:
    """An encoder's columns and those of the features, in order of their names."""
    if not features:
        return encoder
    return concatenate(encoder, *(features[name] for name in sorted(features)))


def build_embed_with_features(
    width: int,
    embed: Model[list[Doc], list[Floats2d]],
    features: dict[str, Any],
) -> Model[list[Doc], list[Floats2d]]:
    """Join an embedding layer and feature layers, mixed by a maxout layer of `width`: the `embed` block of a
    `spacy.Tok2Vec.v2`. The features are blocks of any name, joined in order of their names."""
    mix: Model = Maxout(nO=width, nP=3, normalize=True, dropout=0.0)
    return chain(join_features(embed, features), with_array(mix))
