"""The search for what an encoder-decoder writes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...errors import Errors, NlpkitError
from .beam import beam_search
from .constraints import Constraints
from .greedy import write_straight
from .interface import EncoderDecoder
from .options import Hypothesis, SearchOptions
from .padding import pad_pieces
from .sampling import uniform_numbers

__all__ = ["Hypothesis", "SearchOptions", "search"]


def search(
    module: EncoderDecoder,
    source: list[list[int]],
    options: SearchOptions,
    prefixes: list[list[int]] | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each source, best first, found in one batch; the rule is that of `beam_search`, or of
    `write_straight` where there is one beam.

    source: Pieces of each source, special ones included where the module wants them. prefixes: The first pieces of
    every hypothesis of each source, none special; they count for its length and its score. Where a step allows nothing,
    the hypothesis ends. Nothing is drawn but by `options.seed`, dropout is off, and no gradient is kept; where autocast
    is on, it is heeded.
    RAISES: NlpkitError for a source without pieces, for one longer than the module has positions, and for prefixes that
    hold special pieces, numbers beyond the vocabulary, or more pieces than there are positions for.
    """
    if not source:
        return []
    for row, pieces in enumerate(source):
        if not pieces:
            raise NlpkitError(Errors.N233.format(row=row))
        if module.max_length is not None and len(pieces) > module.max_length:
            raise NlpkitError(Errors.N232.format(length=len(pieces), max_length=module.max_length))
    given = [[] for _ in source] if prefixes is None else prefixes
    _check_prefixes(module, source, given)
    limits = [_limit(module, options, len(row), len(prefix)) for row, prefix in zip(source, given)]
    lowest = [options.least_of(len(row)) for row in source]
    device = next(module.parameters()).device
    beams = options.n_best if options.temperature else options.beams
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            cache = module.start(module.encode(*pad_pieces(source, module.special.pad, device)), beams)
            constraints = Constraints(options, module.special, lowest, given, beams, device)
            if beams > 1 and not options.temperature:
                return beam_search(module, cache, constraints, limits, options)
            uniform = None
            if options.temperature:
                shape = (beams, max(limits))
                uniform = torch.cat([uniform_numbers(options.seed, row, shape, device) for row in source])
            return write_straight(module, cache, constraints, limits, options, uniform)
    finally:
        module.train(was_training)


def _limit(module: EncoderDecoder, options: SearchOptions, n_source: int, n_prefix: int) -> int:
    """The greatest number of pieces of a hypothesis, its end included: one more than the prefix has, at least."""
    limit = max(n_prefix + 1, options.most_of(n_source))
    return limit if module.max_length is None else min(limit, module.max_length)


def _check_prefixes(module: EncoderDecoder, source: list[list[int]], prefixes: Sequence[Sequence[int]]) -> None:
    if len(prefixes) != len(source):
        problem = f"there are {len(prefixes)} prefixes for {len(source)} sources."
        raise NlpkitError(Errors.N234.format(row=min(len(prefixes), len(source)), prefix=None, problem=problem))
    for row, prefix in enumerate(prefixes):
        problem = ""
        if any(piece in module.special for piece in prefix):
            problem = "it holds a special piece."
        elif any(not 0 <= piece < module.vocab_size for piece in prefix):
            problem = f"the vocabulary has {module.vocab_size} pieces."
        elif module.max_length is not None and len(prefix) >= module.max_length:
            problem = f"the encoder-decoder has {module.max_length} positions."
        if problem:
            raise NlpkitError(Errors.N234.format(row=row, prefix=list(prefix), problem=problem))
