import * as z from "zod";
import { noted } from "./field.ts";
import { secretEntry } from "./secret-entry.ts";
import { filePath, hostAndPort, milliseconds, PATH_RIGHT } from "./setting-types.ts";

const NODES_RIGHT = 'a list such as "redis-1:6379, redis-2:6379"';

/** A store that many processes share; without one there is the database of this machine. */
export const redis = z.strictObject({
  url: noted(
    secretEntry(z.string().refine((text) => redisUrlFault(text) === undefined))
      .nullable()
      .default(null),
    {
      about:
        "Redis or Valkey, version 7 or later, in place of the embedded store: any number of processes with the same store " +
        "are one server. `redis://user:password@host:6379/0`, or `rediss://` for TLS. Everything in it but the host may be " +
        "left out. For a Cluster see `clusterNodes`, for Sentinels `sentinelNodes`.",
      secret: true,
      fault: redisUrlFault,
      right: "a URL such as redis://localhost:6379, as a text, {env: NAME} or {file: PATH}",
    },
  ),
  clusterNodes: noted(z.array(hostAndPort()).default([]), {
    about: "Some nodes of a Redis Cluster; the others are learned from them.",
    right: NODES_RIGHT,
  }),
  sentinelNodes: noted(z.array(hostAndPort()).default([]), {
    about: "The Sentinels that know which Redis is the primary.",
    right: NODES_RIGHT,
  }),
  sentinelPrimaryName: noted(z.string().min(1).nullable().default(null), {
    about: "What the Sentinels call that primary, for example `mymaster`.",
  }),
  sentinelUsername: noted(z.string().min(1).nullable().default(null), {
    about: "User of the Sentinels, where they ask for one.",
  }),
  sentinelPassword: noted(secretEntry().nullable().default(null), {
    about: "Password of the Sentinels, where they ask for one.",
    secret: true,
  }),
  username: noted(z.string().min(1).nullable().default(null), {
    about: "User of the store. What it must be allowed to do is in docs/operations.md.",
  }),
  password: noted(secretEntry().nullable().default(null), {
    about: "Password of the store.",
    secret: true,
  }),
  database: noted(z.int().min(0).max(1_000_000).default(0), {
    about:
      "Number of the database; a Cluster has only 0. Messages are common to all databases of a server, so two servers in " +
      "one Redis need two `keyPrefix` all the same.",
  }),
  tls: noted(z.boolean().default(false), {
    about: "Whether the store is reached by TLS; a `rediss://` URL says so too.",
  }),
  caFile: noted(filePath().nullable().default(null), {
    about:
      "PEM file with the certificate authorities that the store's certificate may have, in place of the system's.",
    path: true,
    right: PATH_RIGHT,
  }),
  certFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the certificate that is shown to the store, where it asks for one.",
    path: true,
    right: PATH_RIGHT,
  }),
  keyFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the private key of that certificate, without a passphrase.",
    path: true,
    right: PATH_RIGHT,
  }),
  serverName: noted(z.string().min(1).nullable().default(null), {
    about:
      "Name that the store's certificate must have, where it is not the host that is connected to.",
  }),
  keyPrefix: noted(
    z
      .string()
      .regex(/^[A-Za-z0-9_.:-]{1,64}$/)
      .default("ringmaster"),
    {
      about:
        "What all keys and channels begin with: two servers with two prefixes may share a store.",
      right: "1 to 64 letters, digits and any of _ . : -",
    },
  ),
  partitions: noted(z.int().min(1).max(1_024).default(64), {
    about:
      "Into so many parts the channels are divided, over the servers of a Cluster and over packagers. It is written into " +
      "a new store and never changes there: what stands in the store counts.",
  }),
  nodeTimeoutMs: noted(milliseconds(1_000).max(600_000).default(15_000), {
    about:
      "A process that gives no sign of life for so long is dead: what it held is withdrawn, with the events of that. One " +
      "that stood still and lives announces itself again.",
    unit: "ms",
  }),
  connectTimeoutMs: noted(milliseconds(100).max(60_000).default(5_000), {
    about: "How long an attempt to connect to the store may take.",
    unit: "ms",
  }),
  commandTimeoutMs: noted(milliseconds(100).max(60_000).default(5_000), {
    about: "A connection to the store on which an answer takes longer is given up and rebuilt.",
    unit: "ms",
  }),
});

/** What is wrong with the URL, without showing any of it: it may hold a password. */
export function redisUrlFault(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "is no URL";
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:")
    return "begins with neither redis:// nor rediss://";
  if (url.hostname === "") return "names no host";
  if (!/^(\/\d{0,6})?$/.test(url.pathname)) return "has a path that is no number of a database";
  if (url.search !== "" || url.hash !== "") return "has a query, which means nothing here";
  return undefined;
}
