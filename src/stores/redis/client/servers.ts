import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { RedisFault } from "../connection.ts";
import { ServerLine } from "./server-line.ts";
import {
  accessOf,
  addressText,
  type Access,
  type RedisAddress,
  type RedisSettings,
} from "../settings.ts";
import type { SlotMap } from "./slot-map.ts";
import { Surveyor } from "./surveyor.ts";
import { topologyOf } from "./topology.ts";

export interface ServersOptions {
  readonly settings: RedisSettings;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
  /** Slots may have moved. */
  onMap(): void;
  /** A connection was made, or lost; `fault`: could not be made, or nobody tells which servers there are. */
  onChange(fault: RedisFault | undefined): void;
  onLost(): void;
  onReconnected(): void;
}

/** The servers that there are, as far as is known, and a line to each that has slots. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #access: Access;
  readonly #surveyor: Surveyor;
  readonly #lines = new Map<string, ServerLine>();
  /** They still have something under way. */
  readonly #retired = new Set<ServerLine>();
  /** By slot, for as long as the map holds. */
  readonly #lineOfSlot = new Map<number, ServerLine>();
  readonly #isFixed: boolean;
  #map: SlotMap | undefined;
  #isClosed = false;

  constructor(options: ServersOptions) {
    const { settings, clock, log, random, onChange } = options;
    const topology = topologyOf(settings, clock);
    this.#options = options;
    this.#access = accessOf(settings);
    this.#isFixed = topology.isFixed;
    this.#surveyor = new Surveyor({
      topology,
      clock,
      log,
      random,
      known: () => this.#likeliestFirst(),
      found: (map) => this.#adopt(map),
      failed: onChange,
      isSettled: () => this.isWell,
    });
  }

  get isWell(): boolean {
    const map = this.#map;
    return map !== undefined && map.isWhole && map.addresses.every((one) => this.#isOpen(one));
  }

  get names(): string[] {
    return this.#map?.addresses.map(addressText) ?? [];
  }

  look(): void {
    this.#surveyor.survey();
  }

  /** Where there is one server only, there is nothing to be found. */
  lookAgain(): void {
    if (!this.#isFixed) this.#surveyor.survey();
  }

  addressOf(slot: number): RedisAddress | undefined {
    return this.#map?.addressOf(slot);
  }

  /** Throws a `RedisFault` where no server is known to have it. */
  lineOf(slot: number): ServerLine {
    let line = this.#lineOfSlot.get(slot);
    if (line !== undefined) return line;
    const address = this.addressOf(slot);
    if (address === undefined) throw this.#unknown(slot);
    line = this.lineTo(address);
    this.#lineOfSlot.set(slot, line);
    return line;
  }

  lineTo(address: RedisAddress): ServerLine {
    if (this.#isClosed) throw closed();
    const text = addressText(address);
    let line = this.#lines.get(text);
    if (line === undefined) {
      const { clock, random } = this.#options;
      const access = this.#access;
      const onChange = this.#lineChanged.bind(this);
      line = new ServerLine({ address, access, clock, random, onChange });
      this.#lines.set(text, line);
    }
    return line;
  }

  any(): ServerLine | undefined {
    const lines = [...this.#lines.values()];
    return lines.find(({ isOpen }) => isOpen) ?? lines[0];
  }

  /** A replica, or a node that does not have the slot, has answered: who has its place now? */
  leave(line: ServerLine): void {
    // Behind a name there may be another server by now.
    if (this.#isFixed) line.cut();
    else this.#surveyor.survey();
  }

  close(): void {
    this.#isClosed = true;
    this.#surveyor.close();
    for (const line of [...this.#lines.values(), ...this.#retired]) line.close();
    this.#lines.clear();
    this.#lineOfSlot.clear();
    this.#map = undefined;
  }

  #adopt(map: SlotMap): void {
    this.#map = map;
    this.#lineOfSlot.clear();
    const wanted = new Set(map.addresses.map(addressText));
    for (const [text, line] of this.#lines) {
      if (wanted.has(text)) continue;
      this.#lines.delete(text);
      line.retire(() => this.#retired.delete(line));
      this.#retired.add(line);
    }
    for (const address of map.addresses) this.lineTo(address);
    this.#options.onMap();
    if (this.isWell) this.#options.onChange(undefined);
  }

  #lineChanged(line: ServerLine, fault: RedisFault | undefined): void {
    const { onChange, onLost, onReconnected } = this.#options;
    if (this.#isClosed) return;
    if (line.isReconnected) onReconnected();
    if (!line.isOpen) {
      if (fault === undefined) onLost();
      this.lookAgain();
    }
    onChange(fault);
  }

  #unknown(slot: number): RedisFault {
    if (this.#isClosed) return closed();
    this.lookAgain();
    return this.#map === undefined
      ? new RedisFault("unreachable", "There is no connection to the store yet.")
      : new RedisFault("not-ready", `No server of the Cluster has the slot ${slot}.`);
  }

  #likeliestFirst(): RedisAddress[] {
    const addresses = this.#map?.addresses ?? [];
    const open = addresses.filter((address) => this.#isOpen(address));
    return [...open, ...addresses.filter((address) => !open.includes(address))];
  }

  #isOpen(address: RedisAddress): boolean {
    return this.#lines.get(addressText(address))?.isOpen === true;
  }
}

function closed(): RedisFault {
  return new RedisFault("unreachable", "The connection to the store is closed.");
}
