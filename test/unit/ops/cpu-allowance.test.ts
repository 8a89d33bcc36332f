import { expect, test } from "bun:test";
import { allowanceOfV1, allowanceOfV2, cpuAllowance } from "../../../src/ops/cpu-allowance.ts";

test.each([
  ["25000 100000\n", 0.25],
  ["12500 50000\n", 0.25],
  ["100000 100000", 1],
  // JavaScript runs on one.
  ["200000 100000\n", 1],
  ["max 100000\n", 1],
  ["", 1],
  ["nonsense", 1],
  ["0 100000", 1],
  ["25000 0", 1],
  ["25000", 1],
])("cpu.max of %p allows %p of a CPU", (text, allowance) => {
  expect(allowanceOfV2(text)).toBe(allowance);
});

test.each([
  ["25000\n", "100000\n", 0.25],
  ["300000\n", "100000\n", 1],
  ["-1\n", "100000\n", 1],
  ["", "", 1],
])("cpu.cfs_quota_us of %p in %p allows %p of a CPU", (quota, period, allowance) => {
  expect(allowanceOfV1(quota, period)).toBe(allowance);
});

test("this machine allows something, and no more than one CPU", () => {
  const allowance = cpuAllowance();
  expect(allowance).toBeGreaterThan(0);
  expect(allowance).toBeLessThanOrEqual(1);
});
