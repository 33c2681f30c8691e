"""The family ``modular_addition_1layer``: its settings, data and declarations. The mathematics is in ``model``."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

import dynascope
from dynascope import Activation, Config, Dataset, Family, InvalidSetting, Label, Weight
from dynascope.schedule import grokking
from dynascope_fourier import CyclicGroup
from dynascope_modular_addition.probes import pair_tokens

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ModularAddition1Layer"]

MEMORISED = 200
"""By when the training pairs are known by heart, in every recipe tried."""
MIDDLE, SLOWER = 2.9, 2.7
"""The middle of grokking lies near ``MIDDLE * (0.5 / train_fraction)**SLOWER / (learning_rate * weight_decay)`` epochs.

Fitted by eye to the falls of the test loss of p 113 at 0.3 (ours and the paper's, 9,400 to 11,200), p 59 at 0.3 (from
12,400 on), p 53 at 0.4 (3,200 to 7,700) and p 53 at 0.5 with weight decay 2 (1,300 to 1,700). It chooses checkpoints,
and nothing else.
"""
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
        """About a hundred checkpoints: dense while the pairs are memorised, and where grokking is expected."""
        recipe, fraction = config.training, config.parameters.train_fraction
        moving = (0, 0)
        if recipe.weight_decay > 0:
            middle = MIDDLE * (0.5 / fraction) ** SLOWER / (recipe.learning_rate * recipe.weight_decay)
            moving = (int(0.65 * middle), int(1.45 * middle))
        return grokking(recipe.epochs, memorised=MEMORISED, moving=moving)
