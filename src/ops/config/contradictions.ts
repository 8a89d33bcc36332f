import type { AppLimits } from "../../protocol/limits.ts";
import type { Contradiction } from "./contradiction.ts";
import { redisContradictions } from "./redis-contradictions.ts";
import type { Settings } from "./settings.ts";

/** An app as far as contradictions go. */
export interface LimitedApp {
  /** `apps[2]`, or "the default app". */
  readonly path: string;
  readonly limits: AppLimits;
}

/** Everything in the configuration that contradicts something else in it. */
export function contradictions(settings: Settings, apps: readonly LimitedApp[]): Contradiction[] {
  return [
    ...listenerContradictions(settings),
    ...tlsContradictions(settings.tls),
    ...portContradictions(settings),
    ...drainContradictions(settings.drain),
    ...senderContradictions(settings),
    ...redisContradictions(settings.redis),
    ...sizeContradictions(settings, apps),
  ];
}

/** Bytes of the largest frame that an event within the limits needs: JSON may write one byte as six (`\u0001`). */
export function largestEventFrameBytes(limits: AppLimits): number {
  return 6 * (limits.eventBytes + limits.eventNameLength + limits.channelNameLength) + 256;
}

/** Bytes of the largest request body that a publish or a batch within the limits needs. */
export function largestBodyBytes(limits: AppLimits): number {
  const { eventBytes, eventNameLength, channelNameLength, channelsPerEvent, eventsPerBatch } =
    limits;
  const event =
    6 * (eventBytes + eventNameLength + channelsPerEvent * channelNameLength) +
    3 * channelsPerEvent +
    256;
  return Math.max(event, eventsPerBatch * largestEventFrameBytes(limits) + 256);
}

function listenerContradictions({ port, tls }: Settings): Contradiction[] {
  if (port !== null || tls.port !== null) return [];
  return [
    {
      path: "port",
      message: "is null and so is tls.port, so nothing would listen; give one of them a port",
      involves: ["port", "tls.port"],
    },
  ];
}

function tlsContradictions(tls: Settings["tls"]): Contradiction[] {
  const involves = ["tls.port", "tls.certFile", "tls.keyFile", "tls.caFile"];
  if (tls.port !== null) {
    return (["certFile", "keyFile"] as const)
      .filter((name) => tls[name] === null)
      .map((name) => ({
        path: `tls.${name}`,
        message:
          "is missing, which tls.port needs; give the path of a PEM file, or set tls.port to null",
        involves,
      }));
  }
  const given = (["certFile", "keyFile", "caFile"] as const).filter((name) => tls[name] !== null);
  if (given.length === 0) return [];
  return [
    {
      path: "tls.port",
      message: `is null, so tls.${given.join(" and tls.")} would do nothing; give a port such as 6002, or leave them out`,
      involves,
    },
  ];
}

function portContradictions({ host, port, tls, ops }: Settings): Contradiction[] {
  const listeners = [
    { path: "port", host, port, hostPath: "host" },
    { path: "tls.port", host, port: tls.port, hostPath: "host" },
    { path: "ops.port", host: ops.host, port: ops.port, hostPath: "ops.host" },
  ];
  return listeners.flatMap((later, index) =>
    listeners
      .slice(0, index)
      .filter((earlier) => later.port !== null && later.port !== 0 && later.port === earlier.port)
      .filter((earlier) => overlap(later.host, earlier.host))
      .map((earlier) => ({
        path: later.path,
        message: `is the same port as ${earlier.path} on the same host; give another`,
        involves: [later.path, earlier.path, later.hostPath, earlier.hostPath],
      })),
  );
}

const EVERY_ADDRESS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

function overlap(one: string, other: string): boolean {
  return one === other || EVERY_ADDRESS.has(one) || EVERY_ADDRESS.has(other);
}

function drainContradictions({
  noticeMs,
  windowMs,
  deadlineMs,
}: Settings["drain"]): Contradiction[] {
  if (noticeMs + windowMs < deadlineMs) return [];
  return [
    {
      path: "drain.deadlineMs",
      message:
        "is not more than drain.noticeMs and drain.windowMs together, so sockets would be cut off; " +
        `give more than ${noticeMs + windowMs}, or make the others shorter`,
      involves: ["drain.noticeMs", "drain.windowMs", "drain.deadlineMs"],
    },
  ];
}

function senderContradictions({ sender, drain }: Settings): Contradiction[] {
  const { slots, endpointConcurrency, stopTimeoutMs, certFile, keyFile } = sender;
  const found: Contradiction[] = [];
  if (endpointConcurrency > slots) {
    found.push({
      path: "sender.endpointConcurrency",
      message: `is more than sender.slots, of which it is a part; give at most ${slots}, or raise sender.slots`,
      involves: ["sender.endpointConcurrency", "sender.slots"],
    });
  }
  if (stopTimeoutMs >= drain.deadlineMs) {
    found.push({
      path: "sender.stopTimeoutMs",
      message:
        "is not below drain.deadlineMs, so requests under way would be cut off; " +
        `give less than ${drain.deadlineMs}, or raise drain.deadlineMs`,
      involves: ["sender.stopTimeoutMs", "drain.deadlineMs"],
    });
  }
  if ((certFile === null) !== (keyFile === null)) {
    const [missing, given] = certFile === null ? ["certFile", "keyFile"] : ["keyFile", "certFile"];
    found.push({
      path: `sender.${missing}`,
      message: `is missing, which sender.${given} needs; give the path of a PEM file, or leave both out`,
      involves: ["sender.certFile", "sender.keyFile"],
    });
  }
  return found;
}

/** An event that the limits allow must never be refused for the size of what carries it: the error would mislead. */
function sizeContradictions(
  { websocket, http }: Settings,
  apps: readonly LimitedApp[],
): Contradiction[] {
  const carriers = [
    {
      path: "websocket.maxFrameBytes",
      bytes: websocket.maxFrameBytes,
      needs: largestEventFrameBytes,
      what: "event",
      limits: ["eventBytes", "eventNameLength", "channelNameLength"],
    },
    {
      path: "websocket.sendQueueBytes",
      bytes: websocket.sendQueueBytes,
      needs: largestEventFrameBytes,
      what: "event",
      limits: ["eventBytes", "eventNameLength", "channelNameLength"],
    },
    {
      path: "http.maxBodyBytes",
      bytes: http.maxBodyBytes,
      needs: largestBodyBytes,
      what: "publish or batch",
      limits: [
        "eventBytes",
        "eventNameLength",
        "channelNameLength",
        "channelsPerEvent",
        "eventsPerBatch",
      ],
    },
  ];
  return carriers.flatMap(({ path, bytes, needs, what, limits }) => {
    const most = Math.max(0, ...apps.map((app) => needs(app.limits)));
    const app = apps.find((candidate) => needs(candidate.limits) === most);
    if (app === undefined || most <= bytes) return [];
    return [
      {
        path,
        message:
          `cannot carry the largest ${what} that ${app.path} may send; give at least ${most}, ` +
          `or lower ${limits.slice(0, -1).join(", ")} or ${limits.at(-1)} among its limits`,
        involves: [path, ...limits.map((limit) => `${app.path}.limits.${limit}`)],
      },
    ];
  });
}
