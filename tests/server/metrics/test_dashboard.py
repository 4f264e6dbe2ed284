"""The Grafana dashboard asks only for metrics that a server shows, and for all that matter."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flashstep.server.settings import ServerSettings
from flashstep.server.traces.settings import TraceSettings
from server.running_server import PlayedModel, serving

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana-dashboard.json"
# Words of PromQL and of Grafana that look like metric names.
_LANGUAGE = {"histogram_quantile", "sum", "min", "max", "rate", "by", "label_values"}


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """name of every sample that can be -> its label names, from a server with everything on."""
    store = tmp_path_factory.mktemp("traces") / "traces.db"
    with serving(PlayedModel(), ServerSettings(traces=TraceSettings(store=store))) as server:
        return list(text_string_to_metric_families(server.get("/metrics").text))


@pytest.fixture(scope="module")
def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def sample_names(families):
    """Every name that a query may use; a family without samples yet has them too."""
    names = set()
    for family in families:
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(
            family.type, ("",)
        )
        names |= {family.name + suffix for suffix in suffixes}
    return names


def names_in(expression):
    """The metric names in a query: what is left without selectors, labels, numbers and the language."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", " ", expression)
    return {word for word in re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", bare) if word not in _LANGUAGE}


def queries(panels):
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_every_query_asks_for_metrics_that_exist(families, panels):
    assert len(queries(panels)) > 40
    asked = set().union(*(names_in(query) for query in queries(panels)))
    assert asked <= sample_names(families), asked - sample_names(families)


def test_every_metric_of_ours_is_on_the_dashboard(families, panels):
    asked = set().union(*(names_in(query) for query in queries(panels)))
    unseen = {
        family.name
        for family in families
        if family.name.startswith("flashstep_") and not any(name.startswith(family.name) for name in asked)
    }
    assert not unseen


def test_labels_in_queries_are_labels_of_the_metrics(panels):
    known = {
        "model",
        "le",
        "position",
        "finished_reason",
        "error",
        "reason",
        "key",
        "limit",
        "status",
        "route",
    }
    used = {
        label.strip()
        for query in queries(panels)
        for by in re.findall(r"by \(([^)]*)\)", query)
        for label in by.split(",")
    }
    assert used <= known


def test_panels_do_not_overlap_and_have_ids_of_their_own(panels):
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
