"""The one NinjaAPI: its documents, and how errors are answered."""

import logging
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.operation import Operation
from ninja.renderers import BaseRenderer

from lm_app.api import models_router, router
from lm_app.errors import RequestError
from lm_app.openapi import describe_models
from lm_app.r_engine import RError
from lm_app.store import Damaged
from ml_api.problems import problem_response, server_error

logger = logging.getLogger(__name__)


class ORJSONRenderer(BaseRenderer):
    """JSON without Python's slow encoder."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """The JSON text; numbers in full precision."""
        return orjson.dumps(data)


class API(NinjaAPI):
    """A NinjaAPI whose OpenAPI document describes the models as they are now."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Unique, although a route is mounted twice; describe_models gives it a name."""
        return f"{operation.view_func.__name__} {id(operation)}"

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> Any:
        """The OpenAPI document."""
        prefix = path_prefix or self.get_root_path(path_params or {})
        document = super().get_openapi_schema(path_prefix=prefix, path_params=path_params)
        describe_models(document, f"/{prefix.strip('/')}/api")
        return document


api = API(
    title="R linear models",
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
    version="1.0.0",
    renderer=ORJSONRenderer(),
    servers=[{"url": "/", "description": "This server"}],
    description="Predictions of R linear models (`lm`), and what is known about the models.",
)
api.add_router("/api", router)
api.add_router("/api", models_router)
api.add_router("/api/models/{model}", router, url_name_prefix="model")


@api.exception_handler(RequestError)
def request_error(request: HttpRequest, error: RequestError) -> HttpResponse:
    """Our own errors know their status and title."""
    return problem_response(error.status, error.title, str(error), error.faults)


@api.exception_handler(RError)
def r_refused(request: HttpRequest, error: RError) -> HttpResponse:
    """The request passed our checks, but not R's: such as a number that factor(x) did not meet in training."""
    return problem_response(422, "R refused", f"R can't predict for this: {error}")


@api.exception_handler(Damaged)
def damaged(request: HttpRequest, error: Damaged) -> HttpResponse:
    """A file of the live version was changed since it was loaded."""
    logger.error("%s: %s", request.path, error)
    return problem_response(503, "Version damaged", f"{error}; train the model again, or roll it back.")


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """A fault of ours: the traceback goes to the log, also with DEBUG."""
    logger.exception("%s %s failed", request.method, request.path)
    return server_error(request)
