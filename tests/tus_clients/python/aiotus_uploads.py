"""aiotus: begins an upload and pauses, or goes on where it was.

It keeps no addresses itself, so this does. The one argument is the wish of the test, in JSON. The
last line printed is what came of it.
"""

import asyncio
import io
import json
import pathlib
import sys

import aiohttp
import aiotus.core
import aiotus.creation
import yarl

ATTEMPT_COUNT = 10
ATTEMPT_PAUSE_S = 0.2


class Paused(Exception):
    """The reader has given as much as it was asked for."""


class PausingFile(io.FileIO):
    """A file that gives no bytes from some position on."""

    def __init__(self, path, pause_bytes):
        super().__init__(path)
        self.pause_bytes = pause_bytes

    def read(self, size=-1):
        if self.pause_bytes is not None and self.tell() >= self.pause_bytes:
            raise Paused
        return super().read(size)


async def repeatedly(attempt):
    """Tries again after a fault, as aiotus does where it uploads in one go."""
    for number in range(ATTEMPT_COUNT):
        try:
            return await attempt()
        except aiohttp.ClientError:
            if number + 1 == ATTEMPT_COUNT:
                raise
            await asyncio.sleep(ATTEMPT_PAUSE_S)


async def upload(wish):
    state = pathlib.Path(wish["state"])
    headers = wish["headers"]
    async with aiohttp.ClientSession() as http:
        file = PausingFile(wish["path"], wish["pause_bytes"])
        if wish["must_resume"]:
            url = yarl.URL(state.read_text())
        else:
            endpoint = yarl.URL(wish["endpoint"])
            metadata = {"filename": b"a.txt", "filetype": b"text/plain"}
            url = await repeatedly(
                lambda: aiotus.creation.create(http, endpoint, file, metadata, headers=headers)
            )
            state.write_text(str(url))
        try:
            await repeatedly(
                lambda: aiotus.core.upload_buffer(
                    http, url, file, chunksize=wish["chunk_bytes"], headers=headers
                )
            )
        except Paused:
            pass
        return str(url)


async def join(wish):
    """Uploads the file as two parts and has the server join them."""
    whole = pathlib.Path(wish["path"]).read_bytes()
    half = len(whole) // 2
    parts = [io.BytesIO(whole[:half]), io.BytesIO(whole[half:])]
    metadata = {"filename": b"a.txt", "filetype": b"text/plain"}
    url = await aiotus.upload_multiple(
        wish["endpoint"], parts, metadata, headers=wish["headers"], chunksize=wish["chunk_bytes"]
    )
    if url is None:
        sys.exit("the parts were not joined")
    return str(yarl.URL(wish["endpoint"]).join(url))


wish = json.loads(sys.argv[1])
run = join if wish["options"].get("parts") else upload
print(json.dumps({"url": asyncio.run(run(wish))}))
