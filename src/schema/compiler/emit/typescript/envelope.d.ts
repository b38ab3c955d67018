
/** The documented name of an event. */
export type EventName = keyof EventMap;

/** What an event was sent for. */
export interface Subscription<N extends EventName = EventName> {
  /** The user, queue or call list that the event is about. */
  entityId: Guid;
  /** The event's name in lower case. */
  eventName: Lowercase<N>;
}

/** The argument of MessageReceived for the event `N`. */
export interface RteMessageOf<N extends EventName> {
  subscription: Subscription<N>;
  data: EventMap[N];
}

/** The argument of MessageReceived: any event. Tell them apart with {@link isEvent}. */
export type RteMessage = { [N in EventName]: RteMessageOf<N> }[EventName];

/** The documented names of all events. */
export declare const eventNames: readonly EventName[];

/**
 * Whether a message of MessageReceived is that event; narrows its type.
 *
 * TypeScript itself narrows a union by a direct property only, and the event's name is one level down.
 *
 * @throws {TypeError} If there is no event of that name.
 */
export declare function isEvent<N extends EventName>(message: unknown, name: N): message is RteMessageOf<N>;

/**
 * A listener for MessageReceived that passes on the data of one event:
 * `connection.on("MessageReceived", on("QueueStatus", (status, { entityId }) => …))`.
 *
 * @throws {TypeError} If there is no event of that name.
 */
export declare function on<N extends EventName>(
  name: N,
  listener: (data: EventMap[N], subscription: Subscription<N>) => void,
): (message: unknown) => void;
