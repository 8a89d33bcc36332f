import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ConfigInputs, loadConfig, type LoadedConfig } from "../../../src/ops/config/load.ts";
import { ConfigError } from "../../../src/ops/config/problem.ts";

/** A folder of its own for one test, and configurations loaded out of it. */
export class Workspace {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), "ringmaster-config-")));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.path(name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  async read(name: string): Promise<string> {
    return await readFile(this.path(name), "utf8");
  }

  /** Loads with this folder as the working folder and nothing from the process around the tests. */
  async load(inputs: Partial<ConfigInputs> = {}): Promise<LoadedConfig> {
    return await loadConfig({ env: {}, folder: this.folder, ...inputs });
  }

  async loadYaml(yaml: string, inputs: Partial<ConfigInputs> = {}): Promise<LoadedConfig> {
    await this.write("ringmaster.yaml", yaml);
    return await this.load({ file: "ringmaster.yaml", ...inputs });
  }

  /** The lines of the error that loading ends in; fails when it does not. */
  async problems(inputs: Partial<ConfigInputs>): Promise<string[]> {
    return (await this.refusal(inputs)).message.split("\n");
  }

  async problemsOfYaml(yaml: string, inputs: Partial<ConfigInputs> = {}): Promise<string[]> {
    await this.write("ringmaster.yaml", yaml);
    return await this.problems({ file: "ringmaster.yaml", ...inputs });
  }

  async refusal(inputs: Partial<ConfigInputs>): Promise<ConfigError> {
    let loaded: LoadedConfig;
    try {
      loaded = await this.load(inputs);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error(`The configuration was taken: ${JSON.stringify(loaded.settings)}`);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** One app that is right, as YAML. */
export const ONE_APP = `apps:
  - id: "1"
    keys: [{ key: k1, secret: s1 }]
`;
