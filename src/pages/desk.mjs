// The desk of one agent: what a page that was never reloaded shows, this shows after a reload.

import { AVAILABILITIES, STATES, isOld, reasonOf, stateOf } from "/pages/agents.mjs";
import { age, byId, claimsOf, clock, date, el, open, painting, person, plain, put, short, span } from "/pages/page.mjs";

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** What an event of a call says of it, and the state in which the call is then. */
const STORY = {
  usercallincoming: ["ringing", "Comes in"],
  usercallinarrived: ["ringing", "Arrives"],
  usercallinuserallocated: ["ringing", "Rings"],
  usercallinuserconnected: ["talking", "Answered"],
  usercallintransferstarted: ["wrapup", "Transfer begins"],
  usercallintransfercancelled: ["talking", "Transfer cancelled"],
  usercalloutgoing: ["ringing", "Calls"],
  usercalloutconnected: ["talking", "Answered"],
};
const WORDS = { ringing: "Ringing", talking: "Talking", wrapup: "In transfer" };
/** Properties that tell more of an event, each with what it is. */
const MORE = [
  ["userNumber", "at"],
  ["transferTarget", "to"],
  ["transferApplet", "by"],
  ["queueName", "of"],
  ["detailedReason", ""],
];

const agent = {};
const callbacks = new Map();
const people = new Map();
let da;
let user;
/** Whether it is the desk of the token's user. */
let isOwn;
let list = [];
let request;

open(async (service, token) => {
  da = service;
  request = painting(paint);
  const named = new URLSearchParams(location.search).get("user");
  user = (named ?? claimsOf(token).sub ?? "").toLowerCase();
  isOwn = named === null;
  offerOthers();
  put(byId("agent-name"), GUID.test(user) ? short(user) : "Choose a desk");
  if (!GUID.test(user)) return;
  listen("UserAvailability", ({ data, at }) => (agent.availability = { data: plain(data), at: Date.parse(at) }));
  listen("UserStatus", ({ data, at }) => (agent.status = { data: plain(data), at: Date.parse(at) }));
  listen("UserCallbackChanged", onCallback);
  // What is not told anew behind a gap may be wrong.
  da.OnGap.on((gaps) => {
    for (const { EventName } of gaps) {
      const part = agent[{ UserAvailability: "availability", UserStatus: "status" }[EventName]];
      if (part) part.isOld = true;
    }
    request();
  });
  // Behind a gap come all that are still assigned; one of before may have been taken away.
  da.OnGap.on((gaps) => {
    if (gaps.some(({ EventName }) => EventName === "UserCallbackChanged")) callbacks.clear();
    drawCallbacks();
  });
  const calls = await da.calls(user);
  calls.on(onCalls);
});

function listen(name, handler) {
  const { verdict } = da.on(name, user, (message) => {
    handler(message);
    request();
  });
  verdict.then(({ subscribed, message }) => subscribed || put(byId("agent-word"), `This token may not have ${name}: ${message}`), () => {});
}

/** Whoever may hear of everybody may look at every desk. */
function offerOthers() {
  const users = byId("users");
  users.addEventListener("change", () => location.assign(`?user=${users.value}`));
  const { verdict } = da.on("UserAvailability", "*", ({ data, subscription }) => {
    if (people.has(subscription.entityId)) return;
    people.set(subscription.entityId, person(plain(data).userName));
    request();
  });
  verdict.then(({ subscribed }) => (byId("pick").hidden = !subscribed), () => {});
}

function drawPeople() {
  const users = byId("users");
  if (users.length === people.size + !people.has(user) || users.matches(":focus")) return;
  const sorted = [...people].sort(([, one], [, other]) => one.localeCompare(other));
  const others = sorted.map(([id, name]) => el("option", { value: id, selected: id === user }, name || short(id)));
  if (!people.has(user)) others.unshift(el("option", { value: "", selected: true, disabled: true }, "Choose…"));
  users.replaceChildren(...others);
}

/** A supervisor's token names somebody without a desk, whom nothing is told of. */
function sayChoose() {
  put(byId("agent-name"), "Choose a desk");
  put(byId("agent-word"), "None of its own");
  put(byId("agent-since"), `nothing has been told of the token's user ${short(user)}`);
}

// Calls.

function onCalls(open) {
  const known = new Set(list.map(({ callId }) => callId));
  const inTime = (one, other) => Date.parse(one.since) - Date.parse(other.since) || (one.first < other.first ? -1 : 1);
  const legsOf = (legs) => legs.map((leg) => ({ ...leg, first: leg.messages[0].position })).sort(inTime);
  list = open.map(({ legs, ...call }) => ({ ...call, legs: legsOf(legs) })).map((call) => ({ ...call, first: call.legs[0].first })).sort(inTime);
  byId("calls").replaceChildren(...list.map(callCard));
  byId("no-calls").hidden = list.length > 0;
  const fresh = list.find(({ callId }) => !known.has(callId));
  if (fresh) put(byId("news"), `${partyOf(fresh)}: ${wordOf(fresh)}`);
  request();
}

const nameOf = ({ subscription }) => subscription.eventName;
/** The newest word on a call, of all its legs. */
const lastOf = ({ legs }) => legs.map(({ last }) => last).sort((one, other) => (one.position < other.position ? 1 : -1))[0];
const kindOf = (call) => STORY[nameOf(lastOf(call))]?.[0] ?? "talking";
const wordOf = (call) => WORDS[kindOf(call)];

function partyOf({ legs }) {
  const first = legs[0].messages[0];
  const { callerNumber, targetNumber } = plain(first.data);
  return nameOf(first).startsWith("usercallout") ? `To ${targetNumber}` : `From ${callerNumber}`;
}

function callCard(call) {
  const { callerNumber, targetNumber } = plain(call.legs[0].messages[0].data);
  const kind = kindOf(call);
  const timer = el("b", { class: "timer", "data-since": call.since }, span(da.now() - Date.parse(call.since)));
  return el(
    "li",
    { class: "card call" },
    el("div", { class: "title" }, el("h3", {}, partyOf(call)), el("p", { class: kind }, el("span", { class: "shape", "aria-hidden": "true" }), el("b", {}, wordOf(call))), timer),
    el("p", { class: "faint" }, `${callerNumber} called ${targetNumber} · since ${clock(Date.parse(call.since))} · call `, el("code", { title: call.callId }, short(call.callId))),
    ...call.legs.map(legPart),
  );
}

function legPart({ legId, messages }) {
  return el("div", { class: "leg" }, el("h4", {}, "Leg ", el("code", {}, legId || "without a name")), el("ol", {}, ...messages.map(step)));
}

function step(message) {
  const data = plain(message.data);
  const [kind, words] = STORY[nameOf(message)] ?? ["off", nameOf(message)];
  const more = MORE.map(([name, what]) => data[name] && `${what} ${people.get(data[name]) ?? data[name]}`.trim()).filter(Boolean);
  return el(
    "li",
    { class: kind },
    el("span", { class: "shape", "aria-hidden": "true" }),
    el("time", { datetime: message.at }, clock(Date.parse(message.at))),
    el("span", { class: "words" }, words, more.length > 0 && el("span", { class: "faint" }, ` ${more.join(", ")}`)),
  );
}

// Callbacks.

function onCallback({ data, at, last }) {
  const callback = plain(data);
  // The last word to whoever had it.
  if (last) callbacks.delete(callback.callBackId);
  else callbacks.set(callback.callBackId, { data: callback, at: Date.parse(at) });
  drawCallbacks();
}

function drawCallbacks() {
  const all = [...callbacks.values()].sort((one, other) => (one.data.dueDate ?? "9").localeCompare(other.data.dueDate ?? "9"));
  byId("callbacks").replaceChildren(...all.map(callbackCard));
  byId("no-callbacks").hidden = all.length > 0;
}

function callbackCard({ data, at }) {
  // By the clock of whoever has dated it.
  const ahead = at - Date.parse(data.modified);
  const isOverdue = Date.parse(data.dueDate) + ahead < da.now();
  const facts = [
    ["Due", date(data.dueDate ?? ""), isOverdue && "overdue"],
    ["Not before", date(data.notBefore ?? "")],
    ["By", data.channelIn],
    ["Priority", data.calculatedPriority],
    ["Message", data.contactMessage],
    ["Note", data.note],
  ];
  const attempts = data.callbackAttempts ?? [];
  return el(
    "li",
    { class: "card" },
    el("h3", {}, data.contactName ? `${data.contactName}, ${data.contactNumber}` : data.contactNumber),
    el("dl", {}, ...facts.filter(([, value]) => value).map(([what, value, flag]) => el("div", {}, el("dt", {}, what), el("dd", {}, value, flag && el("b", { class: "alarm" }, ` ${flag}`))))),
    el("h4", {}, attempts.length ? `${attempts.length} ${attempts.length === 1 ? "attempt" : "attempts"}` : "No attempt yet"),
    el("ol", { class: "attempts" }, ...attempts.map(({ timestamp, note, userId }) => el("li", {}, el("time", { datetime: timestamp }, date(timestamp ?? "")), ` ${note ?? "without a note"}`, el("span", { class: "faint" }, ` ${people.get(userId) ?? ""}`)))),
  );
}

// The agent, and all that grows with time.

function paint() {
  const now = da.now();
  for (const timer of document.querySelectorAll(".timer")) put(timer, span(now - Date.parse(timer.dataset.since)));
  drawPeople();
  if (agent.status || agent.availability) paintAgent(now);
  else if (isOwn && people.size && !list.length && GUID.test(user)) sayChoose();
}

function paintAgent(now) {
  const { status, availability } = agent;
  const state = stateOf(agent, now);
  const told = Math.max(status?.at ?? 0, availability?.at ?? 0);
  put(byId("agent-name"), person(availability?.data.userName) || short(user));
  byId("agent-state").className = state;
  put(byId("agent-word"), STATES.find(([name]) => name === state)[1]);
  put(byId("agent-since"), `${isOld(agent) ? "from before an interruption, " : ""}told ${age(now - told)} ago`);
  byId("agent").classList.toggle("stale", isOld(agent));
  const { availability: kind, note, endTime } = availability?.data ?? {};
  const facts = [
    ["Availability", kind && (AVAILABILITIES[kind] ?? kind) + (availability.isOld ? ", before an interruption" : "")],
    ["Why", state === "away" && reasonOf(agent) !== AVAILABILITIES[kind] && reasonOf(agent)],
    ["Until", date(endTime ?? "")],
    ["Note", note],
    ["Queues", status && String(status.data.activeQueues)],
    ["Parked calls", status && String(status.data.parkedCalls)],
    ["Callbacks", status && (status.data.servingCallback ? "serves them" : "serves none")],
  ];
  const shown = facts.filter(([, value]) => value);
  const text = JSON.stringify(shown);
  if (agent.shown === text) return;
  agent.shown = text;
  byId("agent-facts").replaceChildren(...shown.map(([what, value]) => el("div", {}, el("dt", {}, what), el("dd", {}, value))));
}
