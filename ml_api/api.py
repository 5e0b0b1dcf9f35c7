"""The one NinjaAPI: its documents, and how errors are answered."""

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from lm_app.api import router
from lm_app.errors import RequestError
from ml_api.problems import PROBLEM_JSON, problem_response, server_error

logger = logging.getLogger(__name__)


class API(NinjaAPI):
    """A NinjaAPI whose OpenAPI document tells the media type of our errors."""

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        """The OpenAPI document."""
        schema = super().get_openapi_schema(**kwargs)
        for path in schema["paths"].values():
            for operation in path.values():
                for status, answer in operation["responses"].items():
                    if status >= 400:
                        answer["content"] = {PROBLEM_JSON: answer["content"]["application/json"]}
        return schema


api = API(
    title="R linear models",
    version="1.0.0",
    description="Predictions of R linear models (`lm`), and what is known about the models.",
)
api.add_router("", router)


@api.exception_handler(RequestError)
def request_error(request: HttpRequest, error: RequestError) -> HttpResponse:
    """Our own errors know their status and title."""
    return problem_response(error.status, error.title, str(error))


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """A fault of ours: the traceback goes to the log, also with DEBUG."""
    logger.exception("%s %s failed", request.method, request.path)
    return server_error(request)
