// @ts-self-types="./testing.d.mts"
// A hub in memory, for the tests of those who use the library: no network, no clock. It keeps all that was published.

import { DAService } from "../client.mjs";
import { carried, events } from "../events.mjs";
import { checked, isGuid, isNobody } from "./checks.mjs";
import { HubError, deferred } from "./connection.mjs";
import { rules } from "./rules.mjs";

const keyOf = (entityId, eventName) => `${entityId}/${eventName}`.toLowerCase();
const NAMES = new Map(Object.keys(events).map((name) => [name.toLowerCase(), name]));

/** A hub in memory; see testing.d.mts. */
export class FakeHub {
  #epoch = 0;
  #number = 0;
  #log = [];
  #denied = new Set();
  #connections = new Set();
  /** Who has what the hub makes of other events, by event and key. */
  #holders = new Map();
  /** While it is down: when it is up. */
  #up = null;

  service() {
    return new DAService(new FakeConnection(this), undefined, { times: { delayMs: 0 } });
  }

  publish(eventName, entityId, changes = {}, { last = false } = {}) {
    carried(eventName);
    const { entity, example } = rules.events[eventName];
    const id = String(entityId).toLowerCase();
    const { delivered, faults } = checked(eventName, { ...example, ...(entity && { [entity]: id }), ...changes });
    if (!isGuid(id) || isNobody(id)) faults.unshift(`/entityId: "${entityId}" is no GUID of an entity`);
    else if (entity && delivered[entity] !== null && delivered[entity] !== id) faults.push(`/${entity}: the event is about "${id}"`);
    if (last && !events[eventName].key) faults.push(`/last: ${eventName} has no key that could end`);
    if (faults.length) throw new TypeError(`${eventName} is not published:\n${faults.join("\n")}`);
    const position = this.#tell(eventName, id, delivered, last);
    for (const [name, { derive }] of Object.entries(rules.events)) if (derive?.from === eventName) this.#derive(name, derive, delivered, last);
    return position;
  }

  /** What follows from an event: whoever has had it hears of it first, as the last. */
  #derive(name, { when, set, dropped }, data, last) {
    const { entity } = rules.events[name];
    const { key } = events[name];
    const made = Object.fromEntries(Object.entries(data).filter(([property]) => !dropped.includes(property)));
    for (const [property, from] of Object.entries(set)) made[property] = data[from];
    const [place, to] = [`${name}/${made[key]}`, isNobody(data[when]) ? null : made[entity]];
    const holder = key && this.#holders.get(place);
    if (holder && holder !== to) this.#tell(name, holder, { ...made, [entity]: holder }, true);
    this.#holders.delete(place);
    if (to === null) return;
    if (!last) this.#holders.set(place, to);
    this.#tell(name, to, made, last);
  }

  #tell(eventName, entityId, data, last) {
    this.#number += 1;
    const subscription = { entityId, eventName: carried(eventName) };
    const message = { subscription, data, ...(last && { last }), position: this.#position, at: new Date().toISOString() };
    this.#log.push(message);
    for (const connection of this.#connections) connection.take(message);
    return message.position;
  }

  deny(items) {
    for (const { EntityId, EventName } of items) this.#denied.add(keyOf(EntityId, EventName));
  }

  drop() {
    for (const connection of [...this.#connections]) connection.end(new HubError("the connection was lost"));
  }

  restart() {
    this.#epoch += 1;
    this.#log = [];
    this.#holders.clear();
    this.drop();
  }

  down() {
    this.#up ??= deferred();
    this.drop();
  }

  up() {
    this.#up?.resolve();
    this.#up = null;
  }

  refuse() {
    for (const connection of [...this.#connections]) connection.end(new HubError("told not to come back", { isFinal: true }));
  }

  /** A few turns of the event loop are enough for what takes no time. */
  settled() {
    return new Promise((resolve) => setTimeout(resolve, 20));
  }

  get #position() {
    return `${String(this.#epoch).padStart(9, "0")}-${String(this.#number).padStart(9, "0")}`;
  }

  /** The position before all of them, so that a cut in their midst loses none. */
  #before(messages) {
    const [position] = messages.map(({ position }) => position).sort();
    return `${position.slice(0, 10)}${String(Number(position.slice(10)) - 1).padStart(9, "0")}`;
  }

  /** Lets a connection in. One that does not reach the hub is told so once; its next attempts wait for `up`. */
  async enter(connection) {
    if (this.#up) {
      const isTold = connection.isAway;
      connection.isAway = true;
      if (!isTold) throw new HubError("the hub is not reached");
      await this.#up.promise;
    }
    connection.isAway = false;
    this.#connections.add(connection);
  }

  leave(connection) {
    this.#connections.delete(connection);
  }

  /** The verdict over an item, and the block that follows. */
  judge(connection, item) {
    const [entityId, eventName] = [item.EntityId.toLowerCase(), item.EventName.toLowerCase()];
    const name = NAMES.get(eventName);
    const verdict = { subscribed: true, message: null, entityId, eventName };
    if (!name) return [{ ...verdict, subscribed: false, message: "Unknown EventName" }, []];
    if (entityId !== "*" && (!isGuid(entityId) || isNobody(entityId))) return [{ ...verdict, subscribed: false, message: "Invalid EntityId" }, []];
    if (this.#denied.has(keyOf(entityId, eventName))) return [{ ...verdict, subscribed: false, message: "Unauthorized" }, []];
    connection.topics.add(keyOf(entityId, eventName));
    const own = this.#log.filter(({ subscription: its }) => its.eventName === eventName && (entityId === "*" || its.entityId === entityId));
    verdict.position = item.Since ?? this.#position;
    if (item.Since) verdict.recovered = item.Since.startsWith(this.#position.slice(0, 9));
    const missed = verdict.recovered ? own.filter(({ position }) => position > item.Since) : [];
    const newest = item.Snapshot && !verdict.recovered ? this.#kept(events[name], own) : [];
    if (item.Snapshot) verdict.snapshot = newest.length;
    if (!verdict.recovered) verdict.position = newest.length ? this.#before(newest) : this.#position;
    return [verdict, [...missed, ...newest]];
  }

  /** What still holds: of a state the newest of each entity, of the events of a call those of open legs. */
  #kept({ kind, key, call }, own) {
    const open = this.#openLegs();
    const isOpen = ({ subscription, data }) => open.has(`${subscription.entityId}/${data[call.id]}/${data[call.leg]}`);
    const holds = call ? own.filter(isOpen) : kind === "state" ? own : [];
    const keyed = holds.map((message) => [[message.subscription.entityId, message.data[key], call && message.data[call.id], call && message.data[call.leg]].join(), message]);
    return [...new Map(keyed).values()].filter(({ last }) => !last);
  }

  #openLegs() {
    const open = new Set();
    for (const { subscription, data } of this.#log) {
      const { call } = events[NAMES.get(subscription.eventName)];
      if (!call) continue;
      const prefix = `${subscription.entityId}/${data[call.id]}/`;
      if (call.phase === "end-call") for (const key of open) if (key.startsWith(prefix)) open.delete(key);
      if (call.phase === "end") open.delete(prefix + data[call.leg]);
      if (call.phase === "begin" || call.phase === "progress") open.add(prefix + data[call.leg]);
    }
    return open;
  }
}

/** A connection to it, with the methods of Microsoft's. */
class FakeConnection {
  state = "Disconnected";
  topics = new Set();
  /** Whether it has been told that the hub is not reached. */
  isAway = false;
  #hub;
  #onMessage = () => {};
  #onClose = () => {};

  constructor(hub) {
    this.#hub = hub;
  }

  on(_target, handler) {
    this.#onMessage = handler;
  }

  onclose(handler) {
    this.#onClose = handler;
  }

  async start() {
    await this.#hub.enter(this);
    this.topics.clear();
    this.state = "Connected";
  }

  async stop() {
    this.end(new HubError("the connection was closed here"));
  }

  end(error) {
    if (this.state !== "Connected") return;
    this.state = "Disconnected";
    this.#hub.leave(this);
    this.#onClose(error);
  }

  take(message) {
    const { entityId, eventName } = message.subscription;
    if ([entityId, "*"].some((entity) => this.topics.has(keyOf(entity, eventName)))) this.#onMessage(structuredClone(message));
  }

  async invoke(method, items) {
    if (this.state !== "Connected") throw new HubError("there is no connection");
    const verdictOf = (key) => ({ subscribed: true, message: null, entityId: key.split("/")[0], eventName: key.split("/")[1] });
    switch (method) {
      case "Subscribe": {
        const judged = items.map((item) => this.#hub.judge(this, item));
        const block = judged.flatMap(([, messages]) => messages).sort((a, b) => (a.position < b.position ? -1 : 1));
        for (const message of block) this.#onMessage(structuredClone(message));
        return judged.map(([verdict]) => verdict);
      }
      case "Unsubscribe":
        return items.map(({ EntityId, EventName }) => {
          this.topics.delete(keyOf(EntityId, EventName));
          return { ...verdictOf(keyOf(EntityId, EventName)), subscribed: false };
        });
      case "UnsubscribeAll":
        this.topics.clear();
        return true;
      case "GetActiveSubscriptions":
        return [...this.topics].map(verdictOf);
      case "AvailableSubscriptions":
        return Object.keys(events);
      case "Catalogue":
        return Object.entries(events).map(([eventName, { family, kind }]) => ({
          eventName, family, kind, entityProperty: rules.events[eventName].entity, schema: "", allowed: true, reason: "granted by the test", entities: null,
        }));
      default:
        throw new HubError("Method does not exist.");
    }
  }
}
