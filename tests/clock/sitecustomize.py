"""Loaded by the interpreter of a site under test: its wall clock is off by what the switch file says."""

import os
import time

SWITCH = os.environ.get("CLOCK_SWITCH", "")
_time, _time_ns = time.time, time.time_ns


def _jump() -> float:
    try:
        with open(SWITCH) as switch:
            return float(switch.read() or 0)
    except OSError:
        return 0.0


time.time = lambda: _time() + _jump()
time.time_ns = lambda: _time_ns() + int(_jump() * 1e9)
