from pathlib import Path

import pytest

from flashstep.cli.model_path import BUILT_IN, resolve_model_path
from flashstep.errors import ConfigError


def test_a_named_checkpoint_folder_is_used_as_it_is(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    assert resolve_model_path(tmp_path) == tmp_path


def test_a_folder_that_does_not_exist_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        resolve_model_path(tmp_path / "nowhere")


def test_a_folder_without_a_checkpoint_says_which_files_are_missing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json not found"):
        resolve_model_path(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"config\.json and tokenizer\.json not found"):
        resolve_model_path(tmp_path)


def test_the_built_in_model_lies_inside_the_package() -> None:
    import flashstep

    assert BUILT_IN.is_relative_to(Path(flashstep.__file__).parent)
