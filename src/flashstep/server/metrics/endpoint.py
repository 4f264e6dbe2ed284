"""`GET /metrics` in the Prometheus text form, or as OpenMetrics where the scraper asks for it."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response


class MetricsEndpoint:
    """Shows a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def get(self, request: Request) -> Response:
        """All metrics as text; only OpenMetrics has room for the trace ids of examples."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": media_type})
