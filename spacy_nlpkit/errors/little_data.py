"""Messages of what makes more of little annotated data."""


class LittleDataErrors:
    """What stops the work."""

    # 014-019: vectors and annotation of unlabelled texts
    N014 = (
        "No vectors of {dim} dimensions can be trained on {words:,} words of text: {problem}. Give more text, or lower "
        "--dim or --min-count."
    )
    N015 = (
        "{path}: something other than word vectors is there, which is not overwritten. Name another folder for the "
        "vectors, or remove it."
    )
    N016 = (
        "The pipeline '{model}' has no component '{name}' that tells what it wavers between (it has: {pipes}). Name a "
        "trained ticker_ner with --component."
    )
    N017 = (
        "The pipeline '{model}' tokenises differently from the first, around {text!r}. Give pipelines with one "
        "tokenizer, such as those trained from one config."
    )
    # 120-123: selection of texts
    N120 = (
        "The pipeline '{model}' has no component '{name}' to select texts with (it has: {pipes}). Name one that writes "
        "doc.cats with --component."
    )
    N121 = (
        "The component '{name}' of '{model}' writes no doc.cats. Name one that does with --component, such as "
        "a text_classifier."
    )
    N122 = (
        "The component '{name}' of '{model}' cannot predict yet: {problem} Give a trained pipeline, such as the "
        "model-best of `spacy train`."
    )
    N123 = (
        "The component '{name}' of '{model}' gives the label {label!r} {value} for the text {text!r}, which is no "
        "probability between 0 and 1. Train it again, or name another one with --component."
    )
    # 124-127: learning curves
    N124 = "No learning curve can be drawn with {config}: {problem} Correct the config, or the options of the command."
    N125 = (
        "Training on {size} documents with seed {seed} failed with exit status {status}; what was finished before is "
        "kept in {output}. Try the config with `python -m spacy train`. The last lines of the training: {lines}"
    )
    N126 = "No score '{metric}' in the results of the pipeline. Name others with --metric: {available}."
    N127 = (
        "{path} is the curve of another config or of other data ({what} differs). Name another folder with --output, "
        "or remove the file."
    )
    # 144-149: self-training
    N144 = (
        "Self-training labels texts anew in every round, but `spacy train` reads a corpus once unless max_epochs is "
        "-1. Set [training] max_epochs = -1, and max_steps to when it shall end."
    )
    N145 = (
        "Self-training needs the component '{name}', which the pipeline does not have (it has: {pipes}). Name one that "
        "writes doc.cats in the setting 'component' of spacy_nlpkit.SelfTrainingCorpus.v1."
    )
    N146 = (
        "The annotated corpus has labels that '{name}' was not initialized with: {labels}. A streamed corpus is looked "
        "through for its first 100 examples alone: give all labels in [initialize.components.{name}] labels."
    )


class LittleDataWarnings:
    """What the work goes on after."""

    # 014-019: vectors and annotation of unlabelled texts
    NW014 = (
        "{path}: no span has a confidence of {min_confidence} or more, so it would teach that there are no entities. "
        "Lower --min-confidence, or give texts like those the models were trained on."
    )
    # 120-123: selection of texts
    NW120 = (
        "{count:,} texts were to be selected, but there are only {found:,}, and all of them are. Give more texts, or "
        "lower --count."
    )
    NW121 = (
        "The component '{name}' of '{model}' is wholly sure of every text: the selection is by diversity and chance. "
        "Calibrate it, or choose --strategy random."
    )
    # 124-127: learning curves
    NW124 = (
        "{path} has {count} documents: sizes beyond that ({sizes}) are trained on the whole corpus. Annotate more, or "
        "ask for smaller --sizes."
    )
    NW125 = (
        "The subsets of {size} documents hold no document of {labels} (seeds {seeds}): too rare for that size. Their "
        "scores there are those of labels that were never seen."
    )
