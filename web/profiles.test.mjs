// The rules of profiles.js against frames as docs/PROTOCOL.md shows them: node --test web/
import assert from "node:assert/strict";
import { test } from "node:test";
import { DIALECTS, ProfileChat, eventOf } from "./profiles.js";

const CONVERSATION = 12;
const at = "2026-01-14T10:00:00.000Z";
const number = (seq) => CONVERSATION * 2 ** 20 + seq;
const FRAMES = {
  direct: (seq) => ({
    id: number(seq), conversation: CONVERSATION, sender: { id: 5, full_name: "Ann" },
    content: `m${seq}`, message_type: "text", created_at: at,
  }),
  crm: (seq) => ({
    type: "message:new",
    message: {
      id: String(number(seq)), conversation_id: String(CONVERSATION), type: "user",
      text: `m${seq}`, sender: "5", sender_name: "Ann", created_at: at,
    },
  }),
  inbox: (seq) => ({
    type: "new_message",
    message: {
      id: number(seq), conversation: CONVERSATION, sender: { id: 5, name: "Ann" },
      content: `m${seq}`, created_at: at,
    },
  }),
};

function begin(dialect) {
  const calls = [];
  const show = new Proxy({}, { get: (_, name) => (...args) => calls.push([name, ...args]) });
  const chat = new ProfileChat({
    url: "ws://h/v1/ws", token: "a.b.c", room: "r_1", dialect, show,
    Socket: class {}, random: () => 0,
  });
  const sent = [];
  chat.socket = { readyState: 1, send: (text) => sent.push(JSON.parse(text)) };
  chat.conversation = CONVERSATION;
  return { chat, sent, named: (name) => calls.filter(([each]) => each === name) };
}

for (const dialect of DIALECTS) {
  test(`a message of ${dialect} is shown once, with its author and place`, () => {
    const { chat, named } = begin(dialect);
    for (const seq of [1, 2, 2, 1]) chat.receive(FRAMES[dialect](seq));
    const shown = named("event").map(([, event]) => event);
    assert.deepEqual(shown.map(({ seq, text }) => [seq, text]), [[1, "m1"], [2, "m2"]]);
    assert.deepEqual(shown[0].author, { id: "5", name: "Ann" });
    assert.equal(shown[0].at, Date.parse(at));
  });

  test(`${dialect} is spoken to in its own words`, () => {
    const { chat, sent } = begin(dialect);
    chat.receive(FRAMES[dialect](1));
    chat.post("hello");
    chat.typing(true);
    chat.markRead();
    chat.markRead();
    const kinds = {
      direct: ["chat_message", "typing", "mark_read"],
      crm: ["message", "typing", "read"],
      inbox: ["chat_message", "typing", "mark_read"],
    };
    assert.deepEqual(sent.map(({ type }) => type), kinds[dialect]);
    assert.ok(Object.values(sent[0]).includes("hello"));
    assert.equal(dialect === "inbox", sent.every((each) => each.conversation_id === CONVERSATION));
  });
}

test("other conversations of an inbox are not shown on this page", () => {
  const { chat, named } = begin("inbox");
  const other = FRAMES.inbox(1);
  other.message.id += 2 ** 20;
  chat.receive(other);
  chat.receive({ type: "typing", conversation_id: CONVERSATION + 1, user_id: 5, is_typing: true });
  assert.equal(named("event").length + named("typing").length, 0);
  chat.receive({ type: "typing", conversation_id: CONVERSATION, user_id: 5, is_typing: true });
  assert.deepEqual(named("typing"), [["typing", { person: "5", active: true }]]);
});

test("a file is shown with its name and link where a profile tells of one", () => {
  const base = { id: 12582914, sender: { id: 5 }, created_at: "2026-01-14T10:00:00.000Z" };
  const url = "/media/T/7/a.png?key=1";
  const whole = { filename: "a.png", file_size: 9, file_url: url };
  assert.deepEqual(eventOf({ ...base, file_attachment: whole }).file, {
    name: "a.png", size: 9, url,
  });
  const flat = { attachment_url: url, attachment_name: "a.png", attachment_size: 9 };
  const { file } = eventOf({ message: { ...base, ...flat } });
  assert.deepEqual(file, { name: "a.png", size: 9, url });
  assert.equal("file" in eventOf({ ...base, file_attachment: null, attachment_url: null }), false);
});

test("what is no message is none", () => {
  assert.equal(eventOf({ type: "connection_established", message: "Connected to chat" }), null);
  assert.equal(eventOf({ type: "message:ack", message_id: "1", status: "sent" }), null);
});

test("who comes, goes, reads and errs is told", () => {
  const { chat, named } = begin("crm");
  chat.receive(FRAMES.crm(3));
  chat.receive({ type: "user_joined", user_id: "6", username: "Bob" });
  chat.receive({ type: "user_left", user_id: "6", username: "Bob" });
  chat.receive({ type: "read", user_id: "6", username: "Bob", message_ids: [] });
  chat.receive({ type: "error", message: "Invalid JSON", code: "bad_frame" });
  assert.deepEqual(named("presence").map(([, each]) => each), [
    { joined: ["6"], left: [] }, { joined: [], left: ["6"] },
  ]);
  assert.deepEqual(named("read"), [["read", { person: "6", seq: 3 }]]);
  assert.deepEqual(named("notice"), [["notice", "Invalid JSON"]]);
});

test("a socket that was refused stays closed and others come back", () => {
  const { chat, named } = begin("crm");
  chat.closed(1006, "");
  clearTimeout(chat.again);
  assert.equal(named("state").at(-1)[1], "waiting");
  chat.closed(4003, "unknown room");
  assert.deepEqual(named("state").at(-1).slice(1), ["closed", "Closed: unknown room", 4003]);
});
