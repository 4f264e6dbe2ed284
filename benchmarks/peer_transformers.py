"""The worker of `TransformersEngine`: runs in an environment of its own, with torch and transformers.

usage: peer_transformers.py CHECKPOINT DTYPE THREADS
Prints "ready", then answers lines {"prompts": [[ids]], "num_output": n} on standard input with
{"first_s": seconds to the first token, "seconds": whole time}. transformers has the architecture as the text
part of step3p7, so a checkpoint is wrapped in such a config with a vision tower that nobody uses.
"""

import json
import os
import sys
import tempfile
import time
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, StoppingCriteria, StoppingCriteriaList

VISION = {
    "width": 16, "layers": 1, "heads": 1, "image_size": 28, "patch_size": 14, "max_position_embeddings": 4,
}  # fmt: skip


def load(folder: str, dtype: str) -> Any:
    """The checkpoint as a model of transformers."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    outer = ("architectures", "auto_map", "model_type", "torch_dtype")
    text = {key: value for key, value in config.items() if key not in outer}
    wrapped = {
        "architectures": ["Step3p7ForConditionalGeneration"], "model_type": "step3p7",
        "torch_dtype": "bfloat16", "text_config": text,
        "vision_config": VISION, "image_token_id": 5,
        **{key: config.get(key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as view:
        for name in os.listdir(folder):
            if name != "config.json":
                os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(view, name))
        with open(os.path.join(view, "config.json"), "w", encoding="utf-8") as file:
            json.dump(wrapped, file)
        model = AutoModelForImageTextToText.from_pretrained(view, dtype=getattr(torch, dtype))
        return model.eval()


class Clock(StoppingCriteria):
    """Notes when the first token was there; never stops anything."""

    def __init__(self) -> None:
        self.first_s = 0.0
        self._start = time.perf_counter()

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self.first_s = self.first_s or self.seconds
        return torch.zeros(len(input_ids), dtype=torch.bool)

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._start


def generate(model: Any, prompts: list[list[int]], num_output: int) -> dict[str, float]:
    """Times of exactly `num_output` greedy tokens of each prompt."""
    ids, clock = torch.tensor(prompts), Clock()
    model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=num_output,
        min_new_tokens=num_output, do_sample=False, eos_token_id=None,
        stopping_criteria=StoppingCriteriaList([clock]),
    )  # fmt: skip
    return {"first_s": clock.first_s, "seconds": clock.seconds}


def main() -> None:
    """Load, then answer until standard input ends."""
    folder, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = load(folder, dtype)
    print("ready", flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            work = json.loads(line)
            print(json.dumps(generate(model, work["prompts"], work["num_output"])), flush=True)


if __name__ == "__main__":
    main()
