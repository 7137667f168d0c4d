// Paired comparison of two lists of scores, equal to srbench.statistics: mean, Student's 95 % interval, Wilcoxon's
// signed-rank test, Holm's correction.
"use strict";

globalThis.srbenchStatistics = (() => {
  const EXACT_UP_TO = 50; // images, without ties
  const EXACT_WITH_TIES_UP_TO = 13;

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

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // P(|T| < t) for Student's t with a whole number of degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4).
  const studentCentral = (t, degrees) => {
    const angle = Math.atan(t / Math.sqrt(degrees));
    const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
    const odd = degrees % 2;
    let term = odd ? cosine : 1;
    let sum = degrees === 1 ? 0 : term;
    for (let k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
      term *= (cosine * cosine * (k - 1)) / k;
      sum += term;
    }
    return odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
  };

  // Bisection to the last bits: it is called once per dataset.
  const studentQuantile = (central, degrees) => {
    let [low, high] = [0, 1e4];
    for (let step = 0; step < 100; step += 1) {
      const middle = (low + high) / 2;
      [low, high] = studentCentral(middle, degrees) < central ? [middle, high] : [low, middle];
    }
    return (low + high) / 2;
  };

  const studentInterval = (values) => {
    const [n, centre] = [values.length, mean(values)];
    const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
    const reach = studentQuantile(0.95, n - 1) * Math.sqrt(squares / (n - 1) / n);
    return [centre - reach, centre + reach];
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
  const pairedDifference = (a, b, minImages) => {
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
      interval: enough ? studentInterval(finite) : null,
      p: enough ? signedRankP(differences) : null,
      won: differences.filter((value) => value > 0).length / n,
      lost: differences.filter((value) => value < 0).length / n,
    };
  };

  return { holm, pairedDifference, signedRankP, studentInterval };
})();
