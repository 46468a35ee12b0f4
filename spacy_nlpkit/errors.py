"""Every message a user can meet, with a code that documentation and tests refer to.

Blocks: 001-019 every pipe, 020-049 data, 050-069 symbols and listings, 070-089 ticker_ner, 090-109 command line,
evaluation and metrics, 110-111 scores of classes, 112-119 classes in data, 120-123 selection of texts, 124-127
learning curves, 140-143 explanations of classes. A message names the thing, the place and the next step.
"""

from __future__ import annotations

from typing import Any


class _Coded(type):
    """Prefix every message with its code: `Errors.N001` reads "[N001] ...", and a code that is missing raises."""

    def __getattribute__(cls, code: str) -> Any:
        message = super().__getattribute__(code)
        if code.startswith("__"):
            return message
        return f"[{code}] {message}"


class Errors(metaclass=_Coded):
    """What stops the work: raised as `NlpkitError`."""

    # 001-019: every pipe
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
    # 020-049: data
    # 020-034: converting
    N020 = "{path}: {problem}. Give a file or a folder that holds {formats}."
    N021 = (
        "{path}: the format is known neither from the name nor from the content. Name it with --format ({formats}), "
        "or see `python -m spacy nlpkit convert --help`."
    )
    N022 = "{where}: not valid JSON ({reason}). Each line holds one whole annotation: mend or remove the line."
    N023 = "{where}: {problem}. See 'Prodigy's JSONL' in docs/data.md for what an annotation holds."
    N024 = "{where}: {problem} in span {span}, text of {length} characters. Mend the offsets or remove the span."
    N025 = (
        "{where}: span {text!r} ({start}:{end} {label}) fits no token boundary, the nearest is {near!r} "
        "({near_start}:{near_end}). Convert with --repair to take the nearest, or mend the offsets."
    )
    N026 = "{where}: span {text!r} ({start}:{end} {label}) {problem}. Decide for one in the annotation."
    N027 = "{where}: not UTF-8 ({reason}). Save the file as UTF-8."
    N028 = "{path}: nothing could be converted ({counts}), nothing was written. First: {first}"
    N029 = "{path}: the file is empty. Export the annotations again, or leave the file out."
    N030 = "{where}: the text holds only blanks. Remove the item."
    N031 = "{where}: {problem}. Each line holds a token and a tag such as B-ORG, a blank line ends a sentence."
    N032 = "{where}: not {what} ({reason}). Make the file again, or name its format with --format."
    N033 = "{where}: the text has {length} characters, at most {limit} can be converted. Split the item."
    N034 = (
        "{path}: {problem}. Name the column with --text-column; a table of texts becomes Prodigy tasks with "
        "`python -m spacy nlpkit export`."
    )
    # 035-049: corpora, checks, augmenters
    N035 = (
        "The corpus has no path. Set it in the config ([paths]) or on the command line, such as "
        "--paths.train corpus/train.spacy."
    )
    N036 = "{path}: no such file or folder. Make it with `python -m spacy nlpkit convert`, or correct the path."
    N037 = "{path}: the folder holds no .spacy file. Make one with `python -m spacy nlpkit convert`."
    N038 = (
        "{path}: no example in {count} documents: {empty} are empty, {long} pieces have max_length ({max_length}) "
        "tokens or more. Raise max_length, or check the file with `python -m spacy nlpkit check-data --train {path}`."
    )
    N039 = (
        "The augmenter '{name}' cannot read the names in {path}: {problem}. The file holds one JSON object, label to "
        'list of texts, such as {{"ORG": ["Acme Corp."]}}.'
    )
    N040 = "Cannot check the data of {config}: {problem} Correct the config, or name files with --train and --dev."
    N041 = "Give either a training config, or .spacy files: --train with --dev or --test. {problem}."
    N042 = "check-data found {count} in the data ({codes}). Mend what the report above names, then check again."
    N043 = "No document in '{split}'. Check the path, and the closing table of `python -m spacy nlpkit convert`."
    N044 = (
        "No label in '{split}': neither entities nor classes nor spans. Check that the annotations have 'spans' or "
        "'accept', and convert them again."
    )
    N045 = (
        "No {kind} label of '{split}' occurs in 'train': every score would be 0. '{split}' has {labels}, 'train' has "
        "{train_labels}. Check that both hold the same task, or split the data anew."
    )
    # 050-069: symbols and listings
    N050 = (
        "The rules for stock symbols extend spaCy's own Tokenizer, but '{lang}' tokenises with {tokenizer}. Keep that "
        "tokenizer in [nlp.tokenizer]; the symbol features work with any."
    )
    N051 = (
        "The tokenizer's {setting} is no method of a compiled pattern, so no rule can be added to it (nor can spaCy "
        "save it). Set it from a pattern, such as re.compile(...).search."
    )
    N052 = "The listing table {path} cannot be read: {problem}. Give a .csv, .tsv or .jsonl file in UTF-8 (or its .gz)."
    N053 = (
        "{path}, line {line}: a listing table needs a column '{name}' or '{symbol}', but has: {found}. Name its "
        'columns in the setting \'columns\', such as columns = {{"name": "title", "symbol": "ticker"}}.'
    )
    N054 = "{path}, line {line}: the row cannot be used: {problem}. Correct the line, or take it out of the table."
    N055 = (
        "The listing table {path} holds no entry to match: it is empty, or every name is shorter than min_length "
        "({min_length}), in the stop list, or too long. Check the file and the settings."
    )
    N056 = "The listing table {path} has {count} labels; at most {most} are possible. Is the right column its label?"
    N057 = "The setting 'columns' of a listing table has unknown keys: {found}. Known are: {known}."
    N058 = (
        "The document '{text}' has the date {date!r}, which is no ISO date (YYYY, YYYY-MM or YYYY-MM-DD). Correct "
        "doc._.date (the readers set it from meta.date), or leave it None."
    )
    N059 = (
        "The saved listing table has format {found}, but this version of spacy-nlpkit reads format {expected}. Build "
        "it again from its file, or install the version that wrote it."
    )
    N060 = (
        "The listing table has no path. Set it in the config ([paths]) or on the command line, such as "
        "--paths.listings listings.csv, or take the table and its layer spacy_nlpkit.ListingFeatures.v1 out of the "
        "config."
    )
    # 070-089: ticker_ner
    N070 = (
        "The component '{name}' was trained with a listing table of the labels {old}; the new one has {new}. Give a "
        "table of the same labels, or train again."
    )
    N071 = (
        "The model has a layer spacy_nlpkit.ListingFeatures.v1 but was given no table. Name one in the config: "
        '[initialize.components.ticker_ner.listings] with @misc = "spacy_nlpkit.listings.v1" and a path, or call '
        "set_listings before nlp.initialize."
    )
    N072 = (
        "The component '{name}' was given a listing table, but its model has no layer for it. Add a block "
        '[components.{name}.model.features.listings] with @architectures = "spacy_nlpkit.ListingFeatures.v1".'
    )
    N073 = "The component '{name}' can load its listing table only with the pipeline: call nlp.initialize, or pass nlp."
    # 090-109: command line, evaluation and metrics
    N090 = (
        "Cannot load the pipeline '{model}': {problem} Give the path of a trained pipeline (such as "
        "training/news/model-best) or the name of an installed package."
    )
    N091 = (
        "The config of '{model}' has no corpus '{corpus}'. It has: {available}. Name one with --corpus, or "
        "give the path of an existing .spacy file."
    )
    N092 = (
        "Nothing to compare: neither {data} nor the two pipelines have an entity of the labels {labels}. Name others "
        "with --labels."
    )
    N093 = (
        "The corpus '{corpus}' of '{model}' cannot be read: {problem} Set what it needs as an option, "
        "such as --paths.test corpus/test.spacy."
    )
    N094 = "There is nothing to score: '{corpus}' holds no {what}. Check the path and how the file was made."
    N095 = (
        "Every score of the component '{name}' is null: '{corpus}' has no annotation for it. Evaluate on "
        "data that has, or leave the component out of the check with --ignore {name}."
    )
    N096 = (
        "The metrics file {path} does not match the schema: {problem}. Run the command that writes it again, "
        "or remove the file."
    )
    N097 = (
        "There is no GPU {gpu_id} to run on: {problem} Use --gpu-id -1 for the CPU, or install cupy and "
        "torch for your GPU."
    )
    N098 = "Cannot compare on '{path}': {problem} Give a .spacy file, or Prodigy's JSONL of complete annotations."
    N099 = "Cannot read the option {option} '{value}': {problem}."
    N100 = (
        "The asset '{path}' has the MD5 checksum {found}, but project.yml says {expected}. Delete the file "
        "and fetch it again with `python -m weasel assets --extra`, or correct the checksum if it changed on "
        "purpose."
    )
    N101 = (
        "The package '{name}' should be the pipeline in '{model}', but installed is {found}. Build and "
        "install it again with `python -m weasel run package` and `python -m weasel run install`."
    )
    N102 = "There is no saved pipeline in '{path}'. Train one first: `python -m weasel run train`."
    N103 = "The wheel of '{source}' could not be built. The build said:\n{output}"
    N104 = "'{path}' holds no texts to annotate. Give a .spacy file with at least one document."
    # 110-111: scores of classes
    N110 = (
        "The text {text!r} has several labels ({found}), but is scored with labels of which exactly one holds. Leave "
        "one label to the text, or set exclusive = false in the config of the component."
    )
    # 112-119: classes in data
    N112 = (
        "{path}: {problem}. Name the columns with --text-column and --label-column or, in a table without a header "
        "line, give their numbers from 0 with --columns and --label-column. A table without labels becomes Prodigy "
        "tasks with `python -m spacy nlpkit export`."
    )
    N113 = (
        "{where}: {problem}. Mend the row: a field that holds the separator, a quote or a line break stands in double "
        "quotes, and quotes in it are doubled. Where quotes are plain text, `convert --no-quotes` reads them so."
    )
    N114 = "{count} texts of '{split}' have classes with values other than 0 to 1. Correct the annotations."
    N115 = "{where}: {problem}. Give each text a label of printable characters, or remove the item."
    N116 = (
        "{where}: the label {label!r} is neither one of {names} nor the number of one, from 1. Correct the row, or "
        "--label-names."
    )
    N117 = (
        "{where}: {problem}. With --exclusive just one label of a text is right, or shares of them add up to 1: "
        "correct the annotation, or leave --exclusive out."
    )
    N118 = (
        "{count} texts of '{split}' have classes that are not exclusive. Decide for one class of each, or set "
        "exclusive = false in the config of the classifier."
    )
    N119 = (
        "The classes of '{split}' leave nothing to learn: {problem}. Check what was annotated and how it was converted."
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

    # 128-139: text_classifier
    N128 = (
        "The model has a layer spacy_nlpkit.TfidfLinear.v1, but no document was counted for it. Name the training "
        'corpus in the config: [initialize.before_init] @callbacks = "spacy_nlpkit.document_frequencies.v1" and '
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
    # 140-143: explanations of classes
    N140 = "The component '{name}' has no label {label!r} to explain. It has: {known}."
    N141 = (
        "The component '{name}' cannot explain what its model ({model}) decides. Train it with an architecture of this "
        "package: spacy_nlpkit.EmbeddingBag.v1, TfidfLinear.v1, Recurrent.v1, NgramCNN.v1, Pooled.v1 or Ensemble.v1."
    )
    N142 = (
        "The pipeline '{model}' has no text_classifier of the name '{name}' (it has: {pipes}). Name one with "
        "--component."
    )
    N143 = "Nothing to explain: {problem}. Give texts as arguments, or a file of texts with --input, and not both."


class Warnings(metaclass=_Coded):
    """What the work goes on after: given by `warnings.warn`."""

    # 001-019: every pipe
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
    # 014-019: vectors and annotation of unlabelled texts
    NW014 = (
        "{path}: no span has a confidence of {min_confidence} or more, so it would teach that there are no entities. "
        "Lower --min-confidence, or give texts like those the models were trained on."
    )
    # 020-049: data
    # 020-034: converting
    NW020 = (
        "{path}: no entity in {converted} converted items. To train on entities, check that the annotations have "
        "'spans' and that --labels names labels of the data."
    )
    NW021 = "{count} texts hold control characters, kept as they are. Remove them from the source if they mean nothing."
    NW022 = (
        "{count} spans fit no token boundary and were left out; their tokens count as not annotated. "
        "Convert with --repair to move them to the nearest boundary."
    )
    NW023 = (
        "{count} items have no category and were split as a group of their own. Check 'accept' or 'label' in the data."
    )
    NW024 = (
        "Only {found} of {wanted} {what} could be held out for the test of unseen entities. Annotate more entity ids "
        "('kb_id'), or ask for fewer with --unseen-entities."
    )
    NW025 = (
        "{path} is of an earlier run and no part of this split. Remove it, or its items may also be in the training "
        "data."
    )
    NW026 = "{count} items hold {what}, which {format} cannot hold. They were written without."
    NW027 = (
        "{where}: {text} is {label} in {votes} of {answers} annotations of this text, too few to count. Correct the "
        "lines, or keep the one that is right."
    )
    # 035-049: corpora, checks, augmenters
    NW035 = (
        "{path}: left out {empty} documents without tokens, and {long} documents or sentences of max_length "
        "({max_length}) tokens or more. Raise max_length, or give the texts sentence boundaries."
    )
    NW036 = (
        "A ratio of {ratio} asks for {wanted} extra examples a round, but there are only {found}: all are taken. "
        "Add more, or lower the ratio."
    )
    NW037 = (
        "{kind} labels of '{split}' without an example in 'train': {labels}. They cannot be learned: annotate some, or "
        "leave them out with --labels when converting."
    )
    NW038 = "{count} {kind} labels with fewer than {threshold} examples in 'train': {labels}. Annotate more of them."
    NW039 = "{count} texts stand in more than one split: the scores reward memory. Remove them from one of the splits."
    NW040 = "{count} texts stand in '{split}' more than once. Remove the copies, unless they are wanted."
    NW041 = "{count} texts are annotated in different ways. Decide for one annotation of each."
    NW042 = "{count} entities of '{split}' start or end with a blank or punctuation. Mend their offsets."
    NW043 = "{count} entities of '{split}' hold a line break. Check whether each is one entity."
    NW044 = (
        "{count} entities of '{split}' fit no token of the pipeline's tokenizer and can never be predicted. Use the "
        "tokenizer spacy_nlpkit.NewsTokenizer.v1, or mend their offsets."
    )
    NW045 = "{count} texts of '{split}' are empty or blank. Remove them."
    NW046 = "{count} spans of '{split}' are accepted and rejected at once. Decide for one."
    # 050-069: symbols and listings
    NW050 = (
        "{path}: left out {count} entries of more than {most} tokens, the first is '{example}'. Raise max_tokens, or "
        "shorten them."
    )
    NW051 = (
        "Cannot keep the built listing table in {path}: {problem}. It is built anew each time until the folder can be "
        "written, or XDG_CACHE_HOME names one that can."
    )
    # 070-089: ticker_ner
    NW070 = (
        "The component '{name}' has thresholds for labels it does not know: {unknown}. It knows {known}. Check "
        "[components.{name}.thresholds]."
    )
    # 090-109: command line, evaluation and metrics
    # 112-119: classes in data
    NW112 = "Every text of '{split}' that has classes has '{label}': a classifier could not learn from these."
    # 120-123: selection of texts
    NW120 = (
        "{count:,} texts were to be selected, but there are only {found:,}, and all of them are. Give more texts, or "
        "lower --count."
    )
    NW121 = (
        "The component '{name}' of '{model}' is wholly sure of every text: the selection is by diversity and chance. "
        "Calibrate it, or choose --strategy random."
    )
    # 128-139: text_classifier
    NW130 = (
        "{count} of {total} documents at hand have labels of '{name}' that cannot be, and are passed over: exclusive "
        "ones that do not sum to one, or values other than 0 to 1. The first: {first} (labels {found}). Correct the "
        "annotation, or set exclusive = false."
    )
    # 124-125: learning curves
    NW124 = (
        "{path} has {count} documents: sizes beyond that ({sizes}) are trained on the whole corpus. Annotate more, or "
        "ask for smaller --sizes."
    )
    NW125 = (
        "The subsets of {size} documents hold no document of {labels} (seeds {seeds}): too rare for that size. Their "
        "scores there are those of labels that were never seen."
    )


class NlpkitError(ValueError):
    """What the package raises for bad input or settings: commands print it as one line and exit with status 1."""
