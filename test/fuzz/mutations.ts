import fc from "fast-check";

/** One change of a text: at a place, of some length, with what. */
export interface Mutation {
  readonly place: number;
  readonly length: number;
  readonly insert: string;
}

const PIECES = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "\u0000",
  "\ud800",
  "%",
  "&",
  "=",
  "/",
  "+",
  "#",
  " ",
  "é",
  "1e999",
];

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  place: fc.nat(1_000),
  length: fc.oneof({ weight: 3, arbitrary: fc.nat(2) }, fc.nat(40)),
  insert: fc.oneof(fc.constant(""), fc.constantFrom(...PIECES), fc.string({ maxLength: 4 })),
});

/** Mostly none: a valid text goes further in than a broken one. */
export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.oneof(
  { weight: 2, arbitrary: fc.constant([]) },
  fc.array(mutation, { minLength: 1, maxLength: 3 }),
);

export function mutate(text: string, changes: readonly Mutation[]): string {
  let changed = text;
  for (const { place, length, insert } of changes) {
    const at = place % (changed.length + 1);
    changed = changed.slice(0, at) + insert + changed.slice(at + length);
  }
  return changed;
}
