"""Fixtures of the HTTP tests."""

import threading
from collections.abc import Iterator

import pytest

from flashstep.server.settings import ServerSettings
from server.running_server import STRAWBERRY, PlayedModel, RunningServer, serving


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RunningServer]:
    with serving(PlayedModel(), ServerSettings()) as running:
        yield running


@pytest.fixture
def server(shared_server: RunningServer) -> Iterator[RunningServer]:
    """The shared server with a fresh script and no calls seen."""
    model = shared_server.model
    model.script, model.calls, model.healthy, model.is_restarting = STRAWBERRY, [], True, False
    model.arrived = threading.Semaphore(0)
    yield shared_server
    shared_server.close_clients()
