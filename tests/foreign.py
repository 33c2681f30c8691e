"""Runs as other programs leave them, written without the exporters that are under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tiny import FAMILY, TINY

from dynascope import train

DATA = Path(__file__).parents[2] / "shared" / "data"


def trained(workspace, **settings):
    """Train a tiny variant, with a checkpoint at every tenth epoch."""
    variant = workspace.new_variant(FAMILY, {**TINY, **settings})
    train(variant, schedule="0:40:10")
    return variant


def legacy(variant, epoch):
    """Return HookedTransformer's state dict of a checkpoint: the tensors as TransformerLens itself presents them."""
    bridge = variant.model(epoch)
    attn, mlp = bridge.blocks[0].attn, bridge.blocks[0].mlp
    state = {"embed.W_E": bridge.W_E, "pos_embed.W_pos": bridge.W_pos, "unembed.W_U": bridge.W_U}
    state["unembed.b_U"] = bridge.b_U
    for name in "QKVO":
        state[f"blocks.0.attn.W_{name}"] = getattr(attn, f"W_{name}")
        state[f"blocks.0.attn.b_{name}"] = getattr(attn, f"b_{name}")
    for name in ("in", "out"):
        state[f"blocks.0.mlp.W_{name}"] = getattr(mlp, f"W_{name}")
        state[f"blocks.0.mlp.b_{name}"] = getattr(mlp, f"b_{name}")
    state["blocks.0.attn.mask"] = torch.tril(torch.ones(3, 3)).bool()
    state["blocks.0.attn.IGNORE"] = torch.tensor(-np.inf)
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def paper(variant, epoch):
    """Return the state dict that the progress-measures paper's code would have: d_model first, few biases."""
    state = legacy(variant, epoch)
    turned = {name: state[name].T for name in ("embed.W_E", "blocks.0.mlp.W_in", "blocks.0.mlp.W_out")}
    turned |= {f"blocks.0.attn.W_{name}": state[f"blocks.0.attn.W_{name}"].transpose(1, 2) for name in "QKV"}
    turned["blocks.0.attn.W_O"] = state["blocks.0.attn.W_O"].flatten(0, 1).T
    kept = {name: state[name] for name in ("pos_embed.W_pos", "unembed.W_U", "blocks.0.mlp.b_in", "blocks.0.mlp.b_out")}
    return {**{name: tensor.contiguous() for name, tensor in turned.items()}, **kept}


def same_weights(variant, epoch, other, other_epoch):
    """Tell whether two checkpoints hold the same weights, bit for bit."""
    ours, theirs = variant.weights(epoch), other.weights(other_epoch)
    return set(ours) == set(theirs) and all(
        ours[name].dtype == theirs[name].dtype and ours[name].tobytes() == theirs[name].tobytes() for name in ours
    )


def demo_file(variant, path, epochs=(10, 20, 40), config=None):
    """Write the grokking demo's dict, as its notebook does: epochs from 0, train losses before the update."""
    metrics = variant.metrics
    last = int(metrics.index.max())
    data = variant.family.base.data(variant.config)
    p = variant.config.parameters.p
    rows = [(one[:, 0] * p + one[:, 1]) for one in (data.train_inputs, data.test_inputs)]
    content = {
        "model": legacy(variant, last),
        "config": config if config is not None else {"n_layers": 1, "n_heads": 2, "act_fn": "relu", "seed": 999},
        "checkpoints": [legacy(variant, epoch) for epoch in epochs if epoch != last],
        "checkpoint_epochs": [epoch - 1 for epoch in epochs if epoch != last],
        "train_losses": [float(metrics.train_loss[epoch]) for epoch in range(last)],
        "test_losses": [float(metrics.test_loss[epoch + 1]) for epoch in range(last)],
        "train_indices": rows[0],
        "test_indices": rows[1],
    }
    torch.save(content, path)
    return path


def state_folder(variant, folder, epochs, suffix=".pt", pattern="model_step{}", losses=0):
    """Write state dicts and a table whose losses belong to ``losses`` updates more than its steps say."""
    folder.mkdir()
    for epoch in epochs:
        state = legacy(variant, epoch)
        file = folder / (pattern.format(epoch) + suffix)
        if suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file(state, file)
        else:
            torch.save(state, file)
    metrics = variant.metrics
    lines = ["step,train_loss,test_loss"]
    for epoch in epochs:
        if epoch + losses in metrics.index:
            row = metrics.loc[epoch + losses]
            lines.append(f"{epoch},{row.train_loss:.6f},{row.test_loss:.6f}")
    (folder / "losses.csv").write_text("\n".join(lines) + "\n")
    return folder
