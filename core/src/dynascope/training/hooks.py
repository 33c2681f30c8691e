"""The core's own plug-in: a view of the metrics that the training loop writes for every family."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope.contract.hookspecs import hookimpl
from dynascope.contract.view import View


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide the loss curves."""
    from dynascope.training.views import LOSSES

    return [LOSSES]
