"""Messages of data for sequence to sequence: subword pieces, pairs of texts."""


class Seq2SeqDataErrors:
    """What stops the work."""

    # 240-249: subwords and pairs of texts
    N240 = "There is no text to learn subword pieces from: {problem}. Check the input, which needs texts of words."
    N241 = (
        "{where}: no subword pieces of this package ({problem}). Give a file that `python -m spacy nlpkit "
        "train-tokenizer` wrote, or train one."
    )
    N242 = (
        "{number} is no piece: there are {size}, from 0. Check that the model was trained with these pieces, and that "
        "padding has the number of <pad>, 0."
    )
    N243 = "Pieces of the kind '{kind}' have no dropout, only 'bpe' has. Set dropout = 0, or train pieces of 'bpe'."
    N244 = (
        "{source} has {source_count} lines, but {target} has {target_count}: line n of one must belong to line n of "
        "the other. Find where they part, or make the files again."
    )
    N245 = (
        "spacy_nlpkit.ParallelCorpus.v1 reads either one file of pairs (path) or two files with a text a line (source "
        "and target), but was given {given}. Set the others to null."
    )
    N246 = "{where}: {problem}. Mend or remove the item."
    N247 = (
        "{path}: no pair of texts in {count}: {empty} have an empty side, {long} more than max_length ({max_length}) "
        "words. Raise max_length, or check the files."
    )
    N248 = "Text {number} (from 0) cannot be cut into pieces: {reason}. Give strings that UTF-8 can hold."


class Seq2SeqDataWarnings:
    """What the work goes on after."""

    # 240-249: subwords and pairs of texts
    NW240 = (
        "{path}: passed over {count} pairs with an empty side ({places}). Remove them, or add the text that is missing."
    )
    NW241 = (
        "{path}: left out {count} of {total} pairs with more than max_length ({max_length}) words on a side. Raise "
        "max_length, or split the texts."
    )
