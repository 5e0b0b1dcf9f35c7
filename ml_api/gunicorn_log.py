"""Gunicorn's log, with the lines about requests in the form of all others."""

import time
from typing import Any

from gunicorn.glogging import Logger

ACCESS_FORMAT = '%(t)s %(p)s [INFO] %(h)s "%(r)s" %(s)s %(b)s bytes %(M)s ms'


class Log(Logger):  # type: ignore[misc]
    """The time as in other lines, and IPv4 addresses as people know them."""

    def now(self) -> str:
        """Write the time."""
        return time.strftime(self.datefmt)

    def atoms(self, *args: Any) -> dict[str, Any]:
        """Make the parts of a line; the server's one socket, of IPv6, calls 10.0.0.1 ::ffff:10.0.0.1."""
        atoms: dict[str, Any] = super().atoms(*args)
        return {**atoms, "h": atoms["h"].removeprefix("::ffff:"), "p": atoms["p"].replace("<", "[").replace(">", "]")}
