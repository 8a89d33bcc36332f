import { describe, expect, test } from "bun:test";
import {
  announcementFrame,
  parseAnnouncement,
  type Announcement,
} from "../../../src/protocol/announcement.ts";
import {
  eventFrame,
  subscriptionCountFrame,
  watchlistEventsFrame,
} from "../../../src/protocol/frames.ts";

const STRANGE = ["u", "", '"', '","user_info":"x"}', "\u2028\n\u0000", "😀", "\ud800", "__proto__"];

describe("an announcement", () => {
  test.each(STRANGE)("is read back from its frame: of the user %j", (userId) => {
    const announcements: Announcement[] = [
      { kind: "member-added", member: { userId, infoJson: null } },
      { kind: "member-added", member: { userId, infoJson: '{"a":",\\"user_info\\":"}' } },
      { kind: "member-removed", userId },
      { kind: "user", userId, isOnline: true },
      { kind: "user", userId, isOnline: false },
    ];
    for (const announcement of announcements)
      expect(parseAnnouncement(announcementFrame("presence-c", announcement))).toEqual(
        announcement,
      );
  });

  test.each(["null", "1.0", '{ "b" : 1, "a": 1e2, "a": 2 }', '"\\u0041"', "12345678901234567890"])(
    "keeps a member's info to the letter: %s",
    (infoJson) => {
      const announcement = { kind: "member-added", member: { userId: "u", infoJson } } as const;
      expect(parseAnnouncement(announcementFrame("presence-c", announcement))).toEqual(
        announcement,
      );
    },
  );

  test.each<[what: string, frame: string]>([
    ["a count", subscriptionCountFrame("c", 3)],
    ["an event that looks like one", eventFrame("c", "member_added", '{"user_id":"u"}')],
    ["several users at once", watchlistEventsFrame([{ name: "online", user_ids: ["a", "b"] }])],
    ["no user", watchlistEventsFrame([{ name: "online", user_ids: [] }])],
    [
      "several changes at once",
      watchlistEventsFrame([
        { name: "online", user_ids: ["a"] },
        { name: "offline", user_ids: ["a"] },
      ]),
    ],
    ["no JSON", "{"],
    ["null", "null"],
    ["data that is no text", '{"event":"pusher_internal:member_added","data":{"user_id":"u"}}'],
    ["data that is no JSON", '{"event":"pusher_internal:member_removed","data":"{"}'],
    ["no user id", '{"event":"pusher_internal:member_added","data":"{}"}'],
    [
      "a user id that is no text",
      '{"event":"pusher_internal:member_removed","data":"{\\"user_id\\":1}"}',
    ],
    [
      "a change of another kind",
      '{"event":"pusher_internal:watchlist_events","data":"{\\"events\\":[{\\"name\\":\\"away\\",\\"user_ids\\":[\\"u\\"]}]}"}',
    ],
    [
      "a change that is null",
      '{"event":"pusher_internal:watchlist_events","data":"{\\"events\\":[null]}"}',
    ],
  ])("is nothing that says %s", (_what, frame) => {
    expect(parseAnnouncement(frame)).toBeUndefined();
  });
});
