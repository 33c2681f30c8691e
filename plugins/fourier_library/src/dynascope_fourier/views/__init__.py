"""Views of spectra, neurons by frequency, logits, losses and circles: one module for each instrument."""

from dynascope_fourier.views.algorithms import CLOCK_AND_PIZZA
from dynascope_fourier.views.circles import CLASS_CIRCLE, CLASS_CIRCLES_OVER_TRAINING
from dynascope_fourier.views.clusters import CLUSTER_SIZES, NEURON_CLUSTERS
from dynascope_fourier.views.distance import DISTANCE_IRRELEVANCE, LOGITS_BY_DISTANCE
from dynascope_fourier.views.dynamics import (
    FREQUENCY_LIFETIMES,
    GROUP_CHANGES,
    NEURON_COMMITMENT,
    NEURON_FREQUENCIES,
)
from dynascope_fourier.views.events import EVENTS, PHASES
from dynascope_fourier.views.logits import (
    LOGIT_COMPONENTS,
    LOGIT_EXPLAINED,
    LOGIT_SHARES,
    LOGIT_SHARES_OVER_TRAINING,
)
from dynascope_fourier.views.progress import EXCLUDED_BY_FREQUENCY, PROGRESS_LOSSES
from dynascope_fourier.views.spectrum import EMBEDDING_GINI, EMBEDDING_SPECTRUM, EMBEDDING_SPECTRUM_OVER_TRAINING
from dynascope_fourier.views.variants import SOLUTION_FREQUENCIES, SOLUTION_TABLE, SOLUTIONS

__all__ = ["VIEWS"]

VIEWS = (
    CLASS_CIRCLE,
    CLOCK_AND_PIZZA,
    CLASS_CIRCLES_OVER_TRAINING,
    CLUSTER_SIZES,
    DISTANCE_IRRELEVANCE,
    EMBEDDING_GINI,
    EMBEDDING_SPECTRUM,
    EMBEDDING_SPECTRUM_OVER_TRAINING,
    EVENTS,
    EXCLUDED_BY_FREQUENCY,
    FREQUENCY_LIFETIMES,
    GROUP_CHANGES,
    LOGITS_BY_DISTANCE,
    LOGIT_COMPONENTS,
    LOGIT_EXPLAINED,
    LOGIT_SHARES,
    LOGIT_SHARES_OVER_TRAINING,
    NEURON_CLUSTERS,
    NEURON_COMMITMENT,
    NEURON_FREQUENCIES,
    PHASES,
    PROGRESS_LOSSES,
    SOLUTIONS,
    SOLUTION_FREQUENCIES,
    SOLUTION_TABLE,
)
