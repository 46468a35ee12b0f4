"""Colours of our labels in displaCy, found through the entry point `spacy_displacy_colors`."""

COLORS = {"TICKER": "#8fe388"}
