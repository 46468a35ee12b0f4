"""The peer that decodes: `generate` of Hugging Face transformers, over the very weights of a Transformer of ours.

Transformers has our architecture under two names: Pegasus normalises before each part, Marian after it. Both put sines
and cosines of positions in the order that ours has, scale the embeddings, tie all tables and add a bias to the output.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import MarianConfig, MarianMTModel, PegasusConfig, PegasusForConditionalGeneration

from spacy_nlpkit.layers.seq2seq.options import SearchOptions
from spacy_nlpkit.layers.seq2seq.transformer import TransformerSeq2Seq

# Our names of a layer's parts, and theirs.
NORMS = {
    "self_attention_norm": "self_attn_layer_norm",
    "cross_attention_norm": "encoder_attn_layer_norm",
    "feed_forward_norm": "final_layer_norm",
}


def as_transformers_model(module: TransformerSeq2Seq) -> Any:
    """A model of transformers with a copy of the weights, in evaluation.

    RAISES: ValueError for a shape that it has no model for.
    """
    settings = module.settings
    known = settings.norm == "layer" and settings.activation in ("relu", "gelu")
    if not (known and settings.positions == "sinusoidal" and settings.tied == "all"):
        raise ValueError(f"transformers has no model of this shape: {settings}")
    config_class: Any = PegasusConfig if settings.pre_norm else MarianConfig
    model_class: Any = PegasusForConditionalGeneration if settings.pre_norm else MarianMTModel
    special = module.special
    config = config_class(
        vocab_size=module.vocab_size,
        d_model=settings.width,
        encoder_layers=settings.encoder_layers,
        decoder_layers=settings.decoder_layers,
        encoder_attention_heads=settings.heads,
        decoder_attention_heads=settings.heads,
        encoder_ffn_dim=settings.hidden_width,
        decoder_ffn_dim=settings.hidden_width,
        activation_function=settings.activation,
        max_position_embeddings=1024,
        scale_embedding=True,
        pad_token_id=special.pad,
        bos_token_id=special.start,
        eos_token_id=special.end,
        decoder_start_token_id=special.start,
        forced_eos_token_id=None,
    )
    model = model_class(config)
    ours = module.state_dict()
    weights = {
        "model.shared.weight": ours["target_embedding"],
        "final_logits_bias": ours["output_bias"][None],
    }
    for side, layers in (("encoder", module.encoder), ("decoder", module.decoder)):
        for number in range(len(layers)):
            weights |= _layer(ours, side, number)
        if settings.pre_norm:
            for kind in ("weight", "bias"):
                weights[f"model.{side}.layer_norm.{kind}"] = ours[f"{side}_norm.{kind}"]
    copied = {name: value.detach().float().clone() for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(copied, strict=False)
    # Tied tables and positions are left: they come from what was loaded, and from no training.
    left = [name for name in missing if "embed_" not in name and name != "lm_head.weight"]
    if left or unexpected:
        raise ValueError(f"not filled: {left}; not known: {unexpected}")
    model.tie_weights()
    return model.eval()


def _layer(ours: dict[str, Any], side: str, number: int) -> dict[str, Any]:
    """The weights of a layer by their names; ours has one matrix for queries, keys and values."""
    old, new = f"{side}.{number}.", f"model.{side}.layers.{number}."
    found: dict[str, Any] = {}
    for kind in ("weight", "bias"):
        query, key, value = ours[f"{old}self_attention.query_key_value.{kind}"].chunk(3)
        parts = {"self_attn.q_proj": query, "self_attn.k_proj": key, "self_attn.v_proj": value}
        parts["self_attn.out_proj"] = ours[f"{old}self_attention.output.{kind}"]
        if side == "decoder":
            key, value = ours[f"{old}cross_attention.key_value.{kind}"].chunk(2)
            parts |= {"encoder_attn.k_proj": key, "encoder_attn.v_proj": value}
            parts["encoder_attn.q_proj"] = ours[f"{old}cross_attention.query.{kind}"]
            parts["encoder_attn.out_proj"] = ours[f"{old}cross_attention.output.{kind}"]
        parts["fc1"] = ours[f"{old}feed_forward.inner.{kind}"]
        parts["fc2"] = ours[f"{old}feed_forward.outer.{kind}"]
        for name, theirs in NORMS.items():
            if f"{old}{name}.{kind}" in ours:
                parts[theirs] = ours[f"{old}{name}.{kind}"]
        found |= {f"{new}{name}.{kind}": part for name, part in parts.items()}
    return found


class Generate:
    """Decodes as our engines do, with `generate`."""

    def __init__(self, module: TransformerSeq2Seq) -> None:
        """RAISES: As `as_transformers_model`."""
        self.model = as_transformers_model(module)
        self.special = module.special

    def __call__(self, source: list[list[int]], options: SearchOptions) -> list[list[int]]:
        """The best pieces of each source; one limit of length for all of a batch, that of the longest source."""
        longest = max(map(len, source))
        rows = torch.tensor([[*row, *[self.special.pad] * (longest - len(row))] for row in source])
        mask = torch.arange(longest)[None] < torch.tensor([len(row) for row in source])[:, None]
        with torch.inference_mode():
            found = self.model.generate(
                input_ids=rows,
                attention_mask=mask.long(),
                num_beams=options.beams,
                do_sample=False,
                early_stopping=False,
                length_penalty=options.length_penalty,
                max_new_tokens=int(options.max_ratio * longest + options.max_extra),
                min_new_tokens=options.min_length,
            )
        return [self._pieces(row) for row in found.tolist()]

    def _pieces(self, row: list[int]) -> list[int]:
        written = row[1:]
        return written[: written.index(self.special.end)] if self.special.end in written else written
