// The wallboard: every queue, agent and call list that the token may hear, and how old each number is.

import { STATES, isOld, reasonOf, sinceOf, stateOf, wraps } from "/pages/agents.mjs";
import { columnsOf, listsOf } from "/pages/layout.mjs";
import { age, byId, clock, el, open, painting, person, plain, put, short, span, svg } from "/pages/page.mjs";

const query = new URLSearchParams(location.search);
/** A source that has told nothing for so long has fallen silent: `?silent=` in seconds. */
const SILENT_MS = 1000 * (Number(query.get("silent")) || 300);
/** A caller waits too long: `?wait=` in seconds. */
const LATE_MS = 1000 * (Number(query.get("wait")) || 120);
/** What the lines show, and how often they get a point. */
const HISTORY_MS = 30 * 60_000;
/** And at least: a wall that has just been opened shows the little that it knows. */
const HISTORY_LEAST_MS = 3 * 60_000;
const POINT_MS = 10_000;
const HISTORY = "rte.wall";
const SINCE = "rte.wall.since";
/** Where the wall is as high as its window, and nothing scrolls; the style sheet has the same. */
const WALL = matchMedia("(min-width: 64em) and (min-height: 40em)");

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
  window.addEventListener("resize", () => {
    laid = null;
    request();
  });
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
  const of = { QueueStatus: queues, CallbackListStatus: lists }[name];
  for (const entry of of?.values() ?? []) entry.isOld = true;
  const part = { UserStatus: "status", UserAvailability: "availability" }[name];
  for (const agent of part ? agents.values() : []) {
    if (agent[part]) agent[part].isOld = true;
    move(agent, da.now());
  }
  request();
}

/** What an entity is called that tells no name: `?name.ID=` with its GUID, or enough of it. */
function called(id, kind) {
  for (const [key, name] of query) if (key.startsWith("name.") && key.length > 5 && id.startsWith(key.slice(5).toLowerCase())) return name;
  return `${kind} ${short(id)}`;
}

// Queues: whoever waits too long first, then where anybody waits.

function onQueue(id, data, at) {
  const queue = queues.get(id) ?? { id, card: queueCard(), points: savedPoints(id) };
  Object.assign(queue, { data, at, isOld: false });
  if (!queues.has(id)) {
    queues.set(id, queue);
    laid = null;
  }
  // Between two points the most that waited is not lost.
  const last = queue.points.at(-1);
  if (last) last[1] = Math.max(last[1], waitingOf(data));
  else addPoint(queue, da.now());
}

const waitingOf = (data) => data.nbrOfQueuingRequesters ?? 0;

function queueCard() {
  const part = (tag, attributes = {}) => el(tag, attributes);
  const parts = {
    name: part("h3"),
    open: part("span", { class: "tag" }),
    waiting: part("b"),
    longest: part("b"),
    ringing: part("b"),
    free: part("b"),
    talking: part("b"),
    wrapup: part("b"),
    age: part("p", { class: "age" }),
    most: part("p", { class: "most", "aria-hidden": "true" }),
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
    el(
      "div",
      { class: "tile" },
      el("div", { class: "title" }, parts.name, parts.open),
      el("dl", { class: "numbers" }, number("waiting", parts.waiting, "waiting"), number("longest wait", parts.longest, "longest"), number("ringing", parts.ringing)),
      el("dl", { class: "states" }, state("free", parts.free, "free"), state("talking", parts.talking, "talking"), state("wrap-up", parts.wrapup, "wrapup")),
      el("div", { class: "history" }, graph),
      el("div", { class: "foot" }, parts.age, parts.most),
    ),
  );
  return parts;
}

function paintQueue(queue, now) {
  const { data, at, isOld, card, points } = queue;
  const stale = staleness(at, isOld, now);
  const waiting = waitingOf(data);
  const ringing = data.nbrOfAllocated ?? 0;
  const isClosed = data.openStatus >= 1 && data.openStatus < 5;
  // A caller waits until somebody answers, and goes on waiting until something else is told.
  const longestMs = waiting || ringing ? 1000 * (data.maxWaitTime ?? 0) + (stale ? 0 : now - at) : 0;
  const isLate = !stale && longestMs >= LATE_MS;
  const isLost = !stale && isClosed && waiting > 0;
  const alarm = isLate ? `a caller waits over ${span(LATE_MS)} · ` : isLost ? "closed, but callers wait · " : "";
  queue.rank = isLate || isLost ? 2 : Number(!stale && waiting + ringing > 0);
  queue.waitsSince = queue.rank ? now - longestMs : 0;
  put(card.name, data.queueName || called(queue.id, "Queue"));
  put(card.open, data.openStatus >= 5 ? "open" : isClosed ? "closed" : "");
  put(card.waiting, String(waiting));
  put(card.longest, waiting || ringing ? span(longestMs) : "–");
  put(card.ringing, String(ringing));
  put(card.free, String(data.nbrOfAgentsImmediatelyFree ?? 0));
  put(card.talking, String(data.nbrOfConnected ?? 0));
  put(card.wrapup, String(data.nbrOfAgentsOnWrapUp ?? 0));
  put(card.age, stale || `${alarm}${age(now - at)} ago`);
  flag(card.card, { stale: Boolean(stale), late: isLate || isLost, closed: isClosed });
  const drawn = [...points.at(-1), at].join();
  if (card.drawn === drawn) return;
  card.drawn = drawn;
  draw(card, points, [now, waiting, data.nbrOfAgentsImmediatelyFree ?? 0]);
}

/** Why what is shown may be wrong; empty where it is not. */
function staleness(at, isOld, now) {
  if (isOld) return `from before an interruption, ${age(now - at)} old`;
  return now - at > SILENT_MS ? `no news for ${age(now - at)}` : "";
}

// The last 30 minutes. They are this page's own: the hub keeps states, not their past.

function saved(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? {};
  } catch {
    return {};
  }
}

const savedPoints = (id) => (saved(HISTORY)[id] ?? []).filter(([at]) => da.now() - at < HISTORY_MS);

function saveHistory() {
  // Whoever has forgotten the token keeps nothing.
  if (!sessionStorage.length) return;
  const all = Object.fromEntries([...queues.values()].slice(0, 200).map(({ id, points }) => [id, points]));
  sessionStorage.setItem(HISTORY, JSON.stringify(all));
  saveSince();
}

function addPoints() {
  const now = da.now();
  for (const queue of queues.values()) if (!staleness(queue.at, queue.isOld, now) && da.state === "live") addPoint(queue, now);
  request();
}

function addPoint({ data, points }, now) {
  points.push([now, waitingOf(data), data.nbrOfAgentsImmediatelyFree ?? 0]);
  while (now - points[0][0] > HISTORY_MS) points.shift();
}

/** How far back the lines go: in whole minutes, as far as any queue is known. */
function historyMs(now) {
  const first = Math.min(now, ...[...queues.values()].map(({ points }) => points[0][0]));
  return Math.min(HISTORY_MS, Math.max(HISTORY_LEAST_MS, 60_000 * Math.ceil((now - first) / 60_000)));
}

/** Draws the points, and what is true at present behind them. */
function draw({ graph, line, area, freeLine, most }, points, present) {
  const all = [...points, present];
  const [now, waiting, free] = present;
  const highest = Math.max(...all.map(([, waiting]) => waiting));
  const top = Math.max(4, highest, ...all.map(([, , free]) => free));
  const spanMs = historyMs(now);
  const x = (at) => Math.min(180, 180 * (1 - (now - at) / spanMs)).toFixed(1);
  const y = (value) => (39 - (37 * value) / top).toFixed(1);
  // Steps: a number holds until the next. Where none was known for a while, there is no line.
  const path = (of) => all.map((point, n) => {
    const isJoined = n > 0 && point[0] - all[n - 1][0] < 3 * POINT_MS;
    return isJoined ? `H${x(point[0])}V${y(point[of])}` : `M${x(point[0])} ${y(point[of])}`;
  }).join("") + "h1";
  line.setAttribute("d", path(1));
  freeLine.setAttribute("d", path(2));
  area.setAttribute("d", `${path(1)}V39H${x(all[0][0])}Z`);
  put(most, `most ${highest}`);
  graph.setAttribute("aria-label", `The last ${spanMs / 60_000} minutes: ${waiting} waiting, at most ${highest}; ${free} free`);
}

// Agents: a column for each state, in which whoever is in it for longest stands first.

const columns = new Map();

function onAgent(part) {
  return (id, data, at) => {
    const agent = agents.get(id) ?? { id, state: null, since: 0 };
    agents.set(id, agent);
    const before = agent[part];
    agent[part] = { data, at, isOld: false };
    agentsAt = Math.max(agentsAt, at);
    // What is told for the first time, or behind an interruption, is no change that this page has seen.
    move(agent, da.now(), !before || (before.isOld && before.at !== at));
  };
}

/** Puts an agent where it belongs by now; `isAnew` where nothing is known of how it was before. */
function move(agent, now, isAnew = false) {
  const state = stateOf(agent, now);
  agent.why = reasonOf(agent);
  if (state === agent.state && !isAnew) return;
  columns.get(agent.state)?.agents.delete(agent.id);
  const told = sinceOf(agent, state, now);
  const [savedState, savedTold, savedSince] = (savedSinces ??= saved(SINCE))[agent.id] ?? [];
  const since = savedState === state && savedTold === told ? savedSince : told;
  Object.assign(agent, { state, since });
  const column = columnOf(state);
  // Those of a snapshot may come in another order than that in which it became true.
  column.isSorted &&= since >= column.newest;
  column.newest = Math.max(column.newest, since);
  column.agents.set(agent.id, agent);
}

let savedSinces = null;

/** Keeps for a reload what the newest words on an agent do not tell: since when it is in a state that was told again. */
function saveSince() {
  const known = [];
  for (const agent of agents.values()) {
    const told = sinceOf(agent, agent.state, da.now());
    if (told !== agent.since && known.length < 2000) known.push([agent.id, [agent.state, told, agent.since]]);
  }
  sessionStorage.setItem(SINCE, JSON.stringify(Object.fromEntries(known)));
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
function paintColumn(column, row, across, now) {
  const { agents, list, scroll, rows } = column;
  put(column.count, String(agents.size));
  if (!column.isSorted) {
    column.agents = new Map([...agents].sort(([, a], [, b]) => a.since - b.since));
    column.isSorted = true;
    return paintColumn(column, row, across, now);
  }
  const height = `${Math.ceil(agents.size / across) * row}px`;
  if (list.style.height !== height) list.style.height = height;
  const first = across * Math.max(0, Math.floor(Math.min(column.top, agents.size * row) / row));
  const shown = Math.max(0, Math.min(across * (Math.ceil(column.height / row) + 1), agents.size - first));
  while (rows.length < shown) rows.push(makeRow(list));
  while (rows.length > shown) rows.pop().item.remove();
  let n = -first;
  for (const agent of agents.values()) {
    if (n >= shown) break;
    if (n >= 0) paintRow(rows[n], agent, first + n, agents.size, row, across, now);
    n += 1;
  }
}

function makeRow(list) {
  const [name, why, since] = [el("span", { class: "name" }), el("span", { class: "why" }), el("span", { class: "since" })];
  const item = el("li", {}, name, why, since);
  list.append(item);
  return { item, name, why, since, where: "", of: 0 };
}

function paintRow(part, agent, place, of, row, across, now) {
  const where = [place, row, across].join();
  if (part.where !== where) {
    part.item.style.width = `${100 / across}%`;
    part.item.style.transform = `translate(${100 * (place % across)}%, ${Math.floor(place / across) * row}px)`;
    part.item.setAttribute("aria-posinset", place + 1);
  }
  if (part.of !== of) part.item.setAttribute("aria-setsize", of);
  Object.assign(part, { where, of });
  put(part.name, nameOf(agent));
  put(part.why, agent.state === "away" ? agent.why : "");
  put(part.since, span(now - agent.since));
  flag(part.item, { stale: isOld(agent) });
}

/**
 * How high and wide a row may be, in rem: the largest with which all agents are seen, and in two lines where names have room.
 * Names are cut before they are scrolled to.
 */
const ROWS = [[2.2, 16], [2, 15], [1.8, 13.5], [1.6, 12], [1.4, 10.5], [1.25, 9.5], [1.25, 8], [1.25, 6.5]].map((shape) => [...shape, 1]);
const TALL = [6, 5.4, 4.8, 4.2, 3.6, 3];
/** So many agents may be seen in rows of two lines, at most. */
const TALL_MAX = 24;

/** The shapes of rows by the names that there are. */
function shapes() {
  if (agents.size > TALL_MAX) return ROWS;
  const longest = Math.max(...[...agents.values()].map((agent) => nameOf(agent).length));
  // The style sheet has the share of a row that a letter is high.
  return [...TALL.map((height) => [height, 0.4 * height * 0.56 * longest + 1.4, 2]), ...ROWS];
}

const nameOf = (agent) => person(agent.availability?.data.userName) || called(agent.id, "Agent");
/** Who is not available has a reason beside the name. Where agents are few, a list that is empty will have one soon. */
function shareOf(state, count) {
  if (agents.size <= TALL_MAX) return state === "away" ? 1.15 : 1;
  return count === 0 ? 0.75 : state === "away" ? 1.5 : 1;
}
/** How long a layout stays that has room for all: nothing jumps with every call. */
const LAYOUT_MS = 30_000;
/** The layout of the agents, and when it was made; null where it is to be made anew. */
let laid = null;

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

function layOut(now) {
  const of = [...columns.values()];
  if (!WALL.matches) {
    laid = { at: now, row: 2 * rem(), lines: 1, columns: of.map(() => 1) };
  } else if (!laid || now - laid.at > LAYOUT_MS || of.some(({ agents }, n) => agents.size > laid.deep * laid.columns[n])) {
    const room = byId("agents");
    const sized = [...columns].map(([state, { agents }]) => ({ count: agents.size, share: shareOf(state, agents.size) }));
    // Each card has an edge, and a gap to the next.
    laid = { at: now, ...listsOf(sized, room.clientWidth - 1.5 * rem() * of.length, of[0].height, shapes().map(([height, width, lines]) => [height * rem(), width * rem(), lines])), sized };
  }
  flag(byId("agents"), { tall: laid.lines === 2 });
  const { style } = byId("agents");
  style.setProperty("--row", `${laid.row}px`);
  style.gridTemplateColumns = WALL.matches ? laid.sized.map(({ share }, n) => `minmax(8.5rem, ${laid.columns[n] * share}fr)`).join(" ") : "";
}

function paintAgents(now) {
  for (const agent of columns.get("wrapup")?.agents.values() ?? []) if (!wraps(agent.status, now)) move(agent, now);
  if (!columns.size) return;
  // First all that is measured, then all that is changed.
  for (const column of columns.values()) Object.assign(column, { top: column.scroll.scrollTop, height: column.scroll.clientHeight });
  layOut(now);
  [...columns.values()].forEach((column, n) => paintColumn(column, laid.row, laid.columns[n], now));
  put(byId("agents-title"), `Agents: ${agents.size} · ${age(now - agentsAt)} ago`);
}

// Callbacks.

function onList(id, data, at) {
  const list = lists.get(id) ?? { id, card: listCard(id) };
  Object.assign(list, { data, at, isOld: false });
  if (lists.has(id)) return;
  lists.set(id, list);
  laid = null;
}

const COUNTS = [
  ["totalOpenRequests", "open", "open"],
  ["totalOverDueDate", "overdue", "overdue"],
  ["nextHourOverDueDate", "due in 1 h"],
  ["totalAssigned", "assigned"],
  ["totalFreeForAllocation", "to take"],
  ["totalServingAgents", "agents"],
];

function listCard(id) {
  const numbers = COUNTS.map(() => el("b"));
  const old = el("p", { class: "age" });
  const counts = COUNTS.map(([, what, kind], n) => el("div", { class: kind }, el("dt", {}, what), el("dd", {}, numbers[n])));
  const name = called(id, "List");
  const card = el("li", { class: "card list" }, el("div", { class: "tile" }, el("div", { class: "title" }, el("h3", { title: id }, name), old), el("dl", {}, ...counts)));
  return { card, numbers, name, age: old };
}

function paintList(list, now) {
  const { data, at, isOld, card } = list;
  const stale = staleness(at, isOld, now);
  const isLate = !stale && data.totalOverDueDate > 0;
  list.rank = isLate ? 2 : 0;
  list.waitsSince = isLate ? -data.totalOverDueDate : 0;
  COUNTS.forEach(([name], n) => put(card.numbers[n], String(data[name] ?? "–")));
  put(card.age, stale || `${age(now - at)} ago`);
  flag(card.card, { stale: Boolean(stale), late: isLate });
}

// All of it.

function paint() {
  const now = da.now();
  put(byId("clock"), clock(now).slice(0, 5));
  put(byId("span"), `in the last ${historyMs(now) / 60_000} minutes`);
  for (const queue of queues.values()) paintQueue(queue, now);
  for (const list of lists.values()) paintList(list, now);
  arrange(now);
  if (!laid && WALL.matches) {
    tile(byId("queues"), queues.size, 1.6, 13);
    tile(byId("lists"), lists.size, 4.5, 16);
  }
  empty("no-queues", queues, "QueueStatus", "No queue has told its status yet.");
  empty("no-agents", agents, "UserStatus", "No agent has told a status yet.");
  empty("no-lists", lists, "CallbackListStatus", "No call list has told its status yet.");
  put(byId("silent"), silence(now));
  paintAgents(now);
}

function empty(id, entries, name, text) {
  const of = refused.get(name);
  byId(id).hidden = entries.size > 0;
  put(byId(id), of ? `This token may not have ${name}: ${of.message}` : text);
}

/** So many that fell silent are named, at most. */
const NAMED_MAX = 8;

/** Who has told nothing for long; without ages, so that it is read out once. */
function silence(now) {
  const isSilent = ({ at }) => now - at > SILENT_MS;
  const silent = [...queues.values()].filter(isSilent).map(({ data, id }) => data.queueName || called(id, "queue"));
  // Agents are many, and each may be the same for hours: together they have something to tell.
  if (agents.size && isSilent({ at: agentsAt })) silent.push("all agents");
  silent.push(...[...lists.values()].filter(isSilent).map(({ card }) => card.name));
  const more = silent.length > NAMED_MAX ? ` and ${silent.length - NAMED_MAX} more` : "";
  return silent.length ? `No news for over ${age(SILENT_MS)} from: ${silent.slice(0, NAMED_MAX).join(", ")}${more}` : "";
}

/** How often the cards change places; an alarm comes to the front at once. */
const ARRANGE_MS = 20_000;
let arranged = { at: 0, alarms: "" };

/** Puts the cards in their order: the worst first, the others by name. */
function arrange(now) {
  const alarms = [...queues.values(), ...lists.values()].filter(({ rank }) => rank === 2).map(({ id }) => id).join();
  if (laid && alarms === arranged.alarms && now - arranged.at < ARRANGE_MS) return;
  arranged = { at: now, alarms };
  order(byId("queues"), queues, ({ data }) => data.queueName ?? "");
  order(byId("lists"), lists, ({ card }) => card.name);
}

function order(parent, entries, nameOf) {
  const by = (one, other) => other.rank - one.rank || one.waitsSince - other.waitsSince || nameOf(one).localeCompare(nameOf(other)) || (one.id < other.id ? -1 : 1);
  [...entries.values()].sort(by).forEach(({ card }, n) => {
    if (parent.children[n] !== card.card) parent.insertBefore(card.card, parent.children[n] ?? null);
  });
}

/** Lets tiles be as large as their room allows. What does not fit can be scrolled to, also by keyboard. */
function tile(parent, count, shape, leastRem) {
  parent.style.setProperty("--columns", columnsOf(count, parent.clientWidth, parent.clientHeight, shape, leastRem * rem()));
  if (parent.scrollHeight > parent.clientHeight + 1) parent.tabIndex = 0;
  else parent.removeAttribute("tabindex");
}

function flag(element, flags) {
  for (const [name, isOn] of Object.entries(flags)) if (element.classList.contains(name) !== isOn) element.classList.toggle(name, isOn);
}

/** What a wall wants: the whole screen, which stays on. */
function hang() {
  byId("clock").hidden = false;
  const button = byId("full");
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  const stayOn = () => document.hidden || navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", stayOn);
  stayOn();
}
