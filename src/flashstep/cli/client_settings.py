"""Settings that make common clients use a server of ours, ready to be copied.

A key is never printed, since what `serve` prints ends up in logs; its place is named instead.
"""

_NO_KEY = "none"  # clients insist on some key, also where the server asks for none
_KEY = "<your key>"


def client_settings(base_url: str, model: str, *, needs_key: bool) -> str:
    """Lines to copy, for the server at `base_url` (which ends in /v1) and the model's name."""
    base_url = base_url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    key = _KEY if needs_key else _NO_KEY
    header = f" -H 'Authorization: Bearer {key}'" if needs_key else ""
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "What is 48 + 75?"}}]}}'
    return f"""
# curl
curl {base_url}/chat/completions{header} -H 'Content-Type: application/json' \\
  -d '{body}'

# OpenAI SDKs and what is built on them (model: {model})
export OPENAI_BASE_URL={base_url} OPENAI_API_KEY='{key}'

# Claude Code
export ANTHROPIC_BASE_URL={base_url.removesuffix("/v1")} ANTHROPIC_AUTH_TOKEN='{key}'
export ANTHROPIC_MODEL={model} ANTHROPIC_DEFAULT_HAIKU_MODEL={model}

# Codex, in ~/.codex/config.toml{" (with the key in FLASHSTEP_API_KEY)" if needs_key else ""}
model = "{model}"
model_provider = "flashstep"
[model_providers.flashstep]
name = "flashstep"
base_url = "{base_url}"
wire_api = "responses"{_CODEX_KEY if needs_key else ""}
"""


_CODEX_KEY = '\nenv_key = "FLASHSTEP_API_KEY"'
