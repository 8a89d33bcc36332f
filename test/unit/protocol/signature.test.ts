import { createHash } from "node:crypto";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  channelSigningText,
  md5Hex,
  parseAuthToken,
  sign,
  userSigningText,
  verify,
} from "../../../src/protocol/signature.ts";
import { VECTOR_SECRET } from "../../support/apps.ts";
import { hmac } from "../../support/signing.ts";

const SOCKET = "1234.1234";

describe("the vectors of the contract, section 3", () => {
  test("private: 1234.1234 on private-foobar", () => {
    expect(sign(VECTOR_SECRET, channelSigningText(SOCKET, "private-foobar"))).toBe(
      "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
    );
  });

  test('user: {"id":"12345"}', () => {
    expect(sign(VECTOR_SECRET, userSigningText(SOCKET, '{"id":"12345"}'))).toBe(
      "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba",
    );
  });

  test("presence: the stale vector of Pusher's documentation belongs to Mr. Pusher", () => {
    const data = '{"user_id":10,"user_info":{"name":"Mr. Pusher"}}';
    expect(sign(VECTOR_SECRET, channelSigningText(SOCKET, "presence-foobar", data))).toBe(
      "afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c",
    );
  });

  test("presence: Mr. Channels, whom the documentation prints, signs 31935e7d…", () => {
    const data = '{"user_id":10,"user_info":{"name":"Mr. Channels"}}';
    expect(sign(VECTOR_SECRET, channelSigningText(SOCKET, "presence-foobar", data))).toBe(
      "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
    );
  });

  test("encrypted: 123.456 on private-encrypted-bla is signed like any private channel", () => {
    expect(
      sign("tofu", channelSigningText("123.456", "private-encrypted-bla", JSON.stringify("foo"))),
    ).toBe("962c48b78bf93d98ff4c92ee7dff04865821455b7b401e9d60a9e0a90af2c105");
  });

  test("encrypted: the shared secret, which only libraries make, is SHA-256 of name and master key", () => {
    const master = Buffer.from("zyrm8pvV2C9fJcBfhyXzvxbJVN/H7QLmbe0xJi1GhPU=", "base64");
    const secret = createHash("sha256")
      .update("private-encrypted-bla")
      .update(master)
      .digest("base64");
    expect(secret).toBe("nlr49ISQHz91yS3cy/yWmW8wFMNeTnNL5tNHnbPJcLQ=");
  });

  test("the MD5 of the empty body is what the Python library sends", () => {
    expect(md5Hex("")).toBe("d41d8cd98f00b204e9800998ecf8427e");
  });
});

describe("verify", () => {
  const right = sign("secret", "text");

  test("accepts the signature and no other", () => {
    expect(verify("secret", "text", right)).toBe(true);
    expect(verify("secret", "text ", right)).toBe(false);
    expect(verify("Secret", "text", right)).toBe(false);
  });

  test("refuses every single changed digit", () => {
    for (let i = 0; i < right.length; i++) {
      const digit = right[i] === "0" ? "1" : "0";
      expect(verify("secret", "text", right.slice(0, i) + digit + right.slice(i + 1))).toBe(false);
    }
  });

  test.each([
    "",
    "a",
    right.slice(1),
    `${right}0`,
    "é".repeat(32),
    "é".repeat(64),
    "\u0000".repeat(64),
  ])("refuses without throwing what is no signature at all (case %#)", (given) => {
    expect(verify("secret", "text", given)).toBe(false);
  });

  test("refuses capitals, as the hosted server does", () => {
    expect(verify("secret", "text", right.toUpperCase())).toBe(false);
  });
});

describe("parseAuthToken", () => {
  test("takes key and signature apart at the first colon", () => {
    expect(parseAuthToken("key:sig")).toEqual({ key: "key", signature: "sig" });
    expect(parseAuthToken("key:user::sig")).toEqual({ key: "key", signature: "user::sig" });
  });

  test.each(["", ":", "key", "key:", ":sig"])("answers nothing for %p", (auth) => {
    expect(parseAuthToken(auth)).toBeUndefined();
  });
});

test("agrees with another implementation for any secret, text and body, empty ones included", () => {
  const text = fc.oneof(
    fc.constant(""),
    fc.string({ unit: "grapheme" }),
    fc.string({ minLength: 100, maxLength: 300 }),
  );
  fc.assert(
    fc.property(text, text, fc.uint8Array(), (secret, signed, bytes) => {
      expect(sign(secret, signed)).toBe(hmac(secret, signed));
      expect(md5Hex(bytes)).toBe(createHash("md5").update(bytes).digest("hex"));
      expect(md5Hex(signed)).toBe(createHash("md5").update(signed).digest("hex"));
    }),
  );
});
