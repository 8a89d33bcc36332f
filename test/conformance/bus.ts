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
        "__proto__",
      ];
      const [a, b] = await start(2);
      for (const channel of names) await a!.subscribe("1", channel);
      await b!.publish(names.map((channel) => frame(channel, channel)));
      await b!.publish([frame("not asked for", "#watchers-of-{x}:anything")]);
      await cluster.settle();
      expect(texts(0)).toEqual(names);
    });

    test("a message arrives as it was: any text, any length, the socket to skip, the order to terminate", async () => {
      const [a, b] = await start(2);
      await a!.subscribe("1", "c");
      const messages: BusMessage[] = [
        frame(""),
        frame('{"quotes":"\\" ü \u0000 \u2028 😀"}\r\n'),
        frame("x".repeat(100_000)),
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

function frame(text: string, channel = "c", appId = "1"): FrameMessage {
  return { kind: "frame", appId, channel, source: "api", frame: text, exceptSocketId: undefined };
}
