/* Latencies in constant memory: values up to 2^40 ns, in steps of less than 0.8 %. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define SUB_BUCKETS 128
#define BUCKETS (SUB_BUCKETS * 36)
struct histogram {
  uint64_t counts[BUCKETS];
  uint64_t total;
  uint64_t maxNs;
};

static void histogram_add(struct histogram *histogram, uint64_t ns) {
  if (ns > histogram->maxNs) histogram->maxNs = ns;
  uint64_t value = ns >> 40 ? (1ull << 40) - 1 : ns;
  size_t bucket = value;
  if (value >= SUB_BUCKETS * 2) {
    int shift = 63 - __builtin_clzll(value) - 7;
    bucket = (size_t)shift * SUB_BUCKETS + (value >> shift);
  }
  histogram->counts[bucket]++;
  histogram->total++;
}

static uint64_t histogram_at(const struct histogram *histogram, double share) {
  if (!histogram->total) return 0;
  uint64_t rank = (uint64_t)ceil(share * (double)histogram->total), seen = 0;
  for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram->counts[bucket];
    if (seen < rank || !seen) continue;
    if (bucket < SUB_BUCKETS * 2) return bucket;
    int shift = (int)(bucket / SUB_BUCKETS) - 1;
    return (bucket - (size_t)shift * SUB_BUCKETS) << shift;
  }
  return histogram->maxNs;
}
