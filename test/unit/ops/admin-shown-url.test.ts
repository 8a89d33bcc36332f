import fc from "fast-check";
import { expect, test } from "bun:test";
import { shownUrl } from "../../../src/ops/admin/shown-url.ts";

test.each([
  ["https://hooks.example.com/in", "https://hooks.example.com/in"],
  ["http://10.0.0.7:8080", "http://10.0.0.7:8080/"],
  ["https://[2001:db8::1]:8443/a/b", "https://[2001:db8::1]:8443/a/b"],
  ["https://user:hush@example.com/", "https://***@example.com/"],
  ["https://hush@example.com/", "https://***@example.com/"],
  ["https://:hush@example.com/", "https://***@example.com/"],
  ["https://example.com/in?token=hush", "https://example.com/in?***"],
  ["https://example.com/in?hush", "https://example.com/in?***"],
  ["https://example.com/in#hush", "https://example.com/in"],
  ["https://", "(not a URL)"],
  ["", ""],
])("%p is shown as %p", (url, shown) => {
  expect(shownUrl(url)).toBe(shown);
});

test("whatever the user, the password and the query are, none is shown", () => {
  const secret = fc
    .string({ minLength: 1 })
    .map((text) => `hush${encodeURIComponent(text.toWellFormed())}`);
  fc.assert(
    fc.property(secret, secret, secret, (user, password, query) => {
      const shown = shownUrl(`https://${user}:${password}@example.com/in?${query}#${query}`);
      expect(shown).toBe("https://***@example.com/in?***");
    }),
  );
});
