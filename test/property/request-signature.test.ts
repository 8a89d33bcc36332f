import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseQuery } from "../../src/protocol/query.ts";
import { requestSignatureFault, requestSigningText } from "../../src/protocol/request-signature.ts";
import { testApp } from "../support/apps.ts";
import { encodeQuery, signedQuery } from "../support/signing.ts";

const NOW_MS = 1_750_000_000_000;
const app = testApp();
const key = app.keys[0]!;

const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme-ascii" }));
const name = fc.oneof(
  fc.constantFrom("info", "channels[]", "name", "Name", "auth_signature", "AUTH_SIGNATURE", "É"),
  text.filter((given) => !/^(auth_|body_md5)/i.test(given)),
);
const parameters = fc.array(fc.tuple(name, text), { maxLength: 6 });

test("the text that is signed is the same whether the query is known as sent or not", () => {
  const separators = fc.constantFrom("&", "&", "&", "&&", "=", "");
  const raw = fc
    .array(fc.tuple(name, fc.constantFrom("=", "=", "=", ""), text, separators), { maxLength: 6 })
    .map((parts) => parts.map((part) => part.join("")).join(""));
  const queries = fc.oneof(
    raw,
    raw.map((query) => `${query}&auth_signature=x`),
    parameters.map((all) => encodeQuery([...all, ["auth_signature", "x"]])),
    // As libraries send it.
    fc
      .array(fc.tuple(fc.stringMatching(/^[a-z_[\]]+$/), fc.stringMatching(/^[\w.,:{}"=-]*$/)), {
        minLength: 1,
      })
      .map(
        (all) =>
          `${all
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map((one) => one.join("="))
            .join("&")}&auth_signature=x`,
      ),
  );
  fc.assert(
    fc.property(queries, (queryText) => {
      const request = {
        method: "POST",
        path: "/apps/3/events",
        query: parseQuery(queryText),
        body: "",
      };
      expect(requestSigningText({ ...request, queryText })).toBe(requestSigningText(request));
    }),
    { numRuns: 2_000 },
  );
});

const request = fc.record({
  method: fc.constantFrom("GET", "POST"),
  path: fc.webPath().map((path) => `/apps/3${path}`),
  query: fc.array(
    fc.tuple(
      fc.string({ minLength: 1 }).filter((given) => !/^(auth_|body_md5)/i.test(given)),
      fc.string(),
    ),
    {
      maxLength: 5,
    },
  ),
  body: fc.oneof(fc.constant(""), fc.string()),
});

test("whatever a library signs is accepted, however it orders its parameters", () => {
  fc.assert(
    fc.property(request, (made) => {
      const signed = signedQuery(key, made, NOW_MS);
      // Those of one name keep their order: an array is signed as it stands.
      const reversed = signed.toSorted(([a], [b]) => {
        const [first, second] = [a.toLowerCase(), b.toLowerCase()];
        return first < second ? 1 : first > second ? -1 : 0;
      });
      for (const sent of [signed, reversed]) {
        const queryText = encodeQuery(sent);
        const received = { ...made, query: parseQuery(queryText), queryText };
        expect(requestSignatureFault(app, received, NOW_MS)).toBeUndefined();
      }
    }),
  );
});

test("whatever is changed after signing is refused", () => {
  fc.assert(
    fc.property(request, fc.nat(), fc.string({ minLength: 1 }), (made, at, more) => {
      const signed = signedQuery(key, made, NOW_MS);
      const place = at % signed.length;
      const changed = signed.map(([given, value], i): [string, string] =>
        i === place ? [given, `${value}${more}`] : [given, value],
      );
      const queryText = encodeQuery(changed);
      expect(
        requestSignatureFault(app, { ...made, query: parseQuery(queryText), queryText }, NOW_MS),
      ).toBeDefined();

      const asSigned = {
        ...made,
        query: parseQuery(encodeQuery(signed)),
        queryText: encodeQuery(signed),
      };
      expect(
        requestSignatureFault(app, { ...asSigned, path: made.path + more }, NOW_MS),
      ).toBeDefined();
      expect(
        requestSignatureFault(app, { ...asSigned, body: made.body + more }, NOW_MS),
      ).toBeDefined();
      const without = encodeQuery(signed.filter((_, i) => i !== place));
      expect(
        requestSignatureFault(
          app,
          { ...made, query: parseQuery(without), queryText: without },
          NOW_MS,
        ),
      ).toBeDefined();
    }),
  );
});
