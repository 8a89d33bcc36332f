import { createHash, createHmac } from "node:crypto";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { buildJob } from "../../src/packager/job-builder.ts";
import { parseJob } from "../../src/protocol/job.ts";
import { bodyOf, clientEvent, loggedEvent, testWebhook } from "../support/packager-rig.ts";

const KEY = { key: "key", secret: "secret", active: true };
const NOW_MS = 1_750_000_000_000;

const texts = fc.string({ unit: "binary", maxLength: 30 });
/** Any 16 bits: halves of surrogate pairs too, which have no UTF-8. */
const wild = fc
  .array(fc.nat(0xffff), { maxLength: 10 })
  .map((units) => String.fromCharCode(...units));
const told = fc
  .uniqueArray(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 })
  .chain((sequences) =>
    fc.tuple(
      ...sequences.map((sequence) => texts.map((data) => loggedEvent(sequence, clientEvent(data)))),
    ),
  );
const header = fc.constantFrom(
  "content-type",
  "Content-Type",
  "X-Pusher-Key",
  "x-pusher-signature",
  "X-PUSHER-SIGNATURE",
  "webhook-id",
  "Webhook-Id",
  "ringmaster-sequence",
  "x-mine",
);

test("a job's body is the events in the order of the log, and its signature is that of the bytes sent", () => {
  fc.assert(
    fc.property(told, (events) => {
      const job = buildJob("3", KEY, testWebhook(), events, NOW_MS);
      const inOrder = events.toSorted((a, b) => a.sequence - b.sequence);
      expect(bodyOf(job)).toEqual({
        time_ms: NOW_MS,
        events: inOrder.map(({ json }) => JSON.parse(json)),
      });
      expect(job.body).toContain(inOrder.map(({ json }) => json).join(","));
      expect(job.events).toEqual(inOrder.map(({ name }) => name));
      expect(job.headers).toEqual({
        "content-type": "application/json",
        "x-pusher-key": "key",
        "x-pusher-signature": hmac(job.body),
        "webhook-id": job.id,
        "ringmaster-sequence": inOrder.map(({ sequence }) => sequence).join(","),
      });
      expect(parseJob(JSON.stringify(job))).toEqual({ job });
      expect(JSON.stringify(job)).not.toContain(KEY.secret);
    }),
    { numRuns: 300 },
  );
});

test("text that is no Unicode is sent as it was signed", () => {
  fc.assert(
    fc.property(wild, (data) => {
      const json = `{"name":"client_event","channel":"c","data":"${data}"}`;
      const job = buildJob(
        "3",
        KEY,
        testWebhook(),
        [loggedEvent(1, clientEvent(""), { json })],
        NOW_MS,
      );
      expect(job.body.isWellFormed()).toBe(true);
      expect(job.headers["x-pusher-signature"]).toBe(hmac(Buffer.from(job.body, "utf8")));
      expect(Buffer.from(job.body, "utf8").toString("utf8")).toBe(job.body);
    }),
  );
});

test("a job's id is the endpoint and the events, and nothing else", () => {
  fc.assert(
    fc.property(
      told,
      fc.shuffledSubarray(["3", "33", "3-w", "w"], { minLength: 2 }),
      (events, names) => {
        const [one, other] = [names[0]!, names[1]!];
        const build = (appId: string, id: string, of = events): string =>
          buildJob(appId, KEY, testWebhook({ id }), of, NOW_MS).id;
        const id = build(one, other);
        expect(id).toMatch(/^job_[0-9a-f]{32}$/);
        expect(build(one, other, events.toReversed())).toBe(id);
        const moved = testWebhook({ id: other, url: "https://elsewhere.example/", timeoutMs: 1 });
        const again = buildJob(one, { ...KEY, secret: "another" }, moved, events, NOW_MS + 1);
        expect(again.id).toBe(id);
        expect(build(other, one)).not.toBe(id);
        expect(build(one, one)).not.toBe(id);
        if (events.length > 1) expect(build(one, other, events.slice(1))).not.toBe(id);
        const ids = events.toSorted((a, b) => a.sequence - b.sequence).map((event) => event.id);
        const hash = createHash("sha256")
          .update(`${one}/${other}\n${ids.join("\n")}`)
          .digest("hex");
        expect(id).toBe(`job_${hash.slice(0, 32)}`);
      },
    ),
    { numRuns: 200 },
  );
});

test("a customer's headers go along, and never stand in for ours, however they are spelt", () => {
  fc.assert(
    fc.property(fc.dictionary(header, fc.string()), (headers) => {
      const event = loggedEvent(7, clientEvent("d"));
      const job = buildJob("3", KEY, testWebhook({ headers }), [event], NOW_MS);
      expect(job.headers).toMatchObject({
        "content-type": "application/json",
        "x-pusher-key": "key",
        "x-pusher-signature": hmac(job.body),
        "webhook-id": job.id,
        "ringmaster-sequence": "7",
      });
      const names = Object.keys(job.headers);
      expect(names.every((name) => name === name.toLowerCase())).toBe(true);
      expect(names).toHaveLength("x-mine" in headers ? 6 : 5);
      if ("x-mine" in headers) expect(job.headers["x-mine"]).toBe(headers["x-mine"]!);
    }),
  );
});

function hmac(body: string | Buffer): string {
  return createHmac("sha256", KEY.secret).update(body).digest("hex");
}
