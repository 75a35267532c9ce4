// Uppy with its tus plugin: begins an upload and pauses, or goes on with what was stored.
//
// In Node the plugin takes buffers. The one argument is the wish of the test, in JSON; the last
// line printed is what came of it.

import fs from "node:fs";
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import tus from "tus-js-client";

const wish = JSON.parse(process.argv[2]);

function done(outcome) {
    console.log(JSON.stringify(outcome));
    process.exit(outcome.error === undefined ? 0 : 1);
}

const bytes = fs.readFileSync(wish.path);
// Uppy asks a browser's file for its size.
bytes.size = bytes.length;

let resumed = false;
const uppy = new Uppy({
    logger: {
        debug: (...words) => {
            resumed ||= words.some((word) => String(word).includes("Resuming upload"));
        },
        warn: () => {},
        error: (...words) => console.error(...words),
    },
});
uppy.use(Tus, {
    endpoint: wish.endpoint,
    headers: wish.headers,
    chunkSize: wish.chunk_bytes,
    retryDelays: [0, 100, 300, 1000, 3000],
    urlStorage: new tus.FileUrlStorage(wish.state),
    onChunkComplete: (_size, offset, length) => {
        if (wish.pause_bytes !== null && offset >= wish.pause_bytes && offset < length) {
            uppy.pauseAll();
            done({ url: uppy.getFile(id).tus.uploadUrl, offset });
        }
    },
});
const id = uppy.addFile({ name: "a.txt", type: "text/plain", data: bytes });
uppy.on("upload-error", (_file, error) => done({ error: String(error) }));
const result = await uppy.upload();
if (wish.must_resume && !resumed) {
    done({ error: "it began again" });
}
done({ url: result.successful[0].uploadURL });
