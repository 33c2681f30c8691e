"""The mathematics of the one-layer transformer: initial weights, the fast forward pass, the hooked model.

Weights have the parameter names and shapes of TransformerLens' native model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from dynascope import Config

__all__ = ["hooked_model", "initial_weights", "logits_at_answer", "trainable_names"]


def initial_weights(config: Config) -> dict[str, Tensor]:
    """Draw the weights of epoch 0, float32, in the order of the recipe.

    ``miscope``: every matrix normal with deviation 0.8 / sqrt(d_model), drawn with the shapes of TransformerLens
    in the order E, pos, Q, O, K, V, in, out, U. ``nanda``: normal with deviation 1 / sqrt(d_model), W_U with
    1 / sqrt(d_vocab), drawn with the shapes of the paper's code in the order E, pos, K, Q, V, O, in, out, U.
    Biases are 0. The global random state is not touched.
    """
    size, p = config.architecture, config.parameters.p
    d, heads, d_head, d_mlp, vocab = size.d_model, size.n_heads, size.d_head, size.d_mlp, p + 1
    generator = torch.Generator().manual_seed(config.parameters.seed)

    def draw(*shape: int, scale: float) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    if size.recipe == "nanda":
        scale = 1 / math.sqrt(d)
        embed = draw(d, vocab, scale=scale).T
        position = draw(3, d, scale=scale)
        k, q, v = (draw(heads, d_head, d, scale=scale).reshape(heads * d_head, d) for _ in range(3))
        o = draw(d, heads * d_head, scale=scale)
        w_in = draw(d_mlp, d, scale=scale)
        w_out = draw(d, d_mlp, scale=scale)
        unembed = draw(d, vocab, scale=1 / math.sqrt(vocab)).T
    else:
        scale = 0.8 / math.sqrt(d)
        embed = draw(vocab, d, scale=scale)
        position = draw(3, d, scale=scale)
        q = draw(heads, d, d_head, scale=scale).transpose(1, 2).reshape(heads * d_head, d)
        o = draw(heads, d_head, d, scale=scale).reshape(heads * d_head, d).T
        k, v = (draw(heads, d, d_head, scale=scale).transpose(1, 2).reshape(heads * d_head, d) for _ in range(2))
        w_in = draw(d, d_mlp, scale=scale).T
        w_out = draw(d_mlp, d, scale=scale).T
        unembed = draw(d, p, scale=scale).T
    weights = {
        "embed.weight": embed,
        "pos_embed.weight": position,
        "blocks.0.attn.q.weight": q,
        "blocks.0.attn.k.weight": k,
        "blocks.0.attn.v.weight": v,
        "blocks.0.attn.o.weight": o,
        "blocks.0.mlp.in.weight": w_in,
        "blocks.0.mlp.out.weight": w_out,
        "unembed.weight": unembed,
    }
    biases = {
        name.replace(".weight", ".bias"): torch.zeros(len(weight))
        for name, weight in weights.items()
        if not name.startswith(("embed", "pos_embed"))
    }
    return {name: tensor.contiguous() for name, tensor in {**weights, **biases}.items()}


def trainable_names(config: Config) -> frozenset[str]:
    """Return what training moves: all matrices, and in the ``nanda`` recipe the two biases of the neurons."""
    names = {
        "embed.weight",
        "pos_embed.weight",
        *(f"blocks.0.attn.{name}.weight" for name in "qkvo"),
        "blocks.0.mlp.in.weight",
        "blocks.0.mlp.out.weight",
        "unembed.weight",
    }
    if config.architecture.recipe == "nanda":
        names |= {"blocks.0.mlp.in.bias", "blocks.0.mlp.out.bias"}
    return frozenset(names)


def logits_at_answer(n_heads: int, weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Return the logits at the last position, ``"row class"``, of sequences ``a b =``.

    Computes only what reaches the answer. The last token is the same in every row, and so is its query; hence
    attention scores and values are tables over tokens, and what is left per row are three matrix products:
    the attention output enters the neurons and the logits through W_O W_in and W_O W_U, the neurons the logits
    through W_out W_U.

    Args:
        n_heads: the number of heads, which the flat weights do not show.
        weights: by the names of ``initial_weights``.
        tokens: integers, ``"row 3"``; the last column must hold ``=``, the last token of the vocabulary.
    """
    w, block = weights, "blocks.0."
    embed, position = w["embed.weight"], w["pos_embed.weight"]
    first, second, last = embed + position[0], embed + position[1], embed[-1] + position[2]

    q = linear(last, w[block + "attn.q.weight"], w[block + "attn.q.bias"]).view(n_heads, -1)
    d_head = q.shape[1]
    key, key_bias = w[block + "attn.k.weight"], w[block + "attn.k.bias"]
    # One vector per head that maps a token's residual stream to its score: "head model".
    scoring = torch.bmm(q.unsqueeze(1), key.view(n_heads, d_head, -1)).squeeze(1) / math.sqrt(d_head)
    offset = (q * key_bias.view(n_heads, d_head)).sum(dim=1) / math.sqrt(d_head)
    value, value_bias = w[block + "attn.v.weight"], w[block + "attn.v.bias"]

    a, b = tokens[:, 0], tokens[:, 1]
    scores = torch.stack(
        [
            embedding(a, linear(first, scoring, offset)),
            embedding(b, linear(second, scoring, offset)),
            linear(last, scoring, offset).expand(len(tokens), n_heads),
        ]
    )
    pattern = torch.softmax(scores, dim=0).unsqueeze(-1)
    z = (
        pattern[0] * embedding(a, linear(first, value, value_bias)).view(-1, n_heads, d_head)
        + pattern[1] * embedding(b, linear(second, value, value_bias)).view(-1, n_heads, d_head)
        + pattern[2] * linear(last, value, value_bias).view(n_heads, d_head)
    ).flatten(1)

    out, into = w[block + "attn.o.weight"], w[block + "mlp.in.weight"]
    back, unembed = w[block + "mlp.out.weight"], w["unembed.weight"]
    stream = last + w[block + "attn.o.bias"]
    neurons = linear(z, into @ out, linear(stream, into, w[block + "mlp.in.bias"])).relu_()
    constant = linear(stream + w[block + "mlp.out.bias"], unembed, w["unembed.bias"])
    return torch.addmm(linear(z, unembed @ out, constant), neurons, (unembed @ back).T)


def hooked_model(config: Config, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the model as a TransformerLens bridge on its native model."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge.sources.native import boot

    size = config.architecture
    bridge = boot(
        TransformerBridgeConfig(
            d_model=size.d_model,
            d_head=size.d_head,
            n_heads=size.n_heads,
            n_layers=1,
            n_ctx=3,
            d_vocab=config.parameters.p + 1,
            d_vocab_out=len(weights["unembed.weight"]),
            d_mlp=size.d_mlp,
            act_fn="relu",
            normalization_type=None,
            seed=0,  # with a seed, building the model leaves the global random state as it was
        ),
        dtype=weights["embed.weight"].dtype,
    )
    bridge.load_state_dict(dict(weights), strict=True)
    return bridge
