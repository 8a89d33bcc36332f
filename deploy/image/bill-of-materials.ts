import type { DebianPackage } from "./debian-base.ts";

/** The part of package-lock.json that matters here. */
export interface PackageLock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface LockedPackage {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

export interface Ingredients {
  readonly version: string;
  readonly revision: string;
  readonly createdAt: Date;
  readonly lock: PackageLock;
  /** What of `lock` is installed: of the optional packages only those for this machine are. */
  isInstalled(path: string): boolean;
  /** The base, by what it is made of or by its name. */
  readonly base: readonly DebianPackage[] | string;
}

/** A software bill of materials in CycloneDX 1.6 (JSON): all that the image holds, with licences and checksums. */
export function billOfMaterials(ingredients: Ingredients): object {
  const { version, revision, createdAt, base } = ingredients;
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: createdAt.toISOString(),
      component: {
        type: "application",
        "bom-ref": "ringmaster",
        name: "ringmaster",
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        properties: [{ name: "revision", value: revision }],
      },
    },
    components: [
      ...libraries(ingredients),
      ...(typeof base === "string" ? [baseImage(base)] : base.map(debianComponent)),
    ],
  };
}

function libraries({ lock, isInstalled }: Ingredients): object[] {
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true && isInstalled(path))
    .map(([path, locked]) => libraryComponent(locked.name ?? nameOf(path), locked))
    .toSorted((one, other) => (one.purl < other.purl ? -1 : 1));
}

/** `node_modules/@scope/name`, or one within another. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}

function libraryComponent(
  name: string,
  { version = "", license, integrity }: LockedPackage,
): { readonly purl: string } {
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
    ...(integrity === undefined ? {} : { hashes: [hashOf(integrity)] }),
  } as { readonly purl: string };
}

/** npm writes `sha512-<base64>`. */
function hashOf(integrity: string): { readonly alg: string; readonly content: string } {
  const [algorithm = "", digest = ""] = integrity.split(" ")[0]!.split("-", 2);
  return {
    alg: algorithm.toUpperCase().replace("SHA", "SHA-"),
    content: Buffer.from(digest, "base64").toString("hex"),
  };
}

function debianComponent({ name, version, architecture }: DebianPackage): object {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { type: "library", "bom-ref": purl, name, version, purl };
}

/** Its own packages are listed within it. */
function baseImage(reference: string): object {
  return { type: "container", "bom-ref": reference, name: reference };
}
