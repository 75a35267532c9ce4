// tus-js-client: begins an upload and pauses, or goes on with what its store of addresses knows.
//
// The one argument is the wish of the test, in JSON. The last line printed is what came of it.

import fs from "node:fs";
import { PassThrough } from "node:stream";
import tus from "tus-js-client";

const wish = JSON.parse(process.argv[2]);

function done(outcome) {
    console.log(JSON.stringify(outcome));
    process.exit(outcome.error === undefined ? 0 : 1);
}

// A stream of a file tells its length; one that only passes bytes on does not.
const stream = fs.createReadStream(wish.path);
const file = wish.options.uploadLengthDeferred ? stream.pipe(new PassThrough()) : stream;
const upload = new tus.Upload(file, {
    endpoint: wish.endpoint,
    headers: wish.headers,
    metadata: { filename: "a.txt", filetype: "text/plain" },
    chunkSize: wish.chunk_bytes,
    retryDelays: [0, 100, 300, 1000, 3000],
    urlStorage: new tus.FileUrlStorage(wish.state),
    ...wish.options,
    onChunkComplete: async (_size, offset, length) => {
        if (wish.pause_bytes !== null && offset >= wish.pause_bytes && offset < length) {
            await upload.abort();
            done({ url: upload.url, offset });
        }
    },
    onSuccess: () => done({ url: upload.url }),
    onError: (error) => done({ error: String(error) }),
});

const known = await upload.findPreviousUploads();
if (wish.must_resume) {
    if (known.length !== 1) {
        done({ error: `${known.length} uploads are stored, not 1` });
    }
    upload.resumeFromPreviousUpload(known[0]);
}
upload.start();
