"""How a recurrent decoder looks at the source: one weight for each of its pieces."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCORES = ("dot", "general", "additive")


class SourceAttention(nn.Module):
    """Weighted mean of the encoder's states h_s for a state h_t of the decoder, both of `width`.

    The weights are the softmax over the source of a score: `dot` h_t . h_s and `general` h_t . W h_s (Luong et al.
    2015, "Effective approaches to attention-based neural machine translation"), or `additive` v . tanh(U h_t + W h_s)
    (Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and translate").
    """

    def __init__(self, score: str, width: int) -> None:
        super().__init__()
        self.score = score
        if score != "dot":
            self.key = nn.Linear(width, width, bias=False)
        if score == "additive":
            self.query = nn.Linear(width, width)
            self.weigh = nn.Linear(width, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """What the score needs of the encoder's states (rows, length, width), of the same shape: computed once a
        source, not once a step."""
        return states if self.score == "dot" else self.key(states)

    def forward(self, queries: Tensor, keys: Tensor, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Look with several states at the same source, as the beams of a search do.

        queries: (rows, n, width). keys, states: (rows, length, width). mask: (rows, length), true where a piece stands;
            each row needs one.
        RETURNS: Means (rows, n, width), and weights (rows, n, length), which are zero at padding.
        """
        if self.score == "additive":
            mixed = torch.tanh(self.query(queries)[:, :, None] + keys[:, None])
            scores = self.weigh(mixed).squeeze(3)
        else:
            scores = torch.bmm(queries, keys.transpose(1, 2))
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(dim=2)
        return torch.bmm(weights.to(states.dtype), states), weights
