/**
 * A receiver of webhooks: verifies, deduplicates, puts in order, answers. Node 20 or newer, no packages.
 *
 *   PUSHER_KEYS="key:secret" node receiver.mjs     several pairs, with spaces between them, while keys are rotated
 *   PORT=8080 HOST=127.0.0.1                       where it listens
 *
 * What it remembers is in memory. A receiver that must not act twice writes the webhook's id in the same transaction as
 * what it does.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Longer than a webhook is tried: later it comes only when somebody sends it again by hand. */
const REMEMBER_MS = 60 * 60 * 1000;

const secrets = new Map((process.env.PUSHER_KEYS ?? "").split(/\s+/).filter(Boolean).map(pairOf));
if (secrets.size === 0) throw new Error('Set PUSHER_KEYS="key:secret".');
/** Ids of webhooks that were handled, and what was last told of each channel, member and count. */
const handled = new Map();
const newest = new Map();

const server = createServer((request, response) => {
  const chunks = [];
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  });
  request.on("end", () => {
    response.statusCode =
      bytes > MAX_BODY_BYTES ? 413 : statusFor(request.headers, Buffer.concat(chunks));
    response.end();
  });
});

function statusFor(headers, body) {
  if (!isGenuine(headers, body)) return 401;
  const now = Date.now();
  forget(handled, now);
  forget(newest, now);
  const id = headers["webhook-id"];
  if (handled.has(id)) console.log(`again    ${id}`);
  else {
    const sequences = headers["ringmaster-sequence"].split(",").map(Number);
    for (const [i, event] of JSON.parse(body).events.entries()) handle(event, sequences[i], now);
    handled.set(id, { atMs: now });
  }
  return 200;
}

/** The signature is of the bytes that came: JSON that was parsed and written again may have others. */
function isGenuine(headers, body) {
  const secret = secrets.get(headers["x-pusher-key"]);
  if (secret === undefined) return false;
  const expected = createHmac("sha256", secret).update(body).digest();
  const given = Buffer.from(headers["x-pusher-signature"] ?? "", "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function handle(event, sequence, now) {
  const subject = subjectOf(event);
  const last = subject === undefined ? undefined : newest.get(subject);
  if (last !== undefined && sequence < last.sequence) {
    console.log(`outdated ${sequence} ${JSON.stringify(event)}`);
    return;
  }
  if (subject !== undefined) newest.set(subject, { sequence, atMs: now });
  console.log(`event    ${sequence} ${JSON.stringify(event)}`);
}

/** What the event tells the state of; undefined when it tells of something that happened, however late one hears of it. */
function subjectOf({ name, channel, user_id: userId }) {
  if (name === "channel_occupied" || name === "channel_vacated") return `channel ${channel}`;
  if (name === "member_added" || name === "member_removed") return `member ${channel} ${userId}`;
  return name === "subscription_count" ? `count ${channel}` : undefined;
}

function forget(remembered, now) {
  for (const [key, { atMs }] of remembered) {
    if (now - atMs >= REMEMBER_MS) remembered.delete(key);
  }
}

function pairOf(text) {
  const colon = text.indexOf(":");
  return [text.slice(0, colon), text.slice(colon + 1)];
}

server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "127.0.0.1", () =>
  console.log(`listening on port ${server.address().port}`),
);
