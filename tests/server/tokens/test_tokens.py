"""Counting, encoding and decoding over HTTP, with a real tokenizer and template."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import RunningServer, serving

MESSAGES = [{"role": "user", "content": "How many r are in strawberry?"}]
TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["how many"], 400), path, builtin_template())
    tokenizer = Tokenizer.load(path)
    backend = ScriptedBackend(tokenizer, ["so\n</think>\n3"], model_name="flashstep-nano")
    template = ChatTemplate(builtin_template(), tokenizer)
    with serving(ChatModel(backend, tokenizer, template, frozenset()), ServerSettings()) as server:
        yield server


def post(server: RunningServer, path: str, **body) -> dict:
    response = server.post(body, path)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("tools", [None, TOOLS])
def test_the_count_is_what_the_answer_s_usage_says(served, tools):
    wish = {"model": "step-3.5-flash", "messages": MESSAGES} | ({"tools": tools} if tools else {})
    counted = post(served, "/v1/token/count", **wish)
    assert counted == {
        "data": {"total_tokens": post(served, "/v1/chat/completions", **wish)["usage"]["prompt_tokens"]}
    }


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_text_goes_to_ids_and_back(served, prefix):
    text = "How many r's? 多少 🍓"
    encoded = post(served, f"{prefix}/tokenize", prompt=text, return_token_strs=True)
    assert encoded["count"] == len(encoded["tokens"]) == len(encoded["token_strs"])
    assert encoded["max_model_len"] == served.model.context_length
    assert encoded["token_strs"][0] == "How"[: len(encoded["token_strs"][0])]
    assert post(served, f"{prefix}/detokenize", tokens=encoded["tokens"]) == {"prompt": text}


def test_the_texts_of_many_tokens_are_not_made_in_the_event_loop(served, monkeypatch):
    model, threads = served.model, set()
    detokenize = model.detokenize

    def spied(token_ids):
        threads.add(threading.current_thread().name)
        return detokenize(token_ids)

    monkeypatch.setattr(model, "detokenize", spied)
    post(served, "/tokenize", prompt="how many", return_token_strs=True)
    assert len(threads) == 1
    assert threads.pop().startswith("flashstep-long-prompts")


def test_a_conversation_becomes_its_prompt(served):
    encoded = post(served, "/tokenize", model="step-3.5-flash", messages=MESSAGES)
    assert "token_strs" not in encoded
    prompt = post(served, "/detokenize", tokens=encoded["tokens"])["prompt"]
    assert "<|im_start|>user\nHow many r are in strawberry?" in prompt
    assert post(served, "/tokenize", prompt=prompt)["tokens"] == encoded["tokens"]


def test_the_beginning_of_an_answer_can_be_left_out(served):
    whole, bare = (
        post(served, "/tokenize", messages=MESSAGES, add_generation_prompt=begun)["tokens"]
        for begun in (True, False)
    )
    assert whole[: len(bare)] == bare
    begun = post(served, "/detokenize", tokens=whole[len(bare) :])["prompt"]
    assert begun.startswith("<|im_start|>assistant")


def test_a_client_that_leaves_is_not_encoded_for(served, monkeypatch):
    encoding, go = threading.Event(), threading.Event()
    tokenize, texts = served.model.tokenize, []

    def slow(text, **how):
        texts.append(text)
        encoding.set()
        assert go.wait(20)
        return tokenize(text, **how)

    monkeypatch.setattr(served.model, "tokenize", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, served, "/tokenize", prompt="first")
        assert encoding.wait(20)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{served.url}/tokenize", json={"prompt": "left"}, timeout=0.3)
        while served.get("/health").status_code != 200:
            pass
        last = pool.submit(post, served, "/tokenize", prompt="last")
        go.set()
        assert first.result()["count"] > 0
        assert last.result()["count"] > 0
    assert texts == ["first", "last"]


def test_spelled_control_tokens_are_tokens_unless_that_is_switched_off(served):
    as_token = post(served, "/tokenize", prompt="<|im_start|>")
    as_text = post(served, "/tokenize", prompt="<|im_start|>", add_special_tokens=False)
    assert as_token["count"] == 1
    assert as_text["count"] > 1


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/token/count", {"model": "step-3.5-flash"}, 400, "messages"),
        ("/v1/token/count", {"model": "gpt-4", "messages": MESSAGES}, 404, "model"),
        ("/v1/token/count", {"messages": MESSAGES}, 400, "model"),
        ("/v1/token/count", {"model": "m", "messages": MESSAGES, "chat_template": "x"}, 400, "chat_template"),
        ("/tokenize", {}, 400, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": MESSAGES}, 400, "prompt"),
        ("/tokenize", {"prompt": "a", "model": "gpt-4"}, 404, "model"),
        ("/tokenize", {"prompt": ["a"]}, 400, "prompt"),
        ("/tokenize", {"messages": MESSAGES, "chat_template": "x"}, 400, "chat_template"),
        ("/detokenize", {}, 400, "tokens"),
        ("/detokenize", {"tokens": [10_000_000]}, 400, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, 400, "tokens[0]"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(served, path, body, status, param):
    response = served.post(body, path)
    assert response.status_code == status, response.text
    assert response.json()["error"]["param"] == param
