"""Views of the instruments that any model has: one module for each instrument."""

from dynascope.instruments.views.answers import ANSWERS, CLASS_ACCURACY, GRADUATED_ROWS, GRADUATION_MAP
from dynascope.instruments.views.centroids import CENTROID_SHARES, CENTROIDS
from dynascope.instruments.views.flatness import CURVATURE, LOSS_AROUND
from dynascope.instruments.views.geometry import GEOMETRY
from dynascope.instruments.views.hessian import HESSIAN
from dynascope.instruments.views.milestones import MILESTONE_TABLE
from dynascope.instruments.views.similarity import CHECKPOINT_SIMILARITY
from dynascope.instruments.views.spectra import SINGULAR_VALUES, WEIGHT_RANKS, WEIGHT_SIZES
from dynascope.instruments.views.trajectory import PARAMETER_MOTION, PARAMETER_PATH, PARAMETER_PATH_3D
from dynascope.instruments.views.variants import VARIANT_TABLE, VARIANTS

__all__ = ["VIEWS"]

VIEWS = (
    ANSWERS,
    CENTROIDS,
    CENTROID_SHARES,
    CHECKPOINT_SIMILARITY,
    CLASS_ACCURACY,
    CURVATURE,
    GEOMETRY,
    GRADUATED_ROWS,
    GRADUATION_MAP,
    HESSIAN,
    LOSS_AROUND,
    MILESTONE_TABLE,
    PARAMETER_MOTION,
    PARAMETER_PATH,
    PARAMETER_PATH_3D,
    SINGULAR_VALUES,
    VARIANT_TABLE,
    VARIANTS,
    WEIGHT_RANKS,
    WEIGHT_SIZES,
)
