"""A workbench that forgets closed tabs at once, and prints how many pages are alive when it is sent SIGUSR1."""

import gc
import signal
import sys

import panel as pn

from dynascope_workbench.explore import Explore
from dynascope_workbench.jobs.list import JobList
from dynascope_workbench.jobs.running import RunningJobs
from dynascope_workbench.page import Workbench, workbench
from dynascope_workbench.plugins import Plugins
from dynascope_workbench.session import Session
from dynascope_workbench.train import Train

KINDS = (Session, Workbench, Explore, Train, JobList, Plugins, RunningJobs)


def count(*_):
    for _ in range(3):
        gc.collect()
    found = gc.get_objects()
    print("alive", *(f"{kind.__name__}={sum(type(one) is kind for one in found)}" for kind in KINDS), flush=True)


signal.signal(signal.SIGUSR1, count)
server = pn.serve(
    {"panel_workbench": lambda: workbench(sys.argv[1])}, port=0, show=False, start=False, verbose=False,
    unused_session_lifetime_milliseconds=4_000, check_unused_sessions_milliseconds=500,
)  # fmt: skip
print(f"at http://127.0.0.1:{server.port}/panel_workbench", flush=True)
server.run_until_shutdown()
