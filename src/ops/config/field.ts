import * as z from "zod";

/** When a changed value takes effect: at the next start, at once, or (a path) the next start but its content at once. */
export type Effect = "restart" | "live" | "live content";

/** What a field says about itself beyond its type. */
export interface FieldNotes {
  readonly about: string;
  readonly unit?: "ms" | "bytes" | "characters";
  /** What to give, as it stands in an error after "give"; by default derived from the type. */
  readonly right?: string;
  /** Tells more exactly than "has not the right form" what is wrong with a text, without showing any of it. */
  readonly fault?: (text: string) => string | undefined;
  /** Handed down to the fields inside. */
  readonly effect?: Effect;
  /** Never printed. */
  readonly secret?: true;
  /** A relative path counts from the folder of the file that names it. */
  readonly path?: true;
}

/** `secrets` are a mapping of names to secrets. */
export type FieldKind = "number" | "text" | "choice" | "switch" | "list" | "secret" | "secrets";

/** One leaf of the configuration, read off the schema. */
export interface Field {
  /** `drain.windowMs`, `apps[].keys[].secret` */
  readonly path: string;
  readonly kind: FieldKind;
  readonly nullable: boolean;
  readonly required: boolean;
  /** Undefined also where a field is optional without a default. */
  readonly defaultValue: unknown;
  /** Of the value, or of the entries of a list; empty where it may be any. */
  readonly choices: readonly string[];
  readonly right: string;
  readonly effect: Effect;
  readonly notes: FieldNotes;
  readonly schema: z.ZodType;
  /** Null inside `apps`: a list of mappings does not fit into a variable or a flag. */
  readonly envName: string | null;
  /** Null for secrets as well: everybody on the machine sees the flags of a process. */
  readonly flagName: string | null;
}

/** Attached to schemas by `noted`; the registry that the JSON Schema is made with as well. */
export const fieldNotes = z.registry<FieldNotes>();

/** Must be the outermost call: a schema derived from this one (`.nullable()`, `.default()`) has no notes. */
export function noted<Schema extends z.ZodType>(schema: Schema, notes: FieldNotes): Schema {
  fieldNotes.add(schema, notes);
  return schema;
}

/** `drain.windowMs` → `RINGMASTER_DRAIN_WINDOW_MS` */
export function envNameOf(path: string): string {
  return `RINGMASTER_${words(path).join("_").toUpperCase()}`;
}

/** `drain.windowMs` → `--drain-window-ms` */
export function flagNameOf(path: string): string {
  return `--${words(path).join("-")}`;
}

function words(path: string): string[] {
  return path
    .replaceAll(".", " ")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(" ");
}

/** Every leaf under a schema, in the order of the schema. */
export function fieldsOf(
  schema: z.ZodType,
  path = "",
  inherited: Effect = "restart",
): readonly Field[] {
  const { inner, nullable, optional, defaultValue } = unwrap(schema);
  const notes = fieldNotes.get(schema);
  const effect = notes?.effect ?? inherited;

  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([name, child]) =>
      fieldsOf(child as z.ZodType, path === "" ? name : `${path}.${name}`, effect),
    );
  }
  if (
    inner instanceof z.ZodArray &&
    unwrap(inner.element as z.ZodType).inner instanceof z.ZodObject
  ) {
    return fieldsOf(inner.element as z.ZodType, `${path}[]`, effect);
  }

  if (notes === undefined) throw new Error(`The configuration field ${path} has no notes.`);
  const kind = kindOf(inner, notes);
  const inList = path.includes("[]");
  return [
    {
      path,
      kind,
      nullable,
      required: !optional,
      defaultValue,
      choices: choicesOf(inner),
      right: (notes.right ?? rightOf(inner, kind, notes)) + (nullable ? ", or null" : ""),
      effect,
      notes,
      schema,
      envName: inList ? null : envNameOf(path),
      flagName: inList || kind === "secret" ? null : flagNameOf(path),
    },
  ];
}

/** The names of the settings directly under a section: `""`, `tls`, `apps[]`, `apps[].limits`. */
export function settingsIn(section: string, fields: readonly Field[]): readonly string[] {
  const prefix = section === "" ? "" : `${section}.`;
  const names = fields
    .filter((field) => field.path.startsWith(prefix))
    .map((field) => field.path.slice(prefix.length).split(/[.[]/, 1)[0] ?? "");
  return [...new Set(names)];
}

interface Unwrapped {
  readonly inner: z.ZodType;
  readonly nullable: boolean;
  readonly optional: boolean;
  readonly defaultValue: unknown;
}

function unwrap(schema: z.ZodType): Unwrapped {
  if (schema instanceof z.ZodNullable) {
    return { ...unwrap(schema.unwrap() as z.ZodType), nullable: true };
  }
  if (schema instanceof z.ZodOptional) {
    return { ...unwrap(schema.unwrap() as z.ZodType), optional: true };
  }
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    const { defaultValue } = schema.def;
    return { ...unwrap(schema.unwrap() as z.ZodType), optional: true, defaultValue };
  }
  return { inner: schema, nullable: false, optional: false, defaultValue: undefined };
}

function choicesOf(inner: z.ZodType): readonly string[] {
  const chosen = inner instanceof z.ZodArray ? inner.element : inner;
  return chosen instanceof z.ZodEnum ? chosen.options.map(String) : [];
}

function kindOf(inner: z.ZodType, notes: FieldNotes): FieldKind {
  if (notes.secret === true) return inner instanceof z.ZodRecord ? "secrets" : "secret";
  if (inner instanceof z.ZodNumber) return "number";
  if (inner instanceof z.ZodBoolean) return "switch";
  if (inner instanceof z.ZodEnum) return "choice";
  if (inner instanceof z.ZodArray) return "list";
  if (inner instanceof z.ZodString) return "text";
  throw new Error(`The configuration has a field of a kind that nothing here can read from text.`);
}

function rightOf(inner: z.ZodType, kind: FieldKind, notes: FieldNotes): string {
  if (inner instanceof z.ZodNumber) {
    const unit =
      notes.unit === undefined ? "" : ` of ${notes.unit === "ms" ? "milliseconds" : notes.unit}`;
    return `a whole number${unit} from ${inner.minValue} to ${inner.maxValue}`;
  }
  if (inner instanceof z.ZodEnum) return `one of ${inner.options.join(", ")}`;
  if (kind === "switch") return "true or false";
  if (kind === "list") return `a list with at least one of ${choicesOf(inner).join(", ")}`;
  if (kind === "secrets") return "a mapping of names to texts, {env: NAME} or {file: PATH}";
  return "a text that is not empty";
}
