"""A report: views in a chosen order, and text about them. It holds no numbers, and fits any variant of its family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

__all__ = ["Block", "Control", "Report", "TextBlock", "ViewBlock"]

Control = bool | int | float | str | None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TextBlock(_Strict):
    """What is said between views.

    Attributes:
        text: Markdown. HTML in it is shown as it is written.
    """

    text: str


class ViewBlock(_Strict):
    """A view of a report.

    Attributes:
        view: its id, ``"<plug-in>.<name>"``.
        controls: the settings that are not the view's own defaults.
        wide: whether it takes the whole width of the page.
    """

    view: str = Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
    controls: dict[str, Control] = {}
    wide: bool = False


def _kind(block: Any) -> str | None:
    keys = block if isinstance(block, Mapping) else vars(block) if isinstance(block, BaseModel) else ()
    return next((kind for kind in ("text", "view") if kind in keys), None)


Block = Annotated[
    Annotated[TextBlock, Tag("text")] | Annotated[ViewBlock, Tag("view")],
    Discriminator(
        _kind,
        custom_error_type="block",
        custom_error_message='a block holds a "view" or a "text"',
    ),
]


class Report(_Strict):
    """What ``reports/<name>.json`` holds, or a plug-in ships.

    Attributes:
        name: that of its file, or, of one that a plug-in ships, ``[a-z][a-z0-9_]*``; it is not in the file.
        format: 1.
        title: what stands above it.
        family: whose variants it shows: the name of a family, or of the one that it adapts.
        probe: under which, as it is written (``"random_pairs:count=500"``); None for the family's default.
        epochs: of interest: at these it is drawn where a picture cannot move; that of the last checkpoint if empty.
        blocks: views and text, in the order in which they are read. A view stands in a report once.
    """

    name: str = Field(default="", exclude=True)
    format: Literal[1] = 1
    title: str = Field(min_length=1)
    family: str
    probe: str | None = None
    epochs: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(), strict=False)
    blocks: tuple[Block, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _each_once(self) -> Report:
        names = [block.view for block in self.blocks if isinstance(block, ViewBlock)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"a view stands in a report once, and {', '.join(twice)} stands there again")
        return self

    @property
    def views(self) -> dict[str, ViewBlock]:
        """The views, by id, in order."""
        return {block.view: block for block in self.blocks if isinstance(block, ViewBlock)}
