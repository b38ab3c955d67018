// What the hub says of the data of an event that is wrong, by the rules of the catalogue.

import { nearest } from "../events.mjs";
import { rules } from "./rules.mjs";

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NOBODY = "00000000-0000-0000-0000-000000000000";

const isText = (value) => typeof value === "string";
const isWhole = (bits) => (value) => Number.isInteger(value) && value >= -(2 ** (bits - 1)) && value < 2 ** (bits - 1);
/** What a type takes, and whether a value is that. */
const SCALARS = {
  Guid: ["a GUID in quotes", (value) => isText(value) && GUID.test(value)],
  string: ["a string", isText],
  bool: ["true or false", (value) => typeof value === "boolean"],
  short: ["a whole number (short)", isWhole(16)],
  int: ["a whole number (int)", isWhole(32)],
  long: ["a whole number (long)", isWhole(64)],
  DateTime: ["a date and time in quotes", (value) => isText(value) && /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value))],
};

export const isGuid = (text) => GUID.test(text);
export const isNobody = (id) => id === null || id === undefined || id === NOBODY;

/** The data as the hub delivers them, with the faults that they have: each a pointer and what is wrong there. */
export function checked(eventName, data) {
  const faults = [];
  // As it would be sent: without what is undefined, dates as texts.
  const told = data === undefined ? null : JSON.parse(JSON.stringify(data));
  const delivered = objectOf(told, rules.events[eventName].properties, "", faults, "an object");
  return { delivered, faults };
}

function objectOf(value, properties, pointer, faults, expected) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    faults.push(`${pointer}: found ${found(value)}, expected ${expected}`);
    return value;
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue;
    const meant = nearest(name, Object.keys(properties));
    faults.push(`${pointer}/${name}: unknown property "${name}"${meant ? `; did you mean "${meant}"?` : ""}`);
  }
  const delivered = {};
  for (const [name, rule] of Object.entries(properties)) {
    const { type, values, optional } = isText(rule) ? { type: rule } : rule;
    if (Object.hasOwn(value, name)) delivered[name] = valueOf(value[name], type, values, `${pointer}/${name}`, faults);
    else if (type.endsWith("?")) delivered[name] = null;
    else if (!optional) faults.push(`${pointer}/${name}: property "${name}" is missing; expected ${expectedOf(type)}`);
  }
  return delivered;
}

function valueOf(value, type, values, pointer, faults) {
  const [plain, isNullable] = type.endsWith("?") ? [type.slice(0, -1), true] : [type, false];
  const say = (fault) => {
    faults.push(`${pointer}: ${fault}`);
    return value;
  };
  if (value === null) return isNullable ? null : say(`null is not allowed here; expected ${expectedOf(plain)}`);
  const [, element] = /^List<(.+)>$/.exec(plain) ?? [];
  if (element && Array.isArray(value)) return value.map((one, at) => valueOf(one, element, undefined, `${pointer}/${at}`, faults));
  if (Object.hasOwn(rules.sets, plain)) {
    const set = rules.sets[plain];
    return valueOf(value, isText(set) ? set : set.type, set.values, pointer, faults);
  }
  if (Object.hasOwn(rules.types, plain)) return objectOf(value, rules.types[plain], pointer, faults, expectedOf(plain));
  if (!SCALARS[plain]?.[1](value)) return say(`found ${found(value)}, expected ${expectedOf(plain)}`);
  if (values && !values.includes(value)) return say(`${found(value)} is none of ${values.join(", ")}`);
  return plain === "Guid" ? value.toLowerCase() : value;
}

function found(value) {
  if (Array.isArray(value)) return "a list";
  return value !== null && typeof value === "object" ? "an object" : JSON.stringify(value);
}

function expectedOf(type) {
  const plain = type.replace(/\?$/, "");
  const [, element] = /^List<(.+)>$/.exec(plain) ?? [];
  if (element) return `a list, each element ${expectedOf(element)}`;
  if (Object.hasOwn(rules.types, plain)) return `an object (${plain})`;
  const set = rules.sets[plain];
  return set ? expectedOf(isText(set) ? set : set.type) : SCALARS[plain][0];
}
