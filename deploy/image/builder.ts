import { run } from "./run.ts";

/** Programs that build images, the ones that need no daemon first. */
export const BUILDERS = ["buildah", "podman", "docker"] as const;
export type Builder = (typeof BUILDERS)[number];

export interface Build {
  readonly context: string;
  readonly containerfile: string;
  readonly base: string;
  readonly tag: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Every file and layer gets this time, so that the same sources make the same image. */
  readonly createdAt: Date;
}

/** The first that is installed. */
export function findBuilder(): Builder | undefined {
  return BUILDERS.find((name) => Bun.which(name) !== null);
}

/** Builds the image into the builder's own store. */
export async function buildImage(
  builder: Builder,
  { context, containerfile, base, tag, labels, createdAt }: Build,
): Promise<void> {
  const options = [
    ...Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    "--build-arg",
    `BASE=${base}`,
    "--tag",
    tag,
    "--file",
    containerfile,
  ];
  const seconds = String(Math.floor(createdAt.getTime() / 1000));
  const own =
    builder === "docker"
      ? ["docker", "build", "--build-arg", `SOURCE_DATE_EPOCH=${seconds}`]
      : // No step runs a program, so that nothing has to be isolated.
        [builder, "build", "--isolation", "chroot", "--timestamp", seconds];
  await run([...own, ...options, context]);
}

/** Writes the image into a file, which containerd, podman and docker load. */
export async function saveImage(builder: Builder, tag: string, file: string): Promise<void> {
  const target = `oci-archive:${file}:${tag}`;
  if (builder === "buildah") await run(["buildah", "push", tag, target]);
  else if (builder === "podman")
    await run(["podman", "save", "--format", "oci-archive", "--output", file, tag]);
  else await run(["docker", "save", "--output", file, tag]);
}

/** Whether the builder has the base, or can get it. */
export async function canPull(builder: Builder, reference: string): Promise<boolean> {
  return await run([builder, "pull", reference]).then(
    () => true,
    () => false,
  );
}
