"""``python -m dynascope_workbench WORKSPACE``: serve the workbench on this machine. ``dynascope serve`` calls it."""

from __future__ import annotations

import argparse
import logging
import sys

import panel as pn
from tornado.websocket import WebSocketClosedError

from dynascope_workbench import workbench

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _not_a_closed_tab(record: logging.LogRecord) -> bool:
    """Leave out what the server logs when a tab was closed while it was being sent something."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, WebSocketClosedError)


def main() -> None:
    """Parse the arguments, print the address, and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m dynascope_workbench", description="Serve the workbench.")
    parser.add_argument("workspace", nargs="?", help="the workspace; found as by `dynascope` if left out")
    parser.add_argument("--address", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=5006)
    parser.add_argument("--open", action="store_true", help="open a browser")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("asyncio").addFilter(_not_a_closed_tab)
    if options.address not in LOOPBACK:
        print(
            f"Warning: listening on {options.address} lets others on the network in, and there is no password. "
            "Name the hosts that may be used in DYNASCOPE_ALLOWED_HOSTS.",
            file=sys.stderr,
        )
    try:
        server = pn.serve(
            {"panel_workbench": lambda: workbench(options.workspace)},
            address=options.address,
            port=options.port,
            show=options.open,
            start=False,
            verbose=False,
            title="Dynascope",
            websocket_origin="*" if options.address not in LOOPBACK else None,
        )
    except OSError as error:
        print(
            f"Error: could not listen on {options.address}:{options.port}: {error.strerror}. Choose another --port.",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    print(f"Dynascope is at http://{options.address}:{server.port}/panel_workbench (stop it with Ctrl-C)", flush=True)
    try:
        server.run_until_shutdown()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
