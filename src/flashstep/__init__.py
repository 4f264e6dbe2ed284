"""flashstep: Step 3.5 Flash as an open system. The names below are the public ones.

They load on first use, so that `import flashstep` costs nothing and `flashstep --help` needs neither
numba nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flashstep.backends.chat_model import ChatModel
    from flashstep.engine.llm import LLM
    from flashstep.types import Message, SamplingParams

__all__ = ["LLM", "ChatModel", "Message", "SamplingParams", "__version__"]

_HOMES = {
    "LLM": "flashstep.engine.llm",
    "ChatModel": "flashstep.backends.chat_model",
    "Message": "flashstep.types",
    "SamplingParams": "flashstep.types",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("flashstep")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'flashstep' has no attribute '{name}'; public names: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
