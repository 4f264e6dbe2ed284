"""Keys as calls send them: which header, which name, what a refusal says."""

from datetime import date

import pytest

from flashstep.server.keys.api_key import ApiKey, KeyLimits, hash_of, new_secret
from flashstep.server.keys.key_file import add_key
from flashstep.server.settings import ServerSettings
from server.limits.keyed import serving_keys
from server.running_server import PlayedModel, serving


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    with serving_keys(tmp_path_factory.mktemp("keys"), {"ci": KeyLimits()}, api_keys=("plain",)) as running:
        yield running


def test_a_key_is_accepted_in_either_header(keyed):
    secret = keyed.headers["ci"]["Authorization"].removeprefix("Bearer ")
    for headers in (
        {"Authorization": f"Bearer {secret}"},
        {"authorization": f"bearer  {secret}"},
        {"x-api-key": secret},
        {"x-api-key": "plain", "Authorization": "Basic abc"},
    ):
        assert keyed.server.get("/v1/models", headers=headers).status_code == 200, headers


def test_the_standard_header_goes_first(keyed):
    headers = {"Authorization": "Bearer wrong", "x-api-key": "plain"}
    assert keyed.server.get("/v1/models", headers=headers).status_code == 401


def test_a_refusal_says_which_headers_and_which_keys_are_meant_here(keyed):
    """A key of another host used to get a bare 401."""
    refused = keyed.server.get("/v1/models", headers={"Authorization": "Bearer sk-of-another-host"})
    assert refused.status_code == 401
    message = refused.json()["error"]["message"]
    assert "'Authorization: Bearer <key>' or 'x-api-key: <key>'" in message
    assert "begin with 'fs-'" in message
    assert "sk-of-another-host" not in refused.text


def test_the_messages_api_refuses_in_its_own_form(keyed):
    refused = keyed.server.post({}, "/v1/messages")
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "authentication_error"


def test_an_expired_key_is_told_from_a_wrong_one(tmp_path):
    secret = new_secret()
    add_key(tmp_path / "k", ApiKey(name="guest", sha256=hash_of(secret), expires=date(2020, 2, 29)))
    with serving(PlayedModel(), ServerSettings(api_key_file=tmp_path / "k")) as server:
        refused = server.get("/v1/models", headers={"x-api-key": secret})
    assert refused.status_code == 401
    assert "'guest' was valid until 2020-02-29" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json", "/metrics"])
def test_what_probes_and_scrapers_ask_for_needs_no_key(keyed, path):
    assert keyed.server.get(path).status_code == 200


def test_metrics_can_be_kept_for_those_with_a_key(tmp_path):
    with serving_keys(tmp_path, {"ci": KeyLimits()}, protect_metrics=True) as keyed:
        assert keyed.server.get("/metrics").status_code == 401
        assert keyed.server.get("/metrics", headers=keyed.headers["ci"]).status_code == 200
