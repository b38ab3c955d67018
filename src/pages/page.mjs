// What the pages share: the token, the connection and its state, elements, texts.

import { DAService } from "/client.mjs";
import { HUB } from "/pages/hub.mjs";

const TOKEN = "rte.token";

/** The token that the address has brought, which leaves the address at once; else the one of this tab. */
function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return sessionStorage.getItem(TOKEN);
  fragment.delete("token");
  const rest = String(fragment);
  history.replaceState(null, "", location.pathname + location.search + (rest && `#${rest}`));
  sessionStorage.setItem(TOKEN, token);
  return token;
}

/** What a token says, which nobody has proven here; empty where it is none. */
export function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}

const STATES = {
  connecting: "Connecting",
  live: "Live",
  recovering: "Catching up",
  offline: "Offline: trying again",
  refused: "Not let in",
};

/**
 * Begins a page: `begin(da, token)` with a service of the token there is; without one it asks for it.
 * What `begin` listens to is subscribed with the connection that follows.
 */
export async function open(begin) {
  const token = takeToken();
  window.addEventListener("hashchange", () => location.hash.includes("token=") && (takeToken(), location.reload()));
  byId("forget").addEventListener("click", () => {
    sessionStorage.clear();
    location.reload();
  });
  if (!token) return ask("");
  byId("forget").hidden = false;
  byId("main").hidden = false;
  const da = new DAService(new URL(HUB, location.href), token);
  show("connecting");
  da.OnStateChanged.on(({ state, error }) => {
    show(state);
    if (state === "refused") ask(error?.message ?? "");
  });
  da.OnGap.on(() => say(`What happened before ${clock(da.now())} may not all be here; what is shown is what the hub knows now.`));
  await begin(da, token);
  await da.Connect();
}

function show(state) {
  document.documentElement.dataset.state = state;
  put(byId("state"), STATES[state]);
}

/** Says something that concerns the whole page, until it is dismissed. */
export function say(text) {
  const notice = byId("notice");
  const close = el("button", { type: "button" }, "Dismiss");
  close.addEventListener("click", () => notice.replaceChildren());
  notice.replaceChildren(el("p", {}, text, " ", close));
}

/** The manual has the same. */
const MAKE = `rte token --sub USER --org ORGANIZATION \\
  --grant 'user/*' --grant 'queue/*' --grant 'calllist/*' --scope publish`;

/** Asks for a token, and why, where another was refused. */
function ask(why) {
  const field = el("input", { id: "token", type: "password", required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": "about-token" });
  const form = el(
    "form",
    { id: "entry" },
    el("h2", {}, why ? "The hub does not take this token" : "A token, please"),
    why && el("p", { class: "alarm", role: "alert" }, why),
    el("label", { for: "token" }, "Token (JWT)"),
    field,
    el("p", { id: "about-token" }, "It stays in this tab until that is closed, and is not shown again. ", el("code", {}, "rte demo"), " prints addresses that bring one along. Where a hub has a secret, this makes one for all pages:"),
    el("pre", { tabindex: "0" }, el("code", {}, MAKE)),
    el("button", { type: "submit" }, "Open"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, field.value.trim());
    field.value = "";
    location.reload();
  });
  byId("main").hidden = true;
  byId("entry")?.remove();
  byId("main").before(form);
  field.focus();
}

// Elements.

export const byId = (id) => document.getElementById(id);

/** An element with these attributes, but for those that are false or null, and children. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

/** Gives an element this text, where it has another. */
export function put(element, text) {
  const own = element.firstChild;
  if (own === null) element.append(text);
  else if (own.nodeValue !== text) own.nodeValue = text;
}

/** Calls `paint` with the next frame behind a change, and every second; not more often than every 250 ms. */
export function painting(paint) {
  let due = 0;
  let painted = 0;
  const run = () => {
    due = 0;
    painted = performance.now();
    paint();
  };
  const request = () => {
    due ||= setTimeout(() => requestAnimationFrame(run), Math.max(0, painted + 250 - performance.now()));
  };
  setInterval(request, 1000);
  request();
  return request;
}

// Texts.

const two = (number) => String(number).padStart(2, "0");

/** A span of time: `0:42`, `12:03`, `1:02:09`. */
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** An age, roughly: `12 s`, `4 min`, `2 h`. */
export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  return s < 3600 ? `${Math.floor(s / 60)} min` : s < 172_800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86_400)} days`;
}

/** The time of day, here. */
export function clock(ms) {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The day and the time of day, here: `2026-11-26 14:36`. */
export function dateOf(ms) {
  const date = new Date(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms).slice(0, 5)}`;
}

/** A date of an event; its end of all time is none. */
export function date(text) {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || text.startsWith("9999") ? "" : dateOf(ms);
}

/** A user's name for people, where it is an address of mail. */
export function person(name) {
  const [, local] = /^([^@\s]+)@\S+$/.exec(name ?? "") ?? [];
  return local ? local.replace(/[._]+/g, " ").replace(/(^|\s)\S/g, (first) => first.toUpperCase()) : (name ?? "");
}

/** Enough of a GUID to tell it from others. */
export const short = (id) => id.slice(0, 8);

/** Data with the names that the wire has by default, whatever `catalogue.wire_case` says. */
export function plain(data) {
  if (Array.isArray(data)) return data.map(plain);
  if (data === null || typeof data !== "object") return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [lowered(name), plain(value)]));
}

const lowered = (name) => name.replace(/^([A-Z]+)(?=[A-Z][a-z]|$)|^[A-Z]/, (first) => first.toLowerCase());
