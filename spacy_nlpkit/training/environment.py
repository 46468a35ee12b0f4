"""What a config asks of the machine it runs on: the packages of an extra, and a GPU for mixed precision."""

from collections.abc import Callable

import spacy
from spacy.language import Language
from spacy.util import get_minor_version_range
from thinc.api import CupyOps, get_current_ops
from thinc.compat import has_torch_amp

from ..about import __version__
from ..compat import DISTRIBUTION, EXTRAS, require
from ..errors import Errors, NlpkitError


@spacy.registry.callbacks("spacy_nlpkit.require_extra.v1")
def make_require_extra(extra: str | list[str]) -> Callable[[Language], Language]:
    """A callback for `[nlp] after_creation`: the pipeline needs the packages of our extras.

    extra (str | list[str]): Such as "transformers", or several.
    RETURNS (Callable[[Language], Language]): Runs before any component is made, in training and at load, and names the
        extras in the requirements of the pipeline's meta, so that `spacy package` asks for them.
    RAISES: N006 for an extra that the package does not have; when called, N004 where a package of it is not installed.
    """
    extras = [extra] if isinstance(extra, str) else extra
    for each in extras:
        if each not in EXTRAS:
            name = "spacy_nlpkit.require_extra.v1"
            raise NlpkitError(Errors.N006.format(setting="extra", name=name, expected=" or ".join(EXTRAS), value=each))

    def require_extra(nlp: Language) -> Language:
        requirements = nlp.meta.setdefault("requirements", [])
        for each in extras:
            for package in EXTRAS[each]:
                require(package, "This pipeline")
            requirement = f"{DISTRIBUTION}[{each}]"
            # A loaded pipeline keeps the version it was trained with.
            if not any(line.startswith(requirement) for line in requirements):
                requirements.append(f"{requirement}{get_minor_version_range(__version__)}")
        return nlp

    return require_extra


@spacy.registry.misc("spacy_nlpkit.mixed_precision.v1")
def use_mixed_precision() -> bool:
    """Whether a transformer should compute in mixed precision, for `mixed_precision` of its model: true where the
    pipeline runs on an NVIDIA GPU. On the CPU Thinc scales no gradients, so that training would end with an error."""
    return isinstance(get_current_ops(), CupyOps) and has_torch_amp
