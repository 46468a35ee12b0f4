"""Counting the words of a corpus before a pipeline is initialized, for the layers that need it."""

from collections.abc import Callable

import spacy
from spacy.language import Language
from spacy.util import resolve_dot_names
from thinc.api import Model

from ..counting import count_documents, uncounted
from ..errors import Errors, NlpkitError


@spacy.registry.callbacks("spacy_nlpkit.document_frequencies.v1")
def make_document_frequencies(corpus: str = "corpora.train") -> Callable[[Language], Language]:
    """A callback for `[initialize] before_init`: count the documents of a corpus for every layer that needs it.

    corpus (str): Dotted name of a reader in the pipeline's config; its texts need no labels. spaCy's own `textcat`
        shows a model ten documents when it is initialized, and a streamed corpus 100: they say nothing of frequencies.
    RAISES (by the callback): N133 where the corpus cannot be read or has no documents.
    """

    def count(nlp: Language) -> Language:
        models = [getattr(pipe, "model", None) for _, pipe in nlp.components]
        layers = [layer for model in models if isinstance(model, Model) for layer in uncounted(model)]
        if not layers:
            return nlp
        try:
            (reader,) = resolve_dot_names(nlp.config.interpolate(), [corpus])
            counted = count_documents(layers, (example.predicted for example in reader(nlp)))
        except (KeyError, TypeError, ValueError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise NlpkitError(Errors.N133.format(corpus=corpus, problem=problem)) from error
        if not counted:
            raise NlpkitError(Errors.N133.format(corpus=corpus, problem="it holds no documents."))
        return nlp

    return count
