import type { Script } from "../../../../src/stores/redis/script.ts";
import type { WebhookEvent } from "../../../../src/protocol/webhook-event.ts";
import type { Keyspace } from "../redis/keyspace.ts";
import { fromBytes } from "../redis/bytes.ts";
import type { RawReply } from "../redis/reply.ts";
import type { Witness } from "../redis/simulated-redis.ts";
import { LeaseAudit } from "./lease-audit.ts";
import { OwnershipAudit } from "./ownership-audit.ts";
import { Story } from "./story.ts";

/** Sees all that happens in the store, in the order in which it happens, and says what must not. */
export class Auditor implements Witness {
  readonly #fail: (what: string) => void;
  readonly #tell: (what: string) => void;
  readonly #ownership: OwnershipAudit;
  readonly leases: LeaseAudit;
  /** By its name in Redis: how many messages the channel has had. */
  readonly published = (channel: string, message: string): number => {
    const place = (this.#places.get(channel) ?? 0) + 1;
    this.#places.set(channel, place);
    if (channel.includes(":bus:")) this.#tell(`  published ${place} on ${channel}: ${message}`);
    return place;
  };
  readonly #places = new Map<string, number>();
  #story = new Story();
  #behind: Story | undefined;

  constructor(fail: (what: string) => void, tell: (what: string) => void) {
    this.#fail = fail;
    this.#tell = tell;
    this.#ownership = new OwnershipAudit(fail);
    this.leases = new LeaseAudit(fail);
  }

  /** What the event log tells so far, what was lost left out. */
  get story(): Story {
    return this.#story;
  }

  placeOf(channel: string): number {
    return this.#places.get(channel) ?? 0;
  }

  /** The replica has what was written by now. */
  replicaLost(): void {
    this.#behind = this.#story.copy();
    this.leases.replicaLost();
  }

  /** The replica took over. */
  failedOver(): void {
    if (this.#behind !== undefined) this.#story = this.#behind;
    this.#ownership.forget();
    this.leases.failedOver();
  }

  flushed(): void {
    this.#story = new Story();
    this.#behind = undefined;
    this.#ownership.forget();
    this.leases.forget();
  }

  before(script: Script, keys: readonly string[], args: readonly string[], db: Keyspace): void {
    if (script.name === "settle-events") this.#ownership.beforeSettlement(keys, args, db);
  }

  after(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    reply: RawReply,
    db: Keyspace,
  ): void {
    this.#tell(`  ${script.name} ${keys[0]} [${args.join(" ")}] -> ${JSON.stringify(reply)}`);
    switch (script.name) {
      case "take-partition":
        this.#ownership.afterTaking(keys, args, reply);
        break;
      case "settle-events":
        this.#ownership.afterSettlement(keys, args, reply, db);
        break;
      case "lease-jobs":
        this.leases.leased(args, db);
        break;
      case "renew-leases":
        this.leases.renewed(args, db);
        break;
      case "settle-jobs":
        this.leases.settled(args, reply);
        break;
      default:
    }
  }

  command(name: string, args: readonly string[]): void {
    const [key = "", , , appId = "", , json = ""] = args;
    if (name !== "XADD" || !key.endsWith(":events")) return;
    const event = JSON.parse(fromBytes(json)) as WebhookEvent;
    this.#tell(`  event of ${appId}: ${json}`);
    const wrong = this.#story.tell(appId, event);
    if (wrong !== undefined) this.#fail(`the log tells ${json} of app ${appId}, which ${wrong}`);
  }

  fault(error: unknown): void {
    this.#fail(`a script failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
