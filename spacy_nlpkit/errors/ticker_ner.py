"""Messages of `ticker_ner`."""


class TickerNerErrors:
    """What stops the work."""

    N070 = (
        "The component '{name}' was trained with a listing table of the labels {old}; the new one has {new}. Give a "
        "table of the same labels, or train again."
    )
    N071 = (
        "The model has a layer spacy_nlpkit.ListingFeatures.v1 but was given no table. Name one in the config: "
        '[initialize.components.ticker_ner.listings] with @misc = "spacy_nlpkit.listings.v1" and a path, or call '
        "set_listings before nlp.initialize."
    )
    N072 = (
        "The component '{name}' was given a listing table, but its model has no layer for it. Add a block "
        '[components.{name}.model.features.listings] with @architectures = "spacy_nlpkit.ListingFeatures.v1".'
    )
    N073 = "The component '{name}' can load its listing table only with the pipeline: call nlp.initialize, or pass nlp."


class TickerNerWarnings:
    """What the work goes on after."""

    NW070 = (
        "The component '{name}' has thresholds for labels it does not know: {unknown}. It knows {known}. Check "
        "[components.{name}.thresholds]."
    )
