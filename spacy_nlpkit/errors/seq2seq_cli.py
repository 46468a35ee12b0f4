"""Messages of the scores of `seq2seq`, and of what the command line shows of it."""


class Seq2SeqCliErrors:
    """What stops the work."""

    # 250-254: scores and attention
    N250 = (
        "The target of the text {text!r} is of the type {kind}. Set its _.target to a text, to a list of texts that "
        "are all right, or to None where it is not to be scored."
    )
    N251 = (
        "The pipeline '{model}' has no component of the name '{name}' that can show its attention (it has: {pipes}). "
        "Name a seq2seq with --component."
    )
    N252 = (
        "The component '{name}' of '{model}' gave no attention for any text ({count} read): its model has none, or the "
        "texts are empty. Train it with an architecture that has attention, or give other texts."
    )
