import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { hearingFaults } from "../drain/support/hearing.ts";
import { Population } from "../drain/support/population.ts";
import { Stalls } from "../drain/support/rates.ts";
import { Publisher } from "../drain/support/publisher.ts";
import { testApp, withKey, type TestApp } from "../e2e/support/apps.ts";
import { receiverFor } from "../e2e/support/receiver.ts";
import { replay } from "../e2e/support/replay.ts";
import { eventually, pause } from "../e2e/support/wait.ts";
import { Cluster } from "./support/cluster.ts";
import { Ears } from "./support/ears.ts";
import { HOST, Installation } from "./support/installation.ts";
import { Owed } from "./support/owed.ts";
import { Phases, type Load } from "./support/phases.ts";
import { Visitors } from "./support/visitors.ts";

/**
 * Everything that is done to an installation in its life, on a real cluster (deploy/cluster/up), one after the other, under
 * 2,000 sockets, steady publishes and 200 webhooks a second. At the end nothing may be missing.
 *
 * deploy/cluster/README.md says how to run it.
 */
const SOCKETS = Number(process.env.RM_TRIAL_SOCKETS ?? 2_000);
const WIRES = 10;
const PUBLISH_EVERY_MS = 500;
/** Each goes through about 1.25 visits a second, with two webhooks each. */
const VISITORS = { sockets: 80, stayMs: 800 };
const CHANNELS = 3;
const RINGS = [
  ["channels", CHANNELS],
  ["packager", 2],
  ["sender", 3],
] as const;
const QUIET_MS = 20_000;
const BACKLOG_MS = 30_000;
/** Of what is told of, the last seconds are always under way. */
const NEARLY_ALL = 1_500;
/** Kubernetes takes 40 s to notice, and then the pods 10 s, as the installation has it. */
const REPLACED_WITHIN_MS = 300_000;
const TOLD_WITHIN_MS = 180_000;

const why = await Cluster.whyNot();

test(
  "A life on Kubernetes: upgrades, lost pods, a lost node and more senders, and nothing is missing",
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
      channels: CHANNELS,
      sender: {
        replicas: 3,
        resources: {
          requests: { cpu: "20m", memory: "96Mi" },
          limits: { cpu: "250m", memory: "256Mi" },
        },
      },
    });
    const { cluster } = installation;
    for (const [ring, replicas] of RINGS) await cluster.settled(ring, replicas);
    const front = await installation.front(t);
    const owed = new Owed(receiver.calls);
    const stalls = new Stalls();
    t.after(() => stalls.close());
    const load = await bearOn(t, app, front.port, receiver.calls.all, owed);
    const fromTheBeginning = [...load.population.residents];
    const { population, publishers, ears, visitors } = load;
    const phases = new Phases(load, (line) => void process.stdout.write(`${line}\n`));
    const settled = (): Promise<void> => population.there();

    await phases.run("nothing", () => pause(QUIET_MS));
    for (const ring of ["channels", "packager", "sender"]) {
      await phases.run(`upgrade of ${ring}`, async () => {
        await cluster.restart(ring);
        await cluster.rolledOut(ring);
        await settled();
      });
    }
    for (const ring of ["channels", "packager", "sender"]) {
      await phases.run(`a pod of ${ring} is deleted`, async () => {
        const replicas = await cluster.replicas(ring);
        const [pod] = await cluster.pods(ring);
        await cluster.kubectl("delete", "pod", pod!.name, "--wait=false");
        await cluster.settled(ring, replicas);
        await settled();
      });
    }
    for (const ring of ["channels", "packager", "sender"]) {
      await phases.run(`the process of a pod of ${ring} is killed`, async () => {
        const [pod] = await cluster.pods(ring);
        await killProcess(cluster, pod!.name);
        await eventually("the container was started again", async () =>
          (await cluster.pods(ring)).some(
            ({ name, restarts, isReady }) =>
              name === pod!.name && restarts > pod!.restarts && isReady,
          ),
        );
        await settled();
      });
    }
    // Which also spreads the sockets: a process that was killed has none when it is back.
    await phases.run("upgrade of all rings at once", async () => {
      for (const [ring] of RINGS) await cluster.restart(ring);
      for (const [ring] of RINGS) await cluster.rolledOut(ring);
      await settled();
    });
    await phases.run("a node is lost, and comes back", async () => {
      const [redis] = await cluster.pods("redis");
      const lost = (await cluster.pods("channels")).find(({ node }) => node !== redis!.node)!.node;
      const number = lost.replace("node-", "");
      await cluster.tool("node", "kill", number);
      for (const [ring, replicas] of RINGS)
        await eventually(
          `${replicas} pods of ${ring} elsewhere`,
          async () =>
            (await cluster.pods(ring)).filter(
              ({ node, isReady, isEnding }) => node !== lost && isReady && !isEnding,
            ).length === replicas,
          REPLACED_WITHIN_MS,
        );
      await settled();
      await cluster.tool("node", "start", number);
      for (const [ring, replicas] of RINGS) await cluster.settled(ring, replicas);
    });
    await phases.run("a node is drained", async () => {
      const [pod] = await cluster.pods("channels");
      await cluster.kubectl(
        "drain",
        pod!.node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        `--pod-selector=app.kubernetes.io/component in (channels,packager,sender)`,
        "--timeout=600s",
      );
      await cluster.kubectl("uncordon", pod!.node);
      await cluster.settled("channels", CHANNELS);
      await settled();
    });
    await phases.run("the sender goes from 3 to 15", async () => {
      await cluster.scale("sender", 15);
      await cluster.settled("sender", 15);
    });
    await phases.run("the sender goes from 15 to 3", async () => {
      await cluster.scale("sender", 3);
      await cluster.settled("sender", 3);
    });
    await phases.run("no sender for half a minute, then one", async () => {
      await cluster.scale("sender", 0);
      await cluster.settled("sender", 0);
      await pause(BACKLOG_MS);
      await cluster.scale("sender", 1);
      await cluster.settled("sender", 1);
      const told = receiver.calls.all.length;
      const fromMs = performance.now();
      await eventually("the backlog is gone", () => owed.count < NEARLY_ALL, TOLD_WITHIN_MS);
      const perSecond = (receiver.calls.all.length - told) / ((performance.now() - fromMs) / 1_000);
      t.diagnostic(`one sender of 250 mCPU: ${perSecond.toFixed(0)} webhooks a second`);
      await cluster.scale("sender", 3);
      await cluster.settled("sender", 3);
    });
    await phases.run("nothing once more", () => pause(QUIET_MS));

    await Promise.all(publishers.map((publisher) => publisher.stop()));
    await visitors.stop();
    await eventually("every visit was told of", () => owed.count === 0, TOLD_WITHIN_MS).catch(
      () => undefined,
    );
    await ears.stop();

    process.stdout.write(
      `\n${phases.report}\n\n${await installation.ringmaster("webhooks", "versions", "--since", "1h")}\n`,
    );
    assert.deepEqual(owed.all.slice(0, 10), []);
    const truth = population.truth();
    const { faults, occupancy } = replay(app.id, receiver.calls.all);
    assert.deepEqual(faults.slice(0, 10), []);
    assert.deepEqual([...occupancy.keys()].toSorted(), [...truth.keys()].toSorted());
    assert.deepEqual(
      population
        .flapsIn(receiver.calls.all.slice(toldAtStart(load)), fromTheBeginning)
        .slice(0, 10),
      [],
    );
    assert.deepEqual(unheard(load, stalls.longestMs).slice(0, 10), []);
  },
);

async function bearOn(
  t: TestContext,
  app: TestApp,
  port: number,
  calls: Load["calls"],
  owed: Owed,
): Promise<Load> {
  const wires = Array.from({ length: WIRES }, (_, number) => `wire-${app.id}-${number}`);
  const population = new Population(app, port);
  t.after(() => population.leave());
  // Not all at once: this machine bears the cluster as well.
  for (let from = 0; from < SOCKETS; from += 100) {
    population.add(
      Array.from({ length: 100 }, (_, i) => {
        const number = from + i;
        return {
          channels: [
            `own-${app.id}-${number}`,
            ...(number % 10 === 0 ? [wires[(number / 10) % WIRES]!] : []),
            ...(number % 20 === 5 ? [`presence-room-${app.id}-${number % 100}`] : []),
          ],
          userId: `user-${number}`,
        };
      }),
    );
    await population.there();
  }
  const ears = new Ears(app, port, [...wires, ...wires, ...wires]);
  t.after(() => ears.stop());
  const publishers = wires.map((channel, number) =>
    Publisher.start(t, {
      app,
      port,
      channel,
      everyMs: PUBLISH_EVERY_MS,
      by: number % 2 === 0 ? "library" : "hand",
    }),
  );
  const visitors = new Visitors(app, port, owed, VISITORS);
  t.after(() => visitors.stop());
  return { population, publishers, ears, visitors, calls };
}

/** SIGKILL to process 1 of a container, as the kernel does it when memory runs out. */
async function killProcess(cluster: Cluster, pod: string): Promise<void> {
  const place = "jsonpath={.status.containerStatuses[0].containerID} {.spec.nodeName}";
  const [id = "", node = ""] = (await cluster.kubectl("get", "pod", pod, "-o", place)).split(" ");
  const kill = ["ctr", "--namespace", "k8s.io", "task", "kill", "--signal", "KILL"];
  await cluster.tool(
    "node",
    "exec",
    node.replace("node-", ""),
    ...kill,
    id.replace("containerd://", ""),
  );
}

/** The first of the calls that came when all residents were there. */
function toldAtStart({ calls, visitors }: Load): number {
  const begins = visitors.visits[0]?.joinedAtMs ?? 0;
  // What was under way then is about their coming.
  return calls.findIndex(({ atMs }) => atMs > begins + 5_000);
}

/** Publishes that were accepted and did not come to somebody who was there, or came in another order. */
function unheard({ population, publishers }: Load, stallMs: number): string[] {
  return publishers.flatMap(({ channel, publishes }) => {
    const lives = population.residents.flatMap((resident) =>
      resident.lives.filter(({ heard }) => heard.has(channel)),
    );
    const told = [...new Set(lives.flatMap(({ heard }) => heard.get(channel) ?? []))].toSorted(
      (a, b) => a - b,
    );
    return lives.flatMap((life) => [...hearingFaults(life, channel, told, publishes, stallMs)]);
  });
}
