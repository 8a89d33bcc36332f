import { describe, expect, test } from "bun:test";
import { parseQuery, type QueryParameter } from "../../../src/protocol/query.ts";
import {
  requestSignatureFault,
  requestSigningText,
  signRequest,
  type SignedRequest,
} from "../../../src/protocol/request-signature.ts";
import { md5Hex } from "../../../src/protocol/signature.ts";
import { testApp, VECTOR_KEY, VECTOR_SECRET } from "../../support/apps.ts";
import { hmac, signedQuery } from "../../support/signing.ts";

const app = testApp();
const key = app.keys[0]!;
const NOW_MS = 1_353_088_179_000;
const EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e";

const VECTOR_BODY = '{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}';
const vector: SignedRequest = {
  method: "POST",
  path: "/apps/3/events",
  query: [
    ["auth_key", VECTOR_KEY],
    ["auth_timestamp", "1353088179"],
    ["auth_version", "1.0"],
    ["body_md5", "ec365a775a4cd0599faeb73354201b6f"],
    ["auth_signature", "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"],
  ],
  body: VECTOR_BODY,
};

/** A valid request, changed: its signature fits the change. */
function signed(changes: Partial<SignedRequest> = {}, nowMs = NOW_MS): SignedRequest {
  const request = { method: "GET", path: "/apps/3/channels", query: [], body: "", ...changes };
  return { ...request, query: signedQuery(key, request, nowMs) };
}

function without(request: SignedRequest, ...names: string[]): SignedRequest {
  return { ...request, query: request.query.filter(([name]) => !names.includes(name)) };
}

function replaced(request: SignedRequest, name: string, value: string): SignedRequest {
  return {
    ...request,
    query: request.query.map((parameter) => (parameter[0] === name ? [name, value] : parameter)),
  };
}

/** Signs the query as it stands, whatever it says. */
function resigned(request: SignedRequest): SignedRequest {
  const query: QueryParameter[] = request.query.filter(([name]) => name !== "auth_signature");
  const text = query
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`);
  query.push([
    "auth_signature",
    hmac(VECTOR_SECRET, `${request.method}\n${request.path}\n${text.join("&")}`),
  ]);
  return { ...request, query };
}

describe("the vectors of the contract", () => {
  test("the body of the first vector has the MD5 ec365a77…", () => {
    expect(md5Hex(VECTOR_BODY)).toBe("ec365a775a4cd0599faeb73354201b6f");
  });

  test("POST /apps/3/events at 1353088179 is signed da454824…", () => {
    expect(hmac(VECTOR_SECRET, requestSigningText(vector))).toBe(
      "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
    );
    expect(requestSignatureFault(app, vector, NOW_MS)).toBeUndefined();
  });

  test("our own signRequest makes the signature da454824… as well", () => {
    const query = signRequest(
      key,
      { method: "POST", path: "/apps/3/events", query: [], body: VECTOR_BODY },
      NOW_MS,
    );
    expect(query).toEqual([...vector.query]);
  });

  test("GET /event with the body of pusher-http-node's test is signed a650196d…", () => {
    const f00d = { key: "f00d", secret: "tofu", active: true };
    const request = { method: "GET", path: "/event", query: [], body: "example body" };
    const query = signRequest(f00d, request, 1_234_567_890_000);
    expect(query).toContainEqual(["body_md5", "165d5e6d7ca8f73b3853ce45addf42fc"]);
    expect(query).toContainEqual([
      "auth_signature",
      "a650196dc427ebe837226f8565ca9232198c6d1b9455eaa72374a9dc0b620e7b",
    ]);
    const fault = requestSignatureFault(
      testApp({ keys: [f00d] }),
      { ...request, query },
      1_234_567_890_000,
    );
    expect(fault).toBeUndefined();
  });
});

describe("the text that is signed", () => {
  test("sorts by name, lower-cases names, leaves the signature out, and escapes nothing", () => {
    const query: QueryParameter[] = [
      ["Zulu", "a&b=c"],
      ["auth_signature", "x"],
      ["AUTH_SIGNATURE", "y"],
      ["alpha", "ü %41"],
    ];
    expect(requestSigningText({ method: "GET", path: "/p", query, body: "" })).toBe(
      "GET\n/p\nalpha=ü %41&zulu=a&b=c",
    );
  });

  test("repeats an array's name in the order sent", () => {
    const query = parseQuery("channels[]=b&auth_key=k&channels[]=a");
    expect(requestSigningText({ method: "POST", path: "/p", query, body: "" })).toBe(
      "POST\n/p\nauth_key=k&channels[]=b&channels[]=a",
    );
  });

  test("holds decoded values, whether the library escaped them or not", () => {
    const escaped = parseQuery(
      "filter_by_prefix=presence-%7Ba%7D&info=user_count%2Csubscription_count",
    );
    const raw = parseQuery("filter_by_prefix=presence-{a}&info=user_count,subscription_count");
    const text = (query: QueryParameter[]) =>
      requestSigningText({ method: "GET", path: "/p", query, body: "" });
    expect(text(escaped)).toBe(text(raw));
    expect(text(raw)).toBe(
      "GET\n/p\nfilter_by_prefix=presence-{a}&info=user_count,subscription_count",
    );
  });
});

describe("the order of the checks", () => {
  // Each request lacks what its line says and everything that is checked after it.
  const bare: SignedRequest = { method: "GET", path: "/apps/3/channels", query: [], body: "" };
  const withKey = { ...bare, query: [["auth_key", VECTOR_KEY]] as QueryParameter[] };
  const withVersion = {
    ...withKey,
    query: [...withKey.query, ["auth_version", "1.0"]] as QueryParameter[],
  };
  const oldStamp = String(NOW_MS / 1000 - 600);
  const table: [SignedRequest, string][] = [
    [bare, "Missing parameter: auth_key"],
    [{ ...bare, query: [["auth_key", ""]] }, "Missing parameter: auth_key"],
    [{ ...bare, query: [["auth_key", "nope"]] }, "Unknown auth_key"],
    [withKey, "Version required"],
    [{ ...withKey, query: [...withKey.query, ["auth_version", ""]] }, "Version required"],
    [{ ...withKey, query: [...withKey.query, ["auth_version", "1.1"]] }, "Version not supported"],
    [withVersion, "Timestamp required"],
    [
      { ...withVersion, query: [...withVersion.query, ["auth_timestamp", oldStamp]] },
      "Timestamp expired: Given timestamp (2012-11-16T17:39:39Z) not within 600s of server time (2012-11-16T17:49:39Z)",
    ],
    [
      { ...withVersion, query: [...withVersion.query, ["auth_timestamp", String(NOW_MS / 1000)]] },
      'Invalid signature: you should have sent HmacSHA256Hex("GET\\n/apps/3/channels\\nauth_key=278d425bdf160c739803' +
        '&auth_timestamp=1353088179&auth_version=1.0", your_secret_key), but you sent ""',
    ],
  ];
  test.each(table.map(([request, message]) => [message, request] as const))(
    "%s",
    (message, request) => {
      expect(requestSignatureFault(app, request, NOW_MS)).toBe(message);
    },
  );

  test("a deactivated key is unknown, even when it signs rightly", () => {
    const rotated = testApp({
      keys: [
        { ...key, active: false },
        { key: "new", secret: "s", active: true },
      ],
    });
    expect(requestSignatureFault(rotated, signed(), NOW_MS)).toBe("Unknown auth_key");
  });

  test("every active key signs, each with its own secret", () => {
    const second = { key: "second", secret: "other", active: true };
    const two = testApp({ keys: [key, second] });
    const request = { method: "GET", path: "/apps/3/channels", query: [], body: "" };
    expect(
      requestSignatureFault(two, { ...request, query: signedQuery(key, request, NOW_MS) }, NOW_MS),
    ).toBeUndefined();
    expect(
      requestSignatureFault(
        two,
        { ...request, query: signedQuery(second, request, NOW_MS) },
        NOW_MS,
      ),
    ).toBeUndefined();
    const crossed = { ...second, secret: key.secret };
    expect(
      requestSignatureFault(
        two,
        { ...request, query: signedQuery(crossed, request, NOW_MS) },
        NOW_MS,
      ),
    ).toStartWith("Invalid signature");
  });
});

describe("the timestamp", () => {
  test.each([
    [-600, false],
    [-599, true],
    [0, true],
    [599, true],
    [600, false],
  ])("%d seconds away from the server's time is accepted: %p", (seconds, isAccepted) => {
    const fault = requestSignatureFault(app, signed({}, NOW_MS + seconds * 1000), NOW_MS);
    if (isAccepted) expect(fault).toBeUndefined();
    else expect(fault).toStartWith("Timestamp expired: Given timestamp (");
  });

  test("counts whole seconds of the server's time", () => {
    expect(requestSignatureFault(app, signed({}, NOW_MS - 599_000), NOW_MS + 999)).toBeUndefined();
    expect(requestSignatureFault(app, signed({}, NOW_MS - 600_000), NOW_MS - 1)).toBeUndefined();
  });

  test.each(["yesterday", "9".repeat(400), "-1", "1e3", "0x10", "NaN", "99999999999999999"])(
    "that reads %p is expired, not a crash",
    (stamp) => {
      const request = resigned(replaced(signed(), "auth_timestamp", stamp));
      expect(requestSignatureFault(app, request, NOW_MS)).toStartWith("Timestamp expired: ");
    },
  );
});

describe("the signature", () => {
  test("of another method, path, parameter or secret is refused", () => {
    const request = signed({ query: [["info", "user_count"]] });
    expect(requestSignatureFault(app, request, NOW_MS)).toBeUndefined();
    for (const forged of [
      { ...request, method: "POST" },
      { ...request, path: "/apps/3/channels/" },
      { ...request, query: [...request.query, ["extra", "1"] as QueryParameter] },
      replaced(request, "info", "cache"),
      without(request, "info"),
    ]) {
      expect(requestSignatureFault(app, forged, NOW_MS)).toStartWith("Invalid signature: ");
    }
    const changedSecret = testApp({ keys: [{ ...key, secret: "another" }] });
    expect(requestSignatureFault(changedSecret, request, NOW_MS)).toStartWith(
      "Invalid signature: ",
    );
  });

  test.each(["", "0", "f".repeat(63), "f".repeat(65), "ü".repeat(32), "f".repeat(100_000)])(
    "of a wrong length is refused without throwing (case %#)",
    (signature) => {
      const fault = requestSignatureFault(
        app,
        replaced(signed(), "auth_signature", signature),
        NOW_MS,
      );
      expect(fault).toStartWith("Invalid signature: you should have sent HmacSHA256Hex(");
    },
  );

  test("never shows the secret or the right signature in its refusal", () => {
    const request = signed();
    const right = request.query.find(([name]) => name === "auth_signature")![1];
    const fault = requestSignatureFault(app, replaced(request, "auth_signature", "guess"), NOW_MS)!;
    expect(fault).toEndWith(', your_secret_key), but you sent "guess"');
    expect(fault).not.toContain(VECTOR_SECRET);
    expect(fault).not.toContain(right);
  });

  test("may come with parameter names in capitals", () => {
    const request = signed();
    const query = request.query.map(([name, value]): QueryParameter => [name.toUpperCase(), value]);
    expect(requestSignatureFault(app, { ...request, query }, NOW_MS)).toBeUndefined();
  });
});

describe("the digest of the body", () => {
  const post = signed({ method: "POST", path: "/apps/3/events", body: "{}" });

  test("is required where there is a body", () => {
    const bare = resigned(without(post, "body_md5"));
    expect(requestSignatureFault(app, bare, NOW_MS)).toBe("Missing parameter: body_md5");
  });

  test("must be that of the body received", () => {
    const fault = requestSignatureFault(app, { ...post, body: '{"a":1}' }, NOW_MS);
    expect(fault).toBe("Invalid body_md5: it is not the MD5 of the body that was received");
    expect(requestSignatureFault(app, { ...post, body: "" }, NOW_MS)).toBe(fault);
  });

  test("of the empty string is accepted on a GET, as the Python library sends it", () => {
    const request = signed({ query: [["body_md5", EMPTY_MD5]] });
    expect(request.query).toContainEqual(["body_md5", EMPTY_MD5]);
    expect(requestSignatureFault(app, request, NOW_MS)).toBeUndefined();
  });

  test("covers bytes, not characters", () => {
    const body = new Uint8Array([0xff, 0x00, 0xc3, 0x28]);
    const request = signed({ method: "POST", body });
    expect(requestSignatureFault(app, request, NOW_MS)).toBeUndefined();
    expect(
      requestSignatureFault(
        app,
        { ...request, body: new Uint8Array([0xff, 0x00, 0xc3, 0x29]) },
        NOW_MS,
      ),
    ).toBe("Invalid body_md5: it is not the MD5 of the body that was received");
  });
});
