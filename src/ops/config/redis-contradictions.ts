import type { Contradiction } from "./contradiction.ts";
import type { Settings } from "./settings.ts";

type RedisSettings = Settings["redis"];

/** Everything about the shared store that contradicts something else about it. */
export function redisContradictions(redis: RedisSettings): Contradiction[] {
  return [
    ...placeContradictions(redis),
    ...sentinelContradictions(redis),
    ...databaseContradictions(redis),
    ...credentialContradictions(redis),
    ...tlsContradictions(redis),
  ];
}

const PLACES = ["redis.url", "redis.clusterNodes", "redis.sentinelNodes"];

function placesIn({ url, clusterNodes, sentinelNodes }: RedisSettings): string[] {
  const isGiven = [url !== null, clusterNodes.length > 0, sentinelNodes.length > 0];
  return PLACES.filter((_, i) => isGiven[i]);
}

function placeContradictions(redis: RedisSettings): Contradiction[] {
  const places = placesIn(redis);
  const [first, second] = places;
  if (first !== undefined && second !== undefined)
    return [
      {
        path: second,
        message: `is given beside ${first}, but there is one store; give only one of them`,
        involves: places,
      },
    ];
  if (first !== undefined) return [];
  // Whoever gives one of these means a store, and would be served by the embedded one.
  const given = (["username", "password", "caFile", "certFile", "keyFile", "serverName"] as const)
    .filter((name) => redis[name] !== null)
    .map((name) => `redis.${name}`);
  if (redis.tls) given.push("redis.tls");
  const [useless] = given;
  if (useless === undefined) return [];
  return [
    {
      path: useless,
      message: `does nothing, for there is no ${PLACES.join(", ")}; give one of these, or leave it out`,
      involves: [...PLACES, ...given],
    },
  ];
}

function sentinelContradictions(redis: RedisSettings): Contradiction[] {
  const { sentinelNodes, sentinelPrimaryName } = redis;
  const involves = ["redis.sentinelNodes", "redis.sentinelPrimaryName"];
  if (sentinelNodes.length > 0 !== (sentinelPrimaryName !== null)) {
    const [missing, given] =
      sentinelPrimaryName === null
        ? ["sentinelPrimaryName", "sentinelNodes"]
        : ["sentinelNodes", "sentinelPrimaryName"];
    return [
      {
        path: `redis.${missing}`,
        message: `is missing, which redis.${given} needs; give both, or leave both out`,
        involves,
      },
    ];
  }
  if (sentinelNodes.length > 0) return [];
  return (["sentinelUsername", "sentinelPassword"] as const)
    .filter((name) => redis[name] !== null)
    .map((name) => ({
      path: `redis.${name}`,
      message: "does nothing without redis.sentinelNodes; give those, or leave it out",
      involves: [...involves, `redis.${name}`],
    }));
}

function databaseContradictions({ url, clusterNodes, database }: RedisSettings): Contradiction[] {
  if (database === 0) return [];
  if (clusterNodes.length > 0)
    return [
      {
        path: "redis.database",
        message: "is not 0, but a Cluster has no other; leave it out",
        involves: ["redis.database", "redis.clusterNodes"],
      },
    ];
  const named = url === null ? "" : new URL(url).pathname.slice(1);
  if (named === "" || Number(named) === database) return [];
  return [
    {
      path: "redis.database",
      message: "is not the number in redis.url; give it in one of the two",
      involves: ["redis.database", "redis.url"],
    },
  ];
}

/** Which of two would count, nobody could tell from the file. */
function credentialContradictions(redis: RedisSettings): Contradiction[] {
  if (redis.url === null) return [];
  const url = new URL(redis.url);
  return (["username", "password"] as const)
    .filter((name) => redis[name] !== null && url[name] !== "")
    .map((name) => ({
      path: `redis.${name}`,
      message: "stands in redis.url as well; give it in one of the two",
      involves: [`redis.${name}`, "redis.url"],
    }));
}

function tlsContradictions(redis: RedisSettings): Contradiction[] {
  const found: Contradiction[] = [];
  if ((redis.certFile === null) !== (redis.keyFile === null)) {
    const [missing, given] =
      redis.certFile === null ? ["certFile", "keyFile"] : ["keyFile", "certFile"];
    found.push({
      path: `redis.${missing}`,
      message: `is missing, which redis.${given} needs; give the path of a PEM file, or leave both out`,
      involves: ["redis.certFile", "redis.keyFile"],
    });
  }
  const forTls = (["caFile", "certFile", "keyFile", "serverName"] as const).filter(
    (name) => redis[name] !== null,
  );
  const hasTls = redis.tls || redis.url?.startsWith("rediss:") === true;
  if (forTls.length > 0 && !hasTls && placesIn(redis).length > 0)
    found.push({
      path: "redis.tls",
      message: `is false, so redis.${forTls.join(" and redis.")} would do nothing; set it to true, or leave them out`,
      involves: ["redis.tls", "redis.url", ...forTls.map((name) => `redis.${name}`)],
    });
  return found;
}
