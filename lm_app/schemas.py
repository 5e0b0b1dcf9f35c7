"""What the API answers, as types: OpenAPI documents are made of them."""

from typing import Any

from ninja import Field, Schema

Key = float | str | bool | list[Any] | dict[str, Any] | None
"""The value of one key of model_info.json: any JSON."""


class Problem(Schema):
    """An error (RFC 9457)."""

    type: str = Field("about:blank", description="A URI that names the kind of problem.")
    title: str
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong, what is allowed, and what to do.")
