"""What the router makes of paths and methods: slashes, HEAD, OPTIONS, unknown ones."""

import httpx
import pytest

from flashstep.server.settings import ServerSettings
from server.running_server import PlayedModel, ask, serving

READABLE = ("/v1/models", "/v1/models/step-3.5-flash", "/health", "/openapi.json")


@pytest.mark.parametrize("path", READABLE)
def test_head_is_get_without_the_body(server, path):
    whole, head = server.get(path), httpx.head(server.url + path, timeout=20)
    assert head.status_code == whole.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/", "/v1//chat/completions", "//v1/chat/completions", "/v1/v1/chat/completions",
        "/step_plan/v1/v1/chat/completions",
    ],
)  # fmt: skip
def test_a_careless_slash_is_no_other_path(server, path):
    assert server.post(ask(), path=path).status_code == 200


@pytest.mark.parametrize("path", [f"{path}/" for path in READABLE])
def test_a_slash_at_the_end_is_no_other_path(server, path):
    assert server.get(path).json().keys() == server.get(path.removesuffix("/")).json().keys()


def test_a_doubled_slash_does_not_get_around_the_keys():
    with serving(PlayedModel(), ServerSettings(api_keys=("secret-key",))) as server:
        for path in ("//v1/models", "/v1/models/", "/health/../v1/models", "/health//v1/models"):
            assert server.get(path).status_code in (401, 404), path
        assert server.get("/health/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("HEAD", "/v1/completions", "POST"),
        ("PUT", "/v1/messages", "POST"),
        ("DELETE", "/tokenize", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/v1/models", "GET, HEAD"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("TRACE", "/v1/chat/completions", "POST"),
    ],
)
def test_a_wrong_method_is_told_which_are_right(server, method, path, allow):
    response = httpx.request(method, server.url + path, timeout=20)
    assert response.status_code == 405
    assert sorted(response.headers["allow"].split(", ")) == allow.split(", ")
    assert len(response.headers["x-trace-id"]) == 32


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v2/models", "/docs"])
def test_what_is_not_there_is_404_with_an_error_object(server, path):
    response = server.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "path_not_found"
