"""Views of modular arithmetic: one module for each instrument."""

from dynascope_modular_addition.views.ablations import ABLATED_LOSSES
from dynascope_modular_addition.views.attention import (
    ATTENTION_PATTERN,
    HEAD_FREQUENCIES,
    HEAD_FREQUENCIES_OVER_TRAINING,
)
from dynascope_modular_addition.views.composition import NEURON_COMPOSITION, NEURON_COMPOSITION_OVER_TRAINING
from dynascope_modular_addition.views.gradients import (
    CLOCK_OR_PIZZA,
    GRADIENT_AGREEMENT,
    GRADIENT_AGREEMENT_OVER_TRAINING,
    GRADIENT_ENERGY,
    GRADIENT_ENERGY_OVER_TRAINING,
    SYMMETRICITY,
)
from dynascope_modular_addition.views.neuron_map import NEURON_MAP
from dynascope_modular_addition.views.neuron_weights import (
    NEURON_LOGIT_SPECTRUM,
    NEURON_LOGIT_SPECTRUM_OVER_TRAINING,
    NEURON_PHASES,
    SPARSITY,
)

__all__ = ["VIEWS"]

VIEWS = (
    ABLATED_LOSSES,
    ATTENTION_PATTERN,
    CLOCK_OR_PIZZA,
    GRADIENT_AGREEMENT,
    GRADIENT_AGREEMENT_OVER_TRAINING,
    GRADIENT_ENERGY,
    GRADIENT_ENERGY_OVER_TRAINING,
    HEAD_FREQUENCIES,
    HEAD_FREQUENCIES_OVER_TRAINING,
    NEURON_COMPOSITION,
    NEURON_COMPOSITION_OVER_TRAINING,
    NEURON_LOGIT_SPECTRUM,
    NEURON_LOGIT_SPECTRUM_OVER_TRAINING,
    NEURON_MAP,
    NEURON_PHASES,
    SPARSITY,
    SYMMETRICITY,
)
