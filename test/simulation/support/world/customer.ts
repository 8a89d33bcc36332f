import type { Job } from "../../../../src/protocol/job.ts";
import type { WebhookEvent } from "../../../../src/protocol/webhook-event.ts";
import { occupancyText, Story } from "./story.ts";

interface Told {
  readonly sequence: number;
  readonly event: WebhookEvent;
}

/** An app's owner, who writes down all that is delivered, and believes it. */
export class Customer {
  readonly #appId: string;
  readonly #fail: (what: string) => void;
  readonly #bodies = new Map<string, string>();
  readonly #told: Told[] = [];
  /** By place in the log, which is the partition's: channels of two may have the same. */
  readonly #idOf = new Map<string, string>();
  /** The store lost something: a job may be made anew of events that were told before. */
  isTolerant = false;

  constructor(appId: string, fail: (what: string) => void) {
    this.#appId = appId;
    this.#fail = fail;
  }

  get deliveries(): number {
    return this.#bodies.size;
  }

  receive(job: Job): void {
    const { id, body } = job;
    if (job.appId !== this.#appId)
      this.#fail(`app ${this.#appId} is told what app ${job.appId} is`);
    const before = this.#bodies.get(id);
    if (before !== undefined) {
      if (before !== body && !this.isTolerant) this.#fail(`${id} came with two bodies`);
      return;
    }
    this.#bodies.set(id, body);
    const { events } = JSON.parse(body) as { events: WebhookEvent[] };
    const sequences = (job.headers["ringmaster-sequence"] ?? "").split(",").map(Number);
    for (const [i, event] of events.entries()) {
      const sequence = sequences[i] ?? 0;
      if (!belongsTo(this.#appId, event))
        this.#fail(`app ${this.#appId} is told of another app: ${JSON.stringify(event)}`);
      const place = `${sequence} of ${event.channel}`;
      const other = this.#idOf.get(place);
      if (other !== undefined && !this.isTolerant)
        this.#fail(`event ${place} came in ${other} and in ${id}`);
      this.#idOf.set(place, id);
      this.#told.push({ sequence, event });
    }
  }

  /** What is wrong with what was told, in the order of the sequence. */
  contradiction(truth: ReadonlyMap<string, Iterable<string>>, log: Story): string | undefined {
    const story = new Story();
    const isMine = (place: string): boolean => place.startsWith(`${this.#appId}/`);
    for (const { sequence, event } of this.#told.toSorted((a, b) => a.sequence - b.sequence)) {
      const wrong = story.tell(this.#appId, event);
      if (wrong !== undefined)
        return `app ${this.#appId} is told ${sequence} ${JSON.stringify(event)}, which ${wrong}`;
    }
    for (const [place, sent] of log.sent) {
      const unheard = sent.find((data) => !story.hasHeard(place, data));
      if (unheard !== undefined && isMine(place)) return `${place} never heard ${unheard}`;
    }
    const mine = new Map([...truth].filter(([place]) => isMine(place)));
    const [believes, isTrue] = [story.toString(), occupancyText(mine)];
    return believes === isTrue
      ? undefined
      : `app ${this.#appId} believes ${believes}, and true is ${isTrue}`;
  }
}

/** Users, and channels that only one app has, bear their app's id. */
function belongsTo(appId: string, event: WebhookEvent): boolean {
  const names = [event.channel, "user_id" in event ? (event.user_id ?? "") : ""];
  return names.every((name) => !/of-\d/.test(name) || name.includes(`of-${appId}`));
}
