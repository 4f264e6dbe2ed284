"""The JSON file of an evaluation: written after every family, so that a stopped one goes on where it was."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flashstep.errors import ConfigError
from flashstep.training.evaluation.report import Failure, FamilyResult, Report


def content_digest(folder: Path) -> str:
    """What the weights of a checkpoint folder are, so that results of other ones are not taken for theirs."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()[:16]


class ResultFile:
    """What is finished, in memory and, when there is a `path`, on disk. A family's rows are the labels of its
    items, such as one for each length of the long texts."""

    def __init__(self, path: Path | None, settings: dict[str, Any]) -> None:
        """Read what an earlier run with the same settings left. ConfigError when they are others."""
        self._path, self._settings = path, settings
        self._families: dict[str, Report] = {}
        if path is not None and path.exists():
            self._read(path)

    def __contains__(self, family: str) -> bool:
        return family in self._families

    def add(self, family: str, report: Report) -> None:
        """Keep the report of one family; the file is replaced as a whole."""
        self._families[family] = report
        if self._path is None:
            return
        partial = self._path.with_name(self._path.name + ".partial")
        partial.write_text(self.to_text(self._families) + "\n", encoding="utf-8")
        partial.replace(self._path)

    def report(self, families: list[str]) -> Report:
        """All figures and failures of these families, in this order."""
        kept = [self._families[family] for family in families]
        results = {label: result for report in kept for label, result in report.results.items()}
        return Report(results, tuple(failure for report in kept for failure in report.failures))

    def to_text(self, families: Iterable[str]) -> str:
        """Settings, figures and failures of these families as JSON: what the file has."""
        reports = {name: self._families[name] for name in families}
        entries = {
            name: {"results": report.to_json(), "failures": [asdict(failure) for failure in report.failures]}
            for name, report in reports.items()
        }
        return json.dumps({"settings": self._settings, "families": entries}, indent=1, ensure_ascii=False)

    def _read(self, path: Path) -> None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            settings, families = found["settings"], found["families"]
            reports = {name: _report(entry) for name, entry in families.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{path} is no result of an evaluation ({error!r}); choose another file"
            ) from None
        for name in {**self._settings, **settings}:
            if (value := self._settings.get(name)) != settings.get(name):
                raise ConfigError(
                    f"{path} holds results with {name} {settings.get(name)!r}, this run has {value!r}; "
                    "choose another file, or delete that one"
                )
        self._families = reports


def _report(entry: dict[str, Any]) -> Report:
    results = {label: FamilyResult(**figures) for label, figures in entry["results"].items()}
    return Report(results, tuple(Failure(**failure) for failure in entry["failures"]))
