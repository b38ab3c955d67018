// The types of testing.mjs.

import type { DAService } from "../client.mjs";
import type { EventMap, EventName, Guid, SubscribeItem } from "../events.mjs";

/** A hub in memory. What it serves is a DAService like any other. */
export declare class FakeHub {
  /** A service of this hub, which comes back without delays. */
  service(): DAService;
  /**
   * Publishes an event about an entity, to all that are subscribed: the first example of the catalogue with these changes. What
   * the hub derives from it follows. Answers with its position. `last` ends the key of a state that has one.
   *
   * @throws {TypeError} If the hub would not take it, with all that is wrong.
   */
  publish<N extends EventName>(eventName: N, entityId: Guid, changes?: Partial<EventMap[N]>, options?: { last?: boolean }): string;
  /** Grants nothing more of these. */
  deny(items: readonly Pick<SubscribeItem, "EntityId" | "EventName">[]): void;
  /** Cuts every connection, as a network does. They come back, and get what they missed. */
  drop(): void;
  /** Cuts every connection, and keeps nothing of what was published: services tell of gaps. */
  restart(): void;
  /** Is not reached until `up`: services are `offline`. */
  down(): void;
  up(): void;
  /** Closes every connection, and says not to come back. */
  refuse(): void;
  /** Await it before you look at what a page shows: when everything that is on its way has arrived. */
  settled(): Promise<void>;
}
