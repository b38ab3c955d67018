// What a page writes against the client library. It is compiled by `tsc --strict`.

import { type Call, DAService, type Gap, HubError, type Verdict } from './client.mjs';
import { FakeHub } from './client/testing.mjs';

declare const HubConnection: { new (): import('./client.mjs').HubConnectionLike };

export async function page(queue: string, user: string): Promise<boolean> {
  const da = new DAService('/rte', async () => 'token', { share: 'tabs', times: { delayMs: 100 } });
  const listening = da.on('QueueStatus', queue, ({ data, position, at }) => {
    const waiting: number = data.nbrOfQueuingRequesters;
    const where: string | undefined = position;
    // @ts-expect-error: no such property.
    void data.waiting;
    void [waiting, where, at];
  });
  // @ts-expect-error: no such event.
  da.on('QueueStatsu', queue, () => {});
  da.on('UserStatus', '*', async ({ subscription }) => void subscription.entityId);
  da.OnSubscriptionDataChanged.on((message) => {
    // @ts-expect-error: any event may have come.
    void message.data.queueName;
    void JSON.stringify(message.subscription, null, 2);
  });
  da.OnStateChanged.on(({ state, retryInMs = 0 }) => {
    // @ts-expect-error: no such state.
    if (state === 'dead') return;
    void retryInMs.toFixed();
  });
  da.OnGap.on((gaps: Gap[]) => gaps.map(({ EventName, Since }) => `${EventName} since ${Since}`));
  const off = da.OnError.on((error) => void (error instanceof HubError && error.status === 401));
  off();

  // The samples of the reference.
  const subscriptions = [{ EntityId: user, EventName: 'UserAvailability' as const }];
  await da.Connect().then((result: boolean) => result);
  await da.Subscribe(subscriptions).then((payload: Verdict[]) => JSON.stringify(payload));
  await da.Subscribe([{ EntityId: queue, EventName: 'QueueStatus', Snapshot: true, Since: '-30s' }]);
  // @ts-expect-error: no such event.
  await da.Subscribe([{ EntityId: queue, EventName: 'QueueStatsu' }]);
  const active: Verdict[] = await da.GetActiveSubscriptions();
  await da.Unsubscribe(subscriptions);
  const names: string[] = await da.GetAvailableSubscriptionEvents();
  const all: true = await da.UnsubscribeAll();

  const calls = await da.calls(user);
  const list: Call[] = [...calls];
  calls.on((open) => open.flatMap(({ legs }) => legs.map(({ legId, last }) => `${legId} ${last.subscription.eventName}`)));
  const callers: string[] = list.flatMap(({ legs }) => legs.map(({ last }) => last.data.callerNumber));
  // @ts-expect-error: not all of them have it.
  void list[0].legs[0].last.data.transferTarget;
  void callers;
  calls.close();
  const callbacks = await da.states('UserCallbackChanged', user);
  callbacks.on((held) => held.map(({ data }) => data.callBackId.length + (data.note ?? '').length));
  const one: string | undefined = callbacks.get(user, 'x')?.data.contactNumber;
  for (const { data } of callbacks) void data.callbackAttempts;
  callbacks.close();
  // @ts-expect-error: an occurrence has no value that holds.
  await da.states('UserAlert', user);
  void one;
  listening.off();
  void [active, names, list, da.isLeader, da.now(), da.age('QueueStatus', queue), da.isStale('QueueStatus', queue, 5_000)];
  new DAService(new HubConnection());
  return all && (await listening.verdict).subscribed;
}

export function test(hub: FakeHub): DAService {
  hub.publish('QueueStatus', 'cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3', { maxWaitTime: 1 });
  // @ts-expect-error: a number.
  hub.publish('QueueStatus', 'cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3', { maxWaitTime: '1' });
  // @ts-expect-error: no such property.
  hub.publish('QueueStatus', 'cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3', { maxWaitTiem: 1 });
  hub.publish('CallbackChanged', 'e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11', {}, { last: true });
  return hub.service();
}
