"""Architectures of `text_classifier`: documents to the probabilities of labels.

All map a list of documents to (docs, labels) and may stand in for one another, in spaCy's `textcat` and
`textcat_multilabel` too. Every argument has a default, and two are common to all: `exclusive_classes` (null: as the
component says, which `textcat_multilabel` does not: set false there) and `nO`, which the component sets.
"""

from functools import partial
from typing import Any, Literal

from spacy.ml.models.tok2vec import MaxoutWindowEncoder, MultiHashEmbed, build_Tok2Vec_model
from spacy.tokens import Doc
from thinc.api import (
    Dropout,
    Linear,
    Maxout,
    Model,
    Relu,
    chain,
    concatenate,
    list2ragged,
    reduce_max,
    reduce_mean,
    with_array,
)
from thinc.types import Floats2d

from ..compat import require
from ..errors import Errors, NlpkitError
from ..layers.class_output import check_sample, class_probabilities, linear_output, resize_output
from ..layers.embedding_bag import embedding_bag
from ..layers.mixture import mix_scores
from ..layers.ngrams import NgramOptions
from ..layers.pooling import POOLINGS, pool_tokens, scale_rows, skip_empty
from ..layers.tfidf import tfidf_linear
from ..layers.windows import narrow_init, token_windows
from .features import build_word_embedding

Classifier = Model[list[Doc], Floats2d]
Tok2Vec = Model[list[Doc], list[Floats2d]]
Attr = Literal["LOWER", "NORM", "ORTH"]


def build_embedding_bag(
    width: int = 16,
    rows: int = 2**19,
    attr: Attr = "LOWER",
    word_ngrams: int = 2,
    min_chars: int = 0,
    max_chars: int = 0,
    pooling: Literal["mean", "max"] = "mean",
    ngram_dropout: float = 0.5,
    scale: float = 10.0,
    exclusive_classes: bool | None = None,
    nO: int | None = None,
) -> Classifier:
    """A linear classifier over the pooled vectors of a document's words and n-grams (fastText's idea).

    width: Size of the vectors.
    rows: Size of the table that words and n-grams are hashed into, a power of two.
    attr: The token attribute that is the word.
    word_ngrams: N-grams of 1 up to so many words; 0 for none.
    min_chars, max_chars: Sizes of the n-grams of characters inside words; 0 and 0 for none.
    pooling: `mean` or `max` of the vectors.
    ngram_dropout: Share of words and n-grams left out in training.
    scale: Factor of the pooled vectors: how far one step of the optimizer moves them. The default suits a learning rate
        of 0.002; so does that of the other architectures.
    """
    options = ngram_options("EmbeddingBag", rows, attr, word_ngrams, min_chars, max_chars)
    output = linear_output(nO)
    logits = chain(embedding_bag(width, options, pooling, ngram_dropout, scale), Dropout(), output)
    return as_classifier(logits, output, exclusive_classes)


def build_tfidf_linear(
    rows: int = 2**20,
    attr: Attr = "LOWER",
    word_ngrams: int = 2,
    min_chars: int = 0,
    max_chars: int = 0,
    ngram_dropout: float = 0.5,
    scale: float = 20.0,
    exclusive_classes: bool | None = None,
    nO: int | None = None,
) -> Classifier:
    """A linear classifier over TF-IDF weights of words and n-grams, hashed.

    Document frequencies come from the callback `spacy_nlpkit.document_frequencies.v1` in [initialize] before_init; the
    component `text_classifier` counts its training examples where there is none.

    scale: Length of a document's weights: how far one step of the optimizer moves the scores.
    rows, attr, word_ngrams, min_chars, max_chars, ngram_dropout: As in `spacy_nlpkit.EmbeddingBag.v1`.
    """
    options = ngram_options("TfidfLinear", rows, attr, word_ngrams, min_chars, max_chars)
    output = tfidf_linear(options, scale, ngram_dropout, nO)
    return as_classifier(output, output, exclusive_classes)


def build_pooled(
    tok2vec: Tok2Vec | None = None,
    pooling: list[str] = ["mean", "max"],  # noqa: B006
    scale: float | None = None,
    l2: float = 0.0,
    hidden_width: int | None = None,
    exclusive_classes: bool | None = None,
    nO: int | None = None,
) -> Classifier:
    """A linear classifier over the pooled output of an encoder.

    tok2vec: Encoder, own or a listener (tok2vec or transformer); null for a small one of its own.
    pooling: One or more of `mean`, `max`, `first` and `attention`, side by side.
    scale: Give the pooled vectors of all documents this length, for word vectors without weights of their own
        (`spacy_nlpkit.StaticVectors.v1`); null leaves them. The shorter, the less they can be overfitted.
    l2: Penalty of the squared weights of the output, with which few documents teach less of chance.
    hidden_width: Width of a maxout layer before the output; null for none.
    """
    unknown = sorted(set(pooling) - set(POOLINGS))
    if unknown or not pooling:
        raise _wrong("pooling", "Pooled", f"one or more of {', '.join(POOLINGS)}", pooling)
    tok2vec = tok2vec or default_tok2vec()
    output = linear_output(nO, l2)
    layers: list[Model] = [skip_empty(pool_tokens(pooling))]
    if scale is not None:
        layers.append(scale_rows(scale))
    if hidden_width:
        layers.append(Maxout(nO=hidden_width, nP=2, normalize=True, dropout=0.0))
    return as_token_classifier(tok2vec, chain(*layers, Dropout(), output), output, exclusive_classes)


def build_ngram_cnn(
    tok2vec: Tok2Vec | None = None,
    windows: list[int] = [2, 3, 4],  # noqa: B006
    filters: int = 150,
    mean: bool = True,
    exclusive_classes: bool | None = None,
    nO: int | None = None,
) -> Classifier:
    """Convolutions over windows of tokens side by side, each pooled by its maximum (Kim 2014).

    tok2vec: Embedding of the tokens, or any encoder; null for `spacy_nlpkit.WordEmbedding.v1`.
    windows: Sizes of the windows, in tokens.
    filters: Filters of each size.
    mean: Put the mean of the token vectors beside the maxima.
    """
    if not windows or min(windows) < 1:
        raise _wrong("windows", "NgramCNN", "one or more numbers above 0", windows)
    tok2vec = tok2vec or build_word_embedding()
    # No dropout before the maximum: of values that are dropped or enlarged at random it takes what was enlarged.
    parallel: list[Model] = [
        chain(token_windows(size), with_array(Relu(nO=filters, init_W=narrow_init)), reduce_max()) for size in windows
    ]
    if mean:
        parallel.append(reduce_mean())
    pooled: Model = concatenate(*parallel) if len(parallel) > 1 else parallel[0]
    output = linear_output(nO)
    head = chain(skip_empty(chain(list2ragged(), pooled)), Dropout(), output)
    return as_token_classifier(tok2vec, head, output, exclusive_classes)


def build_recurrent(
    tok2vec: Tok2Vec | None = None,
    cell: Literal["rnn", "lstm", "gru"] = "gru",
    input_width: int | None = None,
    hidden_width: int = 96,
    depth: int = 1,
    bidirectional: bool = True,
    pooling: list[Literal["last", "attention", "max"]] = ["attention", "max"],  # noqa: B006
    dropout: float = 0.0,
    exclusive_classes: bool | None = None,
    nO: int | None = None,
) -> Classifier:
    """A recurrent network in torch, and a linear classifier over its last state or its pooled states.

    tok2vec: Embedding of the tokens, or any encoder; null for `spacy_nlpkit.WordEmbedding.v1`.
    cell: `rnn`, `lstm` or `gru`.
    input_width: Width to which the token vectors are projected; null for as they are (`hidden_width` where the encoder
        does not know its width beforehand, as a transformer).
    hidden_width: Width of the state, in each direction.
    depth: Layers.
    bidirectional: Read the text in both directions.
    pooling: One or more of the `last` state, and `attention` and `max` over all, side by side; padding never counts.
    dropout: Of the network's inputs, and between its layers, beside that of the encoder.
    RAISES: N004 where torch is not installed; N006 where `pooling` is empty.
    """
    require("torch", "The architecture spacy_nlpkit.Recurrent.v1")
    from ..layers.recurrent import recurrent_pooling

    if not pooling:
        raise _wrong("pooling", "Recurrent", "one or more of last, attention, max", pooling)
    tok2vec = tok2vec or build_word_embedding()
    known = tok2vec.maybe_get_dim("nO") if input_width is None else None
    width = known or input_width or hidden_width
    rnn = skip_empty(recurrent_pooling(cell, width, hidden_width, depth, bidirectional, pooling, dropout))
    project: list[Model] = [] if known else [with_array(Linear(nO=width))]
    output = linear_output(nO)
    return as_token_classifier(tok2vec, chain(*project, rnn, Dropout(), output), output, exclusive_classes)


def build_ensemble(
    members: dict[str, Any] = {},  # noqa: B006
    weights: dict[str, float] = {},  # noqa: B006
    stacked: bool = False,
    train_apart: bool = True,
    exclusive_classes: bool | None = None,
    nO: int | None = None,
) -> Classifier:
    """Several architectures as one model: the weighted sum of their scores.

    members: Blocks of any name, each an architecture of this package; empty for an EmbeddingBag and a TfidfLinear.
    weights: By member, the weight of its scores; equal, summing to one, where not given.
    stacked: Learn the weights in training, from these.
    train_apart: Train each member by its own error, as if it were alone, which makes their errors differ; false trains
        the sum, as spaCy's own `textcat` always does.
    """
    models: dict[str, Classifier] = members or {"bag": build_embedding_bag(), "tfidf": build_tfidf_linear()}
    unknown = sorted(set(weights) - set(models))
    if unknown:
        raise _wrong("weights", "Ensemble", f"by names of members ({', '.join(sorted(models))})", unknown)
    for name, member in models.items():
        if not member.has_ref("logits"):
            raise _wrong(f"members.{name}", "Ensemble", "an architecture of spacy_nlpkit", member.name)
    names = sorted(models)
    logits = [models[name].get_ref("logits") for name in names]
    mixed = mix_scores(logits, [weights.get(name, 1.0 / len(names)) for name in names], stacked, train_apart)
    model = as_classifier(mixed, models[names[0]].get_ref("output_layer"), exclusive_classes)
    if nO is not None:
        resize_output(model, nO)
    return model


def as_classifier(logits: Classifier, output: Model, exclusive_classes: bool | None) -> Classifier:
    """Scores of labels to their probabilities, with what components ask of a model.

    Refs: `logits`, the model of the scores; `output_layer`.
    Attrs: `multi_label` and `resize_output` as in spaCy's architectures.
    """
    model: Classifier = chain(logits, class_probabilities(exclusive_classes))
    model.init = partial(_init, model.init)
    model.set_ref("logits", logits)
    model.set_ref("output_layer", output)
    model.attrs["multi_label"] = exclusive_classes is False
    model.attrs["resize_output"] = resize_output
    return model


def _init(init_layers: Any, model: Classifier, X: Any = None, Y: Any = None) -> None:
    check_sample(model, Y)
    init_layers(model, X, Y)


def as_token_classifier(
    tok2vec: Tok2Vec, head: Model[list[Floats2d], Floats2d], output: Model, exclusive_classes: bool | None
) -> Classifier:
    """A classifier over token vectors. Refs also: `tok2vec`, and `head`, from token vectors to scores."""
    logits: Classifier = chain(tok2vec, head)
    model = as_classifier(logits, output, exclusive_classes)
    for node in (logits, model):
        node.set_ref("tok2vec", tok2vec)
    logits.set_ref("head", head)
    return model


def default_embedding(width: int = 96) -> Tok2Vec:
    """Hash embeddings of each token on its own."""
    return MultiHashEmbed(
        width=width,
        attrs=["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        rows=[20000, 1000, 2500, 1000],
        include_static_vectors=False,
    )


def default_tok2vec(width: int = 96) -> Tok2Vec:
    """Hash embeddings and two convolutional layers."""
    encoder = MaxoutWindowEncoder(width=width, window_size=1, maxout_pieces=3, depth=2)
    return build_Tok2Vec_model(default_embedding(width), encoder)


def ngram_options(name: str, rows: int, attr: str, word_ngrams: int, min_chars: int, max_chars: int) -> NgramOptions:
    """Checked options. RAISES: N006 for a setting that cannot be."""
    if rows < 2 or rows & (rows - 1):
        raise _wrong("rows", name, "a power of two", rows)
    if word_ngrams < 0 or (not word_ngrams and not max_chars):
        raise _wrong("word_ngrams", name, "above 0, or 0 with n-grams of characters", word_ngrams)
    if (min_chars or max_chars) and not 1 <= min_chars <= max_chars:
        raise _wrong("min_chars", name, f"between 1 and max_chars ({max_chars})", min_chars)
    return NgramOptions(rows, attr, word_ngrams, min_chars, max_chars)


def _wrong(setting: str, name: str, expected: str, value: Any) -> NlpkitError:
    return NlpkitError(
        Errors.N006.format(setting=setting, name=f"spacy_nlpkit.{name}.v1", expected=expected, value=value)
    )
