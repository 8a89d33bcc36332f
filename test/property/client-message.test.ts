import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseClientMessage, type ParsedMessage } from "../../src/protocol/client-message.ts";

const KINDS: readonly ParsedMessage["kind"][] = [
  "ping",
  "pong",
  "subscribe",
  "unsubscribe",
  "signin",
  "client-event",
  "invalid",
];

const eventName = fc.oneof(
  fc.constantFrom(
    "pusher:ping",
    "pusher:pong",
    "pusher:subscribe",
    "pusher:unsubscribe",
    "pusher:signin",
  ),
  fc.constantFrom("pusher_internal:member_added", "pusher:error", "client-", "client-x", "x", ""),
  fc.string(),
);
const field = fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue({ noUnicodeString: false }));
const fieldNames = fc.constantFrom(
  "channel",
  "auth",
  "channel_data",
  "user_data",
  "event",
  "data",
  "__proto__",
);
const message = fc.record(
  {
    event: fc.oneof(eventName, field),
    data: fc.oneof(field, fc.dictionary(fieldNames, field)),
    channel: field,
  },
  { requiredKeys: [] },
);

test("any text is classified, and never throws", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.json({ noUnicodeString: false }),
        message.map((value) => JSON.stringify(value)),
        // A valid frame cut short or with a piece in the middle gone.
        fc.tuple(message, fc.nat(), fc.nat(5)).map(([value, at, length]) => {
          const text = JSON.stringify(value);
          const place = at % (text.length + 1);
          return text.slice(0, place) + text.slice(place + length);
        }),
      ),
      (frame) => {
        const parsed = parseClientMessage(frame);
        expect(KINDS).toContain(parsed.kind);
        if (parsed.kind === "invalid") {
          expect(parsed.message.length).toBeLessThan(300);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a well-formed message comes out as it went in", () => {
  const wellFormed = fc.oneof(
    fc.record({
      event: fc.constant("pusher:subscribe" as const),
      channel: fc.string(),
      auth: fc.string(),
    }),
    fc.record({ event: fc.constant("pusher:unsubscribe" as const), channel: fc.string() }),
    fc.record({
      event: fc.constant("pusher:signin" as const),
      auth: fc.string(),
      user_data: fc.string(),
    }),
  );
  fc.assert(
    fc.property(wellFormed, ({ event, ...data }) => {
      const parsed = parseClientMessage(JSON.stringify({ event, data }));
      expect({ ...parsed }).toMatchObject(
        "user_data" in data ? { auth: data.auth, userData: data.user_data } : data,
      );
      expect(`pusher:${parsed.kind}`).toBe(event);
    }),
  );
});

test("a client event's data reaches the others as the string that was sent, or as the JSON of what was sent", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.jsonValue(),
      fc.boolean(),
      (name, text, value, isText) => {
        const data = isText ? text : value;
        const parsed = parseClientMessage(
          JSON.stringify({ event: `client-${name}`, channel: "private-x", data }),
        );
        expect(parsed.kind).toBe("client-event");
        if (parsed.kind !== "client-event") return;
        if (typeof data === "string") expect(parsed.data).toBe(data);
        // Through JSON first: it knows no minus zero.
        else expect(JSON.parse(parsed.data)).toEqual(JSON.parse(JSON.stringify(data)));
      },
    ),
  );
});
