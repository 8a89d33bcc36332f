import { Agent } from "node:http";
import type { TestContext } from "node:test";
import type { TestApp } from "../../e2e/support/apps.ts";
import { callApi } from "../../e2e/support/http-api.ts";
import { serverLibrary } from "../../e2e/support/pusher-client.ts";
import { pause } from "../../e2e/support/wait.ts";

/** The event that is published, with its number as data. */
export const TICK = "tick";

export interface PublisherPlan {
  readonly app: TestApp;
  readonly port: number;
  readonly channel: string;
  readonly everyMs: number;
  /** The `pusher` library, or signed requests made by hand. */
  readonly by: "library" | "hand";
}

export interface Publish {
  readonly number: number;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** Answered with 2xx. */
  readonly isAccepted: boolean;
  /** What came of it, where it was not. */
  readonly fault: string | undefined;
}

/** Publishes to one channel over connections that are kept, one event after the other, numbered, until it is stopped. */
export class Publisher {
  readonly channel: string;
  readonly publishes: Publish[] = [];
  readonly #plan: PublisherPlan;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #send: (number: number) => Promise<number>;
  readonly #working: Promise<void>;
  #isStopped = false;

  private constructor(plan: PublisherPlan) {
    this.#plan = plan;
    this.channel = plan.channel;
    this.#send = plan.by === "library" ? this.#withLibrary() : (number) => this.#byHand(number);
    this.#working = this.#work();
  }

  /** Ends with the test, if it was not stopped before. */
  static start(t: TestContext, plan: PublisherPlan): Publisher {
    const publisher = new Publisher(plan);
    t.after(() => publisher.stop());
    return publisher;
  }

  get accepted(): readonly number[] {
    return this.publishes.filter(({ isAccepted }) => isAccepted).map(({ number }) => number);
  }

  get faults(): readonly string[] {
    return this.publishes.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#working;
    this.#agent.destroy();
  }

  async #work(): Promise<void> {
    for (let number = 0; !this.#isStopped; number++) {
      const sentAtMs = performance.now();
      const status = await this.#send(number).catch(String);
      const isAccepted = typeof status === "number" && status >= 200 && status < 300;
      const answeredAtMs = performance.now();
      const fault = isAccepted ? undefined : `${status}`;
      this.publishes.push({ number, sentAtMs, answeredAtMs, isAccepted, fault });
      await pause(this.#plan.everyMs);
    }
  }

  #withLibrary(): (number: number) => Promise<number> {
    const { app, port, channel } = this.#plan;
    const library = serverLibrary(app, { port, agent: this.#agent });
    return async (number) => (await library.trigger(channel, TICK, number)).status;
  }

  async #byHand(number: number): Promise<number> {
    const { app, port, channel } = this.#plan;
    const body = { name: TICK, channel, data: `${number}` };
    return (await callApi(app, port, { path: "/events", body, agent: this.#agent })).status;
  }
}
