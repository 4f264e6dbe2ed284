"""`/openapi.json` describes every route, is well formed, and says what the server checks."""

import json
from collections.abc import Iterator

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute

from flashstep.errors import InvalidRequest
from flashstep.server.app import create_app
from flashstep.server.openapi.common_forms import SAMPLING_RANGES
from flashstep.server.settings import ServerSettings
from flashstep.types import SamplingParams
from server.running_server import PlayedModel, ask, serving

METHODS = {"get", "head", "post", "put", "patch", "delete", "options"}


@pytest.fixture
def document(server) -> dict:
    response = server.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    return response.json()


def operations(document: dict) -> Iterator[tuple[str, str, dict]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_is_openapi(document):
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_route_is_described_with_all_its_methods(document):
    app = create_app(PlayedModel(), settings=ServerSettings())
    routes = {
        (route.path.replace(":path", ""), method.lower())
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert routes == {(path, method) for path, method, _ in operations(document)}
    assert not [
        f"{method} {path}: give its route an Operation, see server/openapi/operations.py"
        for path, method, operation in operations(document)
        if "summary" not in operation
    ]


def test_operation_ids_are_unique_and_references_lead_somewhere(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    names = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert names <= document["components"]["schemas"].keys()
    assert not [name for name in document["components"]["schemas"] if "__" in name]


def test_every_post_has_a_body_and_error_objects(document):
    for path, method, operation in operations(document):
        if method == "post" and "{" not in path:
            assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"], path
            assert {"400", "413"} <= operation["responses"].keys(), path
        error = operation["responses"]["503"]["content"]["application/json"]["schema"]["$ref"]
        assert error.endswith("AnthropicError" if "/messages" in path else "Error"), path


def test_streams_are_described_event_by_event(document):
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"):
        content = document["paths"][path]["post"]["responses"]["200"]["content"]
        event = content["text/event-stream"]["schema"]
        assert event["properties"]["data"]["anyOf"][0]["contentSchema"], path


def test_an_open_server_asks_for_no_key_and_a_closed_one_everywhere_but_for_probes(document):
    assert all(operation["security"] == [] for _, _, operation in operations(document))
    with serving(PlayedModel(), ServerSettings(api_keys=("secret-key",))) as server:
        headers = {"Authorization": "Bearer secret-key"}
        closed = server.get("/openapi.json", headers=headers).json()
        for path, method, operation in operations(closed):
            is_closed = operation["security"] != []
            assert ("401" in operation["responses"]) == is_closed, path
            if method == "get" and "{" not in path:
                assert (server.get(path).status_code == 401) == is_closed, path
    assert {path for path, _, operation in operations(closed) if not operation["security"]} >= {"/health"}
    assert closed["components"]["securitySchemes"].keys() == {"bearer", "api_key"}


def test_the_models_are_those_that_are_served(document):
    model = document["components"]["schemas"]["ChatRequest"]["properties"]["model"]
    assert model["enum"] == ["flashstep-nano", "step-3.5-flash"]


def test_json_mode_is_in_the_document_only_where_it_is_on(document):
    off = document["components"]["schemas"]["ResponseFormat"]["properties"]["type"]
    assert off == {"const": "text"}
    with serving(PlayedModel(), ServerSettings(json_mode=True)) as server:
        schemas = server.get("/openapi.json").json()["components"]["schemas"]
    assert "json_schema" in schemas["ResponseFormat"]["properties"]["type"]["enum"]


@pytest.mark.parametrize("name", [n for n in SAMPLING_RANGES if n not in ("top_k", "top_logprobs")])
def test_the_ranges_are_those_that_are_checked(server, name):
    limits = SAMPLING_RANGES[name]
    highest = limits["maximum"]
    lowest = limits.get("minimum", limits.get("exclusiveMinimum"))
    field = "max_tokens" if name.startswith("max_") else name
    SamplingParams(**{field: highest})
    with pytest.raises(InvalidRequest):
        SamplingParams(**{field: highest + 1})
    if lowest is None:
        return
    with pytest.raises(InvalidRequest):
        SamplingParams(**{field: lowest - 1})
    if "minimum" in limits:
        SamplingParams(**{field: lowest})
    else:
        with pytest.raises(InvalidRequest):
            SamplingParams(**{field: lowest})


@pytest.mark.parametrize(
    ("top_k", "status"), [(-2, 400), (-1, 200), (0, 200), (1 << 31, 200), ((1 << 31) + 1, 400)]
)
def test_top_k_has_the_range_that_is_written(server, top_k, status):
    assert server.post(ask(top_k=top_k)).status_code == status


def test_an_integer_may_be_written_with_a_point(server):
    assert server.post(ask(max_tokens=16.0, top_k=3.0, seed=1.0)).status_code == 200
    assert server.model.calls[0].params.max_tokens == 16
    assert server.post(ask(max_tokens=16.5)).status_code == 400
