"""tuspy, with SHA-1 of each chunk: begins an upload and pauses, or goes on where it was.

The one argument is the wish of the test, in JSON. The last line printed is what came of it.
"""

import json
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

wish = json.loads(sys.argv[1])
storage = FileStorage(wish["state"])
uploader = TusClient(wish["endpoint"], headers=wish["headers"]).uploader(
    file_path=wish["path"],
    chunk_size=wish["chunk_bytes"],
    metadata={"filename": "a.txt", "filetype": "text/plain"},
    retries=10,
    retry_delay=0.2,
    store_url=True,
    url_storage=storage,
    upload_checksum=True,
)
if wish["must_resume"] and uploader.offset == 0:
    sys.exit("no upload is stored")
uploader.upload(stop_at=wish["pause_bytes"])
print(json.dumps({"url": uploader.url, "offset": uploader.offset}))
