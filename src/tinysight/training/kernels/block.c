/* A block of ReLU, batch norm over the batch and 2x2 maximum, in as few passes over memory as can be.

   Forward the map is read once, for the statistics and the largest value of each window; backward it
   is read once and its gradient written once. What norm and maximum do, in that order, is the
   maximum first and the norm on a quarter of the values after it, since a norm rises with its input
   (or falls, where its weight is negative: then the smallest value of a window is kept).

   Maps lie n h w c, c a multiple of LANES and at most MOST. With -DBF16 they are bfloat16, else
   float32; all arithmetic is float32, sums over more than a row are float64 and do not depend on the
   number of threads. Rows and columns that no window covers count for the statistics alone. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define MOST 2048
#define PARTS 64 /* of a sum, each of which one thread makes */
#define INLINE static inline __attribute__((always_inline))
#define PARALLEL _Pragma("omp parallel for schedule(static) num_threads(s->threads)")

typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Truths __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES), aligned(2)));

typedef struct {
    int64_t n, h, w, c; /* of the map */
    int64_t threads;
} Shape;

#ifdef BF16
typedef uint16_t Value;
INLINE Floats load(const Value *at) {
    return (Floats)(__builtin_convertvector(*(const Halves *)at, Words) << 16);
}
INLINE void store(Value *at, Floats v) { /* rounded to the nearest, ties to even */
    Words bits = (Words)v;
    *(Halves *)at = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, Halves);
}
#else
typedef float Value;
INLINE Floats load(const Value *at) { return *(const Floats *)at; }
INLINE void store(Value *at, Floats v) { *(Floats *)at = v; }
#endif

INLINE Floats where(Truths truth, Floats v) { return (Floats)(truth & (Truths)v); }

INLINE Floats choose(Truths truth, Floats a, Floats b) {
    return (Floats)((truth & (Truths)a) | (~truth & (Truths)b));
}

INLINE Floats larger(Floats a, Floats b) { return choose(a > b, a, b); }

INLINE Floats all(float v) { return (Floats){0} + v; }

/* What is not a number passes, as through torch's. */
INLINE Floats relu(const Value *at) {
    Floats v = load(at);
    return where(~(v < 0.0f), v);
}

INLINE void add(double *sums, Floats v) {
    for (int lane = 0; lane < LANES; lane++) sums[lane] += v[lane];
}

/* Sum over the parts: of `parts`, PARTS times 2 c, to the first 2 c. */
static void gather(double *parts, int64_t c) {
    for (int part = 1; part < PARTS; part++)
        for (int64_t k = 0; k < 2 * c; k++) parts[k] += parts[part * 2 * c + k];
}

/* The statistics of relu(x), to the first of `parts`: sums and sums of squares. And in `kept`,
   n h/2 w/2 c, what the maximum will choose. */
static void measure(const Value *x, Value *kept, const float *weight, double *parts,
                    const Shape *s) {
    const int64_t c = s->c, row = s->w * c, bands = (s->h + 1) / 2, total = s->n * bands;
    PARALLEL
    for (int part = 0; part < PARTS; part++) {
        double *sums = parts + part * 2 * c;
        memset(sums, 0, 2 * c * sizeof(double));
        for (int64_t band = total * part / PARTS; band < total * (part + 1) / PARTS; band++) {
            const int64_t image = band / bands, y = band % bands;
            const int pair = 2 * y + 1 < s->h;
            const Value *in = x + (image * s->h + 2 * y) * row;
            Value *out = kept + (image * (s->h / 2) + y) * (s->w / 2) * c;
            for (int64_t k = 0; k < c; k += LANES) {
                const Truths falls = *(const Floats *)(weight + k) < 0.0f;
                const Floats sign = choose(falls, all(-1.0f), all(1.0f));
                Floats sum = {0}, squares = {0};
                int64_t j = 0;
                for (; pair && j + 1 < s->w; j += 2) {
                    const Value *at = in + j * c + k;
                    const Floats a = relu(at), b = relu(at + c);
                    const Floats d = relu(at + row), e = relu(at + row + c);
                    sum += (a + b) + (d + e);
                    squares += (a * a + b * b) + (d * d + e * e);
                    const Floats most = larger(larger(sign * a, sign * b), larger(sign * d, sign * e));
                    store(out + j / 2 * c + k, sign * most);
                }
                for (; j < s->w; j++)
                    for (int i = 0; i <= pair; i++) {
                        const Floats v = relu(in + i * row + j * c + k);
                        sum += v;
                        squares += v * v;
                    }
                add(sums + k, sum);
                add(sums + c + k, squares);
            }
        }
    }
    gather(parts, c);
}

/* y = max(norm(relu(x))), n h/2 w/2 c. `mean` and `inverse`, one over the deviation, are left for
   `backward`, and so is `kept`, shaped as y; the running statistics are moved. */
void forward(const Value *x, Value *kept, Value *y, const float *weight, const float *bias,
             float *mean, float *inverse, float *running_mean, float *running_variance,
             double *parts, float momentum, float epsilon, const Shape *s) {
    const int64_t c = s->c, width = s->w / 2, rows = s->n * (s->h / 2);
    const double count = (double)s->n * s->h * s->w;
    float slope[MOST], offset[MOST];
    measure(x, kept, weight, parts, s);
    for (int64_t k = 0; k < c; k++) {
        const double centre = parts[k] / count;
        const double variance = fmax(parts[c + k] / count - centre * centre, 0.0);
        mean[k] = centre;
        inverse[k] = 1.0 / sqrt(variance + epsilon);
        running_mean[k] += momentum * (mean[k] - running_mean[k]);
        const float unbiased = variance * count / (count - 1.0);
        running_variance[k] += momentum * (unbiased - running_variance[k]);
        slope[k] = weight[k] * inverse[k];
        offset[k] = bias[k] - mean[k] * slope[k];
    }
    PARALLEL
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < c; k += LANES) {
            const Floats a = *(Floats *)(slope + k), b = *(Floats *)(offset + k);
            for (int64_t at = i * width * c + k; at < (i + 1) * width * c; at += c)
                store(y + at, load(kept + at) * a + b);
        }
}

/* dx, dweight and dbias from dy, n h/2 w/2 c. With u = relu(x), m values a channel and
   z = (u - mean) * inverse: du = weight * inverse * (dv - sum(dv) / m - z * sum(dv * z) / m), where dv
   is dy at the first chosen value of each window and else nothing. */
void backward(const Value *x, const Value *kept, const Value *dy, Value *dx, const float *weight,
              const float *mean, const float *inverse, float *dweight, float *dbias,
              double *parts, const Shape *s) {
    const int64_t c = s->c, row = s->w * c, width = s->w / 2, rows = s->n * (s->h / 2);
    const int64_t bands = (s->h + 1) / 2, total = s->n * bands;
    const double count = (double)s->n * s->h * s->w;
    float slope[MOST], pull[MOST], offset[MOST]; /* du = slope * dv + pull * u + offset */
    PARALLEL
    for (int part = 0; part < PARTS; part++) {
        double *sums = parts + part * 2 * c;
        memset(sums, 0, 2 * c * sizeof(double));
        for (int64_t i = rows * part / PARTS; i < rows * (part + 1) / PARTS; i++)
            for (int64_t k = 0; k < c; k += LANES) {
                const Floats centre = *(const Floats *)(mean + k);
                Floats sum = {0}, products = {0};
                for (int64_t at = i * width * c + k; at < (i + 1) * width * c; at += c) {
                    const Floats dv = load(dy + at);
                    sum += dv;
                    products += dv * (load(kept + at) - centre);
                }
                add(sums + k, sum);
                add(sums + c + k, products);
            }
    }
    gather(parts, c);
    for (int64_t k = 0; k < c; k++) {
        const double both = (double)weight[k] * inverse[k];
        const double bent = -both * inverse[k] * inverse[k] * parts[c + k] / count;
        dbias[k] = parts[k];
        dweight[k] = parts[c + k] * inverse[k];
        slope[k] = both;
        pull[k] = bent;
        offset[k] = -both * parts[k] / count - bent * mean[k];
    }
    PARALLEL
    for (int64_t band = 0; band < total; band++) {
        const int64_t image = band / bands, y = band % bands;
        const int pair = 2 * y + 1 < s->h;
        const int64_t in = (image * s->h + 2 * y) * row;
        const int64_t out = (image * (s->h / 2) + y) * width * c;
        for (int64_t k = 0; k < c; k += LANES) {
            const Floats a = *(Floats *)(slope + k), b = *(Floats *)(pull + k);
            const Floats d = *(Floats *)(offset + k);
            int64_t j = 0;
            for (; pair && j + 1 < s->w; j += 2) {
                const int64_t first = in + j * c + k;
                const int64_t window[4] = {first, first + c, first + row, first + row + c};
                const Floats chosen = load(kept + out + j / 2 * c + k);
                Floats left = a * load(dy + out + j / 2 * c + k);
                for (int i = 0; i < 4; i++) {
                    const Floats u = relu(x + window[i]);
                    const Floats du = where(u == chosen, left) + b * u + d;
                    left = where(u != chosen, left);
                    store(dx + window[i], where(u > 0.0f, du));
                }
            }
            for (; j < s->w; j++)
                for (int i = 0; i <= pair; i++) {
                    const int64_t at = in + i * row + j * c + k;
                    const Floats u = relu(x + at);
                    store(dx + at, where(u > 0.0f, b * u + d));
                }
        }
    }
}
