"""The mathematics of the one-layer transformer: initial weights, the fast forward pass, the hooked model.

Weights have the parameter names and shapes of TransformerLens' native model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, embedding_bag, linear, pad

from dynascope import Config

__all__ = ["Pairs", "hooked_model", "initial_weights", "logits_at_answer", "pairs_of", "trainable_names"]


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


class Pairs(NamedTuple):
    """The inputs of ``logits_at_answer``: token pairs as places in tables, and the way back from table to pairs.

    A table has one row per (position, number, head): ``(position * p + number) * heads + head``.
    """

    numbers: Tensor
    """Rows of a table over (position, number): ``"pair position"``."""
    entries: Tensor
    """Rows of a table over (position, number, head): ``"pair position*head"``."""
    order: Tensor
    """The flattened entries, sorted by table row: ``"pair*position*head"``."""
    pair: Tensor
    """The pair that each of the sorted entries belongs to."""
    starts: Tensor
    """Where each table row begins among the sorted entries: ``"row"``."""
    bounds: Tensor
    """Where each pair begins among the unsorted entries: ``"pair"``."""
    owner: Tensor
    """The pair that each of the unsorted entries belongs to."""


def pairs_of(n_heads: int, p: int, tokens: Tensor) -> Pairs:
    """Return sequences ``a b =`` as ``logits_at_answer`` takes them.

    Args:
        n_heads: the number of heads.
        p: the modulus; ``=`` is the token p.
        tokens: integers, ``"pair 3"``.
    """
    numbers = torch.stack([tokens[:, 0], tokens[:, 1] + p], dim=1)
    heads = torch.arange(n_heads, device=tokens.device)
    entries = (numbers.unsqueeze(-1) * n_heads + heads).flatten(1)
    count, width = entries.shape
    order = entries.flatten().argsort(stable=True)
    sizes = torch.bincount(entries.flatten(), minlength=2 * p * n_heads)
    owner = torch.arange(count, device=tokens.device).repeat_interleave(width)
    return Pairs(numbers, entries, order, order // width, sizes.cumsum(0) - sizes, owner[::width] * width, owner)


class Mixture(torch.autograd.Function):
    """For each pair the sum of its table rows, weighted: ``sum_k weights[n, k] * table[entries[n, k]]``.

    A pair uses 2 x heads of the table's 2 x p x heads rows, so this is far less work than a dense product, in both
    directions: the table's gradient is the same sum over the entries sorted by row. Takes ``weights, table`` and the
    fields of ``Pairs`` from ``entries`` on.
    """

    @staticmethod
    def forward(
        weights: Tensor,
        table: Tensor,
        entries: Tensor,
        order: Tensor,
        pair: Tensor,
        starts: Tensor,
        bounds: Tensor,
        owner: Tensor,
    ) -> Tensor:
        return embedding_bag(entries, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, table, entries, order, pair, starts, bounds, owner = ctx.saved_tensors
        sorted_weights = weights.flatten()[order]
        of_table = embedding_bag(pair, gradient, starts, per_sample_weights=sorted_weights, mode="sum")
        of_weights = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            gradient, table, entries.flatten(), bounds, owner, 0, -1
        )
        return of_weights.view_as(weights), of_table, *[None] * 6

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """Lay the stack's tables end to end, and shift what points into them."""
        stack = info.batch_size
        stacked = [
            tensor.expand(stack, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(inputs, in_dims, strict=True)
        ]
        weights, table, entries, order, pair, starts, bounds, owner = stacked
        pairs, rows, width = entries.shape[1], table.shape[1], entries.shape[2]
        member = torch.arange(stack, device=entries.device).unsqueeze(-1)
        result = Mixture.apply(
            weights.flatten(0, 1),
            table.flatten(0, 1),
            (entries + (member * rows).unsqueeze(-1)).flatten(0, 1),
            *((order + member * pairs * width).flatten(), (pair + member * pairs).flatten()),
            *((starts + member * pairs * width).flatten(), (bounds + member * pairs * width).flatten()),
            (owner + member * pairs).flatten(),
        )
        return result.view(stack, pairs, -1), 0


def logits_at_answer(n_heads: int, weights: Mapping[str, Tensor], pairs: Pairs) -> Tensor:
    """Return the logits at the last position, ``"pair class"``, of sequences ``a b =``.

    Computes only what reaches the answer, and nothing per pair that can be computed per token. The last token is the
    same in every row, and so is its query; hence scores are a table over (position, number), taken relative to the
    score of ``=``. The attention output enters the neurons and the logits through W_O W_in and W_O W_U; taken through
    them, values are tables over (position, number, head), of which a pair mixes 2 x heads rows. What is left per pair
    is one dense product, from the neurons through W_out W_U.

    Args:
        n_heads: the number of heads, which the flat weights do not show.
        weights: by the names of ``initial_weights``.
        pairs: from ``pairs_of``.
    """
    w, block = weights, "blocks.0."
    embed, position = w["embed.weight"], w["pos_embed.weight"]
    number, last = embed[:-1], embed[-1] + position[2]
    stream = torch.cat([number + position[0], number + position[1], last.unsqueeze(0)])

    q = linear(last, w[block + "attn.q.weight"], w[block + "attn.q.bias"]).view(n_heads, 1, -1)
    key = w[block + "attn.k.weight"].view(n_heads, q.shape[-1], -1)
    # One vector per head that maps a token's residual stream to its score. The key's bias adds the same to all.
    scoring = torch.bmm(q, key).squeeze(1) / math.sqrt(q.shape[-1])
    score = linear(stream, scoring)
    scores = embedding(pairs.numbers, score[:-1] - score[-1])
    pattern = torch.softmax(pad(scores, (0, 0, 0, 1)), dim=1)[:, :2].flatten(1)

    value = linear(stream, w[block + "attn.v.weight"], w[block + "attn.v.bias"])
    own = value[-1]
    value = (value[:-1] - own).view(-1, n_heads, q.shape[-1]).transpose(0, 1)
    out, into = w[block + "attn.o.weight"], w[block + "mlp.in.weight"]
    back, unembed = w[block + "mlp.out.weight"], w["unembed.weight"]
    base = last + w[block + "attn.o.bias"] + linear(own, out)

    def mixed(through: Tensor) -> Tensor:
        table = torch.bmm(value, through.view(-1, n_heads, q.shape[-1]).permute(1, 2, 0))
        return Mixture.apply(pattern, table.transpose(0, 1).flatten(0, 1), *pairs[1:])

    neurons = mixed(into @ out).add_(linear(base, into, w[block + "mlp.in.bias"])).relu_()
    classes = len(unembed)
    direct = mixed(pad(unembed @ out, (0, 0, 0, -classes % 16)))[:, :classes]  # odd widths are slow
    constant = linear(base + w[block + "mlp.out.bias"], unembed, w["unembed.bias"])
    return torch.addmm(direct + constant, neurons, (unembed @ back).T)


OBSERVED = {
    ("blocks.0.hook_resid_pre", -1, 1): "before",
    ("blocks.0.attn.hook_pattern", -1, 2): "pattern",
    ("blocks.0.hook_resid_mid", -1, 1): "between",
    ("blocks.0.mlp.hook_pre", -1, 1): "neurons_before",
    ("blocks.0.mlp.hook_post", -1, 1): "neurons",
    ("blocks.0.hook_resid_post", -1, 1): "after",
}
"""What ``observed`` gives, by hook, position and axis of the position."""


def observed(n_heads: int, weights: Mapping[str, Tensor], tokens: Tensor) -> dict[str, Tensor]:
    """Return the logits and activations at ``=`` of sequences ``a b =``, each ``"pair feature"``.

    As ``logits_at_answer``, it computes the answer position alone, and scores and values once per token and place; but
    every activation is there, so that nothing is taken through two products at once.

    Args:
        n_heads: the number of heads, which the flat weights do not show.
        weights: by the names of ``initial_weights``.
        tokens: integers, ``"pair 3"``; the last is ``=``.
    """
    w, block = weights, "blocks.0."
    embed, position = w["embed.weight"], w["pos_embed.weight"]
    number, last = embed[:-1], embed[-1] + position[2]
    stream = torch.cat([number + position[0], number + position[1], last.unsqueeze(0)])
    count = len(number)

    q = linear(last, w[block + "attn.q.weight"], w[block + "attn.q.bias"]).view(n_heads, -1)
    key = linear(stream, w[block + "attn.k.weight"], w[block + "attn.k.bias"]).view(len(stream), n_heads, -1)
    score = (key * q).sum(dim=-1) / math.sqrt(q.shape[-1])
    own = score[-1].expand(len(tokens), -1)
    scores = torch.stack([score[tokens[:, 0]], score[tokens[:, 1] + count], own], dim=2)
    pattern = torch.softmax(scores, dim=2)  # pair head source

    value = linear(stream, w[block + "attn.v.weight"], w[block + "attn.v.bias"]).view(len(stream), n_heads, -1)
    mixed = pattern[:, :, 2, None] * value[-1]
    mixed += pattern[:, :, 0, None] * value[tokens[:, 0]]
    mixed += pattern[:, :, 1, None] * value[tokens[:, 1] + count]
    between = last + linear(mixed.flatten(1), w[block + "attn.o.weight"], w[block + "attn.o.bias"])

    neurons_before = linear(between, w[block + "mlp.in.weight"], w[block + "mlp.in.bias"])
    neurons = neurons_before.relu()
    after = between + linear(neurons, w[block + "mlp.out.weight"], w[block + "mlp.out.bias"])
    return {
        "before": last.expand(len(tokens), -1),
        "pattern": pattern,
        "between": between,
        "neurons_before": neurons_before,
        "neurons": neurons,
        "after": after,
        "logits": linear(after, w["unembed.weight"], w["unembed.bias"]),
    }


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
