"""Whatever a body holds, the server answers it: no 5xx, no hung connection, and an error that says why."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashstep.server.settings import ServerSettings
from server.fuzz.bodies import BODIES, mutated, written
from server.running_server import ask, serving
from server.scripted_model import scripted

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
DEEP = settings(QUICK, max_examples=600)
ANSWER = (
    "Thinking.\n</think>\nthere <tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
    "<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>"
)


@pytest.fixture(scope="module")
def url():
    model, _ = scripted(ANSWER)
    with serving(model, ServerSettings(json_mode=True)) as server:
        yield server.url


@pytest.fixture(scope="module")
def client(url):
    with httpx.Client(base_url=url, timeout=20) as client:
        yield client


def check(client, path, content):
    """One request; its answer is complete, and right in form."""
    response = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400, 404, 413), response.text
    assert response.headers["x-trace-id"]
    kind = response.headers["content-type"]
    if response.status_code != 200:
        assert response.json()["error"]["message"].strip()
    elif kind.startswith("text/event-stream"):
        assert response.content.endswith(b"\n\n")
        events = [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]
        assert all(event == "[DONE]" or json.loads(event) for event in events)
    else:
        response.json()


@pytest.mark.parametrize("path", BODIES)
@QUICK
@given(data=st.data())
def test_a_valid_body_with_wrong_parts_is_answered(client, path, data):
    check(client, path, written(data.draw(mutated(BODIES[path]))))


@pytest.mark.parametrize("path", BODIES)
@settings(QUICK, max_examples=15)
@given(data=st.data())
def test_a_valid_body_with_wrong_bytes_is_answered(client, path, data):
    content = bytearray(written(BODIES[path][0]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    check(client, path, bytes(content))


@QUICK
@given(content=st.binary(max_size=60))
def test_any_bytes_are_answered(client, content):
    check(client, "/v1/chat/completions", content)


@pytest.mark.slow
@pytest.mark.parametrize("path", BODIES)
@DEEP
@given(data=st.data())
def test_hundreds_of_wrong_bodies_are_answered(client, path, data):
    check(client, path, written(data.draw(mutated(BODIES[path]))))


def test_afterwards_the_server_answers_as_before(client):
    answer = client.post("/v1/chat/completions", json=ask(max_tokens=100))
    assert answer.json()["choices"][0]["message"]["content"].startswith("there")
    assert client.get("/ready").status_code == 200
