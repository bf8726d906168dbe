"""Optimal transport of images to classes, transcribed from the published equations in loops."""

import math


def literal_sinkhorn(scores, mass, e, steps):
    """Scale columns, then rows, of exp(scores / e), in loops."""
    n, k = len(scores), len(mass)
    top = max(max(row) for row in scores)
    t = [[math.exp((value - top) / e) for value in row] for row in scores]
    for _ in range(steps):
        for c in range(k):
            total = sum(t[i][c] for i in range(n))
            for i in range(n):
                t[i][c] *= mass[c] / total
        for i in range(n):
            total = sum(t[i])
            t[i] = [value / (n * total) for value in t[i]]
    return t


class Literal:
    """The published blocks in loops."""

    def __init__(self, vision, texts, formula):
        self.vision, self.texts = [v.numpy() for v in vision], [q.tolist() for q in texts]
        self.formula, self.n, self.k = formula, len(texts[0]), texts[0].shape[1]
        start = sum(texts) / len(texts)
        self.plan = (start / self.n).tolist()
        self.gaussians = [self.first(v, start.tolist()) for v in self.vision]
        self.seen = [self.posterior(v) for v in range(len(vision))]
        self.objective = []
        if formula == "paper":
            self.weigh()
        else:
            self.alpha = [1 / len(vision)] * len(vision)
            self.beta = [1 / len(texts)] * len(texts)

    def length(self, mean):
        return mean / math.sqrt(mean @ mean) if self.formula == "code" else mean

    def first(self, x, start):
        means = []
        for c in range(self.k):
            best = sorted(range(self.n), key=lambda i, c=c: -start[i][c])[:8]
            total = sum(start[i][c] for i in best)
            means.append(self.length(sum(start[i][c] * x[i] for i in best) / total))
        return means, [1 / x.shape[1]] * x.shape[1]

    def posterior(self, v):
        (means, variances), x, rows = self.gaussians[v], self.vision[v], []
        for i in range(self.n):
            logits = [
                -0.5
                / 50
                * sum((a - m) ** 2 / s for a, m, s in zip(x[i], mean, variances, strict=True))
                for mean in means
            ]
            total = sum(math.exp(value) for value in logits)
            rows.append([math.exp(value) / total for value in logits])
        return rows

    def inner(self, p):
        return sum(self.plan[i][c] * p[i][c] for i in range(self.n) for c in range(self.k))

    def agreeing(self, parts):
        best = [max(range(self.k), key=row.__getitem__) for row in self.plan]
        counts = [
            sum(max(range(self.k), key=p[i].__getitem__) == best[i] for i in range(self.n))
            for p in parts
        ]
        return [count / sum(counts) for count in counts]

    def weigh(self):
        if self.formula == "paper":
            self.alpha = [2 * self.inner(p) for p in self.seen]
            self.beta = [2 * self.inner(q) for q in self.texts]
        else:
            self.alpha, self.beta = self.agreeing(self.seen), self.agreeing(self.texts)

    def iterate(self):
        weighted = list(zip(self.alpha + self.beta, self.seen + self.texts, strict=True))
        joined = [
            [sum(w * p[i][c] for w, p in weighted) for c in range(self.k)] for i in range(self.n)
        ]
        self.plan = literal_sinkhorn(joined, [1 / self.k] * self.k, 0.01, 15)
        entropy = -sum(t * math.log(t) for row in self.plan for t in row if t > 0)
        squares = sum(self.inner(p) ** 2 for p in self.seen + self.texts)
        self.objective.append(squares + 0.01 * entropy)
        if self.formula == "code":
            self.weigh()
        self.gaussians = [self.maximise(v) for v in range(len(self.vision))]
        self.seen = [self.posterior(v) for v in range(len(self.vision))]
        if self.formula == "paper":
            self.weigh()

    def maximise(self, v):
        x, means = self.vision[v], []
        for c in range(self.k):
            total = sum(self.plan[i][c] for i in range(self.n))
            mean = sum(self.plan[i][c] * x[i] for i in range(self.n)) / total
            means.append(self.length(mean))
        variances = [
            sum(
                self.plan[i][c] * (x[i][d] - means[c][d]) ** 2
                for i in range(self.n)
                for c in range(self.k)
            )
            for d in range(x.shape[1])
        ]
        return means, variances
