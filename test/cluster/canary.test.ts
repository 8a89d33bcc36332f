import assert from "node:assert/strict";
import { test } from "node:test";
import { testApp, withKey } from "../e2e/support/apps.ts";
import { receiverFor } from "../e2e/support/receiver.ts";
import { eventually } from "../e2e/support/wait.ts";
import { Cluster } from "./support/cluster.ts";
import { HOST, Installation, splitImage } from "./support/installation.ts";
import { Owed } from "./support/owed.ts";
import { Visitors } from "./support/visitors.ts";

/** An image of another version: `npm run image` in a copy of the tree with another version in its package.json. */
const CANARY = process.env.RM_TRIAL_CANARY_IMAGE;
const TOLD_WITHIN_MS = 120_000;

interface Version {
  readonly version: string;
  readonly delivered: number;
}

const why =
  (await Cluster.whyNot()) ??
  (CANARY === undefined ? "RM_TRIAL_CANARY_IMAGE names no image" : undefined);

test(
  "Another version of the sender takes its share of the jobs, and scaling it to zero is the roll-back",
  { skip: why ?? false },
  async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], host: HOST });
    const app = withKey({
      ...plain.entry,
      batchWebhooks: false,
      webhooks: [{ url: receiver.url() }],
    });
    const installation = await Installation.make(t, {
      app: app.entry,
      channels: 2,
      sender: {
        replicas: 3,
        resources: { requests: { cpu: "20m", memory: "96Mi" }, limits: { memory: "256Mi" } },
      },
    });
    const { cluster } = installation;
    await cluster.settled("sender", 3);
    const front = await installation.front(t);
    const owed = new Owed(receiver.calls);
    const visitors = new Visitors(app, front.port, owed, { sockets: 40, stayMs: 800 });
    t.after(() => visitors.stop());

    const [repository, tag] = splitImage(CANARY ?? "");
    const image = `sender.canary.image.repository=${repository},sender.canary.image.tag=${tag}`;
    await installation.upgrade(`sender.canary.enabled=true,${image}`);
    await cluster.settled("sender", 4);
    const agents = (): Set<string> =>
      new Set(receiver.calls.all.map(({ headers }) => String(headers["user-agent"])));
    await eventually("both versions have delivered", () => agents().size === 2, TOLD_WITHIN_MS);
    const versions = async (): Promise<readonly Version[]> => {
      const told = await installation.ringmaster("webhooks", "versions", "--json");
      return (JSON.parse(told) as { versions: readonly Version[] }).versions;
    };
    await eventually(
      "the delivery log has many of the canary",
      async () =>
        (await versions()).length === 2 &&
        (await versions()).every(({ delivered }) => delivered > 500),
      TOLD_WITHIN_MS,
    );
    process.stdout.write(`${await installation.ringmaster("webhooks", "versions")}\n`);

    await cluster.kubectl(
      "scale",
      "deployment",
      `${cluster.release}-sender-canary`,
      "--replicas=0",
    );
    await cluster.settled("sender", 3);
    const before = receiver.calls.all.length;
    await eventually(
      "webhooks go on",
      () => receiver.calls.all.length > before + 500,
      TOLD_WITHIN_MS,
    );
    await visitors.stop();
    await eventually("every visit was told of", () => owed.count === 0, TOLD_WITHIN_MS);
    const last = new Set(
      receiver.calls.all.slice(before).map(({ headers }) => String(headers["user-agent"])),
    );
    assert.equal(last.size, 1, "only the version that was there before");
  },
);
