import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseQuery, queryValues, type QueryParameter } from "../../src/protocol/query.ts";

const text = fc.string({ unit: "grapheme" }).filter((value) => value.isWellFormed());
const parameters = fc.array(fc.tuple(text, text) as fc.Arbitrary<QueryParameter>, {
  maxLength: 10,
});

test("what a library escapes comes out as it went in, in order, repetitions included", () => {
  fc.assert(
    fc.property(parameters, (all) => {
      const query = all
        .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
        .join("&");
      expect(parseQuery(query)).toEqual(all);
    }),
  );
});

test("agrees with the platform's own form encoding", () => {
  fc.assert(
    fc.property(parameters, (all) => {
      const query = new URLSearchParams(
        all.map(([name, value]): [string, string] => [name, value]),
      ).toString();
      expect(parseQuery(query)).toEqual(all);
    }),
  );
});

test("what a library left unescaped comes out as it went in, where it holds none of % + & =", () => {
  const raw = fc.string({ unit: "grapheme" }).map((value) => value.replaceAll(/[%+&=]/g, ""));
  fc.assert(
    fc.property(raw, (value) => {
      expect(parseQuery(`data=${value}`)).toEqual([["data", value]]);
    }),
  );
});

test("no text makes it throw or lose a parameter", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[%0-9a-fA-F&=+]*$/)),
      (query) => {
        expect(parseQuery(query)).toHaveLength(
          query.split("&").filter((part) => part !== "").length,
        );
      },
    ),
  );
});

test("an array keeps its values and their order among other parameters", () => {
  fc.assert(
    fc.property(fc.array(text), fc.array(text), (channels, others) => {
      const parts = [
        ...others.map((value) => `other[]=${encodeURIComponent(value)}`),
        ...channels.map((value) => `channels[]=${encodeURIComponent(value)}`),
      ];
      expect(queryValues(parseQuery(parts.join("&")), "channels")).toEqual(channels);
    }),
  );
});
