import { describe, expect, test } from "bun:test";
import {
  PING_FRAME,
  PONG_FRAME,
  cacheMissFrame,
  clientEventFrame,
  connectionEstablishedFrame,
  errorFrame,
  eventFrame,
  memberAddedFrame,
  memberRemovedFrame,
  presenceSucceededFrame,
  signinSuccessFrame,
  subscriptionCountFrame,
  subscriptionSucceededFrame,
  watchlistEventsFrame,
} from "../../../src/protocol/frames.ts";

describe("the frames of the contract, section 1.4, to the letter", () => {
  const table: [name: string, made: string, exact: string][] = [
    [
      "connection_established",
      connectionEstablishedFrame("218656.9503498", 120),
      String.raw`{"event":"pusher:connection_established","data":"{\"socket_id\":\"218656.9503498\",\"activity_timeout\":120}"}`,
    ],
    [
      "error with a code",
      errorFrame(4001, "..."),
      '{"event":"pusher:error","data":{"code":4001,"message":"..."}}',
    ],
    [
      "error without a code",
      errorFrame(null, "Received invalid JSON"),
      '{"event":"pusher:error","data":{"code":null,"message":"Received invalid JSON"}}',
    ],
    ["ping", PING_FRAME, '{"event":"pusher:ping","data":{}}'],
    ["pong", PONG_FRAME, '{"event":"pusher:pong","data":"{}"}'],
    [
      "subscription_succeeded",
      subscriptionSucceededFrame("my-channel"),
      '{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"my-channel"}',
    ],
    [
      "subscription_succeeded on a presence channel",
      presenceSucceededFrame("presence-x", [
        { userId: "a", infoJson: '{"name":"A"}' },
        { userId: "b", infoJson: null },
      ]),
      String.raw`{"event":"pusher_internal:subscription_succeeded","channel":"presence-x","data":"{\"presence\":{\"count\":2,\"ids\":[\"a\",\"b\"],\"hash\":{\"a\":{\"name\":\"A\"},\"b\":null}}}"}`,
    ],
    [
      "member_added",
      memberAddedFrame("presence-x", { userId: "a", infoJson: '{"name":"A"}' }),
      String.raw`{"event":"pusher_internal:member_added","channel":"presence-x","data":"{\"user_id\":\"a\",\"user_info\":{\"name\":\"A\"}}"}`,
    ],
    [
      "member_added without user_info",
      memberAddedFrame("presence-x", { userId: "a", infoJson: null }),
      String.raw`{"event":"pusher_internal:member_added","channel":"presence-x","data":"{\"user_id\":\"a\"}"}`,
    ],
    [
      "member_removed",
      memberRemovedFrame("presence-x", "a"),
      String.raw`{"event":"pusher_internal:member_removed","channel":"presence-x","data":"{\"user_id\":\"a\"}"}`,
    ],
    [
      "subscription_count",
      subscriptionCountFrame("my-channel", 5),
      String.raw`{"event":"pusher_internal:subscription_count","channel":"my-channel","data":"{\"subscription_count\":5}"}`,
    ],
    ["cache_miss", cacheMissFrame("cache-x"), '{"event":"pusher:cache_miss","channel":"cache-x"}'],
    [
      "signin_success",
      signinSuccessFrame('{"id":"12345"}'),
      String.raw`{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"12345\\\"}\"}"}`,
    ],
    [
      "watchlist_events",
      watchlistEventsFrame([
        { name: "online", user_ids: ["b", "c"] },
        { name: "offline", user_ids: ["d"] },
      ]),
      String.raw`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"b\",\"c\"]},{\"name\":\"offline\",\"user_ids\":[\"d\"]}]}"}`,
    ],
    [
      "a published event",
      eventFrame("my-channel", "my-event", '{"a":"u"}'),
      String.raw`{"event":"my-event","channel":"my-channel","data":"{\"a\":\"u\"}"}`,
    ],
    [
      "a client event on a presence channel",
      clientEventFrame("presence-x", "client-x", "d", "a"),
      '{"event":"client-x","channel":"presence-x","data":"d","user_id":"a"}',
    ],
    [
      "a client event on a private channel",
      clientEventFrame("private-x", "client-x", "d", undefined),
      '{"event":"client-x","channel":"private-x","data":"d"}',
    ],
    [
      "an event of an encrypted channel",
      eventFrame("private-encrypted-x", "my-event", '{"nonce":"bm9uY2U=","ciphertext":"Y2lwaGVy"}'),
      String.raw`{"event":"my-event","channel":"private-encrypted-x","data":"{\"nonce\":\"bm9uY2U=\",\"ciphertext\":\"Y2lwaGVy\"}"}`,
    ],
  ];
  test.each(table)("%s", (_name, made, exact) => {
    expect(made).toBe(exact);
  });
});

test("a user called __proto__ or constructor is a member like any other", () => {
  const members = [
    { userId: "__proto__", infoJson: null },
    { userId: "constructor", infoJson: "1" },
  ];
  const frame = JSON.parse(presenceSucceededFrame("presence-x", members)) as { data: string };
  expect(frame.data).toBe(
    '{"presence":{"count":2,"ids":["__proto__","constructor"],"hash":{"__proto__":null,"constructor":1}}}',
  );
});
