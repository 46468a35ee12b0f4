"""Messages of `text_classifier`."""


class TextClassifierErrors:
    """What stops the work."""

    # 110-111: scores
    N110 = (
        "The text {text!r} has several labels ({found}), but is scored with labels of which exactly one holds. Leave "
        "one label to the text, or set exclusive = false in the config of the component."
    )
    # 128-139: the component
    N128 = (
        "The model has a layer {layer}, but no document was counted for it. Name the training corpus in "
        'the config: [initialize.before_init] @callbacks = "spacy_nlpkit.document_frequencies.v1" and '
        'corpus = "corpora.train".'
    )
    N129 = (
        "The component '{name}' has exclusive labels, but the data names only one: {label!r}. Give documents of at "
        "least two labels, or set exclusive = false to learn whether that one holds."
    )
    N130 = (
        "The labels of '{name}' are exclusive, but {count} of {total} documents have labels that do not sum to one. "
        "The first: {first} (labels {found}). Correct the annotation (`python -m spacy nlpkit check-data CONFIG` lists "
        "such documents), or set exclusive = false."
    )
    N131 = (
        "The component '{name}' has exclusive = {exclusive}, but its model was built with exclusive_classes = "
        "{model_exclusive}. Leave exclusive_classes out of [components.{name}.model], or make the two agree."
    )
    N132 = (
        "Setting '{setting}' of '{name}' names labels that it does not have: {unknown}. It has: {known}. Correct the "
        "config."
    )
    N133 = (
        "The corpus '{corpus}' cannot be counted for document frequencies: {problem} Name a corpus of the config in "
        "[initialize.before_init] corpus."
    )
    N134 = (
        "{count} of {total} documents have labels of '{name}' with values other than 0 to 1. The first: {first} "
        "(labels {found}). Correct the annotation."
    )
    N135 = (
        "The component '{name}' was trained with exclusive = {trained} and cannot work with exclusive = {exclusive}. "
        "Take the setting out of the config given at loading, or train again."
    )
    N136 = (
        "Documents have several labels, but the architecture does not know whether labels exclude one another. Set "
        "exclusive_classes = false in the model's block of the config, or use the component text_classifier, which "
        "says so itself by its setting exclusive."
    )
    # 140-143: explanations
    N140 = "The component '{name}' has no label {label!r} to explain. It has: {known}."
    N141 = (
        "The component '{name}' cannot explain what its model ({model}) decides. Train it with an architecture of this "
        "package: spacy_nlpkit.EmbeddingBag.v1, TfidfLinear.v1, Recurrent.v1, NgramCNN.v1, Pooled.v1 or Ensemble.v1."
    )
    N142 = (
        "The pipeline '{model}' has no text_classifier of the name '{name}' (it has: {pipes}). Name one with "
        "--component."
    )
    N143 = (
        "Nothing for the command '{command}' to show: {problem}. Give texts as arguments, or a file of texts with "
        "--input, and not both."
    )


class TextClassifierWarnings:
    """What the work goes on after."""

    # 128-139: the component
    NW130 = (
        "{count} of {total} documents at hand have labels of '{name}' that cannot be, and are passed over: exclusive "
        "ones that do not sum to one, or values other than 0 to 1. The first: {first} (labels {found}). Correct the "
        "annotation, or set exclusive = false."
    )
