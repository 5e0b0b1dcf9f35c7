"""What gunicorn and runserver serve."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries

from ml_api.observe.request_id import HEADER, answering

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ml_api.settings")


class Request(WSGIRequest):
    """A request whose charset is its body's only, and never the query's, which is UTF-8.

    Django reads the query anew for each charset, before any handler of errors is there.
    """

    encoding = None  # type: ignore[override]

    def __init__(self, environ: dict[str, Any]) -> None:
        """Make it; a body in chunks is read, too, where the server knows its end. Django asks for a length."""
        super().__init__(environ)
        if "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
            self._stream = LimitedStream(environ["wsgi.input"], most)  # type: ignore[assignment]


django_application = get_wsgi_application()
django_application.request_class = Request


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with Django; the request's id is in the response, and in the lines of the log meanwhile."""
    with answering(environ) as request_id:

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            headers.append((HEADER, request_id))
            return start_response(status, headers, exc_info)

        return django_application(environ, start)


# Each request sets its URLs anew; to reset them at its end takes as long as a prediction.
request_finished.disconnect(reset_urlconf)
# Skip the housekeeping of databases and caches in each request. Undo when either is configured: docs/decisions/0005.
request_started.disconnect(reset_queries)
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_old_connections)
if settings.CACHES["default"]["BACKEND"].endswith("locmem.LocMemCache"):  # which has nothing to close
    request_finished.disconnect(close_caches)
