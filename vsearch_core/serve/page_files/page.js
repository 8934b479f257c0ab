// Answers as you type. Without this script, the server answers the same form; what is shown is the same.
// Texts of documents only ever become text nodes; the page's policy (Trusted Types) forbids everything else.
"use strict";

const WAIT_MS = 120; // after the last key, before the server is asked
const PREVIEW_MS = 60; // after the last step through the hits
const TRIES = 4; // while the server is busy
const TOKEN = "vsearch-token";

const byId = (id) => document.getElementById(id);
const form = byId("search");
const query = byId("q");
const isWide = matchMedia("(min-width: 62rem)");

let searching = null; // the request for hits under way
let reading = null; // the request for a passage under way
let timer = 0;
let previewTimer = 0;

// Building elements

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function fileName(link) {
  return element("bdi", {}, element("span", { class: "folder" }, link.folder), link.name);
}

function linkTo(link, attributes = {}) {
  const href = link.place ? address({ open: link.place }) : null;
  return element("a", { ...attributes, href }, fileName(link));
}

function factsOf(hit) {
  const facts = [hit.index, hit.position].filter(Boolean).map((fact) => element("span", {}, fact));
  if (hit.heading) facts.push(element("span", { class: "heading", dir: "auto" }, hit.heading));
  if (hit.percent !== null) {
    const meter = element("meter", { min: 0, max: 100, value: hit.percent, "aria-hidden": "true" });
    const told = element("span", { class: "hidden" }, " likely to be relevant");
    facts.push(element("span", { class: "likely" }, meter, hit.percent ? `${hit.percent}%` : "< 1%", told));
  }
  return facts;
}

// A picture of the index. With a token, it must be fetched: an address alone can't send one.
function thumbnail(place, size) {
  if (!place) return null;
  const source = `/page/picture?${new URLSearchParams({ place, size })}`;
  const token = sessionStorage.getItem(TOKEN);
  const image = element("img", { class: `picture ${size}`, alt: "", loading: "lazy", src: token ? null : source });
  if (token) fetchPicture(image, source);
  return image;
}

async function fetchPicture(image, source) {
  const response = await fetch(source, { headers: headers() }).catch(() => null);
  if (!response?.ok) return image.remove();
  const address = URL.createObjectURL(await response.blob());
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  image.src = address;
  return undefined;
}

function hitItem(hit) {
  const pieces = hit.pieces.map(([text, isTerm]) => (isTerm ? element("b", {}, text) : text));
  const item = element(
    "li",
    { class: hit.is_weak ? "hit weak" : "hit" },
    thumbnail(hit.picture, "small"),
    element("h2", {}, linkTo(hit.link, { class: "place" })),
    element("p", { class: "facts" }, ...factsOf(hit)),
    hit.header && element("p", { class: "header", dir: "auto" }, hit.header),
    element("p", { class: hit.is_code ? "text code" : "text", dir: "auto" }, ...pieces),
    hit.note && element("p", { class: "note" }, hit.note),
    hit.newer && element("p", { class: "note newer" }, "A newer version: ", linkTo(hit.newer)),
    hit.alike.length ? alikeOf(hit) : null,
  );
  item.dataset.sentence = hit.sentence;
  item.dataset.window = hit.window;
  return item;
}

function alikeOf(hit) {
  const twins = hit.alike.map((twin) => element("li", {}, linkTo(twin)));
  const more = Math.max(hit.alike_more, 0);
  if (more) twins.push(element("li", {}, `and ${more.toLocaleString("en")} more`));
  const count = hit.alike.length + more;
  const summary = `${count.toLocaleString("en")} near-duplicate${count === 1 ? "" : "s"}`;
  return element("details", { class: "alike" }, element("summary", {}, summary), element("ul", {}, ...twins));
}

function pieceOf([text, kind]) {
  return kind ? element(kind === "around" ? "span" : "mark", { class: kind }, text) : text;
}

function passageParts(passage) {
  const { place } = passage.link;
  const wider = passage.wider && address({ open: place, lines: passage.wider });
  const facts = [passage.position, passage.heading].filter(Boolean);
  const parts = [
    element(
      "header",
      {},
      element("h2", { tabindex: -1 }, fileName(passage.link)),
      element("p", { class: "facts" }, ...facts.map((fact) => element("span", {}, fact))),
      element(
        "p",
        { class: "tools" },
        wider && element("a", { id: "wider", href: wider }, "More of the file"),
        element("a", { id: "copy", href: address({ open: place }) }, "Copy the link"),
        element("a", { id: "close", href: address({}) }, "Back to the hits"),
      ),
    ),
    element("p", { class: "note", hidden: !passage.note }, passage.note),
    thumbnail(passage.picture, "large"),
    element(
      "div",
      { class: passage.is_code ? "stored code" : "stored", dir: "auto" },
      ...passage.pieces.map(pieceOf),
    ),
  ];
  return parts.filter(Boolean);
}

// The form and the page's address

function fields() {
  const filled = [...new FormData(form)].filter(([, value]) => value.trim());
  return Object.fromEntries(filled);
}

function address(changes) {
  const values = new URLSearchParams({ ...fields(), ...changes });
  return values.size ? `/?${values}` : "/";
}

function parametersOf(link) {
  return new URL(link.href).searchParams;
}

function fillFrom(search) {
  const values = new URLSearchParams(search);
  for (const field of form.elements) if (field.name) field.value = values.get(field.name) ?? "";
  return values;
}

function showFilters() {
  const { q, ...filters } = fields();
  form.querySelector(".active").textContent = Object.values(filters).join(", ");
  form.querySelector(".fields button").hidden = !Object.keys(filters).length;
}

// Asking the server

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  const content = { "Content-Type": "application/json" };
  return token ? { ...content, Authorization: `Bearer ${token}` } : content;
}

async function ask(path, body, signal) {
  for (let tried = 1; ; tried += 1) {
    const response = await fetch(path, { method: "POST", headers: headers(), body: JSON.stringify(body), signal });
    if (response.status === 401) {
      askToken();
      return null;
    }
    if (response.status !== 503 || tried === TRIES) {
      const answer = await response.json();
      return { isGood: response.ok, ...answer, notice: answer.notice ?? answer.detail ?? "" };
    }
    await pause(1000 * Number(response.headers.get("Retry-After") ?? 1), signal);
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const waiting = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(waiting);
      reject(signal.reason);
    });
  });
}

function askToken() {
  const asking = byId("ask-token");
  if (!asking) return trouble("The server asks for a token now. Load the page again.");
  const wasGiven = sessionStorage.getItem(TOKEN) !== null;
  sessionStorage.removeItem(TOKEN);
  document.body.classList.remove("start");
  asking.hidden = false;
  if (wasGiven) trouble("That is not the server's token.");
  byId("token").focus();
  return undefined;
}

function trouble(text, again = null) {
  const line = byId("trouble");
  line.hidden = !text;
  line.replaceChildren(text);
  if (again) {
    const button = element("button", { type: "button" }, "Try again");
    button.addEventListener("click", again);
    line.append(button);
  }
}

// Give the answer to `show`, unless a newer request has been made; say so if the server is gone.
async function request(controller, path, body, show, again) {
  try {
    const answer = await ask(path, body, controller.signal);
    if (controller.signal.aborted || answer === null) return;
    trouble("");
    show(answer);
  } catch {
    if (controller.signal.aborted) return;
    trouble("The server doesn’t answer. Is `vsearch serve` still running?", again);
  }
}

function replaced(controller) {
  controller?.abort();
  return new AbortController();
}

// Hits

async function search(more = {}) {
  clearTimeout(timer);
  showFilters();
  const wanted = { ...fields(), ...more };
  document.title = wanted.q ? `${wanted.q} – vsearch` : "vsearch";
  searching = replaced(searching);
  reading?.abort();
  const mine = searching;
  const results = byId("results");
  if (!wanted.q && !wanted.open) {
    results.removeAttribute("aria-busy");
    showAnswer({ summary: "", notice: "", detail: "", hits: [], passage: null, next_offset: "" }, {});
    trouble("");
    return;
  }
  document.body.classList.remove("start");
  results.setAttribute("aria-busy", "true");
  await request(mine, "/page/hits", wanted, (answer) => showAnswer(answer, more), () => search(more));
  if (mine === searching) results.removeAttribute("aria-busy");
}

function showAnswer(answer, { offset = "", open = "" }) {
  byId("summary").textContent = answer.summary ?? "";
  const notice = byId("notice");
  notice.textContent = answer.notice;
  notice.hidden = !answer.notice;
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  if (answer.field && form.elements[answer.field]) {
    form.elements[answer.field].setAttribute("aria-invalid", "true");
    if (answer.field !== "q") form.querySelector(".filters").open = true;
  }
  byId("detail").textContent = answer.isGood === false ? "" : (answer.detail ?? "");
  const hits = (answer.hits ?? []).map(hitItem);
  if (offset) byId("hits").append(...hits);
  else byId("hits").replaceChildren(...hits);
  const further = byId("results").querySelector(".further");
  const next = answer.next_offset && address({ offset: answer.next_offset });
  further.replaceChildren(...(next ? [element("a", { id: "more", href: next, rel: "next" }, "More hits")] : []));
  if (offset) {
    hits[0]?.querySelector(".place").focus();
    return;
  }
  document.body.classList.toggle("reading", Boolean(open && answer.passage));
  showPassage(answer.passage);
}

async function showMore(offset) {
  searching = replaced(searching);
  const body = { ...fields(), offset };
  await request(searching, "/page/hits", body, (answer) => showAnswer(answer, { offset }), () => showMore(offset));
}

// Passages

function showPassage(passage) {
  const shown = byId("passage");
  shown.hidden = !passage;
  shown.replaceChildren(...(passage ? passageParts(passage) : []));
  shown.scrollTop = 0;
  for (const link of document.querySelectorAll(".hit .place")) {
    const isCurrent = passage && link.href && parametersOf(link).get("open") === passage.link.place;
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (passage) showMark();
}

// Scroll to the highlighted text, if it is not in view: within the passage, or on a phone the page.
function showMark() {
  const shown = byId("passage");
  const marked = shown.querySelector(".sentence") ?? shown.querySelector("mark");
  if (!marked) return;
  if (isWide.matches) shown.scrollTop = Math.max(0, marked.offsetTop - shown.clientHeight / 3);
  else if (document.body.classList.contains("reading")) marked.scrollIntoView({ block: "center" });
}

// Read a passage. A preview changes neither the focus nor the address.
async function open(link, { isPreview = false } = {}) {
  const values = parametersOf(link);
  const place = values.get("open");
  const hit = link.closest(".hit") ?? document.querySelector(".hit:has([aria-current])");
  const isHit = hit && parametersOf(hit.querySelector(".place")).get("open") === place;
  const { sentence = "", window: around = "" } = isHit ? hit.dataset : {};
  const body = { place, lines: values.get("lines"), sentence, window: around };
  clearTimeout(previewTimer);
  reading = replaced(reading);
  const show = (answer) => {
    if (!answer.isGood) return trouble(answer.notice);
    if (!isPreview) {
      const here = address({ open: place });
      if (here !== location.pathname + location.search) history.pushState(null, "", here);
      document.body.classList.add("reading");
      if (!isWide.matches) scrollTo(0, 0);
    }
    showPassage(answer);
    if (!isPreview) byId("passage").querySelector("h2").focus({ preventScroll: true });
    return undefined;
  };
  await request(reading, "/page/passage", body, show, () => open(link, { isPreview }));
}

function close() {
  document.body.classList.remove("reading");
  if (new URLSearchParams(location.search).has("open")) history.replaceState(null, "", address({}));
  const current = document.querySelector(".hit [aria-current]") ?? document.querySelector(".hit .place");
  (current ?? query).focus();
}

async function copy(link) {
  try {
    await navigator.clipboard.writeText(link.href);
  } catch {
    location.assign(link.href); // then the browser's address can be copied
    return;
  }
  link.textContent = "Link copied";
  byId("summary").textContent = "Link copied";
  setTimeout(() => { link.textContent = "Copy the link"; }, 1500);
}

function step(by) {
  const links = [...document.querySelectorAll(".hit .place[href]")];
  if (!links.length) return;
  const focused = links.indexOf(document.activeElement?.closest?.(".hit")?.querySelector(".place"));
  const from = focused >= 0 ? focused : links.findIndex((link) => link.hasAttribute("aria-current"));
  const isOutside = focused < 0 && !byId("passage").contains(document.activeElement);
  const to = isOutside ? Math.max(from, 0) : from + by;
  if (to < 0) {
    query.focus();
    return;
  }
  const link = links[Math.min(to, links.length - 1)];
  link.focus();
  link.scrollIntoView({ block: "nearest" });
  clearTimeout(previewTimer);
  if (isWide.matches) previewTimer = setTimeout(() => open(link, { isPreview: true }), PREVIEW_MS);
}

// Events

function typed() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    await search();
    history.replaceState(null, "", address({}));
  }, WAIT_MS);
}

form.addEventListener("input", (event) => {
  if (!event.isComposing) typed();
});
form.addEventListener("compositionend", typed);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const here = address({});
  if (here !== location.pathname + location.search) history.pushState(null, "", here);
  search();
});
form.querySelector(".fields button").addEventListener("click", () => {
  for (const field of form.querySelectorAll(".fields [name]")) field.value = "";
  form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const act = {
    more: () => showMore(parametersOf(link).get("offset")),
    copy: () => copy(link),
    close,
  }[link.id];
  if (!act && !(link.closest("main") && parametersOf(link).get("open"))) return;
  event.preventDefault();
  if (act) act();
  else open(link);
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const isInQuery = event.target === query;
  const isTyping = event.target.matches("input, select, textarea");
  const isInHits = byId("results").contains(event.target);
  const keys = {
    "/": () => query.select(),
    j: () => step(1),
    k: () => step(-1),
    c: () => byId("copy")?.click(),
  };
  if (isInHits || isInQuery) {
    keys.ArrowDown = () => step(1);
    if (isInHits) keys.ArrowUp = () => step(-1);
  }
  const isReading = document.body.classList.contains("reading");
  keys.Escape = () => (isReading && !isInHits ? close() : query.select());
  const act = isTyping && !(isInQuery && event.key === "ArrowDown") ? null : keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// A picture whose file has changed or is gone since the search
document.addEventListener("error", (event) => {
  if (event.target.matches?.("img.picture")) event.target.remove();
}, true);

addEventListener("popstate", () => {
  const open = fillFrom(location.search).get("open") ?? "";
  search(open ? { open } : {});
});

byId("ask-token")?.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  byId("token").value = "";
  byId("ask-token").hidden = true;
  trouble("");
  search();
  query.focus();
});

// At the start: take the token out of the address, and ask for what the server could not answer without it.

const given = /^#token=([\w-]+)$/.exec(location.hash);
if (given) {
  sessionStorage.setItem(TOKEN, given[1]);
  history.replaceState(null, "", location.pathname + location.search);
}
showFilters();
byId("copy")?.replaceChildren("Copy the link");
showMark();
if ("token" in document.body.dataset) {
  const opened = new URLSearchParams(location.search).get("open");
  if (sessionStorage.getItem(TOKEN) === null) askToken();
  else if (!("held" in document.body.dataset)) search(opened ? { open: opened } : {});
}
