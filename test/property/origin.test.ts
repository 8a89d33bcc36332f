import { expect, test } from "bun:test";
import fc from "fast-check";
import { isOriginAllowed } from "../../src/protocol/origin.ts";

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/);
const host = fc.array(label, { minLength: 1, maxLength: 4 });
const scheme = fc.constantFrom("http", "https", "capacitor");
const port = fc.constantFrom("", ":81", ":8443");

test("a host stands for itself alone, and *.host for every host below it", () => {
  fc.assert(
    fc.property(
      host,
      fc.oneof(
        host.map((labels) => ({ labels, extra: [] as string[] })),
        fc.array(label, { maxLength: 2 }).map((extra) => ({ labels: undefined, extra })),
      ),
      scheme,
      port,
      (listed, { labels, extra }, usedScheme, usedPort) => {
        // Either some other host, or the listed one with labels before it.
        const given = labels ?? [...extra, ...listed];
        const origin = `${usedScheme}://${given.join(".")}${usedPort}`;
        const isSame = given.join(".") === listed.join(".");
        const isBelow =
          given.length > listed.length &&
          given.slice(given.length - listed.length).join(".") === listed.join(".");
        expect(isOriginAllowed(origin, [listed.join(".")])).toBe(isSame);
        expect(isOriginAllowed(origin, [`*.${listed.join(".")}`])).toBe(isBelow);
        expect(isOriginAllowed(origin, [origin])).toBe(true);
        expect(isOriginAllowed(origin, [])).toBe(false);
      },
    ),
    { numRuns: 500 },
  );
});

test("a listed host anywhere else in the origin helps nobody", () => {
  fc.assert(
    fc.property(host, label, (listed, evil) => {
      const name = listed.join(".");
      for (const origin of [
        `https://${name}.${evil}`,
        `https://${evil}${name}`,
        `https://${evil}-${name}`,
        `https://${name}@${evil}.test`,
        `https://${evil}.test/${name}`,
        `https://${evil}.test?${name}`,
        `https://${evil}.test#.${name}`,
        `https://${evil}.test:80.${name}`,
      ]) {
        expect(isOriginAllowed(origin, [name])).toBe(false);
      }
    }),
  );
});

test("no text makes it throw", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.array(fc.string({ unit: "binary" })),
      (origin, allowed) => {
        expect(typeof isOriginAllowed(origin, allowed)).toBe("boolean");
      },
    ),
  );
});
