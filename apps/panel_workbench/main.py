"""What `panel serve apps/panel_workbench` runs, once per browser tab. The app is the package dynascope_workbench."""

import sys

from dynascope_workbench import workbench

workbench(sys.argv[1] if len(sys.argv) > 1 else None).servable()
