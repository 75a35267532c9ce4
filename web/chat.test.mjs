// The rules of chat.js against a server of a few lines: node --test web/
import assert from "node:assert/strict";
import { test } from "node:test";
import { uuidv7 } from "./chat.js";
import {
  FakeSocket, LOG, ROOM, begin, event, joined, message, online, reconnected, stopClock,
} from "./fakes.mjs";

test("a cid is a uuid of version 7 that carries its time", () => {
  const cid = uuidv7(0x0123456789ab);
  assert.match(cid, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(cid, uuidv7(0x0123456789ab));
});

test("the token travels in the subprotocol list and the newest page is asked for", async (t) => {
  const { seen, socket } = await online(t, 2);
  assert.deepEqual(socket.protocols, ["frontdesk.v1.json", "frontdesk.token.a.b.c"]);
  assert.equal(socket.last("history").before_seq, 3);
  assert.deepEqual(seen.seqs(), [1, 2]);
});

test("events that overtake the first page are shown after it, once", async (t) => {
  const { seen, socket } = begin(t);
  socket.open();
  await socket.answer("connect", { person: "5", role: "visitor", ping_ms: 25000, rooms: {} });
  await socket.answer("join", joined("ok", 1));
  await socket.say(event(2));
  await socket.say(event(3));
  await socket.answer("history", { history_id: LOG, head: 1, events: [message(1)], more: false });
  await socket.say(event(3));
  assert.deepEqual(seen.seqs(), [1, 2, 3]);
});

test("an empty frame is answered with an empty frame", async (t) => {
  const { socket } = await online(t);
  await socket.say("");
  assert.equal(socket.sent.at(-1), "");
});

test("an unanswered message goes out again under the same cid after a resume", async (t) => {
  const { chat, seen, socket } = await online(t, 2);
  chat.post("hello");
  const first = socket.last("post_message");
  await socket.drop(1006);
  chat.post("while away");
  const next = await reconnected(chat, socket, "ok", 2);
  assert.deepEqual(next.last("connect").resume, { [ROOM]: { history_id: LOG, seq: 2 } });
  const again = next.all("post_message");
  assert.deepEqual(again.map((frame) => frame.text), ["hello", "while away"]);
  assert.equal(again[0].cid, first.cid);
  await next.say({ id: again[0].id, ok: { seq: 3, at: 1, dup: true } });
  assert.equal(seen.named("settled").length, 0);
  await next.say(event(3, { cid: first.cid }));
  assert.deepEqual(seen.named("settled"), [["settled", first.cid]]);
  await next.drop(1006);
  const third = await reconnected(chat, next, "ok", 3);
  assert.deepEqual(third.all("post_message").map((frame) => frame.text), ["while away"]);
});

test("what was missed beyond a push is paged in order before live events", async (t) => {
  const { chat, seen, socket } = await online(t, 2);
  await socket.drop(1011);
  const next = await reconnected(chat, socket, "page", 5);
  await next.say(event(6));
  assert.equal(next.last("history").after_seq, 2);
  const page = (events, more) => ({ history_id: LOG, head: 5, events, more });
  await next.answer("history", page([message(3), message(4)], true));
  assert.equal(next.last("history").after_seq, 4);
  await next.answer("history", page([message(5)], false));
  assert.deepEqual(seen.seqs(), [1, 2, 3, 4, 5, 6]);
});

test("a reset drops what was shown and starts over", async (t) => {
  const { chat, seen, socket } = await online(t, 4);
  await socket.drop(1006);
  const next = await reconnected(chat, socket, "reset", 1);
  const resets = seen.named("reset").length;
  await next.answer("history", { history_id: LOG, head: 1, events: [message(1)], more: false });
  assert.equal(resets, 2);
  assert.deepEqual(seen.seqs(), [1, 2, 3, 4, 1]);
  await next.say(event(2));
  assert.deepEqual(seen.seqs().at(-1), 2);
});

test("a busy room gets the same commands again in order", async (t) => {
  const clock = stopClock(t);
  const { chat, socket } = await online(t);
  chat.post("one");
  chat.post("two");
  const [one, two] = socket.all("post_message");
  const busy = { code: "busy", message: "busy", retry: "later", request_id: "x" };
  await socket.say({ id: one.id, error: busy });
  await socket.say({ id: two.id, error: busy });
  clock.tick(1000);
  const again = socket.all("post_message").slice(2);
  assert.deepEqual(again.map((frame) => frame.cid), [one.cid, two.cid]);
});

test("a refused message is shown as not sent and not repeated", async (t) => {
  const { chat, seen, socket } = await online(t);
  chat.post("too long");
  const error = { code: "text_too_long", message: "text too long", retry: "no", request_id: "x" };
  await socket.refuse("post_message", error);
  assert.equal(seen.named("failed")[0][2], "text too long");
  await socket.drop(1006);
  const next = await reconnected(chat, socket, "ok", 2);
  assert.equal(next.all("post_message").length, 0);
});

test("a code that says no is not tried again", async (t) => {
  const clock = stopClock(t);
  for (const code of [1000, 4001, 4404]) {
    const { socket, seen } = await online(t);
    const count = FakeSocket.all.length;
    await socket.drop(code, "token expired");
    clock.tick(3600000);
    assert.equal(FakeSocket.all.length, count);
    const last = ["state", "closed", "Closed: token expired", code];
    assert.deepEqual(seen.named("state").at(-1), last);
  }
});

test("other codes are tried again", async (t) => {
  for (const code of [1001, 1006, 1012, 4010]) {
    const { chat, socket } = await online(t);
    await socket.drop(code, "");
    await reconnected(chat, socket, "ok", 2);
  }
});

test("a room that cannot be joined ends the attempt with its reason", async (t) => {
  const { seen, socket } = begin(t);
  socket.open();
  await socket.answer("connect", { person: "5", role: "visitor", ping_ms: 25000, rooms: {} });
  const error = { code: "unknown_room", message: "unknown room", retry: "no", request_id: "x" };
  await socket.refuse("join", error);
  assert.equal(socket.closedWith, 1000);
  assert.deepEqual(seen.named("notice"), [["notice", "unknown room"]]);
});

test("silence beyond the pings makes a new connection", async (t) => {
  const clock = stopClock(t);
  const { chat, socket } = await online(t);
  clock.tick(62500);
  clock.tick(1);
  assert.equal(socket.readyState, 3);
  assert.notEqual(chat.socket, socket);
});
