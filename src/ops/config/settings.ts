import * as z from "zod";
import { database, deadLetters, deliveryLog, sender } from "./delivery-settings.ts";
import { fieldsOf, noted } from "./field.ts";
import { redis } from "./redis-section.ts";
import { secretEntry } from "./secret-entry.ts";
import {
  bytes,
  filePath,
  host,
  HOST_RIGHT,
  milliseconds,
  PATH_RIGHT,
  port,
} from "./setting-types.ts";

/** The parts of the server that a process can run, in the order in which an event passes them. */
export const ROLES = ["channels", "packager", "sender"] as const;
export type Role = (typeof ROLES)[number];

const tls = z.strictObject({
  port: noted(port().default(null), {
    about: "Port of the TLS listener, on `host`. 0 takes a free one; null means no TLS listener.",
  }),
  certFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the certificate, followed by its chain if `caFile` does not hold that.",
    effect: "live content",
    path: true,
    right: PATH_RIGHT,
  }),
  keyFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the private key of the certificate, without a passphrase.",
    effect: "live content",
    path: true,
    right: PATH_RIGHT,
  }),
  caFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the intermediate certificates, where they are not in `certFile`.",
    effect: "live content",
    path: true,
    right: PATH_RIGHT,
  }),
});

const proxy = z.strictObject({
  trustedHops: noted(z.int().min(0).max(32).default(0), {
    about:
      "How many proxies in front of this server to believe: that many entries, counted from the end, of " +
      "`X-Forwarded-For` and `X-Forwarded-Proto` tell the client's address and whether it came by TLS. " +
      "0 believes nobody.",
  }),
});

const ops = z.strictObject({
  host: noted(host("0.0.0.0"), {
    about: "Address that `/healthz`, `/readyz`, `/metrics` and the admin API listen on.",
    right: HOST_RIGHT,
  }),
  port: noted(port().default(9_601), {
    about:
      "Port of `/healthz`, `/readyz`, `/metrics` and the admin API. 0 takes a free one; null means that nobody serves them.",
  }),
  adminToken: noted(
    secretEntry(z.string().regex(/^[!-~]{16,}$/))
      .nullable()
      .default(null),
    {
      about:
        "What a program must send, as a bearer token, to use the admin API of webhooks. Without one, only programs of " +
        "this machine may: those that connect from a loopback address.",
      secret: true,
      right:
        "at least 16 visible ASCII characters without a space, as a text, {env: NAME} or {file: PATH}",
    },
  ),
});

const log = z.strictObject({
  level: noted(
    z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
    {
      about: "The least important lines that are still written.",
    },
  ),
  format: noted(z.enum(["json", "pretty"]).default("json"), {
    about: "`json` is one object a line, for machines; `pretty` is for people.",
  }),
});

const websocket = z.strictObject({
  activityTimeoutMs: noted(milliseconds(1_000).multipleOf(1_000).default(120_000), {
    about:
      "After this long without a message, a client pings the server; told to it, in seconds, in " +
      "`pusher:connection_established`.",
    unit: "ms",
    right: "whole seconds, in milliseconds, from 1000 to 2147483000",
  }),
  pingAfterMs: noted(milliseconds(1).default(45_000), {
    about: "After this long without a message from a client, the server pings it.",
    unit: "ms",
  }),
  pongTimeoutMs: noted(milliseconds(1).default(30_000), {
    about: "A client that answers a ping with nothing for this long is gone: its socket is closed.",
    unit: "ms",
  }),
  inactivityTimeoutMs: noted(milliseconds(1).default(86_400_000), {
    about:
      "Clients of protocol 4 cannot be pinged; one that says nothing for this long is closed with 4202.",
    unit: "ms",
  }),
  authorizationTimeoutMs: noted(milliseconds(1).default(30_000), {
    about:
      "For apps with `authorizedConnections`: a socket that has neither signed in nor subscribed to a private or " +
      "presence channel within this time is closed with 4009.",
    unit: "ms",
  }),
  maxFrameBytes: noted(bytes(1_024).default(65_536), {
    about:
      "A larger frame from a client closes its socket before it is parsed. Must hold the largest client event of " +
      "every app: 6 × (`eventBytes` + `eventNameLength` + `channelNameLength`) + 256, since JSON may write a byte as six.",
    unit: "bytes",
  }),
  sendQueueBytes: noted(bytes(1_024).default(1_048_576), {
    about:
      "What may wait for one socket that reads slowly; beyond it that socket is closed. Everything sent at once must " +
      "fit, the member list of a full presence channel too.",
    unit: "bytes",
  }),
});

const http = z.strictObject({
  maxBodyBytes: noted(bytes(1_024).default(1_048_576), {
    about:
      "A larger request body is refused with 413. Must hold the largest event and the largest batch of every app, " +
      "where JSON may write a byte as six.",
    unit: "bytes",
  }),
});

const cache = z.strictObject({
  maxBytes: noted(bytes(1_024).default(67_108_864), {
    about:
      "Memory for the last events of cache channels; the ones used longest ago give way. With `redis` they are there, " +
      "and this is not used.",
    unit: "bytes",
  }),
});

const drain = z.strictObject({
  noticeMs: noted(milliseconds(0).default(5_000), {
    about:
      "After SIGTERM `/readyz` fails at once, but for this long nothing is closed, so that load balancers notice.",
    unit: "ms",
  }),
  windowMs: noted(milliseconds(0).default(20_000), {
    about:
      "Then the sockets are closed with 4200, evenly over this time, so that they do not all come back at once.",
    unit: "ms",
  }),
  deadlineMs: noted(milliseconds(1).default(28_000), {
    about:
      "Whatever is still open then is cut off. Must be more than `noticeMs` and `windowMs` together, and less than " +
      "what the supervisor grants (`terminationGracePeriodSeconds` on Kubernetes).",
    unit: "ms",
  }),
});

/** Everything but the apps: what this process is. Read once, at the start. */
export const settingsSchema = z.strictObject({
  host: noted(host("0.0.0.0"), {
    about: "Address that sockets and the HTTP API listen on.",
    right: HOST_RIGHT,
  }),
  port: noted(port().default(6_001), {
    about: "Port of the plain listener. 0 takes a free one; null means no plain listener.",
  }),
  pathPrefix: noted(
    z
      .string()
      .regex(/^(\/[A-Za-z0-9._~-]+)*$/)
      .default(""),
    {
      about: "What stands before `/app/` and `/apps/` in every path, for example `/realtime`.",
      right:
        'nothing, or a path that starts with "/" and does not end with it, for example "/realtime"',
    },
  ),
  tls: tls.prefault({}),
  proxy: proxy.prefault({}),
  ops: ops.prefault({}),
  log: log.prefault({}),
  roles: noted(
    z
      .array(z.enum(ROLES))
      .min(1)
      .overwrite((given) => ROLES.filter((role) => given.includes(role)))
      .default([...ROLES]),
    {
      about:
        "What this process does: `channels` serves sockets and the HTTP API, `packager` makes webhooks of what happens " +
        "there, `sender` delivers them. Settings of a role that it does not have are not used.",
    },
  ),
  dataDir: noted(filePath().default(".ringmaster"), {
    about:
      "Folder for what must survive a restart: the generated credentials of the default app, and the database.",
    path: true,
    right: "the path of a folder",
  }),
  maxConnections: noted(z.int().min(1).max(10_000_000).nullable().default(null), {
    about:
      "Sockets that this process takes in all; one more is closed with 4100. Null takes as many as the limit of open " +
      "files allows.",
  }),
  websocket: websocket.prefault({}),
  http: http.prefault({}),
  cache: cache.prefault({}),
  drain: drain.prefault({}),
  redis: redis.prefault({}),
  database: database.prefault({}),
  sender: sender.prefault({}),
  deliveryLog: deliveryLog.prefault({}),
  deadLetters: deadLetters.prefault({}),
});

type WrittenSettings = z.output<typeof settingsSchema>;

type RedisSecret = "url" | "password" | "sentinelPassword";

/** The effective settings of a process: each has a value, paths are absolute and secrets are fetched. */
export interface Settings extends Omit<WrittenSettings, "ops" | "redis" | "database"> {
  readonly ops: Omit<WrittenSettings["ops"], "adminToken"> & { readonly adminToken: string | null };
  readonly redis: Omit<WrittenSettings["redis"], RedisSecret> &
    Readonly<Record<RedisSecret, string | null>>;
  readonly database: Omit<WrittenSettings["database"], "file"> & { readonly file: string };
}

export const settingsFields = fieldsOf(settingsSchema);
