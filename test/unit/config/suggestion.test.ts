import { expect, test } from "bun:test";
import { nearest } from "../../../src/ops/config/suggestion.ts";

const NAMES = ["port", "host", "maxConnections", "pathPrefix", "keys", "key"];

test.each([
  ["prot", "port"],
  ["Port", "port"],
  ["por", "port"],
  ["max_connections", "maxConnections"],
  ["max-conections", "maxConnections"],
  ["pathprefixes", "pathPrefix"],
  ["kye", "key"],
  ["keyz", "keys"],
])("%s was meant to be %s", (typed, meant) => {
  expect(nearest(typed, NAMES)).toBe(meant);
});

test.each(["", "redis", "x", "hunter2", "connectionsMax", "p".repeat(10_000)])(
  "%s is near none",
  (typed) => {
    expect(nearest(typed, NAMES)).toBeUndefined();
  },
);
