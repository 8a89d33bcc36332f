import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { parseAllDocuments } from "yaml";
import { isThere, KUBERNETES_VERSION } from "./helm.ts";
import type { Manifest } from "./release.ts";

/** Where each kind is defined, as Go modules: the very versions that people install. */
const KUBERNETES = `k8s.io/kubernetes@v${KUBERNETES_VERSION}`;
const CUSTOM_RESOURCES = [
  { module: "github.com/kedacore/keda/v2@v2.20.0", folder: "config/crd/bases" },
  {
    module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    folder: "example/prometheus-operator-crd",
  },
  { module: "sigs.k8s.io/gateway-api@v1.4.1", folder: "config/crd/standard" },
];

type Schema = { [keyword: string]: unknown };

interface KindOf {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Undefined where the schemas can be had. */
export function whyNoSchemas(): string | undefined {
  return isThere("go") ? undefined : "there is no Go to fetch Kubernetes' schemas with";
}

/**
 * The schemas of Kubernetes and of the custom resources, made strict: a field that no schema knows is wrong, where the server
 * would drop it with a warning.
 */
export class KubernetesSchemas {
  readonly #ajv = new Ajv({
    strict: false,
    validateFormats: false,
    allErrors: true,
    // Go's regular expressions are not JavaScript's with the flag u.
    unicodeRegExp: false,
  });
  /** By version and kind: `apps/v1/Deployment`. */
  readonly #schemas = new Map<string, Schema>();

  static load(): KubernetesSchemas {
    const schemas = new KubernetesSchemas();
    schemas.#addBuiltIn(join(moduleFolder(KUBERNETES), "api", "openapi-spec", "v3"));
    for (const { module, folder } of CUSTOM_RESOURCES)
      schemas.#addCustom(join(moduleFolder(module), folder));
    return schemas;
  }

  /** What is wrong with it; empty where nothing is. */
  faultsOf(manifest: Manifest): readonly string[] {
    const { apiVersion, kind, metadata } = manifest;
    const schema = this.#schemas.get(`${apiVersion}/${kind}`);
    if (schema === undefined) return [`nobody knows the kind ${apiVersion}/${kind}`];
    // Compiled once: Ajv knows it again. There are hundreds, of which few are needed.
    const validate = this.#ajv.compile(schema);
    if (validate(manifest)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${kind} ${metadata.name}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  #addBuiltIn(folder: string): void {
    for (const file of readdirSync(folder).filter((name) => /^apis?__.*_openapi/.test(name))) {
      const document = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
        components: { schemas: Record<string, Schema> };
      };
      this.#ajv.addSchema(strict(document) as Schema, file);
      for (const [name, schema] of Object.entries(document.components.schemas)) {
        const kinds = (schema["x-kubernetes-group-version-kind"] ?? []) as readonly KindOf[];
        // DeleteOptions and the like belong to every group.
        if (kinds.length !== 1) continue;
        for (const kind of kinds) this.#add(kind, { $ref: `${file}#/components/schemas/${name}` });
      }
    }
  }

  #addCustom(folder: string): void {
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml"))) {
      for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8"))) {
        const { kind, spec } = (document.toJS() ?? {}) as {
          kind?: string;
          spec: {
            group: string;
            names: { kind: string };
            versions: readonly { name: string; schema: { openAPIV3Schema: Schema } }[];
          };
        };
        if (kind !== "CustomResourceDefinition") continue;
        for (const { name, schema } of spec.versions) {
          const known = strict(schema.openAPIV3Schema) as Schema & { properties: Schema };
          // A definition says no more of it than that it is an object.
          known.properties["metadata"] = { $ref: OBJECT_META };
          this.#add({ group: spec.group, version: name, kind: spec.names.kind }, known);
        }
      }
    }
  }

  #add({ group, version, kind }: KindOf, schema: Schema): void {
    const apiVersion = group === "" ? version : `${group}/${version}`;
    this.#schemas.set(`${apiVersion}/${kind}`, schema);
  }
}

const OBJECT_META =
  "api__v1_openapi.json#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/** Every mapping with named fields is closed, unless it says that it keeps others. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy: Schema = {};
  for (const [keyword, value] of Object.entries(schema)) copy[keyword] = strict(value);
  const isOpen =
    copy["additionalProperties"] !== undefined ||
    copy["x-kubernetes-preserve-unknown-fields"] === true;
  if (copy["type"] === "object" && copy["properties"] !== undefined && !isOpen)
    copy["additionalProperties"] = false;
  if (copy["x-kubernetes-int-or-string"] === true) delete copy["type"];
  // Go ignores case by it; here it is no regular expression.
  if (String(copy["pattern"]).includes("(?i)")) delete copy["pattern"];
  // OpenAPI's word for what JSON Schema says with a second type.
  if (copy["nullable"] === true && typeof copy["type"] === "string")
    copy["type"] = [copy["type"], "null"];
  return copy;
}

/** Where Go keeps a module, which it fetches if it has not got it. */
function moduleFolder(module: string): string {
  const { stdout, stderr, status } = spawnSync("go", ["mod", "download", "-json", module], {
    // Outside of any module, so that none has to require it.
    cwd: tmpdir(),
    env: { ...process.env, GO111MODULE: "on", GOFLAGS: "" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`go mod download ${module} failed: ${stdout}${stderr}`);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
