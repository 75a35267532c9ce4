// A server of a few lines, a chat with it and a clock: tests say what comes, and when.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { Chat } from "./chat.js";

globalThis.crypto ??= webcrypto; // Browsers have it, and Node from version 20 on.

export const ROOM = "r_00000000000000000000000000000001";
export const LOG = "00000000000000aa";

export class FakeSocket {
  static all = [];
  constructor(url, protocols) {
    Object.assign(this, { url, protocols, readyState: 0, sent: [], bytes: [] });
    this.bufferedAmount = 0;
    FakeSocket.all.push(this);
  }
  send(sent) {
    if (typeof sent === "string") this.sent.push(sent === "" ? "" : JSON.parse(sent));
    else this.bytes.push(sent);
  }
  close(code) { this.readyState = 3; this.closedWith = code ?? 1005; }
  open() { this.readyState = 1; this.onopen(); }
  async say(frame) {
    this.onmessage({ data: frame === "" ? "" : JSON.stringify(frame) });
    await settled();
  }
  async drop(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
    await settled();
  }
  last(type) { return this.sent.findLast((frame) => frame.type === type); }
  all(type) { return this.sent.filter((frame) => frame.type === type); }
  async answer(type, ok) { await this.say({ id: this.last(type).id, ok }); }
  async refuse(type, error) { await this.say({ id: this.last(type).id, error }); }
}

export const settled = () => new Promise((resolve) => setImmediate(resolve));
export const message = (seq, extra = {}) => ({
  seq, kind: "message", at: 1, cid: `c${seq}`, text: `m${seq}`,
  author: { id: "6", role: "visitor" }, ...extra,
});
export const event = (seq, extra) => ({ type: "event", room: ROOM, ...message(seq, extra) });
export const joined = (resume, head) => ({
  room: ROOM, conversation_id: 1, resume, history_id: LOG, head, marks: {},
});

function recorder() {
  const calls = [];
  const show = new Proxy({}, { get: (_, name) => (...args) => calls.push([name, ...args]) });
  const seqs = () => calls.flatMap(([name, first]) => {
    if (name === "older") return first.map((each) => each.seq);
    return name === "event" ? [first.seq] : [];
  });
  return { calls, show, seqs, named: (name) => calls.filter(([each]) => each === name) };
}

// A random of 0 makes every wait zero.
export function begin(t) {
  const seen = recorder();
  const chat = new Chat({
    url: "ws://h/v1/ws", token: "a.b.c", room: ROOM, show: seen.show, Socket: FakeSocket,
    random: () => 0,
  });
  t.after(() => chat.stop());
  chat.start();
  return { chat, seen, socket: FakeSocket.all.at(-1) };
}

export async function online(t, head = 2) {
  const { chat, seen, socket } = begin(t);
  socket.open();
  await socket.answer("connect", { person: "5", role: "visitor", ping_ms: 25000, rooms: {} });
  await socket.answer("join", joined("ok", head));
  const events = [];
  for (let seq = 1; seq <= head; seq += 1) events.push(message(seq));
  await socket.answer("history", { history_id: LOG, head, events, more: false });
  await socket.answer("presence", { present: ["5"] });
  return { chat, seen, socket };
}

export async function reconnected(chat, old, resume, head) {
  const deadline = Date.now() + 5000;
  while (chat.socket === old && Date.now() < deadline) await settled();
  const socket = chat.socket;
  assert.ok(socket !== old, "no new connection was made");
  socket.open();
  const rooms = { [ROOM]: joined(resume, head) };
  await socket.answer("connect", { person: "5", role: "visitor", ping_ms: 25000, rooms });
  return socket;
}

/** Time that goes on by `tick` only, until the test ends. */
export function stopClock(t) {
  const { setTimeout, clearTimeout } = globalThis;
  const waiting = new Map();
  let now = 0;
  let number = 0;
  globalThis.setTimeout = (call, waitMs = 0) => {
    number += 1;
    waiting.set(number, { call, due: now + waitMs });
    return number;
  };
  globalThis.clearTimeout = (timer) => waiting.delete(timer);
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }));
  const tick = (ms) => {
    const end = now + ms;
    for (;;) {
      const due = [...waiting].filter(([, timer]) => timer.due <= end);
      if (due.length === 0) break;
      const [timer, { call, due: at }] = due.reduce((a, b) => (b[1].due < a[1].due ? b : a));
      waiting.delete(timer);
      now = at;
      call();
    }
    now = end;
  };
  return { tick };
}
