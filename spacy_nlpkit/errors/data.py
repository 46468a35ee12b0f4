"""Messages of data: converting, corpora, checks."""


class DataErrors:
    """What stops the work."""

    # 020-034: converting
    N020 = "{path}: {problem}. Give a file or a folder that holds {formats}."
    N021 = (
        "{path}: the format is known neither from the name nor from the content. Name it with --format ({formats}), "
        "or see `python -m spacy nlpkit convert --help`."
    )
    N022 = "{where}: not valid JSON ({reason}). Each line holds one whole object: mend or remove the line."
    N023 = "{where}: {problem}. See 'Prodigy's JSONL' in docs/data.md for what an annotation holds."
    N024 = "{where}: {problem} in span {span}, text of {length} characters. Mend the offsets or remove the span."
    N025 = (
        "{where}: span {text!r} ({start}:{end} {label}) fits no token boundary, the nearest is {near!r} "
        "({near_start}:{near_end}). Convert with --repair to take the nearest, or mend the offsets."
    )
    N026 = "{where}: span {text!r} ({start}:{end} {label}) {problem}. Decide for one in the annotation."
    N027 = "{where}: not UTF-8 ({reason}). Save the file as UTF-8."
    N028 = "{path}: nothing could be converted ({counts}), nothing was written. First: {first}"
    N029 = "{path}: the file is empty. Make it again, or leave it out."
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
        "A corpus of the config has no path. Set all that are read, for training those of [paths] train and dev, in "
        "the config or on the command line: --paths.train corpus/train.spacy --paths.dev corpus/dev.spacy."
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
    # 112-119: classes
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


class DataWarnings:
    """What the work goes on after."""

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
    # 112-119: classes
    NW112 = "Every text of '{split}' that has classes has '{label}': a classifier could not learn from these."
