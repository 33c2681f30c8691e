"""What things are, as small tables in HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynascope.drawing.tables import html_of

if TYPE_CHECKING:
    from dynascope.store.artifacts import Artifacts
    from dynascope.store.variant import Variant
    from dynascope.store.workspace import Workspace

__all__ = ["artifacts_table", "variant_table", "workspace_table"]

MOST = 60
"""Rows of a table."""


def variant_table(variant: Variant) -> str:
    """Return what a variant is: its settings, how far it was trained, where its losses are, and what is measured."""
    epochs = variant.checkpoints
    settings = ", ".join(f"{name} {value}" for name, value in variant.config.settings.items() if value is not None)
    rows = [
        ("variant", variant.name),
        ("family", variant.family.name),
        ("state", variant.state),
        ("settings", settings),
    ]
    said = f"{len(epochs)}, epochs {epochs[0]:,} to {epochs[-1]:,}" if epochs else "none"
    rows.append(("checkpoints", said))
    if variant.metrics_file.path.exists():
        for name, values in variant.metrics_file.read().items():
            measured = values[np.isfinite(values)]
            if name != "epoch" and len(measured):
                rows.append((name.replace("_", " "), f"{measured[-1]:.4g} in the end"))
    rows.append(("measured by", ", ".join(variant.artifacts.analyzers()) or "no analyzer yet: .analyze()"))
    return html_of(None, rows)


def workspace_table(workspace: Workspace) -> str:
    """Return the variants of a workspace."""
    variants = workspace.variants()
    rows = [
        (one.family.name, one.name, one.state, f"{len(one.checkpoints):,}", f"{len(one.artifacts.analyzers()):,}")
        for one in variants[:MOST]
    ]
    rows += [("...", f"{len(variants) - MOST:,} more", "", "", "")] if len(variants) > MOST else []
    return html_of(("family", "variant", "state", "checkpoints", "analyzers"), rows, numbers=(3, 4))


def artifacts_table(artifacts: Artifacts) -> str:
    """Return the arrays that are stored, and at how many checkpoints."""
    rows = []
    for analyzer in artifacts.analyzers():
        count = len(artifacts.epochs(analyzer))
        for name, axes in artifacts.arrays(analyzer).items():
            shape = ", ".join(f"{axis} ({length:,})" for axis, length in axes.items()) or "one number"
            rows.append((f"{analyzer}/{name}", shape, f"{count:,}" if count else "over all"))
    return html_of(("array", "axes", "checkpoints"), rows, numbers=(2,))
