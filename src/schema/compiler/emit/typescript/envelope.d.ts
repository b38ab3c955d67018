
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
  /** Whether it is the last of its key: what is kept of that ends. */
  last?: true;
  /** Its place in the order, where the item said `Since`. */
  position?: string;
  /** When the hub took it, where the item said `Since`. */
  at?: DateTime;
}

/** The argument of MessageReceived: any event. Tell them apart with {@link isEvent}. */
export type RteMessage = { [N in EventName]: RteMessageOf<N> }[EventName];

/** What Subscribe and Unsubscribe take a list of. The hub reads the keys in any case. */
export interface SubscribeItem {
  EntityId: Guid;
  /** In any case, which types cannot say: other spellings need a cast. */
  EventName: EventName | Lowercase<EventName>;
  /** Whether what holds is wanted at once; where absent the operator decides. Unsubscribe does not look at it. */
  Snapshot?: boolean;
  /** What was missed since then is wanted: a position, a time before (`"-30s"`), or null for positions from now on. */
  Since?: string | null;
}

/** What the hub says of each item, in the order of the items; GetActiveSubscriptions answers with those that hold. */
export interface SubscribeVerdict {
  subscribed: boolean;
  /** Why not; null where all is well. */
  message:
    | "Invalid item"
    | "Unknown EventName"
    | "Invalid EntityId"
    | "Unauthorized"
    | "Too many subscriptions"
    | (string & {})
    | null;
  /** What the item named, in lower case; null where it named nothing. */
  entityId: Guid | null;
  /** What the item named, in lower case; null where it named nothing. */
  eventName: Lowercase<EventName> | (string & {}) | null;
  /** Where the subscription begins; this and the next two where the item said `Since`. */
  position?: string;
  /** Whether all that was missed comes right behind. */
  recovered?: boolean;
  /** How many that are. */
  replayed?: number;
  /** How many messages of what holds come right behind, where the item said `Snapshot: true`. */
  snapshot?: number;
  /** Whether there may be more that the hub does not know. */
  partial?: true;
}

/** What the hub method Catalogue says of each event. */
export interface CatalogueEntry {
  eventName: EventName;
  family: string;
  kind: "state" | "occurrence";
  /** The property that names the entity; null where the publisher does. */
  entityProperty: string | null;
  /** The path of the JSON Schema of its data. */
  schema: string;
  /** Whether this token may have it. */
  allowed: boolean;
  reason: string;
  /** The only entities for which it is allowed, where that is not all. */
  entities: Guid[] | null;
}

/** What the catalogue says of an event, for programs. */
export interface EventFacts {
  /** Its name as messages carry it. */
  readonly carried: string;
  /** What its entities are: `User`. */
  readonly family: string;
  /** Whether only the last value matters, of each key where it has one. */
  readonly kind: "state" | "occurrence";
  /** The property that tells the states of one entity apart; absent where there is one state. */
  readonly key?: string;
  /** What it does to a call, and the properties that name the call and the leg; absent where it is about none. */
  readonly call?: { readonly id: string; readonly leg: string; readonly phase: "begin" | "progress" | "end" | "end-call" };
}

/** What the catalogue says of each event, by its documented name. */
export declare const events: Readonly<Record<EventName, EventFacts>>;

/** The documented names of all events. */
export declare const eventNames: readonly EventName[];

/**
 * The name of an event as messages carry it.
 *
 * @throws {TypeError} If there is no event of that name, with the one that was probably meant.
 */
export declare function carried<N extends EventName>(name: N): Lowercase<N>;

/** The name that was probably meant by one that is wrong; null where none is like it. */
export declare function nearest(wrong: string, names: readonly string[]): string | null;

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
