"""What stands for a collector of OpenTelemetry, and for Azure's Application Insights."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

KEY = "01234567-89ab-cdef-0123-456789abcdef"
CONNECTION_STRING = f"InstrumentationKey={KEY};IngestionEndpoint={{}}/"


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[tuple[dict[str, Any], Span]]:
        """What came by OTLP, each with what is said about its process."""
        found: list[tuple[dict[str, Any], Span]] = []
        for path, body in list(self.posted):
            assert path == "/v1/traces"
            for process in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = values(process.resource.attributes)
                found += [(resource, span) for scope in process.scope_spans for span in scope.spans]
        return found

    def envelopes(self, kind: str) -> list[dict[str, Any]]:
        """What came for Azure, of one kind."""
        found = [envelope for _, body in list(self.posted) for envelope in json.loads(body)]
        return [envelope for envelope in found if envelope["data"]["baseType"] == kind]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.posted.append((self.path, body))
        count = body.count(b'"baseType"')
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield server
        server.shutdown()


def values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
