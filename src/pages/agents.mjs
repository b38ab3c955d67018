// In which state an agent is, by the newest UserStatus and UserAvailability: `{ status, availability }`, each `{ data, at }`.

/** The states, in the order in which they are shown. */
export const STATES = [
  ["free", "Free"],
  ["talking", "Talking"],
  ["wrapup", "Wrap-up"],
  ["away", "Not available"],
  ["off", "Off work"],
];

const AVAILABILITIES = { Busy: "Busy", DoNotDisturb: "Do not disturb" };

export function stateOf({ status, availability }, now) {
  const kind = availability?.data.availability;
  if (!status) return { Available: "free", OffWork: "off" }[kind] ?? "away";
  if (status.data.talking) return "talking";
  if (wraps(status, now)) return "wrapup";
  if (kind === "OffWork" || !status.data.schedule) return "off";
  return status.data.canBeAllocatedTo ? "free" : "away";
}

/** Whether it is the time behind a call. */
export function wraps({ data, at }, now) {
  const end = Date.parse(data.wrapUpEnd);
  // One that was over when it was told is dated by another clock: it holds until the next word.
  return !Number.isNaN(end) && (end <= at || end > now);
}

/** Why nobody is free who is not talking either. */
export function reasonOf({ status, availability }) {
  const note = AVAILABILITIES[availability?.data.availability];
  if (note || !status || status.data.canBeAllocatedTo) return note ?? "";
  return status.data.serving ? "Engaged" : "In no queue";
}
