"""Stops work as soon as the client that wanted it has gone away.

ASGI tells of a disconnect through `receive`, so somebody has to be awaiting it while the work
runs, also through a long prefill in which nothing is sent.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def run_while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` to its end, raising what it raises; True when it ended by itself.

    On a disconnect, or when the caller is cancelled, `work` is cancelled and its `finally`
    blocks have run by the time this returns. The request body must have been read already.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finished = working.done()
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.wait({working, watching})
    if not working.cancelled():
        working.result()
    return finished


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
