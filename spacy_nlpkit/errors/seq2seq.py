"""Messages of `seq2seq`."""


class Seq2SeqErrors:
    """What stops the work."""

    # 230-234: the Transformer and search
    N230 = "The setting '{setting}' of {owner} is {value!r}. It has to be {allowed}: correct the config"
    N231 = (
        'The encoder-decoder has tied = "all", but {source} pieces of the source and {target} of the target. Train one '
        'vocabulary for both sides, or set tied = "target".'
    )
    N232 = (
        "A sequence of {length} pieces is too long: the encoder-decoder has {max_length} positions. Cut the text, or "
        'train with a greater max_length, or with positions = "sinusoidal".'
    )
    N233 = (
        "Row {row} of the source has no pieces, so that nothing can be written for it. Leave empty texts out of the "
        "search, or give each its end piece."
    )
    N234 = "The prefix of row {row} ({prefix}) cannot begin a hypothesis: {problem} Correct the prefix."
    # 235-239: recurrent and pretrained encoder-decoders
    N236 = (
        "The pretrained model of type {type!r} cannot be used as an encoder-decoder: {reason} Choose one of the "
        "families Marian, T5, BART, mBART, M2M100, Pegasus or their like."
    )
    N237 = (
        "The pretrained model {name!r} cannot be loaded: {reason} Name a folder or a model of the hub that holds "
        "config.json and model.safetensors; weights of another format are stored anew by save_pretrained."
    )
    N238 = (
        "The tokenizer {name!r} cannot be loaded: {reason} Name a folder or a model of the hub that holds the files "
        "which save_pretrained of the tokenizer wrote."
    )
    N239 = (
        "A tokenizer of the class {type} cannot leave out merges at random, but dropout = {dropout} was asked for. "
        "Set the dropout of subwords to 0.0, or take a fast tokenizer with byte-pair encoding."
    )


class Seq2SeqWarnings:
    """What the work goes on after."""

    # 235-239: recurrent and pretrained encoder-decoders
    NW235 = (
        "The generation config of the pretrained model of type {type!r} forbids sequences of several pieces ({words}), "
        "which search does not observe. Forbid them in the settings of the search."
    )
