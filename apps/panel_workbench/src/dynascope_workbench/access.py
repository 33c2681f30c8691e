"""Who may open the workbench: requests that name this machine, unless told otherwise.

The origin list of the server does not stop DNS rebinding nor a visitor on the network; the Host of each
request is checked here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["refusal"]

LOCAL = ("localhost", "127.0.0.1", "::1")


def refusal(headers: Mapping[str, str]) -> str | None:
    """Return why a request is refused, or None if it may go on.

    Args:
        headers: of the request. ``DYNASCOPE_ALLOWED_HOSTS`` (comma-separated, without ports) adds hosts to the
            local ones.
    """
    host = next((value for name, value in headers.items() if name.lower() == "host"), None)
    if host is None:  # no request: a notebook, a test, an export
        return None
    name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0]
    allowed = {*LOCAL, *(entry.strip().lower() for entry in os.environ.get("DYNASCOPE_ALLOWED_HOSTS", "").split(","))}
    if name.lower() in allowed - {""}:
        return None
    return (
        "This workbench serves only its own machine. "
        f"To use it as {name}, start it with DYNASCOPE_ALLOWED_HOSTS={name}."
    )
