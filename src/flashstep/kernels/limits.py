"""How far one job goes on its own (`decoding.py`); apart, since settings are read without compiled code."""

MAX_PASSES = 8
MAX_TOKENS = 16  # that a sequence can get from one job
MAX_STOP_IDS = 8
TAIL = 8  # known tokens that come with a sequence: its newest one and those that stale rows read
