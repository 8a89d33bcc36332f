import { describe, expect, test } from "bun:test";
import {
  isCacheChannel,
  isPresenceChannel,
  isPrivateChannel,
  isValidChannelName,
  userChannel,
  userOfChannel,
  watchersChannel,
} from "../../../src/protocol/channel-name.ts";

describe("what a channel's name says of it", () => {
  const table: [name: string, isPrivate: boolean, isPresence: boolean, isCache: boolean][] = [
    ["c", false, false, false],
    ["cache-c", false, false, true],
    ["private-c", true, false, false],
    ["private-cache-c", true, false, true],
    ["private-encrypted-c", true, false, false],
    ["private-encrypted-cache-c", true, false, true],
    ["presence-c", true, true, false],
    ["presence-cache-c", true, true, true],
    ["encrypted-c", false, false, false],
    ["encrypted-cache-c", false, false, false],
    ["presence-encrypted-cache-c", true, true, false],
    ["private-presence-c", true, false, false],
    ["presence", false, false, false],
    ["private", false, false, false],
    ["Private-c", false, false, false],
    ["my-cache-c", false, false, false],
    ["cache-private-c", false, false, true],
    ["#server-to-user-private-c", false, false, false],
    ["#server-to-user-cache-c", false, false, false],
  ];
  test.each(table)(
    "%s: private %p, presence %p, cache %p",
    (name, isPrivate, isPresence, isCache) => {
      expect([isPrivateChannel(name), isPresenceChannel(name), isCacheChannel(name)]).toEqual([
        isPrivate,
        isPresence,
        isCache,
      ]);
    },
  );
});

describe("isValidChannelName", () => {
  test.each([
    "c",
    "-",
    "aZ09_-=@,.;",
    "__proto__",
    "constructor",
    "private-",
    "#server-to-user-1",
    "#server-to-user-a@b.c",
    "x".repeat(200),
  ])("accepts %p", (name) => {
    expect(isValidChannelName(name, 200)).toBe(true);
  });

  test.each([
    "",
    " ",
    "a b",
    "a/b",
    "a\n",
    "\na",
    "a\nb",
    "a\u0000",
    "ä",
    "a:b",
    "a#b",
    "#",
    "#c",
    "##server-to-user-1",
    "#server-to-user-",
    "#server-to-user-a b",
    "#server-to-user-#server-to-user-1",
    "#Server-to-user-1",
    "a%20b",
    "a*b",
    "{a}",
    "x".repeat(201),
  ])("refuses %p", (name) => {
    expect(isValidChannelName(name, 200)).toBe(false);
  });

  test("counts the prefix of a user channel in the length", () => {
    expect(isValidChannelName(`#server-to-user-${"x".repeat(184)}`, 200)).toBe(true);
    expect(isValidChannelName(`#server-to-user-${"x".repeat(185)}`, 200)).toBe(false);
  });

  test("refuses the channel about a user's watchers, which is ours alone", () => {
    for (const id of ["1", "server-to-user-1", ""])
      expect(isValidChannelName(watchersChannel(id), 200)).toBe(false);
  });
});

test("a user's channel names the user, and no other channel does", () => {
  expect(userChannel("42")).toBe("#server-to-user-42");
  expect(userOfChannel("#server-to-user-42")).toBe("42");
  expect(userOfChannel(userChannel("a/b c"))).toBe("a/b c");
  expect(userOfChannel("server-to-user-42")).toBeUndefined();
  expect(userOfChannel(watchersChannel("42"))).toBeUndefined();
});
