"""Work that outlives the process that started it: detached processes, recorded in the workspace (docs/jobs.md)."""

from __future__ import annotations

from dynascope.jobs.job import Job
from dynascope.jobs.jobs import Jobs

__all__ = ["Job", "Jobs"]
