"""Each request as a span of OpenTelemetry, with its time in R. Imported only where the settings ask for it."""

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http.request import split_domain_port
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from ml_api.observe.observed import ROUTE, Observed, observers

SECONDS_TO_FLUSH = 3
"""How long a worker that ends goes on sending what it has."""
SECONDS_TO_SEND = 10
"""How long Azure has to take one batch, as long as OTLP's exporter gives by default."""
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
"""That the conventions know; a client may make up any other."""
NOT_OF_AZURE = (
    "STATSBEAT_DISABLED_ALL",  # figures of its exporter about itself, to Microsoft
    "SDKSTATS_DISABLED",  # the same, to the own resource
    "CONTROLPLANE_DISABLED",  # settings that it would ask Microsoft for
    "OPENTELEMETRY_RESOURCE_METRIC_DISABLED",  # a metric in each batch, about a provider that is not ours
)
TRACE_CONTEXT = TraceContextTextMapPropagator()


exporters: list[SpanExporter] = []
"""Where spans go, as prepare() has found."""


def prepare() -> None:
    """Make the exporters that the settings ask for; raises ImportError where a package is missing.

    Workers inherit them. Nothing runs yet.
    """
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporters.append(OTLPSpanExporter())
    if settings.APPLICATIONINSIGHTS_CONNECTION_STRING:
        for what in NOT_OF_AZURE:
            os.environ.setdefault(f"APPLICATIONINSIGHTS_{what}", "true")
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

        azure = AzureMonitorTraceExporter(
            connection_string=settings.APPLICATIONINSIGHTS_CONNECTION_STRING,
            disable_offline_storage=True,  # the queue in memory is bounded, and the disk may be read-only
            timeout=SECONDS_TO_SEND,
            read_timeout=SECONDS_TO_SEND,
        )
        exporters.append(azure)


def start() -> Callable[[], None]:
    """Have threads send a span for each request from now on; returns what ends that. Never before the fork."""
    own = Resource.create({"service.name": "lm-api", "service.version": settings.LM_SOFTWARE_VERSION})
    resource = own.merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME goes before our name
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("ml_api", settings.LM_SOFTWARE_VERSION)
    observers.append(partial(trace, tracer))

    def end() -> None:
        """Send what is left; the processors' own limit is 30 s each."""
        flush = threading.Thread(target=provider.shutdown, daemon=True)
        flush.start()
        flush.join(SECONDS_TO_FLUSH)

    return end


def trace(tracer: Tracer, observed: Observed, environ: Mapping[str, Any]) -> None:
    """Make the spans of a request that has ended."""
    end, measured = nanoseconds(observed.time), observed.measured
    carrier = {name: environ.get(f"HTTP_{name.upper()}", "") for name in TRACE_CONTEXT.fields}
    attributes = attributes_of(observed, environ)
    method = attributes["http.request.method"]
    route = attributes.get("http.route", "")
    span = tracer.start_span(
        f"{'HTTP' if method == '_OTHER' else method} {route}".rstrip(),
        TRACE_CONTEXT.extract(carrier, Context()),
        SpanKind.SERVER,
        attributes,
        start_time=end - nanoseconds(observed.seconds),
    )
    if measured and measured.r_seconds and span.is_recording():
        # When R began is not known, only how long it took; writing the response takes less than reading the request.
        began = end - nanoseconds(measured.r_seconds)
        tracer.start_span("R", set_span_in_context(span, Context()), start_time=began).end(end)
    if observed.status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end(end)


def attributes_of(observed: Observed, environ: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Describe a request by the semantic conventions for HTTP, without its query, which may be about people."""
    method, measured = observed.method, observed.measured
    scheme, _ = settings.SECURE_PROXY_SSL_HEADER or ("", "")  # App Service's
    attributes: dict[str, AttributeValue] = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "http.response.status_code": observed.status,
        "http.response.body.size": observed.size,
        "url.scheme": environ.get(scheme, environ["wsgi.url_scheme"]),
        "url.path": quote(observed.path),
        "lm.request_id": observed.id,
        "server.address": split_domain_port(environ.get("HTTP_HOST", ""))[0],
    }
    if ROUTE in environ:
        attributes["http.route"] = f"/{observed.route}"
    if observed.status >= 500:
        attributes["error.type"] = str(observed.status)
    if measured:
        attributes |= {"lm.model": measured.model, "lm.version": measured.version, "lm.rows": measured.rows}
        attributes["lm.r_seconds"] = measured.r_seconds  # Azure cuts what a span takes to milliseconds
    return attributes


def nanoseconds(seconds: float) -> int:
    """As OpenTelemetry counts."""
    return int(seconds * 1e9)
