// The wallboard: every queue, agent and call list that the token may hear, and how old each number is.

import { STATES, reasonOf, stateOf, wraps } from "/pages/agents.mjs";
import { age, byId, clock, el, open, painting, person, plain, put, short, span, svg } from "/pages/page.mjs";

const query = new URLSearchParams(location.search);
/** A source that has told nothing for so long has fallen silent: `?silent=` in seconds. */
const SILENT_MS = 1000 * (Number(query.get("silent")) || 300);
/** A caller waits too long: `?wait=` in seconds. */
const LATE_MS = 1000 * (Number(query.get("wait")) || 120);
/** What the lines show, and how often they get a point. */
const HISTORY_MS = 30 * 60_000;
const POINT_MS = 10_000;
const HISTORY = "rte.wall";

const queues = new Map();
const lists = new Map();
const agents = new Map();
/** When any agent was told of last. */
let agentsAt = 0;
/** What is not granted, by event. */
const refused = new Map();
let da;
let request;

open((service) => {
  da = service;
  request = painting(paint);
  listen("QueueStatus", onQueue, queues);
  listen("UserStatus", onAgent("status"), agents);
  listen("UserAvailability", onAgent("availability"), agents);
  listen("CallbackListStatus", onList, lists);
  // What is not told anew behind a gap may be wrong.
  da.OnGap.on((gaps) => gaps.forEach(({ EventName }) => outdate(EventName)));
  da.OnStateChanged.on(request);
  setInterval(addPoints, POINT_MS);
  window.addEventListener("pagehide", saveHistory);
  hang();
});

/** Listens to an event of every entity that the token may have it of. */
function listen(name, handler, entries) {
  const { verdict } = da.on(name, "*", (message) => {
    handler(message.subscription.entityId, plain(message.data), Date.parse(message.at));
    request();
  });
  verdict.then(({ subscribed, message }) => {
    if (!subscribed) refused.set(name, { message, entries });
    request();
  }, () => {});
}

function outdate(name) {
  const of = { QueueStatus: queues, CallbackListStatus: lists }[name] ?? agents;
  for (const entry of of.values()) entry.isOld = true;
  request();
}

// Queues.

function onQueue(id, data, at) {
  const queue = queues.get(id) ?? { id, card: null, points: savedPoints(id) };
  const isNew = !queues.has(id);
  Object.assign(queue, { data, at, isOld: false });
  queues.set(id, queue);
  if (isNew) {
    queue.card = queueCard();
    place(byId("queues"), queues, queue, ({ data }) => data.queueName ?? "");
  }
  if (!queue.points.length) addPoint(queue, da.now());
}

function queueCard() {
  const part = (tag, attributes = {}) => el(tag, attributes);
  const parts = {
    name: part("h3"),
    open: part("span", { class: "tag" }),
    waiting: part("b"),
    longest: part("b"),
    free: part("b"),
    talking: part("b"),
    wrapup: part("b"),
    age: part("p", { class: "age" }),
    most: part("span"),
    line: svg("path", { class: "line" }),
    area: svg("path", { class: "area" }),
    freeLine: svg("path", { class: "free-line" }),
  };
  const graph = svg("svg", { viewBox: "0 0 180 40", preserveAspectRatio: "none", role: "img" }, parts.area, parts.freeLine, parts.line);
  const number = (what, value, kind = "") => el("div", { class: kind }, el("dt", {}, what), el("dd", {}, value));
  const state = (what, value, kind) => el("div", { class: kind }, el("span", { class: "shape", "aria-hidden": "true" }), el("dt", {}, what), el("dd", {}, value));
  parts.graph = graph;
  parts.card = el(
    "li",
    { class: "card queue" },
    el("div", { class: "title" }, parts.name, parts.open),
    el("dl", { class: "numbers" }, number("waiting", parts.waiting, "waiting"), number("longest wait", parts.longest, "longest")),
    el("dl", { class: "states" }, state("free", parts.free, "free"), state("talking", parts.talking, "talking"), state("wrap-up", parts.wrapup, "wrapup")),
    el("div", { class: "history" }, graph, el("p", { "aria-hidden": "true" }, "30 min", el("span", { class: "key" }, "waiting"), el("span", { class: "key dashed" }, "free"), parts.most)),
    parts.age,
  );
  return parts;
}

function paintQueue({ data, at, isOld, card, points }, now) {
  const stale = staleness(at, isOld, now);
  const waiting = data.nbrOfQueuingRequesters ?? 0;
  // Who waits goes on waiting, until something else is told.
  const longestMs = 1000 * (data.maxWaitTime ?? 0) + (waiting && !stale ? now - at : 0);
  const isLate = !stale && waiting > 0 && longestMs >= LATE_MS;
  put(card.name, data.queueName || short(data.queueId ?? ""));
  put(card.open, data.openStatus >= 5 ? "open" : data.openStatus >= 1 ? "closed" : "");
  put(card.waiting, String(waiting));
  put(card.longest, waiting || longestMs ? span(longestMs) : "–");
  put(card.free, String(data.nbrOfAgentsImmediatelyFree ?? 0));
  put(card.talking, String(data.nbrOfConnected ?? 0));
  put(card.wrapup, String(data.nbrOfAgentsOnWrapUp ?? 0));
  put(card.age, stale || `${isLate ? `a caller waits over ${span(LATE_MS)} · ` : ""}${age(now - at)} ago`);
  flag(card.card, { stale: Boolean(stale), late: isLate });
  if (card.drawn === points.at(-1)) return;
  card.drawn = points.at(-1);
  draw(card, points, now);
}

/** Why what is shown may be wrong; empty where it is not. */
function staleness(at, isOld, now) {
  if (isOld) return `from before an interruption, ${age(now - at)} old`;
  return now - at > SILENT_MS ? `no news for ${age(now - at)}` : "";
}

// The last 30 minutes. They are this page's own: the hub keeps states, not their past.

function savedPoints(id) {
  try {
    const points = JSON.parse(sessionStorage.getItem(HISTORY))?.[id] ?? [];
    return points.filter(([at]) => da.now() - at < HISTORY_MS);
  } catch {
    return [];
  }
}

function saveHistory() {
  // Whoever has forgotten the token keeps nothing.
  if (!sessionStorage.length) return;
  const all = Object.fromEntries([...queues.values()].slice(0, 200).map(({ id, points }) => [id, points]));
  sessionStorage.setItem(HISTORY, JSON.stringify(all));
}

function addPoints() {
  const now = da.now();
  for (const queue of queues.values()) if (!staleness(queue.at, queue.isOld, now) && da.state === "live") addPoint(queue, now);
  request();
}

function addPoint({ data, points }, now) {
  points.push([now, data.nbrOfQueuingRequesters ?? 0, data.nbrOfAgentsImmediatelyFree ?? 0]);
  while (now - points[0][0] > HISTORY_MS) points.shift();
}

function draw({ graph, line, area, freeLine, most }, points, now) {
  const highest = Math.max(0, ...points.map(([, waiting]) => waiting));
  const top = Math.max(4, highest, ...points.map(([, , free]) => free));
  const x = (at) => (180 * (1 - (now - at) / HISTORY_MS)).toFixed(1);
  const y = (value) => (39 - (37 * value) / top).toFixed(1);
  // Steps: a number holds until the next. Where none was known for a while, there is no line.
  const path = (of) => points.map((point, n) => {
    const isJoined = n > 0 && point[0] - points[n - 1][0] < 3 * POINT_MS;
    return isJoined ? `H${x(point[0])}V${y(point[of])}` : `M${x(point[0])} ${y(point[of])}`;
  }).join("") + "h1";
  line.setAttribute("d", path(1));
  freeLine.setAttribute("d", path(2));
  area.setAttribute("d", `${path(1)}V39H${x(points[0][0])}Z`);
  put(most, `most ${highest}`);
  const [, waiting, free] = points.at(-1);
  graph.setAttribute("aria-label", `The last 30 minutes: ${waiting} waiting, at most ${highest}; ${free} free`);
}

// Agents: a column for each state, in which whoever is in it for longest stands first.

const columns = new Map();

function onAgent(part) {
  return (id, data, at) => {
    const agent = agents.get(id) ?? { id, state: null, since: 0 };
    agents.set(id, agent);
    agent[part] = { data, at };
    agent.isOld = false;
    agentsAt = Math.max(agentsAt, at);
    move(agent, at);
  };
}

function move(agent, at) {
  const state = stateOf(agent, at);
  agent.why = reasonOf(agent);
  if (state === agent.state) return;
  columns.get(agent.state)?.agents.delete(agent.id);
  Object.assign(agent, { state, since: at });
  const column = columnOf(state);
  // Those of a snapshot may come in another order than that in which it became true.
  column.isSorted &&= at >= column.newest;
  column.newest = Math.max(column.newest, at);
  column.agents.set(agent.id, agent);
}

function columnOf(state) {
  if (!columns.size) for (const [state, title] of STATES) columns.set(state, makeColumn(state, title));
  return columns.get(state);
}

function makeColumn(state, title) {
  const count = el("b", {}, "0");
  const list = el("ol");
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Agents: ${title}` }, list);
  const heading = el("h3", { class: state }, el("span", { class: "shape", "aria-hidden": "true" }), el("span", {}, title), count);
  byId("agents").append(el("div", { class: "card column" }, heading, scroll));
  scroll.addEventListener("scroll", request, { passive: true });
  return { agents: new Map(), count, list, scroll, rows: [], isSorted: true, newest: 0 };
}

/** Only the rows that can be seen are there: five thousand agents cost what fifty do. */
function paintColumn(column, rowPx, now) {
  const { agents, list, scroll, rows } = column;
  put(column.count, String(agents.size));
  if (!column.isSorted) {
    column.agents = new Map([...agents].sort(([, a], [, b]) => a.since - b.since));
    column.isSorted = true;
    return paintColumn(column, rowPx, now);
  }
  const height = `${agents.size * rowPx}px`;
  if (list.style.height !== height) list.style.height = height;
  const first = Math.max(0, Math.min(Math.floor(column.top / rowPx), agents.size - 1));
  const shown = Math.max(0, Math.min(Math.ceil(column.height / rowPx) + 1, agents.size - first));
  while (rows.length < shown) rows.push(makeRow(list));
  while (rows.length > shown) rows.pop().item.remove();
  let n = -first;
  for (const agent of agents.values()) {
    if (n >= shown) break;
    if (n >= 0) paintRow(rows[n], agent, first + n, agents.size, rowPx, now);
    n += 1;
  }
}

function makeRow(list) {
  const [name, why, since] = [el("span", { class: "name" }), el("span", { class: "why" }), el("span", { class: "since" })];
  const item = el("li", {}, name, why, since);
  list.append(item);
  return { item, name, why, since, place: -1, of: 0 };
}

function paintRow(row, agent, place, of, rowPx, now) {
  if (row.place !== place || row.rowPx !== rowPx) {
    row.item.style.transform = `translateY(${place * rowPx}px)`;
    row.item.setAttribute("aria-posinset", place + 1);
  }
  if (row.of !== of) row.item.setAttribute("aria-setsize", of);
  Object.assign(row, { place, of, rowPx });
  put(row.name, person(agent.availability?.data.userName) || short(agent.id));
  put(row.why, agent.state === "away" ? agent.why : "");
  put(row.since, span(now - agent.since));
  flag(row.item, { stale: agent.isOld });
}

function paintAgents(now) {
  for (const agent of columns.get("wrapup")?.agents.values() ?? []) if (!wraps(agent.status, now)) move(agent, now);
  if (!columns.size) return;
  const rowPx = 2 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  // First all that is measured, then all that is changed.
  for (const column of columns.values()) Object.assign(column, { top: column.scroll.scrollTop, height: column.scroll.clientHeight });
  for (const column of columns.values()) paintColumn(column, rowPx, now);
  put(byId("agents-title"), `Agents: ${agents.size} · ${age(now - agentsAt)} ago`);
}

// Callbacks.

function onList(id, data, at) {
  const isNew = !lists.has(id);
  const list = lists.get(id) ?? { id };
  Object.assign(list, { data, at, isOld: false });
  lists.set(id, list);
  if (!isNew) return;
  list.card = listCard(id);
  place(byId("lists"), lists, list, ({ id }) => id);
}

const COUNTS = [
  ["totalOpenRequests", "open"],
  ["totalOverDueDate", "overdue"],
  ["nextHourOverDueDate", "due within an hour"],
  ["totalAssigned", "assigned"],
  ["totalFreeForAllocation", "to be taken"],
  ["totalServingAgents", "agents serving"],
];

function listCard(id) {
  const numbers = COUNTS.map(() => el("b"));
  const old = el("p", { class: "age" });
  const counts = COUNTS.map(([, what], n) => el("div", { class: n < 2 ? ["open", "overdue"][n] : "" }, el("dt", {}, what), el("dd", {}, numbers[n])));
  const card = el("li", { class: "card list" }, el("h3", { title: id }, `List ${short(id)}`), el("dl", {}, ...counts), old);
  return { card, numbers, age: old };
}

function paintList({ data, at, isOld, card }, now) {
  const stale = staleness(at, isOld, now);
  COUNTS.forEach(([name], n) => put(card.numbers[n], String(data[name] ?? "–")));
  put(card.age, stale || `${age(now - at)} ago`);
  flag(card.card, { stale: Boolean(stale), late: !stale && data.totalOverDueDate > 0 });
}

// All of it.

function paint() {
  const now = da.now();
  put(byId("clock"), clock(now).slice(0, 5));
  for (const queue of queues.values()) paintQueue(queue, now);
  paintAgents(now);
  for (const list of lists.values()) paintList(list, now);
  empty("no-queues", queues, "QueueStatus", "No queue has told its status yet.");
  empty("no-agents", agents, "UserStatus", "No agent has told a status yet.");
  empty("no-lists", lists, "CallbackListStatus", "No call list has told its status yet.");
  put(byId("silent"), silence(now));
}

function empty(id, entries, name, text) {
  const of = refused.get(name);
  byId(id).hidden = entries.size > 0;
  put(byId(id), of ? `This token may not have ${name}: ${of.message}` : text);
}

/** Who has told nothing for long; without ages, so that it is read out once. */
function silence(now) {
  const isSilent = ({ at }) => now - at > SILENT_MS;
  const silent = [...queues.values()].filter(isSilent).map(({ data, id }) => data.queueName || short(id));
  // Agents are many, and each may be the same for hours: together they have something to tell.
  if (agents.size && isSilent({ at: agentsAt })) silent.push("all agents");
  silent.push(...[...lists.values()].filter(isSilent).map(({ id }) => `list ${short(id)}`));
  return silent.length ? `No news for over ${age(SILENT_MS)} from: ${silent.join(", ")}` : "";
}

/** Puts a card at its place in an order that does not change with its numbers. */
function place(parent, entries, entry, by) {
  const order = (one, other) => by(one).localeCompare(by(other)) || (one.id < other.id ? -1 : 1);
  const next = [...entries.values()].filter((other) => other !== entry && other.card && order(entry, other) < 0).sort(order)[0];
  parent.insertBefore(entry.card.card, next?.card.card ?? null);
}

function flag(element, flags) {
  for (const [name, isOn] of Object.entries(flags)) if (element.classList.contains(name) !== isOn) element.classList.toggle(name, isOn);
}

/** What a wall wants: the whole screen, which stays on. */
function hang() {
  const button = byId("full");
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  const stayOn = () => document.hidden || navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", stayOn);
  stayOn();
}
