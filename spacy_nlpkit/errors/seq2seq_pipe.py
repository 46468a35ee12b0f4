"""Messages of the component `seq2seq` and of the training of torch modules."""


class Seq2SeqPipeErrors:
    """What stops the work."""

    # 223-229: the component, its loaders and its training
    N223 = (
        "The loader spacy_nlpkit.{loader}.v1 names nothing. Give it {what}, in the config or on the command line: "
        "docs/seq2seq.md has an example."
    )
    N224 = (
        "The architecture spacy_nlpkit.PretrainedSeq2Seq.v1 needs a model of the transformers library. Name one in "
        '[initialize.components.NAME.pretrained] @misc = "spacy_nlpkit.PretrainedWeights.v1".'
    )
    N225 = (
        "The pattern {pattern!r} of a group of parameters is no regular expression, or no parameter has it in its name "
        "(the first is called '{first}'). Correct [components.NAME.model.groups]."
    )
    N226 = (
        "The component '{name}' writes sentence by sentence (unit = \"sents\"), but the document has none. Add a "
        'component before it that finds them, such as `sentencizer` or `senter`, or set unit = "doc".'
    )
    N227 = (
        "The component '{name}' has no subwords. Train them (`python -m spacy nlpkit train-tokenizer`) and name them "
        'in [initialize.components.{name}.subwords] @misc = "spacy_nlpkit.Subwords.v1", or call set_subwords.'
    )
    N228 = "The block [components.{name}.search] is wrong: {problem}. See its settings in docs/seq2seq.md."
    N229 = (
        "The component '{name}' was trained with other subwords than those it is given: these have the hash {found}, "
        "its own {expected}. Load it with its own, or initialize it again with the others in [initialize]."
    )

    # 255-259: CTranslate2, and more of the component
    N255 = (
        'CTranslate2 cannot decode with {what}. Set backend = "torch", or train TransformerSeq2Seq.v1 with '
        'sinusoidal or learned positions, and search with length_norm = "ctranslate2".'
    )
    N256 = (
        "The component '{name}' has no labels to add {label!r} to: it writes texts. What it can write is fixed by its "
        "subwords."
    )
    N257 = (
        "The component '{name}' is given pretrained weights, but its architecture takes none. Set "
        '[components.{name}.model] @architectures = "spacy_nlpkit.PretrainedSeq2Seq.v1", or remove '
        "[initialize.components.{name}.pretrained]."
    )
    N258 = (
        "No example has a text for '{name}' to write. With unit = \"{unit}\" it stands in {place}; pairs of files are "
        "read by spacy_nlpkit.ParallelCorpus.v1. docs/seq2seq.md says more."
    )
    N259 = (
        "'{name}' cannot write to doc._.{attribute}: {problem}. Set attribute to another name, such as \"translation\"."
    )
    # 260-264: going on with a training
    N260 = (
        "The saved state of a training does not fit the component '{name}': {problem}. Go on with the config and the "
        "subwords that the training began with, or start anew."
    )
    N261 = (
        "The state of this training cannot be kept, because the component '{name}' is trained by Thinc, whose "
        "optimizer has its own out of reach. Freeze the component, train it in a run of its own, or set "
        "[training.before_to_disk] path = null."
    )
    N262 = (
        "No training can go on from {path}: {problem} Name the folder that [training.before_to_disk] has written to, "
        "with the config of that training, or set [training.before_update] path = null to start anew."
    )


class Seq2SeqPipeWarnings:
    """What the work goes on after."""

    # 223-229: the component, its loaders and its training
    NW226 = (
        "'{name}' cut {count} sentences between words, because they have more than {limit} pieces, what max_pieces "
        "allows. Nothing is left out, but what is written may not fit together. Raise max_pieces, or find sentences "
        "before it."
    )
    NW227 = (
        "'{name}' passes over {count} of {total} pairs in training, because source or target has more than {limit} "
        "pieces, what max_pieces allows. Raise it, or shorten them."
    )
    NW228 = (
        "'{name}' writes for the spans of doc.spans[\"{key}\"], but a document has no such group, and gets no text. "
        "Put a component before it that finds the spans, or correct spans_key."
    )
