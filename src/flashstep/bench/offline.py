"""Figures of the engine alone, driven by its caller: one stream, many streams, a long prompt."""

import copy
import time
from typing import Any

from flashstep.bench.ceilings import Ceilings
from flashstep.bench.figure import Figure
from flashstep.bench.prompts import Prompts
from flashstep.bench.settings import Settings
from flashstep.bench.work import decode_bytes, prefill_macs
from flashstep.engine.llm import LLM, Completion
from flashstep.engine.metrics import Metrics
from flashstep.types import SamplingParams


class Offline:
    """A loaded engine with prompts for it. Every measurement is preceded by one that does not count."""

    def __init__(self, settings: Settings, llm: LLM, prompts: Prompts, ceilings: Ceilings) -> None:
        self._settings, self._llm, self._prompts, self._ceilings = settings, llm, prompts, ceilings

    def latency(self) -> list[Figure]:
        """One stream: time to the first token, and output tokens per second behind it."""
        load = self._settings.load
        before = copy.deepcopy(self._llm.engine.metrics)
        answers = [self.answer(1)[1][0] for _ in range(load.rounds + 1)][1:]
        drafts = _draft_facts(before, self._llm.engine.metrics)
        firsts = [answer.timings.first_token_s or 0.0 for answer in answers]
        ends = [answer.timings.finished_s or 0.0 for answer in answers]
        rates = [(load.output_tokens - 1) / (end - first) for first, end in zip(firsts, ends, strict=True)]
        lengths = {"prompt_tokens": load.prompt_tokens}
        return [
            self._figure("first token, 1 stream", "ms", [1e3 * first for first in firsts], lengths),
            self._decode_figure(rates, lengths | {"output_tokens": load.output_tokens} | drafts),
        ]

    def throughput(self) -> list[Figure]:
        """Many streams from the first prompt token to the last output token: output tokens per second."""
        load = self._settings.load
        before = copy.deepcopy(self._llm.engine.metrics)
        times = [self.answer(load.streams)[0] for _ in range(load.rounds + 1)][1:]
        figure = self.rate_figure(f"output, {load.streams} streams", times)
        figure.details.update(_draft_facts(before, self._llm.engine.metrics))
        return [figure]

    def prefill(self) -> list[Figure]:
        """A long prompt up to its first output token: prompt tokens per second."""
        load, ceilings = self._settings.load, self._ceilings
        times = [self._seconds(1, load.long_prompt, 1)[0] for _ in range(load.rounds + 1)][1:]
        rates = [load.long_prompt / seconds for seconds in times]
        macs = prefill_macs(self._settings.model, load.long_prompt)
        name_of_peak, peak = ceilings.peak_of(self._settings.engine.weight_format)
        figure = self._figure(f"prefill, {load.long_prompt} tokens", "tokens/s", rates, {})
        if self._settings.engine.is_on_cpu:
            share = macs * figure.median / load.long_prompt / peak
            figure.of_ceiling[name_of_peak] = share
        return [figure]

    def answer(self, num_streams: int) -> tuple[float, list[Completion]]:
        """Seconds for fresh prompts of the load's lengths answered together, and the answers."""
        return self._seconds(
            num_streams, self._settings.load.prompt_tokens, self._settings.load.output_tokens
        )

    def rate_figure(self, name: str, times: list[float]) -> Figure:
        """Output tokens per second of all streams together, from the seconds that they took."""
        load = self._settings.load
        rates = [load.streams * load.output_tokens / seconds for seconds in times]
        lengths = {"prompt_tokens": load.prompt_tokens, "output_tokens": load.output_tokens}
        return self._figure(name, "tokens/s", rates, lengths)

    def _seconds(self, num_streams: int, num_prompt: int, num_output: int) -> tuple[float, list[Completion]]:
        prompts = [self._prompts.next(num_prompt) for _ in range(num_streams)]
        # The guard would end what goes on past its natural end.
        params = SamplingParams(temperature=0, max_tokens=num_output, ignore_eos=True, repetition_guard=False)
        start = time.perf_counter()
        answers = self._llm.generate(prompts, params)
        return time.perf_counter() - start, answers

    def _decode_figure(self, rates: list[float], details: dict[str, Any]) -> Figure:
        figure = self._figure("decode, 1 stream", "tokens/s", rates, details)
        # With drafts a step yields several tokens; the ceilings are the CPU's.
        if not self._settings.is_drafting and self._settings.engine.is_on_cpu:
            num_bytes = decode_bytes(self._settings.model, self._settings.engine.weight_format)
            read_per_s = num_bytes * figure.median
            figure.of_ceiling["memory bandwidth"] = read_per_s / self._ceilings.memory_bytes_per_s
            figure.of_ceiling["weight bandwidth"] = read_per_s / self._ceilings.weights_bytes_per_s
        return figure

    def _figure(self, name: str, unit: str, samples: list[float], details: dict[str, Any]) -> Figure:
        is_drafting = self._settings.is_drafting
        return Figure(name=name, unit=unit, samples=samples, drafting=is_drafting, details=details)


def _draft_facts(before: Metrics, after: Metrics) -> dict[str, Any]:
    """Acceptance length (tokens per verifying step) and acceptance rate of each draft position between
    two readings of the counters; nothing when no draft was verified."""
    num_verifications = after.num_verifications - before.num_verifications
    if not num_verifications:
        return {}
    drafted = _differences(before.num_drafted_by_position, after.num_drafted_by_position)
    accepted = _differences(before.num_accepted_by_position, after.num_accepted_by_position)
    return {
        "acceptance_length": 1 + sum(accepted) / num_verifications,
        "acceptance_rate_by_position": [a / max(1, d) for a, d in zip(accepted, drafted, strict=True)],
    }


def _differences(before: list[int], after: list[int]) -> list[int]:
    return [b - a for a, b in zip(before, after, strict=True)]
