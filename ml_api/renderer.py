"""How Ninja writes JSON."""

from typing import Any

import orjson
from django.http import HttpRequest
from ninja.renderers import BaseRenderer


class ORJSONRenderer(BaseRenderer):
    """JSON without Python's slow encoder; numbers in full precision."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """Write JSON."""
        return orjson.dumps(data)
