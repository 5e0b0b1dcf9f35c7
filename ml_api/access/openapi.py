"""What the OpenAPI document says of keys and limits."""

from typing import Any

from django.conf import settings

from ml_api.access.limits import too_many
from ml_api.access.middleware import forbidden, unauthorized
from ml_api.problems import PROBLEM_JSON, ProblemResponse

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
PROBLEM = {"$ref": "#/components/schemas/Problem"}
NO_KEY, NO_RIGHT = "There is no API key, or not one that is good", "The API key has no right to it"
TOO_OFTEN = "There were more requests than LM_RATE_LIMIT allows; Retry-After says when to ask again"


def describe_access(document: dict[str, Any]) -> None:
    """Add to each operation that it wants a key, where there are keys, and how it is refused."""
    refusals: dict[str, tuple[str, ProblemResponse]] = {}
    if settings.LM_API_KEYS:
        document["components"]["securitySchemes"] = SCHEMES
        refusals["401"] = NO_KEY, unauthorized({})
        refusals["403"] = NO_RIGHT, forbidden("alice", "the right 'read' about all models")
    if settings.LM_RATE_LIMIT:
        refusals["429"] = TOO_OFTEN, too_many(settings.LM_RATE_LIMIT[0], "192.0.2.1", seconds=5)
    for operations in document["paths"].values():
        for operation in operations.values():
            if settings.LM_API_KEYS:
                operation["security"] = [{scheme: []} for scheme in SCHEMES]
            for status, (why, example) in refusals.items():
                content = {PROBLEM_JSON: {"schema": PROBLEM, "example": example.problem}}
                operation["responses"][status] = {"description": why, "content": content}
