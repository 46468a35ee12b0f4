"""Architectures of `ticker_ner`: wiring of an encoder, optional features and a CRF."""

from typing import Any

from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Maxout, Model, chain, with_array
from thinc.types import Floats2d

from ..layers.crf import n_tags
from ..layers.crf_potentials import Potentials, crf_potentials, resized_crf
from .features import join_features


def build_crf_tagger(
    tok2vec: Model[list[Doc], list[Floats2d]],
    features: dict[str, Any],
    hidden_width: int | None = None,
    nO: int | None = None,
) -> Model[list[Doc], Potentials]:
    """Tag spans with a linear-chain CRF over an encoder.

    tok2vec: Encoder, own or a listener (tok2vec or transformer), giving (tokens, width) a document.
    features: Layers whose columns are joined to the encoder's, in blocks of any name: `spacy_nlpkit.SymbolFeatures.v1`,
        `spacy_nlpkit.ListingFeatures.v1`, or none.
    hidden_width: Width of a maxout layer between encoder and tags; null for none.
    nO: Number of tags, set by the component from its labels.
    """
    output = Linear(nO=nO)
    scorer: Model = chain(Dropout(), output)
    if hidden_width:
        hidden: Model = Maxout(nO=hidden_width, nP=2, normalize=True, dropout=0.0)
        scorer = chain(hidden, scorer)
    crf = crf_potentials(nO)
    model = chain(join_features(tok2vec, features), with_array(scorer), crf)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output)
    model.set_ref("crf", crf)
    model.attrs["resize_output"] = resize_output
    return model


def set_tags(model: Model[list[Doc], Potentials], n_labels: int) -> None:
    """Fix the number of tags, from that of the labels, before the model is initialized."""
    for name in ("output_layer", "crf"):
        model.get_ref(name).set_dim("nO", n_tags(n_labels))


def resize_output(model: Model[list[Doc], Potentials], n_labels: int) -> None:
    """Make room for more labels in an initialized model; what was learned of the others stays."""
    old = model.get_ref("output_layer")
    output: Model = Linear(nO=n_tags(n_labels), nI=old.get_dim("nI"))
    output.ops = old.ops
    output.initialize()
    size = old.get_dim("nO")
    for name in output.param_names:
        values: Any = output.get_param(name)
        # New tags start from zero: they change nothing until they are learned.
        values[:] = 0.0
        values[:size] = old.get_param(name)
    model.replace_node(old, output)
    crf = resized_crf(model.get_ref("crf"), n_tags(n_labels))
    model.replace_node(model.get_ref("crf"), crf)
    # The layers around the two give as many columns, and a saved model says so.
    for node in model.walk():
        if node.has_dim("nO") and any(inner in (output, crf) for inner in node.walk()):
            node.set_dim("nO", n_tags(n_labels), force=True)
