"""The settings that `serve` prints for clients: right addresses, valid forms, no key."""

import json
import re
import shlex
import tomllib

import pytest

from flashstep.cli.client_settings import client_settings

URL = "http://127.0.0.1:8123/v1"


@pytest.mark.parametrize("needs_key", [False, True])
def test_each_client_is_pointed_at_the_server(needs_key: bool) -> None:
    text = client_settings(URL, "step-3.5-flash", needs_key=needs_key)
    exports = dict(
        word.split("=", 1)
        for line in text.splitlines()
        if line.startswith("export ")
        for word in shlex.split(line)[1:]
    )
    key = "<your key>" if needs_key else "none"
    assert exports == {
        "OPENAI_BASE_URL": URL,
        "OPENAI_API_KEY": key,
        "ANTHROPIC_BASE_URL": URL.removesuffix("/v1"),
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_MODEL": "step-3.5-flash",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "step-3.5-flash",
    }


@pytest.mark.parametrize("needs_key", [False, True])
def test_the_curl_line_is_a_command_with_a_json_body(needs_key: bool) -> None:
    text = client_settings(URL, "step-3.5-flash", needs_key=needs_key)
    words = shlex.split(re.search(r"^curl .*?'$", text, re.DOTALL | re.MULTILINE)[0])
    assert words[1] == f"{URL}/chat/completions"
    assert json.loads(words[-1])["model"] == "step-3.5-flash"
    assert ("Authorization: Bearer <your key>" in words) is needs_key


@pytest.mark.parametrize("needs_key", [False, True])
def test_the_codex_lines_are_toml(needs_key: bool) -> None:
    text = client_settings(URL, "step-3.5-flash", needs_key=needs_key)
    config = tomllib.loads(text[text.index("model = ") :])
    provider = config["model_providers"][config["model_provider"]]
    assert (provider["base_url"], provider["wire_api"]) == (URL, "responses")
    assert ("env_key" in provider) is needs_key


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")])
def test_a_server_on_all_addresses_is_reached_at_the_local_one(host: str, shown: str) -> None:
    text = client_settings(f"http://{host}:8000/v1", "m", needs_key=False)
    assert host + ":8000" not in text
    assert f"http://{shown}:8000/v1" in text
