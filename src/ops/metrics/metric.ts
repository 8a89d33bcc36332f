import type { TenantFigures } from "../../channels/channels.ts";
import type { PackagerFigures } from "../../packager/packager.ts";
import type { SenderFigures } from "../../sender/figures.ts";
import type { WorkloadFigures } from "../../sender/workload.ts";
import type { RedisStoreFigures } from "../../stores/redis/store.ts";
import type { DescriptorLimit } from "../file-descriptors.ts";
import type { LifecycleState } from "../lifecycle.ts";

/** What was recorded and is not settled. */
export interface EventFigures {
  readonly events: number;
  readonly oldestEventMs: number;
}

/** How the embedded database fares. */
export interface DatabaseFigures {
  readonly waiting: number;
  readonly isWell: boolean;
}

/** What the metrics are read from when somebody asks. Nothing is counted here. */
export interface MetricSources {
  readonly version: string;
  readonly descriptors: DescriptorLimit;
  readonly maxConnections: number;
  tenants(): readonly TenantFigures[];
  state(): LifecycleState;
  cacheBytes(): number;
  /** Sockets open now. */
  connections(): number;
  /** While draining: what is left of the window. */
  drainWindowLeftMs(): number;
  /** How long stopping has taken beyond what was planned for it. */
  overrunMs(): number;
  configurationOk(): boolean;
  /** Undefined in a process without it. */
  database(): DatabaseFigures | undefined;
  redis(): RedisStoreFigures | undefined;
  /** These reject while the store is away. */
  events(): Promise<EventFigures>;
  workload(): Promise<WorkloadFigures>;
  /** Undefined in a process without that ring. */
  packager(): PackagerFigures | undefined;
  sender(): SenderFigures | undefined;
}

/** The sources, and what had to be waited for: undefined where the store did not tell. */
export interface Reading extends MetricSources {
  readonly recorded: EventFigures | undefined;
  readonly known: WorkloadFigures | undefined;
}

/** A value, its labels, and what is put behind the name: the parts of a histogram have each their own. */
export type Sample = readonly [
  value: number,
  labels?: Readonly<Record<string, string | number>>,
  suffix?: "_bucket" | "_sum" | "_count",
];

export interface Metric {
  readonly type: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(reading: Reading): Iterable<Sample>;
}

/** A figure of each app. */
export function perApp(
  type: Metric["type"],
  name: string,
  help: string,
  read: (figures: TenantFigures) => number,
): Metric {
  return {
    type,
    name,
    help,
    labels: ["app"],
    *read(reading) {
      for (const figures of reading.tenants()) yield [read(figures), { app: figures.appId }];
    },
  };
}

/** No sample where the figures are not known. */
export function ofKnown<Figures>(
  type: Metric["type"],
  name: string,
  help: string,
  figuresOf: (reading: Reading) => Figures | undefined,
  read: (figures: Figures) => number,
): Metric {
  return {
    type,
    name,
    help,
    labels: [],
    *read(reading) {
      const figures = figuresOf(reading);
      if (figures !== undefined) yield [read(figures)];
    },
  };
}

export function ofProcess(
  type: Metric["type"],
  name: string,
  help: string,
  read: (reading: Reading) => number,
): Metric {
  return {
    type,
    name,
    help,
    labels: [],
    *read(reading) {
      yield [read(reading)];
    },
  };
}
