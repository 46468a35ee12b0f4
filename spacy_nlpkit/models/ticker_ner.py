"""Architectures of `ticker_ner`: wiring of an encoder, optional features and a CRF."""

from typing import Any

from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Maxout, Model, chain, concatenate, with_array
from thinc.types import Floats2d

from ..layers.crf_potentials import Potentials, crf_potentials, resize_crf


def build_crf_tagger(
    tok2vec: Model[list[Doc], list[Floats2d]],
    features: Model[list[Doc], list[Floats2d]] | None = None,
    hidden_width: int | None = None,
    dropout: float | None = None,
    nO: int | None = None,
) -> Model[list[Doc], Potentials]:
    """Tag spans with a linear-chain CRF over an encoder.

    tok2vec: Encoder, own or a listener (tok2vec or transformer), giving (tokens, width) a document.
    features: A layer whose columns are joined to the encoder's, such as `spacy_nlpkit.SymbolFeatures.v1`.
    hidden_width: Width of a maxout layer between encoder and tags; null for none.
    dropout: Rate before the tags at training; null leaves it to [training] dropout.
    nO: Number of tags, set by the component from its labels.
    """
    output = Linear(nO=nO)
    scorer: Model = chain(Dropout(dropout or 0.0), output)
    if hidden_width:
        hidden: Model = Maxout(nO=hidden_width, nP=2, normalize=True, dropout=0.0)
        scorer = chain(hidden, scorer)
    encoder: Model = tok2vec if features is None else concatenate(tok2vec, features)
    crf = crf_potentials(nO)
    model = chain(encoder, with_array(scorer), crf)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output)
    model.set_ref("crf", crf)
    model.attrs["resize_output"] = resize_output
    return model


def set_tags(model: Model[list[Doc], Potentials], n_tags: int) -> None:
    """Fix the number of tags before the model is initialized."""
    for name in ("output_layer", "crf"):
        model.get_ref(name).set_dim("nO", n_tags)


def resize_output(model: Model[list[Doc], Potentials], n_labels: int) -> None:
    """Make room for more labels in an initialized model; what was learned of the others stays."""
    output = model.get_ref("output_layer")
    old_weights: Any = output.get_param("W")
    old_bias: Any = output.get_param("b")
    size = output.get_dim("nO")
    resize_crf(model.get_ref("crf"), n_labels)
    output.set_dim("nO", model.get_ref("crf").get_dim("nO"), force=True)
    weights = output.ops.alloc2f(output.get_dim("nO"), output.get_dim("nI"))
    bias = output.ops.alloc1f(output.get_dim("nO"))
    weights[:size] = old_weights
    bias[:size] = old_bias
    output.set_param("W", weights)
    output.set_param("b", bias)
