"""Optional packages: what is installed, without importing it, and one error where it is not."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import Errors, NlpkitError

DISTRIBUTION = "spacy-nlpkit"
# By extra the packages that our code imports.
EXTRAS = {
    "torch": ("torch", "safetensors"),
    "transformers": ("torch", "safetensors", "transformers", "spacy_transformers", "tokenizers"),
    "seq2seq": ("tokenizers", "sacrebleu"),
    "ctranslate2": ("ctranslate2",),
    "viz": ("matplotlib",),
    "rdf": ("pyoxigraph",),
}


def is_installed(package: str) -> bool:
    """Tell whether a top-level package can be imported; does not import it."""
    return find_spec(package) is not None


def require(package: str, what: str) -> None:
    """Raise N004 naming the pip line where `package`, needed by `what`, is missing."""
    if not is_installed(package):
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        raise NlpkitError(
            Errors.N004.format(what=what, package=package, pip=f"{DISTRIBUTION}[{extra}]" if extra else package)
        )
