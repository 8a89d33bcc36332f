import assert from "node:assert/strict";
import { testApp, type AppEntry, type TestApp, type WebhookEntry } from "../../e2e/support/apps.ts";
import { answering, closing, delayed, type Answer } from "../../e2e/support/answers.ts";
import { Receiver } from "../../e2e/support/receiver.ts";
import { occupancyList, type Occupancy } from "../../e2e/support/occupancy.ts";
import { replay } from "../../e2e/support/replay.ts";
import { Chance } from "./chance.ts";

/** Long enough that nothing is ever given up. */
const RETRY_WINDOW_MS = 60 * 60 * 1_000;
const SLOW_MS = 300;
/** Each failure doubles the wait: more of them would make the test wait for nothing but that. */
const MAX_FAILURES_PER_WEBHOOK = 3;

export type Temper = "healthy" | "slow" | "failing";

export interface EndpointPlan {
  readonly temper: Temper;
  readonly channelPrefix?: string;
}

/** What one endpoint received, and what of it was answered with 2xx. */
interface Endpoint extends EndpointPlan {
  readonly path: string;
  readonly accepted: Set<string>;
}

export interface Tally {
  readonly events: number;
  readonly webhooks: number;
  readonly deliveries: number;
}

/** An app with its endpoints, which know what they were sent. */
export class Customer {
  readonly app: TestApp;
  readonly #endpoints: readonly Endpoint[];
  readonly #receiver: Receiver;

  private constructor(app: TestApp, endpoints: readonly Endpoint[], receiver: Receiver) {
    this.app = app;
    this.#endpoints = endpoints;
    this.#receiver = receiver;
  }

  static async open(batchWebhooks: boolean, plans: readonly EndpointPlan[]): Promise<Customer> {
    const plain = testApp({ batchWebhooks });
    const endpoints = plans.map((plan, place) => ({
      ...plan,
      path: `/${place}-${plan.temper}`,
      accepted: new Set<string>(),
    }));
    const answers = new Map(
      endpoints.map((endpoint) => [endpoint.path, answerOf(plain.id, endpoint)]),
    );
    const receiver = await Receiver.listen({
      apps: [plain],
      answer: (call, response) => answers.get(call.path)?.(call, response),
    });
    const webhooks = endpoints.map(({ path, channelPrefix = null }): WebhookEntry => {
      return { url: receiver.url(path), channelPrefix, retryWindowMs: RETRY_WINDOW_MS };
    });
    const entry: AppEntry = { ...plain.entry, webhooks };
    return new Customer({ ...plain, entry }, endpoints, receiver);
  }

  async close(): Promise<void> {
    await this.#receiver.close();
  }

  /** Throws unless each endpoint was told all of the truth, and nothing but that. */
  verify(truth: Occupancy): Tally {
    assert.deepEqual(this.#receiver.faults, []);
    let tally: Tally = { events: 0, webhooks: 0, deliveries: 0 };
    const owners = new Map<string, string>();
    for (const { path, accepted, channelPrefix = "" } of this.#endpoints) {
      const calls = this.#receiver.callsTo(path);
      const ids = new Set(calls.map(({ id }) => id));
      for (const id of ids) {
        assert.ok(accepted.has(id), `${path}: ${id} was given up`);
        assert.equal(owners.get(id) ?? path, path, `${id} was sent to two endpoints`);
        owners.set(id, path);
      }
      const told = replay(this.app.id, calls);
      assert.deepEqual(told.faults.slice(0, 10), [], `${path} of app ${this.app.id}`);
      const expected = Array.from(truth).filter(([channel]) => channel.startsWith(channelPrefix));
      assert.deepEqual(occupancyList(told.occupancy), occupancyList(new Map(expected)), path);
      tally = {
        events: tally.events + told.events,
        webhooks: tally.webhooks + ids.size,
        deliveries: tally.deliveries + calls.length,
      };
    }
    return tally;
  }
}

function answerOf(appId: string, { temper, path, accepted }: Endpoint): Answer {
  const chance = new Chance(`endpoint ${appId}${path}`);
  const failures = new Map<string, number>();
  const take: Answer = (call, response) => {
    response.once("finish", () => accepted.add(call.id));
    answering(200)(call, response);
  };
  switch (temper) {
    case "healthy":
      return take;
    case "slow":
      return delayed(SLOW_MS, take);
    case "failing":
      return (call, response) => {
        const failed = failures.get(call.id) ?? 0;
        if (chance.next() >= 0.3 || failed >= MAX_FAILURES_PER_WEBHOOK) return take(call, response);
        failures.set(call.id, failed + 1);
        (chance.oneIn(3) ? closing : answering(500))(call, response);
      };
  }
}
