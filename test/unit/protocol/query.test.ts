import { describe, expect, test } from "bun:test";
import {
  parseQuery,
  queryValue,
  queryValues,
  type QueryParameter,
} from "../../../src/protocol/query.ts";

describe("parseQuery", () => {
  test.each<[string, QueryParameter[]]>([
    ["", []],
    ["&&", []],
    ["a", [["a", ""]]],
    ["a=", [["a", ""]]],
    ["=a", [["", "a"]]],
    ["a=b=c", [["a", "b=c"]]],
    [
      "a=1&a=2",
      [
        ["a", "1"],
        ["a", "2"],
      ],
    ],
    ["a=x%20y", [["a", "x y"]]],
    ["a=x+y", [["a", "x y"]]],
    ["a=x%2By", [["a", "x+y"]]],
    ["a=%C3%BC", [["a", "ü"]]],
    ["a=ü", [["a", "ü"]]],
    ["channels%5B%5D=a", [["channels[]", "a"]]],
    ["channels[]=a", [["channels[]", "a"]]],
    ["a=100%", [["a", "100%"]]],
    ["a=%zz%41", [["a", "%zz%41"]]],
    ["a=%FF", [["a", "%FF"]]],
    ['data={"a":"b"}', [["data", '{"a":"b"}']]],
  ])("%p", (query, parameters) => {
    expect(parseQuery(query)).toEqual(parameters);
  });
});

test("of a repeated name the first value counts", () => {
  expect(queryValue(parseQuery("a=1&a=2"), "a")).toBe("1");
  expect(queryValue(parseQuery("b=1"), "a")).toBeUndefined();
  expect(queryValue([], "__proto__")).toBeUndefined();
});

test("an array is its name with brackets, repeated, in order", () => {
  expect(queryValues(parseQuery("c[]=2&c=x&d[]=3&c[]=1"), "c")).toEqual(["2", "1"]);
});
