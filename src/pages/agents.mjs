// In which state an agent is, by the newest UserStatus and UserAvailability: `{ status, availability }`, each `{ data, at, isOld }`.

/** The states, in the order in which they are shown. */
export const STATES = [
  ["free", "Free"],
  ["talking", "Talking"],
  ["wrapup", "Wrap-up"],
  ["away", "Not available"],
  ["off", "Off work"],
];

export const AVAILABILITIES = { Available: "Available", Busy: "Busy", DoNotDisturb: "Do not disturb", OffWork: "Off work" };

export function stateOf(agent, now) {
  const { status } = agent;
  const kind = availabilityOf(agent)?.data.availability;
  if (!status) return { Available: "free", OffWork: "off" }[kind] ?? "away";
  if (status.data.talking) return "talking";
  if (wraps(status, now)) return "wrapup";
  if (kind === "OffWork" || !status.data.schedule) return "off";
  return status.data.canBeAllocatedTo ? "free" : "away";
}

/** Since when, as far as the newest words tell: it may be longer, of what was said before the hub keeps nothing. */
export function sinceOf(agent, state, now) {
  const { status } = agent;
  const availability = availabilityOf(agent);
  if (!status) return availability.at;
  if (state === "talking" || state === "wrapup") return status.at;
  const told = Math.max(status.at, availability?.at ?? 0);
  const end = Date.parse(status.data.wrapUpEnd);
  return end > status.at && end <= now ? Math.max(told, end) : told;
}

/** Whether the state may be wrong: it is from before an interruption. */
export const isOld = ({ status, availability }) => Boolean((status ?? availability)?.isOld);

/** An availability of before an interruption says nothing beside a status that was told since. */
const availabilityOf = ({ status, availability }) => (status && !status.isOld && availability?.isOld ? undefined : availability);

/** Whether it is the time behind a call. */
export function wraps({ data, at }, now) {
  const end = Date.parse(data.wrapUpEnd);
  // One that was over when it was told is dated by another clock: it holds until the next word.
  return !Number.isNaN(end) && (end <= at || end > now);
}

/** Why nobody is free who is not talking either. */
export function reasonOf(agent) {
  const { status } = agent;
  const kind = availabilityOf(agent)?.data.availability;
  if (kind === "Busy" || kind === "DoNotDisturb") return AVAILABILITIES[kind];
  if (!status || status.data.canBeAllocatedTo) return "";
  return status.data.serving ? "Engaged" : "In no queue";
}
