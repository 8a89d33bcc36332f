import { describe, expect, test } from "bun:test";
import { parseMember, parseUser } from "../../../src/protocol/identity.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";

const LONG_ID = "u".repeat(129);
/** As JSON: 1,024 bytes exactly. */
const LARGEST_INFO = "i".repeat(1_022);

describe("parseMember", () => {
  test.each<[string, { userId: string; infoJson: string | null }]>([
    ['{"user_id":"a","user_info":{"name":"A"}}', { userId: "a", infoJson: '{"name":"A"}' }],
    ['{"user_id":"a"}', { userId: "a", infoJson: null }],
    ['{"user_id":"a","user_info":null}', { userId: "a", infoJson: null }],
    ['{"user_id":"a","user_info":"text"}', { userId: "a", infoJson: '"text"' }],
    ['{"user_id":10}', { userId: "10", infoJson: null }],
    ['{"user_id":0}', { userId: "0", infoJson: null }],
    ['{"user_id":"__proto__"}', { userId: "__proto__", infoJson: null }],
    [JSON.stringify({ user_id: "u".repeat(128) }), { userId: "u".repeat(128), infoJson: null }],
    [
      JSON.stringify({ user_id: "a", user_info: LARGEST_INFO }),
      { userId: "a", infoJson: `"${LARGEST_INFO}"` },
    ],
  ])("accepts case %#", (channelData, value) => {
    expect(parseMember(channelData, PUSHER_LIMITS)).toEqual({ value });
  });

  test.each<[string, string]>([
    ["", "channel_data is not a JSON object"],
    ["nope", "channel_data is not a JSON object"],
    ["null", "channel_data is not a JSON object"],
    ["[]", "channel_data is not a JSON object"],
    [
      `{"user_id":"a","user_info":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
      "channel_data is not a JSON object",
    ],
    ['"a"', "channel_data is not a JSON object"],
    ["{}", "channel_data must contain a user_id"],
    ['{"user_id":""}', "channel_data must contain a user_id"],
    ['{"user_id":null}', "channel_data must contain a user_id"],
    ['{"user_id":true}', "channel_data must contain a user_id"],
    ['{"user_id":{"id":1}}', "channel_data must contain a user_id"],
    [JSON.stringify({ user_id: LONG_ID }), "user_id exceeds the allowed maximum (128 characters)"],
    [
      JSON.stringify({ user_id: "a", user_info: `${LARGEST_INFO}i` }),
      "user_info exceeds the allowed maximum (1024 bytes)",
    ],
    [
      JSON.stringify({ user_id: "a", user_info: "ü".repeat(600) }),
      "user_info exceeds the allowed maximum (1024 bytes)",
    ],
  ])("refuses case %#", (channelData, fault) => {
    expect(parseMember(channelData, PUSHER_LIMITS)).toEqual({ fault });
  });

  test("keeps two users apart whose numeric ids are too large for a double", () => {
    const one = parseMember('{"user_id":1234567890123456789}', PUSHER_LIMITS);
    const other = parseMember('{"user_id":1234567890123456788}', PUSHER_LIMITS);
    expect(one).toEqual({ value: { userId: "1234567890123456789", infoJson: null } });
    expect(other).toEqual({ value: { userId: "1234567890123456788", infoJson: null } });
  });
});

describe("parseUser", () => {
  test("reads id, user_info and watchlist", () => {
    const parsed = parseUser(
      '{"id":"1","user_info":{"a":1},"watchlist":["2","3","2"]}',
      PUSHER_LIMITS,
    );
    expect(parsed).toEqual({
      value: { userId: "1", infoJson: '{"a":1}', watchlist: ["2", "3"], watchlistCut: false },
    });
    expect(parseUser('{"id":"1"}', PUSHER_LIMITS)).toEqual({
      value: { userId: "1", infoJson: null, watchlist: [], watchlistCut: false },
    });
  });

  test("keeps the first 100 of a longer watchlist, and says so", () => {
    const ids = Array.from({ length: 101 }, (_, i) => `u${i}`);
    expect(parseUser(JSON.stringify({ id: "1", watchlist: ids }), PUSHER_LIMITS)).toEqual({
      value: { userId: "1", infoJson: null, watchlist: ids.slice(0, 100), watchlistCut: true },
    });
    expect(
      parseUser(
        JSON.stringify({ id: "1", watchlist: [...ids.slice(0, 100), "u0"] }),
        PUSHER_LIMITS,
      ),
    ).toEqual({
      value: { userId: "1", infoJson: null, watchlist: ids.slice(0, 100), watchlistCut: false },
    });
  });

  test.each<[string, string]>([
    ["", "user_data is not a JSON object"],
    ["[1]", "user_data is not a JSON object"],
    ["{}", "user_data must contain an id, a non-empty string"],
    ['{"id":""}', "user_data must contain an id, a non-empty string"],
    ['{"id":12345}', "user_data must contain an id, a non-empty string"],
    [JSON.stringify({ id: LONG_ID }), "the user's id exceeds the allowed maximum (128 characters)"],
    [
      JSON.stringify({ id: "1", user_info: `${LARGEST_INFO}i` }),
      "user_info exceeds the allowed maximum (1024 bytes)",
    ],
    ['{"id":"1","watchlist":"2"}', "watchlist must be an array of user ids"],
    ['{"id":"1","watchlist":[2]}', "watchlist must be an array of user ids"],
  ])("refuses case %#", (userData, fault) => {
    expect(parseUser(userData, PUSHER_LIMITS)).toEqual({ fault });
  });
});
