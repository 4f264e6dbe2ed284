"""Figures of the engine alone, driven by its caller: one stream, many streams, a long prompt."""

import copy
import statistics
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

_PAUSE_S = 0.02  # after a hundredth of it the threads of a model sleep
_WAKINGS = 10  # for one sample


class Offline:
    """A loaded engine with prompts for it. Every measurement is preceded by one that does not count."""

    def __init__(self, settings: Settings, llm: LLM, prompts: Prompts, ceilings: Ceilings) -> None:
        self._settings, self._llm, self._prompts, self._ceilings = settings, llm, prompts, ceilings

    def latency(self) -> list[Figure]:
        """One stream: time to the first token, and output tokens per second behind it."""
        load = self._settings.load
        self.answer(1)
        before = copy.deepcopy(self._llm.engine.metrics)
        answers = [self.answer(1)[1][0] for _ in range(load.rounds)]
        drafts = draft_facts(before, self._llm.engine.metrics)
        firsts = [answer.timings.first_token_s or 0.0 for answer in answers]
        ends = [answer.timings.finished_s or 0.0 for answer in answers]
        rates = [(load.output_tokens - 1) / (end - first) for first, end in zip(firsts, ends, strict=True)]
        lengths = {"prompt_tokens": load.prompt_tokens}
        first = Figure(
            name="first token, 1 stream", unit="ms", samples=[1e3 * first for first in firsts],
            drafting=bool(drafts), details=lengths,
        )  # fmt: skip
        return [
            first,
            self._decode_figure(rates, lengths | {"output_tokens": load.output_tokens} | drafts),
            self.waking(),
        ]

    def waking(self) -> Figure:
        """How much longer a step of one row takes behind a pause, in which threads sleep and caches cool,
        than behind another step."""
        samples, steps_s = [], []
        for _ in range(self._settings.load.rounds):
            later_s = []
            for _ in range(_WAKINGS):
                self._seconds(1, 1, 1)
                awake_s = self._seconds(1, 1, 1)[0]
                time.sleep(_PAUSE_S)
                later_s.append(self._seconds(1, 1, 1)[0] - awake_s)
                steps_s.append(awake_s)
            samples.append(1e3 * statistics.median(later_s))
        details = {"step_ms": 1e3 * statistics.median(steps_s), "pause_ms": 1e3 * _PAUSE_S}
        return Figure(name="waking, 1 row", unit="ms", samples=samples, drafting=False, details=details)

    def throughput(self) -> list[Figure]:
        """Many streams from the first prompt token to the last output token: output tokens per second."""
        load = self._settings.load
        self.answer(load.streams)
        before = copy.deepcopy(self._llm.engine.metrics)
        times = [self.answer(load.streams)[0] for _ in range(load.rounds)]
        drafts = draft_facts(before, self._llm.engine.metrics)
        figure = self.rate_figure(f"output, {load.streams} streams", times, is_drafting=bool(drafts))
        figure.details.update(drafts)
        return [figure]

    @property
    def _has_ceiling(self) -> bool:
        """Whether what is computed can be set beside what this CPU can do with weights of one format."""
        return self._settings.engine.is_on_cpu and not self._settings.engine.is_mixed

    def prefill(self) -> list[Figure]:
        """A long prompt up to its only output token: prompt tokens per second. Where drafts are made, also
        one whose answer goes on, so that the MTP modules see the prompt, too, but for its last chunk."""
        load, ceilings = self._settings.load, self._ceilings
        figure = self._prefill_figure(f"prefill, {load.long_prompt} tokens", num_output=1)
        if self._has_ceiling:
            macs = prefill_macs(self._settings.model, load.long_prompt)
            name_of_peak, peak = ceilings.peak_of(self._settings.engine.weight_format)
            figure.of_ceiling[name_of_peak] = macs * figure.median / load.long_prompt / peak
        if not self._llm.engine.metrics.num_drafted_by_position:  # switched off, or they do not pay here
            return [figure]
        name = f"prefill, {load.long_prompt} tokens, answer goes on"
        longer = self._prefill_figure(name, num_output=self._settings.enough_output)
        return [figure, longer] if longer.drafting else [figure]

    def _prefill_figure(self, name: str, num_output: int) -> Figure:
        load = self._settings.load
        self._seconds(1, load.long_prompt, num_output)
        before = copy.deepcopy(self._llm.engine.metrics)
        answers = [self._seconds(1, load.long_prompt, num_output)[1][0] for _ in range(load.rounds)]
        drafts = draft_facts(before, self._llm.engine.metrics)
        rates = [load.long_prompt / (answer.timings.first_token_s or 0.0) for answer in answers]
        return Figure(name=name, unit="tokens/s", samples=rates, drafting=bool(drafts))

    @property
    def num_verifications(self) -> int:
        """Steps of a sequence so far that carried drafts."""
        return self._llm.engine.metrics.num_verifications

    def answer(self, num_streams: int) -> tuple[float, list[Completion]]:
        """Seconds for fresh prompts of the load's lengths answered together, and the answers."""
        return self._seconds(
            num_streams, self._settings.load.prompt_tokens, self._settings.load.output_tokens
        )

    def rate_figure(self, name: str, times: list[float], *, is_drafting: bool) -> Figure:
        """Output tokens per second of all streams together, from the seconds that they took."""
        load = self._settings.load
        rates = [load.streams * load.output_tokens / seconds for seconds in times]
        lengths = {"prompt_tokens": load.prompt_tokens, "output_tokens": load.output_tokens}
        return Figure(name=name, unit="tokens/s", samples=rates, drafting=is_drafting, details=lengths)

    def _seconds(self, num_streams: int, num_prompt: int, num_output: int) -> tuple[float, list[Completion]]:
        prompts = [self._prompts.next(num_prompt) for _ in range(num_streams)]
        # The guard would end what goes on past its natural end.
        params = SamplingParams(temperature=0, max_tokens=num_output, ignore_eos=True, repetition_guard=False)
        start = time.perf_counter()
        answers = self._llm.generate(prompts, params)
        return time.perf_counter() - start, answers

    def _decode_figure(self, rates: list[float], details: dict[str, Any]) -> Figure:
        is_drafting = "acceptance_length" in details
        figure = Figure(
            name="decode, 1 stream", unit="tokens/s", samples=rates, drafting=is_drafting, details=details
        )
        # With drafts a step yields several tokens; the ceilings are the CPU's.
        if not is_drafting and self._has_ceiling:
            num_bytes = decode_bytes(self._settings.model, self._settings.engine.weight_format)
            read_per_s = num_bytes * figure.median
            figure.of_ceiling["memory bandwidth"] = read_per_s / self._ceilings.memory_bytes_per_s
            figure.of_ceiling["weight bandwidth"] = read_per_s / self._ceilings.weights_bytes_per_s
        return figure


def draft_facts(before: Metrics, after: Metrics) -> dict[str, Any]:
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
