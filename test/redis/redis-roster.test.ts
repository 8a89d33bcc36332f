import type { BusMessage } from "../../src/channels/ports/bus.ts";
import { decode } from "../../src/stores/redis/channels/bus-message.ts";
import type { RedisSubscriber } from "../../src/stores/redis/connection.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { describeRoster } from "../conformance/roster.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { connect } from "./support/connect.ts";
import { MarkedConnection } from "./support/marked-connection.ts";
import { onEachStore } from "./support/on-each-store.ts";
import { recordedEvents, rosterNode } from "./support/roster-node.ts";

const NODE_TIMEOUT_MS = 60_000;

let made = 0;

onEachStore((kind, settings) =>
  describeRoster(`RedisRoster on ${kind}`, {
    maxNodes: 3,
    async make(count) {
      const clock = new FakeClock();
      const keys = new Keys(`t${++made}`, 4);
      const time = (): string => `${clock.now()}`;
      const nodes = await Promise.all(
        Array.from({ length: count }, async (_, number) => {
          const node = rosterNode({
            connection: await connect(settings()),
            keys,
            nodeId: `n${number}`,
            clock,
            time,
            nodeTimeoutMs: NODE_TIMEOUT_MS,
          });
          await node.registry.start();
          return node;
        }),
      );
      const connection = new MarkedConnection(await connect(settings()), keys);
      const ear = new Ear(connection, keys);
      async function settle(): Promise<void> {
        for (const { writers } of nodes) await writers.rest();
        await ear.hearAll();
      }
      return {
        nodes: nodes.map(({ roster }) => roster),
        listen: (appId, channel) => ear.listen(appId, channel),
        async advance(ms) {
          clock.advance(ms);
          await settle();
        },
        settle,
        recorded: () => recordedEvents(connection, keys),
        async kill(number) {
          const [first] = nodes;
          nodes[number]?.registry.close();
          for (let beats = 0; beats < 50 && first?.registry.figures().reaped === 0; beats++) {
            clock.advance(NODE_TIMEOUT_MS / 5);
            await settle();
          }
        },
        async close() {
          for (const { registry, roster, connection: own } of nodes) {
            registry.close();
            await roster.close();
            await own.close();
          }
          await ear.close();
          await connection.close();
        },
      };
    },
  }),
);

/** Somebody who listens to the Bus. */
class Ear {
  readonly #connection: MarkedConnection;
  readonly #keys: Keys;
  readonly #heard = new Map<
    string,
    { about: { appId: string; channel: string }; messages: BusMessage[] }
  >();
  readonly #subscriber: RedisSubscriber;

  constructor(connection: MarkedConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
    this.#subscriber = connection.subscriber({
      message: (channel, text) => this.#hear(channel, text),
      missed() {},
    });
  }

  async listen(appId: string, channel: string): Promise<readonly BusMessage[]> {
    const messages: BusMessage[] = [];
    const name = this.#keys.busChannel(appId, channel);
    this.#heard.set(name, { about: { appId, channel }, messages });
    await this.#subscriber.subscribe(name);
    return messages;
  }

  /** Resolves when all that was published so far has been heard. */
  hearAll(): Promise<void> {
    return this.#connection.allHeard();
  }

  close(): Promise<void> {
    return this.#subscriber.close();
  }

  #hear(name: string, text: string): void {
    const ear = this.#heard.get(name);
    const message =
      ear === undefined ? undefined : decode(ear.about.appId, ear.about.channel, text);
    if (message !== undefined) ear?.messages.push(message);
  }
}
