"""Trainable spaCy components. Everything is found through entry points: nothing here needs to be imported."""

from .about import __version__

__all__ = ["__version__"]
