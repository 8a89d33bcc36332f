import * as z from "zod";
import { noted } from "./field.ts";
import { filePath, milliseconds, network, PATH_RIGHT } from "./setting-types.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
/** More than this in one process was not measured; more processes take more. */
const MAX_SLOTS = 250;

export const database = z.strictObject({
  file: noted(filePath().nullable().default(null), {
    about:
      "File of the SQLite database that holds who is where, the events of webhooks, the jobs made of them and the " +
      "delivery log. Null is `ringmaster.db` in `dataDir`. Several processes of one machine may share it. It must be on a " +
      "local disk: file systems of the network do not lock well enough. With `redis` there is none.",
    path: true,
    right: PATH_RIGHT,
  }),
  durability: noted(z.enum(["process", "power"]).default("process"), {
    about:
      "What a commit survives: `process` the end of the process at any instant, `power` the end of the machine as well, at " +
      "the cost of a flush of the disk for each commit.",
  }),
  commitIntervalMs: noted(z.int().min(0).max(1_000).default(2), {
    about:
      "Changes of this many milliseconds are committed together: more of them cost the disk less, and an event more delay.",
    unit: "ms",
  }),
});

export const sender = z.strictObject({
  slots: noted(z.int().min(1).max(MAX_SLOTS).default(200), {
    about: "Webhooks that this process sends at once.",
  }),
  endpointConcurrency: noted(z.int().min(1).max(MAX_SLOTS).default(16), {
    about:
      "Of these, to one webhook of one app, so that a slow receiver holds up nobody else. Where it is not given and " +
      "`slots` is less, that.",
  }),
  maxJobAgeMs: noted(
    z
      .int()
      .min(60_000)
      .max(30 * DAY_MS)
      .default(3 * DAY_MS),
    {
      about:
        "A webhook that faults of ours (such as name resolution) have kept from being tried becomes a dead letter when it " +
        "is this old. One that waits for a paused endpoint to be resumed does not.",
      unit: "ms",
    },
  ),
  stopTimeoutMs: noted(milliseconds(0).max(60_000).default(5_000), {
    about:
      "After SIGTERM, how long requests under way may take; then they are broken off, and the jobs sent again by another " +
      "process or after the start. Must be less than `drain.deadlineMs`; where it is not given, at most half of that. A process " +
      "that has channels too grants no more than the deadline leaves behind `drain.noticeMs` and `drain.windowMs`.",
    unit: "ms",
  }),
  allowedNetworks: noted(z.array(network()).default([]), {
    about:
      "Webhooks go to public addresses alone, so that a customer's URL cannot reach into the network around the server. " +
      "Those in these networks are let through all the same: `127.0.0.0/8` in development, `10.0.0.0/8` or `fd00::/8` where " +
      "receivers are private.",
    right: "a list of networks such as 10.0.0.0/8, 127.0.0.0/8 and fd00::/8",
  }),
  caFile: noted(filePath().nullable().default(null), {
    about: "PEM file with certificate authorities that receivers may have besides the system's.",
    path: true,
    right: PATH_RIGHT,
  }),
  certFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the certificate that is shown to receivers that ask for one.",
    path: true,
    right: PATH_RIGHT,
  }),
  keyFile: noted(filePath().nullable().default(null), {
    about: "PEM file with the private key of that certificate, without a passphrase.",
    path: true,
    right: PATH_RIGHT,
  }),
});

const maxAge = (byDefaultMs: number) =>
  z
    .int()
    .min(60_000)
    .max(366 * DAY_MS)
    .default(byDefaultMs);
const maxEntries = (byDefault: number) => z.int().min(1_000).max(100_000_000).default(byDefault);

export const deliveryLog = z.strictObject({
  maxAgeMs: noted(maxAge(7 * DAY_MS), {
    about: "How long attempts to deliver a webhook are remembered, for people to look at.",
    unit: "ms",
  }),
  maxEntries: noted(maxEntries(1_000_000), {
    about: "Attempts that are remembered; of more, the oldest are forgotten.",
  }),
});

export const deadLetters = z.strictObject({
  maxAgeMs: noted(maxAge(30 * DAY_MS), {
    about: "How long webhooks that could not be delivered are kept, so that they can be replayed.",
    unit: "ms",
  }),
  maxEntries: noted(maxEntries(100_000), {
    about: "Webhooks that are kept so; of more, the oldest are forgotten.",
  }),
});
