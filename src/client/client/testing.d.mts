// The types of testing.mjs.

import type { DAService } from "../client.mjs";
import type { EventMap, EventName, Guid, SubscribeItem } from "../events.mjs";

/** A hub in memory. What it serves is a DAService like any other. */
export declare class FakeHub {
  /** A service of this hub. */
  service(): DAService;
  /** Publishes an event about an entity, to all that are subscribed. Answers with its position. */
  publish<N extends EventName>(eventName: N, entityId: Guid, data: Partial<EventMap[N]>): string;
  /** Grants nothing more of these. */
  deny(items: readonly Pick<SubscribeItem, "EntityId" | "EventName">[]): void;
  /** Cuts every connection, as a network does. They come back, and get what they missed. */
  drop(): void;
  /** Cuts every connection, and keeps nothing of what was published. */
  restart(): void;
  /** Is not reached until `up`. */
  down(): void;
  up(): void;
  /** Closes every connection, and says not to come back. */
  refuse(): void;
  /** When everything that is on its way has arrived. */
  settled(): Promise<void>;
}
