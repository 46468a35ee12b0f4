"""`kg_linker`: entities to the entries of a knowledge graph, or to NIL, with calibrated chances."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from .. import attributes
from ..errors import Errors, NlpkitError, Warnings
from ..kg.candidates import NO_DAY, CandidateGenerator
from ..kg.graph import KnowledgeGraph, day_of
from ..kg.remote.graph import RemoteGraph
from ..ty import NIL, Link
from ._link_decisions import Decision, make_link, write_links
from ._link_learning import MAX_TOKENS, LearnsLinks
from ._link_mentions import DocMentions, collect_mentions, spans_of
from ._link_remote import ask_remote
from ._link_scoring import Chances, Found, LinkScoring, chances_of

DEFAULT_CONFIG = """
[model]
@architectures = "spacy_nlpkit.LinkScorer.v1"

[candidates]
@misc = "spacy_nlpkit.UnionCandidates.v1"

[candidates.members]

[candidates.members.exact]
@misc = "spacy_nlpkit.ExactCandidates.v1"

[candidates.members.symbol]
@misc = "spacy_nlpkit.SymbolCandidates.v1"

[candidates.members.identifier]
@misc = "spacy_nlpkit.IdentifierCandidates.v1"

[candidates.members.partial]
@misc = "spacy_nlpkit.PartialCandidates.v1"

[candidates.fallback]

[candidates.fallback.fuzzy]
@misc = "spacy_nlpkit.FuzzyCandidates.v1"
"""
DEFAULTS = Config().from_str(DEFAULT_CONFIG)


@Language.factory(
    "kg_linker",
    requires=["doc.ents"],
    assigns=["token.ent_kb_id", *(f"span._.{name}" for name in attributes.LINK_ATTRIBUTES)],
    default_config={
        "model": DEFAULTS["model"],
        "candidates": DEFAULTS["candidates"],
        "n_candidates": 16,
        "only_labels": None,
        "label_types": {},
        "spans_key": None,
        "threshold": None,
        "default_date": None,
        "missing_as_nil": False,
        "no_match": None,
        "save_graph": True,
        "remote": None,
        "scorer": {"@scorers": "spacy_nlpkit.kg_linker_scorer.v1"},
    },
    default_score_weights={
        "links_acc": 1.0,
        "links_acc_in_graph": None,
        "links_acc_nil": None,
        "links_micro_f": None,
        "links_recall_at_10": None,
        "links_ece": None,
    },
)
def make_kg_linker(
    nlp: Language,
    name: str,
    model: Model,
    candidates: Callable,
    n_candidates: int,
    only_labels: list[str] | None,
    label_types: dict[str, list[str]],
    spans_key: str | None,
    threshold: float | None,
    default_date: str | None,
    missing_as_nil: bool,
    no_match: str | None,
    save_graph: bool,
    remote: Any | None,
    scorer: Callable | None,
) -> "KgLinker":
    """Build a `kg_linker` pipe.

    model: An architecture of scores; untrained, weights that the package brings along score in its place.
    candidates: Finds candidates in the graph: a block of `misc`.
    n_candidates: Candidates of a mention, at most.
    only_labels: Labels of mentions that are linked; null for all.
    label_types: By label, the only types of entities that its mentions are linked to.
    spans_key: Link the spans of this group in place of the entities.
    threshold: Least chance of an entity that is linked; null for the one learned at calibration.
    default_date: Date of documents without `doc._.date`: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    missing_as_nil: Learn NIL from mentions whose entity is not among the candidates, in place of nothing.
    no_match: What `kb_uri` and `kb_description` hold where nothing is linked.
    save_graph: Save the graph with the pipeline, and load it from there; otherwise it has to be set after loading.
    remote: A remote graph: a block of `misc`. Asked where the graph has no candidate, or where there is none.
    scorer: A registered scorer.
    """
    return KgLinker(
        nlp.vocab,
        model,
        name,
        candidates=candidates,
        n_candidates=n_candidates,
        only_labels=only_labels,
        label_types=label_types,
        spans_key=spans_key,
        threshold=threshold,
        default_date=default_date,
        missing_as_nil=missing_as_nil,
        no_match=no_match,
        save_graph=save_graph,
        remote=remote,
        scorer=scorer,
    )


class Predicted(NamedTuple):
    """Mentions of some documents, with their candidates and chances where there is a graph."""

    docs: list[Doc]
    mentions: DocMentions
    found: Found | None
    chances: Chances | None


class KgLinker(LearnsLinks):
    """Links mentions to the entities of a graph."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "kg_linker",
        *,
        candidates: CandidateGenerator,
        n_candidates: int = 16,
        only_labels: list[str] | None = None,
        label_types: dict[str, list[str]] | None = None,
        spans_key: str | None = None,
        threshold: float | None = None,
        default_date: str | None = None,
        missing_as_nil: bool = False,
        no_match: str | None = None,
        save_graph: bool = True,
        remote: RemoteGraph | None = None,
        scorer: Callable | None = None,
    ) -> None:
        super().__init__(vocab, model, name, scorer=scorer)
        self.candidates = candidates
        self.n_candidates = n_candidates
        self.only_labels = None if only_labels is None else frozenset(only_labels)
        self.label_types = {label: list(names) for label, names in (label_types or {}).items()}
        self.spans_key = spans_key
        self.threshold = threshold
        self.default_date = default_date
        self.missing_as_nil = missing_as_nil
        self.no_match = no_match
        self.save_graph = save_graph
        self.remote = remote
        self.cfg["graph"] = None
        self._check_settings()
        attributes.register_item_attributes()
        attributes.register_links()

    def _check_settings(self) -> None:
        """RAISES: N006 for a setting that cannot be; N215 for a model that scores no candidates."""
        if not self.model.has_ref("output_layer") or self.model.name != "link_scorer":
            raise NlpkitError(Errors.N215.format(name=self.name, model=self.model.name))
        wrong: list[tuple[str, str, Any]] = []
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            wrong.append(("threshold", "between 0 and 1", self.threshold))
        if self.n_candidates < 1:
            wrong.append(("n_candidates", "1 or more", self.n_candidates))
        if self.remote is not None and not isinstance(self.remote, RemoteGraph):
            wrong.append(("remote", "a remote graph of spacy_nlpkit", self.remote))
        day = None
        try:
            day = day_of(self.default_date)
        except ValueError:
            wrong.append(("default_date", "a date as YYYY, YYYY-MM or YYYY-MM-DD", self.default_date))
        for setting, expected, value in wrong:
            raise NlpkitError(Errors.N006.format(setting=setting, name=self.name, expected=expected, value=value))
        self.default_day = NO_DAY if day is None else day

    def new_scoring(self, graph: KnowledgeGraph) -> LinkScoring:
        """See `GraphPipe`. Warns of types in `label_types` that the graph does not have (NW220)."""
        unknown = {name for names in self.label_types.values() for name in names} - set(graph.type_names)
        if unknown:
            warnings.warn(Warnings.NW220.format(name=self.name, types=", ".join(sorted(unknown))), stacklevel=4)
        return LinkScoring(graph, self.candidates, self.n_candidates, self.label_types)

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[Predicted]:
        """Mentions, candidates and chances, part by part; the documents are not changed.

        RAISES: N216 without any graph; N005 where an encoder that the model listens to has not run.
        """
        docs = list(docs)
        if self._scoring is None and self.remote is None:
            self.require_graph()
        if self.is_initialized:
            self.require_upstream(docs)
        return [self._predict(part) for part in self.sub_batches(docs, MAX_TOKENS)]

    def _predict(self, docs: list[Doc]) -> Predicted:
        groups = [spans_of(doc, self.spans_key) for doc in docs]
        mentions = collect_mentions(docs, groups, self.only_labels, self.default_day)
        if self._scoring is None:
            return Predicted(docs, mentions, None, None)
        found = self._scoring.find(docs, mentions)
        temperature = self.cfg.get("calibration") or 1.0
        chances = chances_of(self.scores(found), found.candidates.mention, temperature)
        return Predicted(docs, mentions, found, chances)

    def set_annotations(self, docs: Iterable[Doc], predictions: list[Predicted]) -> None:
        """Write `kb_id_` and `span._.kb_...` of the mentions."""
        threshold = self.cfg.get("learned_threshold") if self.threshold is None else self.threshold
        for part in predictions:
            links = [(NIL, make_link("no_candidates")) for _ in part.mentions.mentions]
            if part.found is not None and part.chances is not None and self.graph is not None:
                links = Decision(self.graph, part.found.candidates, part.chances, threshold).links()
            if self.remote is not None:
                self._ask(part.mentions, links)
            write_links(part.docs, part.mentions, links, self.spans_key, self.no_match)

    def _ask(self, mentions: DocMentions, links: list[tuple[str, Link]]) -> None:
        """Ask the remote graph for mentions without candidates."""
        missing = [place for place, (_, link) in enumerate(links) if link["status"] == "no_candidates"]
        asked = [mentions.mentions[place] for place in missing]
        if asked and self.remote is not None:
            answers = ask_remote(self.remote, asked, self.n_candidates, self.threshold)
            for place, link in zip(missing, answers):
                links[place] = link

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """The scorer's figures, against this graph."""
        if self.scorer is None:
            return {}
        return self.scorer(examples, graph=self.graph, spans_key=self.spans_key, labels=self.only_labels, **kwargs)
