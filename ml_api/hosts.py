"""The host names that are answered: check them, say which URL to open, and refuse another."""

import re

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port

NAME = re.compile(r"\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE)


def checked(names: list[str]) -> list[str]:
    """Return the names of ALLOWED_HOSTS; raises ImproperlyConfigured where Django would never match one."""
    for name in names:
        if not NAME.fullmatch(name):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS has {name!r}. Not a host name: write it without scheme, port, path, blanks and quotes, "
                "such as models.example.org, .example.org, [::1] or *; several with commas."
            )
    return names


def url_to_open(port: int) -> str:
    """Write the URL of the main page, by a name that is answered: the first that is one, or localhost for *."""
    names = [name for name in settings.ALLOWED_HOSTS if not name.startswith((".", "*"))]
    return f"http://{(names or ['localhost'])[0]}:{port}{settings.FORCE_SCRIPT_NAME or ''}/lm"


def why_refused(host: str) -> str:
    """Say why a request's Host is refused, and what to do; without a password, as the log says it, too."""
    name = split_domain_port(host)[0]
    if not name:
        shown = re.sub(".*@", "...@", host)[:100]
        return f"The request's Host, {shown!r}, is no host name; ask by one that the setting ALLOWED_HOSTS lists."
    return (
        f"The host {name[:100]!r} is not answered here; to have it answered, add it to the setting ALLOWED_HOSTS, "
        "and start the server anew."
    )
