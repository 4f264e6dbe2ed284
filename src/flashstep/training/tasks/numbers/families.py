"""The families about numbers by name, and the checks of their traces.

Weights are shares within these families and sum to one; the mixture with other families is the
registry's business.
"""

from flashstep.training.tasks.base import Family
from flashstep.training.tasks.numbers import (
    bases,
    chain,
    decimals,
    division,
    divisors,
    multiplication,
    number_words,
    percent,
    powers,
    primes,
    roman,
    sorting,
    sums,
)
from flashstep.training.tasks.trace_check import TraceCheck

NUMBER_FAMILIES: dict[str, Family] = {
    "sums": Family(sums.generate, sums.verify, 0.08, ("add", "subtract")),
    "multiplication": Family(multiplication.generate, multiplication.verify, 0.11, ("multiply",)),
    "division": Family(division.generate, division.verify, 0.11, ("divide", "remainder")),
    "chain": Family(chain.generate, chain.verify, 0.11, ("chain",)),
    "decimals": Family(decimals.generate, decimals.verify, 0.08, ("add", "subtract", "multiply")),
    "sorting": Family(sorting.generate, sorting.verify, 0.06, ("sort_up", "sort_down")),
    "divisors": Family(divisors.generate, divisors.verify, 0.07, ("gcd", "lcm")),
    "primes": Family(primes.generate, primes.verify, 0.04, ("prime",)),
    "factors": Family(primes.generate_factors, primes.verify_factors, 0.05, ("factors",)),
    "powers": Family(powers.generate, powers.verify, 0.05, ("power", "square", "cube")),
    "percent": Family(percent.generate, percent.verify, 0.05, ("percent",)),
    "to_base": Family(bases.generate_to, bases.verify_to, 0.04, ("to_base",)),
    "from_base": Family(bases.generate_from, bases.verify_from, 0.04, ("from_base",)),
    "to_roman": Family(roman.generate_to, roman.verify_to, 0.025, ("to_roman",)),
    "from_roman": Family(roman.generate_from, roman.verify_from, 0.025, ("from_roman",)),
    "to_words": Family(number_words.generate_to, number_words.verify_to, 0.03, ("to_words",)),
    "from_words": Family(number_words.generate_from, number_words.verify_from, 0.03, ("from_words",)),
}

# (question, reasoning, answer text) -> whether the reasoning is the way from the one to the other.
TRACE_CHECKS: dict[str, TraceCheck] = {
    "sums": sums.check_trace,
    "multiplication": multiplication.check_trace,
    "division": division.check_trace,
    "chain": chain.check_trace,
    "decimals": decimals.check_trace,
    "sorting": sorting.check_trace,
    "divisors": divisors.check_trace,
    "primes": primes.check_trace,
    "factors": primes.check_trace_factors,
    "powers": powers.check_trace,
    "percent": percent.check_trace,
    "to_base": bases.check_trace_to,
    "from_base": bases.check_trace_from,
    "to_roman": roman.check_trace_to,
    "from_roman": roman.check_trace_from,
    "to_words": number_words.check_trace_to,
    "from_words": number_words.check_trace_from,
}
