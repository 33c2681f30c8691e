"""What the plug-ins that are installed cannot show of a report."""

from __future__ import annotations

from dynascope.contract.report import Report
from dynascope.errors import DynascopeError, UnknownName
from dynascope.plugins.registry import Registry

__all__ = ["check_report"]


def check_report(report: Report, plugins: Registry) -> list[str]:
    """Return what the installed plug-ins cannot show of a report, a sentence for each; empty if all is well."""
    problems = []
    for name, block in report.views.items():
        provided = plugins.all("views").get(name)
        if provided is None:
            problems.append(str(UnknownName("view", name, plugins.all("views"))))
            continue
        controls = provided.item.controls
        known = sorted(set(controls.param) - {"name"}) if controls is not None else []
        problems += [
            f"{name}: {UnknownName(f'control of view {provided.name}', control, known)}"
            for control in block.controls
            if control not in known
        ]
    if report.probe is not None:
        try:
            plugins.choose(report.probe)
        except DynascopeError as error:
            problems.append(str(error))
    return problems
