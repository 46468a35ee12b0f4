"""Messages of stock symbols and listing tables."""


class SymbolErrors:
    """What stops the work."""

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


class SymbolWarnings:
    """What the work goes on after."""

    NW050 = (
        "{path}: left out {count} entries of more than {most} tokens, the first is '{example}'. Raise max_tokens, or "
        "shorten them."
    )
    NW051 = (
        "Cannot keep the built listing table in {path}: {problem}. It is built anew each time until the folder can be "
        "written, or XDG_CACHE_HOME names one that can."
    )
