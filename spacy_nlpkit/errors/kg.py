"""Messages of the knowledge graph: stores, building, candidates."""


class KgErrors:
    """What stops the work."""

    # 150-169: graphs, stores and building
    N150 = "{where}: {problem}. See 'Records' in docs/kg.md for what an entity holds."
    N151 = "{path}: the format is not known from the name. Name it with --format ({formats})."
    N152 = "{path}: {problem}. Give {expected}."
    N153 = "{path}: no entity could be read ({counts}), nothing was written. First: {first}"
    N154 = (
        "{path}: no knowledge graph can be opened there: {problem}. Build it with `python -m spacy nlpkit build-kb`, "
        "or correct the path."
    )
    N155 = (
        "{path}: the graph was built with schema {found}, this version of the package reads schema {wanted}. Build it "
        "again with `python -m spacy nlpkit build-kb`."
    )
    N156 = "{path}: {problem}. The file was changed or damaged after it was built: build the graph again."
    N157 = (
        "{path}: the graph there has the content hash {found}, but what was opened before had {expected}. Open it "
        "again with `open_graph`, or put the former graph back."
    )
    N158 = (
        "{path}: something other than a knowledge graph is there, which is not overwritten. Name another folder, or "
        "remove it."
    )
    N159 = "{name}: aliases have {count} kinds, at most {most} can be told apart. Use fewer kinds."
    N160 = "{path}: {problem}. See 'CSV' in docs/kg.md for the columns."
    N161 = "{path}: not valid RDF ({reason}). Mend the file, or name its format by its extension ({formats})."
    N162 = (
        "The graph '{name}' has no vectors, which `InMemoryLookupKB` needs. Give some: vectors=array of shape "
        "({n_entities}, width)."
    )
    N163 = "{path}: the graph has no entity {ids}. Nothing was written: correct the ids, or see `kb info`."
    N164 = "{path}: cannot be written ({reason}). Name a folder in a place that is writable."


class KgWarnings:
    """What the work goes on after."""

    # 150-169: graphs, stores and building
    NW150 = "{name}: left out while reading the graph: {counts}. First: {first}"
    NW151 = (
        "`InMemoryLookupKB` has no place for these parts of the graph '{name}', which are left out: {lost}. Keep the "
        "graph beside it."
    )
    NW152 = "{path}: the vectors of the graph are left out: not all entities have one now."
