
/**
 * The name of an event as messages carry it.
 *
 * @throws {TypeError} If there is no event of that name: a slip would otherwise look like an event that never comes.
 */
function carried(name) {
  if (!Object.hasOwn(events, name)) throw new TypeError(`there is no event "${name}"`);
  return events[name].carried;
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
