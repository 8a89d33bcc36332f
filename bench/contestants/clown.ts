import { join } from "node:path";
import { Beanstalk } from "../beanstalk.ts";
import { Child, LOAD_CORE, SERVER_CORE } from "../child.ts";
import { type ContestantName, freePort, untilListening } from "../contestant.ts";
import { CREDENTIALS } from "../pusher-api.ts";
import type { Sender } from "../sender.ts";
import type { WebhookJob } from "../webhook-job.ts";

const PROGRAM = join(import.meta.dirname, "..", "peers", "clown", "clown.rb");
const TUBE = "webhooks";

/** The sender that Ringmaster replaces, rebuilt: a connection for each request, as its HTTP library does unless told. */
export const CLOWN = clown("clown", []);

/** The same with one lasting connection for each endpoint. */
export const KEEP_ALIVE_CLOWN = clown("keep-alive clown", ["keep-alive"]);

function clown(name: ContestantName, mode: readonly string[]): Sender {
  return {
    name,
    async start() {
      await needPackages();
      const port = await freePort();
      // Its own CPU time is not counted: the queue of ours is inside the sender, and counted.
      const beanstalkd = new Child(["beanstalkd", "-l", "127.0.0.1", "-p", String(port)], {
        core: LOAD_CORE,
      });
      await untilListening(beanstalkd, port);
      const queue = await Beanstalk.connect(port, TUBE);
      const child = new Child(["ruby", PROGRAM, String(port), TUBE, ...mode], {
        core: SERVER_CORE,
      });
      return {
        child,
        async enqueue(jobs) {
          await queue.pause();
          await queue.put(jobs.map(jobText));
        },
        release: () => queue.resume(),
        backlog: () => queue.jobs(),
        async close() {
          queue.close();
          await Promise.all([child.stop(), beanstalkd.stop()]);
        },
      };
    },
  };
}

function jobText({ url, body }: WebhookJob): string {
  const { key, secret } = CREDENTIALS;
  return JSON.stringify({ key, secret, url, body });
}

async function needPackages(): Promise<void> {
  const libraries = ["-reventmachine", "-rem-http-request", "-e", ""];
  const missing =
    Bun.which("ruby") === null ||
    Bun.which("beanstalkd") === null ||
    (await Bun.spawn(["ruby", ...libraries], { stderr: "ignore" }).exited) !== 0;
  if (missing) {
    throw new Error(
      "not all that it runs on is here: apt install --no-install-recommends ruby ruby-eventmachine ruby-em-http-request beanstalkd",
    );
  }
}
