"""Pages of instruments and views, made from their declarations and docstrings when the documentation is built.

mkdocs calls the functions ``on_...``. What they write follows from the registry alone, so that a page cannot say
something else than the code does. Only the distributions of this repository are described, whatever is installed.
"""

from __future__ import annotations

import functools
import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from dynascope import Registry, SeriesAnalyzer, SlicedAnalyzer, VariantsAnalyzer
from dynascope.contract.reads import (
    METRICS,
    Activation,
    AllWeights,
    ForwardPass,
    Gradient,
    Logit,
    Logits,
    Loss,
    LossHessian,
    Rows,
    Stored,
    Weight,
)
from dynascope.plugins import Provided, discover

ROOT = Path(__file__).parents[2]
FOLDER = "instruments"
OVERVIEW, VIEWS = f"{FOLDER}/index.md", f"{FOLDER}/views.md"
MARKER = {OVERVIEW: "<!-- every instrument -->", VIEWS: "<!-- every view -->"}
"""What stands in a page that is written by hand, where the part that is made belongs."""


def on_config(config: Any) -> Any:
    """Give the section of the instruments an entry for each page."""
    (section,) = (entry["Instruments"] for entry in config.nav if isinstance(entry, dict) and "Instruments" in entry)
    if len(section) == 2:  # not yet: `mkdocs serve` may hand over a configuration again
        section += navigation(ours())
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    from mkdocs.structure.files import File

    for name, text in pages(ours()).items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the tables into the pages that are written by hand."""
    made = {OVERVIEW: overview, VIEWS: all_views}.get(page.file.src_uri)
    return markdown if made is None else markdown.replace(MARKER[page.file.src_uri], made(ours()))


@functools.cache
def ours() -> Registry:
    """Return what the distributions of this repository provide, found as any plug-in is."""
    folders = [ROOT / "core", *ROOT.glob("plugins/*"), *ROOT.glob("apps/*")]
    files = (folder / "pyproject.toml" for folder in folders)
    projects = (tomllib.loads(path.read_text(encoding="utf-8")) for path in files if path.exists())
    names = {_plain(project["project"]["name"]) for project in projects}
    installed = (found for found in metadata.distributions() if _plain(found.metadata["Name"] or "") in names)
    return discover(installed, block=(), strict=True)


def pages(registry: Registry) -> dict[str, str]:
    """Return the page of each instrument, by its place in the documentation."""
    return {place(provided): page_of(provided, registry) for provided in registry.all("analyzers").values()}


def place(provided: Provided) -> str:
    """Return where an instrument's page is."""
    return f"{FOLDER}/{provided.id}.md"


def navigation(registry: Registry) -> list[Any]:
    """Return the entries below the section's own page: a folder of pages for each plug-in."""
    return [
        {_heading(plugin): [{provided.name: place(provided)} for provided in group]}
        for plugin, group in _by_plugin(registry.all("analyzers")).items()
    ]


def overview(registry: Registry) -> str:
    """Return a table of instruments for each plug-in."""
    parts = []
    for plugin, group in _by_plugin(registry.all("analyzers")).items():
        rows = [
            (
                f"[`{provided.name}`]({provided.id}.md)",
                kind_of(provided.item),
                _cell(provided.item.description, registry),
                ", ".join(_view_link(view) for view in views_of(provided.id, registry)),
            )
            for provided in group
        ]
        parts += [f"### {_heading(plugin)}", _table(("instrument", "measures", "what", "views"), rows)]
    return "\n\n".join(parts)


def all_views(registry: Registry) -> str:
    """Return a section for each view."""
    parts = []
    for plugin, group in _by_plugin(registry.all("views")).items():
        parts.append(f"## {_heading(plugin)}")
        parts += [section_of_view(provided, registry) for provided in group]
    return "\n\n".join(parts)


def page_of(provided: Provided, registry: Registry) -> str:
    """Return the page of one instrument."""
    item = provided.item
    text = Docstring.parse(inspect.getdoc(type(item)) or "")
    sources = [(name, output.citation) for name, output in item.outputs.items() if output.citation]
    parts = [
        f"# {item.title or provided.name}",
        prose(item.description, registry),
        _facts(provided),
        "## What is measured",
        text.markdown(registry),
    ]
    if item.citation or sources:
        parts += ["## Source"]
        parts += [prose(item.citation, registry)] if item.citation else []
        parts += ["\n".join(f"- `{name}`: {prose(source, registry)}" for name, source in sources)] if sources else []
    parts += ["## What it needs", _needs(item, registry)]
    if item.parameters:
        rows = [
            (f"`{name}`", f"`{_number(value)}`", _cell(text.entries("Parameters").get(name, ""), registry))
            for name, value in item.parameters.items()
        ]
        parts += ["## Thresholds and choices", _table(("name", "value", "what it decides"), rows)]
        parts += ["They are stamped on what is stored: where one changes, what was stored before is stale."]
    parts += ["## Arrays", _arrays(item.outputs, registry), _how_to_read(provided)]
    users = _read_by(item, registry)
    parts += [f"Other instruments read them: {', '.join(users)}."] if users else []
    shown = views_of(provided.id, registry)
    parts += ["## Views"]
    if shown:
        rows = [(_view_link(view), _cell(view.item.description, registry), _controls(view.item)) for view in shown]
        parts += [_table(("view", "what one sees", "controls"), rows)]
    else:
        parts += ["None yet: draw its arrays in a notebook."]
    return "\n\n".join(part for part in parts if part) + "\n"


def section_of_view(provided: Provided, registry: Registry) -> str:
    """Return what there is to say of a view."""
    view = provided.item
    draw = view.draw.func if isinstance(view.draw, functools.partial) else view.draw
    notes = (inspect.getdoc(draw) or "").partition("\n\n")[2]
    reads: dict[str, list[str]] = {}
    for read in view.reads:
        analyzer, _, array = read.partition("/")
        reads.setdefault(analyzer, []).append(array)
    read = "; ".join(
        "the training metrics" if name == METRICS else f"{_link(name, registry)}: {', '.join(f'`{a}`' for a in arrays)}"
        for name, arrays in reads.items()
    )
    controls = _control_rows(view)
    parts = [
        f"### {view.title} {{ #{_anchor(provided.id)} }}",
        f"`{provided.id}` · {'over the series' if view.series else 'at the epoch'} · reads {read}",
        prose(view.description, registry),
        Docstring.parse(notes).markdown(registry),
        _table(("control", "values", "what it does"), controls) if controls else "",
    ]
    return "\n\n".join(part for part in parts if part)


def kind_of(item: Any) -> str:
    """Return what an instrument measures at a time."""
    kinds = ((SeriesAnalyzer, "over the series"), (VariantsAnalyzer, "over variants"), (SlicedAnalyzer, "in slices"))
    return next((words for kind, words in kinds if isinstance(item, kind)), "per checkpoint")


def views_of(analyzer: str, registry: Registry) -> list[Provided]:
    """Return the views that read an analyzer's arrays."""
    return [
        view
        for view in registry.all("views").values()
        if any(read.partition("/")[0] == analyzer for read in view.item.reads)
    ]


@dataclass
class Docstring:
    """A google-style docstring: paragraphs, lists, and sections of named entries."""

    blocks: list[str] = field(default_factory=list)
    sections: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Docstring:
        """Return its parts; a block that begins with a word and a colon, and is then indented, is a section."""
        found = cls()
        for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
            head = re.match(r"([A-Z]\w*):\n(?= )", block)
            if head is None:
                found.blocks.append(block)
                continue
            entries = re.split(r"\n(?=\S)", textwrap.dedent(block[head.end() :]))
            named = (entry.partition(":") for entry in entries)
            found.sections[head[1]] = {name.strip(): " ".join(said.split()) for name, _, said in named}
        return found

    def entries(self, section: str) -> Mapping[str, str]:
        """Return a section; empty if there is none."""
        return self.sections.get(section, {})

    def markdown(self, registry: Registry) -> str:
        """Return all but the parameters, which have a table of their own."""
        parts = [prose(block, registry) for block in self.blocks if block]
        for section, entries in self.sections.items():
            if section != "Parameters":
                lines = [f"- `{name}`: {prose(said, registry)}" for name, said in entries.items()]
                parts.append(f"**{section}**\n\n" + "\n".join(lines))
        return "\n\n".join(parts)


def prose(text: str, registry: Registry) -> str:
    """Return plain text as markdown: ``code`` in double backticks, with links to instruments and views.

    All other characters mean themselves. A line that begins with a hyphen is one of a list.
    """
    parts = re.split(r"``(.+?)``", text, flags=re.DOTALL)
    done = [
        _code(" ".join(part.split()), registry) if index % 2 else re.sub(r"([\\`*_\[\]<>])", _escaped, part)
        for index, part in enumerate(parts)
    ]
    return "".join(done)


def _escaped(match: re.Match[str]) -> str:
    return {"<": "&lt;", ">": "&gt;"}.get(match[1], "\\" + match[1])


def _code(text: str, registry: Registry) -> str:
    name = text.partition("/")[0]
    if name in registry.all("analyzers"):
        return f"[`{text}`]({name}.md)"
    if name in registry.all("views"):
        return f"[`{text}`]({Path(VIEWS).name}#{_anchor(name)})"
    return f"`{text}`"


def _link(name: str, registry: Registry) -> str:
    return _code(name, registry)


def _view_link(provided: Provided) -> str:
    return f"[{provided.item.title}]({Path(VIEWS).name}#{_anchor(provided.id)})"


def _anchor(name: str) -> str:
    return name.replace(".", "-")


def _cell(text: str, registry: Registry) -> str:
    return _bars(prose(" ".join(text.split()), registry))


def _bars(text: str) -> str:
    """Return text for a cell: bars would end it; in code an entity would be shown as such, so a bar is escaped."""
    return text.replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _by_plugin(provided: Mapping[str, Provided]) -> dict[str, list[Provided]]:
    groups: dict[str, list[Provided]] = {}
    for each in provided.values():
        groups.setdefault(each.plugin, []).append(each)
    return groups


def _heading(plugin: str) -> str:
    return plugin.replace("_", " ").capitalize()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _facts(provided: Provided) -> str:
    item = provided.item
    module = type(item).__module__
    return (
        f"`{provided.id}` · measured {kind_of(item)} · version {item.version} · plug-in `{provided.plugin}` "
        f"({provided.distribution}, `{module}`)\n\n"
        f"    dynascope analyze -a {provided.id}"
    )


def _needs(item: Any, registry: Registry) -> str:
    """Return a list of what must be there; what differs in its name alone stands in one line."""
    lines: dict[str, list[str]] = {}
    for fact in item.needs:
        lines.setdefault("the family's context:", []).append(f"`{fact}`")
    for read in item.reads:
        line, name = _read(read, registry)
        lines.setdefault(line, []).append(name)
    said = [f"{line} {', '.join(filter(None, names))}".strip() for line, names in lines.items()]
    if item.probe_axes:
        said.append("a probe whose rows unfold to " + " and ".join(f"`{axis}`" for axis in item.probe_axes))
    elif not isinstance(item, (SeriesAnalyzer, VariantsAnalyzer)):
        said.append("any probe")
    return "\n".join(f"- {words}" for words in said)


def _read_by(item: Any, registry: Registry) -> list[str]:
    """Return links to the instruments that read an instrument's arrays."""
    (own,) = (name for name, provided in registry.all("analyzers").items() if provided.item is item)
    return [
        _link(name, registry)
        for name, provided in registry.all("analyzers").items()
        if any(isinstance(read, Stored) and read.analyzer == own for read in provided.item.reads)
    ]


def _read(read: Any, registry: Registry) -> tuple[str, str]:
    """Return what kind of thing is read, in words, and its name; no name for what there is one of."""
    if read == METRICS:
        return "the training metrics", ""
    if isinstance(read, str):
        return "the family's sites:", f"`{read}`"
    if isinstance(read, Stored):
        when = {None: "", "last": " at the last checkpoint", "every": " at every checkpoint"}[read.at]
        return f"stored by {_link(read.analyzer, registry)}{when}:", f"`{read.name}`"
    if isinstance(read, Gradient):
        at = read.at if isinstance(read.at, str) else getattr(read.at, "hook", "") or read.at.name
        return f"gradients of {_differentiated(read.of)}, at", f"`{at}`"
    if isinstance(read, Rows):
        return "facts of each row of the probe:", f"`{read.fact}`"
    if isinstance(read, Activation):
        return "activations:", f"`{read.hook}`"
    if isinstance(read, Weight):
        return "weights:", f"`{read.name}`"
    if isinstance(read, LossHessian):
        return f"products with the Hessian of {_differentiated(Loss(read.over))}", ""
    words = {
        AllWeights: "all weights",
        ForwardPass: "logits at weights of its own choice",
        Logits: "the logits at the answer position",
    }
    return words.get(type(read), str(read)), ""


def _differentiated(of: Loss | Logit) -> str:
    if isinstance(of, Loss):
        return "the loss over " + (f"the rows with `{of.over}`" if of.over else "all rows")
    return f"the logit of `{of.of}`" if isinstance(of.of, str) else "one logit of each row"


def _arrays(outputs: Mapping[str, Any], registry: Registry) -> str:
    rows = []
    for name, output in outputs.items():
        axes = ", ".join(
            f"{dim} (from {output.index_base[dim]})" if output.index_base.get(dim) else dim for dim in output.dims
        )
        kind = "text" if output.dtype == "str" else output.dtype
        rows.append(
            (
                f"`{name}`",
                "its own axis" if output.dims == (name,) else axes or "one number",
                f"{kind}, packed as {output.packed}" if output.packed else kind,
                "" if output.dtype == "str" else _cell(output.units, registry),
                _cell(output.description, registry),
            )
        )
    return _table(("array", "axes", "on disk", "unit", "what it is"), rows)


def _how_to_read(provided: Provided) -> str:
    item = provided.item
    if isinstance(item, VariantsAnalyzer):
        return ""
    numbers = [name for name, output in item.outputs.items() if output.dtype.startswith("float")]
    name = next(iter(numbers or item.outputs))
    whole = isinstance(item, SeriesAnalyzer)
    lines = [f'variant.artifacts.read("{provided.id}/{name}"{"" if whole else ", epoch"})']
    lines += [] if whole else [f'variant.artifacts.series("{provided.id}/{name}")']
    return "```python\n" + "\n".join(lines) + "\n```"


def _control_rows(view: Any) -> list[tuple[str, str, str]]:
    if view.controls is None:
        return []
    rows = []
    for name in view.controls.param:
        if name == "name":
            continue
        parameter = view.controls.param[name]
        objects = getattr(parameter, "objects", None)
        named_by_axis = not objects or len(objects) < 2
        values = "of the axis" if named_by_axis else ", ".join(f"`{value}`" for value in objects)
        default = "chosen by the view" if parameter.default is None else f"`{parameter.default}`"
        rows.append((f"`{name}`", f"{values}; by default {default}", _bars(parameter.doc or "")))
    return rows


def _controls(view: Any) -> str:
    return "; ".join(f"{name}: {doc}" if doc else name for name, _, doc in _control_rows(view))


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
