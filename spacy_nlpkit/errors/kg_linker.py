"""Messages of `kg_linker`."""


class KgLinkerErrors:
    """What stops the work."""

    # 215-222: the component and its scores
    N215 = (
        "The component '{name}' cannot use the model '{model}': it has to score candidates. Take the architecture "
        "spacy_nlpkit.LinkScorer.v1 in [components.{name}.model]."
    )
    N216 = (
        "The component '{name}' has no knowledge graph. Set one by nlp.get_pipe('{name}').set_kb(path), or in "
        "[initialize.components.{name}.graph] before training; `python -m spacy nlpkit build-kb` makes one."
    )
    N217 = (
        "The knowledge graph beside the component '{name}' is not the one that was saved with it (hash {found} in "
        "place of {expected}). Restore the folder, or load with config={{'components.{name}.save_graph': False}} and "
        "call set_kb(path)."
    )
    N218 = (
        "The loader spacy_nlpkit.KnowledgeGraph.v1 has no path. Name a graph in [paths] kb, or on the command line: "
        "--paths.kb corpus/kb."
    )
    N219 = (
        "The component '{name}' has no labels to add {label!r} to: it scores entities of its graph for mentions of any "
        "label. Name the labels that are linked in [components.{name}] only_labels."
    )
    N220 = (
        "The component '{name}' was trained with a version of the package that compares mentions and entities by other "
        "features ({differing}). Train it again, or install the version that it was trained with."
    )
    N221 = (
        "The graph of '{name}' has none of the {count} entities that the data is annotated with, such as {first!r}: "
        "nothing could be learned. Name the graph that was annotated with, in [paths] kb or by --paths.kb."
    )
    N222 = "The component '{name}' links to a graph, but was given {kind}. Give a graph, or the path of one."


class KgLinkerWarnings:
    """What the work goes on after."""

    NW215 = (
        "The component '{name}' was trained with another knowledge graph than the one it has now. New entities need no "
        "training, but if the graph has changed much, train and calibrate again."
    )
    NW219 = (
        "The date of {count} document(s) of a batch cannot be read and is passed over. First: {first!r}. Set "
        "doc._.date to YYYY, YYYY-MM or YYYY-MM-DD."
    )
    NW220 = (
        "The setting 'label_types' of '{name}' names types that no entity of the graph has: {types}. Correct them: "
        "mentions of a label are linked to entities of its types alone."
    )
