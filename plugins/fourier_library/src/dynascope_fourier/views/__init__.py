"""Views of spectra, neurons by frequency, logits, losses and circles: one module for each instrument."""

from dynascope_fourier.views.algorithms import CLOCK_AND_PIZZA
from dynascope_fourier.views.circles import CLASS_CIRCLE
from dynascope_fourier.views.clusters import CLUSTER_SIZES, NEURON_CLUSTERS
from dynascope_fourier.views.logits import LOGIT_COMPONENTS, LOGIT_SHARES
from dynascope_fourier.views.progress import PROGRESS_LOSSES
from dynascope_fourier.views.spectrum import EMBEDDING_SPECTRUM, EMBEDDING_SPECTRUM_OVER_TRAINING

__all__ = ["VIEWS"]

VIEWS = (
    CLASS_CIRCLE,
    CLOCK_AND_PIZZA,
    CLUSTER_SIZES,
    EMBEDDING_SPECTRUM,
    EMBEDDING_SPECTRUM_OVER_TRAINING,
    LOGIT_COMPONENTS,
    LOGIT_SHARES,
    NEURON_CLUSTERS,
    PROGRESS_LOSSES,
)
