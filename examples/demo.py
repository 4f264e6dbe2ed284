"""What `make demo` runs: a server with the built-in model, one question through the openai client, the end.

Exit code 0 only when the model reasoned and its answer names the right number. Needs no running server, no
network beyond this machine, no key.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

GUIDE = Path(__file__).with_name("guide.py")
START_LIMIT_S = 300  # the first start compiles the kernels; later ones take seconds


def main() -> int:
    """Run the demo; the exit code."""
    with served() as base_url:
        print(f"$ python examples/guide.py --base-url {base_url}", flush=True)
        output = run_guide(base_url)
    reasoning, answer = parts(output)
    if not reasoning.strip() or not re.search(r"\b(3|three)\b", answer, re.IGNORECASE):
        print("demo: FAILED, expected some reasoning and the answer 3", file=sys.stderr)
        return 1
    print("demo: ok. Your turn: `make serve`, then any OpenAI client at http://127.0.0.1:8000/v1")
    return 0


def parts(output: str) -> tuple[str, str]:
    """Reasoning and answer out of what examples/guide.py printed; empty when they are not there."""
    match = re.search(r"^Reasoning:\n(.*?)\n\nAnswer:\n(.*?)\n\nTrace ID:", output, re.DOTALL | re.MULTILINE)
    return (match[1], match[2]) if match else ("", "")


def run_guide(base_url: str) -> str:
    """Run the example, show its output as it comes, and return it."""
    command = [sys.executable, "-u", str(GUIDE), "--base-url", base_url]
    environment = {**os.environ, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    pieces = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None, "stdout was asked for as a pipe"
        while piece := process.stdout.read(1):
            sys.stdout.write(piece)
            sys.stdout.flush()
            pieces.append(piece)
    return "".join(pieces)


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The base URL of a server that lives as long as the `with` block, on a port that the system chose."""
    options = ["serve", "--port", "0", "--temperature", "0"]  # greedy: the demo shows the same every time
    print("$ flashstep", *options, flush=True)
    command = [sys.executable, "-m", "flashstep", *options]
    with (
        tempfile.NamedTemporaryFile("w", suffix=".log") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as server,
    ):
        log = Path(output.name)  # opened anew for every look: the server's handle must not move
        try:
            yield wait_until_healthy(server, log)
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_until_healthy(server: subprocess.Popen[bytes], log: Path) -> str:
    """The base URL once /health answers 200, showing what the server says meanwhile; else exit."""
    started = time.monotonic()
    while server.poll() is None and time.monotonic() - started < START_LIMIT_S:
        show_progress(f"{time.monotonic() - started:4.0f} s  {last_line(log)}")
        if (url := announced_url(log)) and is_healthy(url.removesuffix("/v1") + "/health"):
            show_progress(f"ready after {time.monotonic() - started:.1f} s at {url}\n")
            return url
        time.sleep(0.1)
    print(f"\n{log.read_text()}", file=sys.stderr)
    sys.exit(f"demo: the server was not ready after {time.monotonic() - started:.0f} s (its output is above)")


def announced_url(log: Path) -> str | None:
    """The address that the server printed when it was ready."""
    match = re.search(r"^.* on (http://\S+/v1)$", log.read_text(), re.MULTILINE)
    return match[1] if match else None


def last_line(log: Path) -> str:
    """What the server said last, cut to fit a terminal; a sentence of ours while it is silent."""
    lines = log.read_text().strip().splitlines()
    return lines[-1][:70] if lines else "starting (the first start compiles the kernels)"


def show_progress(line: str) -> None:
    """Overwrite the progress line on a terminal; elsewhere print only the line that ends it."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="", flush=True)
    elif line.endswith("\n"):
        print(line, end="", flush=True)


def is_healthy(url: str) -> bool:
    """True when `url` answers 200; the server may not listen yet, or still load its model."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
