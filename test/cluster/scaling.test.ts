import assert from "node:assert/strict";
import { test } from "node:test";
import { testApp, withKey } from "../e2e/support/apps.ts";
import { answering, hanging } from "../e2e/support/answers.ts";
import { receiverFor } from "../e2e/support/receiver.ts";
import { eventually, pause } from "../e2e/support/wait.ts";
import { Cluster } from "./support/cluster.ts";
import { HOST, Installation } from "./support/installation.ts";
import { Owed } from "./support/owed.ts";
import { Visitors } from "./support/visitors.ts";

const LOOK_INTERVAL_MS = 5_000;
/** KEDA's figures, four pods each 15 s, starts on a busy machine. */
const SCALED_WITHIN_MS = 300_000;
const MOST = 15;
const HANGING_PATH = "/hanging";

const why =
  (await Cluster.whyNot()) ??
  (await new Cluster("keda", "").kubectl("get", "deployment", "keda-operator").then(
    () => undefined,
    () => "KEDA is not there (deploy/cluster/keda)",
  ));

test(
  "KEDA adds senders while webhooks are due, none for an endpoint that hangs, and takes them away again",
  { skip: why ?? false },
  async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], host: HOST });
    receiver.answer = (call, response) =>
      (call.path === HANGING_PATH ? hanging : answering(200))(call, response);
    const app = withKey({
      ...plain.entry,
      batchWebhooks: false,
      webhooks: [{ url: receiver.url() }, { url: receiver.url(HANGING_PATH) }],
    });
    const installation = await Installation.make(t, {
      app: app.entry,
      channels: 2,
      sender: {
        // So little that 200 webhooks a second are too many for one.
        resources: {
          requests: { cpu: "20m", memory: "96Mi" },
          limits: { cpu: "25m", memory: "256Mi" },
        },
        autoscaling: {
          engine: "keda",
          minReplicas: 1,
          maxReplicas: MOST,
          backlogTargetSeconds: 10,
          scaleDownStabilizationSeconds: 30,
        },
      },
    });
    const { cluster } = installation;
    const service = `${cluster.release}-sender-ops`;
    await cluster.settled("sender", 1);
    const front = await installation.front(t);
    const owed = new Owed(receiver.calls, "/");
    const visitors = new Visitors(app, front.port, owed, { sockets: 80, stayMs: 800 });
    t.after(() => visitors.stop());

    const beganMs = performance.now();
    let most = 1;
    const look = async (): Promise<{ replicas: number; backlog: number }> => {
      const replicas = await cluster.replicas("sender");
      const [backlog = Number.NaN, busy = Number.NaN, due = Number.NaN] = await Promise.all(
        [
          "ringmaster_sender_backlog_seconds",
          "ringmaster_senders_busy",
          'ringmaster_webhook_jobs{state="due"}',
        ].map((name) => cluster.figure(service, name).catch(() => undefined)),
      );
      most = Math.max(most, replicas);
      const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0);
      process.stdout.write(
        `${seconds} s: ${replicas} senders, backlog ${backlog.toFixed(1)} s, busy ${busy.toFixed(2)}, due ${due}, owed ${owed.count}\n`,
      );
      await pause(LOOK_INTERVAL_MS);
      return { replicas, backlog };
    };
    await eventually(
      "senders were added",
      async () => (await look()).replicas >= 3,
      SCALED_WITHIN_MS,
    );
    await eventually(
      "they have caught up",
      async () => (await look()).backlog < 5 && owed.count < 1_500,
      SCALED_WITHIN_MS,
    );
    const enough = await cluster.replicas("sender");
    for (let looks = 0; looks < 8; looks++) await look();
    const due = await cluster.figure(service, 'ringmaster_webhook_jobs{state="due"}');
    assert.ok((due ?? 0) > 2_000, `the endpoint that hangs has many due: ${due}`);
    assert.ok(
      most < MOST,
      `${most} senders, though most of what is due is for an endpoint that hangs`,
    );

    await visitors.stop();
    await eventually("every visit was told of", () => owed.count === 0, SCALED_WITHIN_MS);
    await eventually("one is left", async () => (await look()).replicas === 1, SCALED_WITHIN_MS);
    process.stdout.write(`at most ${most} senders, ${enough} when they had caught up\n`);
    assert.deepEqual(owed.all, []);
  },
);
