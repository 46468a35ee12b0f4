"""Messages of every pipe."""


class PipeErrors:
    """What stops the work."""

    N001 = (
        "The component '{name}' is not initialized: it has no labels or weights yet. Call "
        "`nlp.initialize(get_examples)` or train it with `spacy train`, or load a trained pipeline with `spacy.load`."
    )
    N002 = (
        "The training data given to '{name}' holds no {what}. Check the corpus with "
        "`python -m spacy nlpkit check-data CONFIG`, or give the labels in [initialize.components.{name}] labels."
    )
    N003 = (
        "The extension attribute '{owner}._.{attr}' is already registered by other code with another definition. "
        "Choose another name in the config of the component, or remove the other registration."
    )
    N004 = "{what} needs the package '{package}', which is not installed. Install it with: pip install '{pip}'"
    N005 = (
        "The component '{name}' listens to a '{encoder}' component, but the document holds no output of one. Run the "
        "'{encoder}' first; where it is frozen in training, name it in [training] annotating_components too."
    )
    N006 = "Setting '{setting}' of '{name}' must be {expected}, got {value!r}."
    N007 = (
        "The encoder of '{name}' includes word vectors, but the pipeline has none. Name some in [initialize] vectors "
        "(`python -m spacy nlpkit train-vectors` makes them), or set include_static_vectors = false in its embedding."
    )
    N008 = (
        "The component '{name}' is trained, and its architecture has no room for the new label {label!r}. Train again "
        "with data that have it, or take an architecture of spacy_nlpkit."
    )
    N013 = "A label of '{name}' must be a string, got {label!r}."


class PipeWarnings:
    """What the work goes on after."""

    NW001 = (
        "The component '{name}' was never calibrated: its confidence is the model's own probability. Add "
        '[training.before_to_disk] @callbacks = "spacy_nlpkit.calibrate.v1" to the config to calibrate on the dev '
        "corpus."
    )
    NW004 = (
        "The corpus '{corpus}' for calibration cannot be read ({error}). Saved without calibration. Set the path of "
        "[{corpus}] in the config, or name another corpus in [training.before_to_disk] corpus."
    )
    NW005 = (
        "The corpus '{corpus}' for calibration holds no documents. Saved without calibration. Check it with "
        "`python -m spacy nlpkit check-data CONFIG`, or name another corpus in [training.before_to_disk] corpus."
    )
