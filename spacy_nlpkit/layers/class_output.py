"""The last layers of a classifier: scores of labels to probabilities, and room for new labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from thinc.api import Linear, Model, zero_init
from thinc.layers.linear import forward as linear_forward
from thinc.types import Floats2d

from ..errors import Errors, NlpkitError

# Attributes of the nodes with one output a label: how to build such a node for another number of labels, and by
# parameter the axis of its labels.
CLASS_OUTPUT = "class_output"
LABEL_AXIS = "label_axis"
# The node that makes probabilities of their scores.
PROBABILITIES = "class_probabilities"
# How far over one the labels of a document may be by rounding.
TOLERANCE = 1e-3


def linear_output(nO: int | None = None, l2: float = 0.0) -> Model[Floats2d, Floats2d]:
    """A linear layer with one output a label, starting from zero.

    l2 (float): Penalty of the squared weights, for a loss that is a mean over documents: with it the optimum is that of
        ridge-penalised logistic regression, which decay of weights beside an adaptive optimizer does not reach.
    """
    output: Model = Linear(nO=nO, init_W=zero_init)
    if l2:
        output.attrs["l2"] = l2
        output._func = _penalised_forward
    return as_class_output(output, partial(linear_output, l2=l2), {"W": 0, "b": 0})


def _penalised_forward(
    model: Model[Floats2d, Floats2d], rows: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    scores, backprop_linear = linear_forward(model, rows, is_train)

    def backprop(d_scores: Floats2d) -> Floats2d:
        weights: Any = model.get_param("W")
        model.inc_grad("W", model.attrs["l2"] * weights)
        return backprop_linear(d_scores)

    return scores, backprop


def as_class_output(node: Model, build: Callable[[int], Model], label_axis: dict[str, int]) -> Model:
    """Mark a node as one with one output a label, for `resize_output`.

    build (Callable): Makes such a node, without weights, for a number of labels.
    label_axis (dict): By parameter the axis along which its labels stand; others have none.
    """
    node.attrs[CLASS_OUTPUT] = build
    node.attrs[LABEL_AXIS] = label_axis
    return node


def class_probabilities(exclusive: bool | None) -> Model[Floats2d, Floats2d]:
    """Softmax over exclusive labels (null counts as exclusive until `set_exclusive` says otherwise), else the logistic
    function of each: (docs, labels).

    The backward pass takes the gradient with respect to the scores, probability minus truth for cross-entropy, as
    spaCy's `textcat` gives it.
    """
    return Model(PROBABILITIES, _forward, attrs={"exclusive": exclusive})


def _forward(
    model: Model[Floats2d, Floats2d], scores: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    independent = model.attrs["exclusive"] is False
    probabilities = model.ops.sigmoid(scores) if independent else model.ops.softmax(scores)
    return probabilities, lambda d_scores: d_scores


def set_exclusive(model: Model, exclusive: bool) -> bool:
    """Make the labels of a classifier exclusive or not, where its config left that open.

    RETURNS (bool): Whether model and `exclusive` agree now.
    """
    for node in model.walk():
        if node.name == PROBABILITIES and node.attrs["exclusive"] is None:
            node.attrs["exclusive"] = exclusive
            model.attrs["multi_label"] = not exclusive
    return model.attrs["multi_label"] is not exclusive


def check_sample(model: Model, sample: Any) -> None:
    """Compare the labels of some documents, (docs, labels) or None, with what a classifier's config says of them.

    spaCy's `textcat_multilabel` does not tell its architecture what it is, and softmax would learn nonsense there.
    RAISES: N136 where the config left open whether labels are exclusive, and a document has several.
    """
    left_open = any(node.name == PROBABILITIES and node.attrs["exclusive"] is None for node in model.walk())
    if left_open and sample is not None and (sample.sum(axis=1) > 1.0 + TOLERANCE).any():
        raise NlpkitError(Errors.N136)


def resize_output(model: Model, n_labels: int) -> Model:
    """Give every layer with one output a label `n_labels` of them; what was learned of the others stays.

    Works before initialization, where it fixes the dimension, and after. New labels start from zero.
    RETURNS: The model, changed in place.
    """
    outputs = [node for node in model.walk() if CLASS_OUTPUT in node.attrs]
    for old in outputs:
        if not any(old.has_param(name) for name in old.param_names):
            old.set_dim("nO", n_labels, force=True)
        elif not old.has_dim("nO") or old.get_dim("nO") != n_labels:
            model.replace_node(old, _resized(old, n_labels))
    for node in model.walk():
        # The layers around give as many columns, and a saved model says so.
        if node.has_dim("nO") and any(CLASS_OUTPUT in inner.attrs for inner in node.walk()):
            node.set_dim("nO", n_labels, force=True)
    return model


def _resized(old: Model, n_labels: int) -> Model:
    """A new node: the dimensions of one that has weights, or counts already, cannot be changed."""
    new: Model = old.attrs[CLASS_OUTPUT](n_labels)
    new.ops = old.ops
    for name in old.dim_names:
        if name != "nO" and old.has_dim(name):
            new.set_dim(name, old.get_dim(name), force=True)
    for name in old.param_names:
        if not old.has_param(name):
            continue
        values: Any = old.get_param(name)
        label_axis = old.attrs[LABEL_AXIS].get(name)
        added = [n_labels - size if axis == label_axis else 0 for axis, size in enumerate(values.shape)]
        new.set_param(name, old.ops.xp.pad(values, [(0, extra) for extra in added]))
    return new
