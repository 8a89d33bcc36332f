import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { DELIVERED, localTransport, outcomeOf, webhook } from "../../support/http-transport.ts";
import { answering, Receiver, saying, type Heard } from "../../support/receiver.ts";

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("It had no port.");
  return address.port;
}

describe("a request", () => {
  test("is these bytes, and no other header", async () => {
    await using receiver = await Receiver.listen(answering());
    const url = `http://hook.example.com:${receiver.port}/a%20b/?x=1&y=%22#part`;
    const body = '{"channel":"ü 😀"}';
    expect(await localTransport().send(webhook(url, { body }))).toEqual(DELIVERED);
    const { head } = receiver.heard[0]!;
    const [requestLine, ...headers] = head.split("\r\n");
    expect(requestLine).toBe("POST /a%20b/?x=1&y=%22 HTTP/1.1");
    expect(headers.map((header) => header.toLowerCase()).toSorted()).toEqual([
      "accept: */*",
      "connection: keep-alive",
      `content-length: ${Buffer.byteLength(body)}`,
      "content-type: application/json",
      `host: hook.example.com:${receiver.port}`,
      "user-agent: ringmaster-webhooks/1.2.3",
      "x-pusher-key: key",
    ]);
    expect(head).toContain("User-Agent: Ringmaster-Webhooks/1.2.3");
    expect(receiver.heard[0]!.body).toBe(body);
  });

  test("has the URL's user and password in its authorization, but for a header that says otherwise", async () => {
    await using receiver = await Receiver.listen(answering());
    const url = `http://us%C3%A9r:p%3Ass%zz@hook.example.com:${receiver.port}/`;
    const transport = localTransport();
    await transport.send(webhook(url));
    await transport.send(webhook(url, { headers: { authorization: "Bearer own" } }));
    const credentials = Buffer.from("usér:p%3Ass%zz").toString("base64");
    expect(receiver.heard[0]!.head).toContain(`Authorization: Basic ${credentials}\r\n`);
    expect(receiver.heard[1]!.head).toContain("Authorization: Bearer own\r\n");
  });

  test("cannot choose its own host, user agent or length", async () => {
    await using receiver = await Receiver.listen(answering());
    const headers = {
      host: "inside.example",
      "user-agent": "x",
      "content-length": "0",
      "transfer-encoding": "chunked",
    };
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await localTransport().send(webhook(url, { headers }))).toEqual(DELIVERED);
    const { head, body } = receiver.heard[0]!;
    expect(head).toContain(`Host: hook.example.com:${receiver.port}\r\n`);
    expect(head).toContain("User-Agent: Ringmaster-Webhooks/1.2.3\r\n");
    expect(head).not.toContain("chunked");
    expect(body).toBe(webhook(url).body);
  });

  test.each([{ "x-a": "b\r\nx-c: d" }, { "x a": "b" }, { "x-a": "😀" }])(
    "with a header that is none is not made: %j",
    async (headers) => {
      await using receiver = await Receiver.listen(answering());
      const url = `http://hook.example.com:${receiver.port}/`;
      expect(await localTransport().send(webhook(url, { headers }))).toEqual({
        kind: "failure",
        result: "connection",
        detail: `http://127.0.0.1:${receiver.port}: the request could not be made; is a header invalid?`,
      });
      expect(receiver.heard).toEqual([]);
    },
  );

  test("of a megabyte arrives whole, however slowly it is taken", async () => {
    await using receiver = await Receiver.listen(answering(), {
      onConnection: (socket) => {
        socket.pause();
        setTimeout(() => socket.resume(), 50);
      },
    });
    const body = "0123456789ü".repeat(500_000);
    const url = `http://hook.example.com:${receiver.port}/`;
    const transport = localTransport();
    for (let time = 0; time < 2; time++)
      expect(await transport.send(webhook(url, { body }))).toEqual(DELIVERED);
    expect(receiver.heard.map((heard) => heard.body === body)).toEqual([true, true]);
    expect(receiver.connections).toBe(1);
  });

  test("that is answered before it is written whole has its answer, and its connection is given up", async () => {
    await using receiver = await Receiver.listen(() => {}, {
      onConnection: (socket) => {
        socket.pause();
        socket.write("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
      },
    });
    const url = `http://hook.example.com:${receiver.port}/`;
    const transport = localTransport();
    const body = "x".repeat(20_000_000);
    expect(outcomeOf(await transport.send(webhook(url, { body })))).toBe("answer 413");
    expect(outcomeOf(await transport.send(webhook(url)))).toBe("answer 413");
    expect(receiver.connections).toBe(2);
  });

  test("goes to the receiver whatever proxy the environment names", async () => {
    await using receiver = await Receiver.listen(answering());
    await using proxy = await Receiver.listen(answering(502));
    const names = ["http_proxy", "HTTP_PROXY", "ALL_PROXY"];
    for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
    try {
      const url = `http://hook.example.com:${receiver.port}/`;
      expect(await localTransport().send(webhook(url))).toEqual(DELIVERED);
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect(proxy.connections).toBe(0);
  });
});

describe("an answer", () => {
  test.each([
    [200, "fine", ""],
    [299, "fine", ""],
    [300, "choose", "choose"],
    [404, "no\tsuch\r\n\u001b[31mhook\u0000 \u202e", "no such [31mhook"],
    [500, "x".repeat(2_000), "x".repeat(512)],
    [500, `${"x".repeat(511)}ü`, "x".repeat(511)],
    [410, "", ""],
  ])("of status %i says that, and of its body what people need", async (status, body, snippet) => {
    await using receiver = await Receiver.listen(answering(status, body));
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await localTransport().send(webhook(url))).toEqual({
      kind: "answer",
      status,
      retryAfter: null,
      snippet,
    });
  });

  test("tells when to come again, as it came", async () => {
    await using receiver = await Receiver.listen(
      answering(503, "", "Retry-After:  soon, please \r\n"),
    );
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await localTransport().send(webhook(url))).toMatchObject({ retryAfter: "soon, please" });
  });

  test("that sends elsewhere is an answer, and nobody goes there", async () => {
    await using inside = await Receiver.listen(answering());
    const location = `Location: http://127.0.0.1:${inside.port}/\r\n`;
    for (const status of [301, 302, 303, 307, 308]) {
      await using receiver = await Receiver.listen(answering(status, "", location));
      const url = `http://hook.example.com:${receiver.port}/`;
      expect(outcomeOf(await localTransport().send(webhook(url)))).toBe(`answer ${status}`);
    }
    expect(inside.connections).toBe(0);
  });

  test("in chunks is read like another", async () => {
    await using receiver = await Receiver.listen(
      saying(
        "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbro\r\n3\r\nken\r\n0\r\n\r\n",
      ),
    );
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    for (let time = 0; time < 3; time++)
      expect(await transport.send(webhook(url))).toMatchObject({ status: 500, snippet: "broken" });
    expect(receiver.connections).toBe(1);
  });
});

describe("connections", () => {
  test("are kept: a hundred webhooks one after the other go over one", async () => {
    await using receiver = await Receiver.listen(answering());
    const transport = localTransport();
    for (let i = 0; i < 100; i++)
      await transport.send(webhook(`http://hook.example.com:${receiver.port}/${i % 2}`));
    expect(receiver.heard).toHaveLength(100);
    expect(receiver.connections).toBe(1);
  });

  test("serve one name alone, although others are at the same address", async () => {
    await using receiver = await Receiver.listen(answering());
    const transport = localTransport();
    for (let round = 0; round < 3; round++)
      for (const name of ["a.example", "b.example", "127.0.0.1"])
        await transport.send(webhook(`http://${name}:${receiver.port}/`));
    expect(receiver.connections).toBe(3);
    const hostsOf = new Map<unknown, Set<string>>();
    for (const { socket, head } of receiver.heard) {
      const hosts = hostsOf.get(socket) ?? new Set();
      hostsOf.set(socket, hosts.add(/^host: (.*)$/im.exec(head)![1]!));
    }
    expect([...hostsOf.values()].map((hosts) => hosts.size)).toEqual([1, 1, 1]);
  });

  test("that the receiver closes while they are idle cost no delivery, in however unlucky a moment", async () => {
    const idleMs = 10;
    await using receiver = await Receiver.listen((heard) => {
      answering()(heard);
      const count = receiver.heard.length;
      setTimeout(() => {
        if (receiver.heard.length > count) return;
        // By a FIN or by a reset: servers do both.
        if (count % 2 === 0) heard.socket.end();
        else heard.socket.resetAndDestroy();
      }, idleMs);
    });
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    const rounds = 250;
    for (let round = 0; round < rounds; round++) {
      expect(await transport.send(webhook(url))).toEqual(DELIVERED);
      await Bun.sleep(idleMs - 1.5 + Math.random() * 2);
    }
    // Some were closed, and some were not: the moment was met from both sides.
    expect(receiver.connections).toBeGreaterThan(rounds / 10);
    expect(receiver.connections).toBeLessThan(rounds);
  });

  test("that the receiver has closed under a webhook are replaced, and it is sent again", async () => {
    await using receiver = await Receiver.listen((heard) => {
      if (heard.place === 1) answering()(heard);
      else heard.socket.resetAndDestroy();
    });
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 10; i++) expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(10);
  });

  test("on which a byte comes while they are idle are closed", async () => {
    await using receiver = await Receiver.listen(answering());
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    receiver.heard[0]!.socket.write("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    await receiver.until(() => receiver.open === 0);
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(2);
  });

  test.each([
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
  ])("are not kept where the answer does not want it: %j", async (answer) => {
    await using receiver = await Receiver.listen(saying(answer));
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 3; i++) expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(3);
    await receiver.until(() => receiver.open === 0);
  });

  test("carry one webhook at a time", async () => {
    const waiting: Heard[] = [];
    await using receiver = await Receiver.listen((heard) => void waiting.push(heard));
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    for (let round = 1; round <= 2; round++) {
      const sends = Array.from({ length: 10 }, () => transport.send(webhook(url)));
      await receiver.until(() => waiting.length === 10);
      expect(new Set(waiting.map(({ socket }) => socket)).size).toBe(10);
      for (const heard of waiting.splice(0)) answering()(heard);
      for (const send of sends) expect(await send).toEqual(DELIVERED);
    }
    expect(receiver.connections).toBe(10);
  });

  test("that break after the answer has begun are a failure, sent once", async () => {
    await using receiver = await Receiver.listen((heard) => {
      if (heard.place === 1) return answering()(heard);
      heard.socket.write("HTTP/1.1 2", () => heard.socket.end());
    });
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(outcomeOf(await transport.send(webhook(url)))).toBe("failure connection");
    expect(receiver.heard).toHaveLength(2);
  });

  test("that break under the first webhook on them are a failure, sent once", async () => {
    await using receiver = await Receiver.listen(({ socket }) => socket.resetAndDestroy());
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(outcomeOf(await localTransport().send(webhook(url)))).toBe("failure connection");
    expect(receiver.heard).toHaveLength(1);
  });

  test("that were kept, and break under each webhook, are a failure after the second", async () => {
    await using receiver = await Receiver.listen((heard) => {
      if (receiver.heard.length === 1) answering()(heard);
      else heard.socket.resetAndDestroy();
    });
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(outcomeOf(await transport.send(webhook(url)))).toBe("failure connection");
    expect(receiver.heard).toHaveLength(3);
    expect(outcomeOf(await transport.send(webhook(url)))).toBe("failure connection");
    expect(receiver.heard).toHaveLength(4);
  });

  test("that were kept, and break long after a webhook was written, are a failure at once", async () => {
    await using receiver = await Receiver.listen((heard) => {
      if (heard.place === 1) answering()(heard);
      else setTimeout(() => heard.socket.resetAndDestroy(), 1_050);
    });
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(outcomeOf(await transport.send(webhook(url)))).toBe("failure connection");
    expect(receiver.heard).toHaveLength(2);
  });
});

describe("of a name's addresses", () => {
  test("the next is tried when nobody listens at one, and stays the one in use", async () => {
    await using receiver = await Receiver.listen(answering(), { host: "127.0.0.3" });
    const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let lookups = 0;
    const transport = localTransport({
      lookup: () => {
        lookups++;
        return Promise.resolve(addresses.map((address) => ({ address, ttlMs: 60_000 })));
      },
    });
    const url = `http://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 5; i++) expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(1);
    expect(lookups).toBe(1);
  });

  test("the next is not tried once a webhook may have reached one", async () => {
    await using broken = await Receiver.listen(({ socket }) => socket.destroy());
    await using sound = await Receiver.listen(answering(), {
      host: "127.0.0.2",
      port: broken.port,
    });
    const transport = localTransport({ addresses: ["127.0.0.1", "127.0.0.2"] });
    const url = `http://hook.example.com:${broken.port}/`;
    expect(outcomeOf(await transport.send(webhook(url)))).toBe("failure connection");
    expect(sound.connections).toBe(0);
  });

  test("the next is preferred after one that was silent", async () => {
    await using silent = await Receiver.listen();
    await using sound = await Receiver.listen(answering(), {
      host: "127.0.0.2",
      port: silent.port,
    });
    const transport = localTransport({ addresses: ["127.0.0.1", "127.0.0.2"] });
    const url = `http://hook.example.com:${silent.port}/`;
    expect(outcomeOf(await transport.send(webhook(url, { timeoutMs: 100 })))).toBe(
      "failure timeout",
    );
    expect(sound.heard).toHaveLength(0);
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
  });

  test("none that is refused is dialled, and where all are the webhook is", async () => {
    await using refused = await Receiver.listen(answering());
    await using allowed = await Receiver.listen(answering(), {
      host: "127.0.0.2",
      port: refused.port,
    });
    const url = `http://hook.example.com:${refused.port}/`;
    const addresses = ["127.0.0.1", "127.0.0.2"];
    const some = localTransport({ addresses, allowedNetworks: ["127.0.0.2/32"] });
    expect(await some.send(webhook(url))).toEqual(DELIVERED);
    expect(await localTransport({ addresses, allowedNetworks: [] }).send(webhook(url))).toEqual({
      kind: "failure",
      result: "address",
      detail:
        "hook.example.com: 127.0.0.1 is refused (loopback, 127.0.0.0/8); " +
        "127.0.0.2 is refused (loopback, 127.0.0.0/8)",
    });
    expect([refused.connections, allowed.connections]).toEqual([0, 1]);
  });

  test("none is dialled that a name moves to after it was judged, until it is judged again", async () => {
    await using receiver = await Receiver.listen(answering());
    await using inside = await Receiver.listen(answering(), {
      host: "127.0.0.9",
      port: receiver.port,
    });
    let address = "127.0.0.1";
    // A time to live of nothing: by the letter, the name moves with every question.
    const lookup = () => Promise.resolve([{ address, ttlMs: 0 }]);
    const transport = localTransport({ lookup, allowedNetworks: ["127.0.0.1/32"] });
    const url = `http://hook.example.com:${receiver.port}/`;
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    address = "127.0.0.9";
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(inside.connections).toBe(0);
    const later = localTransport({ lookup, allowedNetworks: ["127.0.0.1/32"] });
    expect(outcomeOf(await later.send(webhook(url)))).toBe("failure address");
    expect(inside.connections).toBe(0);
  });

  test("one in IPv6 is dialled and named as it should be", async () => {
    await using receiver = await Receiver.listen(answering(), { host: "::1" });
    const url = `http://[::1]:${receiver.port}/`;
    expect(await localTransport().send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.heard[0]!.head).toContain(`Host: [::1]:${receiver.port}\r\n`);
  });

  test.each(["http://127.1:PORT/", "http://2130706433:PORT/", "http://[::ffff:7f00:1]:PORT/"])(
    "%s is one, however it is written",
    async (template) => {
      await using receiver = await Receiver.listen(answering());
      const url = template.replace("PORT", `${receiver.port}`);
      const lookup = () => Promise.reject(new Error("It asked for a name."));
      expect(await localTransport({ lookup }).send(webhook(url))).toEqual(DELIVERED);
      const refusing = localTransport({ lookup, allowedNetworks: [] });
      expect(outcomeOf(await refusing.send(webhook(url)))).toBe("failure address");
      expect(receiver.heard).toHaveLength(1);
    },
  );
});

describe("whose fault it is", () => {
  test("refused: nobody listens", async () => {
    const url = `http://hook.example.com:${await freePort()}/secret?secret`;
    const reply = await localTransport().send(webhook(url));
    expect(reply).toMatchObject({ kind: "failure", result: "refused" });
    expect(JSON.stringify(reply)).not.toContain("secret");
  });

  test("refused: nobody listens in IPv6 either", async () => {
    await using receiver = await Receiver.listen(answering(), { host: "::1" });
    const { port } = receiver;
    await receiver[Symbol.asyncDispose]();
    const reply = await localTransport().send(webhook(`http://[::1]:${port}/`));
    expect(outcomeOf(reply)).toBe("failure refused");
  });

  test("egress: this machine has no way there", async () => {
    const transport = localTransport({ allowedNetworks: ["255.255.255.255/32"] });
    expect(outcomeOf(await transport.send(webhook("http://255.255.255.255/")))).toBe(
      "failure egress",
    );
  });

  test("a receiver that has no way to one of its addresses from here, and refuses at the other, refuses", async () => {
    const port = await freePort();
    for (const addresses of [
      ["255.255.255.255", "127.0.0.1"],
      ["127.0.0.1", "255.255.255.255"],
    ]) {
      const allowedNetworks = ["0.0.0.0/0"];
      const transport = localTransport({ addresses, allowedNetworks });
      const reply = await transport.send(webhook(`http://hook.example.com:${port}/`));
      expect(outcomeOf(reply)).toBe("failure refused");
    }
  });

  test("dns: the name cannot be resolved, and its time is not the receiver's", async () => {
    const lookup = () =>
      Promise.reject(Object.assign(new Error("secret"), { code: "DNS_ESERVFAIL" }));
    expect(await localTransport({ lookup }).send(webhook("http://hook.example.com/"))).toEqual({
      kind: "failure",
      result: "dns",
      detail: "hook.example.com: the name service failed (DNS_ESERVFAIL)",
    });
    await using receiver = await Receiver.listen(answering());
    const slowly = () => Bun.sleep(150).then(() => [{ address: "127.0.0.1", ttlMs: 0 }]);
    const request = webhook(`http://hook.example.com:${receiver.port}/`, { timeoutMs: 100 });
    expect(await localTransport({ lookup: slowly }).send(request)).toEqual(DELIVERED);
  });

  test.each(["ftp://hook.example.com/", "nonsense", "http://"])(
    "address: %p is no place to go",
    async (url) => {
      expect(outcomeOf(await localTransport().send(webhook(url)))).toBe("failure address");
    },
  );

  test("shutdown: whatever a webhook waits for, it ends when the sender is stopped", async () => {
    const transport = localTransport({
      lookup: (name) =>
        name === "unknown.example"
          ? new Promise(() => {})
          : Promise.resolve([{ address: "127.0.0.1", ttlMs: 0 }]),
    });
    await using silent = await Receiver.listen();
    await using dripping = await Receiver.listen(
      saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
    );
    await using headless = await Receiver.listen(saying("HTTP/1.1 200 OK\r\nX-"));
    await using streaming = await Receiver.listen(saying("HTTP/1.1 200 OK\r\n\r\nx"));
    const receivers = [silent, dripping, headless, streaming];
    const sends = [
      transport.send(webhook("http://unknown.example/")),
      transport.send(webhook(`https://tls.example:${silent.port}/`)),
      ...receivers.map(({ port }) => transport.send(webhook(`http://a.example:${port}/`))),
    ];
    await Promise.all(receivers.map((receiver) => receiver.until(() => receiver.heard.length > 0)));
    await silent.until(() => silent.connections === 2);
    const startedMs = performance.now();
    transport.abort();
    const replies = await Promise.all(sends);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(replies.map(outcomeOf)).toEqual(sends.map(() => "failure shutdown"));
    await Promise.all(receivers.map((receiver) => receiver.until(() => receiver.open === 0)));
  });

  test("shutdown: a connection that comes about only after that is closed", async () => {
    await using receiver = await Receiver.listen(answering());
    const transport = localTransport();
    const reply = transport.send(webhook(`http://127.0.0.1:${receiver.port}/`));
    transport.abort();
    expect(outcomeOf(await reply)).toBe("failure shutdown");
    await receiver.until(() => receiver.connections === 1 && receiver.open === 0);
    expect(receiver.heard).toEqual([]);
  });

  test("after that, idle connections are closed too", async () => {
    await using receiver = await Receiver.listen(answering());
    const transport = localTransport();
    await transport.send(webhook(`http://hook.example.com:${receiver.port}/`));
    expect(receiver.open).toBe(1);
    transport.abort();
    await receiver.until(() => receiver.open === 0);
  });
});
