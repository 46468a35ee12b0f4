"""What pipes share whose model knows no labels."""

from ..errors import Errors, NlpkitError
from ._base import NlpkitPipe


class UnlabelledPipe(NlpkitPipe):
    """Base of pipes without labels. `no_labels` is the message for those who add one, with `name` and `label`."""

    no_labels: str

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def label_data(self) -> None:  # type: ignore[override]
        """Nothing for `spacy init labels` to write."""

    def add_label(self, label: str) -> int:
        """RAISES: The error of `no_labels`, always."""
        raise NlpkitError(self.no_labels.format(name=self.name, label=label))

    def require_initialized(self) -> None:
        """RAISES: N001 where the model has no weights yet."""
        if not self.is_initialized:
            raise NlpkitError(Errors.N001.format(name=self.name))
