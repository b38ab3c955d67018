// The types of client.mjs, on those that the hub makes of its catalogue.

import type {
  CallName,
  CatalogueEntry,
  DateTime,
  EventMap,
  EventName,
  Guid,
  RteMessage,
  RteMessageOf,
  StateName,
  SubscribeItem,
  SubscribeVerdict,
  Subscription,
} from "./events.mjs";

/** A message of the event `N`, with its place in the order and the time at which the hub took it. */
export interface Message<N extends EventName> {
  subscription: Subscription<N>;
  data: EventMap[N];
  position?: string;
  at?: DateTime;
  /** What its key stands for is over, or of somebody else. */
  last?: true;
}

/** An item of Unsubscribe; of Subscribe it may say more. */
export type Item = Pick<SubscribeItem, "EntityId" | "EventName">;

/** What the hub says of an item: the four members of the reference. */
export type Verdict = Pick<SubscribeVerdict, "subscribed" | "message" | "entityId" | "eventName">;

/** Listeners of one kind of news. */
export interface Listeners<T> {
  /** Adds a handler; what it answers with removes that. */
  on(handler: (news: T) => unknown): () => void;
}

/**
 * - `connecting`: until everything is subscribed for the first time.
 * - `live`: what arrives is complete.
 * - `recovering`: the connection was lost; what was missed is being asked for.
 * - `offline`: the hub is not reached; the next attempt is in `retryInMs`. Also before Connect and after Disconnect.
 * - `refused`: the hub lets nobody in with this token, or said not to come back. Connect tries again.
 */
export type State = "connecting" | "live" | "recovering" | "offline" | "refused";

export interface StateChange {
  state: State;
  previous: State;
  error?: Error;
  retryInMs?: number;
}

/** What was missed and does not come: show that something may be missing, and ask the platform's API. */
export interface Gap extends Item {
  /** Since when. */
  Since: string;
  /** How many values the hub knows, which come instead. */
  Snapshot: number;
}

/** Why there is no connection, or why an invocation failed. */
export declare class HubError extends Error {
  /** The status of the refusal; 0 where there was none. */
  readonly status: number;
  /** Coming back would change nothing. */
  readonly isFinal: boolean;
}

/** An event of a call: what all of these have, as `data.callerNumber`, needs no telling apart. */
export type CallMessage = { [N in CallName]: RteMessageOf<N> }[CallName];

/** A leg of a call. */
export interface Leg {
  legId: string;
  /** The newest message of each of its events, in their order. */
  messages: CallMessage[];
  last: CallMessage;
  /** When the first of them was taken. */
  since?: DateTime;
}

/** A call with its open legs. */
export interface Call {
  callId: Guid;
  legs: Leg[];
  since?: DateTime;
}

/** The open calls of a user, kept up to date. */
export interface Calls extends Iterable<Call> {
  readonly list: Call[];
  /** Calls the handler after each change; what it answers with removes it. */
  on(handler: (list: Call[]) => unknown): () => void;
  /** Ends the view. */
  close(): void;
}

/** What holds of a state event, kept up to date: the newest message of each entity, and of each key where it has one. */
export interface States<N extends StateName> extends Iterable<Message<N>> {
  /** What was told last is last. */
  readonly list: Message<N>[];
  /** That of an entity, and of this key of it. */
  get(entityId: Guid, key?: string | number): Message<N> | undefined;
  /** Calls the handler after each change; what it answers with removes it. */
  on(handler: (list: Message<N>[]) => unknown): () => void;
  /** Ends the view. */
  close(): void;
}

/** A listener to one event. */
export interface Listening {
  /** What the hub says of it. */
  readonly verdict: Promise<Verdict>;
  /** Ends it, and the subscription where nobody else wants that. */
  off(): void;
}

/** What the library needs of a `HubConnection` of `@microsoft/signalr`. */
export interface HubConnectionLike {
  readonly state: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  invoke(methodName: string, ...args: any[]): Promise<any>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  on(methodName: string, newMethod: (...args: any[]) => any): void;
  onclose(callback: (error?: Error) => void): void;
  onreconnecting?(callback: (error?: Error) => void): void;
  onreconnected?(callback: (connectionId?: string) => void): void;
}

export interface Options {
  /** `"tabs"`: the tabs of a browser share one connection. */
  share?: "tabs";
  /** The constructor, where there is none by that name: Node before 22. */
  WebSocket?: unknown;
  /** Times in milliseconds; those of client.mjs where absent. */
  times?: Partial<Record<"tickMs" | "silentMs" | "probeMs" | "answerMs" | "delayMs" | "delayMaxMs", number>>;
}

/** A token, or what gets one: it is asked on every join, and before the token expires. */
export type Jwt = string | (() => string | Promise<string>);

export declare class DAService {
  constructor(rteUrl: string | { readonly href: string }, jwt: Jwt, options?: Options);
  /** Microsoft's connection, which has its own URL and token. */
  constructor(connection: HubConnectionLike);

  /** Every message. Handlers of one entity run one after another, also those that take their time. */
  readonly OnSubscriptionDataChanged: Listeners<RteMessage>;
  readonly OnStateChanged: Listeners<StateChange>;
  readonly OnGap: Listeners<Gap[]>;
  /** What went wrong and has no better place: handlers that throw, what is not granted any more. */
  readonly OnError: Listeners<Error>;

  /**
   * Connects, and comes back until it is told not to. True once all that is wanted has been asked for: each verdict says whether
   * it is granted. False where the hub lets nobody in, which `OnStateChanged` tells with the `error`, or behind Disconnect. Where
   * the hub is not reached it goes on trying, and answers when that is over. It does not throw.
   */
  Connect(): Promise<boolean>;
  /** Ends the connection for good; what was wanted is wanted again with the next Connect. */
  Disconnect(): Promise<void>;
  /** Wants these items, now and after every reconnect. The verdicts come when there is a connection. */
  Subscribe(items: readonly SubscribeItem[]): Promise<Verdict[]>;
  Unsubscribe(items: readonly Item[]): Promise<Verdict[]>;
  UnsubscribeAll(): Promise<true>;
  GetActiveSubscriptions(): Promise<Verdict[]>;
  GetAvailableSubscriptionEvents(): Promise<EventName[]>;
  /** What each event is, and whether this token may have it. */
  Catalogue(): Promise<CatalogueEntry[]>;

  /**
   * Listens to one event of one entity, and subscribes to it while somebody does. Of a state the newest value comes at once,
   * of one with a key that of each key, also where others have listened for long: every listener gets what the first one got,
   * but for what has been replaced or has ended (`last`) since. With `since`, a position or a time before (`"-30s"`), what came
   * behind that comes first, where nobody listens yet.
   *
   * @throws {TypeError} If there is no event of that name, with the one that was probably meant.
   */
  on<N extends EventName>(
    name: N,
    entityId: Guid | "*",
    handler: (message: Message<N>) => unknown,
    options?: { snapshot?: boolean; since?: string },
  ): Listening;
  /** The open calls of a user with their legs. */
  calls(userId: Guid): Promise<Calls>;
  /**
   * What holds of a state event, as of callbacks: a message replaces that of its entity and key, the `last` of a key ends it, and
   * behind a gap all is exchanged as a whole. The promise is there before the values: `on` tells when they come.
   *
   * @throws {TypeError} If there is no state event of that name.
   */
  states<N extends StateName>(name: N, entityId: Guid | "*"): Promise<States<N>>;

  readonly state: State;
  /** Whether this tab has the connection; with `share: "tabs"` one of them, else always. */
  readonly isLeader: boolean;
  /** The hub's clock, in milliseconds as Date.now(). */
  now(): number;
  /** How long ago the hub took the newest value of a state event, in milliseconds; null where there is none. */
  age(name: EventName, entityId: Guid): number | null;
  /** Whether what is shown of it may be wrong: not live, not granted, no value, or one older than that. */
  isStale(name: EventName, entityId: Guid, maxAgeMs?: number): boolean;
}
