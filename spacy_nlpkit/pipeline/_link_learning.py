"""How `kg_linker` learns: from annotated mentions and their candidates, and on held-out ones, when to link at all."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.training import Example, validate_get_examples
from thinc.api import Optimizer

from ..errors import Errors, NlpkitError
from ..kg.graph import KnowledgeGraph
from ..kg.link_features import FEATURES, NIL_FEATURES
from ..kg.surface_weights import nil_weights, surface_weights
from ..layers.link_scorer import LinkBatch, start_from
from ..ty import NIL
from ._link_mentions import collect_mentions, spans_of
from ._link_scoring import Found, distance_loss, link_loss, surface_scores
from ._link_store import GraphPipe
from ._link_training import Judged, fit_decisions, gold_groups, truth_of

# Tokens of one forward pass.
MAX_TOKENS = 20000
# Loss and gradient of the scores of what was found, of which the ids are known.
_Loss = Callable[[Found, list[str], Any], tuple[float, Any]]


class LearnsLinks(GraphPipe):
    """The part of `KgLinker` that learns. Scores do not depend on labels."""

    no_labels = Errors.N219
    spans_key: str | None
    only_labels: frozenset[str] | None
    missing_as_nil: bool
    default_day: int

    def labels_of(self, example: Example) -> Iterable[str]:
        """The labels of mentions whose entity is known."""
        return (span.label_ for span in spans_of(example.reference, self.spans_key) if span.kb_id_)

    def take_labels(self, labels: Iterable[str]) -> None:
        """RAISES: N002 where no mention of the data has an id."""
        if not list(labels):
            raise NlpkitError(Errors.N002.format(name=self.name, what="mentions with the id of an entity, or NIL"))

    def set_model_output(self) -> None:
        """A score does not depend on the labels."""

    # Training

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        graph: Callable[[Language | None], KnowledgeGraph] | None = None,
    ) -> None:
        """Take the graph, if a loader gives one, and initialize the model.

        graph (Callable): Loader, such as `spacy_nlpkit.KnowledgeGraph.v1`.
        RAISES: As `NlpkitPipe.initialize`; N216 where there is no graph, N221 where it has none of the annotated
            entities; as the loader.
        """
        validate_get_examples(get_examples, "KgLinker.initialize")
        if graph is not None:
            self.use_graph(graph(nlp))
        self.require_graph()
        start_from(self.model, surface_weights().tolist(), nil_weights().tolist())
        super().initialize(get_examples, nlp=nlp)
        self.cfg["features"] = [*FEATURES, *NIL_FEATURES]

    # The ids are compared with the graph's over all examples.
    surveys_all = True

    def survey(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Look whether the examples are annotated with entities of this graph."""
        ids: set[str] = set()
        for example in examples:
            ids.update(span.kb_id_ for span in spans_of(example.reference, self.spans_key))
            yield example
        annotated = sorted(ids - {"", NIL})
        if annotated and not self.missing_as_nil and (self.require_graph().graph.numbers(annotated) < 0).all():
            raise NlpkitError(Errors.N221.format(name=self.name, count=len(annotated), first=annotated[0]))

    def sample_input(self, examples: list[Example]) -> LinkBatch:
        """The annotated mentions of the examples, and their candidates."""
        return self.require_graph().batch(self._find_gold(examples)[0])

    def _find_gold(self, examples: list[Example]) -> tuple[Found, list[str]]:
        """The annotated mentions with their candidates, and the id of each, empty where it is not known."""
        docs = [example.predicted for example in examples]
        groups, ids = gold_groups(examples, self.spans_key)
        mentions = collect_mentions(docs, groups, self.only_labels, self.default_day)
        keys = zip(mentions.marks.doc.tolist(), mentions.spans)
        gold = [ids[(doc, span.start, span.end, span.label_)] for doc, span in keys]
        return self.require_graph().find(docs, mentions), gold

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from the annotated mentions of a batch whose entity is known and found among the candidates. Gradients
        are passed on even where there is none, as by every pipe."""

        def loss(found: Found, gold: list[str], scores: Any) -> tuple[float, Any]:
            truth = truth_of(self.require_graph().graph, found, gold, self.missing_as_nil)
            return link_loss(scores, found.candidates.mention, *truth)

        return self._learn(examples, loss, "update", drop, sgd, losses)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
        drop: float = 0.0,
    ) -> dict[str, float]:
        """Pull the chances of annotated mentions towards what they were when `nlp.resume_training` was called; without,
        it does nothing.

        RAISES: N005 where the model listens to an encoder that has not run: what it predicted cannot be known.
        """
        teacher: Any = self._rehearsal_model
        examples = list(examples) if teacher is not None else []
        self.require_upstream([example.predicted for example in examples])

        def loss(found: Found, gold: list[str], scores: Any) -> tuple[float, Any]:
            taught = self.model.ops.to_numpy(teacher.predict(self.require_graph().batch(found)))
            return distance_loss(scores, taught, found.candidates.mention)

        return self._learn(examples, loss, "rehearse", drop, sgd, losses)

    def _learn(
        self,
        examples: Iterable[Example],
        get_loss: _Loss,
        caller: str,
        drop: float,
        sgd: Optimizer | None,
        losses: dict[str, float] | None,
    ) -> dict[str, float]:
        examples, losses = self.begin_batch(examples, losses, caller)
        self.require_initialized()
        if any(len(example.predicted) for example in examples):
            found, gold = self._find_gold(examples)
            ops: Any = self.model.ops

            def loss_of(scores: Any) -> tuple[float, Any]:
                loss, gradient = get_loss(found, gold, ops.to_numpy(scores))
                return loss, ops.asarray(gradient)

            losses[self.name] += self._step(self.require_graph().batch(found), loss_of, drop, sgd)
        return losses

    def calibrate(self, examples: Iterable[Example]) -> None:
        """Fit the temperature of the chances and the threshold of best expected accuracy on held-out examples.

        Stored in `cfg`; nothing else changes. Without annotated links the pipe stays uncalibrated.
        """
        parts = []
        for part in self.sub_batches([example for example in examples if len(example.predicted)], MAX_TOKENS):
            found, gold = self._find_gold(part)
            truth = truth_of(self.require_graph().graph, found, gold, self.missing_as_nil)
            parts.append(Judged(self.scores(found), found.candidates.mention, truth))
        fitted = fit_decisions(parts)
        if fitted is not None:
            temperature, threshold = fitted
            self.cfg.update(calibration=temperature, learned_threshold=threshold, calibrated=True)

    def scores(self, found: Found) -> Any:
        """Scores of candidates, then of linking each mention to none."""
        if not self.is_initialized or not found.mentions.mentions:
            return surface_scores(found.features)
        return self.model.ops.to_numpy(self.model.predict(self.require_graph().batch(found)))
