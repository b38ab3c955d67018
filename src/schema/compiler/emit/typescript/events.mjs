
/**
 * The name of an event as messages carry it.
 *
 * @throws {TypeError} If there is no event of that name: a slip would otherwise look like an event that never comes.
 */
export function carried(name) {
  if (Object.hasOwn(events, name)) return events[name].carried;
  const meant = nearest(String(name), eventNames);
  throw new TypeError(`there is no event "${name}"${meant ? `; did you mean "${meant}"?` : ""}`);
}

/** The name that was probably meant by one that is wrong; null where none is like it. */
export function nearest(wrong, names) {
  const slips = names.map((name) => slipsOf(wrong.toLowerCase(), name.toLowerCase()));
  const fewest = Math.min(...slips);
  return fewest <= wrong.length / 4 ? names[slips.indexOf(fewest)] : null;
}

/** How many letters are wrong, missing, too many, or in the place of the next. */
function slipsOf(one, other) {
  let [before, row] = [[], Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[other.length];
}

/** Whether a message of MessageReceived is that event. */
export function isEvent(message, name) {
  return carried(name) === message?.subscription?.eventName;
}

/**
 * A listener for MessageReceived that passes on the data of one event:
 * `connection.on("MessageReceived", on("QueueStatus", (status, { entityId }) => …))`.
 */
export function on(name, listener) {
  carried(name);
  return (message) => {
    if (isEvent(message, name)) listener(message.data, message.subscription);
  };
}
