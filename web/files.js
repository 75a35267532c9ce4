// How files look on the page: in messages, on their way from here, on their way from others.

// "Ann is sending…" is shown this long unless renewed: the server tells it twice a second.
const SENDING_SHOWN_MS = 10000;
// The longer side of a picture in a message, pixels.
const PICTURE_PIXELS_MAX = 256;
const SIZE_UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** An element with a class and a text. */
export function part(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function sizeText(bytes) {
  let shown = bytes;
  let unit = 0;
  while (shown >= 1000 && unit < SIZE_UNITS.length - 1) {
    shown /= 1000;
    unit += 1;
  }
  const rounded = shown.toLocaleString([], { maximumFractionDigits: shown < 10 ? 1 : 0 });
  return `${rounded} ${SIZE_UNITS[unit]}`;
}

function percent(received, size) {
  return size > 0 ? Math.floor((100 * received) / size) : 0;
}

/** The same address on the server of this page, whatever name it knows itself by. */
function local(url) {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}

function openInTab(url) {
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.click();
}

/** Files in messages. Links to them last minutes, so each is asked for when it is needed. */
export class FileCards {
  constructor({ token, log, notice }) {
    Object.assign(this, { token, notice });
    const seen = (entries) => entries.filter((each) => each.isIntersecting)
      .forEach((each) => this.loadThumbnail(each.target));
    this.views = new IntersectionObserver(seen, { root: log, rootMargin: "200px" });
    this.numbers = new WeakMap(); // Of pictures that are not loaded yet.
  }

  /** What a message shows of its file. */
  card(file) {
    const card = part("div", "file");
    if (file.has_thumbnail) card.append(this.picture(file));
    card.append(this.link(file));
    return card;
  }

  link(file) {
    const known = file.url ? local(file.url) : null; // What a profile's client is told.
    const link = part(known ? "a" : "button", "file-link");
    link.append(part("span", "file-name", file.name));
    if (Number.isFinite(file.size)) {
      link.append(" ", part("span", "file-size", sizeText(file.size)));
    }
    if (known) {
      link.href = known;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
    } else {
      link.type = "button";
      link.title = "Open this file";
      link.addEventListener("click", () => this.open(file.no));
    }
    return link;
  }

  picture(file) {
    const picture = part("img", "thumbnail");
    picture.alt = ""; // Its name stands below.
    // Its place is kept before it is loaded.
    const [width, height] = file.pixels ?? [PICTURE_PIXELS_MAX, PICTURE_PIXELS_MAX];
    const scale = Math.min(1, PICTURE_PIXELS_MAX / width, PICTURE_PIXELS_MAX / height);
    picture.width = Math.max(1, Math.round(width * scale));
    picture.height = Math.max(1, Math.round(height * scale));
    picture.addEventListener("click", () => this.open(file.no));
    picture.addEventListener("error", () => picture.remove());
    this.numbers.set(picture, file.no);
    this.views.observe(picture);
    return picture;
  }

  async loadThumbnail(picture) {
    this.views.unobserve(picture);
    try {
      const { thumbnail_url: url } = await this.ask(this.numbers.get(picture));
      if (url) picture.src = local(url);
      else picture.remove();
    } catch {
      picture.remove(); // The name is there, and says what is wrong when it is opened.
    }
  }

  async open(no) {
    try {
      const { url } = await this.ask(no);
      openInTab(local(url));
    } catch (error) {
      this.notice(`The file cannot be opened: ${error.message}`);
    }
  }

  async ask(no) {
    const response = await fetch(`/v1/files/${no}`, {
      headers: { authorization: `Bearer ${this.token}` },
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.message ?? `status ${response.status}`);
    return answer;
  }
}

/** The methods that `upload.js` shows an upload with; `bubble` makes an own message. */
export function uploadBubbles({ bubble, append, cancel }) {
  const items = new Map();
  return {
    added(cid, { name, size, caption }) {
      const item = bubble(caption);
      item.classList.add("pending");
      const card = part("div", "file");
      const label = part("span", "file-name", name);
      const bar = part("progress", "bar");
      bar.max = Math.max(1, size);
      bar.value = 0;
      bar.setAttribute("aria-label", `Sending ${name}`);
      const button = part("button", "cancel", "Cancel");
      button.type = "button";
      button.setAttribute("aria-label", `Cancel sending ${name}`);
      button.addEventListener("click", () => cancel(cid));
      card.append(label, " ", part("span", "file-size", sizeText(size)), bar);
      const foot = item.querySelector(".foot");
      // What moves all the time is not read out; the bar can be asked.
      foot.setAttribute("aria-live", "off");
      foot.append(part("span", "stage", "Waiting its turn…"), part("span", "percent"), button);
      foot.before(card);
      items.set(cid, item);
      append(item);
    },
    stage(cid, text) {
      items.get(cid).querySelector(".stage").textContent = text;
    },
    progress(cid, received, size) {
      const item = items.get(cid);
      item.querySelector(".bar").value = received;
      item.querySelector(".percent").textContent = `${percent(received, size)} %`;
    },
    failed(cid, why) {
      const item = items.get(cid);
      items.delete(cid);
      item.classList.replace("pending", "failed");
      item.querySelector(".bar").remove();
      const foot = item.querySelector(".foot");
      foot.setAttribute("role", "alert");
      foot.removeAttribute("aria-live");
      foot.textContent = `Not sent: ${why}`;
    },
    removed(cid) {
      items.get(cid)?.remove();
      items.delete(cid);
    },
  };
}

/** What others are sending, on one line: until its message comes or nothing is heard of it. */
export class Incoming {
  constructor({ line, nameOf }) {
    Object.assign(this, { line, nameOf });
    this.uploads = new Map();
  }

  heard({ person, upload, name, received, size }) {
    this.forget(upload);
    const timer = setTimeout(() => this.ended(upload), SENDING_SHOWN_MS);
    this.uploads.set(upload, { person, name, received, size, timer });
    this.draw();
  }

  ended(upload) {
    if (this.forget(upload)) this.draw();
  }

  clear() {
    for (const upload of [...this.uploads.keys()]) this.ended(upload);
  }

  forget(upload) {
    clearTimeout(this.uploads.get(upload)?.timer);
    return this.uploads.delete(upload);
  }

  draw() {
    const texts = [...this.uploads.values()].map(({ person, name, received, size }) => {
      const stand = size ? `${percent(received, size)} %` : sizeText(received);
      return `${this.nameOf(person)} is sending ${name}, ${stand}`;
    });
    this.line.textContent = texts.join("; ");
  }
}
