"""The server may open as many files as the system lets it."""

import subprocess
import sys

PROGRAM = """
import os, resource
from flashstep.server.file_limit import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))
assert raise_file_limit() == 300
for _ in range(200):
    os.open(os.devnull, os.O_RDONLY)
"""


def test_the_soft_limit_is_raised_to_the_hard_one():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
