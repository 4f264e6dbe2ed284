"""Our checkpoints in a form that transformers loads.

transformers knows step3p5 as a configuration only; its decoder lives in step3p7, a vision-language
wrapper. The checkpoint folder gets a wrapper config with a token vision tower around the same weights.
"""

import json
from pathlib import Path

# HF initialises nothing we need; these keys would clash with the wrapper's own.
_WRAPPER_KEYS = ("architectures", "auto_map", "model_type", "torch_dtype")


def wrapped(checkpoint: Path, out: Path) -> Path:
    raw = json.loads((checkpoint / "config.json").read_text())
    config = {
        "architectures": ["Step3p7ForConditionalGeneration"],
        "model_type": "step3p7",
        "text_config": {k: v for k, v in raw.items() if k not in _WRAPPER_KEYS},
        "image_token_id": 5,
        "vision_config": {"width": 16, "layers": 1, "heads": 1, "image_size": 28, "patch_size": 14},
    }
    (out / "config.json").write_text(json.dumps(config))
    (out / "model.safetensors").symlink_to(checkpoint / "model.safetensors")
    return out
