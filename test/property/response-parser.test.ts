import { expect, test } from "bun:test";
import fc from "fast-check";
import { ResponseParser } from "../../src/sender/http/response-parser.ts";

/** Everything that a parser tells, once the bytes are in and the connection is closed. */
function told(pieces: readonly Buffer[], parser = new ResponseParser()): unknown {
  parser.begin();
  for (const [index, piece] of pieces.entries()) {
    if (!parser.push(piece)) continue;
    // What a connection gets after that closes it.
    const rest = pieces.slice(index + 1).some(({ length }) => length > 0);
    return { ...verdict(parser), isReusable: parser.isReusable && !rest };
  }
  parser.close();
  return verdict(parser);
}

function verdict(parser: ResponseParser): object {
  const { isOver, isWhole, isReusable, hasBegun, fault } = parser;
  return fault === undefined
    ? { isOver, isWhole, isReusable, hasBegun, answer: parser.answer }
    : { isOver, hasBegun, fault };
}

function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const lineEnd = fc.constantFrom("\r\n", "\n");
const header = fc.constantFrom(
  "X-A: 1",
  "Content-Length: 3",
  "Content-Length: 70000",
  "Transfer-Encoding: chunked",
  "Connection: close",
  "Connection: keep-alive",
  "Retry-After: 5",
  `X-Long: ${"a".repeat(9_000)}`,
  " folded",
  "X-\0: 1",
);
const body = fc.constantFrom(
  "",
  "abc",
  "3\r\nabc\r\n0\r\n\r\n",
  "3;x\nabc\n0\nT: 1\n\n",
  "1\r\nx\r\n".repeat(500),
  "x".repeat(70_000),
  `11170\r\n${"x".repeat(70_000)}\r\n0\r\n\r\n`,
);
const answer = fc
  .tuple(
    fc.constantFrom("HTTP/1.1 200 OK", "HTTP/1.0 500", "HTTP/1.1 204 No", "HTTP/1.1 100 Go", "SSH"),
    fc.array(header, { maxLength: 4 }),
    lineEnd,
    body,
  )
  .map(
    ([first, headers, end, content]) => `${[first, ...headers].join(end)}${end}${end}${content}`,
  );
const bytesOfAnswers = fc
  .array(answer, { minLength: 1, maxLength: 3 })
  .map((answers) => Buffer.from(answers.join(""), "latin1"));
const garbage = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
const nearly = fc
  .tuple(
    bytesOfAnswers,
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
  )
  .map(([bytes, changes]) => {
    const changed = Buffer.from(bytes);
    for (const [place, byte] of changes) changed[place % changed.length] = byte;
    return changed;
  });

test("however the bytes of an answer are cut into pieces, it says the same", () => {
  fc.assert(
    fc.property(
      fc.oneof(bytesOfAnswers, nearly, garbage),
      fc.array(fc.nat(), { maxLength: 8 }),
      (bytes, places) => {
        expect(told(cut(bytes, places))).toEqual(told([bytes]));
      },
    ),
    { numRuns: 1_000 },
  );
});

test("byte by byte, too", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        answer.filter(({ length }) => length < 3_000),
        fc.string(),
      ),
      (text) => {
        const bytes = Buffer.from(text, "latin1");
        const single = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
        expect(told(single)).toEqual(told([bytes]));
      },
    ),
  );
});

test("what a parser read before makes no difference", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(bytesOfAnswers, nearly), { maxLength: 5 }), (all) => {
      const parser = new ResponseParser();
      for (const bytes of [...all, ...all]) expect(told([bytes], parser)).toEqual(told([bytes]));
    }),
    { numRuns: 200 },
  );
});

test("whatever comes, it is over within a bounded number of bytes", () => {
  const mostBytes = 16_384 + 65_537 * 300;
  fc.assert(
    fc.property(
      fc.oneof(
        nearly,
        garbage.filter(({ length }) => length > 0),
      ),
      (bytes) => {
        const parser = new ResponseParser();
        parser.begin();
        let pushed = 0;
        while (!parser.push(bytes)) {
          pushed += bytes.length;
          expect(pushed).toBeLessThan(mostBytes);
        }
      },
    ),
    { numRuns: 300 },
  );
});
