"""Messages of data for entity linking."""


class LinkingDataErrors:
    """What stops the work."""

    # 200-214: data for entity linking
    N200 = "{where}: {problem}. See 'Links to a graph' in docs/data.md for what a line holds."
    N201 = (
        "{where}: the link of {start}:{end} has no entity with these offsets. Add one to 'entities', or remove the "
        "link."
    )
    N202 = (
        "{path}: no name with its symbol in brackets could be linked in {texts} texts ({counts}), nothing was written. "
        "Check that the graph has symbols, that the dates of the texts are right, or try --agreement overlap."
    )
    N203 = (
        "None of the {count} entity ids of '{split}' is in the graph (the first is {first!r}). Check that the "
        "annotations were made with this graph."
    )


class LinkingDataWarnings:
    """What the work goes on after."""

    # 200-214: data for entity linking
    NW200 = (
        "No entity of '{split}' has an id of the graph ('kb_id'): nothing can be learned about links, or scored. "
        "Annotate some, or make them from raw texts with `python -m spacy nlpkit distant-links`."
    )
    NW201 = (
        "{count} of {total} links of '{split}' go to {ids} ids that the graph does not have: for this graph they are "
        "NIL. Add these entities to the graph, or correct the ids."
    )
