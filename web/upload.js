// Files over a chat's socket (docs/PROTOCOL.md, section 11), one after another, without a page.
//
// What it keeps true: nothing is sent beyond what the server allowed; a file is read in slices,
// each when its turn comes; an upload has one cid, under which it goes on over as many connections
// as that takes; each ends once: it is in the room, it failed, or it was cancelled.

import { uuidv7 } from "./chat.js";

// What begins each binary message.
const FRAME_MARK = 0xc1;
const FRAME_HEADER_BYTES = 16;
const KIND_BYTES = 1;
const KIND_END = 2;
// How soon to look again whether the browser has passed on what it was given.
const BUFFER_POLL_MS = 5;
// First wait before an upload that was refused or ended for now is asked for again, doubled up to
// the second, and so many times without a byte of progress: a bit more than a minute, which is as
// long as too many uploads count.
const PAUSE_FIRST_MS = 1000;
const PAUSE_MAX_MS = 20000;
const TRY_COUNT_MAX = 8;
// Castagnoli's polynomial, its bits in reverse.
const CRC32C_POLYNOMIAL = 0x82f63b78;

// What the server says of a file that came to nothing.
const FAILURES = {
  file_too_large: "the file is too large",
  file_empty: "the file is empty",
  wrong_digest: "the file was damaged on its way",
  file_type_refused: "files of this kind are not taken",
  file_type_mismatch: "what is in the file does not fit its name",
  file_infected: "the file holds malware",
  file_unscannable: "the file cannot be looked through",
  scanner_unavailable: "nobody could check the file; try again later",
  not_allowed: "it may not be sent here",
  quota_exceeded: "the space for files is used up",
  upload_lost: "the file was lost on its way",
};

// Why the server ended a stream whose upload goes on.
const RESETS = {
  idle: "Too little came through",
  unavailable: "The server cannot keep files at the moment",
  storage_full: "The server's disk is full",
};

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
  }
  return crc;
});

/** The checksum of a frame's payload. */
export function crc32c(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i += 1) {
    crc = CRC32C_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A binary message with bytes of a file. */
export function fileFrame(kind, stream, offset, payload) {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  const header = new DataView(frame.buffer);
  header.setUint8(0, FRAME_MARK);
  header.setUint8(1, kind);
  header.setUint16(2, stream);
  header.setUint32(4, crc32c(payload));
  header.setBigUint64(8, BigInt(offset));
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** A slice of a file; null when it cannot be read, or was changed meanwhile. */
async function slice(file, offset, length) {
  try {
    const payload = new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
    return payload.length === length ? payload : null;
  } catch {
    return null;
  }
}

/** One file on its way. */
class Upload {
  constructor({ chat, file, caption, show, ended }) {
    Object.assign(this, { chat, file, caption, show, ended });
    this.cid = uuidv7();
    this.id = null; // The server's name for it, once known.
    this.wasAsked = false; // The server may know of it.
    this.stream = null; // What its frames bear on this connection, while bytes are wanted.
    this.offset = 0; // Where the next frame begins.
    this.limit = 0; // Up to where may be sent.
    this.chunkMax = 0;
    this.received = 0;
    this.seq = null; // Its message, once it is ready.
    this.isUnwanted = false;
    this.isOver = false;
    this.isPumping = false;
    this.tryCount = 0;
    this.turn = 0; // Counts what makes an answer or a slice that is waited for worthless.
  }

  // ---- Connections ----------------------------------------------------------------------------

  /** The room is joined: begins, or goes on. */
  joined() {
    if (!this.chat.joined || this.isOver) return;
    if (this.seq !== null && this.seq <= this.chat.position) {
      this.end("removed");
    } else if (this.isUnwanted && this.id !== null) {
      this.giveBack();
    } else {
      this.ask(this.wish());
    }
  }

  lost() {
    this.halt();
    if (!this.isUnwanted) this.show.stage(this.cid, "Waiting for the connection…");
  }

  /** Sends nothing more on this stream, and expects no answer. */
  halt() {
    this.turn += 1;
    this.stream = null;
    clearTimeout(this.later);
    clearTimeout(this.poll);
  }

  wish() {
    const { cid, caption, file, chat: { room } } = this;
    const wish = { type: "upload_open", room, cid, name: file.name, size: file.size };
    if (file.type) wish.mime = file.type;
    if (caption) wish.caption = caption;
    return wish;
  }

  async ask(command) {
    this.halt();
    this.wasAsked = true;
    const { turn } = this;
    try {
      const answer = await this.chat.ask(command);
      if (turn === this.turn) this.opened(answer);
    } catch (error) {
      if (turn === this.turn) this.refused(error, command);
    }
  }

  opened(answer) {
    this.id = answer.upload;
    if (this.isUnwanted) {
      this.giveBack();
      return;
    }
    this.stream = answer.stream;
    this.offset = answer.offset;
    this.limit = answer.credit;
    this.chunkMax = answer.chunk_max;
    this.show.stage(this.cid, this.stream === null ? "Checking…" : "Sending…");
    this.progress(answer.offset);
    this.pump();
  }

  refused(error, command) {
    if (error.lost || error.retry === "resume") return; // Asked again after the next resume.
    const plain = FAILURES[error.code];
    const why = plain ? `${plain} (${error.message})` : error.message;
    if (error.retry === "no") this.end(this.isUnwanted ? "removed" : "failed", why);
    else this.again(why, () => this.ask(command));
  }

  /** Tries something again after a pause, unless that has come to nothing too often. */
  again(why, attempt) {
    this.tryCount += 1;
    if (this.tryCount > TRY_COUNT_MAX) {
      this.abandon(why);
      return;
    }
    this.show.stage(this.cid, `${why}. Trying again…`);
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (this.tryCount - 1));
    this.later = setTimeout(attempt, pauseMs);
  }

  // ---- Bytes ----------------------------------------------------------------------------------

  /** How much the next frame may hold; 0 when something has to happen first. */
  sendable() {
    if (this.stream === null) return 0;
    const end = Math.min(this.limit, this.file.size);
    const length = Math.min(this.chunkMax, end - this.offset);
    if (length <= 0) return 0;
    // Chat waits behind what lies in the browser's buffer: never more than one frame.
    if (this.chat.bufferedBytes() + length > this.chunkMax) {
      clearTimeout(this.poll);
      this.poll = setTimeout(() => this.pump(), BUFFER_POLL_MS);
      return 0;
    }
    return length;
  }

  async pump() {
    if (this.isPumping) return;
    this.isPumping = true;
    for (let length = this.sendable(); length > 0; length = this.sendable()) {
      const { turn, stream, offset } = this;
      const payload = await slice(this.file, offset, length);
      if (turn !== this.turn) continue;
      if (payload === null) {
        this.abandon("the file cannot be read any more");
      } else if (this.sendable() >= length) {
        const kind = offset + length === this.file.size ? KIND_END : KIND_BYTES;
        this.chat.sendBytes(fileFrame(kind, stream, offset, payload));
        this.offset += length;
      }
    }
    this.isPumping = false;
  }

  progress(received) {
    if (received > this.received) this.tryCount = 0;
    this.received = received;
    this.show.progress(this.cid, received, this.file.size);
  }

  // ---- What the server says -------------------------------------------------------------------

  push(frame) {
    if (frame.type === "upload_state") {
      if (frame.upload === this.id) this.became(frame);
      return;
    }
    if (this.stream === null || frame.stream !== this.stream) return;
    switch (frame.type) {
      case "upload_credit":
        this.limit = Math.max(this.limit, frame.limit);
        this.chunkMax = frame.chunk_max;
        break;
      case "upload_ack":
        this.progress(frame.received);
        if (frame.received > this.offset) this.goTo(frame.received);
        break;
      case "upload_nack":
        this.goTo(frame.expected);
        break;
      case "upload_reset":
        this.reset(frame.reason);
        break;
      default: // Newer servers may say more.
    }
    this.pump();
  }

  goTo(offset) {
    this.turn += 1; // A slice that is being read is of another place.
    this.offset = offset;
  }

  reset(reason) {
    this.halt();
    if (reason === "overtaken") {
      this.end("failed", "it is being sent from elsewhere");
      return;
    }
    const why = RESETS[reason] ?? "The server could not follow";
    this.again(why, () => this.ask({ type: "upload_resume", upload: this.id }));
  }

  became({ state, failure, seq = null }) {
    switch (state) {
      case "verifying":
      case "publishing":
        this.stream = null;
        this.progress(this.file.size);
        if (!this.isUnwanted) this.show.stage(this.cid, "Checking…");
        break;
      case "ready":
        this.seq = seq;
        if (seq === null || seq <= this.chat.position) this.end("removed");
        break;
      case "failed":
        this.end("failed", FAILURES[failure] ?? failure);
        break;
      case "cancelled":
        this.end("removed");
        break;
      case "expired":
        this.end("failed", "it took too long");
        break;
      default:
    }
  }

  /** Something is said in the room; perhaps it is this file. */
  event(event) {
    const isThis = this.id !== null && event.file?.upload === this.id;
    if (isThis || (this.seq !== null && event.seq >= this.seq)) this.end("removed");
  }

  // ---- The end --------------------------------------------------------------------------------

  cancel() {
    if (this.isOver || this.isUnwanted) return;
    this.isUnwanted = true;
    this.show.stage(this.cid, "Cancelling…");
    if (!this.wasAsked) this.end("removed");
    else if (this.id !== null) this.giveBack();
    // Else the server's name for it has to be known first.
  }

  async giveBack() {
    this.halt();
    const { turn } = this;
    try {
      await this.chat.ask({ type: "upload_cancel", upload: this.id });
      this.end("removed");
    } catch (error) {
      if (turn !== this.turn || error.lost || error.retry === "resume") return;
      if (error.code === "not_found") {
        this.end("removed");
      } else if (error.retry === "no") {
        this.isUnwanted = false;
        this.show.stage(this.cid, "It is too late to cancel");
      } else {
        this.again(error.message, () => this.giveBack());
      }
    }
  }

  /** Nothing will come of it; the server need not keep what it has. */
  abandon(why) {
    if (this.id !== null) {
      this.chat.ask({ type: "upload_cancel", upload: this.id }).catch(() => {}); // It expires.
    }
    this.end("failed", why);
  }

  end(how, ...why) {
    if (this.isOver) return;
    this.isOver = true;
    this.halt();
    this.show[how](this.cid, ...why.slice(0, how === "failed" ? 1 : 0));
    this.ended(this);
  }
}

/** The files that a chat is to send, in line. */
export class Uploads {
  /** `show` has `added`, `stage`, `progress`, `failed` and `removed`; see `files.js`. */
  constructor({ chat, show }) {
    Object.assign(this, { chat, show });
    this.line = [];
    chat.uploads = this;
  }

  add(file, caption = "") {
    const ended = (upload) => this.ended(upload);
    const upload = new Upload({ chat: this.chat, file, caption, show: this.show, ended });
    this.line.push(upload);
    this.show.added(upload.cid, { name: file.name, size: file.size, caption });
    if (this.line.length === 1) upload.joined();
    return upload.cid;
  }

  cancel(cid) {
    this.line.find((upload) => upload.cid === cid)?.cancel();
  }

  ended(upload) {
    const wasFirst = this.line[0] === upload;
    this.line = this.line.filter((other) => other !== upload);
    if (wasFirst) this.joined();
  }

  // ---- What the chat says ---------------------------------------------------------------------

  joined() {
    this.line[0]?.joined();
  }

  lost() {
    this.line[0]?.lost();
  }

  closed() {
    const line = this.line;
    this.line = [];
    for (const upload of line) upload.end("failed", "the connection was closed");
  }

  push(frame) {
    this.line[0]?.push(frame);
  }

  event(event) {
    this.line[0]?.event(event);
  }
}
