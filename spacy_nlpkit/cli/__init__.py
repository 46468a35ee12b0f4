"""`python -m spacy nlpkit ...`: one command a file, named as the command.

spaCy imports this module at every command of its own, so the command functions import what they need inside.
"""

from __future__ import annotations

import typer
from spacy.cli._util import app as spacy_app

HELP = "Commands of spacy_nlpkit: data, training and evaluation of its components."

app = typer.Typer(name="nlpkit", help=HELP, no_args_is_help=True, rich_markup_mode=None)
spacy_app.add_typer(app)

from . import (  # noqa: E402
    annotate,  # noqa: F401
    attention,  # noqa: F401
    build_kb,  # noqa: F401
    check_data,  # noqa: F401
    compare,  # noqa: F401
    convert,  # noqa: F401
    distant_links,  # noqa: F401
    evaluate,  # noqa: F401
    explain,  # noqa: F401
    export,  # noqa: F401
    kb,  # noqa: F401
    learning_curve,  # noqa: F401
    select,  # noqa: F401
    show,  # noqa: F401
    train_tokenizer,  # noqa: F401
    train_vectors,  # noqa: F401
)
