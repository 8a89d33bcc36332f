import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageConfig } from "./store.ts";

export interface ContainerOptions {
  /** The content of the image. */
  readonly root: string;
  readonly config: ImageConfig;
  /** In place of the image's own command. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of this machine by where they are seen; nothing can be written to them. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** Where the container's own files are laid. */
  readonly folder: string;
}

const MOUNTS = [
  { destination: "/proc", type: "proc", source: "proc" },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
];

/**
 * A container as a strict cluster runs it: the image's user, its root read-only, no capability, no new privileges, process 1
 * of its own process namespace. It shares this machine's network.
 */
export class Container {
  readonly id: string;
  readonly stdout: Promise<string>;
  readonly stderr: Promise<string>;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;

  private constructor(id: string, process: Bun.Subprocess<"ignore", "pipe", "pipe">) {
    this.id = id;
    this.#process = process;
    this.stdout = new Response(process.stdout).text();
    this.stderr = new Response(process.stderr).text();
  }

  static async start(options: ContainerOptions): Promise<Container> {
    const id = `ringmaster-test-${crypto.randomUUID()}`;
    const bundle = join(options.folder, id);
    await mkdir(bundle);
    await writeFile(join(bundle, "config.json"), JSON.stringify(specification(options)));
    return new Container(
      id,
      Bun.spawn(["runc", "run", "--bundle", bundle, id], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
  }

  /** To process 1, as a supervisor does. */
  async kill(signal: "TERM" | "KILL"): Promise<void> {
    await Bun.spawn(["runc", "kill", this.id, signal], { stderr: "ignore" }).exited;
  }

  /** The exit code of process 1. */
  get exited(): Promise<number> {
    return this.#process.exited;
  }

  async remove(): Promise<void> {
    await Bun.spawn(["runc", "delete", "--force", this.id], { stderr: "ignore" }).exited;
  }
}

function specification(options: ContainerOptions): object {
  const { root, config, command = config.Cmd, entrypoint = config.Entrypoint } = options;
  const [uid, gid] = config.User.split(":").map(Number);
  const env = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  return {
    ociVersion: "1.0.2",
    root: { path: root, readonly: true },
    hostname: "ringmaster",
    process: {
      user: { uid, gid },
      args: [...entrypoint, ...command],
      env: [...config.Env, ...env],
      cwd: "/",
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    },
    mounts: [
      ...MOUNTS,
      ...Object.entries(options.mounts ?? {}).map(([destination, source]) => ({
        destination,
        source,
        type: "bind",
        options: ["bind", "ro"],
      })),
    ],
    linux: {
      namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })),
      maskedPaths: ["/proc/kcore", "/proc/keys"],
      readonlyPaths: ["/proc/sys"],
    },
  };
}
