import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext } from "playwright-core";
import type PusherServer from "pusher";
import { Tab, type Application } from "./chromium.ts";

export interface Surroundings {
  /** Begins every title: which way the tabs come. */
  readonly way: string;
  readonly context: BrowserContext;
  readonly application: Application;
  readonly key: string;
  readonly options: Record<string, unknown>;
  readonly library: PusherServer;
}

/** What an application does with Channels, in a real browser; the same whichever way leads to the server. */
export function basicFlows({
  way,
  context,
  application,
  key,
  options,
  library,
}: Surroundings): void {
  const open = (t: Parameters<typeof Tab.open>[0], user: string): Promise<Tab> =>
    Tab.open(t, context, application, { key, user, options });

  test(`${way}: a tab connects and gets a socket id`, async (t) => {
    const tab = await open(t, "ada");
    assert.match(await tab.connected(), /^\d+\.\d+$/);
  });

  for (const channel of ["news", "private-news", "private-encrypted-news"]) {
    test(`${way}: a tab subscribes to ${channel} and gets what the server library triggers`, async (t) => {
      const tab = await open(t, "ada");
      await tab.subscribe(channel);
      const data = { text: "hello ü", list: [1, null] };
      await library.trigger(channel, "greeting", data);
      assert.deepEqual(await tab.event("greeting", channel), data);
    });
  }

  test(`${way}: tabs on a presence channel see each other come and go`, async (t) => {
    const ada = await open(t, "ada");
    await ada.subscribe("presence-room");
    const bob = await open(t, "bob");
    await bob.subscribe("presence-room");
    await ada.event("pusher:member_added", "presence-room");
    assert.equal(await ada.evaluate('pusher.channel("presence-room").members.count'), 2);
    assert.equal(await bob.evaluate('pusher.channel("presence-room").members.me.id'), "bob");
    await bob.page.close();
    await ada.event("pusher:member_removed", "presence-room");
    assert.equal(await ada.evaluate('pusher.channel("presence-room").members.count'), 1);
  });

  test(`${way}: a client event goes from tab to tab, not back to its sender`, async (t) => {
    const [ada, bob] = [await open(t, "ada"), await open(t, "bob")];
    for (const tab of [ada, bob]) await tab.subscribe("private-chat");
    await ada.trigger("private-chat", "client-typing", { who: "ada" });
    assert.deepEqual(await bob.event("client-typing", "private-chat"), { who: "ada" });
    await library.trigger("private-chat", "afterwards", {});
    await ada.event("afterwards", "private-chat");
    assert.equal(await ada.evaluate('seen.some((it) => it.event === "client-typing")'), false);
  });

  test(`${way}: a tab on a cache channel gets the last event, or is told that there is none`, async (t) => {
    const tab = await open(t, "ada");
    await tab.subscribe("cache-empty");
    await tab.event("pusher:cache_miss", "cache-empty");
    await library.trigger("private-cache-last", "weather", { sky: "blue" });
    await tab.subscribe("private-cache-last");
    assert.deepEqual(await tab.event("weather", "private-cache-last"), { sky: "blue" });
  });

  test(`${way}: a tab signs in and gets what is sent to its user`, async (t) => {
    const tab = await open(t, "ada");
    await tab.evaluate(
      'pusher.user.bind("notice", (data) => seen.push({ channel: "user", event: "notice", data })); pusher.signin()',
    );
    await tab.until(
      "pusher.user.serverToUserChannel !== null && pusher.user.serverToUserChannel.subscribed",
    );
    await library.sendToUser("ada", "notice", { text: "hello" });
    assert.deepEqual(await tab.event("notice", "user"), { text: "hello" });
  });
}
