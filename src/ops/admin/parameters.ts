import * as z from "zod";
import { AdminFault } from "./admin-fault.ts";
import { MOMENT_RIGHT, momentOf } from "./moment.ts";

const MAX_TEXT_LENGTH = 200;
const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 50;

function shortText(): z.ZodString {
  const right = `must be a text of 1 to ${MAX_TEXT_LENGTH} characters`;
  return z.string(right).min(1, right).max(MAX_TEXT_LENGTH, right);
}

function flag() {
  return z.enum(["true", "false"], "must be true or false").transform((text) => text === "true");
}

function moment(nowMs: number) {
  const right = `must be ${MOMENT_RIGHT}`;
  return z.string(right).transform((text, { issues }) => {
    const timeMs = momentOf(text, nowMs);
    if (timeMs !== undefined) return timeMs;
    issues.push({ code: "custom", message: right, input: text });
    return z.NEVER;
  });
}

function limit() {
  const right = `must be a whole number from 1 to ${MAX_LIMIT}`;
  return z
    .string(right)
    .regex(/^[0-9]{1,9}$/, right)
    .transform(Number)
    .pipe(z.int(right).min(1, right).max(MAX_LIMIT, right))
    .default(DEFAULT_LIMIT);
}

/** Every schema is strict: a filter whose name is misspelt would select more than was meant. */
const naming = { app: shortText().optional(), webhook: shortText().optional() };

export const NO_PARAMETERS = z.strictObject({});

export const LIST_PARAMETERS = z.strictObject({ app: naming.app });

export const ATTEMPTS_PARAMETERS = (nowMs: number) =>
  z.strictObject({
    ...naming,
    job: shortText().optional(),
    failed: flag().optional(),
    since: moment(nowMs).optional(),
    until: moment(nowMs).optional(),
    limit: limit(),
  });

export const FAILED_PARAMETERS = (nowMs: number) =>
  z.strictObject({
    ...naming,
    job: shortText().optional(),
    since: moment(nowMs).optional(),
    until: moment(nowMs).optional(),
    body: flag().default(false),
    limit: limit(),
  });

export const REPLAY_PARAMETERS = (nowMs: number) =>
  z.strictObject({
    ...naming,
    job: shortText().optional(),
    since: moment(nowMs).optional(),
    until: moment(nowMs).optional(),
    all: z.literal(true, "can only be true").optional(),
  });

export const VERSIONS_PARAMETERS = (nowMs: number) =>
  z.strictObject({ since: moment(nowMs).optional() });

export const NAMED_PARAMETERS = z.strictObject({ app: naming.app, webhook: shortText() });

export const PAUSE_PARAMETERS = z.strictObject({
  ...NAMED_PARAMETERS.shape,
  reason: shortText().default("paused by hand"),
});

/** Throws the fault of parameters that are not as they must be, each told. */
export function checked<Schema extends z.ZodObject>(
  schema: Schema,
  parameters: unknown,
): z.output<Schema> {
  const outcome = schema.safeParse(parameters);
  if (outcome.success) return outcome.data;
  const told = outcome.error.issues.map((issue) => {
    if (issue.code !== "unrecognized_keys") return `${issue.path.join(".")} ${issue.message}`;
    const known = Object.keys(schema.shape).join(", ");
    return `There is no parameter ${issue.keys.join(" or ")} here; ${known === "" ? "there is none" : `there are ${known}`}`;
  });
  throw new AdminFault(400, told.join("; "));
}
