"""Registered loaders for `[initialize]`: what a component takes in once and saves with the pipeline."""

from collections.abc import Callable

from spacy.language import Language

from ..errors import Errors, NlpkitError
from ..kg.graph import KnowledgeGraph
from ..kg.stores import open_graph
from ..listings import ListingTable
from ..subwords import Subwords


def create_listings_loader(
    path: str | None = None,
    label: str = "ORG",
    symbol_label: str = "TICKER",
    case_sensitive: list[str] | None = None,
    stop: list[str] | None = None,
    min_length: int = 2,
    max_tokens: int = 8,
    short_names: bool = True,
    columns: dict[str, str] | None = None,
) -> Callable[[Language], ListingTable]:
    """`spacy_nlpkit.listings.v1`: a table of names and symbols for `[initialize.components.ticker_ner.listings]`.

    path (str): CSV, TSV or JSONL, also gzipped. The other settings: see `ListingTable.from_file`.
    RETURNS (Callable[[Language], ListingTable]): Reads the file when called, with the tokenizer of the pipeline.
    RAISES: When called, N060 without a path, and as `ListingTable.from_file`.
    """

    def load(nlp: Language) -> ListingTable:
        if path is None:
            raise NlpkitError(Errors.N060)
        return ListingTable.from_file(
            path,
            nlp.tokenizer,
            label=label,
            symbol_label=symbol_label,
            case_sensitive=[symbol_label] if case_sensitive is None else case_sensitive,
            stop=stop or [],
            min_length=min_length,
            max_tokens=max_tokens,
            short_names=short_names,
            columns=columns,
        )

    return load


def create_graph_loader(
    path: str | None = None, languages: list[str] | None = None, uri_template: str = ""
) -> Callable[[Language | None], KnowledgeGraph]:
    """`spacy_nlpkit.KnowledgeGraph.v1`: a graph for `[initialize.components.kg_linker.graph]`.

    path (str): Folder that `build-kb` made, or a file. languages, uri_template: Of a file; see `kg.stores.open_graph`.
    RETURNS (Callable[[Language | None], KnowledgeGraph]): Opens the graph when called.
    RAISES: When called, N218 without a path, and as `open_graph`.
    """

    def load(nlp: Language | None = None) -> KnowledgeGraph:
        if path is None:
            raise NlpkitError(Errors.N218)
        return open_graph(path, languages=languages or (), uri_template=uri_template)

    return load


def create_subwords_loader(path: str | None = None) -> Callable[[Language | None], Subwords]:
    """`spacy_nlpkit.Subwords.v1`: pieces for `[initialize.components.seq2seq.subwords]`, and `target_subwords`.

    path (str): File that `train-tokenizer` wrote.
    RETURNS (Callable[[Language | None], Subwords]): Reads the file when called.
    RAISES: When called, N223 without a path, and as `Subwords.from_disk`.
    """

    def load(nlp: Language | None = None) -> Subwords:
        if path is None:
            raise NlpkitError(Errors.N223.format(loader="Subwords", what="a file that `train-tokenizer` wrote"))
        return Subwords.from_disk(path)

    return load


def create_pretrained_loader(name: str | None = None) -> Callable[[], str]:
    """`spacy_nlpkit.PretrainedWeights.v1`: a model of the `transformers` library, for
    `[initialize.components.seq2seq.pretrained]`.

    name (str): Folder, or name of a model of the hub, which is then fetched: once, when the pipeline is initialized.
    RETURNS (Callable[[], str]): Gives the name. RAISES: When called, N223 without one.
    """

    def load() -> str:
        if name is None:
            raise NlpkitError(Errors.N223.format(loader="PretrainedWeights", what="a folder or a model of the hub"))
        return name

    return load
