"""What one is looking at: a view, the arrays that it draws, where they come from, and who defined them."""

from __future__ import annotations

from html import escape
from typing import Any

from dynascope.drawing.tables import TABLE_STYLE, html_of
from dynascope.plugins import Provided, Registry
from dynascope_workbench.panes import HtmlPane

__all__ = ["about"]

METRICS = ("metrics", "epoch", "", "losses and accuracies of every epoch, written by the training")


def about(provided: Provided, plugins: Registry) -> Any:
    """Return what the declarations of a view, and of what it reads, say of it."""
    view, rows, sources = provided.item, [], []
    for read in view.reads:
        analyzer, _, name = read.partition("/")
        found = plugins.all("analyzers").get(analyzer)
        output = found.item.outputs.get(name) if found is not None else None
        if read == "metrics":
            rows.append(METRICS)
        elif found is not None and output is not None:
            rows.append((read, ", ".join(map(str, output.dims)) or "–", output.units, output.description))
            sources += [one for one in (output.citation, found.item.citation) if one]
    said = [
        f"<p>{escape(view.description)}</p>",
        f"<p>The view <code>{escape(provided.id)}</code> of {escape(provided.distribution)} "
        f"{escape(provided.plugin_version)} draws</p>",
        html_of(("array", "axes", "unit", "what it is"), rows),
    ]
    if sources:
        said.append(f"<p>Sources: {escape('; '.join(dict.fromkeys(sources)))}</p>")
    return HtmlPane(
        "".join(said).replace("``", ""), stylesheets=[TABLE_STYLE], sizing_mode="stretch_width", margin=(4, 8)
    )
