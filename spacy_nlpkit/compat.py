"""Optional packages: what is installed, without importing it, and one error where it is not."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import Errors, NlpkitError

EXTRA_OF = {
    "torch": "spacy-nlpkit[transformers]",
    "transformers": "spacy-nlpkit[transformers]",
    "spacy_transformers": "spacy-nlpkit[transformers]",
    "tokenizers": "spacy-nlpkit[transformers]",
    "safetensors": "spacy-nlpkit[transformers]",
    "matplotlib": "spacy-nlpkit[viz]",
    "pyoxigraph": "spacy-nlpkit[rdf]",
}


def is_installed(package: str) -> bool:
    """Tell whether a top-level package can be imported; does not import it."""
    return find_spec(package) is not None


def require(package: str, what: str) -> None:
    """Raise N004 naming the pip line where `package`, needed by `what`, is missing."""
    if not is_installed(package):
        raise NlpkitError(Errors.N004.format(what=what, package=package, pip=EXTRA_OF.get(package, package)))
