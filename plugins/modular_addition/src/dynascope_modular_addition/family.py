"""The family ``modular_addition_1layer``: its settings, data and declarations. The mathematics is in ``model``."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

import dynascope
from dynascope import Activation, Config, Dataset, Family, InvalidSetting, Label, Weight
from dynascope_fourier import CyclicGroup
from dynascope_modular_addition.probes import pair_tokens

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ModularAddition1Layer"]

MEMORISING = 200
"""Epochs within which the training pairs are memorised, in every recipe tried."""
Rate = Annotated[float, Field(ge=0, lt=1)]
SEED = Field(ge=0, lt=2**63)


class Parameters(dynascope.Parameters):
    """What distinguishes the variants."""

    p: Annotated[int, Label("p", always=True), Field(ge=2, description="the modulus, any integer >= 2")] = 113
    seed: Annotated[int, Label("seed", always=True), SEED] = 999
    data_seed: Annotated[int, Label("dseed", always=True), SEED] = 598
    train_fraction: Annotated[
        float, Label("frac"), Field(gt=0, lt=1, description="share of the p * p pairs that is trained on")
    ] = 0.3


class Architecture(dynascope.Architecture):
    """Widths, and the recipe that decides initialisation, split, biases and outputs (see ``model``)."""

    recipe: Annotated[Literal["miscope", "nanda"], Label("")] = "miscope"
    d_model: int = Field(128, ge=1)
    n_heads: int = Field(4, ge=1)
    d_head: int = Field(32, ge=1)
    d_mlp: int = Field(512, ge=1)


class Training(dynascope.Training):
    """Full-batch AdamW."""

    weight_decay: Annotated[float, Label("wd"), Field(ge=0)] = 1.0
    learning_rate: Annotated[float, Label("lr"), Field(gt=0)] = 1e-3
    betas: tuple[Rate, Rate] = (0.9, 0.98)
    epochs: int = Field(25_000, ge=1)


class ModularAddition1Layer(Family):
    """A one-layer transformer without layer norm on the sequence ``a b =``, trained to answer (a + b) mod p.

    Sources: recipe ``nanda`` is Nanda et al. 2023 (arXiv 2301.05217); ``miscope`` is that of the MIScope
    training-dynamics workbench, whose published losses it reproduces.
    """

    name = "modular_addition_1layer"
    title = "Modular addition, 1-layer transformer"
    description = "One layer, ReLU, no layer norm; tokens a, b, =; reads (a + b) mod p at the last position."

    Parameters = Parameters
    Architecture = Architecture
    Training = Training
    presets = {
        "demo": {"p": 53, "train_fraction": 0.5, "weight_decay": 2.0, "epochs": 2_500},
        "miscope": {},
        "nanda": {"recipe": "nanda", "seed": 0, "data_seed": 0, "warmup": 10, "epochs": 40_000},
    }
    draws = frozenset({"seed", "data_seed"})
    default_probe = "full_grid"

    def init(self, config: Config) -> dict[str, Tensor]:
        from dynascope_modular_addition import model

        return model.initial_weights(config)

    def prepare(self, config: Config, inputs: Tensor) -> Any:
        from dynascope_modular_addition import model

        return model.pairs_of(config.architecture.n_heads, config.parameters.p, inputs)

    def forward(self, config: Config, weights: Mapping[str, Tensor], inputs: Any) -> Tensor:
        from dynascope_modular_addition import model

        return model.logits_at_answer(config.architecture.n_heads, weights, inputs)

    def hooked(self, config: Config, weights: Mapping[str, Tensor]) -> nn.Module:
        from dynascope_modular_addition import model

        return model.hooked_model(config, weights)

    def trainable(self, config: Config) -> frozenset[str]:
        """Weights, and in the ``nanda`` recipe the biases of the neurons; all other biases stay 0."""
        from dynascope_modular_addition import model

        return model.trainable_names(config)

    def data(self, config: Config) -> Dataset:
        """Return the split of the p * p pairs.

        ``miscope``: ``torch.randperm`` from ``data_seed``; ``nanda``: Python's ``random.shuffle`` of the a-major
        pairs. The first ``int(train_fraction * p * p)`` are for training.

        Raises:
            InvalidSetting: one of the two parts would be empty.
        """
        import torch

        p, fraction = config.parameters.p, config.parameters.train_fraction
        count = int(fraction * p * p)
        if not 0 < count < p * p:
            raise InvalidSetting(
                f"train_fraction {fraction} of the {p * p} pairs of p = {p} leaves {count} to train on and "
                f"{p * p - count} to test on; both must be at least 1."
            )
        if config.architecture.recipe == "nanda":
            rows = list(range(p * p))
            random.Random(config.parameters.data_seed).shuffle(rows)
            order = torch.tensor(rows)
        else:
            order = torch.randperm(p * p, generator=torch.Generator().manual_seed(config.parameters.data_seed))
        inputs = torch.from_numpy(pair_tokens(p))
        labels = inputs[:, :2].sum(dim=1) % p
        train, test = order[:count], order[count:]
        return Dataset(inputs[train], labels[train], inputs[test], labels[test])

    def context(self, config: Config) -> Mapping[str, Any]:
        """The number tokens 0..p-1 are the elements of Z_p."""
        return {"cyclic_group": CyclicGroup(order=config.parameters.p)}

    def sites(self, config: Config) -> Mapping[str, Activation | Weight]:
        """The neurons are read at ``=``, the answer position."""
        return {
            "embedding": Weight("embed.weight"),
            "neurons": Activation("blocks.0.mlp.hook_post", position=-1),
        }

    def schedule(self, config: Config) -> str:
        """Every 10 epochs while the training pairs are memorised, then even: fewer than a hundred checkpoints."""
        last = config.training.epochs
        if last <= MEMORISING:
            return f"0:{last}:{max(last // 20, 1)}"
        return f"0:{MEMORISING}:10,{MEMORISING}:{last}:{_round_step((last - MEMORISING) / 80)}"


def _round_step(step: float) -> int:
    """Return the next larger of 10, 20, 50, 100, 200, ..."""
    size = 10
    while True:
        for factor in (1, 2, 5):
            if factor * size >= step:
                return factor * size
        size *= 10
