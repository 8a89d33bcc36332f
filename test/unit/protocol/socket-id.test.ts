import { expect, test } from "bun:test";
import { isSocketId } from "../../../src/protocol/socket-id.ts";

test.each(["145814.20211781", "264774.13368624", "1677674.4468990", "123.456", "0.0"])(
  "%p is a socket id",
  (text) => {
    expect(isSocketId(text)).toBe(true);
  },
);

test.each([
  "",
  ".",
  "1.",
  ".1",
  "1",
  "1.2.3",
  "a.1",
  "1.a",
  "-1.1",
  "1.1\n",
  "\n1.1",
  " 1.1",
  "1,1",
  "١.١",
])("%p is none", (text) => {
  expect(isSocketId(text)).toBe(false);
});
