// The rules of upload.js against a server of a few lines: node --test web/
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSocket, ROOM, event, online, reconnected, settled, stopClock } from "./fakes.mjs";
import { Uploads, crc32c, fileFrame } from "./upload.js";

const UPLOAD = "u_09090909090909090909090909090909";
const CHUNK_BYTES = 10;
const LATER = { code: "busy", message: "the server is busy", retry: "later" };

/** A file that says which slices of it were read. */
function fileOf(size, { name = "photo.jpg", type = "image/jpeg" } = {}) {
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
  const reads = [];
  const slice = (from, to) => {
    reads.push([from, to]);
    return { arrayBuffer: async () => bytes.slice(from, to).buffer };
  };
  return { name, type, size, bytes, reads, slice };
}

function parsed(frame) {
  const view = new DataView(frame.buffer);
  const payload = frame.subarray(16);
  assert.equal(view.getUint8(0), 0xc1);
  assert.equal(view.getUint32(4), crc32c(payload));
  return {
    kind: view.getUint8(1), stream: view.getUint16(2), at: Number(view.getBigUint64(8)), payload,
  };
}

/** Where the frames that were sent begin and end. */
const spans = (socket, from = 0) => socket.bytes.slice(from).map(parsed)
  .map(({ at, payload }) => [at, at + payload.length]);

function seen() {
  const calls = [];
  const show = new Proxy({}, { get: (_, name) => (...args) => calls.push([name, ...args]) });
  const named = (name) => calls.filter(([each]) => each === name);
  return { show, named, stage: () => named("stage").at(-1)?.[2] };
}

async function ready(t) {
  const { chat, socket } = await online(t, 2);
  const page = seen();
  return { chat, socket, page, uploads: new Uploads({ chat, show: page.show }) };
}

const opened = (extra = {}) => ({
  upload: UPLOAD, stream: 3, offset: 0, chunk_max: CHUNK_BYTES, credit: 1000, ...extra,
});
const open = (socket, extra) => socket.answer("upload_open", opened(extra));
const say = (socket, type, extra) => socket.say({ type, stream: 3, ...extra });
const state = (socket, name, extra) => (
  socket.say({ type: "upload_state", upload: UPLOAD, state: name, ...extra }));
// A slice that is read takes a few turns.
const quiet = async () => {
  for (let i = 0; i < 10; i += 1) await settled();
};

test("the checksum is that of Castagnoli and stands in the frame with stream and offset", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  const frame = fileFrame(2, 0x0102, 0x0304050607, Uint8Array.of(0xff));
  const header = "c1020102" + "ff000000" + "0000000304050607" + "ff";
  assert.equal(Buffer.from(frame).toString("hex"), header);
});

test("a file is announced with its room, then read and sent frame by frame", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const file = fileOf(25);
  const cid = uploads.add(file, "from the roof");
  const { id, ...wish } = socket.last("upload_open");
  assert.deepEqual(wish, {
    type: "upload_open", room: ROOM, cid, name: "photo.jpg", size: 25, mime: "image/jpeg",
    caption: "from the roof",
  });
  assert.equal(socket.bytes.length, 0);
  await open(socket);
  await quiet();
  const frames = socket.bytes.map(parsed);
  assert.deepEqual(spans(socket), [[0, 10], [10, 20], [20, 25]]);
  assert.deepEqual(frames.map(({ kind }) => kind), [1, 1, 2]);
  assert.deepEqual(frames.map(({ stream }) => stream), [3, 3, 3]);
  assert.deepEqual(Buffer.concat(frames.map(({ payload }) => payload)), Buffer.from(file.bytes));
  assert.deepEqual(file.reads, [[0, 10], [10, 20], [20, 25]]);
  await say(socket, "upload_ack", { received: 20, durable: 10 });
  assert.deepEqual(page.named("progress").at(-1), ["progress", cid, 20, 25]);
});

test("nothing is sent beyond the credit, and frames are as long as they may be", async (t) => {
  const { socket, uploads } = await ready(t);
  uploads.add(fileOf(100));
  await open(socket, { credit: 15 });
  await quiet();
  assert.deepEqual(spans(socket), [[0, 10], [10, 15]]);
  await say(socket, "upload_credit", { limit: 45, chunk_max: 20 });
  await quiet();
  assert.deepEqual(spans(socket, 2), [[15, 35], [35, 45]]);
  await say(socket, "upload_credit", { limit: 53, chunk_max: 5 });
  await quiet();
  assert.deepEqual(spans(socket, 4), [[45, 50], [50, 53]]);
  // A limit that came late takes nothing back.
  await say(socket, "upload_credit", { limit: 70, chunk_max: 1 });
  await say(socket, "upload_credit", { limit: 60, chunk_max: CHUNK_BYTES });
  await quiet();
  assert.equal(spans(socket).at(-1)[1], 70);
  const count = socket.bytes.length;
  // Of another stream.
  await say(socket, "upload_credit", { stream: 4, limit: 100, chunk_max: 20 });
  await quiet();
  assert.equal(socket.bytes.length, count);
});

test("no more than one frame waits in the browser", async (t) => {
  const clock = stopClock(t);
  const { socket, uploads } = await ready(t);
  socket.bufferedAmount = 1;
  uploads.add(fileOf(30));
  await open(socket);
  await quiet();
  assert.equal(socket.bytes.length, 0);
  socket.bufferedAmount = 0;
  const send = socket.send;
  socket.send = (sent) => {
    send.call(socket, sent);
    if (typeof sent !== "string") socket.bufferedAmount += sent.length;
  };
  for (const end of [10, 20, 30]) {
    clock.tick(5);
    await quiet();
    assert.equal(spans(socket).at(-1)[1], end);
    socket.bufferedAmount = 0;
  }
  assert.equal(socket.bytes.length, 3);
});

test("a nack goes back, and a slice that was being read is not sent elsewhere", async (t) => {
  const { socket, uploads } = await ready(t);
  const file = fileOf(40);
  uploads.add(file);
  await open(socket, { credit: 30 });
  await quiet();
  await say(socket, "upload_nack", { expected: 10 });
  await quiet();
  assert.deepEqual(spans(socket, 3), [[10, 20], [20, 30]]);
  const release = [];
  const { slice } = file;
  file.slice = (from, to) => ({
    arrayBuffer: () => new Promise((resolve) => {
      release.push(() => resolve(slice(from, to).arrayBuffer()));
    }),
  });
  await say(socket, "upload_credit", { limit: 40, chunk_max: CHUNK_BYTES });
  await say(socket, "upload_nack", { expected: 20 });
  while (release.length > 0) {
    release.shift()();
    await quiet();
  }
  const frames = socket.bytes.slice(5).map(parsed);
  assert.deepEqual(spans(socket, 5), [[20, 30], [30, 40]]);
  assert.deepEqual([...frames[0].payload], [...file.bytes.slice(20, 30)]);
  await say(socket, "upload_nack", { expected: 10 });
  await say(socket, "upload_ack", { received: 35, durable: 0 }); // No need to go back that far.
  while (release.length > 0) {
    release.shift()();
    await quiet();
  }
  assert.deepEqual(spans(socket, 7), [[35, 40]]);
});

test("a stream that was ended is resumed after a pause", async (t) => {
  const clock = stopClock(t);
  const { socket, page, uploads } = await ready(t);
  uploads.add(fileOf(40));
  await open(socket, { credit: 20 });
  await quiet();
  await say(socket, "upload_reset", { upload: UPLOAD, reason: "idle" });
  assert.match(page.stage(), /Trying again/);
  await say(socket, "upload_credit", { limit: 40, chunk_max: CHUNK_BYTES });
  await quiet();
  assert.equal(socket.bytes.length, 2);
  clock.tick(1000);
  const { id, ...command } = socket.last("upload_resume");
  assert.deepEqual(command, { type: "upload_resume", upload: UPLOAD });
  await socket.answer("upload_resume", opened({ stream: 4, offset: 17 }));
  await quiet();
  assert.deepEqual(spans(socket, 2), [[17, 27], [27, 37], [37, 40]]);
  assert.equal(parsed(socket.bytes.at(-1)).stream, 4);
});

test("an upload that somebody else goes on with is left to them", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(40));
  await open(socket, { credit: 20 });
  await say(socket, "upload_reset", { upload: UPLOAD, reason: "overtaken" });
  assert.deepEqual(page.named("failed"), [["failed", cid, "it is being sent from elsewhere"]]);
  assert.equal(socket.all("upload_resume").length, 0);
});

test("after a lost connection it goes on under its cid where the answer says", async (t) => {
  const { chat, socket, page, uploads } = await ready(t);
  const file = fileOf(40);
  const cid = uploads.add(file);
  await open(socket, { credit: 30 });
  await quiet();
  await socket.drop(1006);
  assert.match(page.stage(), /connection/);
  const next = await reconnected(chat, socket, "ok", 2);
  assert.equal(next.last("upload_open").cid, cid);
  await open(next, { stream: 1, offset: 12, credit: 1000 });
  await quiet();
  assert.deepEqual(spans(next), [[12, 22], [22, 32], [32, 40]]);
  assert.equal(parsed(next.bytes[0]).stream, 1);
  await next.drop(1006);
  const third = await reconnected(chat, next, "ok", 2);
  await open(third, { stream: null, offset: 40, chunk_max: 0, credit: 40 });
  await quiet();
  assert.equal(third.bytes.length, 0);
  await state(third, "ready", { file: 7, seq: 2 });
  assert.deepEqual(page.named("removed"), [["removed", cid]]);
});

test("an answer that a lost connection kept is asked for again", async (t) => {
  const { chat, socket, uploads } = await ready(t);
  const cid = uploads.add(fileOf(5));
  await socket.drop(1006);
  const next = await reconnected(chat, socket, "ok", 2);
  assert.equal(next.last("upload_open").cid, cid);
});

test("a file is done once its message is in the room, and the next one follows", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const first = uploads.add(fileOf(5));
  const second = uploads.add(fileOf(5, { name: "notes.txt", type: "" }));
  await open(socket);
  await quiet();
  await state(socket, "verifying");
  assert.equal(page.stage(), "Checking…");
  await state(socket, "ready", { file: 7, seq: 3 });
  assert.deepEqual(page.named("removed"), []);
  assert.equal(socket.all("upload_open").length, 1);
  await socket.say(event(3, { file: { no: 7, upload: UPLOAD } }));
  assert.deepEqual(page.named("removed"), [["removed", first]]);
  assert.equal(socket.last("upload_open").name, "notes.txt");
  assert.equal("mime" in socket.last("upload_open"), false);
  const other = "u_08080808080808080808080808080808";
  await open(socket, { upload: other, stream: 5 });
  await socket.say(event(4, { file: { no: 8, upload: other } }));
  assert.deepEqual(page.named("removed").at(-1), ["removed", second]);
  assert.equal(uploads.line.length, 0);
});

test("a refusal is shown with the words of the server and the next file is sent", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(50));
  uploads.add(fileOf(5, { name: "small.jpg" }));
  const message = "50 bytes, limit 10";
  await socket.refuse("upload_open", { code: "file_too_large", message, retry: "no" });
  const why = "the file is too large (50 bytes, limit 10)";
  assert.deepEqual(page.named("failed"), [["failed", cid, why]]);
  assert.equal(socket.last("upload_open").name, "small.jpg");
  const denied = { code: "unknown_room", message: "no such room", retry: "no" };
  await socket.refuse("upload_open", denied);
  assert.equal(page.named("failed")[1][2], "no such room");
});

test("a file that was looked at and refused says why", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(5));
  await open(socket);
  await state(socket, "failed", { failure: "file_type_refused", retryable: false });
  const why = "files of this kind are not taken";
  assert.deepEqual(page.named("failed"), [["failed", cid, why]]);
});

test("what is refused for now is asked again under the same cid, but not for ever", async (t) => {
  const clock = stopClock(t);
  const { socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(5));
  for (let i = 0; i < 9; i += 1) {
    assert.equal(socket.all("upload_open").length, i + 1);
    assert.equal(socket.last("upload_open").cid, cid);
    await socket.refuse("upload_open", LATER);
    await socket.say(""); // A server that is silent for that long is gone.
    clock.tick(20000);
  }
  assert.equal(socket.all("upload_open").length, 9);
  assert.deepEqual(page.named("failed"), [["failed", cid, LATER.message]]);
});

test("progress makes up for earlier refusals", async (t) => {
  const clock = stopClock(t);
  const { socket, page, uploads } = await ready(t);
  uploads.add(fileOf(40));
  await open(socket, { credit: 10 });
  for (let i = 1; i <= 20; i += 1) {
    await say(socket, "upload_reset", { upload: UPLOAD, reason: "unavailable" });
    clock.tick(1000);
    assert.equal(socket.all("upload_resume").length, i);
    await socket.answer("upload_resume", opened({ offset: i, credit: i }));
    await socket.say("");
  }
  assert.deepEqual(page.named("failed"), []);
});

test("a file that waits its turn is cancelled without a word to the server", async (t) => {
  const { socket, page, uploads } = await ready(t);
  uploads.add(fileOf(5));
  const second = uploads.add(fileOf(5));
  uploads.cancel(second);
  assert.deepEqual(page.named("removed"), [["removed", second]]);
  assert.equal(socket.all("upload_cancel").length, 0);
  assert.equal(socket.all("upload_open").length, 1);
});

test("a cancelled upload sends no more and is given back", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(40));
  await open(socket, { credit: 20 });
  await quiet();
  uploads.cancel(cid);
  assert.equal(socket.last("upload_cancel").upload, UPLOAD);
  await say(socket, "upload_credit", { limit: 40, chunk_max: CHUNK_BYTES });
  await quiet();
  assert.equal(socket.bytes.length, 2);
  assert.deepEqual(page.named("removed"), []);
  await socket.answer("upload_cancel", {});
  assert.deepEqual(page.named("removed"), [["removed", cid]]);
});

test("an upload is cancelled once its name is known, on whatever connection", async (t) => {
  const { chat, socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(40));
  uploads.cancel(cid);
  await socket.drop(1006);
  const next = await reconnected(chat, socket, "ok", 2);
  await open(next);
  await quiet();
  assert.equal(next.bytes.length, 0);
  await next.drop(1006);
  const third = await reconnected(chat, next, "ok", 2);
  await third.answer("upload_cancel", {});
  assert.deepEqual(page.named("removed"), [["removed", cid]]);
});

test("what came too late to be cancelled goes on to its end", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const cid = uploads.add(fileOf(5));
  await open(socket);
  await quiet();
  uploads.cancel(cid);
  await socket.refuse("upload_cancel", { code: "wrong_stage", message: "too late", retry: "no" });
  assert.match(page.stage(), /too late/);
  await state(socket, "ready", { file: 7, seq: 2 });
  assert.deepEqual(page.named("removed"), [["removed", cid]]);
});

test("a file that was changed while it is sent fails and is given back", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const file = fileOf(40);
  const cid = uploads.add(file);
  file.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("changed")) });
  await open(socket);
  await quiet();
  const why = "the file cannot be read any more";
  assert.deepEqual(page.named("failed"), [["failed", cid, why]]);
  assert.equal(socket.last("upload_cancel").upload, UPLOAD);
  assert.equal(socket.bytes.length, 0);
});

test("a slice that is shorter than the file said is not sent", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const file = fileOf(40);
  uploads.add(file);
  file.slice = () => ({ arrayBuffer: async () => new ArrayBuffer(3) });
  await open(socket);
  await quiet();
  assert.equal(page.named("failed").length, 1);
  assert.equal(socket.bytes.length, 0);
});

test("a connection that is closed for good fails all that waits for it", async (t) => {
  const { socket, page, uploads } = await ready(t);
  const cids = [uploads.add(fileOf(5)), uploads.add(fileOf(5))];
  const count = FakeSocket.all.length;
  await socket.drop(4001, "token expired");
  assert.deepEqual(page.named("failed").map(([, cid]) => cid), cids);
  assert.equal(FakeSocket.all.length, count);
});
