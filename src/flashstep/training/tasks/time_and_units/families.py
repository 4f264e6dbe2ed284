"""The families of time and units by name; `weight` is the share within the package."""

from flashstep.training.tasks.base import Family
from flashstep.training.tasks.time_and_units import (
    change,
    clock_duration,
    clock_format,
    clock_shift,
    days_between,
    leap_year,
    temperature,
    units,
    weekday,
)
from flashstep.training.tasks.trace_steps import TraceCheck

TIME_AND_UNIT_FAMILIES: dict[str, Family] = {
    "weekday": Family(weekday.generate, weekday.verify, 0.14, weekday.WORDINGS),
    "days_between": Family(days_between.generate, days_between.verify, 0.12, ("days_between",)),
    "leap_year": Family(leap_year.generate, leap_year.verify, 0.06, ("leap_year",)),
    "clock": Family(clock_shift.generate, clock_shift.verify, 0.16, clock_shift.WORDINGS),
    "clock_duration": Family(clock_duration.generate, clock_duration.verify, 0.10, ("clock_duration",)),
    "clock_format": Family(clock_format.generate, clock_format.verify, 0.06, clock_format.WORDINGS),
    "units": Family(units.generate, units.verify, 0.18, ("units",)),
    "temperature": Family(temperature.generate, temperature.verify, 0.08, temperature.WORDINGS),
    "change": Family(change.generate, change.verify, 0.10, ("change",)),
}
TIME_AND_UNIT_TRACE_CHECKS: dict[str, TraceCheck] = {
    "weekday": weekday.check_trace,
    "days_between": days_between.check_trace,
    "leap_year": leap_year.check_trace,
    "clock": clock_shift.check_trace,
    "clock_duration": clock_duration.check_trace,
    "clock_format": clock_format.check_trace,
    "units": units.check_trace,
    "temperature": temperature.check_trace,
    "change": change.check_trace,
}
