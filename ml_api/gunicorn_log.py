"""Gunicorn's log, with the lines about requests in the form of all others."""

import time
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from ml_api.observe.observed import observe

ACCESS_FORMAT = '%(t)s %(p)s [INFO] %(h)s "%(r)s" %(s)s %(b)s bytes %(M)s ms'


class Log(Logger):  # type: ignore[misc]
    """The time as in other lines, and IPv4 addresses as people know them."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Show the request to who writes requests down; gunicorn's workers call this after each."""
        super().access(resp, req, environ, request_time)
        observe(resp, environ, request_time)

    def now(self) -> str:
        """Write the time."""
        return time.strftime(self.datefmt)

    def atoms(self, *args: Any) -> dict[str, Any]:
        """Make the parts of a line; the server's one socket, of IPv6, calls 10.0.0.1 ::ffff:10.0.0.1."""
        atoms: dict[str, Any] = super().atoms(*args)
        return {**atoms, "h": atoms["h"].removeprefix("::ffff:"), "p": atoms["p"].replace("<", "[").replace(">", "]")}
