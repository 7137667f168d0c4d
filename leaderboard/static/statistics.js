// Paired comparison of two score lists, as srbench.statistics does it: mean, 95 % BCa bootstrap interval (Efron 1987),
// Wilcoxon's signed-rank test, Holm's correction. Tests are the same numbers; intervals come from another stream of
// random numbers and agree to a few per cent of their width.
"use strict";

globalThis.srbenchStatistics = (() => {
  const RESAMPLES = 9999;
  const EXACT_UP_TO = 50; // images, without ties
  const EXACT_WITH_TIES_UP_TO = 13;

  // xoshiro128** by Blackman and Vigna, seeded by splitmix32: the same pair of entries gives the same interval.
  const randomNumbers = (seed) => {
    let state = seed >>> 0;
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    let [a, b, c, d] = [next(), next(), next(), next()];
    const rotate = (x, k) => (x << k) | (x >>> (32 - k));
    return () => {
      const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = rotate(d, 11);
      return result / 4294967296;
    };
  };

  // Upper tail of the standard normal: its series near 0, its continued fraction further out.
  const normalTail = (x) => {
    if (x < 0) {
      return 1 - normalTail(-x);
    }
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    if (x < 3) {
      let term = x;
      let sum = x;
      for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k += 1) {
        term *= (x * x) / (2 * k + 1);
        sum += term;
      }
      return 0.5 - density * sum;
    }
    let fraction = 0;
    for (let k = 200; k > 0; k -= 1) {
      fraction = k / (x + fraction);
    }
    return density / (x + fraction);
  };

  const normalCdf = (x) => normalTail(-x);

  // Bisection: slow and exact to the last bits, for a handful of calls.
  const normalQuantile = (p) => {
    if (p <= 0 || p >= 1) {
      return p <= 0 ? -Infinity : Infinity;
    }
    let [low, high] = [-40, 40];
    for (let step = 0; step < 100; step += 1) {
      const middle = (low + high) / 2;
      [low, high] = normalCdf(middle) < p ? [middle, high] : [low, middle];
    }
    return (low + high) / 2;
  };

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  const quantile = (sorted, share) => {
    const at = share * (sorted.length - 1);
    const below = Math.floor(at);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  };

  const resampledMeans = (values, seed) => {
    const random = randomNumbers(seed);
    const n = values.length;
    const means = new Float64Array(RESAMPLES);
    for (let index = 0; index < RESAMPLES; index += 1) {
      let sum = 0;
      for (let k = 0; k < n; k += 1) {
        sum += values[Math.floor(random() * n)];
      }
      means[index] = sum / n;
    }
    return means.sort();
  };

  const acceleration = (values, centre) => {
    let [cubes, squares] = [0, 0];
    for (const value of values) {
      // For a mean, leaving one value out moves it by (value − mean) / (n − 1): the jackknife in closed form.
      const u = value - centre;
      cubes += u ** 3;
      squares += u ** 2;
    }
    return cubes / (6 * squares ** 1.5);
  };

  const bcaInterval = (values, seed = 0) => {
    if (values.every((value) => value === values[0])) {
      return [values[0], values[0]];
    }
    const centre = mean(values);
    const means = resampledMeans(values, seed);
    let [below, upTo] = [0, 0];
    for (const value of means) {
      below += value < centre;
      upTo += value <= centre;
    }
    const bias = normalQuantile((below + upTo) / (2 * RESAMPLES));
    const a = acceleration(values, centre);
    const end = (z) => quantile(means, normalCdf(bias + (bias + z) / (1 - a * (bias + z))));
    const z = normalQuantile(0.975);
    return [end(-z), end(z)];
  };

  const signedRanks = (moved) => {
    const order = moved.map((value, index) => [Math.abs(value), index]).sort((p, q) => p[0] - q[0]);
    const ranks = new Array(moved.length);
    const ties = [];
    for (let start = 0; start < order.length; ) {
      let stop = start;
      while (stop < order.length && order[stop][0] === order[start][0]) {
        stop += 1;
      }
      for (let k = start; k < stop; k += 1) {
        ranks[order[k][1]] = (start + stop + 1) / 2;
      }
      ties.push(stop - start);
      start = stop;
    }
    return { ranks, ties };
  };

  // Every choice of signs is as likely as any other: count, in half ranks, how many reach each sum.
  const exactP = (ranks, positive) => {
    const doubled = ranks.map((rank) => Math.round(2 * rank));
    const total = doubled.reduce((sum, rank) => sum + rank, 0);
    const ways = new Float64Array(total + 1);
    ways[0] = 1;
    for (const rank of doubled) {
      for (let sum = total; sum >= rank; sum -= 1) {
        ways[sum] += ways[sum - rank];
      }
    }
    const observed = Math.round(2 * positive);
    let [lower, upper] = [0, 0];
    for (let sum = 0; sum <= total; sum += 1) {
      lower += sum <= observed ? ways[sum] : 0;
      upper += sum >= observed ? ways[sum] : 0;
    }
    return Math.min(1, (2 * Math.min(lower, upper)) / 2 ** ranks.length);
  };

  const signedRankP = (differences) => {
    const moved = differences.filter((value) => value !== 0);
    const n = moved.length;
    if (n === 0) {
      return 1;
    }
    const { ranks, ties } = signedRanks(moved);
    const positive = ranks.reduce((sum, rank, index) => sum + (moved[index] > 0 ? rank : 0), 0);
    const tied = ties.some((count) => count > 1);
    if (n <= (tied ? EXACT_WITH_TIES_UP_TO : EXACT_UP_TO)) {
      return exactP(ranks, positive);
    }
    const correction = ties.reduce((sum, count) => sum + count ** 3 - count, 0);
    const deviation = Math.sqrt((n * (n + 1) * (2 * n + 1) - correction / 2) / 24);
    return Math.min(1, 2 * normalTail(Math.abs(positive - (n * (n + 1)) / 4) / deviation));
  };

  const holm = (values) => {
    const order = values.map((_, index) => index).sort((p, q) => values[p] - values[q]);
    const adjusted = new Array(values.length);
    let highest = 0;
    order.forEach((index, rank) => {
      highest = Math.max(highest, Math.min(1, (values.length - rank) * values[index]));
      adjusted[index] = highest;
    });
    return adjusted;
  };

  // a and b: numbers, Infinity, or null where an image lacks the score. Everything but n is then null.
  const pairedDifference = (a, b, minImages, seed = 0) => {
    const n = a.length;
    const nothing = { n, mean: null, interval: null, p: null, won: null, lost: null, differences: null };
    if (n === 0 || a.includes(null) || b.includes(null)) {
      return nothing;
    }
    const differences = a.map((value, index) => (value === b[index] ? 0 : value - b[index]));
    const finite = differences.filter(Number.isFinite);
    const enough = finite.length >= minImages;
    return {
      n,
      differences,
      mean: finite.length ? mean(finite) : null,
      interval: enough ? bcaInterval(finite, seed) : null,
      p: enough ? signedRankP(differences) : null,
      won: differences.filter((value) => value > 0).length / n,
      lost: differences.filter((value) => value < 0).length / n,
    };
  };

  return { bcaInterval, holm, normalCdf, normalQuantile, pairedDifference, signedRankP };
})();
