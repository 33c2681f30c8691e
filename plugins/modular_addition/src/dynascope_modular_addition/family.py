"""The family ``modular_addition_1layer``: its settings, data and declarations. The mathematics is in ``model``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

import dynascope
from dynascope import Activation, Adopted, Config, Dataset, Family, InvalidSetting, Label, Layout, Weight
from dynascope.schedule import grokking
from dynascope_fourier import CyclicGroup
from dynascope_modular_addition.paths import OneLayerTransformer
from dynascope_modular_addition.probes import pair_tokens, right_answers

if TYPE_CHECKING:
    import numpy as np
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
    seed: Annotated[int, Label("seed", always=True), SEED, Field(description="draws the initial weights")] = 999
    data_seed: Annotated[
        int, Label("dseed", always=True), SEED, Field(description="draws the pairs that are trained on")
    ] = 598
    train_fraction: Annotated[
        float, Label("frac"), Field(gt=0, lt=1, description="share of the p * p pairs that is trained on")
    ] = 0.3
    train_pairs: Annotated[
        tuple[int, ...] | None,
        Label("pairs"),
        Field(description="the rows a * p + b that are trained on, instead of those that data_seed and fraction draw"),
    ] = None

    @model_validator(mode="after")
    def _pairs_are_rows(self) -> Self:
        rows = self.train_pairs
        if rows is not None and (len(set(rows)) != len(rows) or any(not 0 <= row < self.p**2 for row in rows)):
            raise ValueError(f"train_pairs must be different rows from 0 to {self.p**2 - 1}")
        return self


class Architecture(dynascope.Architecture):
    """Widths, and the recipe that decides initialisation, split, biases and outputs (see ``model``)."""

    recipe: Annotated[
        Literal["miscope", "nanda"], Label(""), Field(description="whose initialisation, split, biases and outputs")
    ] = "miscope"
    d_model: int = Field(128, ge=1, description="width of the residual stream")
    n_heads: int = Field(4, ge=1, description="attention heads")
    d_head: int = Field(32, ge=1, description="width of a head")
    d_mlp: int = Field(512, ge=1, description="neurons")


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
    default_report = "modular_addition.grokking"
    phases = "fourier.phases"
    events = "fourier.events"
    row_facts = ("label", "train", "test")

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

    def observe(
        self, config: Config, weights: Mapping[str, Tensor], inputs: Tensor, places: Sequence[Activation]
    ) -> tuple[Tensor, Mapping[Activation, Tensor]] | None:
        from dynascope_modular_addition import model

        hooks = {place: model.OBSERVED.get((place.hook, place.position, place.axis)) for place in places}
        p = config.parameters.p
        pairs = inputs.shape[1:] == (3,) and bool((inputs[:, 2] == p).all()) and bool((inputs[:, :2] < p).all())
        if None in hooks.values() or not pairs:
            return None
        seen = model.observed(config.architecture.n_heads, weights, inputs)
        logits = seen["logits"][:, :p]
        return logits, {place: seen[name] for place, name in hooks.items() if name is not None}

    def trainable(self, config: Config) -> frozenset[str]:
        """Weights, and in the ``nanda`` recipe the biases of the neurons; all other biases stay 0."""
        from dynascope_modular_addition import model

        return model.trainable_names(config)

    def data(self, config: Config) -> Dataset:
        """Return the split of the p * p pairs.

        ``miscope``: ``torch.randperm`` from ``data_seed``; ``nanda``: Python's ``random.shuffle`` of the a-major
        pairs. The first ``int(train_fraction * p * p)`` are for training; or else ``train_pairs`` are.

        Raises:
            InvalidSetting: one of the two parts would be empty.
        """
        import torch

        from dynascope_modular_addition.splits import order_of

        p, fraction = config.parameters.p, config.parameters.train_fraction
        train, test = order_of(config)
        if not len(train) or not len(test):
            raise InvalidSetting(
                f"train_fraction {fraction} of the {p * p} pairs of p = {p} leaves {len(train)} to train on and "
                f"{len(test)} to test on; both must be at least 1."
            )
        inputs = torch.from_numpy(pair_tokens(p))
        labels = inputs[:, :2].sum(dim=1) % p
        return Dataset(inputs[train], labels[train], inputs[test], labels[test])

    def answers(self, config: Config, output: Tensor) -> Tensor:
        """Return the logits of the number tokens at ``=``: a recipe that can also answer ``=`` has one more."""
        return output[:, -1, : config.parameters.p]

    def rows(self, config: Config, inputs: np.ndarray[Any, Any]) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return the right answer to each pair, and whether it is trained on."""
        import numpy as np

        from dynascope_modular_addition.splits import order_of

        p = config.parameters.p
        a, b = inputs[:, 0].astype(np.int64), inputs[:, 1].astype(np.int64)
        trained = np.zeros(p * p, dtype=np.int8)
        trained[np.asarray(order_of(config)[0])] = 1
        train = trained[a * p + b]
        return {"label": right_answers(config, a, b), "train": train, "test": 1 - train}

    def context(self, config: Config) -> Mapping[str, Any]:
        """The number tokens 0..p-1 are the elements of Z_p; ``=`` is the token p."""
        p = config.parameters.p
        return {
            "cyclic_group": CyclicGroup(order=p),
            "one_layer_transformer": OneLayerTransformer(config.architecture.n_heads, answer_token=p),
        }

    def sites(self, config: Config) -> Mapping[str, Activation | Weight]:
        """Activations are read at ``=``, the answer position. Weights are ``"out in"``, embeddings ``"token d"``."""
        return {
            "attention_pattern": Activation("blocks.0.attn.hook_pattern", position=-1, axis=2),
            "attention_output": Weight("blocks.0.attn.o.weight"),
            "embedding": Weight("embed.weight"),
            "key": Weight("blocks.0.attn.k.weight"),
            "neuron_input": Weight("blocks.0.mlp.in.weight"),
            "neuron_input_bias": Weight("blocks.0.mlp.in.bias"),
            "neuron_output": Weight("blocks.0.mlp.out.weight"),
            "neurons": Activation("blocks.0.mlp.hook_post", position=-1),
            "position_embedding": Weight("pos_embed.weight"),
            "query": Weight("blocks.0.attn.q.weight"),
            "query_bias": Weight("blocks.0.attn.q.bias"),
            "stream_after_embedding": Activation("blocks.0.hook_resid_pre", position=-1),
            "stream_after_attention": Activation("blocks.0.hook_resid_mid", position=-1),
            "stream_after_mlp": Activation("blocks.0.hook_resid_post", position=-1),
            "unembedding": Weight("unembed.weight"),
            "value": Weight("blocks.0.attn.v.weight"),
        }

    def layouts(self) -> Iterable[Layout]:
        """MIScope's folders, the TransformerLens grokking demo's file, the progress-measures paper's files."""
        from dynascope_modular_addition.layouts import GrokkingPth, MIScope, ProgressMeasures

        return (MIScope(), GrokkingPth(), ProgressMeasures())

    def adopt(self, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Adopted:
        """Take over one-layer transformers without layer norm, in any of four ways of naming them (see ``foreign``)."""
        from dynascope_modular_addition import foreign

        return foreign.adopted(state, facts)

    def splits(
        self, config: Config, train_rows: tuple[int, ...] | None = None, test_rows: tuple[int, ...] | None = None
    ) -> Iterable[Mapping[str, Any]]:
        from dynascope_modular_addition.splits import likely_splits

        return likely_splits(config, train_rows, test_rows)

    def hooked_transformer(
        self, config: Config, weights: Mapping[str, Tensor]
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        from dynascope_modular_addition import foreign

        return foreign.hooked_transformer(config, weights)

    def schedule(self, config: Config) -> str:
        """About a hundred checkpoints: dense while the pairs are memorised, and where grokking is expected."""
        recipe, fraction = config.training, config.parameters.train_fraction
        moving = (0, 0)
        if recipe.weight_decay > 0:
            middle = MIDDLE * (0.5 / fraction) ** SLOWER / (recipe.learning_rate * recipe.weight_decay)
            moving = (int(0.65 * middle), int(1.45 * middle))
        return grokking(recipe.epochs, memorised=MEMORISED, moving=moving)
