"""The analysis engine: what is missing, and one forward pass per checkpoint for all of it."""

from dynascope.analysis.plan import NotApplicable, Plan, Task, plan
from dynascope.analysis.run import analyze

__all__ = ["NotApplicable", "Plan", "Task", "analyze", "plan"]
