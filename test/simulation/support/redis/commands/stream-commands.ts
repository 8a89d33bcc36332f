import { RedisError, type RawReply } from "../reply.ts";
import { compareIds, idText, type Stream, type StreamEntry, type StreamId } from "../stream.ts";
import {
  integer,
  MANY,
  syntaxError,
  wrongNumber,
  type Commands,
  type Surroundings,
} from "./command.ts";

const LAST: StreamId = { ms: Infinity, seq: Infinity };
const FIRST: StreamId = { ms: 0, seq: 0 };

export const STREAM_COMMANDS: Commands = {
  XADD: { args: [4, MANY], keys: "first", run: add },
  XLEN: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => db.find(key, "stream")?.entries.length ?? 0,
  },
  XDEL: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...ids]) {
      const stream = db.find(key, "stream");
      // The ids of what is not there are not looked at.
      if (stream === undefined) return 0;
      const parsed = ids.map((id) => parseId(id, 0));
      return parsed.filter((id) => stream.delete(id)).length;
    },
  },
  XRANGE: {
    args: [3, 5],
    keys: "first",
    run: (around, [key = "", start, end, ...options]) =>
      range(around, key, start, end, options, false),
  },
  XREVRANGE: {
    args: [3, 5],
    keys: "first",
    run: (around, [key = "", end, start, ...options]) =>
      range(around, key, start, end, options, true),
  },
  XTRIM: {
    args: [3, MANY],
    keys: "first",
    run({ db }, [key = "", ...rest]) {
      const [trim, used] = trimming(rest);
      if (trim === undefined || used !== rest.length) throw syntaxError();
      const stream = db.find(key, "stream");
      return stream === undefined ? 0 : trim(stream);
    },
  },
};

function add({ db }: Surroundings, [key = "", ...rest]: readonly string[]): RawReply {
  let words = rest;
  const makesStream = words[0]?.toUpperCase() !== "NOMKSTREAM";
  if (!makesStream) words = words.slice(1);
  const [trim, used] = trimming(words);
  const [given = "", ...fields] = words.slice(used);
  if (fields.length === 0 || fields.length % 2 !== 0) throw wrongNumber();
  const wanted = given === "*" ? undefined : parseIdToAdd(given);
  if (wanted !== undefined && wanted.ms === 0 && wanted.seq === 0)
    throw new RedisError("ERR The ID specified in XADD must be greater than 0-0");
  const found = db.find(key, "stream");
  if (found === undefined && !makesStream) return null;
  const lastId = found?.lastId ?? FIRST;
  const id = wanted === undefined ? nextId(lastId, db.nowMs) : withSequence(wanted, lastId);
  if (compareIds(id, lastId) <= 0)
    throw new RedisError(
      "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    );
  const stream = found ?? db.findOrMake(key, "stream");
  stream.append({ id, fields });
  trim?.(stream);
  return idText(id);
}

function nextId(last: StreamId, nowMs: number): StreamId {
  return nowMs > last.ms ? { ms: nowMs, seq: 0 } : { ms: last.ms, seq: last.seq + 1 };
}

/** `<ms>-*`: whatever comes next in that millisecond. */
function withSequence(
  { ms, seq }: { ms: number; seq: number | undefined },
  last: StreamId,
): StreamId {
  if (seq !== undefined) return { ms, seq };
  return { ms, seq: ms === last.ms ? last.seq + 1 : 0 };
}

function parseIdToAdd(text: string): { ms: number; seq: number | undefined } {
  if (!text.endsWith("-*")) return parseId(text, 0);
  return { ms: parseId(text.slice(0, -2), 0).ms, seq: undefined };
}

function parseId(text: string | undefined, missingSequence: number): StreamId {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text ?? "");
  if (match === null)
    throw new RedisError("ERR Invalid stream ID specified as stream command argument");
  const [, ms = "", seq] = match;
  const id = { ms: Number(ms), seq: seq === undefined ? missingSequence : Number(seq) };
  if (!Number.isSafeInteger(id.ms)) throw new Error(`${text} is more than the simulation counts`);
  return id;
}

function range(
  { db }: Surroundings,
  key: string,
  start: string | undefined,
  end: string | undefined,
  options: readonly string[],
  isReversed: boolean,
): RawReply {
  const isFromOpen = start?.startsWith("(") === true;
  const isToOpen = end?.startsWith("(") === true;
  const from = bound(isFromOpen ? start?.slice(1) : start, 0);
  const to = bound(isToOpen ? end?.slice(1) : end, Infinity);
  const count = countOf(options);
  const stream = db.find(key, "stream");
  if (stream === undefined) return [];
  if (count === 0) return null;
  const found = stream.entries.filter(({ id }) => {
    const [above, below] = [compareIds(id, from), compareIds(id, to)];
    return (isFromOpen ? above > 0 : above >= 0) && (isToOpen ? below < 0 : below <= 0);
  });
  return (isReversed ? found.toReversed() : found).slice(0, count).map(entryReply);
}

function entryReply({ id, fields }: StreamEntry): RawReply {
  return [idText(id), fields];
}

function bound(text: string | undefined, missingSequence: number): StreamId {
  if (text === "-") return FIRST;
  if (text === "+") return LAST;
  return parseId(text, missingSequence);
}

function countOf(options: readonly string[]): number | undefined {
  if (options.length === 0) return undefined;
  if (options.length !== 2 || options[0]?.toUpperCase() !== "COUNT") throw syntaxError();
  return Math.max(0, integer(options[1]));
}

type Trim = (stream: Stream) => number;

/** How the stream is to be trimmed, and how many words that took. */
function trimming(words: readonly string[]): readonly [Trim | undefined, number] {
  const kind = words[0]?.toUpperCase();
  if (kind !== "MAXLEN" && kind !== "MINID") return [undefined, 0];
  if (words[1] === "~") throw new Error("the simulated Redis trims exactly, not about");
  const used = words[1] === "=" ? 3 : 2;
  const limit = words[used - 1];
  if (kind === "MINID") {
    const min = parseId(limit, 0);
    return [(stream) => stream.entries.splice(0, stream.firstFrom(min)).length, used];
  }
  const most = integer(limit);
  if (most < 0) throw new RedisError("ERR The MAXLEN argument must be >= 0.");
  return [({ entries }) => entries.splice(0, Math.max(0, entries.length - most)).length, used];
}
