// One room as a client of an earlier system speaks it (docs/PROTOCOL.md, profiles), behind the same
// methods and `show` as `chat.js`, so that one page can be any of them.
//
// These clients say nothing of who they are or where they stopped: a native connection of a moment
// tells person, conversation and the latest messages first. What is said while a connection is lost
// comes with the next of those.

import { Chat, FINAL_CODES } from "./chat.js";

// Bits of a message's number that say its place in the conversation.
const SEQ_SPAN = 2 ** 20;
// First wait before connecting again, doubled up to the second, each time with full jitter.
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 20000;
// What each sends, and where.
const PROFILES = {
  direct: {
    path: (room) => `/ws/chat/${room}/`,
    post: (text) => ({ type: "chat_message", message: text }),
    typing: (active) => ({ type: "typing", is_typing: active }),
    read: () => ({ type: "mark_read" }),
  },
  crm: {
    path: (room) => `/ws/chat/${room}/`,
    post: (text) => ({ type: "message", text }),
    typing: (active) => ({ type: "typing", is_typing: active }),
    read: () => ({ type: "read" }),
  },
  inbox: {
    path: () => "/ws/chat/",
    post: (text, conversation) => (
      { type: "chat_message", conversation_id: conversation, content: text }),
    typing: (active, conversation) => (
      { type: "typing", conversation_id: conversation, is_typing: active }),
    read: (conversation) => ({ type: "mark_read", conversation_id: conversation }),
  },
};

/** The dialects a page may choose beside the native one. */
export const DIALECTS = Object.keys(PROFILES);

/** A message of any profile as an event; null for every other frame. */
export function eventOf(frame) {
  const message = frame.message?.id ? frame.message : frame;
  if (!message.id) return null;
  const sender = message.sender;
  const isObject = typeof sender === "object" && sender !== null;
  return {
    kind: "message",
    conversation: Math.floor(Number(message.id) / SEQ_SPAN),
    seq: Number(message.id) % SEQ_SPAN,
    at: Date.parse(message.created_at),
    author: {
      id: String(isObject ? sender.id : sender),
      name: isObject ? sender.full_name ?? sender.name : message.sender_name,
    },
    text: message.content ?? message.text,
    ...fileOf(message),
  };
}

/** The file of a message, where its profile tells of one. */
function fileOf(message) {
  const whole = message.file_attachment;
  if (whole) {
    return { file: { name: whole.filename, size: whole.file_size, url: whole.file_url } };
  }
  const { attachment_url: url, attachment_name: name, attachment_size: size } = message;
  return url ? { file: { name: name ?? "File", size, url } } : {};
}

export class ProfileChat {
  /** `url` is the native one; `dialect` is one of DIALECTS. */
  constructor({ url, token, room, dialect, show, Socket = WebSocket, random = Math.random }) {
    Object.assign(this, { url, token, room, dialect, show, Socket, random });
    this.profile = PROFILES[dialect];
    this.attempt = 0;
    this.position = 0;
    this.marked = 0;
    this.over = false;
  }

  async start() {
    this.show.state("connecting", "Connecting…");
    try {
      await this.learn();
    } catch (error) {
      this.closed(error.code ?? 1006, error.message);
      return;
    }
    const base = this.url.replace(/\/v1\/ws$/, "");
    const query = new URLSearchParams({ token: this.token, dialect: this.dialect });
    const socket = new this.Socket(`${base}${this.profile.path(this.conversation)}?${query}`);
    this.socket = socket;
    socket.onmessage = (message) => this.receive(JSON.parse(message.data));
    socket.onclose = (close) => {
      if (this.socket === socket) this.closed(close.code, close.reason);
    };
  }

  stop() {
    this.over = true;
    clearTimeout(this.again);
    this.native?.stop();
    this.socket?.close(1000);
  }

  post(text) {
    this.send(this.profile.post(text, this.conversation));
  }

  typing(active) {
    this.send(this.profile.typing(active, this.conversation));
  }

  markRead() {
    if (this.position <= this.marked) return;
    this.marked = this.position;
    this.send(this.profile.read(this.conversation));
  }

  /** These clients page over HTTP; so does this one. */
  async loadOlder() {
    const query = new URLSearchParams({ before_seq: this.oldest, limit: 50 });
    const response = await fetch(`/v1/rooms/${this.room}/messages?${query}`, {
      headers: { authorization: `Bearer ${this.token}` },
    });
    const page = await response.json();
    if (!response.ok) throw new Error(page.message ?? `status ${response.status}`);
    if (page.events.length > 0) this.oldest = page.events[0].seq;
    this.show.older(page.events, page.more);
  }

  /** Who speaks, which conversation it is, and what was said last. */
  learn() {
    return new Promise((resolve, reject) => {
      const learned = {
        state: (kind, text, code) => {
          if (kind === "online") {
            this.native.stop();
            resolve();
          } else if (kind === "closed" || kind === "waiting") {
            this.native.stop();
            reject({ code, message: text });
          }
        },
        room: (room, conversation) => {
          this.conversation = conversation;
          this.show.room(room, conversation);
        },
        older: (events, more) => {
          this.oldest = events[0]?.seq ?? 1;
          this.position = events.at(-1)?.seq ?? 0;
          this.show.older(events, more);
        },
        self: (...all) => this.show.self(...all),
        reset: () => this.show.reset(),
        marks: (all) => this.show.marks(all),
        notice: (text) => this.show.notice(text),
      };
      // What else a native client shows is not for these.
      const show = new Proxy(learned, { get: (known, name) => known[name] ?? (() => {}) });
      const { url, token, room, Socket, random } = this;
      this.native = new Chat({ url, token, room, show, Socket, random });
      this.native.start();
    });
  }

  send(frame) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
    else this.show.notice("Not connected: try again in a moment.");
  }

  closed(code, reason) {
    if (this.over || FINAL_CODES.has(code)) {
      this.over = true;
      this.show.state("closed", reason ? `Closed: ${reason}` : `Closed: code ${code}`, code);
      return;
    }
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.attempt);
    this.attempt += 1;
    const waitMs = Math.round(this.random() * ceiling);
    this.show.state("waiting", `Connection lost, trying again in ${Math.ceil(waitMs / 1000)} s`);
    this.again = setTimeout(() => this.start(), waitMs);
  }

  receive(frame) {
    const event = eventOf(frame);
    if (event) {
      // An inbox hears of all its conversations; this page shows one.
      if (event.conversation !== this.conversation || event.seq <= this.position) return;
      this.position = event.seq;
      this.show.event(event);
      return;
    }
    const { conversation_id: of = this.conversation } = frame;
    if (Number(of) !== this.conversation) return;
    const person = String(frame.user_id);
    switch (frame.type) {
      case "connection_established":
        this.attempt = 0;
        this.show.notice("");
        this.show.state("online", `Connected (${this.dialect})`);
        break;
      case "typing":
        this.show.typing({ person, active: frame.is_typing });
        break;
      case "read_receipt":
      case "messages_read":
      case "read":
        this.show.read({ person, seq: this.position });
        break;
      case "user_joined":
        this.show.presence({ joined: [person], left: [] });
        break;
      case "user_left":
        this.show.presence({ joined: [], left: [person] });
        break;
      case "user_status":
        this.show.presence(frame.is_online
          ? { joined: [person], left: [] } : { joined: [], left: [person] });
        break;
      case "error":
        this.show.notice(frame.message);
        break;
      default: // Acknowledgements: the message itself comes, too.
    }
  }
}
