import { cp, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import lock from "../../package-lock.json" with { type: "json" };
import manifest from "../../package.json" with { type: "json" };
import { billOfMaterials } from "./bill-of-materials.ts";
import { BUILDERS, buildImage, canPull, findBuilder, saveImage, type Builder } from "./builder.ts";
import { layOutDebianBase, type DebianPackage } from "./debian-base.ts";
import { compile } from "./executable.ts";
import { run } from "./run.ts";

const ROOT = resolve(import.meta.dirname, "..", "..");
const CONTAINERFILE = join(import.meta.dirname, "Containerfile");
const PUBLIC_BASE = "gcr.io/distroless/base-nossl-debian12:nonroot";
/** The stage of the Containerfile that a base of packages comes from. */
const PACKAGES_STAGE = "debian-packages";

interface ImageOptions {
  readonly tag: string;
  readonly base?: string;
  readonly archive?: string;
  readonly sbom?: string;
}

const program = new Command("npm run image --")
  .description("Builds the container image of this checkout, for this machine's architecture.")
  .option("--tag <name>", "name of the image", `ringmaster:${manifest.version}`)
  .option(
    "--base <image>",
    `what it stands on; "debian" makes that of this machine's Debian packages. Without it ${PUBLIC_BASE}, or, where that cannot be had, Debian packages`,
  )
  .option("--archive <file>", "write the image into this file as well (an OCI archive)")
  .option("--sbom <file>", "write the bill of materials here as well (CycloneDX)")
  .action(async (options: ImageOptions) => {
    try {
      await makeImage(options);
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  });

async function makeImage({ tag, base: wanted, archive, sbom }: ImageOptions): Promise<void> {
  const builder = findBuilder();
  if (builder === undefined)
    throw new Error(`No program that builds images: install one of ${BUILDERS.join(", ")}.`);
  const scratch = await mkdtemp(join(tmpdir(), "ringmaster-image-"));
  try {
    const context = join(scratch, "context");
    await mkdir(join(context, "data"), { recursive: true });
    await mkdir(join(context, "base"));
    const base = await chooseBase(builder, wanted);
    const packages =
      base === PACKAGES_STAGE ? await layOutDebianBase(join(context, "base"), scratch) : undefined;
    await compile(join(context, "ringmaster"));
    const { revision, createdAt } = await lastCommit();
    await writeFile(
      join(context, "ringmaster.cdx.json"),
      JSON.stringify(materials(packages ?? base, revision, createdAt), null, 2),
    );
    await buildImage(builder, {
      context,
      containerfile: CONTAINERFILE,
      base,
      tag,
      createdAt,
      labels: {
        "org.opencontainers.image.title": "ringmaster",
        "org.opencontainers.image.description": manifest.description,
        "org.opencontainers.image.version": manifest.version,
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.created": createdAt.toISOString(),
        "org.opencontainers.image.licenses": manifest.license,
      },
    });
    if (archive !== undefined) {
      // An archive that is there already would be added to.
      await rm(archive, { force: true });
      await saveImage(builder, tag, resolve(archive));
      const megabytes = ((await stat(archive)).size / 1e6).toFixed(0);
      tell(`${archive}: ${megabytes} MB`);
    }
    if (sbom !== undefined) await cp(join(context, "ringmaster.cdx.json"), sbom);
    tell(`${tag}: built with ${builder} on ${packages === undefined ? base : "Debian packages"}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function chooseBase(builder: Builder, wanted: string | undefined): Promise<string> {
  if (wanted === "debian") return PACKAGES_STAGE;
  if (wanted !== undefined) return wanted;
  if (await canPull(builder, PUBLIC_BASE)) return PUBLIC_BASE;
  tell(`${PUBLIC_BASE} cannot be had here: the base is made of Debian packages`);
  return PACKAGES_STAGE;
}

function materials(
  base: string | readonly DebianPackage[],
  revision: string,
  createdAt: Date,
): object {
  return billOfMaterials({
    version: manifest.version,
    revision,
    createdAt,
    lock,
    isInstalled: (path) => existsSync(join(ROOT, path)),
    base,
  });
}

/** Of a checkout; a tree without a history tells today. */
async function lastCommit(): Promise<{ readonly revision: string; readonly createdAt: Date }> {
  try {
    const told = await run(["git", "-C", ROOT, "log", "-1", "--format=%H %ct"]);
    const [revision = "", seconds = ""] = told.trim().split(" ");
    const changed = await run([
      "git",
      "-C",
      ROOT,
      "status",
      "--porcelain",
      "--",
      "src",
      "package.json",
      "package-lock.json",
    ]);
    return {
      revision: changed === "" ? revision : `${revision}-changed`,
      createdAt: new Date(Number(seconds) * 1000),
    };
  } catch {
    return { revision: "unknown", createdAt: new Date() };
  }
}

await program.parseAsync();
