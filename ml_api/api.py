"""The one NinjaAPI: its documents, and how errors are answered."""

import logging
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.operation import Operation

from lm_app.api import client_router, code_router, models_router, predict_router, router, value_router, versions_router
from lm_app.errors import LmError
from lm_app.examples import add_examples
from lm_app.openapi import describe_models
from ml_api.access.openapi import describe_access
from ml_api.problems import CONTENT_SECURITY_POLICY, ProblemResponse, problem_response, server_error, told
from ml_api.renderer import ORJSONRenderer
from ml_api.version import VERSION

logger = logging.getLogger(__name__)

DEFAULT_MODEL, ANY_MODEL = ["default model"], ["any model"]  # tags


def problem_of(error: LmError) -> ProblemResponse:
    """Make the problem document of an error of ours."""
    return problem_response(error.status, str(error), error.errors, error.headers)


class Docs(Swagger):
    """Swagger UI on a page of ours. Its style sheet has pictures in it."""

    template = "lm_app/docs.html"

    def render_page(self, request: HttpRequest, api: NinjaAPI, **path_parameters: Any) -> HttpResponse:
        """Render the page, and let it have pictures in URLs, and style sheets."""
        response = super().render_page(request, api, **path_parameters)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace("img-src", "img-src data:")
        return response


class API(NinjaAPI):
    """A NinjaAPI whose OpenAPI document describes the models as they are now."""

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """Make the response that Ninja fills with data, but only if it does: predictions come as responses."""
        return cast(HttpResponse, SimpleLazyObject(partial(super().create_temporal_response, request)))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Name an operation, apart for the two places where its router is mounted."""
        return f"{operation.view_func.__name__}{'_of_model' if operation.tags == ANY_MODEL else ''}"

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> Any:
        """Make the OpenAPI document."""
        prefix = path_prefix or self.get_root_path(path_params or {})
        document = super().get_openapi_schema(path_prefix=prefix, path_params=path_params)
        mount = f"/{prefix.strip('/')}/api"
        describe_models(document, mount)
        add_examples(document["paths"], mount, lambda error: problem_of(error).problem)
        describe_access(document)
        return document


api = API(
    title="R linear models",
    docs=Docs(),
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
    version=VERSION,
    urls_namespace="api",
    renderer=ORJSONRenderer(),
    servers=[{"url": "/", "description": "This server"}],
    description="Predictions of R linear models (`lm`), and what is known about the models.",
)
api.add_router("/api/predict/{value}", value_router, tags=DEFAULT_MODEL)
api.add_router("/api", predict_router, tags=DEFAULT_MODEL)
api.add_router("/api/models/{model}/predict/{value}", value_router, url_name_prefix="model", tags=ANY_MODEL)
api.add_router("/api/models/{model}", predict_router, url_name_prefix="model", tags=ANY_MODEL)
api.add_router("/api", router, tags=DEFAULT_MODEL)
api.add_router("/api", versions_router, tags=DEFAULT_MODEL)
api.add_router("/api", models_router)
api.add_router("/api", client_router)
api.add_router("/api/models/{model}", router, url_name_prefix="model", tags=ANY_MODEL)
api.add_router("/api/models/{model}", code_router, url_name_prefix="model", tags=ANY_MODEL)
api.add_router("/api/models/{model}", versions_router, url_name_prefix="model", tags=ANY_MODEL)


@api.exception_handler(LmError)
def lm_error(request: HttpRequest, error: LmError) -> HttpResponse:
    """Answer an error of ours with its status; the log has those that an operator can mend."""
    response = problem_of(error)
    if error.status < 500:
        return response
    logger.error("%s: %s", path_of(request), error)
    return told(response)


@api.exception_handler(TooManyFieldsSent)
def too_many_parameters(request: HttpRequest, error: TooManyFieldsSent) -> HttpResponse:
    """Answer a query or a form that Django does not read."""
    most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    return problem_response(400, f"There are more than {most} parameters; send no more than the model has.")


@api.exception_handler(UnreadablePostError)
def broken_off(request: HttpRequest, error: UnreadablePostError) -> HttpResponse:
    """Answer, for form's sake, a client that went away while it sent its body."""
    logger.warning("%s: the client broke off its body: %s", path_of(request), error)
    return problem_response(400, "The body was broken off.")


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer a bug of ours; the traceback goes to the log, also with DEBUG."""
    logger.exception("%s %s failed", request.method, path_of(request))
    return server_error(request)


def path_of(request: HttpRequest) -> str:
    """Write the path for the log: escaped, so that a client's line feed starts no line there."""
    return escape_uri_path(request.path)[:200]
