import { RedisCache } from "../../src/stores/redis/channels/cache.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { describeCache } from "../conformance/cache.ts";
import { connect } from "./support/connect.ts";
import { onEachStore } from "./support/on-each-store.ts";

let made = 0;

onEachStore((kind, settings) =>
  describeCache(`RedisCache on ${kind}`, async () => {
    const connection = await connect(settings());
    return {
      cache: new RedisCache(connection, new Keys(`cache${++made}`, 4)),
      advance: (ms) => Bun.sleep(ms),
      close: () => connection.close(),
    };
  }),
);
