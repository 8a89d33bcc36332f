import type { Contestant, ContestantName, Server } from "./contestant.ts";
import { Load, type Measurement, type RunMode } from "./load.ts";
import { refuseHelpers } from "./lone-process.ts";
import { CREDENTIALS } from "./pusher-api.ts";
import { type Message, type Request, withRequestFile } from "./request-file.ts";

export const CHANNEL_PREFIX = "bench";

/** A contestant that runs, with a load generator attached to it. */
export class Session {
  readonly contestant: Contestant;
  readonly server: Server;
  readonly load: Load;
  #nextId = 1;

  private constructor(contestant: Contestant, server: Server, load: Load) {
    this.contestant = contestant;
    this.server = server;
    this.load = load;
  }

  static async open(contestant: Contestant, block: boolean): Promise<Session> {
    const server = await contestant.start();
    try {
      await refuseHelpers(server.child.pid);
      return new Session(
        contestant,
        server,
        await Load.start(server.port, server.child.pid, block),
      );
    } catch (error) {
      await server.child.stop();
      throw error;
    }
  }

  get name(): ContestantName {
    return this.contestant.name;
  }

  connect(sockets: number, channels: number): Promise<Measurement> {
    return this.load.connect({
      sockets,
      channels,
      channelPrefix: CHANNEL_PREFIX,
      appKey: CREDENTIALS.key,
    });
  }

  /** Signs the requests now, for a signature is good for ten minutes, and has the load generator send them. */
  publish(plan: PublishPlan): Promise<Measurement> {
    const firstId = this.#nextId;
    const requests = Array.from({ length: plan.requests }, (_, index): Request => {
      const messages = Array.from({ length: plan.messagesPerRequest }, (): Message => ({
        channel: plan.channelOf(index),
        id: this.#nextId++,
      }));
      return {
        bytes: this.contestant.publishRequest(messages),
        messages: messages.length,
        deliveriesPerMessage: plan.deliveriesPerMessage,
      };
    });
    return withRequestFile(firstId, requests, (file) => this.load.run(file, plan.mode));
  }

  async close(): Promise<void> {
    await this.load.stop();
    await this.server.child.stop();
  }

  /** The error with what the server said meanwhile, if it is gone. */
  describe(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    return this.server.child.ended
      ? `${text}; the server ended: ${this.server.child.lastWords}`
      : text;
  }
}

export interface PublishPlan {
  readonly requests: number;
  readonly messagesPerRequest: number;
  readonly deliveriesPerMessage: number;
  readonly mode: RunMode;
  channelOf(request: number): string;
}
