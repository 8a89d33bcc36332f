import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../deploy/image/run.ts";

export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly ExposedPorts: Readonly<Record<string, object>>;
  readonly StopSignal: string;
}

/** Why images cannot be built and run here, if they cannot. */
export function whyNoImages(): string | undefined {
  const missing = ["buildah", "runc", "dpkg-deb"].filter((name) => Bun.which(name) === null);
  if (missing.length > 0) return `${missing.join(" and ")} must be installed`;
  return process.getuid?.() === 0 ? undefined : "must be root";
}

/** A store of images of its own, so that nothing of the machine's is touched. */
export class ImageStore {
  readonly folder: string;
  readonly #unmount: (() => Promise<unknown>)[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<ImageStore> {
    const folder = await mkdtemp(join(tmpdir(), "ringmaster-images-"));
    const configuration = join(folder, "storage.conf");
    await writeFile(
      configuration,
      `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/graph"\nrunroot = "${folder}/run"\n`,
    );
    process.env.CONTAINERS_STORAGE_CONF = configuration;
    return new ImageStore(folder);
  }

  /** As `npm run image` does it. Answers what it said. */
  async build(tag: string, ...options: string[]): Promise<string> {
    const script = [process.execPath, "deploy/image/build.ts", "--base", "debian", "--tag", tag];
    return await run([...script, ...options]);
  }

  async config(tag: string): Promise<ImageConfig> {
    const told = await run(["buildah", "inspect", "--type", "image", tag]);
    return (JSON.parse(told) as { OCIv1: { config: ImageConfig } }).OCIv1.config;
  }

  /** The content of an image, as a folder. */
  async open(tag: string): Promise<string> {
    const container = (await run(["buildah", "from", "--pull-never", tag])).trim();
    this.#unmount.push(() => run(["buildah", "rm", container]));
    return (await run(["buildah", "mount", container])).trim();
  }

  async remove(): Promise<void> {
    for (const unmount of this.#unmount) await unmount();
    delete process.env.CONTAINERS_STORAGE_CONF;
    await rm(this.folder, { recursive: true, force: true });
  }
}
