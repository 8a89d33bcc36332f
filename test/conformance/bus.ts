import { afterEach, describe, expect, test } from "bun:test";
import type { Bus, BusMessage, FrameMessage } from "../../src/channels/ports/bus.ts";

/** Several nodes on one Bus. */
export interface BusCluster {
  readonly nodes: readonly Bus[];
  /** Resolves when everything published so far has arrived wherever it will. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** What the Bus port promises, for any engine. */
export function describeBus(
  name: string,
  makeCluster: (nodes: number) => Promise<BusCluster>,
): void {
  describe(`${name} as a Bus`, () => {
    let cluster: BusCluster;
    let heard: BusMessage[][];
    afterEach(() => cluster.close());

    async function start(nodes: number): Promise<readonly Bus[]> {
      cluster = await makeCluster(nodes);
      heard = cluster.nodes.map(() => []);
      for (const [i, node] of cluster.nodes.entries()) {
        node.receive((message) => heard[i]!.push(message));
      }
      return cluster.nodes;
    }

    function texts(node: number): string[] {
      return heard[node]!.map((message) =>
        message.kind === "frame" ? message.frame : "terminate",
      );
    }

    function textsOn(node: number, channel: string): string[] {
      return heard[node]!.flatMap((message) =>
        message.kind === "frame" && message.channel === channel ? [message.frame] : [],
      );
    }

    test("a message reaches every node that is subscribed, the publishing one included, once", async () => {
      const [a, b, c] = await start(3);
      await Promise.all([a, b, c].map((node) => node!.subscribe("1", "c")));
      await b!.publish([frame("hello")]);
      await cluster.settle();
      expect(heard).toEqual([[frame("hello")], [frame("hello")], [frame("hello")]]);
    });

    test("a node hears only the channels it asked for, even of what it publishes", async () => {
      const [a, b] = await start(2);
      await b!.subscribe("1", "other");
      await a!.publish([frame("hello"), frame("there", "other")]);
      await cluster.settle();
      expect([texts(0), texts(1)]).toEqual([[], ["there"]]);
    });

    test("a message published the moment a subscription stands arrives", async () => {
      const [a, b] = await start(2);
      for (let i = 0; i < 20; i++) {
        await a!.subscribe("1", `c${i}`);
        await b!.publish([frame(`${i}`, `c${i}`)]);
      }
      await cluster.settle();
      expect(texts(0)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
    });

    test("the order on one channel is the same on every node, whoever publishes at the same time", async () => {
      const nodes = await start(3);
      await Promise.all(nodes.map((node) => node.subscribe("1", "c")));
      await Promise.all(
        nodes.flatMap((node, n) =>
          Array.from({ length: 50 }, (_, i) => node.publish([frame(`${n}:${i}`)])),
        ),
      );
      await cluster.settle();
      expect(texts(0)).toHaveLength(150);
      expect(texts(1)).toEqual(texts(0));
      expect(texts(2)).toEqual(texts(0));
      for (const n of nodes.keys()) {
        const own = texts(0).filter((text) => text.startsWith(`${n}:`));
        expect(own).toEqual(Array.from({ length: 50 }, (_, i) => `${n}:${i}`));
      }
    });

    test("what a receiver publishes in answer stands behind what it answers, on every node", async () => {
      const nodes = await start(3);
      nodes[0]!.receive((message) => {
        heard[0]!.push(message);
        if (message.kind === "frame" && message.frame === "question")
          void nodes[0]!.publish([frame("answer")]);
      });
      await Promise.all(nodes.map((node) => node.subscribe("1", "c")));
      await nodes[1]!.publish([frame("question")]);
      await cluster.settle();
      for (const n of nodes.keys()) expect(texts(n)).toEqual(["question", "answer"]);
    });

    test("the messages of one publish keep their order", async () => {
      const [a, b] = await start(2);
      await b!.subscribe("1", "c");
      const all = Array.from({ length: 100 }, (_, i) => frame(`${i}`));
      await a!.publish(all);
      await cluster.settle();
      expect(heard[1]).toEqual(all);
    });

    test("of one publish on a hundred channels each node gets those it asked for, of each channel in order", async () => {
      const [a, b, c] = await start(3);
      const channels = Array.from({ length: 100 }, (_, i) => `c${i}`);
      await Promise.all([
        ...channels.map((channel) => a!.subscribe("1", channel)),
        ...channels.filter((_, i) => i % 3 === 0).map((channel) => b!.subscribe("1", channel)),
      ]);
      const messages = [1, 2, 3].flatMap((round) =>
        channels.map((channel) => frame(`${channel}:${round}`, channel)),
      );
      await c!.publish(messages);
      await cluster.settle();
      expect([heard[0]!.length, heard[1]!.length, heard[2]!.length]).toEqual([300, 102, 0]);
      for (const [i, channel] of channels.entries()) {
        const all = [1, 2, 3].map((round) => `${channel}:${round}`);
        expect(textsOn(0, channel)).toEqual(all);
        expect(textsOn(1, channel)).toEqual(i % 3 === 0 ? all : []);
      }
    });

    test("while nodes come to a channel and go, each hears all from where its subscription stood, in everybody's order", async () => {
      const [observer, publisher, ...comers] = await start(5);
      const random = seededRandom(4);
      const channels = ["c0", "c1", "c2"];
      await Promise.all(channels.map((channel) => observer!.subscribe("1", channel)));
      let published = 0;
      const end = new AbortController();
      /** What a comer must have heard: whatever has at least the first number, as far as the other in the order. */
      const owed: { node: number; channel: string; from: number; to: number }[] = [];

      async function publish(): Promise<void> {
        while (!end.signal.aborted) {
          const channel = channels[Math.floor(random() * channels.length)]!;
          await publisher!.publish([frame(`${++published}`, channel)]);
          await turn();
        }
      }
      async function comeAndGo(bus: Bus, node: number): Promise<void> {
        for (let round = 0; round < 40; round++) {
          const channel = channels[Math.floor(random() * channels.length)]!;
          await bus.subscribe("1", channel);
          // The one under way may have been handed over before.
          const from = published + 1;
          for (let turns = Math.floor(random() * 6); turns > 0; turns--) await turn();
          if (random() < 0.5) {
            const to = ++published;
            await bus.publish([frame(`${to}`, channel)]);
            while (!textsOn(node, channel).includes(`${to}`)) await turn();
            owed.push({ node, channel, from, to });
          }
          bus.unsubscribe("1", channel);
          if (random() < 0.3) void bus.subscribe("1", channel);
          if (random() < 0.3) bus.unsubscribe("1", channel);
        }
      }
      const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

      const publishing = publish();
      await Promise.all(comers.map((bus, i) => comeAndGo(bus, i + 2)));
      end.abort();
      await publishing;
      await cluster.settle();

      expect(owed.length).toBeGreaterThan(20);
      const order = new Map(channels.map((channel) => [channel, textsOn(0, channel)]));
      expect(texts(0)).toHaveLength(published);
      for (let node = 2; node < 5; node++) {
        for (const channel of channels) {
          const own = new Set(textsOn(node, channel));
          expect(textsOn(node, channel)).toEqual(order.get(channel)!.filter((n) => own.has(n)));
        }
      }
      for (const { node, channel, from, to } of owed) {
        const all = order.get(channel)!;
        const due = all.slice(0, all.indexOf(`${to}`) + 1).filter((n) => Number(n) >= from);
        const own = new Set(textsOn(node, channel));
        expect(due.filter((n) => !own.has(n))).toEqual([]);
      }
    });

    test("nothing arrives behind an unsubscribe, and all does behind the next subscribe", async () => {
      const [a, b] = await start(2);
      await a!.subscribe("1", "c");
      await b!.publish([frame("first")]);
      await cluster.settle();
      a!.unsubscribe("1", "c");
      await cluster.settle();
      await b!.publish([frame("second")]);
      await cluster.settle();
      await a!.subscribe("1", "c");
      await b!.publish([frame("third")]);
      await cluster.settle();
      expect(texts(0)).toEqual(["first", "third"]);
    });

    test("subscribe and unsubscribe take effect in the order of the calls, nobody waiting between", async () => {
      const [a, b] = await start(2);
      await Promise.all([
        a!.subscribe("1", "ends-subscribed"),
        a!.unsubscribe("1", "ends-subscribed"),
        a!.subscribe("1", "ends-subscribed"),
        a!.subscribe("1", "ends-unsubscribed"),
        a!.unsubscribe("1", "ends-unsubscribed"),
      ]);
      await cluster.settle();
      await b!.publish([frame("yes", "ends-subscribed"), frame("no", "ends-unsubscribed")]);
      await cluster.settle();
      expect(texts(0)).toEqual(["yes"]);
    });

    test("needless calls change nothing: twice subscribed hears once, and one unsubscribe ends it", async () => {
      const [a, b] = await start(2);
      a!.unsubscribe("1", "c");
      await a!.subscribe("1", "c");
      await a!.subscribe("1", "c");
      await b!.publish([frame("once")]);
      await cluster.settle();
      a!.unsubscribe("1", "c");
      a!.unsubscribe("1", "c");
      await cluster.settle();
      await b!.publish([frame("never")]);
      await cluster.settle();
      expect(texts(0)).toEqual(["once"]);
    });

    test("channels of one name in two apps are two channels", async () => {
      const [a, b] = await start(2);
      await a!.subscribe("1", "c");
      await b!.subscribe("11", "c");
      await a!.publish([
        frame("for 1", "c", "1"),
        frame("for 11", "c", "11"),
        frame("for nobody", "1/c", "1"),
      ]);
      await cluster.settle();
      expect([texts(0), texts(1)]).toEqual([["for 1"], ["for 11"]]);
    });

    test("names with any characters address their own channel", async () => {
      const names = [
        "#server-to-user-a/b",
        "#server-to-user-a",
        "#watchers-of-{x}:*",
        "#watchers-of-ü\n",
        "#watchers-of-\ud800",
        "__proto__",
      ];
      const [a, b] = await start(2);
      for (const channel of names) await a!.subscribe("1", channel);
      await b!.publish(names.map((channel, i) => frame(`${i}`, channel)));
      await b!.publish([frame("not asked for", "#watchers-of-{x}:anything")]);
      await cluster.settle();
      expect(texts(0)).toHaveLength(names.length);
      for (const [i, channel] of names.entries()) expect(textsOn(0, channel)).toEqual([`${i}`]);
    });

    test("a message arrives as it was: any text, any length, the socket to skip, the order to terminate", async () => {
      const [a, b] = await start(2);
      await a!.subscribe("1", "c");
      const messages: BusMessage[] = [
        frame(""),
        frame('{"quotes":"\\" ü \u0000 \u2028 😀"}\r\n'),
        frame("x".repeat(100_000)),
        ...["r", "t\nu", "fa\t\n{}", "\n\n", "\t", "\u0000"].map((text) => frame(text)),
        { ...frame("of a client"), source: "client" },
        {
          ...frame("of the Roster"),
          source: "roster",
          exceptSocketId: "4294967295.9007199254740991",
        },
        { kind: "terminate", appId: "1", channel: "c", userId: "fa\t\nt\n" },
        { ...frame("skipping"), exceptSocketId: "123.456" },
        { kind: "terminate", appId: "1", channel: "c", userId: 'a "strange" ü/user' },
      ];
      for (const message of messages) await b!.publish([message]);
      await cluster.settle();
      expect(heard[0]).toEqual(messages);
    });

    test("nothing is repeated to a node that subscribes late", async () => {
      const [a, b] = await start(2);
      await b!.publish([frame("early")]);
      await cluster.settle();
      await a!.subscribe("1", "c");
      await cluster.settle();
      expect(texts(0)).toEqual([]);
    });

    test("a node that closed hears nothing more, and the others lose nothing by it", async () => {
      const [a, b, c] = await start(3);
      await Promise.all([a, b, c].map((node) => node!.subscribe("1", "c")));
      await a!.close();
      await b!.publish([frame("hello")]);
      await cluster.settle();
      expect([texts(0), texts(1), texts(2)]).toEqual([[], ["hello"], ["hello"]]);
    });
  });
}

/** Numbers from 0 to 1, the same in every run. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function frame(text: string, channel = "c", appId = "1"): FrameMessage {
  return { kind: "frame", appId, channel, source: "api", frame: text, exceptSocketId: undefined };
}
