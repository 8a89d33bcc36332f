import { describe, expect, test } from "bun:test";
import { destinationOf } from "../../../src/sender/destination.ts";
import { openingOf, requestText } from "../../../src/sender/http/request-text.ts";

const opening = openingOf(destinationOf("http://hook.example.com/a?b")!, "Agent/1");

function textOf(headers: Record<string, string>, body = ""): string | undefined {
  const text = requestText(opening, undefined, headers, body);
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text.data as string);
  expect(text.lengthBytes).toBe(bytes.length);
  return bytes.toString("latin1");
}

describe("the text of a request", () => {
  test("is a request line, headers, and the body", () => {
    expect(textOf({ "content-type": "text/plain", "webhook-id": "1" }, "hello")).toBe(
      "POST /a?b HTTP/1.1\r\nHost: hook.example.com\r\nUser-Agent: Agent/1\r\n" +
        "Connection: keep-alive\r\nContent-Type: text/plain\r\nWebhook-Id: 1\r\n" +
        "Accept: */*\r\nContent-Length: 5\r\n\r\nhello",
    );
  });

  test.each(["ü", "😀", "\ud800", "x\udc00\ud800y", "é\ud83dz", "a".repeat(1_000_000)])(
    "says as many bytes as its body has: case %#",
    (body) => {
      const text = textOf({}, body)!;
      const length = Number(/^Content-Length: (\d+)$/m.exec(text)![1]);
      expect(text.length - text.indexOf("\r\n\r\n") - 4).toBe(length);
    },
  );

  test("has a header beyond ASCII byte by byte", () => {
    expect(textOf({ "x-a": "é" }, "é")).toEndWith(
      "X-A: é\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n\u00c3\u00a9",
    );
  });

  test.each([
    "host",
    "Host",
    "user-agent",
    "connection",
    "content-length",
    "Transfer-Encoding",
    "expect",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
  ])("leaves %s to us", (name) => {
    expect(textOf({ [name]: "chosen" })).not.toContain("chosen");
  });

  test("lets a job choose what it accepts, and how it is authorized", () => {
    expect(textOf({ accept: "text/html" })!.match(/^Accept: .*$/gm)).toEqual(["Accept: text/html"]);
    const text = requestText(opening, "Basic x", { authorization: "own" }, "")!.data as string;
    expect(text.match(/^Authorization: .*$/gm)).toEqual(["Authorization: own"]);
    expect(requestText(opening, "Basic x", {}, "")!.data).toContain("Authorization: Basic x\r\n");
  });

  test("is none when a name or a value would break a line, or is no byte", () => {
    for (const bad of ["\r", "\n", "\0", "\r\nx: y", "\u007f", "\u0001", "😀", "ā"]) {
      expect(textOf({ "x-a": `a${bad}b` })).toBeUndefined();
      expect(textOf({ [`x${bad}`]: "a" })).toBeUndefined();
      expect(textOf({ [bad]: "a" })).toBeUndefined();
    }
    for (const name of ["", " ", "a b", "a:", "ü", "(a)"])
      expect(textOf({ [name]: "a" })).toBeUndefined();
    expect(textOf({ "x-a": "" })).toContain("X-A: \r\n");
    expect(textOf({ "x-a": "\t a" })).toContain("X-A: \t a\r\n");
  });

  test("does not remember names without end", () => {
    for (let i = 0; i < 5_000; i++) expect(textOf({ [`x-${i}`]: "a" })).toContain(`X-${i}: a\r\n`);
  });
});
