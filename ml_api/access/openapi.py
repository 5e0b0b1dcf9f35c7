"""What the OpenAPI document says of keys and limits."""

from typing import Any

from django.conf import settings

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
NO_KEY = {"401": "There is no API key, or not one that is good", "403": "The API key has no right to it"}
TOO_OFTEN = {"429": "There were more requests than LM_RATE_LIMIT allows; Retry-After says when to ask again"}


def describe_access(document: dict[str, Any]) -> None:
    """Add to each operation that it wants a key, where there are keys, and how it is refused."""
    refusals: dict[str, str] = {}
    if settings.LM_API_KEYS:
        document["components"]["securitySchemes"] = SCHEMES
        refusals |= NO_KEY
    if settings.LM_RATE_LIMIT:
        refusals |= TOO_OFTEN
    for operations in document["paths"].values():
        for operation in operations.values():
            if settings.LM_API_KEYS:
                operation["security"] = [{scheme: []} for scheme in SCHEMES]
            for status, why in refusals.items():
                operation["responses"][status] = {"description": why, "content": PROBLEM}
