// The page around one room: reads who and where from the address, draws what `chat.js` hands out.

import { Chat } from "/chat.js";
import { FileCards, Incoming, part, uploadBubbles } from "/files.js";
import { DIALECTS, ProfileChat } from "/profiles.js";
import { Uploads } from "/upload.js";

// One "writes…" is shown this long unless renewed; the server forgets it at about the same time.
const TYPING_SHOWN_MS = 6000;
// While somebody writes, say so at most this often.
const TYPING_RENEW_MS = 3000;
// Marks are cumulative: one a moment is enough.
const MARK_DELAY_MS = 400;

const element = (id) => document.getElementById(id);
const log = element("log");
const form = element("composer");
const input = element("text");
const names = new Map(); // What is known of people, by id.
const present = new Set();
const marks = new Map(); // Read marks by person.
const typists = new Map(); // Who writes, and the timer that forgets it.
let cards = null; // Files in messages.
let self = null;
let selfRole = "";
let lastOwnSeq = 0;

const nameOf = (person) => (person === self ? "You" : names.get(person) ?? `Person ${person}`);

// ---- Drawing --------------------------------------------------------------------------------

function bubble(author, text, at, own) {
  const item = part("article", own ? "message own" : "message");
  // One's own side is plain to see and has to be said to those who do not see it.
  item.append(part("span", own ? "author unseen" : "author", author));
  if (text) item.append(part("p", "text", text));
  const foot = part("span", "foot");
  if (at) {
    const time = part("time", "time", clock(at));
    time.dateTime = new Date(at).toISOString();
    time.title = new Date(at).toLocaleString();
    foot.append(time);
  }
  item.append(foot);
  return item;
}

/** What was said is not shown any more, and neither is its file. */
function takeBack(item) {
  item.querySelectorAll(".text, .file").forEach((shown) => shown.remove());
  item.querySelector(".foot").before(part("p", "text gone", "This message was taken back."));
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function drawn(event) {
  if (event.kind !== "message") return null;
  const own = event.author.id === self;
  if (event.author.name) names.set(event.author.id, event.author.name);
  if (own) lastOwnSeq = Math.max(lastOwnSeq, event.seq);
  const item = bubble(nameOf(event.author.id), event.text, event.at, own);
  item.dataset.seq = event.seq;
  if (event.deleted_at) takeBack(item);
  else if (event.file) item.querySelector(".foot").before(cards.card(event.file));
  return item;
}

function atEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
}

function firstPending() {
  return log.querySelector(".pending, .failed");
}

function drawPeople() {
  const others = [...present].filter((person) => person !== self).map(nameOf);
  const who = others.length === 0 ? "Nobody else is here" : `Here: ${others.join(", ")}`;
  element("present").textContent = who;
  element("who").textContent = `You are ${names.get(self) ?? self} (${selfRole})`;
}

function drawTyping() {
  const who = [...typists.keys()].map(nameOf);
  const verb = who.length === 1 ? "is" : "are";
  element("typing").textContent = who.length === 0 ? "" : `${who.join(" and ")} ${verb} writing…`;
}

function drawMarks() {
  log.querySelector(".seen")?.remove();
  const seen = [...marks].filter(([person, seq]) => person !== self && seq >= lastOwnSeq);
  const last = log.querySelector(`.message[data-seq="${lastOwnSeq}"] .foot`);
  if (!last || lastOwnSeq === 0 || seen.length === 0) return;
  const who = seen.map(([person]) => nameOf(person)).join(", ");
  last.append(part("span", "seen", `Read by ${who}`));
}

function stopTyping(person) {
  clearTimeout(typists.get(person));
  typists.delete(person);
  drawTyping();
}

const incoming = new Incoming({ line: element("sending"), nameOf });

// ---- What happens ---------------------------------------------------------------------------

const show = {
  state(kind, text, code) {
    const state = element("state");
    state.dataset.kind = kind;
    if (text) state.textContent = text;
    if (kind !== "online") {
      for (const person of [...typists.keys()]) stopTyping(person);
      incoming.clear();
    }
    if (code === 4001) show.notice("This link's token is not accepted. Make a new one.");
  },
  notice(text) {
    element("notice").textContent = text;
  },
  self(person, role) {
    self = person;
    selfRole = role;
    drawPeople();
  },
  room(room, conversation) {
    element("title").textContent = `Conversation ${conversation}`;
    document.title = `Conversation ${conversation} – frontdesk`;
  },
  reset() {
    log.querySelectorAll(".message[data-seq]").forEach((item) => item.remove());
    log.setAttribute("aria-busy", "true");
    lastOwnSeq = 0;
  },
  older(events, more) {
    const first = log.querySelector(".message[data-seq]");
    const height = log.scrollHeight;
    const items = events.map(drawn).filter(Boolean);
    if (first) first.before(...items);
    else if (firstPending()) firstPending().before(...items);
    else log.append(...items);
    element("older").hidden = !more;
    log.setAttribute("aria-busy", "false");
    if (first) log.scrollTop += log.scrollHeight - height;
    else scrollToEnd();
    drawMarks();
    drawPeople();
    markSoon();
  },
  event(event) {
    if (event.kind === "message_deleted") {
      const target = log.querySelector(`.message[data-seq="${event.target}"]`);
      if (target && !target.querySelector(".gone")) takeBack(target);
    }
    const follow = atEnd();
    const item = drawn(event);
    if (!item) return;
    const pending = firstPending();
    if (pending) pending.before(item);
    else log.append(item);
    stopTyping(event.author.id);
    if (event.file?.upload) incoming.ended(event.file.upload);
    if (follow) scrollToEnd();
    drawMarks();
    markSoon();
  },
  pending(cid, text) {
    const item = bubble("You", text, null, true);
    item.classList.add("pending");
    item.dataset.cid = cid;
    item.querySelector(".foot").textContent = "Sending…";
    log.append(item);
    scrollToEnd();
  },
  settled(cid) {
    log.querySelector(`.message[data-cid="${cid}"]`)?.remove();
  },
  failed(cid, why) {
    const item = log.querySelector(`.message[data-cid="${cid}"]`);
    if (!item) return;
    item.classList.replace("pending", "failed");
    item.querySelector(".foot").textContent = `Not sent: ${why}`;
  },
  present(people) {
    present.clear();
    people.forEach((person) => present.add(person));
    drawPeople();
  },
  marks(all) {
    Object.entries(all ?? {}).forEach(([person, seq]) => marks.set(person, seq));
    drawMarks();
  },
  presence({ joined, left }) {
    joined.forEach((person) => present.add(person));
    left.forEach((person) => {
      present.delete(person);
      stopTyping(person);
    });
    drawPeople();
  },
  upload_progress(upload) {
    incoming.heard(upload);
  },
  typing({ person, active }) {
    if (person === self) return;
    stopTyping(person);
    if (active) typists.set(person, setTimeout(() => stopTyping(person), TYPING_SHOWN_MS));
    drawTyping();
  },
  read({ person, seq }) {
    marks.set(person, Math.max(seq, marks.get(person) ?? 0));
    drawMarks();
  },
};

// ---- What the person does ---------------------------------------------------------------------

let chat = null;
let uploads = null; // Sends files, on a native connection.
let markTimer = null;
let typingSince = 0;
let typingTimer = null;

function markSoon() {
  clearTimeout(markTimer);
  if (document.visibilityState !== "visible") return;
  markTimer = setTimeout(() => chat?.markRead(), MARK_DELAY_MS);
}

function writes(active) {
  clearTimeout(typingTimer);
  if (active) typingTimer = setTimeout(() => writes(false), TYPING_RENEW_MS * 1.5);
  const renew = active && Date.now() - typingSince >= TYPING_RENEW_MS;
  if (renew || (!active && typingSince !== 0)) chat.typing(active);
  if (renew) typingSince = Date.now();
  if (!active) typingSince = 0;
}

function submit() {
  const text = input.value.trim();
  if (text === "") return;
  element("notice").textContent = "";
  chat.post(text);
  writes(false);
  input.value = "";
  resize();
  input.focus();
}

/** Files go one after another; what is written is said with the first. */
function sendFiles(files) {
  if (uploads === null || files.length === 0) return;
  element("notice").textContent = "";
  const caption = input.value.trim();
  [...files].forEach((file, i) => uploads.add(file, i === 0 ? caption : ""));
  writes(false);
  input.value = "";
  resize();
  input.focus();
}

function offerFiles(dialect) {
  const button = element("attach");
  if (dialect !== "native") {
    button.disabled = true;
    button.title = `Files are sent from here in the native dialect only, not in ${dialect}.`;
    return;
  }
  const show = uploadBubbles({
    bubble: (caption) => bubble("You", caption, null, true),
    append: (item) => {
      log.append(item);
      scrollToEnd();
    },
    cancel: (cid) => {
      uploads.cancel(cid);
      input.focus();
    },
  });
  uploads = new Uploads({ chat, show });
  element("hint").textContent += " Files can be dropped here.";
  const choice = element("files");
  button.addEventListener("click", () => choice.click());
  choice.addEventListener("change", () => {
    sendFiles([...choice.files]);
    choice.value = ""; // So that the same file can be chosen again.
  });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  element("chat").addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  element("chat").addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    sendFiles(event.dataTransfer.files);
  });
  input.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    sendFiles(event.clipboardData.files);
  });
  window.addEventListener("beforeunload", (event) => {
    if (uploads.line.length > 0) event.preventDefault(); // They end with the page.
  });
}

function resize() {
  input.rows = Math.min(6, Math.max(1, input.value.split("\n").length));
}

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  input.addEventListener("keydown", (event) => {
    // While a word is being composed, Enter belongs to the keyboard.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  input.addEventListener("input", () => {
    resize();
    writes(input.value.trim() !== "");
  });
  element("older").addEventListener("click", () => {
    chat.loadOlder().catch((error) => show.notice(error.message));
  });
  document.addEventListener("visibilitychange", markSoon);
}

// ---- Start ------------------------------------------------------------------------------------

async function openRoom(token, participants) {
  const response = await fetch("/v1/rooms", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ participants }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message ?? `status ${response.status}`);
  return answer.id;
}

function offerRoom(token) {
  element("no-room").hidden = false;
  element("open").addEventListener("submit", async (event) => {
    event.preventDefault();
    const typed = element("with").value.split(",").map((person) => person.trim());
    try {
      const room = await openRoom(token, typed.filter(Boolean));
      location.hash = new URLSearchParams({ token, room }).toString();
    } catch (error) {
      element("open-error").textContent = `The room could not be opened: ${error.message}`;
    }
  });
}

/** Each tab may speak another dialect: it stands in the address, which loads the page anew. */
function offerDialects(dialect, said) {
  const choice = element("dialect");
  choice.value = dialect;
  choice.addEventListener("change", () => {
    said.set("dialect", choice.value);
    location.hash = said.toString();
  });
}

function begin() {
  window.addEventListener("hashchange", () => location.reload());
  const said = new URLSearchParams(location.hash.slice(1));
  const token = said.get("token");
  const room = said.get("room");
  if (!token) {
    element("no-token").hidden = false;
    return;
  }
  if (!room) {
    offerRoom(token);
    return;
  }
  element("chat").hidden = false;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const options = { url: `${scheme}//${location.host}/v1/ws`, token, room, show };
  const dialect = DIALECTS.includes(said.get("dialect")) ? said.get("dialect") : "native";
  chat = dialect === "native" ? new Chat(options) : new ProfileChat({ ...options, dialect });
  cards = new FileCards({ token, log, notice: show.notice });
  offerDialects(dialect, said);
  offerFiles(dialect);
  listen();
  chat.start();
  input.focus();
}

begin();
