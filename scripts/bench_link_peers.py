"""What `kg_linker` is measured against: priors alone, and spaCy's `entity_linker`; and the figures of all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Config

from spacy_nlpkit.data.readers import create_corpus
from spacy_nlpkit.kg.candidates import Candidates, Mention
from spacy_nlpkit.kg.generators import ExactCandidates, IdentifierCandidates, UnionCandidates
from spacy_nlpkit.kg.graph import KnowledgeGraph
from spacy_nlpkit.kg.spacy_kb import to_lookup_kb
from spacy_nlpkit.kg.symbol_candidates import SymbolCandidates
from spacy_nlpkit.pipeline.tokenizer import add_symbol_rules
from spacy_nlpkit.scoring.kg_linker import kg_linker_score
from spacy_nlpkit.ty import NIL

PRIOR, STOCK = "priors alone", "spaCy entity_linker"
# Width of the entity vectors of spaCy's linker, as its own default.
WIDTH = 64
# Exact candidates, without what else the document says: what priors alone choose from.
EXACT = UnionCandidates((ExactCandidates(), SymbolCandidates(), IdentifierCandidates()))
N_EXACT = 64
FIGURES = ("links_acc", "links_acc_in_graph", "links_acc_nil", "links_nil_f", "links_ece")
RECALL = ("links_recall_at_1", "links_recall_at_10", "links_recall_at_k")
Linker = Callable[[list[Doc]], Iterable[Doc]]


def blank() -> Language:
    """A pipeline with the tokenizer of the configs and no component."""
    nlp = spacy.blank("en")
    add_symbol_rules(nlp)
    return nlp


def read(path: Path, nlp: Language) -> list[Example]:
    """The examples of a corpus, with the annotated entities, without their ids, on the predicted side."""
    return list(create_corpus(path, entities="gold")(nlp))


def figures(link: Linker, examples: Sequence[Example], graph: KnowledgeGraph) -> dict[str, Any]:
    """Scores of a linker on gold mentions, and those of mentions with an ambiguous alias by themselves.

    Ids that the graph lacks count as NIL, as in `kg_linker_score`.
    """
    predicted = list(link([example.predicted.copy() for example in examples]))
    pairs = [Example(doc, example.reference) for doc, example in zip(predicted, examples)]
    scores = kg_linker_score(pairs, graph=graph)
    found = {name: rounded(scores[name]) for name in (*FIGURES, *RECALL, "links_coverage")}
    return {**found, **ambiguous_accuracy(pairs, graph)}


def rounded(value: float | None) -> float | None:
    """Four digits, as the tables show them."""
    return None if value is None else round(value, 4)


def as_mentions(ents: Iterable[Span]) -> list[Mention]:
    """Entities as mentions of which nothing is known but their text and label."""
    return [Mention(ent.text, ent.label_) for ent in ents]


def ambiguous_accuracy(examples: Sequence[Example], graph: KnowledgeGraph) -> dict[str, Any]:
    """Accuracy, and number, of the mentions whose own text is an alias of two entities or more."""
    gold = [ent for example in examples for ent in example.reference.ents if ent.kb_id_]
    held = graph.numbers([ent.kb_id_ for ent in gold]) >= 0
    right_ids = [ent.kb_id_ if is_held else NIL for ent, is_held in zip(gold, held.tolist())]
    counts = np.bincount(EXACT(graph, as_mentions(gold), N_EXACT).mention, minlength=len(gold))
    found = {
        (number, ent.start_char, ent.end_char): ent.kb_id_
        for number, example in enumerate(examples)
        for ent in example.predicted.ents
    }
    numbers = [number for number, example in enumerate(examples) for ent in example.reference.ents if ent.kb_id_]
    places = ((number, ent.start_char, ent.end_char) for number, ent in zip(numbers, gold))
    judged = [
        found[place] == right
        for place, right, count in zip(places, right_ids, counts.tolist())
        if count > 1 and place in found
    ]
    accuracy = rounded(float(np.mean(judged))) if judged else None
    return {"links_acc_ambiguous": accuracy, "ambiguous_mentions": len(judged)}


# ---- priors alone ----


def by_prior(graph: KnowledgeGraph) -> Linker:
    """Link each mention to the entity whose alias, equal to the mention, has the highest prior; without one to NIL."""

    def link(docs: list[Doc]) -> list[Doc]:
        ents = [ent for doc in docs for ent in doc.ents]
        found = EXACT(graph, as_mentions(ents), N_EXACT)
        ids = [NIL] * len(ents)
        for row in _best_rows(graph, found):
            ids[int(found.mention[row])] = graph.ids([int(found.entity[row])])[0]
        for ent, kb_id in zip(ents, ids):
            for token in ent:
                token.ent_kb_id_ = kb_id
        return docs

    return link


def _best_rows(graph: KnowledgeGraph, found: Candidates) -> list[int]:
    """The candidate of highest prior of each mention that has any; of equal ones that of the first id."""
    order = np.lexsort((found.entity, -graph.aliases.prior[found.alias], found.mention))
    _, first = np.unique(found.mention[order], return_index=True)
    return order[first].tolist()


# ---- spaCy's entity_linker ----


def description_vectors(graph: KnowledgeGraph) -> NDArray[np.float32]:
    """Vectors of entities, of length 1: latent semantic analysis of their labels, types and descriptions."""
    nlp = spacy.blank("en")
    vocabulary: dict[str, int] = {}
    rows, columns = [], []
    for row, entity in enumerate(graph.iterate()):
        text = " ".join((entity.label, *entity.types, entity.description))
        for word in {token.lower_ for token in nlp.make_doc(text) if token.is_alpha}:
            rows.append(row)
            columns.append(vocabulary.setdefault(word, len(vocabulary)))
    frequency = np.bincount(columns)
    weights = np.log(graph.meta.n_entities / frequency)[columns]
    matrix = csr_array((weights, (rows, columns)), shape=(graph.meta.n_entities, len(vocabulary)))
    left, values, _ = svds(matrix, k=WIDTH, v0=np.ones(min(matrix.shape)))
    vectors = left * values
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def stock_config(config: Path, graph: KnowledgeGraph, folder: Path) -> Path:
    """A config of ours with spaCy's `entity_linker` at its defaults in place of `kg_linker`: the same batches, the same
    graph as `to_lookup_kb` makes it, with description vectors, and sentences by a `sentencizer`, as it needs them."""
    folder.mkdir(parents=True, exist_ok=True)
    kb_path = folder / "lookup_kb"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*NW151")
        to_lookup_kb(graph, blank().vocab, description_vectors(graph)).to_disk(kb_path)
    stock = Config().from_disk(config, interpolate=False)
    stock["nlp"]["pipeline"] = ["sentencizer", "entity_linker"]
    stock["components"] = {
        "sentencizer": {"factory": "sentencizer"},
        "entity_linker": {"factory": "entity_linker", "entity_vector_length": WIDTH},
    }
    loader = {"@misc": "spacy.KBFromFile.v1", "kb_path": str(kb_path)}
    stock["initialize"]["components"] = {"entity_linker": {"kb_loader": loader}}
    training = stock["training"]
    training["annotating_components"] = ["sentencizer"]
    training["before_to_disk"] = None
    training["dropout"] = 0.1
    training["optimizer"] = {"@optimizers": "Adam.v1"}
    training["score_weights"] = {"nel_micro_f": 1.0, "sents_f": 0.0}
    stock.to_disk(folder / "entity_linker.cfg")
    return folder / "entity_linker.cfg"
