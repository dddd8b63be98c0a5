"""Chats, uploads, searches and deletions at once on one knowledge base: errors, what is found, and waiting times.

    python -m benchmarks.mixed --seconds 60        starts a server with the echo engine and the packaged embedding model

Each uploaded document holds a word that nobody else has. When its job is reported completed its word must be found by the
next search, and from the answer to its deletion on never again; both are asked at once. Prints a row, and exits with 1
where there was an error or a broken promise. Waiting times mean something on an idle machine only.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import httpx

from benchmarks.beside import sentences, take_in
from benchmarks.load import metrics, serving

CHATS, UPLOADERS, SEARCHERS, DELETERS = 20, 4, 10, 2
SEARCH_PAUSE = 0.2
STORE = "/v1/vector_stores/default"


@dataclass
class Seen:
    """Seconds by what was asked, what went wrong in words, and the words of documents by whether they are kept."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    deleted: int = 0


class Load:
    """The people on one server, until `end` (monotonic seconds)."""

    def __init__(self, client: httpx.AsyncClient, end: float) -> None:
        self.seen = Seen()
        self._client, self._end, self._known = client, end, sentences()

    async def run(self) -> None:
        """Let all of them work."""
        people = [self._chat() for _ in range(CHATS)] + [self._upload(number) for number in range(UPLOADERS)]
        people += [self._search_for(random.Random(number)) for number in range(SEARCHERS)]
        await asyncio.gather(*people, *(self._delete(random.Random(-number)) for number in range(DELETERS)))

    async def _timed(self, what: str, method: str, path: str, **given: object) -> httpx.Response:
        began = time.monotonic()
        answer = await self._client.request(method, path, **given)  # type: ignore[arg-type]
        self.seen.seconds[what].append(time.monotonic() - began)
        if answer.status_code != 200:
            self.seen.wrong.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def _chat(self) -> None:
        body = {"model": "echo", "messages": [{"role": "user", "content": "How is a key given?"}], "max_tokens": 32}
        while time.monotonic() < self._end:
            await self._timed("chat", "POST", "/v1/chat/completions", json=body)
            await asyncio.sleep(SEARCH_PAUSE)

    async def _upload(self, place: int) -> None:
        number = 0
        while time.monotonic() < self._end:
            word, number = f"canary{place}x{number}", number + 1
            text = f"{word} " + " ".join(random.Random(word).sample(self._known, 12))
            began = time.monotonic()
            await take_in(self._client, f"{word}.md", text.encode())
            self.seen.seconds["taken in"].append(time.monotonic() - began)
            if word not in await self._found(word):
                self.seen.wrong.append(f"{word} was completed, and is not found")
            self.seen.kept[word] = await self._id(word)

    async def _id(self, word: str) -> str:
        files = (await self._client.get("/v1/files", params={"order": "desc", "limit": 100})).json()["data"]
        return str(next(file["id"] for file in files if file["filename"] == f"{word}.md"))

    async def _found(self, word: str) -> set[str]:
        answer = await self._timed("search", "POST", f"{STORE}/search", json={"query": word, "max_num_results": 5})
        return {result["filename"].removesuffix(".md") for result in answer.json().get("data", ())}

    async def _search_for(self, chance: random.Random) -> None:
        while time.monotonic() < self._end:
            await self._found(chance.choice([*self.seen.kept, "administrator"]))
            await asyncio.sleep(SEARCH_PAUSE)

    async def _delete(self, chance: random.Random) -> None:
        while time.monotonic() < self._end:
            await asyncio.sleep(2 * SEARCH_PAUSE)
            if len(self.seen.kept) > DELETERS:
                word = chance.choice(list(self.seen.kept))
                await self._timed("delete", "DELETE", f"/v1/files/{self.seen.kept.pop(word)}")
                self.seen.deleted += 1
                if word in await self._found(word):
                    self.seen.wrong.append(f"{word} was deleted, and is found")

    async def look_back(self) -> None:
        """Look for every document that was kept, once more."""
        for word in self.seen.kept:
            if word not in await self._found(word):
                self.seen.wrong.append(f"{word} is kept, and is not found in the end")


async def measure(url: str, seconds: float) -> Seen:
    """Run the load and print the row."""
    before = await metrics(url)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=httpx.Limits(max_connections=100)) as client:
        await take_in(client, "first.md", b"The key of an administrator is in a file.")
        load = Load(client, time.monotonic() + seconds)
        await load.run()
        await load.look_back()
    after, seen = await metrics(url), load.seen
    for what, times in sorted(seen.seconds.items()):
        ordered = [1000 * value for value in sorted(times)]
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"{what:9} {len(ordered):6} p50 {ordered[len(ordered) // 2]:8.1f} ms  p95 {p95:8.1f} ms")
    memory = [one["process_resident_memory_bytes"] / 2**20 for one in (before, after)]
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    print(f"kept {len(seen.kept)}, deleted {seen.deleted}, load {os.getloadavg()[0]:.0f}, server CPU {cpu:.0f} s, "
          f"memory {memory[0]:.0f} -> {memory[1]:.0f} MiB")  # fmt: skip
    print(f"wrong: {len(seen.wrong)}", *seen.wrong[:10], sep="\n")
    return seen


def main() -> int:
    """Run it; the exit status is 1 where something was wrong."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--seconds", type=float, default=60)
    line.add_argument("--port", type=int, default=18650)
    options = line.parse_args()
    with serving(options.port, ["--backend=echo", "--echo-delay=0.01"]):
        return int(bool(asyncio.run(measure(f"http://127.0.0.1:{options.port}", options.seconds)).wrong))


if __name__ == "__main__":
    sys.exit(main())
