"""The programs in examples/, run as a user runs them, against a server whose model plays a script."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn

from flashstep.cli.model_path import BUILT_IN
from flashstep.errors import Overloaded
from flashstep.server.app import create_app
from flashstep.server.serve import bind
from flashstep.server.settings import ServerSettings
from flashstep.types import (
    AnswerRule,
    Event,
    Finish,
    Message,
    ReasoningDelta,
    SamplingParams,
    TextDelta,
    Tool,
    ToolCallDelta,
    Usage,
)

EXAMPLES = Path(__file__).parent.parent / "examples"
KEY = "a-key"


class ScriptedModel:
    """Plays fixed events: a call of the first tool, once; else some reasoning and `3`."""

    model_name = "scripted"
    fingerprint = "script"
    context_length = 1000
    vocab_size = 300
    max_concurrency = 8

    is_restarting = False

    def is_healthy(self) -> bool:
        return True

    async def chat(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        params: SamplingParams,
        *,
        rule: AnswerRule,
        trace_id: str,
        request_id: str,
    ) -> AsyncIterator[Event]:
        if "overload" in messages[-1].content:
            raise Overloaded("the queue is full")
        yield ReasoningDelta("s t r a w ")
        yield ReasoningDelta("b e r r y")
        if tools and messages[-1].role != "tool":
            yield ToolCallDelta(0, id="call_1", name=tools[0].name)
            yield ToolCallDelta(0, arguments=json.dumps({"city": "Paris"}))
            yield Finish("tool_calls", Usage(20, 8, 5))
        else:
            yield TextDelta("There are 3.")
            yield Finish("stop", Usage(20, 9, 5))


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    app = create_app(ScriptedModel(), settings=ServerSettings(api_keys=(KEY,)))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join()


def run_example(
    name: str, base_url: str, *arguments: str, key: str = KEY
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FLASHSTEP_BASE_URL": base_url, "FLASHSTEP_API_KEY": key, "no_proxy": "*"}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)


def load_demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_guide_prints_reasoning_answer_trace_id_and_time(base_url: str) -> None:
    done = run_example("guide.py", base_url)
    assert done.returncode == 0, done.stderr
    reasoning, answer = load_demo().parts(done.stdout)
    assert reasoning == "s t r a w b e r r y"
    assert answer == "There are 3."
    assert len(done.stdout.split("Trace ID: ")[1].split()[0]) == 32
    assert "Time: " in done.stdout


def test_the_guide_quotes_the_trace_id_of_a_refused_request(base_url: str) -> None:
    done = run_example("guide.py", base_url, key="wrong")
    assert done.returncode == 1
    assert "incorrect API key" in done.stderr
    assert "(trace id None)" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_guide_names_the_address_when_nobody_listens() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    done = run_example("guide.py", f"http://127.0.0.1:{port}/v1")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_streaming_ends_with_the_token_counts(base_url: str) -> None:
    done = run_example("stream.py", base_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "s t r a w b e r r yThere are 3.\n20 tokens in, 9 tokens out\n"


def test_the_tool_example_runs_the_function_and_lets_the_model_answer(base_url: str) -> None:
    done = run_example("tools.py", base_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '-> get_weather({"city": "Paris"})\nThere are 3.\n'


def test_the_offline_example_prints_an_answer_to_each_question() -> None:
    done = run_example("offline.py", "unused")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("  ") and line.strip() for line in lines[1::2])


def test_the_demo_gets_reasoning_and_the_right_answer_from_the_built_in_model() -> None:
    done = run_example("demo.py", "unused")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo: ok" in done.stdout


def test_the_built_in_model_is_a_complete_checkpoint_of_at_most_32_mib() -> None:
    names = {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    assert names <= {file.name for file in BUILT_IN.iterdir()}
    assert sum(file.stat().st_size for file in BUILT_IN.iterdir()) <= 32 << 20


def test_the_demo_finds_no_answer_in_the_output_of_a_failed_run() -> None:
    assert load_demo().parts("Reasoning:\nhalf a thou") == ("", "")


def test_every_example_is_run_by_a_test() -> None:
    assert {p.name for p in EXAMPLES.glob("*.py")} == {
        "demo.py",
        "guide.py",
        "offline.py",
        "stream.py",
        "tools.py",
    }
