// The playground: what a token may and why, what comes, and publishing by hand. The token itself is never shown.

import { CSHARP } from "/pages/csharp.mjs";
import { HUB } from "/pages/hub.mjs";
import { byId, claimsOf, clock, dateOf, el, open, person, plain, put, short } from "/pages/page.mjs";

const LOG_MAX = 200;

/** What the hub says of each event, by its name. */
let catalogue = new Map();
let da;
let token;
let claims;
let examples = [];
let nextExample = 0;
let received = 0;
const shown = [];

open(async (service, given) => {
  [da, token, claims] = [service, given, claimsOf(given)];
  showClaims();
  byId("filter").addEventListener("input", narrow);
  byId("event").addEventListener("change", choose);
  byId("entity").addEventListener("input", showCode);
  byId("listen").addEventListener("submit", listen);
  byId("clear").addEventListener("click", () => byId("log").replaceChildren());
  byId("item").addEventListener("input", edited);
  byId("item").addEventListener("scroll", () => (byId("gutter").scrollTop = byId("item").scrollTop));
  byId("dry").addEventListener("click", () => publish(true));
  byId("publish").addEventListener("click", () => publish(false));
  byId("example").addEventListener("click", showExample);
  // It comes with the connection, which is asked for next.
  da.Catalogue().then(showCatalogue, () => {});
});

// The token.

function showClaims() {
  const { sub, org, iss, aud, exp, rte, scope } = claims;
  const facts = [
    ["User", sub],
    ["Organization", org],
    ["Grants", [rte].flat().filter(Boolean).join("  ")],
    ["Scope", [scope].flat().filter(Boolean).join("  ")],
    ["Issuer", iss],
    ["Audience", [aud].flat().filter(Boolean).join("  ")],
    ["Until", exp && dateOf(exp * 1000)],
  ];
  const told = facts.filter(([, value]) => value);
  byId("claims").replaceChildren(...told.map(([what, value]) => el("div", {}, el("dt", {}, what), el("dd", {}, String(value)))));
  if (!told.length) byId("claims").replaceChildren(el("p", { class: "faint" }, "Nothing under the usual names."));
}

// The catalogue.

function showCatalogue(entries) {
  catalogue = new Map(entries.map((entry) => [entry.eventName, entry]));
  for (const family of new Set(entries.map(({ family }) => family))) {
    const names = entries.filter((entry) => entry.family === family).map(({ eventName }) => el("option", {}, eventName));
    byId("event").append(el("optgroup", { label: family }, ...names));
  }
  byId("events").replaceChildren(...entries.map(row));
  narrow();
  byId("event").value = (entries.find(({ allowed, kind }) => allowed && kind === "state") ?? entries[0]).eventName;
  choose();
}

function row({ eventName, allowed, reason, entities }) {
  const words = eventName.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word) => [el("wbr"), word]);
  const name = el("button", { type: "button", class: "link" }, ...words);
  name.addEventListener("click", () => {
    byId("event").value = eventName;
    if (entities?.length) byId("entity").value = entities[0];
    choose();
    byId("event").focus();
  });
  const which = entities ? ` Only for ${entities.map(short).join(", ") || "none"}.` : "";
  return el("tr", { "data-name": eventName.toLowerCase() }, el("th", { scope: "row" }, name), el("td", { class: allowed ? "yes" : "no" }, allowed ? "yes" : "no"), el("td", {}, `${reason}${which}`));
}

function narrow() {
  const wanted = byId("filter").value.trim().toLowerCase();
  for (const row of byId("events").children) row.hidden = !row.dataset.name.includes(wanted);
  const allowed = [...catalogue.values()].filter(({ allowed }) => allowed).length;
  put(byId("counted"), `May have ${allowed} of ${catalogue.size} events`);
}

async function choose() {
  const entry = chosen();
  showCode();
  put(byId("about"), "…");
  const schema = await (await fetch(entry.schema)).json();
  if (entry !== chosen()) return;
  put(byId("about"), `${schema.description ?? ""} (${entry.kind === "state" ? "a state: only the last value matters" : "an occurrence: every one matters"})`);
  examples = schema.examples ?? [{}];
  nextExample = 0;
  showExample();
}

const chosen = () => catalogue.get(byId("event").value);
const entityOf = () => byId("entity").value.trim() || "*";

// Listening.

function listen(event) {
  event.preventDefault();
  const [name, entity] = [byId("event").value, entityOf()];
  const verdict = el("span", { class: "faint", role: "status" }, "asking…");
  const end = el("button", { type: "button", "aria-label": `End ${name} of ${entity}` }, "End");
  const item = el("li", { class: "row" }, el("code", {}, `${entity === "*" ? "*" : short(entity)}:${name}`), verdict, end);
  const listening = da.on(name, entity, show, { snapshot: byId("snapshot").checked, since: byId("since").value || undefined });
  end.addEventListener("click", () => {
    listening.off();
    item.remove();
  });
  listening.verdict.then(({ subscribed, message }) => {
    put(verdict, subscribed ? "subscribed" : `refused: ${message}`);
    verdict.classList.toggle("alarm", !subscribed);
  }, () => {});
  byId("subscriptions").append(item);
}

function show(message) {
  received += 1;
  put(byId("received"), `${received} ${received === 1 ? "message has" : "messages have"} come.`);
  if (byId("pause").checked) return;
  const { subscription, data, at } = message;
  const name = [...catalogue.keys()].find((name) => name.toLowerCase() === subscription.eventName) ?? subscription.eventName;
  const line = el(
    "li",
    {},
    el("details", {}, el("summary", {}, el("time", { datetime: at }, clock(Date.parse(at))), " ", el("b", {}, name), " ", el("span", { title: subscription.entityId }, whoOf(subscription, data)), " ", el("span", { class: "faint" }, digestOf(data))), el("pre", { tabindex: "0" }, JSON.stringify(data, null, 2))),
  );
  const log = byId("log");
  log.prepend(line);
  if (log.children.length > LOG_MAX) log.lastChild.remove();
}

/** The entity for people, where the event has its name. */
function whoOf({ entityId }, data) {
  const { queueName, userName, username } = plain(data);
  return queueName || person(userName ?? username) || short(entityId);
}

/** What an event says, in a line: its values but for ids, names, and what is zero, false or no date. */
function digestOf(data) {
  const isTold = ([name, value]) => value && typeof value !== "object" && !/id$|name$/i.test(name) && !/^9999-/.test(value);
  const told = Object.entries(data).filter(isTold);
  return told.map(([name, value]) => `${name} ${value}`).join(" · ");
}

// Publishing.

function showExample() {
  const entry = chosen();
  const data = { ...examples[nextExample++ % examples.length] };
  put(byId("example"), examples.length < 2 ? "The example again" : "Another example");
  // Of the token's organization, else nobody may have it.
  for (const name of Object.keys(data)) if (/^organizationid$/i.test(name) && claims.org) data[name] = claims.org;
  const [entity] = [entityOf(), claims.sub].filter((id) => /^[0-9a-f-]{36}$/i.test(id));
  const item = { eventName: entry.eventName, ...(entry.entityProperty === null && { entityId: entity ?? "" }), data };
  byId("item").value = JSON.stringify(item, null, 2);
  edited();
}

function edited() {
  put(byId("verdict"), "");
  byId("faults").replaceChildren();
  byId("dry").disabled = byId("publish").disabled = false;
  drawGutter(new Set());
  showCode();
}

function drawGutter(faulty) {
  const lines = byId("item").value.split("\n").map((_, n) => el("span", { class: faulty.has(n + 1) ? "faulty" : null }, faulty.has(n + 1) ? `✕ ${n + 1}\n` : `${n + 1}\n`));
  byId("gutter").replaceChildren(...lines);
  byId("gutter").scrollTop = byId("item").scrollTop;
}

async function publish(isDry) {
  const text = byId("item").value;
  byId("faults").replaceChildren();
  try {
    JSON.parse(text);
  } catch ({ message }) {
    return fail(`This is no JSON: ${message}`);
  }
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(`/publish${isDry ? "?dry_run=1" : ""}`, { method: "POST", headers, body: text });
  } catch {
    return fail("The hub was not reached.");
  }
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) return fail(`${response.status}: ${await response.text()}`);
  const { accepted, rejected, members, results } = await response.json();
  const done = isDry ? "would be taken" : "taken";
  const heard = members === undefined ? "" : `, for ${members} ${members === 1 ? "listener" : "listeners"}`;
  put(byId("verdict"), `${response.status}: ${accepted} ${done}${rejected ? `, ${rejected} rejected` : heard}`);
  byId("verdict").className = rejected ? "alarm" : "free";
  const places = placesOf(text);
  const isList = text.trimStart().startsWith("[");
  const faults = results.flatMap(({ index, errors = [] }) => errors.map((fault) => ({ ...fault, place: placeOf(places, (isList ? `/${index}` : "") + fault.pointer) })));
  byId("faults").replaceChildren(...faults.map(faultLine));
  drawGutter(new Set(faults.map(({ place }) => place.line)));
}

function fail(why) {
  put(byId("verdict"), why);
  byId("verdict").className = "alarm";
}

function faultLine({ pointer, rule, message, place }) {
  const go = el("button", { type: "button", class: "link" }, `Line ${place.line}`);
  go.addEventListener("click", () => {
    byId("item").focus();
    byId("item").setSelectionRange(place.start, place.end);
  });
  return el("li", {}, go, " ", el("code", {}, pointer || "/"), ` ${message} `, el("span", { class: "faint" }, `(${rule})`));
}

/** The place of what a JSON Pointer (RFC 6901) names, or of the nearest thing around it that is there. */
function placeOf(places, pointer) {
  while (pointer && !places.has(pointer)) pointer = pointer.slice(0, pointer.lastIndexOf("/"));
  return places.get(pointer);
}

/** Where each value of a good JSON text stands, by its pointer. */
function placesOf(text) {
  const places = new Map();
  const token = /\s*("(?:[^"\\]|\\.)*"|[^\s,:[\]{}"]+|[,:[\]{}])/y;
  const next = () => token.exec(text)[1];
  const peek = () => {
    const at = token.lastIndex;
    const found = next();
    token.lastIndex = at;
    return found;
  };
  const read = (pointer, from) => {
    const first = next();
    const start = from ?? token.lastIndex - first.length;
    if (first === "{" || first === "[") {
      const end = first === "{" ? "}" : "]";
      for (let n = 0; peek() !== end; n += 1) {
        if (n > 0) next();
        if (first === "[") {
          read(`${pointer}/${n}`);
          continue;
        }
        const name = next();
        const at = token.lastIndex - name.length;
        next();
        read(`${pointer}/${JSON.parse(name).replace(/~/g, "~0").replace(/\//g, "~1")}`, at);
      }
      next();
    }
    places.set(pointer, { start, end: token.lastIndex, line: text.slice(0, start).split("\n").length });
  };
  read("");
  return places;
}

// Code. What stands for the token is a name, for a text that is copied goes places.

function showCode() {
  const [event, entity, hub] = [byId("event").value, entityOf(), new URL(HUB, location.href).href];
  const texts = [
    ["JavaScript", `import { DAService } from "${location.origin}/client.mjs"; // in Node: from "rte-client", the package of: rte schema export

// To try it: by hand in a page, TOKEN of the environment in Node. In earnest it comes from your back end.
const fetchToken = () => globalThis.process?.env.TOKEN ?? prompt("Token");

const da = new DAService("${hub}", fetchToken);
da.OnStateChanged.on(({ state, error }) => console.log(state, error?.message ?? ""));
da.on("${event}", ${JSON.stringify(entity)}, ({ data, at }) => console.log(at, data));
await da.Connect();`],
    ["C#", csharp(hub, entity, event)],
    ["curl, to publish", `# TOKEN holds a token with the scope publish
curl -sS ${location.origin}/publish \\
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  --data-binary @- <<'JSON'
${byId("item").value}
JSON`],
    ["rte listen", `# TOKEN holds a token that may hear it
rte listen --url ${hub} --token "$TOKEN" --snapshot '${entity}:${event}'`],
  ];
  const code = byId("code");
  if (!code.children.length) code.append(...texts.map(codePart));
  texts.forEach(([, text], n) => put(shown[n], text));
}

/** The sample of the guide, for this event. */
function csharp(hub, entity, event) {
  const sample = CSHARP.replace(/const string queue = .*\n/, "")
    .replace(/var wanted = .*/, () => `var wanted = new[] { new Item(${JSON.stringify(entity)}, "${event}", true) };`)
    .replace(/WithUrl\("[^"]*"/, () => `WithUrl("${hub}"`)
    .replace("RTE_TOKEN", "TOKEN");
  return `// dotnet add package Microsoft.AspNetCore.SignalR.Client, and the token in TOKEN\n${sample.trimEnd()}`;
}

function codePart([title], n) {
  const text = el("code", {}, "");
  shown[n] = text;
  const copy = el("button", { type: "button" }, "Copy");
  const said = el("span", { class: "faint", role: "status" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      put(said, "copied");
    } catch {
      getSelection().selectAllChildren(text);
      put(said, "selected: copy it with the keyboard");
    }
  });
  return el("details", { name: "code", open: n === 0 }, el("summary", {}, title), el("pre", { tabindex: "0", role: "region", "aria-label": title }, text), el("p", { class: "row" }, copy, said));
}
