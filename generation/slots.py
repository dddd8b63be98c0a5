"""Places for answers on an engine that counts them on one event loop. Knows no answer."""

import asyncio


class Slots:
    """`async with slots:` takes a place as soon as one of `most` is free; `active`: how many are taken."""

    def __init__(self, most: int) -> None:
        self.active = 0
        self._free = asyncio.Semaphore(most)

    async def __aenter__(self) -> None:
        await self._free.acquire()
        self.active += 1

    async def __aexit__(self, *_: object) -> None:
        self.active -= 1
        self._free.release()
