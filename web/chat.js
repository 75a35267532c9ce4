// One room over native v1 (docs/PROTOCOL.md), without a page: connects, resumes, sends, repeats.
//
// What it keeps true: events are handed out once each; a message is sent under one cid until it is
// answered, over as many connections as that takes; a connection that was closed for good stays so.

// Close codes after which trying again changes nothing.
export const FINAL_CODES = new Set([1000, 1002, 1003, 1007, 1009, 4000, 4001, 4002, 4003, 4009, 4404]);
// First wait before connecting again, doubled up to the second, each time with full jitter.
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 20000;
// Pause before a command that was refused as busy is sent again.
const BUSY_PAUSE_MS = 1000;
// Events of one page: a screen or two.
const PAGE_EVENT_COUNT = 50;
// What rooms tell of people without keeping it.
const EPHEMERAL_KINDS = new Set(["typing", "presence", "read", "upload_progress"]);
// Before the server has said how often it pings.
const PING_MS_DEFAULT = 25000;

/** A UUID of version 7: sorts by time, and the server knows from it how old a command is. */
export function uuidv7(now = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < 6; i += 1) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export class Chat {
  /** `show` has one method for each thing that can happen; see `demo.js`. */
  constructor({ url, token, room, show, Socket = WebSocket, random = Math.random }) {
    Object.assign(this, { url, token, roomName: room, show, Socket, random });
    this.room = null; // The room's id, once known.
    this.person = null;
    this.historyId = null; // Names the log; null until the first page is there.
    this.position = 0; // Everything up to here has been handed out.
    this.oldest = 0; // The first event that has been handed out.
    this.early = new Map(); // Events ahead of a page that is still on its way.
    this.outbox = new Map(); // Own messages that are not in the room yet, by cid, in order.
    this.marked = 0;
    this.attempt = 0;
    this.joined = false;
    this.replies = new Map();
    this.frameNumber = 0;
    this.over = false;
    this.uploads = null; // What sends files on this connection; see `upload.js`.
  }

  start() {
    this.show.state("connecting", "Connecting…");
    const protocols = ["frontdesk.v1.json", `frontdesk.token.${this.token}`];
    const socket = new this.Socket(this.url, protocols);
    this.socket = socket;
    this.replies.clear();
    this.early.clear();
    this.pingMs = PING_MS_DEFAULT;
    socket.onopen = () => this.greet();
    socket.onmessage = (message) => this.receive(message.data);
    socket.onclose = (close) => {
      if (this.socket === socket) this.closed(close.code, close.reason);
    };
    this.heard();
  }

  stop() {
    this.over = true;
    clearTimeout(this.silence);
    clearTimeout(this.again);
    this.socket?.close(1000);
  }

  // ---- What the page asks -------------------------------------------------------------------

  post(text) {
    const cid = uuidv7();
    this.outbox.set(cid, { cid, text, sent: false, accepted: false });
    this.show.pending(cid, text);
    this.flush();
  }

  typing(active) {
    if (this.joined) this.send({ type: "typing", room: this.room, active });
  }

  markRead() {
    if (!this.joined || this.position <= this.marked) return;
    this.marked = this.position;
    this.send({ type: "mark_read", room: this.room, seq: this.position });
  }

  async loadOlder() {
    const page = await this.ask({
      type: "history", room: this.room, before_seq: this.oldest, limit: PAGE_EVENT_COUNT,
    });
    if (page.events.length > 0) this.oldest = page.events[0].seq;
    this.show.older(page.events, page.more);
  }

  // ---- Connecting and resuming ----------------------------------------------------------------

  async greet() {
    const socket = this.socket;
    try {
      const resume = {};
      if (this.historyId) resume[this.room] = { history_id: this.historyId, seq: this.position };
      const hello = await this.ask({ type: "connect", resume });
      this.person = hello.person;
      this.pingMs = hello.ping_ms;
      this.show.self(hello.person, hello.role);
      const resumed = hello.rooms?.[this.room];
      if (resumed?.error) throw resumed.error;
      await this.enter(resumed ?? await this.ask({ type: "join", room: this.roomName }));
    } catch (error) {
      if (this.socket !== socket || error.lost) return;
      this.show.notice(error.message);
      if (error.retry !== "no") {
        this.giveUp();
        return;
      }
      this.over = true;
      socket.close(1000);
    }
  }

  async enter(join) {
    this.room = join.room;
    this.show.room(join.room, join.conversation_id);
    if (this.historyId === null || join.resume === "reset") {
      await this.loadLatest(join);
    } else if (join.resume === "page") {
      await this.loadMissed();
    }
    this.joined = true;
    this.attempt = 0;
    this.show.notice("");
    this.show.state("online", "Connected");
    this.show.marks(join.marks);
    for (const entry of this.outbox.values()) entry.sent = false;
    this.flush();
    this.uploads?.joined();
    this.show.present((await this.ask({ type: "presence", room: this.room })).present);
  }

  async loadLatest(join) {
    this.historyId = null;
    this.show.reset();
    const page = await this.ask({
      type: "history", room: this.room, before_seq: join.head + 1, limit: PAGE_EVENT_COUNT,
    });
    this.historyId = join.history_id;
    this.position = join.head;
    this.oldest = page.events[0]?.seq ?? join.head + 1;
    this.marked = join.marks?.[this.person] ?? 0;
    this.show.older(page.events, page.more);
    for (const event of page.events) this.settle(event);
    // What was accepted and is older than this page will not come again.
    for (const entry of [...this.outbox.values()]) {
      if (entry.accepted && entry.seq <= join.head) this.settle(entry);
    }
    this.drainEarly();
  }

  async loadMissed() {
    for (let more = true; more;) {
      const page = await this.ask({
        type: "history", room: this.room, after_seq: this.position, limit: PAGE_EVENT_COUNT,
      });
      for (const event of page.events) this.accept(event);
      more = page.more && page.events.length > 0;
    }
    this.drainEarly();
  }

  closed(code, reason) {
    clearTimeout(this.silence);
    this.joined = false;
    const lost = { lost: true, message: "connection lost" };
    for (const reply of this.replies.values()) reply.reject(lost);
    this.replies.clear();
    if (this.over || FINAL_CODES.has(code)) {
      this.over = true;
      const why = reason || (code === 1000 ? "" : `code ${code}`);
      this.show.state("closed", why ? `Closed: ${why}` : "Closed", code);
      this.uploads?.closed();
      return;
    }
    this.uploads?.lost();
    // A server that restarts says when it expects to be back.
    const asked = Number(/retry_after_ms\D*(\d+)/.exec(reason)?.[1] ?? 0);
    const grown = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.attempt);
    const ceiling = Math.min(BACKOFF_MAX_MS, Math.max(grown, asked));
    this.attempt += 1;
    const waitMs = Math.round(this.random() * ceiling);
    this.show.state("waiting", `Connection lost, trying again in ${Math.ceil(waitMs / 1000)} s`);
    this.again = setTimeout(() => this.start(), waitMs);
  }

  // ---- Frames ---------------------------------------------------------------------------------

  heard() {
    clearTimeout(this.silence);
    // The server pings; when two and a half pings stay away the line is dead, whatever it says.
    this.silence = setTimeout(() => this.giveUp(), this.pingMs * 2.5);
  }

  giveUp() {
    const socket = this.socket;
    this.socket = null;
    socket.close();
    this.closed(1006, "");
  }

  send(frame) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  /** Bytes of a file, in a frame of their own. */
  sendBytes(frame) {
    if (this.socket?.readyState === 1) this.socket.send(frame);
  }

  /** What the browser has not passed on yet. */
  bufferedBytes() {
    return this.socket?.bufferedAmount ?? 0;
  }

  ask(frame) {
    this.frameNumber += 1;
    const id = this.frameNumber;
    return new Promise((resolve, reject) => {
      if (this.socket?.readyState !== 1) {
        reject({ lost: true, message: "not connected" });
        return;
      }
      this.replies.set(id, { resolve, reject });
      this.send({ id, ...frame });
    });
  }

  receive(text) {
    this.heard();
    if (text === "") {
      this.socket.send(""); // An empty frame is a ping and its answer.
      return;
    }
    const frame = JSON.parse(text);
    const reply = this.replies.get(frame.id);
    if (reply) {
      this.replies.delete(frame.id);
      if (frame.error) reply.reject(frame.error);
      else reply.resolve(frame.ok);
      return;
    }
    if (frame.error) this.show.notice(frame.error.message);
    else this.push(frame);
  }

  push(frame) {
    switch (frame.type) {
      case "event":
        if (frame.room === this.room || this.room === null) this.accept(frame);
        break;
      case "ephemeral":
        if (frame.room === this.room && EPHEMERAL_KINDS.has(frame.kind)) {
          this.show[frame.kind](frame);
        }
        break;
      case "lag":
        this.show.notice("The connection is slow; messages follow as fast as it takes them.");
        break;
      case "drain": {
        const socket = this.socket;
        setTimeout(() => {
          if (this.socket === socket && !this.over) this.giveUp();
        }, this.random() * frame.after_ms);
        break;
      }
      case "expired":
        this.show.notice("The token has expired; the server will close this connection soon.");
        break;
      case "upload_credit":
      case "upload_ack":
      case "upload_nack":
      case "upload_reset":
      case "upload_state":
        this.uploads?.push(frame);
        break;
      default: // Newer servers may say more.
    }
  }

  // ---- Events, in order and once --------------------------------------------------------------

  accept(event) {
    if (this.historyId !== null && event.seq <= this.position) return;
    if (this.historyId === null || event.seq > this.position + 1) {
      this.early.set(event.seq, event);
      return;
    }
    this.position = event.seq;
    this.settle(event);
    this.show.event(event);
    this.uploads?.event(event);
    this.drainEarly();
  }

  drainEarly() {
    for (const seq of this.early.keys()) {
      if (seq <= this.position) this.early.delete(seq);
    }
    const next = this.early.get(this.position + 1);
    if (next === undefined) return;
    this.early.delete(next.seq);
    this.accept(next);
  }

  // ---- Own messages ---------------------------------------------------------------------------

  flush() {
    if (!this.joined) return;
    for (const entry of this.outbox.values()) {
      if (!entry.sent && !entry.accepted) this.deliver(entry);
    }
  }

  async deliver(entry) {
    entry.sent = true;
    const { cid, text } = entry;
    try {
      const posted = await this.ask({ type: "post_message", room: this.room, cid, text });
      entry.accepted = true;
      entry.seq = posted.seq;
      if (posted.seq <= this.position) this.settle(entry);
    } catch (error) {
      if (error.lost || error.retry === "resume") return; // Sent again after the next resume.
      if (error.retry === "no") {
        this.outbox.delete(cid);
        this.show.failed(cid, error.message);
        return;
      }
      entry.sent = false;
      clearTimeout(this.later);
      this.later = setTimeout(() => this.flush(), BUSY_PAUSE_MS);
    }
  }

  /** An own message stands in the room: what waited for it is done. */
  settle({ cid }) {
    if (this.outbox.delete(cid)) this.show.settled(cid);
  }
}
