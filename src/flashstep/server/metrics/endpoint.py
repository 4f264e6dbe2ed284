"""`GET /metrics` in the Prometheus text form, or as OpenMetrics where the scraper asks for it.

Versions and escapings in the Accept header are not looked at: each form is written in one version, and
the library's own negotiation fails on those that are no numbers.
"""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.requests import Request
from starlette.responses import Response


class MetricsEndpoint:
    """Shows a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def get(self, request: Request) -> Response:
        """All metrics as text; only OpenMetrics has room for the trace ids of examples."""
        if "application/openmetrics-text" in request.headers.get("accept", ""):
            text = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            media_type = openmetrics.CONTENT_TYPE_LATEST
        else:
            text, media_type = generate_latest(self._registry), CONTENT_TYPE_LATEST
        return Response(text, headers={"content-type": media_type})
