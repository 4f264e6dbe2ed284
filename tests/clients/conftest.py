"""Two servers for the clients: one that plays an agent's model, and the built-in model itself."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clients.agentlike import model
from flashstep.chat.template import builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import serving


@pytest.fixture(scope="session")
def agentlike_url(tmp_path_factory) -> Iterator[str]:
    """Base URL (without /v1) of a server whose model calls the first tool, then answers."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["there is nothing to look up"], 400), path, builtin_template())
    with serving(model(Tokenizer.load(path)), ServerSettings()) as server:
        yield server.url


@pytest.fixture(scope="session")
def builtin_url() -> Iterator[str]:
    """Base URL (without /v1) of `flashstep serve --json-mode on` with the built-in model."""
    command = [sys.executable, "-m", "flashstep", "serve", "--port", "0", "--json-mode", "on"]
    command += ["--threads", "1", "--trace-store", "off"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = next(filter(None, (re.search(r"on (http://\S+)/v1", line) for line in process.stdout)))
            yield found[1]
        finally:
            process.terminate()
