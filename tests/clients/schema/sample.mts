// What an integrator writes against the typings. It is compiled by `tsc --strict` and run by Node.

import {
  type CatalogueEntry,
  type EventMap,
  type EventName,
  type RteMessage,
  type SubscribeItem,
  type SubscribeVerdict,
  eventNames,
  isEvent,
  on,
} from './events.mjs';

export const names: readonly EventName[] = eventNames;

/** A union of all events narrows by name. */
export function describe(message: RteMessage): string {
  if (isEvent(message, 'QueueStatus')) {
    const name: 'queuestatus' = message.subscription.eventName;
    const waiting: number = message.data.nbrOfQueuingRequesters;
    const status: 0 | 1 | 2 | 3 | 4 | 5 | 6 = message.data.openStatus;
    return `${name}: ${message.data.queueName}, ${waiting} waiting, ${status === 5 ? 'open' : 'not open'}`;
  }
  if (isEvent(message, 'UserAvailability')) {
    // @ts-expect-error: the note may be null.
    const note: string = message.data.note;
    // @ts-expect-error: no such state.
    if (message.data.availability === 'Away') return 'never';
    return `${message.data.userName} is ${message.data.availability}, ${note ?? 'no note'}`;
  }
  if (isEvent(message, 'CallbackChanged')) {
    const times: (string | null)[] = message.data.callbackAttempts.map((attempt) => attempt.timestamp);
    const type: 1 | 2 | 3 = message.data.typeId;
    return `callback of type ${type}, ${times.length} attempts`;
  }
  // @ts-expect-error: what is left need not have it.
  void message.data.queueName;
  // @ts-expect-error: those three are gone.
  const gone: 'queuestatus' = message.subscription.eventName;
  return gone;
}

/** The data of one event, without its envelope, as SignalR's untyped callback brings it. */
export function collect(messages: unknown[]): EventMap['UserAssistedCallbackRequest'][] {
  const found: EventMap['UserAssistedCallbackRequest'][] = [];
  const listener = on('UserAssistedCallbackRequest', (data, { entityId, eventName }) => {
    const known: 'userassistedcallbackrequest' = eventName;
    // An open set takes others besides those it knows.
    const type: string = data.callType;
    if (entityId === data.targetUser && known !== type) found.push(data);
  });
  for (const message of messages) listener(message);
  return found;
}

/** What is asked of the hub's methods, and what they answer. */
export function refused(items: SubscribeItem[], verdicts: SubscribeVerdict[]): string[] {
  // @ts-expect-error: no such event.
  items.push({ EntityId: 'cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3', EventName: 'QueueStatsu' });
  items.push({ EntityId: 'cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3', EventName: 'queuestatus', Snapshot: true });
  return verdicts.filter(({ subscribed }) => !subscribed).map(({ message, eventName }) => `${eventName}: ${message}`);
}

export function allowed(catalogue: CatalogueEntry[]): EventName[] {
  return catalogue.filter((entry) => entry.allowed && entry.kind === 'state').map(({ eventName }) => eventName);
}

export function slip(): void {
  // @ts-expect-error: no such event.
  on('QueueStatsu', () => {});
}
