"""The list in which views are chosen: grouped, searchable, with what each needs."""

from __future__ import annotations

from pathlib import Path

import param
from panel.custom import JSComponent

__all__ = ["ViewChooser"]

HERE = Path(__file__).parent


class ViewChooser(JSComponent):
    """Boxes to tick, in groups, under a box to search in."""

    entries = param.List([], doc="of each view: id, title, group, description, note, and whether it can be computed")
    value = param.List([], item_type=str, doc="ids of the views that are chosen, in the order in which they are shown")
    compute = param.Dict({}, doc="the view whose arrays are to be computed: id and a number that rises")

    _esm = HERE / "chooser.js"
    _stylesheets = [HERE / "chooser.css"]
