import { RedisError, type RawReply } from "../reply.ts";
import type { Scored } from "../sorted-set.ts";
import { float, floatText, integer, slice, syntaxError, type Surroundings } from "./command.ts";

interface RangeOptions {
  by: "rank" | "score" | "lex";
  isReversed: boolean;
  withScores: boolean;
  limit: readonly [offset: number, count: number] | undefined;
}

/** ZRANGE with its options, which is all the other range commands, too. */
export function zrange(
  { db }: Surroundings,
  [key = "", start, stop, ...rest]: readonly string[],
): RawReply {
  const { by, isReversed, withScores, limit } = optionsOf(rest);
  if (limit !== undefined && by === "rank") throw syntaxError();
  if (withScores && by === "lex") throw syntaxError();
  const all = (items: readonly Scored[]): readonly Scored[] =>
    isReversed ? items.toReversed() : items;
  let select: Selection;
  if (by === "rank") {
    const [first, last] = [integer(start), integer(stop)];
    select = (items) => slice(all(items), first, last);
  } else {
    const [min, max] = isReversed ? [stop, start] : [start, stop];
    const selection = by === "score" ? scoreSelection : lexSelection;
    const within = selection(min, max);
    select = (items) => all(within(items));
  }
  let found = select(db.find(key, "zset")?.items ?? []);
  if (limit !== undefined) {
    const [offset, count] = limit;
    if (offset < 0) found = [];
    else found = found.slice(offset, count < 0 ? undefined : offset + count);
  }
  return found.flatMap(({ member, score }) => (withScores ? [member, floatText(score)] : [member]));
}

/** Those of the items that are within the bounds, which are read first. */
export type Selection = (items: readonly Scored[]) => readonly Scored[];

export function scoreSelection(min: string | undefined, max: string | undefined): Selection {
  const [from, to] = [scoreBound(min), scoreBound(max)];
  return (items) =>
    items.filter(
      ({ score }) =>
        (from.isOpen ? score > from.value : score >= from.value) &&
        (to.isOpen ? score < to.value : score <= to.value),
    );
}

/** `-`, `+`, `[member`, `(member`. */
export function lexSelection(min: string | undefined, max: string | undefined): Selection {
  const [from, to] = [lexBound(min), lexBound(max)];
  return (items) => {
    if (items.some(({ score }) => score !== items[0]?.score))
      throw new Error("a range by name where scores differ: Redis does not say what that is");
    return items.filter(
      ({ member }) =>
        (from.end === "-" ||
          (from.end === undefined && isBeyond(member, from.member, from.isOpen))) &&
        (to.end === "+" || (to.end === undefined && isBeyond(to.member, member, to.isOpen))),
    );
  };
}

function isBeyond(high: string, low: string, isOpen: boolean): boolean {
  return isOpen ? high > low : high >= low;
}

function scoreBound(text = ""): { value: number; isOpen: boolean } {
  const isOpen = text.startsWith("(");
  try {
    return { value: float(isOpen ? text.slice(1) : text), isOpen };
  } catch {
    throw new RedisError("ERR min or max is not a float");
  }
}

function lexBound(text = ""): { end: "-" | "+" | undefined; member: string; isOpen: boolean } {
  if (text === "-" || text === "+") return { end: text, member: "", isOpen: false };
  if (!text.startsWith("(") && !text.startsWith("["))
    throw new RedisError("ERR min or max not valid string range item");
  return { end: undefined, member: text.slice(1), isOpen: text.startsWith("(") };
}

function optionsOf(words: readonly string[]): RangeOptions {
  const options: RangeOptions = {
    by: "rank",
    isReversed: false,
    withScores: false,
    limit: undefined,
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]?.toUpperCase();
    if (word === "BYSCORE") options.by = "score";
    else if (word === "BYLEX") options.by = "lex";
    else if (word === "REV") options.isReversed = true;
    else if (word === "WITHSCORES") options.withScores = true;
    else if (word === "LIMIT" && i + 2 < words.length)
      options.limit = [integer(words[++i]), integer(words[++i])];
    else throw syntaxError();
  }
  return options;
}
