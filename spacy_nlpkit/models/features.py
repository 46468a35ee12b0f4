"""Embedding layers with features of the text beside the usual hash embeddings."""

from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Maxout, Model, chain, concatenate, with_array
from thinc.types import Floats2d

from ..layers.features import symbol_features
from ..layers.listing_features import listing_features
from ..layers.static_vectors import static_vectors
from ..layers.word_embedding import word_embedding


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
    width: int = 128,
    attr: Literal["LOWER", "NORM", "ORTH"] = "LOWER",
    min_count: int = 2,
    max_words: int = 50000,
    dropout: float = 0.3,
    word_dropout: float = 0.15,
) -> Model[list[Doc], list[Floats2d]]:
    """A learned vector for each word, and one for all words that are not known: (tokens, width) a document.

    Words come from the callback `spacy_nlpkit.document_frequencies.v1` in [initialize] before_init; the component
    `text_classifier` counts its training examples where there is none. Unlike those of `spacy.MultiHashEmbed.v2` the
    vectors are not brought to one length: words that tell nothing stay short, as classifiers that pool them need.

    width: Size of the vectors.
    attr: The token attribute that is the word.
    min_count: Known are the words of at least so many documents.
    max_words: And of these at most so many, the most frequent.
    dropout: Share of the values left out in training.
    word_dropout: Share of the words taken for unknown in training.
    """
    return word_embedding(width, attr, min_count, max_words, dropout, word_dropout)


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
