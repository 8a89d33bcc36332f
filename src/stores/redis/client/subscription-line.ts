import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { backOffMs } from "./back-off.ts";
import type { RedisFault, Reply } from "../connection.ts";
import { faultOf, faultOfReply } from "./fault.ts";
import { ErrorReply, type ParsedReply } from "./reply-parser.ts";
import { LINE_BACK_OFF } from "./server-line.ts";
import type { Access, RedisAddress } from "../settings.ts";
import type { SlotChannels, SlotLine, Subscription } from "./slot-channels.ts";
import { SubscriptionLink } from "./subscription-link.ts";

const CHANNELS_PER_COMMAND = 500;
/** Others get their turn of the event loop in between. */
const CHANNELS_PER_ROUND = 5_000;

export interface SubscriptionLineOptions {
  readonly address: RedisAddress;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
  /** `smessage`, `ssubscribe` or `sunsubscribe`; the text of a message. */
  onPush(line: SubscriptionLine, what: string, channel: string, text: string): void;
  /** It is open, or not any more; `fault` says why it could not be opened. */
  onChange(line: SubscriptionLine, fault: RedisFault | undefined): void;
  /** The server does not have the slots of these, or does not let us. */
  onRefused(line: SubscriptionLine, refused: readonly Subscription[], fault: RedisFault): void;
}

/**
 * The connection to one server for the subscriptions of its slots, rebuilt as long as it has any.
 *
 *   connecting ──▶ open ──lost──▶ waiting ──back-off──▶ connecting ──▶ …        (close, from anywhere) ──▶ closed
 *
 * What there is to say is said in rounds. Each ends with a PING that has its number, so it is known to which round a reply
 * belongs, and what has no reply when the answer to the PING comes was refused: errors do not say what they are about.
 */
export class SubscriptionLine implements SlotLine {
  readonly address: RedisAddress;
  readonly slots = new Set<SlotChannels>();
  readonly #options: SubscriptionLineOptions;
  readonly #closing = new AbortController();
  readonly #asked = new Map<number, readonly Subscription[]>();
  #link: SubscriptionLink | undefined;
  #round = 0;
  #answeredRound = 0;
  #error: RedisFault | undefined;
  #isToSend = false;
  #failures = 0;
  #opened = 0;
  #openedAtMs = 0;
  #cancelConnect: (() => void) | undefined;
  #cancelRound: (() => void) | undefined;

  constructor(options: SubscriptionLineOptions) {
    this.address = options.address;
    this.#options = options;
    void this.#connect();
  }

  get isOpen(): boolean {
    return this.#link !== undefined;
  }

  /** It is open, and was before. */
  get isReconnected(): boolean {
    return this.isOpen && this.#opened > 1;
  }

  /** Whether a reply that comes now is to what was asked for the subscription. */
  isAnswering({ round }: Subscription): boolean {
    return round === this.#answeredRound + 1;
  }

  /** What is said in the same turn goes together. */
  sendSoon(): void {
    if (this.#isToSend || this.#link === undefined) return;
    this.#isToSend = true;
    queueMicrotask(() => this.#send());
  }

  close(): void {
    this.#closing.abort();
    this.#cancelConnect?.();
    this.#cancelRound?.();
    this.#link?.close();
  }

  #send(): void {
    this.#isToSend = false;
    if (this.#link === undefined) return;
    const commands: string[][] = [];
    const asked: Subscription[] = [];
    const round = this.#round + 1;
    // Leaving comes first: what is left and wanted again is wanted.
    for (const slot of this.slots) push(commands, "SUNSUBSCRIBE", slot.takeLeaving());
    for (const slot of this.slots) {
      const taken = slot.takeUnsent(CHANNELS_PER_ROUND - asked.length);
      for (const subscription of taken) {
        subscription.round = round;
        asked.push(subscription);
      }
      push(
        commands,
        "SSUBSCRIBE",
        taken.map(({ channel }) => channel),
      );
    }
    if (commands.length === 0) return;
    this.#round = round;
    this.#asked.set(round, asked);
    this.#link.send([...commands, ["PING", `${round}`]]);
    if (asked.length < CHANNELS_PER_ROUND) return;
    this.#isToSend = true;
    this.#cancelRound = this.#options.clock.after(0, () => this.#send());
  }

  async #connect(): Promise<void> {
    const { access, clock, log } = this.#options;
    let fault: RedisFault | undefined;
    try {
      const link = await SubscriptionLink.open({
        address: this.address,
        access,
        clock,
        log,
        signal: this.#closing.signal,
        onReply: (reply) => this.#hear(reply),
        onLost: () => this.#lost(link),
      });
      this.#link = link;
      this.#opened++;
      this.#openedAtMs = clock.elapsedMs();
    } catch (error) {
      fault = faultOf(error);
      this.#retry();
    }
    if (this.#closing.signal.aborted) return;
    this.#options.onChange(this, fault);
    this.sendSoon();
  }

  #lost(link: SubscriptionLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#cancelRound?.();
    this.#isToSend = false;
    this.#asked.clear();
    this.#round = 0;
    this.#answeredRound = 0;
    this.#error = undefined;
    if (this.#closing.signal.aborted) return;
    for (const slot of this.slots) slot.unsendAll();
    const livedMs = this.#options.clock.elapsedMs() - this.#openedAtMs;
    if (livedMs > LINE_BACK_OFF.mostMs) this.#failures = 0;
    this.#retry();
    this.#options.onChange(this, undefined);
  }

  #retry(): void {
    if (this.#closing.signal.aborted) return;
    const { clock, random } = this.#options;
    const delayMs = backOffMs(this.#failures++, LINE_BACK_OFF, random);
    this.#cancelConnect = clock.after(delayMs, () => void this.#connect());
  }

  #hear(reply: ParsedReply): void {
    if (this.#closing.signal.aborted) return;
    if (reply instanceof ErrorReply) {
      this.#error = faultOfReply(reply.message);
      return;
    }
    // While nothing is subscribed it answers a PING with the text alone.
    if (typeof reply === "string") return this.#endRound(reply);
    if (!Array.isArray(reply)) return;
    const [what, channel, text] = reply as readonly Reply[] as readonly [string, string, string];
    if (what === "pong") this.#endRound(channel);
    else this.#options.onPush(this, what, channel, text);
  }

  #endRound(text: string): void {
    const round = Number(text);
    const asked = this.#asked.get(round);
    // A sign of life ends none.
    if (asked === undefined) return;
    this.#asked.delete(round);
    this.#answeredRound = round;
    const fault = this.#error;
    if (fault === undefined) return;
    this.#error = undefined;
    const refused = asked.filter((one) => one.round === round && !one.isConfirmed);
    this.#options.onRefused(this, refused, fault);
  }
}

/** In commands of one slot each, as a Cluster demands. */
function push(commands: string[][], name: string, channels: readonly string[]): void {
  for (let i = 0; i < channels.length; i += CHANNELS_PER_COMMAND)
    commands.push([name, ...channels.slice(i, i + CHANNELS_PER_COMMAND)]);
}
