import { mkdir, readFile, readdir, rm, writeFile, chmod } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

/** What the executable needs of a system, by Debian's names. */
const PACKAGES = ["libc6", "ca-certificates", "netbase", "tzdata"];

/** Nothing here is for a program; licences stay. */
const SUPERFLUOUS = [
  "usr/share/locale",
  "usr/share/man",
  "usr/share/lintian",
  "usr/share/bug",
  "usr/share/zoneinfo/posix",
  "usr/share/zoneinfo/right",
  "usr/sbin",
  "sbin",
  "etc/ca-certificates",
  "etc/ld.so.conf.d",
];

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/**
 * Lays out a root folder of Debian packages, with what the public base has: the C library, certificate authorities, names of
 * services, time zones, a user 65532, no shell. Needs a Debian machine with its package lists. Answers what it is made of.
 */
export async function layOutDebianBase(root: string, scratch: string): Promise<DebianPackage[]> {
  const archives = join(scratch, "packages");
  await mkdir(archives, { recursive: true });
  await mkdir(root, { recursive: true });
  await download(archives);
  const packages: DebianPackage[] = [];
  for (const file of (await readdir(archives)).filter((name) => name.endsWith(".deb")).toSorted()) {
    const archive = join(archives, file);
    const fields = await run(["dpkg-deb", "-f", archive, "Package", "Version", "Architecture"]);
    packages.push(packageOf(fields));
    await run(["dpkg-deb", "-x", archive, root]);
  }
  await trustAuthorities(root);
  for (const path of SUPERFLUOUS) await rm(join(root, path), { recursive: true, force: true });
  await removeConverters(root);
  await keepOnlyLicences(join(root, "usr/share/doc"));
  await addUser(root);
  await noteOrigin(root);
  return packages;
}

async function download(folder: string): Promise<void> {
  const command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", ...PACKAGES];
  try {
    await run(command, { cwd: folder });
  } catch {
    // A new machine has no lists of packages, or old ones.
    await run(["apt-get", "-q", "update"]);
    await run(command, { cwd: folder });
  }
}

function packageOf(fields: string): DebianPackage {
  const field = (name: string): string => {
    const value = new RegExp(`^${name}: (.*)$`, "m").exec(fields)?.[1];
    if (value === undefined) throw new Error(`A Debian package without the field ${name}`);
    return value;
  };
  return {
    name: field("Package"),
    version: field("Version"),
    architecture: field("Architecture"),
  };
}

/** What the package's own script does after it is installed, which needs a shell. */
async function trustAuthorities(root: string): Promise<void> {
  const folder = join(root, "usr/share/ca-certificates/mozilla");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".crt")).toSorted();
  const certificates = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  await mkdir(join(root, "etc/ssl/certs"), { recursive: true });
  await writeFile(join(root, "etc/ssl/certs/ca-certificates.crt"), certificates.join(""));
  await rm(join(root, "usr/share/ca-certificates"), { recursive: true });
}

/** Tables for `iconv`, which nothing of ours calls: a third of the C library's package. */
async function removeConverters(root: string): Promise<void> {
  for (const library of await readdir(join(root, "usr/lib")))
    await rm(join(root, "usr/lib", library, "gconv"), { recursive: true, force: true });
}

async function keepOnlyLicences(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    for (const file of await readdir(join(folder, name)))
      if (file !== "copyright") await rm(join(folder, name, file), { recursive: true });
  }
}

async function addUser(root: string): Promise<void> {
  const none = "/sbin/nologin";
  await writeFile(
    join(root, "etc/passwd"),
    `root:x:0:0:root:/root:${none}\nnonroot:x:65532:65532:nonroot:/home/nonroot:${none}\n`,
  );
  await writeFile(join(root, "etc/group"), "root:x:0:\nnonroot:x:65532:\n");
  await mkdir(join(root, "home/nonroot"), { recursive: true });
  await mkdir(join(root, "tmp"), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
}

async function noteOrigin(root: string): Promise<void> {
  const text = await readFile("/etc/os-release", "utf8");
  await writeFile(join(root, "etc/os-release"), text);
  await writeFile(
    join(root, "etc/nsswitch.conf"),
    "passwd: files\ngroup: files\nhosts: files dns\n",
  );
}
